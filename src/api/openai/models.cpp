#include "api/json_reader.h"
#include "api/model_listing.h"
#include "api/openai/handlers.h"
#include "registry/model_name.h"

namespace weft::api::openai {
namespace {

Json list_of(const std::vector<std::string>& texts) {
    Json list = Json::array_t{};
    for (const auto& text : texts) list.get_array().emplace_back(text);
    return list;
}

Json modalities_of(const ModelInfo& model) {
    std::vector<std::string> input{"text"};
    if (model.can("vision")) input.emplace_back("image");
    if (model.can("audio")) input.emplace_back("audio");
    Json out;
    out["input_modalities"] = list_of(input);
    out["output_modalities"] = list_of({"text"});
    return out;
}

Json meta_of(const ModelInfo& model) {
    Json meta;
    meta["n_ctx_train"] = model.trained_context;
    meta["n_params"] = model.parameters;
    meta["n_embd"] = model.embedding_length;
    meta["n_vocab"] = model.vocabulary;
    meta["size"] = model.size_bytes;
    return meta;
}

std::string owner_of(const ModelInfo& model) {
    const auto name = ModelName::parse(model.name);
    return name ? name->namespace_ : std::string(ModelName::default_namespace);
}

Json entry_of(const ModelInfo& model, const std::vector<ResidentModel>& resident, std::uint32_t default_window) {
    const auto modified = std::chrono::floor<std::chrono::seconds>(model.modified_at.time_since_epoch()).count();
    Json entry;
    entry["id"] = model.name;
    entry["object"] = "model";
    entry["created"] = static_cast<std::int64_t>(modified);
    entry["owned_by"] = owner_of(model);
    entry["max_model_len"] = window_of(model, resident, default_window);
    entry["context_length"] = model.trained_context;
    entry["capabilities"] = list_of(model.capabilities);
    entry["architecture"] = modalities_of(model);
    entry["meta"] = meta_of(model);
    return entry;
}

}  // namespace

Result<std::shared_ptr<const ModelInfo>> find_model(const Services& services, const std::string& name) {
    auto model = services.registry.find(name);
    if (!model && model.error().field.empty()) model.error().field = "model";
    return model;
}

Answered list_models(http::Exchange& exchange, const Services& services) {
    const auto models = newest_first(services.registry.list());
    const auto resident = services.registry.resident();
    Json entries = Json::array_t{};
    for (const auto& model : models) entries.get_array().push_back(entry_of(*model, resident, services.default_context_tokens));
    Json answer;
    answer["object"] = "list";
    answer["data"] = std::move(entries);
    co_await reply_json(exchange, services, api::write_json(answer));
}

Answered show_model(http::Exchange& exchange, const Services& services) {
    const auto& parameters = exchange.request().path_parameters;
    const auto id = parameters.find("id");
    const auto model = find_model(services, id == parameters.end() ? std::string() : id->second);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    co_await reply_json(exchange, services, api::write_json(entry_of(**model, services.registry.resident(), services.default_context_tokens)));
}

// Files are the operator's: a client cannot delete them.
Answered refuse_deletion(http::Exchange& exchange, const Services& services) {
    co_await reply_error(exchange, services, {.code = ErrorCode::forbidden, .message = "Deleting models is not allowed on this server."});
}

}  // namespace weft::api::openai
