#include <charconv>
#include <chrono>

#include "api/anthropic/batch_lines.h"
#include "api/anthropic/batch_request.h"
#include "api/anthropic/handlers.h"
#include "api/batch_runner.h"
#include "api/caller.h"
#include "api/json_text.h"
#include "api/request_fields.h"
#include "base/formatted.h"
#include "http/request_target.h"

namespace weft::api::anthropic {
namespace asio = boost::asio;
namespace {

constexpr std::int64_t batch_life_s = 24LL * 3600;        // until requests that have not run expire
constexpr std::int64_t input_life_s = 30LL * 24 * 3600;   // of the stored requests
constexpr std::int64_t batches_by_default = 20;
constexpr std::int64_t most_batches = 1000;  // of one page

Result<std::string> owner_of(const http::Exchange& exchange) {
    GenerateRequest caller;
    WEFT_CHECK(set_caller(exchange.request(), caller));
    return BatchLines::owner_of(caller.tenant);
}

std::string batch_id(const http::Exchange& exchange) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    return id == parameters.end() ? std::string() : id->second;
}

Answered reply_batch_error(http::Exchange& exchange, Error error) {
    if (error.code == ErrorCode::not_found) error = {.code = ErrorCode::not_found, .message = "message batch not found: " + batch_id(exchange)};
    // Not a conflict: clients try those again by themselves.
    if (error.code == ErrorCode::conflict) error.code = ErrorCode::invalid_request;
    co_await reply_error(exchange, std::move(error));
}

// ---- the object ---------------------------------------------------------------------------------------------------------

std::string time_of(std::optional<std::int64_t> unix_s) {
    if (!unix_s) return "null";
    return formatted("\"{:%FT%TZ}\"", std::chrono::sys_seconds(std::chrono::seconds(*unix_s)));
}

std::optional<std::int64_t> end_of(const BatchObject& batch) {
    for (const auto& time : {batch.completed_at, batch.cancelled_at, batch.expired_at, batch.failed_at})
        if (time) return time;
    return std::nullopt;
}

bool has_results(const BatchObject& batch) { return batch.ended() && batch.status != "failed"; }

std::string counts_of(const StoredBatch& stored) {
    const auto& [total, completed, failed] = stored.batch.request_counts;
    const auto never_run = [&](std::string_view status) { return stored.batch.status == status ? stored.never_run : 0; };
    const bool broken = stored.batch.status == "failed";
    return R"({"processing":)" + std::to_string(stored.batch.ended() ? 0 : total - completed - failed) + R"(,"succeeded":)" +
           std::to_string(completed) + R"(,"errored":)" + std::to_string(broken ? total : failed - stored.never_run) + R"(,"canceled":)" +
           std::to_string(never_run("cancelled")) + R"(,"expired":)" + std::to_string(never_run("expired")) + "}";
}

// base: where this server is, as its client wrote it.
std::string batch_object(const StoredBatch& stored, const std::string& base) {
    const auto& batch = stored.batch;
    std::string out = R"({"id":")" + batch.id + R"(","type":"message_batch","processing_status":")";
    out += batch.ended() ? "ended" : batch.cancelling_at ? "canceling" : "in_progress";
    out += R"(","request_counts":)" + counts_of(stored) + R"(,"created_at":)" + time_of(batch.created_at);
    out += R"(,"expires_at":)" + time_of(batch.expires_at) + R"(,"ended_at":)" + time_of(end_of(batch));
    out += R"(,"cancel_initiated_at":)" + time_of(batch.cancelling_at) + R"(,"archived_at":null,"results_url":)";
    has_results(batch) ? append_json_string(out, base + "/v1/messages/batches/" + batch.id + "/results") : void(out += "null");
    return out + "}";
}

std::string base_of(const http::Exchange& exchange) { return "http://" + std::string(exchange.request().header("host")); }

Answered reply_batch(http::Exchange& exchange, const Result<StoredBatch>& batch) {
    if (!batch) co_return co_await reply_batch_error(exchange, batch.error());
    co_await reply_json(exchange, batch_object(*batch, base_of(exchange)));
}

// ---- lists --------------------------------------------------------------------------------------------------------------

struct BatchPage {
    PageQuery query{};
    bool backwards = false;  // the page before an id: asked for from there on, then turned round
};

Result<BatchPage> read_page(const http::Exchange& exchange) {
    BatchPage page;
    WEFT_TRY(page.query.tenant, owner_of(exchange));
    const auto& text = exchange.request().query;
    std::int64_t limit = batches_by_default;
    if (const auto asked = http::query_parameter(text, "limit")) {
        const auto [end, error] = std::from_chars(asked->data(), asked->data() + asked->size(), limit);
        if (error != std::errc{} || end != asked->data() + asked->size() || limit < 1 || limit > most_batches)
            return fail_field(ErrorCode::invalid_request, "limit", "must be a whole number from 1 to " + std::to_string(most_batches));
    }
    const auto after = http::query_parameter(text, "after_id");
    const auto before = http::query_parameter(text, "before_id");
    if (after && before) return fail_field(ErrorCode::invalid_request, "before_id", "must not be given together with 'after_id'");
    page.backwards = before.has_value();
    page.query.after_id = before ? *before : after.value_or("");
    page.query.oldest_first = page.backwards;
    page.query.limit = static_cast<std::size_t>(limit) + 1;  // one more, to know whether there is more
    return page;
}

// ---- creating -----------------------------------------------------------------------------------------------------------

asio::awaitable<Result<StoredBatch>> store_batch(http::Exchange& exchange, const Services& services, std::string owner, BatchRequests requests) {
    const auto now = services.unix_time();
    StoredBatch stored;
    auto& batch = stored.batch;
    batch.id = services.new_id("msgbatch_");
    batch.endpoint = batch_endpoint;
    batch.input_file_id = services.new_id("file-");
    batch.created_at = now;
    batch.expires_at = now + batch_life_s;
    batch.request_counts.total = requests.count;
    NewFile input{.row = {.id = batch.input_file_id, .tenant = owner, .filename = batch.id + ".jsonl", .purpose = "batch",
                          .bytes = static_cast<std::int64_t>(requests.lines.size()), .created_s = now, .expires_s = now + input_life_s},
                  .content = std::move(requests.lines)};
    const Pending<bool> added(exchange.executor());
    services.batch_store->add_file(std::move(input), added.setter());
    if (const auto done = co_await added.wait(); !done) co_return std::unexpected(done.error());
    co_return co_await services.batches->create(std::move(owner), std::move(stored));
}

asio::awaitable<Result<std::string>> read_results(http::Exchange& exchange, const Services& services, std::string owner, std::string file) {
    const Pending<std::string> pending(exchange.executor());
    services.batch_store->read_file(std::move(owner), std::move(file), pending.setter());
    co_return co_await pending.wait();
}

}  // namespace

Answered create_batch(http::Exchange& exchange, const Services& services) {
    auto owner = owner_of(exchange);
    if (!owner) co_return co_await reply_error(exchange, std::move(owner).error());
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, body.error());
    auto requests = read_batch_requests(JsonReader(*body));
    if (!requests) co_return co_await reply_error(exchange, std::move(requests).error());
    const auto stored = co_await store_batch(exchange, services, std::move(*owner), std::move(*requests));
    co_await reply_batch(exchange, stored);
}

Answered show_batch(http::Exchange& exchange, const Services& services) {
    auto owner = owner_of(exchange);
    if (!owner) co_return co_await reply_error(exchange, std::move(owner).error());
    const auto batch = co_await services.batches->find(std::move(*owner), batch_id(exchange));
    co_await reply_batch(exchange, batch);
}

Answered cancel_batch(http::Exchange& exchange, const Services& services) {
    auto owner = owner_of(exchange);
    if (!owner) co_return co_await reply_error(exchange, std::move(owner).error());
    const auto batch = co_await services.batches->cancel(std::move(*owner), batch_id(exchange));
    co_await reply_batch(exchange, batch);
}

Answered delete_batch(http::Exchange& exchange, const Services& services) {
    auto owner = owner_of(exchange);
    if (!owner) co_return co_await reply_error(exchange, std::move(owner).error());
    const auto id = batch_id(exchange);
    const auto removed = co_await services.batches->remove(std::move(*owner), id);
    if (!removed) co_return co_await reply_batch_error(exchange, removed.error());
    co_await reply_json(exchange, R"({"id":")" + id + R"(","type":"message_batch_deleted"})");
}

Answered list_batches(http::Exchange& exchange, const Services& services) {
    auto page = read_page(exchange);
    if (!page) co_return co_await reply_error(exchange, std::move(page).error());
    const auto limit = page->query.limit - 1;
    auto batches = co_await services.batches->list(page->query);
    if (!batches && batches.error().field == "after") {
        const std::string field = page->backwards ? "before_id" : "after_id";
        batches = fail_field(ErrorCode::invalid_request, field, "is not the id of one of your batches");
    }
    if (!batches) co_return co_await reply_error(exchange, std::move(batches).error());
    const bool has_more = batches->size() > limit;
    if (has_more) batches->pop_back();
    if (page->backwards) std::ranges::reverse(*batches);
    std::string out = R"({"data":[)";
    for (const auto& batch : *batches) out += (out.ends_with('[') ? "" : ",") + batch_object(batch, base_of(exchange));
    out += R"(],"has_more":)" + std::string(has_more ? "true" : "false") + R"(,"first_id":)";
    out += batches->empty() ? "null" : "\"" + batches->front().batch.id + "\"";
    out += R"(,"last_id":)" + (batches->empty() ? std::string("null") : "\"" + batches->back().batch.id + "\"");
    co_await reply_json(exchange, out + "}");
}

Answered show_results(http::Exchange& exchange, const Services& services) {
    auto owner = owner_of(exchange);
    if (!owner) co_return co_await reply_error(exchange, std::move(owner).error());
    const auto id = batch_id(exchange);
    const auto stored = co_await services.batches->find(*owner, id);
    if (!stored) co_return co_await reply_batch_error(exchange, stored.error());
    if (!has_results(stored->batch))
        co_return co_await reply_error(exchange, {.code = ErrorCode::not_found, .message = "the batch " + id + " has no results yet"});
    std::string all;
    for (const auto& file : {stored->batch.output_file_id, stored->batch.error_file_id}) {
        if (!file) continue;
        const auto lines = co_await read_results(exchange, services, *owner, *file);
        if (!lines) co_return co_await reply_batch_error(exchange, lines.error());
        all += *lines;
    }
    co_await exchange.reply({.content_type = "application/x-jsonl", .body = std::move(all)});
}

Answered without_store(http::Exchange& exchange, const Services&) {
    co_await reply_error(exchange, {.code = ErrorCode::overloaded,
                                    .message = "the store of batches could not be opened; the server's log says why", .retry_after_s = 60});
}

}  // namespace weft::api::anthropic
