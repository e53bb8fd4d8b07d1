// GET /props, as llama-server has it. Looking loads nothing.
#include "api/json_reader.h"
#include "api/model_listing.h"
#include "api/openai/handlers.h"
#include "api/openai/named_model.h"
#include "http/request_target.h"

namespace weft::api::openai {
namespace {

const ResidentModel* loaded(const std::vector<ResidentModel>& resident, const ModelInfo& model) {
    for (const auto& one : resident)
        if (one.ready && one.model->name == model.name) return &one;
    return nullptr;
}

Json props_of(const ModelInfo& model, const std::vector<ResidentModel>& resident, std::uint32_t default_window) {
    const auto* running = loaded(resident, model);
    Json params = Json::object_t{};
    for (const auto& [name, value] : model.parameters_text)
        if (auto parsed = parse_json(value)) params[name] = std::move(*parsed);
    Json settings = Json::object_t{};
    settings["n_ctx"] = api::window_of(model, resident, default_window);
    settings["params"] = std::move(params);
    Json modalities = Json::object_t{};
    modalities["vision"] = model.can("vision");
    modalities["audio"] = model.can("audio");
    Json props = Json::object_t{};
    props["default_generation_settings"] = std::move(settings);
    props["total_slots"] = running ? std::uint64_t{running->description.slots} : std::uint64_t{0};
    props["model_path"] = model.name;  // clients show it; where files lie is nobody's business
    props["chat_template"] = model.chat_template;
    props["modalities"] = std::move(modalities);
    props["build_info"] = "weft-" WEFT_VERSION;
    return props;
}

}  // namespace

Answered props(http::Exchange& exchange, const Services& services) {
    Json name = Json::object_t{};
    if (const auto given = http::query_parameter(exchange.request().query, "model")) name["model"] = *given;
    const auto model_name = named_or_only_model(services, JsonReader(name)["model"]);
    if (!model_name) co_return co_await reply_error(exchange, services, model_name.error());
    const auto model = find_model(services, *model_name);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    const auto resident = services.registry.resident();
    co_await reply_json(exchange, services, api::write_json(props_of(**model, resident, services.default_context_tokens)));
}

Answered version(http::Exchange& exchange, const Services& services) {
    co_await reply_json(exchange, services, R"({"version":")" WEFT_VERSION R"("})");
}

}  // namespace weft::api::openai
