#include "api/caller.h"
#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/request_fields.h"

namespace weft::api::jobs {
namespace asio = boost::asio;
namespace {

struct Submission {
    std::string tenant;
    Json body;
    std::string idempotency_key{};
    std::string body_hash{};
};

Result<Submission> read_submission(const http::Exchange& exchange) {
    WEFT_TRY(auto tenant, tenant_of(exchange));
    WEFT_TRY(auto body, body_of(exchange.request()));
    Submission asked{.tenant = std::move(tenant), .body = std::move(body)};
    const auto key = exchange.request().header("idempotency-key");
    if (key.size() > max_idempotency_key_bytes)
        return fail_field(ErrorCode::invalid_request, "Idempotency-Key",
                          "the header Idempotency-Key must have at most " + std::to_string(max_idempotency_key_bytes) + " bytes");
    asked.idempotency_key = key;
    if (!key.empty()) asked.body_hash = sha256_hex(api::write_json(asked.body));
    return asked;
}

// What was acknowledged once is told again whatever has changed since: its model, how much waits, the room on the disk.
asio::awaitable<Result<SubmittedJob>> submit_once(const Services& services, Submission asked) {
    if (!asked.idempotency_key.empty()) {
        auto known = co_await services.jobs->find_submitted(asked.tenant, asked.idempotency_key, asked.body_hash);
        if (!known) co_return std::unexpected(std::move(known).error());
        if (*known) co_return std::move(**known);
    }
    auto request = read_job_request(services, JsonReader(asked.body), std::move(asked.tenant));
    if (!request) co_return std::unexpected(std::move(request).error());
    request->idempotency_key = std::move(asked.idempotency_key);
    request->body_hash = std::move(asked.body_hash);
    co_return co_await services.jobs->submit(std::move(*request));
}

}  // namespace

Answered infer(http::Exchange& exchange, const Services& services) {
    auto asked = read_submission(exchange);
    if (!asked) co_return co_await reply_error(exchange, std::move(asked).error());
    const auto submitted = co_await submit_once(services, std::move(*asked));
    if (!submitted) co_return co_await reply_error(exchange, submitted.error());
    if (!submitted->same_body)
        co_return co_await reply_error(exchange, {.code = ErrorCode::conflict,
                                                  .message = "this Idempotency-Key was used for another request",
                                                  .field = "Idempotency-Key"});
    const auto& job = *submitted->job;
    co_await reply_json(exchange, submitted->created ? 202 : 200, job_object(job.row, services.jobs->queue_position(job)),
                        {{"location", "/api/v1/status/" + job.row.id}});
}

}  // namespace weft::api::jobs
