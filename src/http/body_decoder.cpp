#include "http/body_decoder.h"

#include <zlib.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "base/ascii.h"
#include "base/assert.h"

namespace weft::http {

namespace asio = boost::asio;

namespace {

// Output of one slice: about a millisecond of inflating.
constexpr std::size_t slice_bytes = 256 * 1024;
constexpr int gzip_only = 16 + MAX_WBITS;

enum class Encoding { identity, gzip, unknown };

Encoding encoding_of(std::string_view text) {
    const auto is = [&](std::string_view name) { return equal_ignoring_case(text, name); };
    if (is("") || is("identity")) return Encoding::identity;
    if (is("gzip") || is("x-gzip")) return Encoding::gzip;
    return Encoding::unknown;
}

Refusal damaged() { return {.status = 400, .message = "The gzip request body is damaged or incomplete."}; }
Refusal decodes_too_large() {
    return {.status = 413, .code_word = "payload_too_large", .message = "The decoded request body is too large."};
}

class Inflater {
  public:
    explicit Inflater(std::string_view input) : input_(input) {
        assert_that(inflateInit2(&stream_, gzip_only) == Z_OK, "zlib can start");
    }
    ~Inflater() { inflateEnd(&stream_); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    enum class Step { more, done, damaged };
    // Appends at most slice_bytes to out.
    [[nodiscard]] Step inflate_slice(std::string& out) {
        const std::size_t before = out.size();
        out.resize(before + slice_bytes);
        stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
        stream_.avail_out = slice_bytes;
        const Step step = run();
        out.resize(out.size() - stream_.avail_out);
        return step;
    }

  private:
    Step run() {
        while (stream_.avail_out > 0) {
            // zlib counts in 32 bits.
            const auto piece = static_cast<uInt>(std::min<std::size_t>(input_.size(), 1U << 30));
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
            stream_.avail_in = piece;
            const int result = inflate(&stream_, Z_NO_FLUSH);
            input_.remove_prefix(piece - stream_.avail_in);
            if (result == Z_STREAM_END) {
                // RFC 1952 section 2.2: a file may consist of several members.
                if (input_.empty()) return Step::done;
                if (inflateReset(&stream_) != Z_OK) return Step::damaged;
                continue;
            }
            if (result != Z_OK) return Step::damaged;
        }
        return Step::more;
    }

    std::string_view input_;
    z_stream stream_{};
};

}  // namespace

bool is_decodable(std::string_view content_encoding) { return encoding_of(content_encoding) != Encoding::unknown; }

asio::awaitable<std::expected<std::string, Refusal>> decode_body(std::string_view content_encoding, std::string body,
                                                                 std::size_t max_bytes) {
    if (encoding_of(content_encoding) != Encoding::gzip) co_return body;
    const auto executor = co_await asio::this_coro::executor;
    Inflater inflater(body);
    std::string decoded;
    while (true) {
        const auto step = inflater.inflate_slice(decoded);
        if (step == Inflater::Step::damaged) co_return std::unexpected(damaged());
        if (decoded.size() > max_bytes) co_return std::unexpected(decodes_too_large());
        if (step == Inflater::Step::done) co_return decoded;
        co_await asio::post(executor, asio::use_awaitable);
    }
}

}  // namespace weft::http
