#include <algorithm>
#include <charconv>

#include "api/anthropic/handlers.h"
#include "api/json_reader.h"
#include "api/model_listing.h"
#include "base/formatted.h"
#include "http/request_target.h"

namespace weft::api::anthropic {
namespace {

constexpr std::size_t default_limit = 20;
constexpr std::size_t max_limit = 1000;

Json entry_of(const ModelInfo& model, const std::vector<ResidentModel>& resident, std::uint32_t default_window) {
    const auto window = window_of(model, resident, default_window);
    Json entry;
    entry["type"] = "model";
    entry["id"] = model.name;
    entry["display_name"] = model.name;
    entry["created_at"] = formatted("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(model.modified_at));
    entry["max_input_tokens"] = window;
    entry["max_tokens"] = window;
    entry["capabilities"] = nullptr;
    return entry;
}

// The part of a list that a client asked for.
struct Page {
    ModelList models;
    bool has_more = false;
};

Result<std::size_t> limit_of(std::string_view query) {
    const auto text = http::query_parameter(query, "limit");
    if (!text) return default_limit;
    std::size_t limit = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc{} || end != text->data() + text->size() || limit < 1 || limit > max_limit)
        return fail_field(ErrorCode::invalid_request, "limit", "must be a whole number from 1 to " + std::to_string(max_limit));
    return limit;
}

// Which model an id in the query means: its position in the list.
Result<std::optional<std::size_t>> position_of(std::string_view query, std::string_view name, const ModelList& models) {
    const auto id = http::query_parameter(query, name);
    if (!id) return std::nullopt;
    const auto found = std::ranges::find(models, *id, [](const auto& model) { return model->name; });
    if (found == models.end())
        return fail_field(ErrorCode::invalid_request, std::string(name), "is not the id of a model");
    return static_cast<std::size_t>(found - models.begin());
}

Result<Page> page_of(std::string_view query, const ModelList& models) {
    WEFT_TRY(const auto limit, limit_of(query));
    WEFT_TRY(const auto after, position_of(query, "after_id", models));
    WEFT_TRY(const auto before, position_of(query, "before_id", models));
    std::size_t first = after ? *after + 1 : 0;
    const std::size_t end = before ? *before : models.size();
    // Going backwards the page ends where the last one began.
    if (before && !after && end > limit) first = end - limit;
    first = std::min(first, end);
    const std::size_t last = std::min(end, first + limit);
    return Page{.models = ModelList(models.begin() + static_cast<std::ptrdiff_t>(first),
                                    models.begin() + static_cast<std::ptrdiff_t>(last)),
                .has_more = before && !after ? first > 0 : last < end};
}

}  // namespace

Answered list_models(http::Exchange& exchange, const Services& services) {
    const auto page = page_of(exchange.request().query, newest_first(services.registry.list()));
    if (!page) co_return co_await reply_error(exchange, page.error());
    const auto resident = services.registry.resident();
    Json data = Json::array_t{};
    for (const auto& model : page->models)
        data.get_array().push_back(entry_of(*model, resident, services.default_context_tokens));
    Json answer;
    answer["data"] = std::move(data);
    answer["has_more"] = page->has_more;
    answer["first_id"] = nullptr;
    answer["last_id"] = nullptr;
    if (!page->models.empty()) {
        answer["first_id"] = page->models.front()->name;
        answer["last_id"] = page->models.back()->name;
    }
    co_await reply_json(exchange, api::write_json(answer));
}

Answered show_model(http::Exchange& exchange, const Services& services) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    const auto model = services.registry.find(id == parameters.end() ? std::string() : id->second);
    if (!model) co_return co_await reply_error(exchange, model.error());
    co_await reply_json(exchange,
                        api::write_json(entry_of(**model, services.registry.resident(), services.default_context_tokens)));
}

}  // namespace weft::api::anthropic
