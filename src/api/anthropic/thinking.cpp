#include "api/anthropic/thinking.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "api/base64.h"

namespace weft::api::anthropic {
namespace {

constexpr std::array<std::string_view, 5> efforts{"low", "medium", "high", "xhigh", "max"};

Result<void> read_switch(const JsonReader& thinking, GenerateRequest& generate) {
    auto& prompt = std::get<ChatPrompt>(generate.prompt);
    WEFT_TRY(const auto type, thinking["type"].string());
    if (!type) return thinking["type"].missing();
    if (*type == "disabled") {
        prompt.thinking = false;
        return {};
    }
    if (*type != "enabled" && *type != "adaptive")
        return thinking["type"].invalid("must be one of enabled, adaptive, disabled");
    prompt.thinking = true;
    const auto budget = thinking["budget_tokens"];
    WEFT_TRY(const auto tokens, budget.integer(1, std::numeric_limits<std::uint32_t>::max()));
    if (*type == "enabled" && !tokens) return budget.missing();
    if (*type == "enabled") generate.thinking_budget = static_cast<std::uint32_t>(*tokens);
    return {};
}

// 64-bit FNV-1a.
std::uint64_t hash_of(std::string_view text, std::uint64_t hash) {
    for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ULL;
    return hash;
}

}  // namespace

Result<bool> read_thinking(const JsonReader& body, GenerateRequest& generate) {
    const auto thinking = body["thinking"];
    if (!thinking.absent() && !thinking.is_object()) return thinking.wrong_type("an object");
    if (!thinking.absent()) WEFT_CHECK(read_switch(thinking, generate));
    const auto effort = body["output_config"]["effort"];
    WEFT_TRY(const auto level, effort.string());
    if (level && std::ranges::find(efforts, *level) == efforts.end())
        return effort.invalid("must be one of low, medium, high, xhigh, max");
    if (level)
        std::get<ChatPrompt>(generate.prompt).template_variables_json = R"({"reasoning_effort":")" + *level + R"("})";
    WEFT_TRY(const auto display, thinking["display"].string());
    if (display && *display != "omitted" && *display != "summarized")
        return thinking["display"].invalid("must be one of summarized, omitted");
    return display != "omitted";
}

std::string signature_of(std::string_view thinking) {
    constexpr std::array<std::uint64_t, 2> seeds{14695981039346656037ULL, 0x77656674'5f736967ULL};
    std::string bytes;
    for (const auto seed : seeds)
        for (std::uint64_t hash = hash_of(thinking, seed), i = 0; i < 8; ++i, hash >>= 8)
            bytes += static_cast<char>(hash & 0xFF);
    std::string signature;
    append_base64(signature, bytes);
    return signature;
}

}  // namespace weft::api::anthropic
