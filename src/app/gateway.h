#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/callback_rule.h"
#include "http/server_options.h"
#include "registry/model_catalog.h"
#include "registry/residency.h"
#include "runner/messages.h"
#include "services/documents/document_limits.h"
#include "services/jobs/job_limits.h"
#include "services/pipelines/pipeline_options.h"
#include "store/redis_address.h"
#include "store/sqlite_file.h"

namespace weft {

// Everything the gateway needs to know, already checked. Made from the configuration by serve().
struct GatewayOptions {
    std::string program;                    // the weft binary, for engine processes
    std::string host = "127.0.0.1";
    std::uint16_t port = 11434;             // 0 = any free one
    std::string port_file;                  // where the port in use is written; empty = nowhere
    std::vector<std::string> extra_origins;
    std::vector<std::string> extra_hosts;
    http::ServerOptions server;
    std::chrono::milliseconds drain_time{30'000};
    std::chrono::milliseconds load_timeout{300'000};
    std::chrono::milliseconds hang_timeout{120'000};
    ModelSources models;
    ResidencyLimits residency;
    std::filesystem::path jobs_folder;
    SqliteFile::Limits jobs_store;
    std::optional<RedisAddress> jobs_redis;  // jobs and conversations are there, for several nodes; files and batches are not
    std::chrono::milliseconds jobs_lease{15'000};
    JobLimits jobs;
    std::string jobs_model;                 // of jobs that name none; empty = the newest
    DocumentLimits documents;
    std::string embedding_model;            // of documents; empty = see DocumentService
    PipelineMap pipelines;                  // checked
    std::vector<std::pair<std::string, std::string>> named_models;  // see there
    CallbackRule callbacks;
    LoadMessage engine;                     // of every engine process, but for path and window
};

// Runs the server until SIGTERM or SIGINT: then /readyz answers 503, running requests get drain_time to end, and 0 is
// returned; a second signal ends at once (1). 1 too when the address cannot be bound, or the Redis server would lose jobs. Thread: main, which becomes io.
int run_gateway(const GatewayOptions& options);

}  // namespace weft
