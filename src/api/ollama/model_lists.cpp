#include <algorithm>
#include <functional>

#include "api/ollama/handlers.h"
#include "api/ollama/json_text.h"
#include "api/ollama/model_views.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

struct ListedModel {
    std::string name;
    std::string model;
    std::string modified_at;
    std::uint64_t size = 0;
    std::string digest;
    ModelDetails details;
    std::vector<std::string> capabilities;
};

struct LoadedModel {
    std::string name;
    std::string model;
    std::uint64_t size = 0;
    std::string digest;
    ModelDetails details;
    std::string expires_at;
    std::uint64_t size_vram = 0;
    std::uint32_t context_length = 0;
};

template <typename T>
struct ModelList {
    std::vector<T> models;
};

ListedModel listed(const ModelInfo& model) {
    return {.name = model.name,
            .model = model.name,
            .modified_at = rfc3339(model.modified_at),
            .size = model.size_bytes,
            .digest = model.digest,
            .details = details_of(model),
            .capabilities = model.capabilities};
}

LoadedModel loaded(const ResidentModel& resident) {
    const auto& model = *resident.model;
    return {.name = model.name,
            .model = model.name,
            .size = resident.description.memory_bytes,
            .digest = model.digest,
            .details = details_of(model),
            .expires_at = rfc3339(resident.expires_at),
            .size_vram = resident.description.gpu_bytes,
            .context_length = resident.description.context_tokens};
}

}  // namespace

ModelDetails details_of(const ModelInfo& model) {
    return {.family = model.architecture,
            .families = {model.architecture},
            .parameter_size = model.parameter_size,
            .quantization_level = model.quantization,
            .context_length = model.trained_context,
            .embedding_length = model.embedding_length};
}

asio::awaitable<void> handle_tags(http::Exchange& exchange, const Services& services) {
    auto models = services.registry.list();
    std::ranges::stable_sort(models, std::greater{}, [](const auto& model) { return model->modified_at; });
    ModelList<ListedModel> answer;
    for (const auto& model : models) answer.models.push_back(listed(*model));
    co_await exchange.reply({.body = to_json(answer)});
}

// A model that is still loading has no size yet, so clients would show it as empty.
asio::awaitable<void> handle_ps(http::Exchange& exchange, const Services& services) {
    auto models = services.registry.resident();
    std::ranges::stable_sort(models, std::greater{}, &ResidentModel::expires_at);
    ModelList<LoadedModel> answer;
    for (const auto& model : models)
        if (model.ready) answer.models.push_back(loaded(model));
    co_await exchange.reply({.body = to_json(answer)});
}

}  // namespace weft::api::ollama
