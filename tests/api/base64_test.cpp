#include "api/base64.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::api;

namespace {

std::string encoded(std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

}  // namespace

// RFC 4648, section 10.
TEST_CASE("bytes become base64 and come back") {
    const std::pair<std::string_view, std::string_view> vectors[] = {
        {"", ""},          {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : vectors) {
        CHECK(encoded(bytes) == text);
        CHECK(decode_base64(text) == std::string(bytes));
    }
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    CHECK(decode_base64(encoded(all)) == all);
}

TEST_CASE("what is no base64 is not decoded") {
    for (const std::string_view text : {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9*", "Zm9v\n"})
        CHECK_FALSE(decode_base64(text));
}
