#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "http/exchange.h"
#include "registry/model_info.h"
#include "services/chat/chat_service.h"

// The parts that several of the dialect's requests share.
namespace weft::api::ollama {

// The body, whatever its content type says. It is an object.
[[nodiscard]] Result<Json> body_of(const http::Request& request);

// `model`, or `name` as older clients call it. Empty when absent.
[[nodiscard]] Result<std::string> model_name_in(const JsonReader& body);
// The same for routes that refuse an empty one: "model is required".
[[nodiscard]] Result<std::string> required_model_name_in(const JsonReader& body);

// Seconds as a number or a duration such as "1h30m"; negative means for ever.
[[nodiscard]] Result<std::optional<KeepAlive>> keep_alive_in(const JsonReader& body);

struct ThinkSetting {
    std::optional<bool> on{};
    std::string level{};  // low, medium, high or max; empty for a plain true
    [[nodiscard]] bool wanted() const { return on.value_or(false); }
};
[[nodiscard]] Result<ThinkSetting> think_in(const JsonReader& body);

// What /api/generate and /api/chat have in common.
struct GenerationFields {
    std::string model;
    bool stream = true;
    std::optional<KeepAlive> keep_alive{};
    SamplingOverrides options{};
    ThinkSetting think{};
    bool truncate = true;
    bool shift = true;
    bool logprobs = false;
    std::uint32_t top_logprobs = 0;
    bool render_only = false;
    OutputFormat format = OutputFormat::text;
    std::string format_schema{};  // json_schema

    // A request without a prompt that says keep_alive 0 asks to unload.
    [[nodiscard]] bool unloads() const { return keep_alive && *keep_alive == KeepAlive{0}; }
};
[[nodiscard]] Result<GenerationFields> generation_fields_in(const JsonReader& body);

// The images of one message. They stand where its text says "[img]", the others in front of it.
[[nodiscard]] Result<void> read_images(const JsonReader& images, ChatMessage& message);

// unsupported: "NAME" does not support WHAT.
[[nodiscard]] std::unexpected<Error> cannot(const std::string& model, std::string_view what);

}  // namespace weft::api::ollama
