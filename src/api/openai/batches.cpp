#include <algorithm>
#include <array>

#include "api/batch_runner.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/pages.h"
#include "api/request_fields.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::array<std::string_view, 4> batch_endpoints{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"};
constexpr std::int64_t batch_window_s = 24LL * 3600;
constexpr std::size_t max_batch_metadata_pairs = 16;
constexpr std::size_t max_metadata_key_bytes = 64;
constexpr std::size_t max_metadata_value_bytes = 512;
constexpr std::int64_t shortest_output_life_s = 3600;
constexpr std::int64_t longest_output_life_s = 2'592'000;

Error unknown_batch(const std::string& id) {
    return {.code = ErrorCode::not_found, .message = "No batch found with id '" + id + "'.", .field = "batch_id"};
}

Result<std::string> required_text(const JsonReader& field) {
    WEFT_TRY(auto text, field.string());
    if (!text || text->empty()) return field.missing();
    return std::move(*text);
}

Result<std::optional<std::map<std::string, std::string>>> read_batch_metadata(const JsonReader& value) {
    WEFT_TRY(const auto pairs, value.object());
    if (!pairs) return std::nullopt;
    if (pairs->size() > max_batch_metadata_pairs) return value.invalid("must have at most 16 pairs");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, entry] : *pairs) {
        WEFT_TRY(const auto text, entry.string());
        if (!text) return entry.wrong_type("a string");
        if (key.size() > max_metadata_key_bytes || text->size() > max_metadata_value_bytes)
            return value.invalid("must have keys of at most 64 and values of at most 512 characters");
        metadata[key] = *text;
    }
    return metadata;
}

Result<StoredBatch> read_batch_request(const http::Exchange& exchange, const Services& services) {
    WEFT_TRY(const auto json, body_of(exchange.request()));
    const JsonReader body(json);
    StoredBatch stored;
    auto& batch = stored.batch;
    WEFT_TRY(batch.input_file_id, required_text(body["input_file_id"]));
    WEFT_TRY(batch.endpoint, required_text(body["endpoint"]));
    if (!std::ranges::contains(batch_endpoints, batch.endpoint))
        return body["endpoint"].invalid("must be one of /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses");
    WEFT_TRY(batch.completion_window, required_text(body["completion_window"]));
    if (batch.completion_window != "24h") return body["completion_window"].invalid("must be \"24h\"");
    WEFT_TRY(batch.metadata, read_batch_metadata(body["metadata"]));
    const auto life = body["output_expires_after"];
    WEFT_CHECK(life.object());
    if (!life.absent()) {
        WEFT_TRY(const auto anchor, life["anchor"].string());
        if (!anchor || *anchor != "created_at") return life["anchor"].invalid("must be \"created_at\"");
        WEFT_TRY(const auto seconds, life["seconds"].integer(shortest_output_life_s, longest_output_life_s));
        if (!seconds) return life["seconds"].missing();
        stored.output_lifetime_s = *seconds;
    }
    batch.id = services.new_id("batch_");
    batch.created_at = services.unix_time();
    batch.expires_at = batch.created_at + batch_window_s;
    return stored;
}

asio::awaitable<Result<void>> check_input(const http::Exchange& exchange, const Services& services, std::string tenant, std::string id) {
    const Pending<FileRow> pending(exchange.executor());
    services.batch_store->find_file(std::move(tenant), id, pending.setter());
    const auto file = co_await pending.wait();
    if (!file && file.error().code != ErrorCode::not_found) co_return std::unexpected(file.error());
    if (!file) co_return fail_field(ErrorCode::invalid_request, "input_file_id", "No such File object: " + id);
    if (file->purpose != "batch")
        co_return fail_field(ErrorCode::invalid_request, "input_file_id", "'input_file_id' must be a file with the purpose 'batch'");
    co_return Result<void>{};
}

}  // namespace

Answered create_batch(http::Exchange& exchange, const Services& services) {
    auto batch = read_batch_request(exchange, services);
    if (!batch) co_return co_await reply_error(exchange, services, std::move(batch).error());
    const auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, tenant.error());
    if (auto input = co_await check_input(exchange, services, *tenant, batch->batch.input_file_id); !input)
        co_return co_await reply_error(exchange, services, std::move(input).error());
    const auto created = co_await services.batches->create(*tenant, std::move(*batch));
    if (!created) co_return co_await reply_error(exchange, services, created.error());
    co_await reply_json(exchange, services, batch_json(created->batch));
}

Answered list_batches(http::Exchange& exchange, const Services& services) {
    auto query = read_page_query(exchange, {});
    if (!query) co_return co_await reply_error(exchange, services, std::move(query).error());
    const std::size_t limit = query->limit++;
    const auto batches = co_await services.batches->list(std::move(*query));
    if (!batches) co_return co_await reply_error(exchange, services, batches.error());
    std::vector<PageItem> items;
    for (const auto& batch : *batches) items.push_back({.id = batch.batch.id, .json = batch_json(batch.batch)});
    co_await reply_json(exchange, services, page_json(std::move(items), limit));
}

Answered show_batch(http::Exchange& exchange, const Services& services) {
    auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, std::move(tenant).error());
    const auto id = object_id(exchange);
    const auto batch = co_await services.batches->find(std::move(*tenant), id);
    if (!batch) co_return co_await reply_error(exchange, services, batch.error().code == ErrorCode::not_found ? unknown_batch(id) : batch.error());
    co_await reply_json(exchange, services, batch_json(batch->batch));
}

Answered cancel_batch(http::Exchange& exchange, const Services& services) {
    auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, std::move(tenant).error());
    const auto id = object_id(exchange);
    const auto batch = co_await services.batches->cancel(std::move(*tenant), id);
    if (!batch) co_return co_await reply_error(exchange, services, batch.error().code == ErrorCode::not_found ? unknown_batch(id) : batch.error());
    co_await reply_json(exchange, services, batch_json(batch->batch));
}

}  // namespace weft::api::openai
