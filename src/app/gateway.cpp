#include "app/gateway.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <fstream>
#include <optional>

#include "api/anthropic/batch_lines.h"
#include "api/anthropic/batch_request.h"
#include "api/batch_runner.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/ollama/options.h"
#include "api/openai/batch_lines.h"
#include "api/openai/chat_request.h"
#include "app/engine_factory.h"
#include "app/job_callbacks.h"
#include "app/job_metrics.h"
#include "app/pipeline_metrics.h"
#include "app/routes.h"
#include "base/log.h"
#include "http/server.h"
#include "registry/local_registry.h"
#include "services/chat/chat_service.h"
#include "services/documents/document_service.h"
#include "services/embed/embed_service.h"
#include "services/jobs/job_service.h"
#include "services/pipelines/pipeline.h"
#include "store/redis_job_store.h"
#include "store/sqlite_batch_store.h"
#include "store/sqlite_document_store.h"
#include "store/sqlite_job_store.h"
#include "store/sqlite_response_archive.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::size_t worker_threads = 2;
constexpr std::chrono::milliseconds last_words{1000};  // to streams that did not end within the time to drain
constexpr std::chrono::milliseconds redis_patience{5000};
constexpr std::chrono::milliseconds shared_text_every{100};  // readers on other nodes see a running job's text through the store

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// For people who look into a store that several nodes share.
std::string node_name() {
    char host[256]{};
    if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    return std::string(host) + ":" + std::to_string(::getpid());
}

// Owns every part of the gateway, in the order in which they depend on each other. Thread: io.
class Gateway {
  public:
    explicit Gateway(const GatewayOptions& options)
        : options_(options),
          workers_(worker_threads),
          store_(io_.get_executor(), workers_.get_executor(), options.models),
          factory_(io_.get_executor(), options.program, options.engine, options.load_timeout, options.hang_timeout),
          registry_(io_.get_executor(), store_, factory_, options.residency),
          chat_(registry_, io_.get_executor()),
          embed_(registry_),
          ollama_{.registry = registry_, .chat = chat_, .embed = embed_, .clock = clock_,
                  .default_context_tokens = options.residency.context_tokens},
          callbacks_(io_.get_executor(), options.callbacks, [](const JobRow& row) { return api::jobs::job_object(row, 0); }),
          jobs_(open_jobs()),
          server_(io_, options.server,
                  make_router(ollama_, openai_services(),
                              anthropic_services(),
                              job_services(), registry_, draining_, [this] { return jobs_metrics(); }),
                  error_formatter()),
          signals_(io_, SIGINT, SIGTERM) {}

    int run() {
        if (store_refused_) return 1;
        const auto bound = server_.listen(options_.host, options_.port);
        if (!bound) {
            log_error("cannot_listen", {{"host", options_.host}, {"port", options_.port},
                                        {"reason", bound.error().message}, {"detail", bound.error().detail}});
            return 1;
        }
        if (jobs_) {
            auto taken_up = jobs_->recover();
            if (taken_up) taken_up = batches_->recover();
            if (!taken_up) {
                log_error("jobs_lost_sight_of", {{"reason", taken_up.error().message}, {"detail", taken_up.error().detail}});
                return 1;
            }
        }
        server_.set_middleware(request_checks(bound->loopback, options_.extra_hosts, options_.extra_origins));
        if (!options_.port_file.empty() && !(std::ofstream(options_.port_file) << bound->port << std::endl)) {
            log_error("port_file_not_written", {{"file", options_.port_file}});
            return 1;
        }
        log_info("listening", {{"address", bound->address}, {"port", bound->port},
                               {"models", registry_.list().size()}});
        warn_of_missing_models();
        await_signal();
        io_.run();
        return exit_status_;
    }

  private:
    // They may come later: until then, who relies on them is told.
    void warn_of_missing_models() {
        for (const auto& [key, model] : options_.named_models)
            if (const auto found = registry_.find(model); !found)
                log_warn("configured_model_missing", {{"key", key}, {"model", model}, {"reason", found.error().message}});
    }

    void await_signal() {
        signals_.async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            if (draining_) return end_now();
            drain(signal);
            await_signal();
        });
    }

    void drain(int signal) {
        draining_ = true;
        log_info("draining", {{"signal", signal},
                              {"connections", server_.connections()}});
        registry_.drain();
        // Streams of jobs end with the jobs, so both drain at once.
        const auto part_done = [this] {
            if (--parts_draining_ == 0) stop_engines();
        };
        parts_draining_ = jobs_ ? 2 : 1;
        server_.drain(options_.drain_time + last_words, part_done);
        // Whoever is still being answered then is told so: the end of its engine is an error event in each dialect.
        drain_timer_.expires_after(options_.drain_time + last_words / 2);
        drain_timer_.async_wait([this](boost::system::error_code cancelled) {
            if (!cancelled) stop_engines();
        });
        if (jobs_) jobs_->drain(options_.drain_time, part_done);
        if (batches_) batches_->drain();
    }

    // Twice when the time to drain is over: first for those who are still being answered, then when they are gone.
    void stop_engines() {
        drain_timer_.cancel();
        if (std::exchange(engines_stop_, true)) return leave();
        // Engines write down their prefixes before they end.
        registry_.stop_all([this] {
            engines_gone_ = true;
            leave();
        });
    }

    void leave() {
        if (parts_draining_ > 0 || !engines_gone_) return;
        log_info("drained");
        io_.stop();
    }

    // Without its store the server does everything else; it says what is wrong, and its job routes answer 503.
    std::unique_ptr<JobService> open_jobs() {
        auto file = SqliteFile::open(options_.jobs_folder, options_.jobs_store, [io = io_.get_executor()](std::function<void()> work) {
            asio::post(io, std::move(work));
        });
        if (!file) {
            log_error("no_job_store", {{"reason", file.error().message}, {"detail", file.error().detail}});
            return nullptr;
        }
        job_file_ = std::move(*file);
        auto batch_store = SqliteBatchStore::open(*job_file_);
        if (!batch_store) {
            log_error("no_job_store", {{"reason", batch_store.error().message}, {"detail", batch_store.error().detail}});
            return nullptr;
        }
        batch_store_ = std::move(*batch_store);
        open_responses();
        openai_lines_.emplace(openai_services());
        message_lines_.emplace(anthropic_services());
        batches_ = std::make_unique<api::BatchRunner>(api::BatchRunner::Parts{
            .io = io_.get_executor(), .store = *batch_store_,
            .dialect_of = [this](std::string_view endpoint) -> const api::BatchDialect& {
                return endpoint == api::anthropic::batch_endpoint ? static_cast<const api::BatchDialect&>(*message_lines_) : *openai_lines_;
            },
            .new_id = api::random_id, .unix_time = api::system_unix_time, .parallel = options_.jobs.running_low});
        job_store_ = make_job_store();
        auto limits = options_.jobs;
        if (job_store_->shared()) limits.keep_text_every = shared_text_every;
        if (!job_store_->shared()) open_documents();  // any node runs a job, and would have to find the same documents
        pipelines_ = std::make_unique<Pipelines>(io_.get_executor(), documents_.get(), options_.pipelines);
        return std::make_unique<JobService>(JobService::Parts{
            .io = io_.get_executor(), .chat = chat_, .store = *job_store_, .callbacks = callbacks_,
            .plan = [this](const JobRow& row, const std::string& request, const SessionRow* session) {
                return api::jobs::plan_job(job_services(), row, request, session);
            },
            .unix_ms = unix_ms, .limits = limits, .pipelines = pipelines_.get(),
            .model = [this](const std::string& name) { return facts_about(name); }});
    }

    ModelFacts facts_about(const std::string& name) {
        const auto model = registry_.find(name);
        if (!model) return {.known = false};
        const auto configured = (*model)->context_tokens > 0 ? (*model)->context_tokens : options_.residency.context_tokens;
        const auto trained = (*model)->trained_context;
        return {.digest = (*model)->digest, .context_tokens = trained > 0 ? std::min(configured, trained) : configured};
    }

    void open_documents() {
        document_store_ = std::make_unique<SqliteDocumentStore>(*job_file_);
        documents_ = std::make_unique<DocumentService>(DocumentService::Parts{
            .io = io_.get_executor(), .registry = registry_, .embed = embed_, .store = *document_store_, .unix_ms = unix_ms,
            .limits = options_.documents, .embedding_model = options_.embedding_model, .default_model = options_.jobs_model});
    }

    // A Redis server that cannot be reached may come back, and is looked at then; one that would lose jobs is refused.
    std::unique_ptr<JobStore> make_job_store() {
        if (!options_.jobs_redis) return std::make_unique<SqliteJobStore>(*job_file_);
        const auto fit = RedisJobStore::check(*options_.jobs_redis, redis_patience);
        if (!fit) {
            store_refused_ = fit.error().code != ErrorCode::timeout;
            log_error(store_refused_ ? "job_store_refused" : "job_store_unreachable",
                      {{"address", options_.jobs_redis->text()}, {"reason", fit.error().message}, {"detail", fit.error().detail}});
        }
        return std::make_unique<RedisJobStore>(io_.get_executor(), RedisJobStore::Options{
            .address = *options_.jobs_redis, .node = node_name(), .lease = options_.jobs_lease, .waiting = options_.jobs.waiting,
            .waiting_bytes = options_.jobs.waiting_bytes, .waiting_tokens = options_.jobs.waiting_tokens,
            .waiting_of_tenant = options_.jobs.most_waiting_of_tenant(),
            .waiting_bytes_of_tenant = share_of_tenant(options_.jobs.waiting_bytes),
            .waiting_tokens_of_tenant = share_of_tenant(options_.jobs.waiting_tokens), .running_of_tenant = options_.jobs.running_of_tenant,
            .submissions_per_second = options_.jobs.submissions_per_second, .submissions_at_once = options_.jobs.submissions_at_once});
    }

    void open_responses() {
        response_archive_ = std::make_unique<SqliteResponseArchive>(*job_file_);
        responses_ = std::make_shared<ResponseStore>(clock_, ResponseStore::Limits{},
                                                     ResponseStore::Backing{.archive = response_archive_.get(), .unix_s = api::system_unix_time});
        if (const auto taken_up = responses_->recover(); !taken_up)
            log_error("responses_lost", {{"reason", taken_up.error().message}, {"detail", taken_up.error().detail}});
    }

    api::openai::Services openai_services() {
        return {.registry = registry_, .chat = chat_, .embed = embed_, .clock = clock_, .batch_store = batch_store_.get(),
                .batches = batches_.get(), .responses = responses_, .default_context_tokens = options_.residency.context_tokens};
    }

    api::anthropic::Services anthropic_services() {
        return {.registry = registry_, .chat = chat_, .batch_store = batch_store_.get(), .batches = batches_.get(),
                .default_context_tokens = options_.residency.context_tokens};
    }

    api::jobs::Services job_services() {
        return {.jobs = jobs_.get(), .registry = registry_, .documents = documents_.get(), .pipelines = pipelines_.get(), .default_model = options_.jobs_model,
                .read_conversation = api::openai::read_conversation, .read_options = api::ollama::parse_options,
                .callback_refusal = [this](const std::string& url) { return callbacks_.refusal(url); }};
    }

    [[nodiscard]] std::string jobs_metrics() const {
        return jobs_ ? job_metrics_text(jobs_->metrics(), job_file_->commit_counts()) + pipeline_metrics_text(*pipelines_) : std::string();
    }

    void end_now() {
        log_warn("ended_by_second_signal");
        exit_status_ = 1;
        server_.stop();
        io_.stop();
    }

    const GatewayOptions& options_;
    asio::io_context io_{1};  // one thread runs it
    asio::thread_pool workers_;
    SteadyClock clock_;
    ModelStore store_;
    EngineFactory factory_;
    LocalRegistry registry_;
    ChatService chat_;
    EmbedService embed_;
    api::ollama::Services ollama_;
    bool draining_ = false;
    int parts_draining_ = 0;
    bool engines_stop_ = false, engines_gone_ = false;
    asio::steady_timer drain_timer_{io_};
    JobCallbacks callbacks_;
    std::unique_ptr<SqliteFile> job_file_;
    std::unique_ptr<JobStore> job_store_;
    bool store_refused_ = false;
    std::unique_ptr<SqliteDocumentStore> document_store_;
    std::unique_ptr<DocumentService> documents_;
    std::unique_ptr<Pipelines> pipelines_;
    std::unique_ptr<SqliteResponseArchive> response_archive_;
    std::shared_ptr<ResponseStore> responses_ = std::make_shared<ResponseStore>(clock_);
    std::unique_ptr<SqliteBatchStore> batch_store_;
    std::optional<api::openai::BatchLines> openai_lines_;
    std::optional<api::anthropic::BatchLines> message_lines_;
    std::unique_ptr<api::BatchRunner> batches_;
    std::unique_ptr<JobService> jobs_;
    http::Server server_;
    asio::signal_set signals_;
    int exit_status_ = 0;
};

}  // namespace

int run_gateway(const GatewayOptions& options) {
    std::signal(SIGPIPE, SIG_IGN);
    Gateway gateway(options);
    return gateway.run();
}

}  // namespace weft
