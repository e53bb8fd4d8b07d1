#include <algorithm>
#include <charconv>

#include "api/caller.h"
#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_object.h"
#include "api/json_text.h"
#include "api/reply_waiter.h"
#include "http/request_target.h"

namespace weft::api::jobs {
namespace asio = boost::asio;
namespace {

constexpr std::int64_t longest_wait_s = 60;
constexpr std::int64_t default_page = 20;
constexpr std::int64_t largest_page = 100;

Result<JobQuery> read_query(const http::Exchange& exchange) {
    JobQuery query;
    const auto& text = exchange.request().query;
    WEFT_TRY(query.tenant, tenant_of(exchange));
    if (const auto status = query_value(text, "status")) {
        query.status = status_named(*status);
        if (!query.status)
            return fail_field(ErrorCode::invalid_request, "status", "'status' must be pending, processing, completed, failed or cancelled");
    }
    query.session_id = http::query_parameter(text, "session_id").value_or("");
    query.after_id = http::query_parameter(text, "after").value_or("");
    WEFT_TRY(const auto limit, query_number(text, "limit", default_page, 1, largest_page));
    query.limit = static_cast<std::size_t>(limit);
    return query;
}

// Held back until the job is finished, the client leaves, the server drains, or the time is over.
asio::awaitable<void> wait_for_end(http::Exchange& exchange, const Services& services, std::shared_ptr<Job> job, std::int64_t seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    JobWatch watch(job, exchange.executor());
    const ClientWatch client(exchange, [&watch] { watch.wake(); });
    while (!is_final(job->row.status) && !exchange.client_gone() && !services.jobs->draining()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) break;
        co_await watch.changed(left);
    }
}

}  // namespace

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    auto value = http::query_parameter(query, name);
    return value && value->empty() ? std::nullopt : value;
}

Result<std::int64_t> query_number(std::string_view query, std::string_view name, std::int64_t otherwise, std::int64_t least,
                                  std::int64_t most) {
    const auto text = query_value(query, name);
    if (!text) return otherwise;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc{} || end != text->data() + text->size() || number < least || number > most)
        return fail_field(ErrorCode::invalid_request, std::string(name),
                          "'" + std::string(name) + "' must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return number;
}

Answered show_status(http::Exchange& exchange, const Services& services) {
    const auto job = co_await job_of(exchange, services);
    if (!job) co_return co_await reply_error(exchange, job.error());
    co_await reply_json(exchange, 200, job_object((*job)->row, services.jobs->queue_position(**job)));
}

Answered show_result(http::Exchange& exchange, const Services& services) {
    const auto wait = query_number(exchange.request().query, "wait", 0, 0, longest_wait_s);
    if (!wait) co_return co_await reply_error(exchange, wait.error());
    const auto job = co_await job_of(exchange, services);
    if (!job) co_return co_await reply_error(exchange, job.error());
    if (*wait > 0) co_await wait_for_end(exchange, services, *job, *wait);
    if (exchange.client_gone()) co_return;
    co_await reply_json(exchange, is_final((*job)->row.status) ? 200 : 202,
                        job_object((*job)->row, services.jobs->queue_position(**job)));
}

Answered list_jobs(http::Exchange& exchange, const Services& services) {
    auto query = read_query(exchange);
    if (!query) co_return co_await reply_error(exchange, std::move(query).error());
    const auto page = co_await services.jobs->list(std::move(*query));
    if (!page) co_return co_await reply_error(exchange, page.error());
    const auto object_of = [&page](const JobRow& row) { return job_object(row, page->queue_positions[static_cast<std::size_t>(&row - page->rows.data())]); };
    co_await reply_json(exchange, 200, page_object(*page, object_of));
}

// `?only=live`: for those who want to cancel, and would lose the result of a job that finishes meanwhile.
Answered delete_job(http::Exchange& exchange, const Services& services) {
    const auto only = query_value(exchange.request().query, "only");
    if (only && *only != "live") co_return co_await reply_error(exchange, {.code = ErrorCode::invalid_request, .message = "'only' must be live", .field = "only"});
    const auto job = co_await job_of(exchange, services);
    if (!job) co_return co_await reply_error(exchange, job.error());
    const bool live = !is_final((*job)->row.status);
    if (!live && only)
        co_return co_await reply_error(exchange, {.code = ErrorCode::conflict,
                                                  .message = "the job is " + std::string(status_word((*job)->row.status)) + " already"});
    Result<void> done{};
    if (live) done = co_await services.jobs->cancel(*job);
    else done = co_await services.jobs->remove(*job);
    if (!done) co_return co_await reply_error(exchange, done.error());
    if (live) co_return co_await reply_json(exchange, 200, job_object((*job)->row, 0));
    co_await reply_json(exchange, 200, deletion_object("request_id", (*job)->row.id));
}

}  // namespace weft::api::jobs
