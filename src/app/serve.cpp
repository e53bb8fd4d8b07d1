#include "app/serve.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <ranges>
#include <thread>

#include "app/config.h"
#include "app/gateway.h"
#include "app/logging.h"
#include "base/log.h"
#include "registry/model_catalog.h"
#include "store/redis_address.h"

namespace weft {
namespace {

constexpr int exit_usage = 2;

using Settings = std::vector<std::pair<std::string, std::string>>;

// The command line in the words of the configuration file.
Settings settings_of(const cli::ServeOptions& options) {
    Settings settings;
    const auto add = [&](const char* key, const auto& value) {
        if (!value) return;
        if constexpr (std::is_same_v<std::decay_t<decltype(*value)>, std::string>) settings.emplace_back(key, *value);
        else settings.emplace_back(key, std::to_string(*value));
    };
    add("server.host", options.host);
    add("server.port", options.port);
    add("defaults.context", options.context_tokens);
    add("defaults.parallel", options.parallel);
    add("defaults.threads", options.threads);
    add("defaults.keep_alive", options.keep_alive);
    add("log.level", options.log_level);
    add("log.format", options.log_format);
    settings.insert(settings.end(), options.settings.begin(), options.settings.end());
    return settings;
}

std::chrono::milliseconds ms(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

http::ServerOptions server_options(const ServerConfig& config) {
    http::ServerOptions options;
    options.max_connections = config.max_connections;
    options.max_body_bytes = config.max_body_bytes.bytes;
    options.max_header_bytes = config.max_header_bytes.bytes;
    options.header_time = ms(config.header_seconds);
    options.idle_time = ms(config.idle_seconds);
    options.write_stall_time = ms(config.write_stall_seconds);
    return options;
}

LoadMessage engine_defaults(const Config& config, const std::filesystem::path& home) {
    const auto folder = config.cache.folder.empty() ? home / "cache" / "prefixes" : std::filesystem::absolute(config.cache.folder);
    return {.slots = config.defaults.parallel,
            .kv_cells = config.defaults.kv_cells,
            .batch_tokens = config.defaults.batch,
            .threads = std::min<std::uint32_t>(config.defaults.threads, std::max(1U, std::thread::hardware_concurrency())),
            .max_queue = config.limits.queue,
            .target_itl_ms = config.defaults.target_itl_ms,
            .kv_cache_type = config.defaults.kv_cache_type,
            .flash_attention = config.defaults.flash_attention,
            .use_mmap = config.defaults.mmap,
            .cpu_kernels = config.kernels == "auto",
            .gpu_layers = config.defaults.gpu_layers,
            .max_queue_tokens = config.limits.queue_tokens,
            .cache_host_bytes = config.cache.host_bytes.bytes,
            .cache_disk_bytes = config.cache.disk_bytes.bytes,
            .cache_folder = folder.string(),
            .shared_cache = config.cache.scope == "everyone",
            .check_prefixes = config.cache.check,
            .speculation = config.defaults.speculation,
            .deterministic = config.defaults.deterministic};
}

// Every connection is a file: as many as the system allows.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

JobLimits job_limits(const JobsConfig& config) {
    JobLimits limits;
    limits.waiting = config.queue;
    limits.waiting_bytes = config.queue_bytes.bytes;
    limits.waiting_of_tenant = config.queue_per_key;
    limits.waiting_tokens = config.queue_tokens;
    limits.submissions_per_second = config.rate_per_key;
    limits.submissions_at_once = config.burst_per_key;
    limits.running = config.parallel;
    limits.running_of_tenant = config.parallel_per_key;
    limits.sockets_of_tenant = config.sockets_per_key;
    limits.streams_of_tenant = config.streams_per_key;
    limits.running_low = config.parallel_low;
    limits.lifetime = limits.remembered = ms(config.ttl);
    limits.session_lifetime = ms(config.session_ttl);
    limits.answer_cache_bytes = config.answer_cache.bytes;
    return limits;
}

DocumentLimits document_limits(const DocumentsConfig& config) {
    DocumentLimits limits;
    limits.document_bytes = config.max_bytes.bytes;
    limits.passages = {.bytes = config.passage_bytes, .overlap = config.passage_overlap, .most = config.passages};
    limits.quota = {.documents = config.per_key, .passages = config.passages_per_key, .bytes = config.bytes_per_key.bytes};
    limits.html.output_bytes = limits.pdf.output_bytes = config.max_bytes.bytes;
    limits.pdf.time = ms(config.pdf_time);
    limits.pdf.processor_seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(config.pdf_time).count()));
    limits.pdf.memory_bytes = config.pdf_memory.bytes;
    limits.index_bytes = config.index_bytes.bytes;
    return limits;
}

// Looks at the files and folders that the configuration names. A configured model that cannot be served is a problem;
// a file in a folder that cannot, and a folder that is not there, are worth a word. Returns the number of problems.
int check_models(const Config& config, const std::filesystem::path& default_folder) {
    const auto sources = model_sources(config);
    for (const auto& folder : sources.folders)
        if (folder != default_folder && !std::filesystem::is_directory(folder))
            std::fprintf(stderr, "weft: warning: models_dir: there is no folder %s\n", folder.c_str());
    const auto catalog = scan_models(sources, {});
    int problems = 0;
    for (const auto& [key, entry] : catalog.entries) {
        const auto& path = entry.files.front().path;
        if (entry.model) {
            std::printf("model %s: %s\n", entry.model->name.c_str(), path.c_str());
            continue;
        }
        const bool configured = std::ranges::contains(sources.models, path, &ConfiguredModel::path);
        if (configured) ++problems;
        std::fprintf(stderr, "weft: %s%s (%s)\n", configured ? "" : "warning: ", entry.error.message.c_str(), path.c_str());
    }
    for (const auto& file : catalog.hidden)
        std::fprintf(stderr, "weft: warning: %s is not served: model %s is %s\n", file.path.c_str(), file.name.c_str(), file.by.c_str());
    for (const auto& [key, model] : named_models(config))
        if (const auto found = catalog.find(model); !found) std::fprintf(stderr, "weft: warning: %s: %s\n", key.c_str(), found.error().message.c_str());
    return problems;
}

// A file of the command line that is not there is a slip of the pen; the first `count` models are those.
bool misses_models(const Config& config, std::size_t count) {
    bool misses = false;
    for (const auto& model : config.models | std::views::take(count)) {
        if (std::filesystem::exists(model.path)) continue;
        std::fprintf(stderr, "weft: --model: there is no file %s\n", model.path.c_str());
        misses = true;
    }
    return misses;
}

void tell_warnings(const LoadedConfig& loaded) {
    for (const auto& warning : loaded.warnings) std::fprintf(stderr, "weft: warning: %s\n", warning.text().c_str());
}

// Problems of the configuration itself have been told already.
int report_check(const LoadedConfig& loaded) {
    tell_warnings(loaded);
    set_up_logging("error", loaded.config.log.format);
    if (check_models(loaded.config, loaded.home / "models") > 0) return exit_usage;
    std::printf("the configuration is fine (%s)\n", loaded.file ? loaded.file->c_str() : "no file");
    return 0;
}

}  // namespace

int serve(const cli::ServeOptions& options) {
    ConfigSources sources{.environment = process_environment(), .command_line = settings_of(options)};
    sources.folders.assign(options.models_dirs.begin(), options.models_dirs.end());
    if (options.config) sources.file = *options.config;
    for (const auto& model : options.models) sources.models.emplace_back(model);
    if (options.projector) sources.projector = *options.projector;
    const auto loaded = load_config(sources);
    for (const auto& problem : loaded.problems) std::fprintf(stderr, "weft: %s\n", problem.text().c_str());
    if (!loaded.problems.empty()) tell_warnings(loaded);
    if (!loaded.problems.empty() || misses_models(loaded.config, options.models.size())) return exit_usage;
    if (options.check) return report_check(loaded);

    const auto& config = loaded.config;
    set_up_logging(config.log.level, config.log.format);
    for (const auto& warning : loaded.warnings) log_warn("configuration", {{"warning", warning.text()}});
    if (loaded.file) log_info("configuration", {{"file", loaded.file->string()}});
    raise_file_limit();
    GatewayOptions gateway{.program = std::filesystem::read_symlink("/proc/self/exe").string(),
                           .host = config.server.host,
                           .port = config.server.port,
                           .port_file = options.port_file.value_or(""),
                           .extra_origins = config.server.origins,
                           .server = server_options(config.server),
                           .drain_time = ms(config.server.drain_seconds),
                           .load_timeout = ms(config.limits.load_timeout),
                           .hang_timeout = ms(config.limits.hang_timeout),
                           .models = model_sources(config),
                           .residency = residency_limits(config),
                           .jobs_folder = config.jobs.folder.empty() ? loaded.home / "jobs" : std::filesystem::absolute(config.jobs.folder),
                           .jobs_store = {.max_bytes = config.jobs.store_bytes.bytes, .reserved_bytes = config.jobs.reserved_bytes.bytes},
                           .jobs_redis = config.jobs.store == "sqlite" ? std::nullopt : std::optional(parse_redis_address(config.jobs.store).value()),
                           .jobs_lease = ms(config.jobs.lease),
                           .jobs = job_limits(config.jobs),
                           .jobs_model = config.jobs.model,
                           .documents = document_limits(config.documents),
                           .embedding_model = config.documents.embedding_model,
                           .pipelines = config.pipelines,
                           .named_models = named_models(config),
                           .callbacks = {.hosts = config.jobs.callback_hosts, .secret = config.jobs.callback_secret},
                           .engine = engine_defaults(config, loaded.home)};
    return run_gateway(gateway);
}

}  // namespace weft
