#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/jobs/job_cursor.h"
#include "api/json_reader.h"
#include "base/error.h"

// What goes over a WebSocket, as text.
namespace weft::api::jobs {

inline constexpr std::size_t max_client_ref_bytes = 128;

// A message of a client.
struct SocketMessage {
    enum class Type { infer, cancel, subscribe };
    Type type = Type::infer;
    std::string client_ref{};       // echoed in whatever answers this message
    bool stream = false;            // infer: tokens are sent, too
    bool cancel_on_close = false;   // infer
    std::string request_id{};       // cancel, subscribe
    std::int64_t after = -1;        // subscribe: the last chunk that is known; -1: none
};
[[nodiscard]] Result<SocketMessage> read_socket_message(const JsonReader& message);
// The client_ref, as far as there is one that can be read, of a message in which something else is wrong.
[[nodiscard]] std::string readable_client_ref(const JsonReader& message);

// Of a request, or about a message that could not be read (no request_id then).
[[nodiscard]] std::string socket_error(const Error& error, std::string_view request_id, std::string_view client_ref);
[[nodiscard]] std::string socket_ack(const JobRow& row, std::string_view client_ref);

// Turns what is new about a job into messages. One that has to run again begins again: "restart" says that what was sent
// is void.
class SocketEvents final : public JobCursor::Sink {
  public:
    SocketEvents(const std::string& request_id, std::string_view client_ref, bool tokens, std::uint32_t known_attempt,
                 std::vector<std::string>& out)
        : request_id_(request_id), client_ref_(client_ref), tokens_(tokens), known_attempt_(known_attempt), out_(out) {}

    void started(std::uint32_t attempt) override;
    void chunk(std::uint32_t attempt, std::size_t number, std::string_view text) override;
    void ended(const JobRow& row) override;

  private:
    [[nodiscard]] std::string begin(std::string_view type) const;

    const std::string& request_id_;
    std::string_view client_ref_;
    bool tokens_;
    std::uint32_t known_attempt_;  // 0: none yet
    std::vector<std::string>& out_;
};

}  // namespace weft::api::jobs
