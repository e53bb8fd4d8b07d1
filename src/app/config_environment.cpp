#include "app/config_environment.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "app/config_keys.h"
#include "app/config_values.h"

namespace weft {
namespace fs = std::filesystem;

namespace {

struct OllamaVariable {
    std::string_view name;
    std::string_view key;
};
// Those whose value means the same as one of our keys.
constexpr OllamaVariable same_meaning[] = {
    {"OLLAMA_KEEP_ALIVE", "defaults.keep_alive"},
    {"OLLAMA_NUM_PARALLEL", "defaults.parallel"},
    {"OLLAMA_MAX_QUEUE", "limits.queue"},
    {"OLLAMA_KV_CACHE_TYPE", "defaults.kv_cache_type"},
};
// Those where 0 means "choose yourself".
constexpr OllamaVariable zero_is_automatic[] = {
    {"OLLAMA_CONTEXT_LENGTH", "defaults.context"},
    {"OLLAMA_MAX_LOADED_MODELS", "limits.loaded_models"},
};

class OllamaBinder {
  public:
    OllamaBinder(const std::map<std::string, std::string>& environment, Config& config, std::vector<ConfigProblem>& warnings)
        : environment_(environment), config_(config), warnings_(warnings) {}

    void bind() {
        for (const auto& variable : same_meaning)
            if (const auto value = get(variable.name)) take(variable, *value);
        for (const auto& variable : zero_is_automatic)
            if (const auto value = get(variable.name); value && *value != "0") take(variable, *value);
        if (const auto value = get("OLLAMA_HOST")) take_host(*value);
        if (const auto value = get("OLLAMA_ORIGINS")) take_origins(*value);
        if (const auto value = get("OLLAMA_MODELS")) take_models(*value);
        if (const auto value = get("OLLAMA_LOAD_TIMEOUT")) take_load_timeout(*value);
        if (const auto value = get("OLLAMA_FLASH_ATTENTION")) config_.defaults.flash_attention = is_true(*value);
        if (const auto value = get("OLLAMA_DEBUG")) take_debug(*value);
        if (get("OLLAMA_KV_CACHE_TYPE") && !config_.defaults.flash_attention && config_.defaults.kv_cache_type != "f16") {
            warn("OLLAMA_KV_CACHE_TYPE", "needs flash attention; it is ignored");
            config_.defaults.kv_cache_type = "f16";
        }
    }

  private:
    // Set and not empty, without blanks and quotes around it.
    [[nodiscard]] std::optional<std::string> get(std::string_view name) const {
        const auto it = environment_.find(std::string(name));
        if (it == environment_.end() || trimmed(it->second).empty()) return std::nullopt;
        return std::string(trimmed(it->second));
    }

    void warn(std::string_view name, std::string message) {
        warnings_.push_back({"", std::move(message), "environment variable " + std::string(name)});
    }

    void take(const OllamaVariable& variable, const std::string& value) {
        const auto done = assign_text(*find_config_key(variable.key), config_, value);
        if (!done) warn(variable.name, done.error().message + "; it is ignored");
    }

    // Text that is no clear "no" counts as true, as it does there.
    static bool is_true(const std::string& value) { return config_flag(ConfigNode(value)).value_or(true); }

    void take_host(std::string value) {
        std::uint16_t port = 11434;
        if (const auto scheme = value.find("://"); scheme != std::string::npos) {
            port = value.starts_with("https") ? 443 : 80;
            value.erase(0, scheme + 3);
        }
        value.resize(std::min(value.find('/'), value.size()));
        const bool brackets = value.starts_with('[');
        const auto host_end = brackets ? value.find(']') : std::string::npos;
        const bool many_colons = !brackets && std::ranges::count(value, ':') > 1;  // an IPv6 address without port
        const auto colon = many_colons ? std::string::npos : value.find(':', brackets && host_end != std::string::npos ? host_end : 0);
        if (colon != std::string::npos) {
            const std::string digits = value.substr(colon + 1);
            std::uint32_t number = 0;
            const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
            if (error == std::errc{} && end == digits.data() + digits.size() && number <= 65535)
                port = static_cast<std::uint16_t>(number);
            else
                warn("OLLAMA_HOST", "its port is no number up to 65535; " + std::to_string(port) + " is used");
            value.resize(colon);
        }
        if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
        config_.server.host = value.empty() ? "127.0.0.1" : value;
        config_.server.port = port;
    }

    void take_origins(const std::string& value) {
        for (auto& origin : *config_texts(config_list_from_text(value))) config_.server.origins.push_back(std::move(origin));
    }

    // Ollama's own store holds blobs without names; only a folder of GGUF files is of use here.
    void take_models(const std::string& folder) {
        std::error_code error;
        std::size_t looked_at = 0;
        for (fs::directory_iterator it(folder, error), end; !error && it != end && ++looked_at < max_files_per_folder; it.increment(error))
            if (it->path().extension() == ".gguf") return config_.models_dir.push_back(folder);
    }

    void take_load_timeout(const std::string& value) {
        const auto time = config_duration(ConfigNode(value));
        if (!time) return warn("OLLAMA_LOAD_TIMEOUT", "must be a time like 5m; it is ignored");
        config_.limits.load_timeout = std::max(*time, std::chrono::nanoseconds{0});  // negative: none
    }

    void take_debug(const std::string& value) {
        if (value == "2") config_.log.level = "trace";
        else if (is_true(value)) config_.log.level = "debug";
    }

    const std::map<std::string, std::string>& environment_;
    Config& config_;
    std::vector<ConfigProblem>& warnings_;
};

}  // namespace

void bind_ollama_environment(const std::map<std::string, std::string>& environment, Config& config,
                             std::vector<ConfigProblem>& warnings) {
    OllamaBinder(environment, config, warnings).bind();
}

void bind_weft_environment(const std::map<std::string, std::string>& environment, Config& config,
                           std::vector<ConfigProblem>& problems, std::vector<ConfigProblem>& warnings) {
    std::vector<std::string> names;
    for (const auto& key : config_keys()) {
        const std::string name = environment_name(key);
        names.push_back(name);
        const auto it = environment.find(name);
        if (it == environment.end()) continue;
        const auto done = assign_text(key, config, trimmed(it->second));
        if (!done) problems.push_back({std::string(key.name), done.error().message, "environment variable " + name});
    }
    for (const auto& [name, value] : environment) {
        if (!name.starts_with("WEFT_") || name == "WEFT_PIPELINES" || name == demo_models_variable || std::ranges::contains(names, name)) continue;
        const bool section = std::ranges::any_of(std::initializer_list<std::string_view>{"SERVER_", "DEFAULTS_", "LIMITS_", "LOG_", "CACHE_", "JOBS_", "DOCUMENTS_"},
                                                 [&](auto word) { return name.starts_with("WEFT_" + std::string(word)); });
        const std::string guess = nearest(name, names);
        if (!section && guess.empty()) continue;  // somebody else's
        warnings.push_back({"", guess.empty() ? "unknown variable" : "unknown variable, did you mean " + guess + "?",
                            "environment variable " + name});
    }
}

}  // namespace weft
