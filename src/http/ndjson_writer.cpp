#include "http/ndjson_writer.h"

#include <utility>

#include "base/assert.h"

namespace weft::http {

namespace asio = boost::asio;

asio::awaitable<void> NdjsonWriter::start(Headers headers) {
    co_await exchange_.start_stream("application/x-ndjson", std::move(headers));
}

void NdjsonWriter::add(std::string_view json) {
    assert_that(!json.contains('\n'), "a line of NDJSON is one line");
    pending_.append(json).append("\n");
}

asio::awaitable<bool> NdjsonWriter::flush() {
    if (pending_.empty()) co_return !exchange_.client_gone();
    const bool sent = co_await exchange_.write(pending_);
    pending_.clear();
    co_return sent;
}

asio::awaitable<bool> NdjsonWriter::write(std::string_view json) {
    add(json);
    co_return co_await flush();
}

asio::awaitable<void> NdjsonWriter::finish() {
    if (co_await flush()) co_await exchange_.finish_stream();
}

}  // namespace weft::http
