#include "api/openai/named_model.h"

#include "api/request_fields.h"

namespace weft::api::openai {

Result<std::string> named_or_only_model(const Services& services, const JsonReader& name) {
    WEFT_TRY(const auto given, name.string());
    if (given && given->size() > max_model_name_characters)
        return name.invalid("must have at most " + std::to_string(max_model_name_characters) + " characters");
    if (given && !given->empty()) return *given;
    if (const auto loaded = services.registry.resident(); loaded.size() == 1) return loaded.front().model->name;
    if (const auto models = services.registry.list(); models.size() == 1) return models.front()->name;
    return name.missing();
}

}  // namespace weft::api::openai
