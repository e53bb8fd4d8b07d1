#include "jinja/value.h"

#include <catch2/catch_test_macros.hpp>

namespace weft::jinja {
namespace {

std::string through(std::string_view text) {
    const auto value = Value::from_json(text);
    return value ? value->to_json() : "error";
}

TEST_CASE("JSON keeps its keys in order and its numbers apart") {
    CHECK(through(R"({"b": 1, "a": [1.0, -2, 1e3, true, null, "x"]})") == R"({"b": 1, "a": [1.0, -2, 1000.0, true, null, "x"]})");
    CHECK(through(R"({"a": 1, "b": 2, "a": 3})") == R"({"a": 3, "b": 2})");
}

TEST_CASE("JSON strings are unescaped") {
    CHECK(Value::from_json(R"("\u00e9\ud83d\ude00\n\"\/")")->as_string() == "é😀\n\"/");
    CHECK(Value::from_json(R"("\ud83d")")->as_string() == "\xEF\xBF\xBD");
}

TEST_CASE("malformed JSON is an error") {
    for (const auto text : {"", "{", "[1,]", "{\"a\" 1}", "01", "1.", "-", "\"\\x\"", "\"a\nb\"", "nul", "1 2", "[1}", "\"\xff\""}) {
        CAPTURE(text);
        CHECK(through(text) == "error");
    }
}

TEST_CASE("JSON nested too deeply is an error") {
    CHECK(through(std::string(100, '[') + std::string(100, ']')) != "error");
    CHECK(through(std::string(100'000, '[')) == "error");
}

TEST_CASE("a large dict finds every key") {
    Dict dict;
    for (int i = 0; i < 1000; ++i) dict.set(std::to_string(i), Value::integer(i));
    dict.set("500", Value::integer(-1));
    CHECK(dict.size() == 1000);
    CHECK(dict.find("999")->as_integer() == 999);
    CHECK(dict.find("500")->as_integer() == -1);
    CHECK(dict.find("x") == nullptr);
}

TEST_CASE("depth and weight are known without a walk") {
    const Value leaf = Value::string("12345678");
    Value tree = leaf;
    for (int i = 0; i < 100; ++i) tree = Value::list({tree, tree});
    CHECK(tree.depth() == 100);
    CHECK(tree.weight() >= std::size_t{1} << 62);
}

TEST_CASE("truth is Python's") {
    for (const auto text : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"}) CHECK_FALSE(Value::from_json(text)->truthy());
    for (const auto text : {"true", "1", "-0.5", "\"0\"", "[0]", "{\"a\": null}"}) CHECK(Value::from_json(text)->truthy());
    CHECK_FALSE(Value().truthy());
}

}  // namespace
}  // namespace weft::jinja
