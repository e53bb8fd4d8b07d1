#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

// A job is pending (stored, queued), then processing, then in exactly one of the final states, for ever.
enum class JobStatus : std::uint8_t { pending, processing, completed, failed, cancelled };

[[nodiscard]] constexpr bool is_final(JobStatus status) { return status >= JobStatus::completed; }

enum class CallbackState : std::uint8_t { none, due, delivered, given_up };

// The text of a job as it was told piece by piece. Event numbers depend on the borders, so they are kept with it.
struct ChunkedText {
    std::string text;
    std::vector<std::uint32_t> sizes;  // of the chunks, in bytes; their sum is the text's
};

// Times are milliseconds since 1970, 0 for none.
struct JobRow {
    std::int64_t number = 0;     // given by the store, in the order of acceptance
    std::string id;              // a UUID
    std::string tenant;          // whose it is
    std::string session_id;
    bool in_session = false;     // the session is a conversation that the store keeps
    std::string model;
    std::string request;         // JSON, for the dialect; only where it is asked for
    std::int64_t request_bytes = 0;
    std::int64_t tokens = 0;     // an estimate of what it will take: prompt and answer
    std::string request_key;     // equal for requests whose answers must be equal; empty: for no other one
    std::string metadata = "{}"; // JSON object of strings
    JobStatus status = JobStatus::pending;
    std::uint32_t attempt = 0;   // how often it was started
    std::int32_t priority = 0;   // smaller first
    std::int64_t created_ms = 0;
    std::int64_t started_ms = 0;
    std::int64_t finished_ms = 0;
    std::int64_t deadline_ms = 0;
    std::int64_t expires_ms = 0;  // set when it is finished
    ChunkedText output{};        // whole when completed, what there was when failed or cancelled
    std::string thinking{};      // likewise, as far as the model told it apart
    std::string tool_calls{};    // JSON, for the dialect; empty: none
    std::string error_code{};
    std::string error_message{};
    std::uint32_t prompt_tokens = 0;
    std::uint32_t cached_tokens = 0;
    std::uint32_t completion_tokens = 0;
    bool from_cache = false;     // the answer of an earlier, equal request
    std::string callback_url{};
    CallbackState callback_state = CallbackState::none;
    std::uint32_t callback_tries = 0;
    std::int64_t callback_ms = 0;  // when it is due (again)
    std::string pipeline{};        // empty: the default one
    std::string sources{};         // JSON array of what was quoted to the model; empty: nothing was looked for
    std::string trace{};           // JSON array of its stages and their times; empty: it had none to speak of
    std::string error_stage{};     // of a failed job: where in its pipeline; empty: in none
};

struct SessionTurn {
    std::string role;
    std::string content;
    std::string message{};  // JSON, for the dialect: the whole message, when it is more than these two
};

// A conversation that the server keeps.
struct SessionRow {
    std::string id;
    std::string tenant;
    std::string system{};
    std::string model{};
    std::int64_t created_ms = 0;
    std::int64_t lifetime_ms = 0;  // after its last turn
    std::int64_t expires_ms = 0;
    std::vector<SessionTurn> turns{};
    std::string pipeline{};  // of its jobs that name none; empty: the default one
    bool in_use = false;     // by jobs that are not finished: it does not expire before they are
};

}  // namespace weft
