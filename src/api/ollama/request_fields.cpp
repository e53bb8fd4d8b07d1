#include "api/ollama/request_fields.h"

#include <algorithm>
#include <array>

#include "api/image_input.h"
#include "api/ollama/options.h"
#include "registry/keep_alive.h"

namespace weft::api::ollama {
namespace {

Result<std::uint32_t> top_logprobs_in(const JsonReader& body) {
    const auto count = body["top_logprobs"].integer();
    if (!count) return std::unexpected(count.error());
    const std::int64_t n = count->value_or(0);
    if (n < 0 || n > max_top_logprobs)
        return fail_field(ErrorCode::invalid_request, "top_logprobs", "top_logprobs must be between 0 and 20");
    return static_cast<std::uint32_t>(n);
}

// "json", a schema, or nothing. What the engine cannot enforce of a schema it refuses.
Result<void> format_in(const JsonReader& format, GenerationFields& fields) {
    if (format.absent()) return {};
    const std::string text = format.is_string() ? format.json().get<std::string>() : write_json(format.json());
    if (format.is_string() && text.empty()) return {};
    const bool json_mode = format.is_string() && text == "json";
    if (!json_mode && !format.is_object())
        return fail_field(ErrorCode::invalid_request, "format",
                          "invalid format: " + write_json(format.json()) +
                              "; expected \"json\" or a valid JSON Schema object");
    fields.format = json_mode ? OutputFormat::json : OutputFormat::json_schema;
    if (!json_mode) fields.format_schema = text;
    return {};
}

Result<bool> flag_in(const JsonReader& body, std::string_view key, bool otherwise) {
    WEFT_TRY(const auto value, body[key].boolean());
    return value.value_or(otherwise);
}

}  // namespace

Result<Json> body_of(const http::Request& request) {
    if (request.body.find_first_not_of(" \t\r\n") == std::string::npos)
        return fail(ErrorCode::invalid_request, "missing request body");
    WEFT_TRY(auto body, parse_json(request.body));
    if (!body.is_object()) return fail(ErrorCode::invalid_request, "the request body must be a JSON object");
    return body;
}

Result<std::string> model_name_in(const JsonReader& body) {
    WEFT_TRY(auto name, body.first_of({"model", "name"}).string());
    return std::move(name).value_or("");
}

Result<std::string> required_model_name_in(const JsonReader& body) {
    WEFT_TRY(auto name, model_name_in(body));
    if (name.empty()) return fail_field(ErrorCode::missing_field, "model", "model is required");
    return name;
}

Result<std::optional<KeepAlive>> keep_alive_in(const JsonReader& body) {
    const auto value = body["keep_alive"];
    if (value.absent()) return std::nullopt;
    if (value.is_string()) return parse_keep_alive(value.json().get<std::string>());
    if (!value.is_number()) return value.wrong_type("a duration such as \"10m\" or a number of seconds");
    WEFT_TRY(const auto seconds, value.number());
    return keep_alive_of_seconds(*seconds);
}

Result<ThinkSetting> think_in(const JsonReader& body) {
    static constexpr std::array levels{"low", "medium", "high", "max"};
    const auto value = body["think"];
    if (value.absent()) return ThinkSetting{};
    if (value.is_boolean()) return ThinkSetting{.on = value.json().get<bool>()};
    const std::string text = value.is_string() ? value.json().get<std::string>() : write_json(value.json());
    if (!value.is_string() || std::ranges::find(levels, text) == levels.end())
        return fail_field(ErrorCode::invalid_request, "think",
                          "invalid think value: \"" + text +
                              "\" (must be \"high\", \"medium\", \"low\", \"max\", true, or false)");
    return ThinkSetting{.on = true, .level = text};
}

Result<GenerationFields> generation_fields_in(const JsonReader& body) {
    GenerationFields fields;
    WEFT_TRY(fields.model, model_name_in(body));
    WEFT_TRY(fields.stream, flag_in(body, "stream", true));
    WEFT_TRY(fields.keep_alive, keep_alive_in(body));
    WEFT_TRY(fields.options, parse_options(body["options"]));
    WEFT_TRY(fields.think, think_in(body));
    WEFT_TRY(fields.truncate, flag_in(body, "truncate", true));
    WEFT_TRY(fields.shift, flag_in(body, "shift", true));
    WEFT_TRY(fields.logprobs, flag_in(body, "logprobs", false));
    WEFT_TRY(fields.top_logprobs, top_logprobs_in(body));
    WEFT_TRY(fields.render_only, flag_in(body, "_debug_render_only", false));
    WEFT_CHECK(format_in(body["format"], fields));
    return fields;
}

Result<void> read_images(const JsonReader& images, ChatMessage& message) {
    constexpr std::string_view mark = "[img]";
    WEFT_TRY(const auto list, images.array());
    if (!list || list->empty()) return {};
    std::vector<ChatImage> placed;
    std::vector<ChatImage> in_front;
    for (const auto& value : *list) {
        WEFT_TRY(const auto text, value.string());
        if (!text) return value.wrong_type("a string");
        WEFT_TRY(auto image, read_image_url(*text, value));
        const auto from = placed.empty() ? 0 : placed.back().at;
        image.at = message.content.find(mark, from);
        if (image.at == std::string::npos) {
            image.at = 0;
            in_front.push_back(std::move(image));
        } else {
            message.content.erase(image.at, mark.size());
            placed.push_back(std::move(image));
        }
    }
    message.images = std::move(in_front);
    std::ranges::move(placed, std::back_inserter(message.images));
    return {};
}

std::unexpected<Error> cannot(const std::string& model, std::string_view what) {
    return fail(ErrorCode::unsupported, "\"" + model + "\" does not support " + std::string(what));
}

}  // namespace weft::api::ollama
