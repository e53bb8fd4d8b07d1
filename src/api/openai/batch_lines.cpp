#include "api/openai/batch_lines.h"

#include "api/json_text.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"

namespace weft::api::openai {
namespace asio = boost::asio;

asio::awaitable<void> BatchLines::handle(http::Exchange& exchange) const {
    const auto& path = exchange.request().path;
    if (path == "/v1/chat/completions") co_await chat_completions(exchange, services_);
    else if (path == "/v1/completions") co_await completions(exchange, services_);
    else if (path == "/v1/embeddings") co_await embeddings(exchange, services_);
    else co_await create_response(exchange, services_);
}

std::string BatchLines::begin_line(std::string_view custom_id) const {
    std::string out = R"({"id":")" + services_.new_id("batch_req_") + R"(","custom_id":)";
    append_json_string(out, custom_id);
    return out;
}

std::string BatchLines::answer_line(const BatchReply& reply) const {
    return begin_line(reply.custom_id) + R"(,"response":{"status_code":)" + std::to_string(reply.response.status) + R"(,"request_id":")" +
           std::string(reply.request_id) + R"(","body":)" + reply.response.body + R"(},"error":null})";
}

std::string BatchLines::never_run_line(std::string_view custom_id, bool cancelled) const {
    return begin_line(custom_id) + R"(,"response":null,"error":{"code":)" +
           (cancelled ? R"("batch_cancelled","message":"The batch was cancelled before this request ran."}})"
                      : R"("batch_expired","message":"The batch expired before this request ran."}})");
}

http::Response BatchLines::refuse_stream() const {
    return error_response({.code = ErrorCode::invalid_request, .message = "'stream' must not be true in a batch", .field = "stream"});
}

http::Response BatchLines::failure() const {
    return error_response({.code = ErrorCode::internal, .message = "The server has failed on this request."});
}

}  // namespace weft::api::openai
