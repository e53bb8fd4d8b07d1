#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "http/request_target.h"

namespace weft::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::string_view;
using ParseError = boost::system::error_code;

// Extensions carry nothing we use; a client that sends more of them than this is not talking HTTP to us.
constexpr std::size_t max_chunk_extension_bytes = 16 * 1024;
constexpr std::size_t max_method_bytes = 32;

Refusal bad_request(std::string message) { return {.status = 400, .message = std::move(message)}; }

Refusal too_large() {
    return {.status = 413, .code_word = "payload_too_large", .message = "The request body is too large."};
}

std::string_view describe(const ParseError& error) {
    if (error == beast_http::error::bad_method) return "The request method is malformed.";
    if (error == beast_http::error::bad_target) return "The request target is malformed.";
    if (error == beast_http::error::bad_version) return "The HTTP version is malformed.";
    if (error == beast_http::error::bad_field) return "A header name is malformed.";
    if (error == beast_http::error::bad_value) return "A header value contains a character that is not allowed.";
    if (error == beast_http::error::bad_content_length || error == beast_http::error::multiple_content_length)
        return "The Content-Length header is malformed or ambiguous.";
    if (error == beast_http::error::bad_transfer_encoding)
        return "The Transfer-Encoding header is malformed or ambiguous.";
    if (error == beast_http::error::bad_chunk || error == beast_http::error::bad_chunk_extension)
        return "The chunked request body is malformed.";
    return "The request is malformed.";
}

// Whether the request line is sound but for a version that is not ours, "GET / HTTP/2.0".
bool asks_for_another_version(std::string_view head) {
    const auto line = head.substr(0, head.find('\r'));
    const auto version = line.substr(line.rfind(' ') + 1);
    return std::ranges::count(line, ' ') == 2 && version.size() == 8 && version.starts_with("HTTP/") &&
           version[6] == '.' && !version.starts_with("HTTP/1.");
}

}  // namespace

class RequestParser::Impl final : public beast_http::basic_parser<true> {
  public:
    Impl(HeadScanner::Limits limits, std::size_t max_body, Request& out)
        : scanner(limits), request(out), max_body_bytes(max_body) {
        header_limit(static_cast<std::uint32_t>(limits.head_bytes + 1024));  // the scanner is the one that counts
        body_limit(boost::none);
        eager(true);
    }

    // What only the whole head can tell. Empty when all is well.
    [[nodiscard]] std::optional<Refusal> check_head();

    HeadScanner scanner;
    Request& request;
    const std::size_t max_body_bytes;
    std::size_t body_bytes = 0;
    std::size_t extension_bytes = 0;
    bool discarding = false;
    HeadFacts facts;
    std::string target;
    std::optional<Refusal> refusal;  // why a callback stopped the parser

  private:
    void stop(Refusal why, ParseError& error) {
        refusal = std::move(why);
        error = beast_http::error::bad_field;
    }
    std::size_t take(string_view data) {
        body_bytes += data.size();
        if (!discarding) request.body.append(data.data(), data.size());
        return data.size();
    }

    void on_request_impl(beast_http::verb, string_view method, string_view raw_target, int version,
                         ParseError& error) override {
        request.method = method.substr(0, max_method_bytes);
        target = raw_target;
        request.headers.reserve(16);
        facts.http_1_1 = version >= 11;
        if (method.size() > max_method_bytes) stop(bad_request("The request method is malformed."), error);
    }
    void on_response_impl(int, string_view, int, ParseError&) override {}
    void on_field_impl(beast_http::field, string_view name, string_view value, ParseError&) override {
        request.headers.emplace_back(lower_case(name), std::string(value));
    }
    // Trailers are read and dropped: a header that arrives after the checks must not be mistaken for one before them.
    void on_trailer_field_impl(beast_http::field, string_view, string_view, ParseError&) override {}
    void on_header_impl(ParseError&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, ParseError&) override {}
    std::size_t on_body_impl(string_view data, ParseError&) override { return take(data); }
    void on_chunk_header_impl(std::uint64_t size, string_view extensions, ParseError& error) override {
        extension_bytes += extensions.size();
        if (extension_bytes > max_chunk_extension_bytes)
            stop(bad_request("The chunked request body is malformed."), error);
        if (size > max_body_bytes - std::min(body_bytes, max_body_bytes)) stop(too_large(), error);
    }
    std::size_t on_chunk_body_impl(std::uint64_t, string_view data, ParseError&) override { return take(data); }
    void on_finish_impl(ParseError&) override {}

    [[nodiscard]] std::optional<Refusal> check_framing();
    [[nodiscard]] std::optional<Refusal> check_target_and_host();
    [[nodiscard]] std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(request.headers, [&](const auto& header) { return header.first == name; }));
    }
};

std::optional<Refusal> RequestParser::Impl::check_framing() {
    if (count("content-length") > 1) return bad_request("The Content-Length header is malformed or ambiguous.");
    const std::string_view length = request.header("content-length");
    if (!std::ranges::all_of(length, [](char c) { return c >= '0' && c <= '9'; }))
        return bad_request("The Content-Length header is malformed or ambiguous.");
    facts.content_length = content_length().value_or(0);
    if (count("transfer-encoding") > 1) return bad_request("The Transfer-Encoding header is malformed or ambiguous.");
    facts.chunked = chunked();
    if (facts.chunked && lower_case(request.header("transfer-encoding")) != "chunked")
        return Refusal{.status = 501, .code_word = "not_implemented",
                       .message = "The only transfer coding that is understood is \"chunked\"."};
    return std::nullopt;
}

std::optional<Refusal> RequestParser::Impl::check_target_and_host() {
    auto parsed = parse_request_target(request.method, target);
    if (!parsed) return bad_request(std::move(parsed.error()));
    request.path = std::move(parsed->path);
    request.query = std::move(parsed->query);
    const std::size_t hosts = count("host");
    if (hosts > 1 || (hosts == 0 && facts.http_1_1))
        return bad_request("The request must carry exactly one Host header.");
    if (!is_valid_authority(request.header("host"))) return bad_request("The Host header is malformed.");
    if (parsed->authority.empty()) return std::nullopt;
    // RFC 9112 section 3.2.2: the authority of an absolute target replaces the Host header.
    std::erase_if(request.headers, [](const auto& header) { return header.first == "host"; });
    request.headers.emplace_back("host", std::move(parsed->authority));
    return std::nullopt;
}

std::optional<Refusal> RequestParser::Impl::check_head() {
    // The path first: whatever else is wrong is then told in the dialect of that path.
    if (auto refusal_of_target = check_target_and_host()) return refusal_of_target;
    if (auto refusal_of_framing = check_framing()) return refusal_of_framing;
    facts.keep_alive = keep_alive();
    const std::string expectation = lower_case(request.header("expect"));
    facts.expects_continue = facts.http_1_1 && expectation == "100-continue";
    facts.unknown_expectation = !expectation.empty() && expectation != "100-continue";
    return std::nullopt;
}

RequestParser::RequestParser(HeadScanner::Limits limits, std::size_t max_body_bytes, Request& request)
    : impl_(std::make_unique<Impl>(limits, max_body_bytes, request)) {}
RequestParser::~RequestParser() = default;

std::expected<std::size_t, Refusal> RequestParser::feed_head(std::string_view received) {
    auto taken = read_head(received);
    // The path decides how the error is told.
    if (!taken && impl_->request.path.empty()) impl_->request.path = readable_path(received);
    return taken;
}

std::expected<std::size_t, Refusal> RequestParser::read_head(std::string_view received) {
    switch (impl_->scanner.scan(received)) {
        case HeadScanner::Verdict::incomplete: return 0;
        case HeadScanner::Verdict::complete: break;
        case HeadScanner::Verdict::malformed:
            return std::unexpected(bad_request("The request head is malformed."));
        case HeadScanner::Verdict::target_too_long:
            return std::unexpected(
                Refusal{.status = 414, .code_word = "uri_too_long", .message = "The request target is too long."});
        case HeadScanner::Verdict::head_too_large:
            return std::unexpected(Refusal{
                .status = 431, .code_word = "header_too_large", .message = "The request headers are too large."});
    }
    ParseError error;
    const std::size_t head_bytes = impl_->scanner.head_bytes();
    impl_->put(boost::asio::buffer(received.data(), head_bytes), error);
    if (impl_->refusal) return std::unexpected(std::move(*impl_->refusal));
    if (error == beast_http::error::bad_version && asks_for_another_version(received)) {
        return std::unexpected(Refusal{.status = 505, .code_word = "version_not_supported",
                                       .message = "Only HTTP/1.0 and HTTP/1.1 are spoken here."});
    }
    if (error && !impl_->target.empty()) {
        // Beast stopped before our own checks; the path still decides how the error is rendered.
        if (auto target = parse_request_target(impl_->request.method, impl_->target))
            impl_->request.path = std::move(target->path);
    }
    if (error) return std::unexpected(bad_request(std::string(describe(error))));
    if (!impl_->is_header_done()) return std::unexpected(bad_request("The request head is malformed."));
    if (auto refusal = impl_->check_head()) return std::unexpected(std::move(*refusal));
    return head_bytes;
}

std::expected<std::size_t, Refusal> RequestParser::feed_body(std::string_view received) {
    if (impl_->is_done()) return 0;
    ParseError error;
    const std::size_t used = impl_->put(boost::asio::buffer(received.data(), received.size()), error);
    if (impl_->refusal) return std::unexpected(std::move(*impl_->refusal));
    if (error && error != beast_http::error::need_more)
        return std::unexpected(bad_request(std::string(describe(error))));
    return used;
}

const HeadFacts& RequestParser::facts() const { return impl_->facts; }
bool RequestParser::done() const { return impl_->is_done(); }
void RequestParser::discard_body() { impl_->discarding = true; }

}  // namespace weft::http
