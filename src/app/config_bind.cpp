#include "app/config_bind.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <glaze/json.hpp>

#include "app/config_pipelines.h"
#include "app/config_values.h"
#include "registry/model_name.h"

namespace weft {
namespace fs = std::filesystem;

namespace {

// What a model's `parameters` may hold, and as what.
enum class ParameterKind { number, whole, texts };
struct Parameter {
    std::string_view name;
    ParameterKind kind;
    double minimum;
    double maximum;
};
constexpr Parameter parameters[] = {
    {"temperature", ParameterKind::number, 0, 100},
    {"top_k", ParameterKind::whole, -1, INT32_MAX},
    {"top_p", ParameterKind::number, 0, 1},
    {"min_p", ParameterKind::number, 0, 1},
    {"typical_p", ParameterKind::number, 0, 1},
    {"repeat_penalty", ParameterKind::number, 1e-6, 100},
    {"repeat_last_n", ParameterKind::whole, -1, INT32_MAX},
    {"presence_penalty", ParameterKind::number, -100, 100},
    {"frequency_penalty", ParameterKind::number, -100, 100},
    {"seed", ParameterKind::whole, -9007199254740992.0, 9007199254740992.0},
    {"num_predict", ParameterKind::whole, -2, INT32_MAX},
    {"num_ctx", ParameterKind::whole, 0, 1 << 24},
    {"num_keep", ParameterKind::whole, -1, INT32_MAX},
    {"stop", ParameterKind::texts, 0, 0},
};

const std::vector<std::string> model_keys{"path", "system", "keep_alive", "context", "parameters", "adapters", "draft", "projector"};
constexpr std::size_t max_adapters = 16;
constexpr double max_adapter_scale = 1000;

std::string plain(double value) {
    return value == static_cast<double>(static_cast<std::int64_t>(value)) ? std::to_string(static_cast<std::int64_t>(value))
                                                                          : std::to_string(value);
}

class Binder {
  public:
    Binder(const ConfigFile& file, const fs::path& folder, Config& config, std::vector<ConfigProblem>& problems)
        : file_(file), folder_(folder), config_(config), problems_(problems) {}

    void bind() {
        for (const auto& [key, value] : file_.root) {
            if (key == "models")
                bind_models(value);
            else if (key == "pipelines")
                bind_pipelines(file_, value, config_.pipelines, problems_);
            else
                bind_section(key, value);
        }
    }

  private:
    void problem(const std::string& key, std::string message) {
        problems_.push_back({key, std::move(message), file_.place_of(key)});
    }

    void bind_section(const std::string& path, const ConfigNode& value) {
        if (const auto* key = find_config_key(path)) return bind_key(*key, value);
        const bool section = std::ranges::any_of(config_keys(), [&](const auto& k) { return k.name.starts_with(path + "."); });
        if (!section) return unknown(path);
        if (value.is_null()) return empty(path);
        const auto* object = std::get_if<ConfigNode::object_t>(&value.data);
        if (!object) return problem(path, "must be a group of keys");
        for (const auto& [name, inner] : *object) bind_section(path + "." + name, inner);
    }

    void bind_key(const ConfigKey& key, const ConfigNode& value) {
        if (value.is_null()) return empty(std::string(key.name));
        if (const auto done = assign(key, config_, value); !done) return problem(std::string(key.name), done.error().message);
        if (key.name == "models_dir")
            for (auto& folder : config_.models_dir) folder = resolved_path(folder, folder_).string();
    }

    // Nothing behind a key leaves its default in YAML and JSON; TOML has no such thing.
    void empty(const std::string& path) {
        if (file_.format == ConfigFormat::toml) problem(path, "has no value");
    }

    void unknown(const std::string& path) { problem(path, unknown_key_message(path)); }

    // ---- models -----------------------------------------------------------------------------------------------------

    void bind_models(const ConfigNode& value) {
        if (value.is_null()) return empty("models");
        const auto* object = std::get_if<ConfigNode::object_t>(&value.data);
        if (!object) return problem("models", "must be a group of model names");
        for (const auto& [name, inner] : *object) bind_model(name, inner);
    }

    void bind_model(const std::string& name, const ConfigNode& value) {
        const std::string path = "models." + name;
        if (!ModelName::parse(name)) return problem(path, "is not a valid model name");
        // A later source adds to what an earlier one says of the same model.
        const auto known = std::ranges::find(config_.models, name, &ConfiguredModel::name);
        ConfiguredModel model = known == config_.models.end() ? ConfiguredModel{.name = name, .path = {}} : *known;
        if (const auto file = config_text(value)) {  // "demo: demo.gguf"
            model.path = resolved_path(*file, folder_);
        } else if (const auto* object = std::get_if<ConfigNode::object_t>(&value.data)) {
            for (const auto& [key, inner] : *object) bind_model_key(path, key, inner, model);
        } else {
            return problem(path, "must be a file's path, or a group of keys");
        }
        if (known == config_.models.end()) config_.models.push_back(std::move(model));
        else *known = std::move(model);
    }

    void bind_model_key(const std::string& above, const std::string& key, const ConfigNode& value, ConfiguredModel& model) {
        const std::string path = above + "." + key;
        if (value.is_null()) return empty(path);
        if (key == "path" || key == "system") {
            const auto text = config_text(value);
            if (!text || (key == "path" && text->empty())) return problem(path, "must be a text");
            if (key == "path")
                model.path = resolved_path(*text, folder_);
            else
                model.system = *text;
        } else if (key == "keep_alive") {
            model.keep_alive = config_duration(value);
            if (!model.keep_alive) problem(path, "must be a time like 10m or 1h30m, a number of seconds, or -1 for ever");
        } else if (key == "context") {
            const auto tokens = config_integer(value).value_or(-1);
            if (tokens < 4 || tokens > 1 << 24) return problem(path, "must be a whole number from 4 to 16777216");
            model.context_tokens = static_cast<std::uint32_t>(tokens);
        } else if (key == "parameters") {
            bind_parameters(path, value, model);
        } else if (key == "projector") {
            const auto text = config_text(value);
            if (!text || text->empty()) return problem(path, "must be a file's path");
            model.projector = resolved_path(*text, folder_);
        } else if (key == "adapters") {
            bind_adapters(path, value, model);
        } else if (key == "draft") {
            const auto file = config_text(value);
            if (!file || file->empty()) return problem(path, "must be a file's path");
            model.draft = resolved_path(*file, folder_);
        } else {
            const std::string guess = nearest(key, model_keys);
            problem(path, guess.empty() ? "unknown key" : "unknown key, did you mean '" + guess + "'?");
        }
    }

    void bind_adapters(const std::string& path, const ConfigNode& value, ConfiguredModel& model) {
        model.adapters.clear();
        const auto* list = std::get_if<ConfigNode::array_t>(&value.data);
        if (!list) return bind_adapter(path, value, model);
        if (list->size() > max_adapters) return problem(path, "must have at most " + std::to_string(max_adapters) + " entries");
        for (const auto& entry : *list) bind_adapter(path, entry, model);
    }

    // A file's path, or a group of keys.
    void bind_adapter(const std::string& path, const ConfigNode& value, ConfiguredModel& model) {
        ModelAdapter adapter;
        if (const auto file = config_text(value)) {
            adapter.path = resolved_path(*file, folder_);
        } else if (const auto* object = std::get_if<ConfigNode::object_t>(&value.data)) {
            for (const auto& [key, inner] : *object) {
                const auto text = config_text(inner);
                const auto number = config_number(inner);
                if (key == "path" && text) adapter.path = resolved_path(*text, folder_);
                else if (key == "scale" && number && std::abs(*number) <= max_adapter_scale) adapter.scale = static_cast<float>(*number);
                else if (key == "path") return problem(path + ".path", "must be a text");
                else if (key == "scale") return problem(path + ".scale", "must be a number from -" + plain(max_adapter_scale) + " to " + plain(max_adapter_scale));
                else return problem(path + "." + key, "unknown key, expected 'path' or 'scale'");
            }
        }
        if (adapter.path.empty()) return problem(path, "must be a file's path, a group of keys with a path, or a list of these");
        model.adapters.push_back(std::move(adapter));
    }

    void bind_parameters(const std::string& path, const ConfigNode& value, ConfiguredModel& model) {
        const auto* object = std::get_if<ConfigNode::object_t>(&value.data);
        if (!object) return problem(path, "must be a group of keys");
        for (const auto& [name, inner] : *object) {
            const auto* known = std::ranges::find(parameters, name, &Parameter::name);
            if (known == std::end(parameters)) {
                std::vector<std::string> names;
                for (const auto& parameter : parameters) names.emplace_back(parameter.name);
                const std::string guess = nearest(name, names);
                problem(path + "." + name, guess.empty() ? "unknown parameter" : "unknown parameter, did you mean '" + guess + "'?");
            } else if (const auto json = parameter_json(*known, inner)) {
                std::erase_if(model.parameters_text, [&](const auto& earlier) { return earlier.first == name; });
                model.parameters_text.emplace_back(name, *json);
            } else {
                problem(path + "." + name, requirement(*known));
            }
        }
    }

    // The value as JSON, checked.
    static std::optional<std::string> parameter_json(const Parameter& parameter, const ConfigNode& value) {
        if (parameter.kind == ParameterKind::texts) {
            const auto texts = config_texts(value);
            return texts ? glz::write_json(*texts).value_or("") : std::optional<std::string>{};
        }
        const auto number = config_number(value);
        if (!number || *number < parameter.minimum || *number > parameter.maximum) return std::nullopt;
        if (parameter.kind == ParameterKind::number) return glz::write_json(*number).value_or("");
        const auto whole = config_integer(value);
        return whole ? std::to_string(*whole) : std::optional<std::string>{};
    }

    static std::string requirement(const Parameter& parameter) {
        if (parameter.kind == ParameterKind::texts) return "must be a text or a list of texts";
        const std::string kind = parameter.kind == ParameterKind::whole ? "a whole number" : "a number";
        return "must be " + kind + " from " + plain(parameter.minimum) + " to " + plain(parameter.maximum);
    }

    const ConfigFile& file_;
    const fs::path& folder_;
    Config& config_;
    std::vector<ConfigProblem>& problems_;
};

}  // namespace

std::string unknown_key_message(const std::string& path) {
    const auto dot = path.rfind('.');
    const std::string above = dot == std::string::npos ? "" : path.substr(0, dot + 1);
    const std::string word = path.substr(above.size());
    std::vector<std::string> near = above.empty() ? std::vector<std::string>{"models", "pipelines"} : std::vector<std::string>{};
    std::string elsewhere;
    for (const auto& key : config_keys()) {
        const std::string_view name = key.name;
        if (name.starts_with(above)) near.emplace_back(name.substr(above.size(), name.find('.', above.size()) - above.size()));
        if (name.ends_with("." + word)) elsewhere = name;
    }
    const std::string guess = elsewhere.empty() ? nearest(word, near) : elsewhere;
    return guess.empty() ? "unknown key" : "unknown key, did you mean '" + guess + "'?";
}

void bind_config_file(const ConfigFile& file, const fs::path& folder, Config& config, std::vector<ConfigProblem>& problems) {
    Binder(file, folder, config, problems).bind();
}

void bind_models_text(const std::string& place, const std::string& text, const fs::path& folder, Config& config,
                      std::vector<ConfigProblem>& problems) {
    auto file = parse_config(place, ConfigFormat::yaml, text, problems);
    if (!file) return;
    file->places.clear();  // a place is the whole of it
    ConfigNode models = ConfigNode::object_t(file->root.begin(), file->root.end());
    file->root = {{"models", std::move(models)}};
    bind_config_file(*file, folder, config, problems);
}

void bind_pipelines_text(const std::string& place, const std::string& text, Config& config, std::vector<ConfigProblem>& problems) {
    auto file = parse_config(place, ConfigFormat::yaml, text, problems);
    if (!file) return;
    file->places.clear();
    bind_pipelines(*file, ConfigNode::object_t(file->root.begin(), file->root.end()), config.pipelines, problems);
}

void bind_model_setting(const std::string& place, std::string_view path, const std::string& value, const fs::path& folder,
                        Config& config, std::vector<ConfigProblem>& problems) {
    // Names may hold dots, so the key is looked for at the end: "llama3.2.parameters.top_k", "llama3.2.context".
    const auto dot = path.rfind('.');
    const auto last = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    ConfigNode inner = std::string(value);
    std::string_view name = path;
    if (const auto parameter = path.rfind(".parameters."); parameter != std::string_view::npos && parameter > 0) {
        const auto key = path.substr(parameter + std::string_view(".parameters.").size());
        inner = ConfigNode(ConfigNode::object_t{
            {"parameters", ConfigNode(ConfigNode::object_t{{std::string(key), std::move(inner)}})}});
        name = path.substr(0, parameter);
    } else if (std::ranges::contains(model_keys, last)) {
        inner = ConfigNode(ConfigNode::object_t{{std::string(last), std::move(inner)}});
        name = path.substr(0, dot);
    }
    ConfigFile file{.name = place};
    file.root = {{"models", ConfigNode(ConfigNode::object_t{{std::string(name), std::move(inner)}})}};
    bind_config_file(file, folder, config, problems);
}

fs::path resolved_path(const std::string& path, const fs::path& folder) {
    if (path == "~" || path.starts_with("~/")) {
        const char* home = std::getenv("HOME");
        return fs::path(home ? home : "/") / path.substr(std::min<std::size_t>(path.size(), 2));
    }
    return fs::path(path).is_absolute() ? fs::path(path) : folder / path;
}

}  // namespace weft
