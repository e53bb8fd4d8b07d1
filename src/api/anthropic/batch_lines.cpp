#include "api/anthropic/batch_lines.h"

#include "api/anthropic/errors.h"
#include "api/anthropic/handlers.h"
#include "api/json_text.h"

namespace weft::api::anthropic {
namespace asio = boost::asio;
namespace {

constexpr std::string_view owner_suffix = "/messages";  // no tenant has a slash

std::string begin_result(std::string_view custom_id) {
    std::string out = R"({"custom_id":)";
    append_json_string(out, custom_id);
    return out + R"(,"result":{"type":)";
}

}  // namespace

asio::awaitable<void> BatchLines::handle(http::Exchange& exchange) const { co_await create_message(exchange, services_); }

std::string BatchLines::owner_of(std::string_view tenant) { return std::string(tenant).append(owner_suffix); }

std::string BatchLines::tenant_of(std::string_view owner) const {
    if (owner.ends_with(owner_suffix)) owner.remove_suffix(owner_suffix.size());
    return std::string(owner);
}

std::string BatchLines::answer_line(const BatchReply& reply) const {
    const bool failed = reply.response.status >= 400;
    return begin_result(reply.custom_id) + (failed ? R"("errored","error":)" : R"("succeeded","message":)") + reply.response.body + "}}";
}

std::string BatchLines::never_run_line(std::string_view custom_id, bool cancelled) const {
    return begin_result(custom_id) + (cancelled ? R"("canceled"}})" : R"("expired"}})");
}

http::Response BatchLines::refuse_stream() const {
    return error_response({.code = ErrorCode::invalid_request, .message = "must not be true in a batch", .field = "stream"}, "");
}

http::Response BatchLines::failure() const {
    return error_response({.code = ErrorCode::internal, .message = "The server has failed on this request."}, "");
}

}  // namespace weft::api::anthropic
