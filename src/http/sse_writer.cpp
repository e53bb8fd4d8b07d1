#include "http/sse_writer.h"

#include <algorithm>

namespace weft::http {

namespace asio = boost::asio;

asio::awaitable<void> SseWriter::start(Headers headers) {
    co_await exchange_.start_stream("text/event-stream", std::move(headers));
}

void SseWriter::add(std::string_view data) {
    // A line break would end the field: by the format, data of several lines is several data fields.
    while (true) {
        const auto line_end = std::min(data.find('\n'), data.size());
        pending_.append("data: ").append(data.substr(0, line_end)).append("\n");
        if (line_end == data.size()) break;
        data.remove_prefix(line_end + 1);
    }
    pending_.append("\n");
}

void SseWriter::add_event(std::string_view type, std::string_view data) {
    pending_.append("event: ").append(type).append("\n");
    add(data);
}

void SseWriter::add_keep_alive() { pending_.append(": keep-alive\n\n"); }

void SseWriter::add_done() { pending_.append("data: [DONE]\n\n"); }

asio::awaitable<bool> SseWriter::flush() {
    if (pending_.empty()) co_return !exchange_.client_gone();
    const bool sent = co_await exchange_.write(pending_);
    pending_.clear();
    co_return sent;
}

asio::awaitable<bool> SseWriter::write(std::string_view data) {
    add(data);
    co_return co_await flush();
}

asio::awaitable<void> SseWriter::finish() {
    if (co_await flush()) co_await exchange_.finish_stream();
}

}  // namespace weft::http
