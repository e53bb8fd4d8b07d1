#include "api/jobs/document_request.h"
#include "api/jobs/handlers.h"
#include "api/json_text.h"
#include "api/reply_waiter.h"
#include "api/request_fields.h"
#include "http/request_target.h"

namespace weft::api::jobs {
namespace {

constexpr std::int64_t default_documents = 20;
constexpr std::int64_t most_documents = 100;

Result<DocumentSearch> read_search_request(const http::Exchange& exchange) {
    WEFT_TRY(auto tenant, tenant_of(exchange));
    WEFT_TRY(const auto body, body_of(exchange.request()));
    return read_search(JsonReader(body), std::move(tenant));
}

Result<GivenDocument> read_document_request(const http::Exchange& exchange) {
    WEFT_TRY(auto tenant, tenant_of(exchange));
    return read_document(exchange.request(), std::move(tenant));
}

Result<DocumentQuery> read_document_query(const http::Exchange& exchange) {
    DocumentQuery query;
    const auto& text = exchange.request().query;
    WEFT_TRY(query.tenant, tenant_of(exchange));
    query.after_id = query_value(text, "after").value_or("");
    WEFT_TRY(const auto limit, query_number(text, "limit", default_documents, 1, most_documents));
    query.limit = static_cast<std::size_t>(limit);
    return query;
}

}  // namespace

Answered add_document(http::Exchange& exchange, const Services& services) {
    auto document = read_document_request(exchange);
    if (!document) co_return co_await reply_error(exchange, std::move(document).error());
    const auto added = co_await services.documents->add(std::move(*document), leaving_of(exchange));
    if (!added) co_return co_await reply_error(exchange, added.error());
    if (exchange.client_gone()) co_return;
    co_await reply_json(exchange, 201, document_object(*added), {{"location", "/api/v1/documents/" + added->id}});
}

Answered list_documents(http::Exchange& exchange, const Services& services) {
    auto query = read_document_query(exchange);
    if (!query) co_return co_await reply_error(exchange, std::move(query).error());
    const auto page = co_await services.documents->list(std::move(*query));
    if (!page) co_return co_await reply_error(exchange, page.error());
    co_await reply_json(exchange, 200, page_object(*page, document_object));
}

Answered show_document(http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return co_await reply_error(exchange, std::move(tenant).error());
    const auto row = co_await services.documents->find(std::move(*tenant), path_id(exchange));
    if (!row) co_return co_await reply_error(exchange, row.error());
    co_await reply_json(exchange, 200, document_object(*row));
}

Answered delete_document(http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return co_await reply_error(exchange, std::move(tenant).error());
    const auto id = path_id(exchange);
    const auto removed = co_await services.documents->remove(std::move(*tenant), id);
    if (!removed) co_return co_await reply_error(exchange, removed.error());
    co_await reply_json(exchange, 200, deletion_object("document_id", id));
}

Answered search_documents(http::Exchange& exchange, const Services& services) {
    auto search = read_search_request(exchange);
    if (!search) co_return co_await reply_error(exchange, std::move(search).error());
    const auto found = co_await services.documents->search(std::move(*search), leaving_of(exchange));
    if (!found) co_return co_await reply_error(exchange, found.error());
    if (exchange.client_gone()) co_return;
    co_await reply_json(exchange, 200, search_answer(*found));
}

}  // namespace weft::api::jobs
