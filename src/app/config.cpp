#include "app/config.h"

#include <unistd.h>

#include <algorithm>

#include "app/callback_rule.h"
#include "app/config_bind.h"
#include "app/config_environment.h"
#include "app/config_file.h"
#include "app/config_keys.h"
#include "registry/memory_estimate.h"
#include "registry/model_name.h"
#include "store/redis_address.h"

extern char** environ;

namespace weft {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds shortest_lease{2};
constexpr std::chrono::seconds shortest_ttl{1};
constexpr std::chrono::minutes longest_lease{10};

constexpr std::string_view file_names[] = {"weft.yaml", "weft.yml", "weft.toml", "weft.json"};

std::string value_of(const std::map<std::string, std::string>& environment, const std::string& name) {
    const auto it = environment.find(name);
    return it == environment.end() ? "" : it->second;
}

fs::path home_folder(const std::map<std::string, std::string>& environment) {
    const std::string own = value_of(environment, "WEFT_HOME");
    if (!own.empty()) return resolved_path(own, fs::current_path());
    const std::string home = value_of(environment, "HOME");
    return fs::path(home.empty() ? "/" : home) / ".weft";
}

std::optional<fs::path> find_file(const ConfigSources& sources, const fs::path& home) {
    if (sources.file) return sources.file;
    std::error_code ignored;
    for (const auto& folder : {sources.working_folder, home})
        for (const auto name : file_names)
            if (fs::exists(folder / name, ignored)) return folder / name;
    return std::nullopt;
}

// "FILE" or "NAME=FILE"; a file whose own name holds a '=' is one, too.
ConfiguredModel named_model(const std::string& text) {
    const auto equals = text.find('=');
    std::error_code ignored;
    if (equals == std::string::npos || fs::exists(text, ignored) || !ModelName::parse(text.substr(0, equals)))
        return {.name = "", .path = fs::absolute(text)};
    return {.name = text.substr(0, equals), .path = fs::absolute(text.substr(equals + 1))};
}

void bind_projector(const ConfigSources& sources, LoadedConfig& loaded) {
    if (!sources.projector) return;
    if (sources.models.size() == 1) loaded.config.models.front().projector = fs::absolute(*sources.projector);
    else loaded.problems.push_back({"--mmproj", "needs exactly one --model whose images it is for", "command line"});
}

void bind_command_line(const ConfigSources& sources, LoadedConfig& loaded) {
    auto& models = loaded.config.models;
    for (std::size_t i = 0; i < sources.models.size(); ++i)
        models.insert(models.begin() + static_cast<std::ptrdiff_t>(i), named_model(sources.models[i]));
    bind_projector(sources, loaded);
    for (const auto& [name, value] : sources.command_line) {
        if (name.starts_with("models.")) {
            bind_model_setting("command line", name.substr(7), value, fs::current_path(), loaded.config, loaded.problems);
            continue;
        }
        const auto* key = find_config_key(name);
        if (!key) {
            loaded.problems.push_back({name, unknown_key_message(name), "command line"});
            continue;
        }
        const auto done = assign_text(*key, loaded.config, value);
        if (!done) loaded.problems.push_back({name, done.error().message, "command line"});
    }
    if (!sources.folders.empty()) loaded.config.models_dir.clear();
    for (const auto& folder : sources.folders) loaded.config.models_dir.push_back(fs::absolute(folder).string());
}

// Of values that are right each by itself.
void add_conflict(LoadedConfig& loaded, std::string key, std::string message) {
    loaded.problems.push_back({std::move(key), std::move(message), "all sources together"});
}

// Two files with one name, of the command line or of the other sources; what the command line names wins over those.
void check_model_names(const ConfigSources& sources, LoadedConfig& loaded) {
    const auto& models = loaded.config.models;
    std::map<std::pair<bool, std::string>, fs::path> taken;
    for (std::size_t i = 0; i < models.size(); ++i) {
        const auto name = ModelName::parse(name_of(models[i]));
        if (models[i].path.empty() || !name) continue;
        const auto [first, is_new] = taken.try_emplace({i < sources.models.size(), name->key()}, models[i].path);
        if (!is_new && first->second != models[i].path)
            add_conflict(loaded, "models", "two are called " + name->display() + ": " + first->second.string() + " and " + models[i].path.string());
    }
}

// The value is not repeated: it may hold a password.
void check_job_store(LoadedConfig& loaded) {
    const auto& jobs = loaded.config.jobs;
    for (const auto& [key, time] : {std::pair("jobs.ttl", jobs.ttl), std::pair("jobs.session_ttl", jobs.session_ttl)})
        if (time < shortest_ttl) add_conflict(loaded, key, "must be at least 1s");
    if (jobs.lease < shortest_lease || jobs.lease > longest_lease) add_conflict(loaded, "jobs.lease", "must be a time from 2s to 10m");
    if (jobs.store == "sqlite") return;
    if (const auto address = parse_redis_address(jobs.store); !address) add_conflict(loaded, "jobs.store", "must be sqlite, or " + address.error().message);
}

// Better now than at the end of the first job.
void check_callbacks(LoadedConfig& loaded) {
    const CallbackRule rule{.hosts = loaded.config.jobs.callback_hosts, .secret = loaded.config.jobs.callback_secret};
    if (!rule.hosts.empty() && rule.secret.empty()) return add_conflict(loaded, "jobs.callback_secret", "must be set when there are jobs.callback_hosts: callbacks are signed");
    for (const auto& [name, pipeline] : loaded.config.pipelines) {
        if (pipeline.deliver.callback.empty()) continue;
        if (auto refusal = callback_refusal(rule, pipeline.deliver.callback, "deliver.callback"); !refusal.empty())
            add_conflict(loaded, "pipelines." + name + ".deliver.callback", std::move(refusal));
    }
}

// Any of the servers that share a store may run a job, and documents are on one.
void check_retrieval(LoadedConfig& loaded) {
    if (loaded.config.jobs.store == "sqlite") return;
    for (const auto& [name, pipeline] : loaded.config.pipelines)
        if (pipeline.retrieve)
            add_conflict(loaded, "pipelines." + name + ".retrieve", "needs documents, which servers that share their jobs (jobs.store) do not have");
}

double kv_bytes_per_value(const std::string& type) {
    if (type == "q8_0") return 34.0 / 32;
    if (type == "q4_0") return 18.0 / 32;
    return 2;
}

std::chrono::milliseconds in_ms(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

}  // namespace

std::uint64_t MemoryLimit::resolve(std::uint64_t usable_bytes) const {
    return bytes != 0 ? bytes : static_cast<std::uint64_t>(share * static_cast<double>(usable_bytes));
}

std::string ConfigProblem::text() const {
    if (key.empty()) return place + ": " + message;
    return key + ": " + message + " (" + place + ")";
}

std::map<std::string, std::string> process_environment() {
    std::map<std::string, std::string> all;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        const auto equals = text.find('=');
        if (equals != std::string_view::npos) all.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return all;
}

LoadedConfig load_config(const ConfigSources& sources) {
    LoadedConfig loaded{.home = home_folder(sources.environment)};
    if (const auto path = find_file(sources, loaded.home)) {
        loaded.file = path;
        if (const auto file = read_config_file(*path, loaded.problems))
            bind_config_file(*file, fs::absolute(*path).parent_path(), loaded.config, loaded.problems);
    }
    bind_ollama_environment(sources.environment, loaded.config, loaded.warnings);
    bind_weft_environment(sources.environment, loaded.config, loaded.problems, loaded.warnings);
    if (const auto text = value_of(sources.environment, "WEFT_MODELS"); !text.empty())
        bind_models_text("environment variable WEFT_MODELS", text, fs::current_path(), loaded.config, loaded.problems);
    if (const auto text = value_of(sources.environment, "WEFT_PIPELINES"); !text.empty())
        bind_pipelines_text("environment variable WEFT_PIPELINES", text, loaded.config, loaded.problems);
    bind_command_line(sources, loaded);
    const auto& defaults = loaded.config.defaults;
    if (!defaults.flash_attention && defaults.kv_cache_type != "f16")
        add_conflict(loaded, "defaults.kv_cache_type", "'" + defaults.kv_cache_type + "' needs flash attention, which defaults.flash_attention switches off");
    check_model_names(sources, loaded);
    check_job_store(loaded);
    check_callbacks(loaded);
    check_retrieval(loaded);
    if (const auto& documents = loaded.config.documents; documents.passage_overlap * 2 >= documents.passage_bytes)
        add_conflict(loaded, "documents.passage_overlap", "must be less than half of documents.passage_bytes");
    if (loaded.config.models_dir.empty()) loaded.config.models_dir.push_back((loaded.home / "models").string());
    // What ./dev serves beside what its user configured.
    if (const auto demo = value_of(sources.environment, demo_models_variable); !demo.empty() && !std::ranges::contains(loaded.config.models_dir, demo))
        loaded.config.models_dir.push_back(demo);
    return loaded;
}

ModelSources model_sources(const Config& config) {
    ModelSources sources{.models = config.models};
    for (const auto& folder : config.models_dir) sources.folders.push_back(resolved_path(folder, fs::current_path()));
    return sources;
}

std::vector<std::pair<std::string, std::string>> named_models(const Config& config) {
    std::vector<std::pair<std::string, std::string>> named{{"jobs.model", config.jobs.model}, {"documents.embedding_model", config.documents.embedding_model}};
    for (const auto& model : config.models)
        if (model.path.empty()) named.emplace_back("models." + model.name, model.name);
    for (const auto& [name, pipeline] : config.pipelines) named.emplace_back("pipelines." + name + ".infer.model", pipeline.infer.model);
    std::erase_if(named, [](const auto& one) { return one.second.empty(); });
    return named;
}

ResidencyLimits residency_limits(const Config& config) {
    return {.keep_alive = config.defaults.keep_alive,
            .context_tokens = config.defaults.context,
            .slots = config.defaults.parallel,
            .kv_cells = config.defaults.kv_cells,
            .kv_bytes_per_value = kv_bytes_per_value(config.defaults.kv_cache_type),
            .memory_bytes = config.limits.memory.resolve(usable_memory()),
            .cache_host_bytes = config.cache.host_bytes.bytes,
            .max_models = config.limits.loaded_models,
            .max_waiting = config.limits.load_queue,
            .wait_for_room = in_ms(config.limits.room_timeout),
            .load_timeout = in_ms(config.limits.load_timeout)};
}

}  // namespace weft
