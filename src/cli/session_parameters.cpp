#include "cli/session_parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/formatted.h"

namespace weft::cli {
namespace {

enum class Kind { integer, number, boolean, strings };

struct Parameter {
    std::string_view name;
    Kind kind;
};

constexpr std::array parameters{
    Parameter{"temperature", Kind::number},       Parameter{"top_k", Kind::integer},
    Parameter{"top_p", Kind::number},             Parameter{"min_p", Kind::number},
    Parameter{"typical_p", Kind::number},         Parameter{"seed", Kind::integer},
    Parameter{"num_predict", Kind::integer},      Parameter{"stop", Kind::strings},
    Parameter{"repeat_penalty", Kind::number},    Parameter{"repeat_last_n", Kind::integer},
    Parameter{"presence_penalty", Kind::number},  Parameter{"frequency_penalty", Kind::number},
    Parameter{"num_keep", Kind::integer},         Parameter{"num_ctx", Kind::integer},
    Parameter{"num_batch", Kind::integer},        Parameter{"num_gpu", Kind::integer},
    Parameter{"num_thread", Kind::integer},       Parameter{"main_gpu", Kind::integer},
    Parameter{"use_mmap", Kind::boolean},
};

template <typename T>
std::optional<T> parse_whole(std::string_view text) {
    T value{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::unexpected<Error> wants(std::string_view name, std::string_view what) {
    return fail(ErrorCode::invalid_request, formatted("{} has to be {}", name, what));
}

JsonText string_array(const std::vector<std::string>& values) {
    std::string array;
    for (const auto& value : values) array += (array.empty() ? "[" : ",") + json_string(value);
    return {array + "]"};
}

}  // namespace

Result<JsonText> parse_parameter(std::string_view name, const std::vector<std::string>& values) {
    const auto* const parameter = std::ranges::find(parameters, name, &Parameter::name);
    if (parameter == parameters.end())
        return fail(ErrorCode::invalid_request, formatted("there is no parameter '{}': see /? parameters", name));
    if (values.empty()) return wants(name, "followed by a value");
    if (parameter->kind == Kind::strings) return string_array(values);
    if (values.size() > 1) return wants(name, "followed by one value");
    const std::string& value = values.front();
    switch (parameter->kind) {
        case Kind::integer:
            if (const auto whole = parse_whole<std::int64_t>(value)) return JsonText{std::to_string(*whole)};
            return wants(name, "a whole number");
        case Kind::number:
            if (const auto number = parse_whole<double>(value); number && std::isfinite(*number))
                return JsonText{formatted("{}", *number)};
            return wants(name, "a number");
        case Kind::boolean:
            if (value == "true" || value == "false") return JsonText{value};
            return wants(name, "true or false");
        case Kind::strings: break;
    }
    return string_array(values);
}

std::vector<std::string> parameter_names() {
    std::vector<std::string> names;
    for (const auto& parameter : parameters) names.emplace_back(parameter.name);
    return names;
}

JsonText parse_keep_alive(std::string_view text) {
    if (const auto seconds = parse_whole<std::int64_t>(text)) return {std::to_string(*seconds)};
    return {json_string(text)};
}

Result<JsonText> parse_think(std::string_view text) {
    if (text == "true" || text == "false") return JsonText{std::string(text)};
    constexpr std::array levels{"low", "medium", "high", "max"};
    if (std::ranges::contains(levels, text)) return JsonText{json_string(text)};
    return wants("think", "true, false, low, medium, high or max");
}

Result<JsonText> parse_format(std::string_view text) {
    if (text == "json") return JsonText{json_string(text)};
    if (text.starts_with('{') && is_json(text)) return JsonText{std::string(text)};
    return wants("format", "json or a JSON Schema");
}

}  // namespace weft::cli
