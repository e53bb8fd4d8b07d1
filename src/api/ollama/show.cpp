#include "api/ollama/errors.h"
#include "api/ollama/handlers.h"
#include "api/ollama/json_text.h"
#include "api/ollama/model_metadata.h"
#include "api/ollama/model_views.h"
#include "api/ollama/modelfile.h"
#include "api/ollama/options.h"
#include "api/ollama/request_fields.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

// system, template and options only change the Modelfile that is shown.
struct ShowBody {
    std::string model;
    bool verbose = false;
    std::string system{};
    std::string template_text{};
    ParameterList options{};
};

struct AdapterView {
    std::string name;  // of the file; where it lies is nobody's business
    float scale = 1;
};

struct ShowAnswer {
    std::string modelfile;
    std::optional<std::string> parameters{};
    std::string template_{};
    std::optional<std::string> system{};
    ModelDetails details{};
    glz::raw_json model_info{"{}"};
    std::vector<std::string> capabilities{};
    std::string modified_at{};
    std::optional<std::vector<TensorView>> tensors{};
    std::optional<std::vector<AdapterView>> adapters{};
};

}  // namespace
}  // namespace weft::api::ollama

template <>
struct glz::meta<weft::api::ollama::ShowAnswer> {
    using T = weft::api::ollama::ShowAnswer;
    static constexpr auto value =
        object("modelfile", &T::modelfile, "parameters", &T::parameters, "template", &T::template_, "system", &T::system,
               "details", &T::details, "model_info", &T::model_info, "capabilities", &T::capabilities, "modified_at",
               &T::modified_at, "tensors", &T::tensors, "adapters", &T::adapters);
};

namespace weft::api::ollama {
namespace {

Result<ParameterList> options_in(const JsonReader& options) {
    ParameterList list;
    WEFT_CHECK(parse_options(options));
    WEFT_TRY(const auto members, options.object());
    if (!members) return list;
    for (const auto& [key, value] : *members)
        if (!value.absent()) list.emplace_back(key, write_json(value.json()));
    return list;
}

Result<ShowBody> parse_show(const http::Request& request) {
    WEFT_TRY(const auto json, body_of(request));
    const JsonReader body(json);
    ShowBody out;
    WEFT_TRY(out.model, required_model_name_in(body));
    WEFT_TRY(const auto verbose, body["verbose"].boolean());
    WEFT_TRY(auto system, body["system"].string());
    WEFT_TRY(auto template_text, body["template"].string());
    WEFT_TRY(out.options, options_in(body["options"]));
    out.verbose = verbose.value_or(false);
    out.system = std::move(system).value_or("");
    out.template_text = std::move(template_text).value_or("");
    return out;
}

ModelfileParts modelfile_parts(const ShowBody& body, const ModelInfo& model) {
    ModelfileParts parts{.from = model.name,
                         .template_text = body.template_text,
                         .system = body.system.empty() ? model.system : body.system,
                         .parameters = model.parameters_text};
    for (const auto& adapter : model.adapters) parts.adapters.push_back(adapter.path.filename().string());
    for (const auto& [name, value] : body.options) {
        std::erase_if(parts.parameters, [&](const auto& parameter) { return parameter.first == name; });
        parts.parameters.emplace_back(name, value);
    }
    return parts;
}

Result<ShowAnswer> describe(const ShowBody& body, const ModelInfo& model) {
    ShowAnswer answer{.modelfile = modelfile_of(modelfile_parts(body, model)),
                      .parameters = unless_empty(parameters_text(model.parameters_text)),
                      .template_ = model.chat_template,
                      .system = unless_empty(model.system),
                      .details = details_of(model),
                      .capabilities = model.capabilities,
                      .modified_at = rfc3339(model.modified_at)};
    for (const auto& adapter : model.adapters) {
        if (!answer.adapters) answer.adapters.emplace();
        answer.adapters->push_back({.name = adapter.path.filename().string(), .scale = adapter.scale});
    }
    if (!model.header) return answer;
    WEFT_TRY(auto info, model_info_json(*model.header, body.verbose));
    // VS Code shows it as the model's name, and "undefined" where a file has none.
    if (!info.contains("general.basename")) info["general.basename"] = model.name.substr(0, model.name.rfind(':'));
    answer.model_info = glz::raw_json(api::write_json(info));
    if (body.verbose) answer.tensors = tensors_of(*model.header);
    return answer;
}

Result<ShowAnswer> answer_to(const http::Request& request, Registry& registry) {
    WEFT_TRY(const auto body, parse_show(request));
    WEFT_TRY(const auto model, find_model(registry, body.model, MissingModel::normalised));
    return describe(body, *model);
}

}  // namespace

asio::awaitable<void> handle_show(http::Exchange& exchange, const Services& services) {
    const auto answer = answer_to(exchange.request(), services.registry);
    if (!answer) co_return co_await reply_error(exchange, answer.error());
    co_await exchange.reply({.body = to_json(*answer)});
}

}  // namespace weft::api::ollama
