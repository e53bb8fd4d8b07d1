#include "api/caller.h"

#include <boost/hash2/sha2.hpp>
#include <charconv>
#include <optional>

namespace weft::api {
namespace {

constexpr std::size_t tenant_digits = 16;

bool is_bearer(std::string_view scheme) {
    constexpr std::string_view word = "bearer ";
    if (scheme.size() < word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i)
        if ((scheme[i] | (word[i] == ' ' ? 0 : 0x20)) != word[i]) return false;
    return true;
}

std::string_view credential_of(const http::Request& request) {
    auto text = request.header("authorization");
    if (is_bearer(text)) text.remove_prefix(7);
    else text = request.header("x-api-key");
    while (text.starts_with(' ')) text.remove_prefix(1);
    return text;
}

// Nobody in particular is the empty tenant.
std::string tenant_of(std::string_view credential) {
    if (credential.empty()) return "";
    boost::hash2::sha2_256 hash;
    constexpr std::string_view purpose = "weft tenant\n";
    hash.update(purpose.data(), purpose.size());
    hash.update(credential.data(), credential.size());
    const auto digest = hash.result();
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < tenant_digits / 2; ++i) {
        text += digits[digest[i] >> 4U];
        text += digits[digest[i] & 15U];
    }
    return text;
}

template <typename T>
Result<void> read_number(const http::Request& request, std::string_view name, T least, T most, T& target) {
    const auto text = request.header(name);
    if (text.empty()) return {};
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return fail_field(ErrorCode::invalid_request, std::string(name),
                          "the header " + std::string(name) + " must be a whole number from " + std::to_string(least) + " to " +
                              std::to_string(most));
    target = value;
    return {};
}

}  // namespace

Result<void> set_caller(const http::Request& request, GenerateRequest& generate) {
    generate.request_id = request.id;
    generate.tenant = request.on_behalf_of ? *request.on_behalf_of : tenant_of(credential_of(request));
    if (const auto scope = request.header("x-weft-cache"); !scope.empty()) {
        if (scope != "shared" && scope != "private")
            return fail_field(ErrorCode::invalid_request, "x-weft-cache", "the header x-weft-cache must be shared or private");
        generate.shared_cache = scope == "shared";
    }
    WEFT_CHECK(read_number<std::int32_t>(request, "x-weft-priority", -1000, 1000, generate.priority));
    return read_number<std::uint32_t>(request, "x-weft-deadline-ms", 1, 86'400'000, generate.deadline_ms);
}

}  // namespace weft::api
