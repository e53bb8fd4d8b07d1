#pragma once

// What `weft serve` is told before it starts: weft.yaml (or .yml, .toml, .json), then Ollama's environment variables, then
// WEFT_... ones, then the command line; whatever comes later wins. All that is wrong is found at once, and each problem
// says where it is and what would be right.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry/model_catalog.h"
#include "registry/registry.h"
#include "registry/residency.h"
#include "services/pipelines/pipeline_options.h"

namespace weft {

// A number of bytes: 1048576, "64MiB", "1.5GB".
struct ByteSize {
    std::uint64_t bytes = 0;
    bool operator==(const ByteSize&) const = default;
};

// A number of bytes, or a share of what the machine has ("80%").
struct MemoryLimit {
    std::uint64_t bytes = 0;   // 0: the share counts
    double share = 0.8;
    [[nodiscard]] std::uint64_t resolve(std::uint64_t usable_bytes) const;
    bool operator==(const MemoryLimit&) const = default;
};

// What each key means is told where it is registered, in config_keys.cpp; the reference page is made from there.
struct ServerConfig {
    std::string host = "127.0.0.1";
    std::uint16_t port = 11434;
    std::vector<std::string> origins{};
    std::uint32_t max_connections = 4096;
    ByteSize max_body_bytes{64ULL << 20};
    ByteSize max_header_bytes{32ULL << 10};
    std::chrono::nanoseconds header_seconds{std::chrono::seconds{10}};
    std::chrono::nanoseconds idle_seconds{std::chrono::seconds{75}};
    std::chrono::nanoseconds write_stall_seconds{std::chrono::seconds{60}};
    std::chrono::nanoseconds drain_seconds{std::chrono::seconds{30}};
};

struct DefaultsConfig {
    KeepAlive keep_alive{std::chrono::minutes{5}};
    std::uint32_t context = 4096;
    std::uint32_t parallel = 64;
    std::uint32_t kv_cells = 0;
    std::uint32_t batch = 512;
    std::uint32_t threads = 0;
    std::int32_t gpu_layers = -1;
    std::string kv_cache_type = "f16";
    bool flash_attention = true;
    bool mmap = true;
    std::uint32_t target_itl_ms = 250;
    bool deterministic = false;
    bool speculation = true;
};

struct LimitsConfig {
    std::uint32_t queue = 512;
    std::uint32_t queue_tokens = 4U << 20;
    std::uint32_t load_queue = 512;
    MemoryLimit memory{};
    std::uint32_t loaded_models = 3;
    std::chrono::nanoseconds load_timeout{std::chrono::minutes{5}};
    std::chrono::nanoseconds room_timeout{std::chrono::minutes{2}};
    std::chrono::nanoseconds hang_timeout{std::chrono::minutes{2}};
};

struct CacheConfig {
    ByteSize host_bytes{512ULL << 20};
    ByteSize disk_bytes{4ULL << 30};
    std::string folder{};          // empty: HOME/cache/prefixes
    std::string scope = "tenant";
    bool check = false;
};

struct JobsConfig {
    std::string store = "sqlite";
    std::chrono::nanoseconds lease{std::chrono::seconds{15}};
    std::string folder{};          // empty: HOME/jobs
    std::string model{};
    std::chrono::nanoseconds ttl{std::chrono::hours{24}};
    std::chrono::nanoseconds session_ttl{std::chrono::hours{24}};
    std::uint32_t queue = 100'000;
    std::uint32_t queue_per_key = 50'000;
    ByteSize queue_bytes{1ULL << 30};
    std::uint32_t queue_tokens = 256'000'000;
    std::uint32_t rate_per_key = 0;
    std::uint32_t burst_per_key = 1000;
    std::uint32_t parallel = 64;
    std::uint32_t parallel_per_key = 0;
    std::uint32_t parallel_low = 16;
    std::uint32_t sockets_per_key = 2048;
    std::uint32_t streams_per_key = 2048;
    ByteSize store_bytes{0};
    ByteSize reserved_bytes{16ULL << 20};
    ByteSize answer_cache{0};
    std::vector<std::string> callback_hosts{};
    std::string callback_secret{};
};

struct DocumentsConfig {
    std::string embedding_model{};
    ByteSize max_bytes{16ULL << 20};
    std::uint32_t passage_bytes = 1200;
    std::uint32_t passage_overlap = 200;
    std::uint32_t passages = 8192;
    std::uint32_t per_key = 10'000;
    std::uint32_t passages_per_key = 200'000;
    ByteSize bytes_per_key{1ULL << 30};
    ByteSize index_bytes{1ULL << 30};
    std::chrono::nanoseconds pdf_time{std::chrono::seconds{30}};
    ByteSize pdf_memory{1ULL << 30};
};

struct LogConfig {
    std::string level = "info";
    std::string format = "text";
};

struct Config {
    ServerConfig server{};
    DefaultsConfig defaults{};
    std::string kernels = "auto";
    LimitsConfig limits{};
    CacheConfig cache{};
    JobsConfig jobs{};
    DocumentsConfig documents{};
    PipelineMap pipelines{};
    LogConfig log{};
    std::vector<std::string> models_dir{};  // folders; never empty after load_config()
    std::vector<ConfiguredModel> models{};  // those of `--model FILE` first
};

// One thing that is wrong.
struct ConfigProblem {
    std::string key;      // "server.prot"
    std::string message;  // "unknown key, did you mean 'port'?"
    std::string place;    // "weft.yaml line 3", "environment variable WEFT_SERVER_PORT", "command line"
    // "server.prot: unknown key, did you mean 'port'? (weft.yaml line 3)"
    [[nodiscard]] std::string text() const;
};

struct ConfigSources {
    std::optional<std::filesystem::path> file{};                       // --config; must exist
    std::map<std::string, std::string> environment{};                  // process_environment()
    std::vector<std::pair<std::string, std::string>> command_line{};   // key, value: "server.port", "8080"
    std::vector<std::string> models{};                                 // --model FILE or NAME=FILE, repeated
    std::optional<std::filesystem::path> projector{};                  // --mmproj FILE, of the one --model
    std::vector<std::filesystem::path> folders{};                      // --models-dir FOLDER, repeated; any: instead of models_dir
    std::filesystem::path working_folder = ".";                        // where weft.yaml is looked for first
};

struct LoadedConfig {
    Config config{};
    std::optional<std::filesystem::path> file{};  // the one that was read
    std::filesystem::path home{};                 // $WEFT_HOME, else ~/.weft
    std::vector<ConfigProblem> problems{};        // any: do not start
    std::vector<ConfigProblem> warnings{};        // start, but say so
};

[[nodiscard]] std::map<std::string, std::string> process_environment();

// Looks for the file (the given one; weft.yaml, .yml, .toml or .json in the working folder, then in the home), reads all
// sources and reports everything that is wrong with them. `weft serve --check` prints just that.
[[nodiscard]] LoadedConfig load_config(const ConfigSources& sources);

// The parts that the registry and the gateway take.
[[nodiscard]] ModelSources model_sources(const Config& config);
// The models that jobs, documents and pipelines are told to use, each with its key: "jobs.model", "demo".
[[nodiscard]] std::vector<std::pair<std::string, std::string>> named_models(const Config& config);
[[nodiscard]] ResidencyLimits residency_limits(const Config& config);

}  // namespace weft
