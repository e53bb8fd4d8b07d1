#include "app/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <functional>
#include <glaze/json.hpp>
#include <limits>
#include <span>

namespace weft {
namespace {

namespace asio = boost::asio;
using http::Exchange;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// One family of each name; one metric of each loaded model.
class Families {
  public:
    explicit Families(const std::vector<ResidentModel>& models) : models_(models) {}

    using Value = std::function<double(const ResidentModel&)>;
    void gauge(const char* name, const char* help, const Value& value) {
        add(name, help, MetricType::Gauge, [&](ClientMetric& metric, const auto& model) { metric.gauge.value = value(model); });
    }
    void counter(const char* name, const char* help, const Value& value) {
        add(name, help, MetricType::Counter, [&](ClientMetric& metric, const auto& model) { metric.counter.value = value(model); });
    }
    void histogram(const char* name, const char* help, std::span<const double> bounds, Histogram EngineMetrics::* member) {
        add(name, help, MetricType::Histogram, [&](ClientMetric& metric, const ResidentModel& model) {
            const auto& counted = model.stats.metrics.*member;
            auto& out = metric.histogram;
            out.sample_sum = counted.sum;
            for (std::size_t i = 0; i <= bounds.size(); ++i) {
                out.sample_count += i < counted.counts.size() ? counted.counts[i] : 0;
                const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
                out.bucket.push_back({.cumulative_count = out.sample_count, .upper_bound = bound});
            }
        });
    }
    // Counters that differ in one more label.
    void finished() {
        auto& family = families_.emplace_back(MetricFamily{"weft_requests_total", "Requests that are over, by how they ended.",
                                                           MetricType::Counter, {}});
        for (const auto& model : models_) {
            const auto& m = model.stats.metrics;
            for (const auto& [reason, count] : {std::pair{"stop", m.finished_stop}, {"length", m.finished_length},
                                                {"cancelled", m.finished_cancelled}, {"error", m.finished_error}}) {
                ClientMetric metric;
                metric.label = {{"model", model.model->name}, {"finished_reason", reason}};
                metric.counter.value = static_cast<double>(count);
                family.metric.push_back(std::move(metric));
            }
        }
    }
    void awaited(const std::vector<AwaitedModel>& awaited) {
        MetricFamily family{"weft_requests_awaiting_model", "Requests that wait until their model has room and is loaded.", MetricType::Gauge, {}};
        for (const auto& model : awaited) {
            ClientMetric metric;
            metric.label = {{"model", model.name}};
            metric.gauge.value = model.requests;
            family.metric.push_back(std::move(metric));
        }
        families_.push_back(std::move(family));
    }
    [[nodiscard]] std::string text() const { return prometheus::TextSerializer().prometheus::Serializer::Serialize(families_); }

  private:
    template <typename Fill>
    void add(const char* name, const char* help, MetricType type, const Fill& fill) {
        MetricFamily family{name, help, type, {}};
        for (const auto& model : models_) {
            ClientMetric metric;
            metric.label = {{"model", model.model->name}};
            fill(metric, model);
            family.metric.push_back(std::move(metric));
        }
        families_.push_back(std::move(family));
    }

    const std::vector<ResidentModel>& models_;
    std::vector<MetricFamily> families_;
};

double seconds_of(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

void add_gauges(Families& f) {
    f.gauge("weft_model_ready", "1 once the model is loaded.", [](const auto& m) { return m.ready ? 1 : 0; });
    f.gauge("weft_requests_running", "Sequences that run.", [](const auto& m) { return m.stats.running; });
    f.gauge("weft_requests_waiting", "Sequences that wait, parked ones included.", [](const auto& m) { return m.stats.waiting; });
    f.gauge("weft_requests_parked", "Sequences that gave up their place and go on later.",
            [](const auto& m) { return m.stats.metrics.parked_now; });
    f.gauge("weft_kv_cells", "Tokens that the KV cache holds at most.", [](const auto& m) { return m.description.kv_cells; });
    f.gauge("weft_kv_cells_used", "Tokens that the KV cache holds.", [](const auto& m) { return m.stats.kv_cells_used; });
    f.gauge("weft_kv_cells_evictable", "Those of them that only cached prefixes hold.",
            [](const auto& m) { return m.stats.metrics.kv_cells_evictable; });
    f.gauge("weft_kv_usage_ratio", "Used part of the KV cache, 0 to 1.", [](const auto& m) {
        return m.description.kv_cells == 0 ? 0.0 : static_cast<double>(m.stats.kv_cells_used) / m.description.kv_cells;
    });
    f.gauge("weft_prefix_cache_entries", "Finished sequences whose cells are kept.",
            [](const auto& m) { return m.stats.metrics.cached_prefixes; });
    f.gauge("weft_prefix_cache_host_bytes", "Copies of prefixes in memory.",
            [](const auto& m) { return static_cast<double>(m.stats.metrics.cache_host_bytes); });
    f.gauge("weft_prefix_cache_disk_bytes", "Copies of prefixes on disk.",
            [](const auto& m) { return static_cast<double>(m.stats.metrics.cache_disk_bytes); });
}

void add_counters(Families& f) {
    const auto count = [&f](const char* name, const char* help, auto member) {
        f.counter(name, help, [member](const auto& m) { return static_cast<double>(m.stats.*member); });
    };
    const auto metric = [&f](const char* name, const char* help, auto member) {
        f.counter(name, help, [member](const auto& m) { return static_cast<double>(m.stats.metrics.*member); });
    };
    count("weft_prompt_tokens_total", "Prompt tokens that were asked for.", &RunnerStats::prompt_tokens);
    count("weft_prefilled_tokens_total", "Prompt tokens that were computed.", &RunnerStats::prefilled_tokens);
    count("weft_cached_tokens_total", "Prompt tokens that came from the cache.", &RunnerStats::cached_tokens);
    count("weft_generation_tokens_total", "Tokens that were generated.", &RunnerStats::completion_tokens);
    count("weft_steps_total", "Decode calls.", &RunnerStats::steps);
    f.counter("weft_step_seconds_total", "Time inside decode calls.", [](const auto& m) { return seconds_of(m.stats.step_ns); });
    metric("weft_prefix_cache_queries_total", "Tokens that were looked up in the cache.", &EngineMetrics::prefix_queries);
    metric("weft_prefix_cache_hits_total", "Tokens of those that were found.", &EngineMetrics::prefix_hits);
    metric("weft_prefix_cache_restored_tokens_total", "Tokens of those that were copied back from memory or disk.",
           &EngineMetrics::restored_tokens);
    metric("weft_prefix_cache_evictions_total", "Cached prefixes that left the KV cache.", &EngineMetrics::cache_evictions);
    metric("weft_prefix_cache_spilled_blocks_total", "Blocks that were copied out.", &EngineMetrics::spilled_blocks);
    metric("weft_prefix_cache_fetched_blocks_total", "Blocks that were read from disk.", &EngineMetrics::fetched_blocks);
    metric("weft_parked_total", "Times that a sequence gave up its place.", &EngineMetrics::parked);
    metric("weft_interrupted_steps_total", "Decode calls that a cancel ended.", &EngineMetrics::interrupted_steps);
    metric("weft_missed_deadlines_total", "Requests whose deadline could not be met.", &EngineMetrics::refused_deadlines);
    metric("weft_speculation_guessed_tokens_total", "Tokens that were guessed, from the text before or by a draft model.", &EngineMetrics::guessed_tokens);
    metric("weft_speculation_accepted_tokens_total", "Tokens of those that were right.", &EngineMetrics::accepted_tokens);
    metric("weft_speculation_draft_steps_total", "Decode calls of the draft model.", &EngineMetrics::draft_steps);
    f.finished();
}

void add_histograms(Families& f) {
    f.histogram("weft_time_to_first_token_seconds", "From acceptance to the first token.", seconds_bounds, &EngineMetrics::ttft_s);
    f.histogram("weft_inter_token_latency_seconds", "Between two tokens of a sequence.", seconds_bounds, &EngineMetrics::itl_s);
    f.histogram("weft_request_queue_seconds", "From acceptance to the first decode call.", seconds_bounds, &EngineMetrics::queue_s);
    f.histogram("weft_request_prefill_seconds", "From there to the first token.", seconds_bounds, &EngineMetrics::prefill_s);
    f.histogram("weft_request_decode_seconds", "From there to the last token.", seconds_bounds, &EngineMetrics::decode_s);
    f.histogram("weft_e2e_request_latency_seconds", "From acceptance to the end.", seconds_bounds, &EngineMetrics::e2e_s);
    f.histogram("weft_request_prompt_tokens", "Prompt tokens of a request.", tokens_bounds, &EngineMetrics::prompt_tokens);
    f.histogram("weft_request_generation_tokens", "Generated tokens of a request.", tokens_bounds, &EngineMetrics::generation_tokens);
    f.histogram("weft_step_seconds", "One decode call.", seconds_bounds, &EngineMetrics::step_s);
    f.histogram("weft_batch_size", "Rows of one decode call.", tokens_bounds, &EngineMetrics::step_rows);
}

// ---- queue ----------------------------------------------------------------------------------------------------------

struct QueueItem {
    std::uint64_t request;
    std::string request_id;
    std::uint32_t choice;
    std::string_view state;
    std::uint32_t position;
    std::int32_t priority;
    std::string tenant;
    std::uint32_t prompt_tokens, computed_tokens, generated_tokens;
    std::uint64_t age_ms;
};

struct QueueModel {
    std::string model{};
    bool resident = false;             // false: requests wait until there is room for it
    bool ready = false;
    std::uint32_t awaiting_model = 0;  // requests that wait until it is loaded, none of which is below
    std::uint32_t slots = 0, running = 0, waiting = 0, parked = 0, kv_cells = 0, kv_cells_used = 0, kv_cells_evictable = 0, cached_prefixes = 0;
    std::uint64_t prompt_tokens = 0, prefilled_tokens = 0, cached_tokens = 0, completion_tokens = 0, steps = 0, step_ns = 0;
    std::uint64_t cache_host_bytes = 0, cache_disk_bytes = 0;
    std::vector<QueueItem> sequences{};  // those that run, oldest first, then those that wait, by position
};

struct QueueAnswer {
    std::vector<QueueModel> models;
};

std::string_view name_of(QueueState state) {
    switch (state) {
        case QueueState::waiting: return "waiting";
        case QueueState::fetching: return "fetching";
        case QueueState::deferred: return "deferred";
        case QueueState::parked: return "parked";
        case QueueState::prefill: return "prefill";
        case QueueState::decode: return "decode";
        case QueueState::paused: return "paused";
    }
    return "unknown";
}

QueueModel queue_of(const ResidentModel& resident) {
    const auto& s = resident.stats;
    QueueModel model{.model = resident.model->name, .resident = true, .ready = resident.ready, .slots = resident.description.slots,
                     .running = s.running, .waiting = s.waiting, .parked = s.metrics.parked_now,
                     .kv_cells = resident.description.kv_cells, .kv_cells_used = s.kv_cells_used,
                     .kv_cells_evictable = s.metrics.kv_cells_evictable, .cached_prefixes = s.metrics.cached_prefixes,
                     .prompt_tokens = s.prompt_tokens, .prefilled_tokens = s.prefilled_tokens,
                     .cached_tokens = s.cached_tokens, .completion_tokens = s.completion_tokens, .steps = s.steps,
                     .step_ns = s.step_ns, .cache_host_bytes = s.metrics.cache_host_bytes,
                     .cache_disk_bytes = s.metrics.cache_disk_bytes, .sequences = {}};
    for (const auto& entry : s.queue)
        model.sequences.push_back({entry.request, entry.request_id, entry.choice, name_of(entry.state), entry.position, entry.priority, entry.tenant,
                                   entry.prompt_tokens, entry.computed_tokens, entry.generated_tokens, entry.age_ms});
    return model;
}

asio::awaitable<void> reply_metrics(Exchange& exchange, Registry& registry, const std::function<std::string()>& more) {
    co_await exchange.reply({.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_text(registry.resident(), registry.awaited()) + more()});
}

asio::awaitable<void> reply_queue(Exchange& exchange, Registry& registry) {
    co_await exchange.reply({.body = queue_json(registry.resident(), registry.awaited())});
}

}  // namespace

std::string metrics_text(const std::vector<ResidentModel>& models, const std::vector<AwaitedModel>& awaited) {
    Families families(models);
    families.awaited(awaited);
    add_gauges(families);
    add_counters(families);
    add_histograms(families);
    return families.text();
}

std::string queue_json(const std::vector<ResidentModel>& models, const std::vector<AwaitedModel>& awaited) {
    QueueAnswer answer;
    for (const auto& model : models) answer.models.push_back(queue_of(model));
    for (const auto& [name, requests] : awaited) {
        auto known = std::ranges::find(answer.models, name, &QueueModel::model);
        if (known == answer.models.end()) known = answer.models.insert(known, QueueModel{.model = name});
        known->awaiting_model = requests;
    }
    return glz::write_json(answer).value_or("{}");
}

void add_metrics_routes(http::Router& router, Registry& registry, std::function<std::string()> more) {
    router.add("GET", "/metrics", [&registry, more = std::move(more)](Exchange& exchange) { return reply_metrics(exchange, registry, more); }, http::AccessLog::quiet);
    router.add("GET", "/api/v1/queue", [&](Exchange& exchange) { return reply_queue(exchange, registry); }, http::AccessLog::quiet);
}

}  // namespace weft
