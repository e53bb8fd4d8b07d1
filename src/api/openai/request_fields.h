#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/request_fields.h"
#include "services/chat/chat_service.h"

// What chat completions, completions and embeddings read alike.
namespace weft::api::openai {

// Sampling, limits, stop strings, keep_alive and priority, from OpenAI's own fields and from the extensions of other
// servers, which may also stand in an `options` object. What OpenAI spells out wins over an extension. least_tokens:
// the smallest limit on generated tokens that makes sense.
[[nodiscard]] Result<void> read_sampling(const JsonReader& body, ChatRequest& request, std::int64_t least_tokens = 1);

struct StreamFields {
    bool stream = false;
    bool include_usage = false;
};
[[nodiscard]] Result<StreamFields> read_stream_fields(const JsonReader& body);

// Fields that this server knows but cannot honour yet: an error that names the first one that is set to something that
// would change the answer. Silence would be worse than a refusal.
[[nodiscard]] Result<void> refuse_later_fields(const JsonReader& body);
// The part of it about sampling alone.
[[nodiscard]] Result<void> refuse_later_samplers(const JsonReader& body);
// The error itself, for things that are refused elsewhere. what: a capability or a quoted field.
[[nodiscard]] std::unexpected<Error> not_supported_yet(const JsonReader& value, std::string_view what);

}  // namespace weft::api::openai
