#include "api/caller.h"
#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/request_fields.h"

namespace weft::api::jobs {
namespace {

Result<JobRequest> read_request(const http::Exchange& exchange, const Services& services) {
    WEFT_TRY(auto tenant, tenant_of(exchange));
    WEFT_TRY(const auto body, body_of(exchange.request()));
    WEFT_TRY(auto request, read_job_request(services, JsonReader(body), std::move(tenant)));
    const auto key = exchange.request().header("idempotency-key");
    if (key.size() > max_idempotency_key_bytes)
        return fail_field(ErrorCode::invalid_request, "Idempotency-Key",
                          "the header Idempotency-Key must have at most " + std::to_string(max_idempotency_key_bytes) + " bytes");
    request.idempotency_key = key;
    if (!key.empty()) request.body_hash = sha256_hex(api::write_json(body));
    return request;
}

}  // namespace

Answered infer(http::Exchange& exchange, const Services& services) {
    auto request = read_request(exchange, services);
    if (!request) co_return co_await reply_error(exchange, std::move(request).error());
    const auto submitted = co_await services.jobs->submit(std::move(*request));
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
