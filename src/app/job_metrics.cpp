#include "app/job_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace weft {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Series that differ in the value of one label; one series without a label has the name "".
using Values = std::initializer_list<std::pair<const char*, std::uint64_t>>;

class JobFamilies {
  public:
    void gauge(const char* name, const char* help, const char* label, Values values) {
        add(name, help, MetricType::Gauge, label, values, [](ClientMetric& metric, double value) { metric.gauge.value = value; });
    }
    void counter(const char* name, const char* help, const char* label, Values values) {
        add(name, help, MetricType::Counter, label, values, [](ClientMetric& metric, double value) { metric.counter.value = value; });
    }
    void histogram(const char* name, const char* help, std::span<const double> bounds, const Histogram& counted) {
        auto& family = families_.emplace_back(MetricFamily{name, help, MetricType::Histogram, {}});
        auto& out = family.metric.emplace_back().histogram;
        out.sample_sum = counted.sum;
        for (std::size_t i = 0; i <= bounds.size(); ++i) {
            out.sample_count += i < counted.counts.size() ? counted.counts[i] : 0;
            const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
            out.bucket.push_back({.cumulative_count = out.sample_count, .upper_bound = bound});
        }
    }
    [[nodiscard]] std::string text() const { return prometheus::TextSerializer().prometheus::Serializer::Serialize(families_); }

  private:
    template <typename Set>
    void add(const char* name, const char* help, MetricType type, const char* label, Values values, const Set& set) {
        auto& family = families_.emplace_back(MetricFamily{name, help, type, {}});
        for (const auto& [word, value] : values) {
            auto& metric = family.metric.emplace_back();
            if (*label != '\0') metric.label = {{label, word}};
            set(metric, static_cast<double>(value));
        }
    }
    std::vector<MetricFamily> families_;
};

}  // namespace

std::string job_metrics_text(const JobMetrics& jobs, const GroupCommit::Counts& store) {
    JobFamilies f;
    f.gauge("weft_jobs", "Jobs that are not finished.", "state", {{"pending", jobs.pending}, {"processing", jobs.processing}});
    f.gauge("weft_jobs_waiting_bytes", "Requests of the jobs that wait.", "", {{"", jobs.waiting_bytes}});
    f.gauge("weft_jobs_waiting_tokens", "Tokens that the jobs that wait are estimated to take.", "", {{"", static_cast<std::uint64_t>(jobs.waiting_tokens)}});
    f.gauge("weft_job_readers", "Connections that are told of jobs.", "kind", {{"socket", jobs.sockets}, {"stream", jobs.streams}});
    f.counter("weft_jobs_submitted_total", "Jobs that were accepted.", "", {{"", jobs.submitted}});
    f.counter("weft_jobs_answered_from_cache_total", "Of those, answered at once.", "", {{"", jobs.from_cache}});
    f.counter("weft_jobs_refused_total", "Jobs that were not accepted, by whose limit it was.", "limit",
              {{"key", jobs.refused_key}, {"server", jobs.refused_server}, {"storage", jobs.refused_storage}});
    f.counter("weft_jobs_finished_total", "Jobs that are over, by how they ended.", "outcome",
              {{"completed", jobs.completed}, {"failed", jobs.failed}, {"cancelled", jobs.cancelled}});
    f.counter("weft_jobs_restarted_total", "Attempts beyond a job's first.", "", {{"", jobs.restarted}});
    f.counter("weft_job_callbacks_total", "Tries to deliver a callback.", "outcome",
              {{"delivered", jobs.callbacks_delivered}, {"failed", jobs.callbacks_failed}});
    f.counter("weft_store_failed_writes_total", "Writes that left no trace, for want of room as a rule.", "", {{"", store.failed}});
    f.histogram("weft_job_queue_seconds", "From acceptance to the first start.", seconds_bounds, jobs.queue_s);
    f.histogram("weft_job_run_seconds", "From the last start to the end.", seconds_bounds, jobs.run_s);
    f.histogram("weft_store_commit_seconds", "One transaction, until it is on disk.", seconds_bounds, store.commit_s);
    f.histogram("weft_store_commit_writes", "Writes of one transaction.", tokens_bounds, store.writes);
    return f.text();
}

}  // namespace weft
