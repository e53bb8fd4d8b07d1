#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

// What went wrong, in words that no protocol owns. Every dialect maps each of these to its own status and body in one
// switch without a default, so that a new code does not compile until every dialect answers it.
enum class ErrorCode {
    invalid_request,   // a value that is malformed, out of range or of the wrong type; Error::field names it
    missing_field,     // a required value that is absent
    unsupported,       // a known feature that this model cannot do ("does not support tools")
    not_implemented,   // a known feature that this server does not have yet
    not_found,         // unknown model
    expired,           // it was here, and its time is over
    conflict,          // not in the state that it is in: a finished batch cannot be cancelled
    context_overflow,  // the prompt does not fit the context window
    too_large,         // a body or value beyond a named bound
    forbidden,         // a host or origin that is not allowed, an operation that is switched off
    storage_full,      // no room on the disk
    overloaded,        // a full queue; the client may come back after Error::retry_after_s
    rate_limited,      // too much of one client's; it may come back after Error::retry_after_s
    shutting_down,     // the server is draining
    model_load_failed, // broken file, not enough memory, quarantined model: a retry does not cure it
    cancelled,         // the client is gone or the request was cancelled
    timeout,           // a limit on time was hit
    engine_failed,     // the engine process died or reported a failure during generation
    internal,          // a bug of ours
};

// Which of the closely related cases of one code it is, for dialects that tell them apart in their own error codes.
enum class ErrorReason {
    none,
    wrong_type,
    below_minimum,          // a whole number ...
    above_maximum,
    decimal_below_minimum,  // ... and a number that may have a fraction
    decimal_above_maximum,
    empty_array,
    malformed_json,
    invalid_schema,         // a JSON Schema ...
    invalid_grammar,        // ... or grammar that cannot be enforced
    invalid_image,          // an image that cannot be decoded ...
    invalid_image_url,      // ... or that lies elsewhere
};

struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;         // for the client: what to change; never a path or prompt text
    std::string field{};         // path of the offending value, "messages[0].content"; empty when there is none
    ErrorReason reason = ErrorReason::none;
    std::string detail{};        // for the log only
    int retry_after_s = 1;       // only meaningful for overloaded, rate_limited and shutting_down
    int prompt_tokens = 0;       // only for context_overflow: what the prompt needs ...
    int context_tokens = 0;      // ... and what the window has
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected(Error{.code = code, .message = std::move(message)});
}

[[nodiscard]] inline std::unexpected<Error> fail_field(ErrorCode code, std::string field, std::string message,
                                                       ErrorReason reason = ErrorReason::none) {
    return std::unexpected(
        Error{.code = code, .message = std::move(message), .field = std::move(field), .reason = reason});
}

[[nodiscard]] std::string_view name_of(ErrorCode code);

}  // namespace weft

#define WEFT_CONCAT_2(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT_2(a, b)

// WEFT_TRY(auto x, expression_of_Result): binds the value, or returns the error from the enclosing function.
#define WEFT_TRY(declaration, ...) WEFT_TRY_IMPL(WEFT_CONCAT(weft_try_, __LINE__), declaration, __VA_ARGS__)
#define WEFT_TRY_IMPL(name, declaration, ...)                  \
    auto name = (__VA_ARGS__);                                 \
    if (!name) return std::unexpected(std::move(name).error()); \
    declaration = std::move(*name)
// The same for a Result<void>.
#define WEFT_CHECK(...)                                                                  \
    if (auto weft_check = (__VA_ARGS__); !weft_check)                                    \
    return std::unexpected(std::move(weft_check).error())
