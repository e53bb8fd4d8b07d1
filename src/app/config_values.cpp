#include "app/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/ascii.h"
#include "registry/keep_alive.h"

namespace weft {
namespace {

std::optional<double> number_from(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

const std::string* text_of(const ConfigNode& value) { return std::get_if<std::string>(&value.data); }

}  // namespace

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
    const bool quoted = text.size() >= 2 && text.front() == text.back() && (text.front() == '"' || text.front() == '\'');
    return quoted ? text.substr(1, text.size() - 2) : text;
}

std::optional<std::string> config_text(const ConfigNode& value) {
    if (const auto* text = text_of(value)) return *text;
    return std::nullopt;
}

std::optional<bool> config_flag(const ConfigNode& value) {
    if (const auto* flag = std::get_if<bool>(&value.data)) return *flag;
    const auto* text = text_of(value);
    const std::string word = text ? lower_case(*text) : "";
    if (word == "true" || word == "on" || word == "yes" || word == "1") return true;
    if (word == "false" || word == "off" || word == "no" || word == "0") return false;
    return std::nullopt;
}

std::optional<double> config_number(const ConfigNode& value) {
    if (const auto* natural = std::get_if<std::uint64_t>(&value.data)) return static_cast<double>(*natural);
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&value.data)) return *real;
    if (const auto* text = text_of(value)) return number_from(*text);
    return std::nullopt;
}

std::optional<std::int64_t> config_integer(const ConfigNode& value) {
    constexpr double exact = 9007199254740992.0;  // 2^53: beyond it not every whole number is a double
    const auto number = config_number(value);
    if (!number || *number != std::floor(*number) || std::abs(*number) > exact) return std::nullopt;
    return static_cast<std::int64_t>(*number);
}

std::optional<std::uint64_t> config_bytes(const ConfigNode& value) {
    constexpr double largest = 1e18;
    double unit = 1;
    std::optional<double> number = config_number(value);
    if (const auto* text = text_of(value); text && !number) {
        static constexpr std::array<std::pair<std::string_view, double>, 14> units{
            {{"kib", 1024.0}, {"mib", 1048576.0}, {"gib", 1073741824.0}, {"tib", 1099511627776.0}, {"kb", 1e3}, {"mb", 1e6},
             {"gb", 1e9}, {"tb", 1e12}, {"k", 1024.0}, {"m", 1048576.0}, {"g", 1073741824.0}, {"t", 1099511627776.0},
             {"bytes", 1.0}, {"b", 1.0}}};
        const std::string word = lower_case(*text);
        for (const auto& [suffix, scale] : units) {
            if (!word.ends_with(suffix)) continue;
            number = number_from(trimmed(std::string_view(word).substr(0, word.size() - suffix.size())));
            unit = scale;
            break;
        }
    }
    if (!number || *number < 0 || *number * unit > largest) return std::nullopt;
    return static_cast<std::uint64_t>(*number * unit);
}

std::optional<double> config_share(const ConfigNode& value) {
    const auto* text = text_of(value);
    if (!text || !text->ends_with('%')) return std::nullopt;
    const auto percent = number_from(trimmed(std::string_view(*text).substr(0, text->size() - 1)));
    if (!percent || *percent <= 0 || *percent > 100) return std::nullopt;
    return *percent / 100;
}

std::optional<std::chrono::nanoseconds> config_duration(const ConfigNode& value) {
    if (const auto* text = text_of(value)) {
        const auto time = parse_keep_alive_or_seconds(*text);
        return time ? std::optional(*time) : std::nullopt;
    }
    const auto seconds = config_number(value);
    return seconds ? std::optional(keep_alive_of_seconds(*seconds)) : std::nullopt;
}

std::optional<std::vector<std::string>> config_texts(const ConfigNode& value) {
    if (const auto* one = text_of(value)) return std::vector{*one};
    const auto* list = std::get_if<ConfigNode::array_t>(&value.data);
    if (!list) return std::nullopt;
    std::vector<std::string> texts;
    for (const auto& element : *list) {
        const auto* text = text_of(element);
        if (!text) return std::nullopt;
        texts.push_back(*text);
    }
    return texts;
}

ConfigNode config_list_from_text(std::string_view text) {
    ConfigNode::array_t list;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        if (const auto one = trimmed(text.substr(0, comma)); !one.empty()) list.emplace_back(std::string(one));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    ConfigNode node;
    node.data = std::move(list);
    return node;
}

}  // namespace weft
