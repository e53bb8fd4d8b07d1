#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace weft::http::test {

struct RawResponse {
    int status = 0;
    std::string head;                                      // status line and headers as received
    std::map<std::string, std::string, std::less<>> headers;  // names in lower case; repeated ones joined by ", "
    std::string body;                                      // without chunk framing
    bool complete = false;                                 // the framing said so, not only the end of the connection
};

// A blocking socket that says exactly the bytes it is told to. Everything gives up after ten seconds.
class RawClient {
  public:
    explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0);
    explicit RawClient(const std::string& unix_path);
    ~RawClient();
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    // False when the server has closed the connection.
    bool send(std::string_view bytes);
    // The next answer; status 0 when the connection ended before one came. head_only: of a HEAD request.
    RawResponse receive(bool head_only = false);
    // Until the received bytes contain text; everything received so far. Not consumed.
    std::string receive_until(std::string_view text);
    // Takes what comes next and throws it away; false at the end.
    bool receive_some();
    // Everything until the server closes; reset() tells whether it did so by a reset.
    std::string receive_all();
    [[nodiscard]] bool was_reset() const { return was_reset_; }
    // True when the server has closed the connection without sending anything more.
    bool at_end();

    void shut_down_sending();
    void close();
    void reset();

    // send() and receive() in one.
    RawResponse ask(std::string_view bytes, bool head_only = false);

  private:
    bool fill();

    int socket_ = -1;
    std::string buffer_;
    bool was_reset_ = false;
};

}  // namespace weft::http::test
