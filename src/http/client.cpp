#include "http/client.h"

#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>

#include "http/client_socket.h"

namespace weft::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

// Cuts a stream of bytes into lines no longer than a bound.
class LineCutter {
  public:
    LineCutter(std::size_t max_line_bytes, const Client::LineSink& on_line)
        : max_line_bytes_(max_line_bytes), on_line_(on_line) {}

    // False: the sink wants no more.
    Result<bool> feed(std::string_view data) {
        for (auto end = data.find('\n'); end != data.npos; end = data.find('\n')) {
            WEFT_CHECK(append(data.substr(0, end)));
            data.remove_prefix(end + 1);
            if (!emit()) return false;
        }
        WEFT_CHECK(append(data));
        return true;
    }

    // The rest, when the last line has no end.
    bool emit() {
        if (line_.ends_with('\r')) line_.pop_back();
        const bool go_on = line_.empty() || on_line_(line_);
        line_.clear();
        return go_on;
    }

  private:
    Result<void> append(std::string_view part) {
        if (line_.size() + part.size() > max_line_bytes_)
            return fail(ErrorCode::too_large, "the server sent a line that is too long");
        line_ += part;
        return {};
    }

    std::size_t max_line_bytes_;
    const Client::LineSink& on_line_;
    std::string line_;
};

// Takes an answer apart with Beast's parser. Body bytes go to the lines of a successful stream or are collected.
class ResponseReader final : public beast_http::basic_parser<false> {
  public:
    ResponseReader(const ClientLimits& limits, std::optional<LineCutter> lines)
        : max_body_bytes_(limits.max_body_bytes), lines_(std::move(lines)) {
        header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
        body_limit(boost::none);  // the limits are our own: a stream has none, only its lines do
        eager(true);
    }

    // All of data that makes up whole parts is taken from it.
    Result<void> feed(std::string& data) {
        error_code failure;
        while (!data.empty() && !finished()) {
            const auto used = put(boost::asio::buffer(data), failure);
            data.erase(0, used);
            if (error_) return std::unexpected(*error_);
            if (failure == beast_http::error::need_more) return {};
            if (failure) return broken(failure.message());
        }
        return {};
    }

    Result<void> end_of_input() {
        error_code failure;
        if (!got_some()) return broken("the server closed the connection without an answer");
        if (is_header_done()) put_eof(failure);
        if (!is_done() || failure) return broken("the server closed the connection in the middle of its answer");
        return {};
    }

    [[nodiscard]] bool finished() const { return is_done() || stopped_; }

    // Call once, when finished.
    ClientResponse take() {
        if (streams() && !stopped_) lines_->emit();
        return std::move(response_);
    }

  private:
    static std::unexpected<Error> broken(std::string detail) {
        return std::unexpected(Error{
            .code = ErrorCode::internal, .message = "the server's answer broke off or is not HTTP", .detail = std::move(detail)});
    }

    [[nodiscard]] bool streams() const { return lines_ && response_.status >= 200 && response_.status < 300; }

    std::size_t take_body(boost::beast::string_view part, error_code& failure) {
        const auto result = store({part.data(), part.size()});
        if (!result) {
            error_ = result.error();
            failure = beast_http::error::body_limit;
        }
        return part.size();
    }

    Result<void> store(std::string_view part) {
        if (stopped_) return {};
        if (streams()) {
            WEFT_TRY(const bool go_on, lines_->feed(part));
            stopped_ = !go_on;
            return {};
        }
        if (response_.body.size() + part.size() > max_body_bytes_)
            return fail(ErrorCode::too_large, "the server's answer is too large");
        response_.body += part;
        return {};
    }

    void on_request_impl(beast_http::verb, boost::beast::string_view, boost::beast::string_view, int,
                         error_code&) override {}
    void on_response_impl(int code, boost::beast::string_view, int, error_code&) override { response_.status = code; }
    void on_field_impl(beast_http::field, boost::beast::string_view, boost::beast::string_view, error_code&) override {}
    void on_trailer_field_impl(beast_http::field, boost::beast::string_view, boost::beast::string_view,
                               error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(boost::beast::string_view body, error_code& failure) override {
        return take_body(body, failure);
    }
    void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body, error_code& failure) override {
        return take_body(body, failure);
    }
    void on_finish_impl(error_code&) override {}

    std::size_t max_body_bytes_;
    std::optional<LineCutter> lines_;
    ClientResponse response_;
    std::optional<Error> error_;
    bool stopped_ = false;
};

std::string host_and_port(const Endpoint& endpoint) {
    const bool is_v6 = endpoint.host.contains(':');
    return (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

std::string request_text(const Endpoint& endpoint, const ClientRequest& request) {
    std::string text = request.method + " " + endpoint.base_path + request.path + " HTTP/1.1\r\n";
    text += "Host: " + host_and_port(endpoint) + "\r\n";
    text += "User-Agent: weft-cli\r\nAccept: application/json, application/x-ndjson\r\nConnection: close\r\n";
    if (!request.body.empty())
        text += "Content-Type: " + request.content_type + "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
    return text + "\r\n" + request.body;
}

Result<ClientResponse> exchange(const Endpoint& endpoint, const ClientLimits& limits, const ClientRequest& request,
                                std::optional<LineCutter> lines) {
    const ClientSocket::Waiting waiting{limits.read_timeout, request.cancel_fd, request.on_wait};
    WEFT_TRY(ClientSocket socket, ClientSocket::connect(endpoint, limits.connect_timeout, waiting));
    WEFT_CHECK(socket.write_all(request_text(endpoint, request)));

    ResponseReader reader(limits, std::move(lines));
    std::string unread;
    std::array<char, 16384> buffer;
    while (!reader.finished()) {
        WEFT_TRY(const std::size_t got, socket.read_some(buffer.data(), buffer.size()));
        if (got == 0) {
            WEFT_CHECK(reader.end_of_input());
            break;
        }
        unread.append(buffer.data(), got);
        WEFT_CHECK(reader.feed(unread));
    }
    return reader.take();
}

}  // namespace

std::string Endpoint::url() const { return "http://" + host_and_port(*this) + base_path; }

Result<ClientResponse> Client::send(const ClientRequest& request) const {
    return exchange(endpoint_, limits_, request, std::nullopt);
}

Result<ClientResponse> Client::stream(const ClientRequest& request, const LineSink& on_line) const {
    return exchange(endpoint_, limits_, request, LineCutter(limits_.max_line_bytes, on_line));
}

}  // namespace weft::http
