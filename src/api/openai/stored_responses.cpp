#include <algorithm>
#include <charconv>

#include "api/caller.h"
#include "api/json_text.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "http/request_target.h"
#include "services/pending.h"

namespace weft::api::openai {
namespace {

constexpr std::size_t default_limit = 20;
constexpr std::size_t max_limit = 100;

Error unknown(const std::string& id) {
    return {.code = ErrorCode::not_found,
            .message = "Response with id '" + id + "' not found.",
            .field = "response_id"};
}

std::string id_of(const http::Exchange& exchange) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    return id == parameters.end() ? std::string() : id->second;
}

// Whoever calls sees only what is theirs; bad headers make them nobody in particular.
std::string tenant_of(const http::Exchange& exchange) {
    GenerateRequest caller;
    return set_caller(exchange.request(), caller) ? caller.tenant : std::string();
}

Result<std::size_t> limit_of(std::string_view query) {
    const auto text = http::query_parameter(query, "limit");
    if (!text) return default_limit;
    std::size_t limit = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc{} || end != text->data() + text->size() || limit < 1 || limit > max_limit)
        return fail_field(ErrorCode::invalid_request, "limit",
                          "'limit' must be a whole number from 1 to " + std::to_string(max_limit));
    return limit;
}

// The part of a list that a client asked for, as JSON. Newest first unless `order` is asc.
Result<std::string> page_of(std::string_view query, std::vector<StoredItem> items) {
    WEFT_TRY(const auto limit, limit_of(query));
    const auto order = http::query_parameter(query, "order").value_or("desc");
    if (order != "asc" && order != "desc")
        return fail_field(ErrorCode::invalid_request, "order", "'order' must be asc or desc");
    if (order == "desc") std::ranges::reverse(items);
    auto first = items.begin();
    if (const auto after = http::query_parameter(query, "after")) {
        first = std::ranges::find(items, *after, &StoredItem::id);
        if (first == items.end())
            return fail_field(ErrorCode::invalid_request, "after", "'after' is not the id of an item of this response");
        ++first;
    }
    const auto n = std::min<std::size_t>(limit, static_cast<std::size_t>(items.end() - first));
    const auto last = first + static_cast<std::ptrdiff_t>(n);
    std::string out = R"({"object":"list","data":[)";
    for (auto item = first; item != last; ++item) out += (item == first ? "" : ",") + item->json;
    out += R"(],"first_id":)";
    n == 0 ? void(out += "null") : append_json_string(out, first->id);
    out += R"(,"last_id":)";
    n == 0 ? void(out += "null") : append_json_string(out, std::prev(last)->id);
    out += R"(,"has_more":)" + std::string(last == items.end() ? "false" : "true") + "}";
    return out;
}

}  // namespace

Answered show_response(http::Exchange& exchange, const Services& services) {
    if (http::query_parameter(exchange.request().query, "stream") == "true")
        co_return co_await reply_error(exchange, services,
                                       {.code = ErrorCode::unsupported,
                                        .message = "this server does not support 'stream' for stored responses yet",
                                        .field = "stream"});
    const auto id = id_of(exchange);
    const auto response = services.responses->find(tenant_of(exchange), id);
    if (!response) co_return co_await reply_error(exchange, services, unknown(id));
    co_await reply_json(exchange, services, response->json);
}

Answered delete_response(http::Exchange& exchange, const Services& services) {
    const auto id = id_of(exchange);
    const Pending<bool> erased(exchange.executor());
    const bool known = services.responses->erase(tenant_of(exchange), id, erased.setter());
    if (!known) co_return co_await reply_error(exchange, services, unknown(id));
    const auto gone = co_await erased.wait();
    if (!gone) co_return co_await reply_error(exchange, services, gone.error());
    std::string out = R"({"id":)";
    append_json_string(out, id);
    co_await reply_json(exchange, services, out + R"(,"object":"response","deleted":true})");
}

// Only what runs in the background could be cancelled, and nothing does.
Answered cancel_response(http::Exchange& exchange, const Services& services) {
    const auto id = id_of(exchange);
    if (!services.responses->find(tenant_of(exchange), id)) co_return co_await reply_error(exchange, services, unknown(id));
    co_await reply_error(exchange, services,
                         {.code = ErrorCode::invalid_request,
                          .message = "Only responses that were created with 'background' can be cancelled.",
                          .field = "response_id"});
}

Answered list_input_items(http::Exchange& exchange, const Services& services) {
    const auto id = id_of(exchange);
    const auto response = services.responses->find(tenant_of(exchange), id);
    if (!response) co_return co_await reply_error(exchange, services, unknown(id));
    const auto page = page_of(exchange.request().query, response->input);
    if (!page) co_return co_await reply_error(exchange, services, page.error());
    co_await reply_json(exchange, services, *page);
}

}  // namespace weft::api::openai
