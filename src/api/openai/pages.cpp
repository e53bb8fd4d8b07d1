#include "api/openai/pages.h"

#include <charconv>

#include "api/caller.h"
#include "api/json_text.h"
#include "http/request_target.h"

namespace weft::api::openai {

Result<std::string> caller_tenant(const http::Exchange& exchange) {
    GenerateRequest caller;
    WEFT_CHECK(set_caller(exchange.request(), caller));
    return caller.tenant;
}

std::string object_id(const http::Exchange& exchange) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    return id == parameters.end() ? std::string() : id->second;
}

Result<PageQuery> read_page_query(const http::Exchange& exchange, PageRules rules) {
    PageQuery query;
    const auto& text = exchange.request().query;
    WEFT_TRY(query.tenant, caller_tenant(exchange));
    query.after_id = http::query_parameter(text, "after").value_or("");
    std::int64_t limit = rules.by_default;
    if (const auto asked = http::query_parameter(text, "limit")) {
        const auto [end, error] = std::from_chars(asked->data(), asked->data() + asked->size(), limit);
        if (error != std::errc{} || end != asked->data() + asked->size() || limit < 1 || limit > rules.most)
            return fail_field(ErrorCode::invalid_request, "limit", "'limit' must be a whole number from 1 to " + std::to_string(rules.most));
    }
    query.limit = static_cast<std::size_t>(limit);
    if (const auto order = http::query_parameter(text, "order"); order && rules.may_order) {
        if (*order != "asc" && *order != "desc") return fail_field(ErrorCode::invalid_request, "order", "'order' must be asc or desc");
        query.oldest_first = *order == "asc";
    }
    return query;
}

std::string page_json(std::vector<PageItem> items, std::size_t limit) {
    const bool has_more = items.size() > limit;
    if (has_more) items.resize(limit);
    std::string out = R"({"object":"list","data":[)";
    for (const auto& item : items) out += (out.ends_with('[') ? "" : ",") + item.json;
    out += R"(],"has_more":)" + std::string(has_more ? "true" : "false") + R"(,"first_id":)";
    items.empty() ? void(out += "null") : append_json_string(out, items.front().id);
    out += R"(,"last_id":)";
    items.empty() ? void(out += "null") : append_json_string(out, items.back().id);
    return out + "}";
}

}  // namespace weft::api::openai
