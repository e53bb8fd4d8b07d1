#include "api/model_listing.h"

#include <algorithm>

namespace weft::api {

ModelList newest_first(ModelList models) {
    std::ranges::sort(models, [](const auto& a, const auto& b) {
        return a->modified_at != b->modified_at ? a->modified_at > b->modified_at : a->name < b->name;
    });
    return models;
}

std::uint32_t window_of(const ModelInfo& model, const std::vector<ResidentModel>& resident, std::uint32_t by_default) {
    for (const auto& loaded : resident)
        if (loaded.ready && loaded.model->name == model.name) return loaded.description.context_tokens;
    const auto wanted = model.context_tokens != 0 ? model.context_tokens : by_default;
    return model.trained_context != 0 ? std::min(wanted, model.trained_context) : wanted;
}

}  // namespace weft::api
