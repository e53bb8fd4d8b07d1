#include "api/jobs/routes.h"

#include "api/caller.h"
#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"

namespace weft::api::jobs {
namespace asio = boost::asio;
namespace {

constexpr int retry_after_open_s = 5;

using Answer = Answered (*)(http::Exchange&, const Services&);

struct Route {
    const char* method;
    const char* pattern;  // under /api/v1
    Answer answer;
};

constexpr Route routes[] = {
    {"POST", "/infer", infer},
    {"GET", "/status/:id", show_status},
    {"GET", "/result/:id", show_result},
    {"GET", "/stream/:id", stream},
    {"GET", "/ws", web_socket},
    {"GET", "/jobs", list_jobs},
    {"DELETE", "/jobs/:id", delete_job},
    {"POST", "/sessions", create_session},
    {"GET", "/sessions/:id", show_session},
    {"DELETE", "/sessions/:id", delete_session},
};

constexpr Route document_routes[] = {
    {"GET", "/documents", list_documents},
    {"POST", "/documents", add_document},
    {"GET", "/documents/:id", show_document},
    {"DELETE", "/documents/:id", delete_document},
    {"POST", "/search", search_documents},
};

Answered answer_if_there(http::Exchange& exchange, const Services& services, Answer answer) {
    if (services.jobs == nullptr)
        co_return co_await reply_error(exchange, {.code = ErrorCode::overloaded,
                                                  .message = "the job store could not be opened; the server's log says why",
                                                  .retry_after_s = 60});
    co_await answer(exchange, services);
}

Answered answer_about_documents(http::Exchange& exchange, const Services& services, Answer answer) {
    if (services.jobs != nullptr && services.documents == nullptr)
        co_return co_await reply_error(exchange, {.code = ErrorCode::not_implemented,
                                                  .message = "this server shares its jobs with others (jobs.store), and documents cannot be shared yet"});
    co_await answer_if_there(exchange, services, answer);
}

}  // namespace

void add_routes(http::Router& router, const Services& services) {
    for (const auto& route : routes)
        router.add(route.method, std::string("/api/v1") + route.pattern, [services, answer = route.answer](http::Exchange& exchange) {
            return answer_if_there(exchange, services, answer);
        });
    for (const auto& route : document_routes)
        router.add(route.method, std::string("/api/v1") + route.pattern, [services, answer = route.answer](http::Exchange& exchange) {
            return answer_about_documents(exchange, services, answer);
        });
}

Result<std::string> tenant_of(const http::Exchange& exchange) {
    GenerateRequest caller;
    WEFT_CHECK(set_caller(exchange.request(), caller));
    return caller.tenant;
}

std::string path_id(const http::Exchange& exchange) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    return id == parameters.end() ? std::string() : id->second;
}

asio::awaitable<Result<std::shared_ptr<Job>>> job_of(const http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return std::unexpected(std::move(tenant).error());
    co_return co_await services.jobs->find(std::move(*tenant), path_id(exchange));
}

Error too_many_open(std::string_view what) {
    return {.code = ErrorCode::rate_limited, .message = "too many of your " + std::string(what) + " are open already", .retry_after_s = retry_after_open_s};
}

std::string deletion_object(std::string_view name, std::string_view id) {
    std::string out = "{";
    append_json_string(out, name);
    out += ':';
    append_json_string(out, id);
    return out + R"(,"deleted":true})";
}

Answered reply_json(http::Exchange& exchange, int status, std::string body, http::Headers headers) {
    co_await exchange.reply({.status = status, .content_type = "application/json", .body = std::move(body), .headers = std::move(headers)});
}

Answered reply_error(http::Exchange& exchange, Error error) {
    if (exchange.client_gone()) co_return;
    co_await exchange.reply(error_response(error));
}

}  // namespace weft::api::jobs
