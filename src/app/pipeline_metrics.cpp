#include "app/pipeline_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <functional>
#include <limits>
#include <vector>

namespace weft {
namespace {

// One family, with a series for each stage of each pipeline.
prometheus::MetricFamily stage_family(const Pipelines& pipelines, const char* name, const char* help, prometheus::MetricType type,
                                      const std::function<void(prometheus::ClientMetric&, const StageCounts&)>& fill) {
    prometheus::MetricFamily family{name, help, type, {}};
    for (const auto& [pipeline_name, pipeline] : pipelines.all()) {
        for (const auto stage : all_stages) {
            auto& metric = family.metric.emplace_back();
            metric.label = {{"pipeline", pipeline_name}, {"stage", std::string(name_of(stage))}};
            fill(metric, pipeline->counts(stage));
        }
    }
    return family;
}

void fill_seconds(prometheus::ClientMetric& metric, const StageCounts& counts) {
    auto& out = metric.histogram;
    out.sample_sum = counts.seconds.sum;
    for (std::size_t i = 0; i <= seconds_bounds.size(); ++i) {
        out.sample_count += i < counts.seconds.counts.size() ? counts.seconds.counts[i] : 0;
        const double bound = i < seconds_bounds.size() ? seconds_bounds[i] : std::numeric_limits<double>::infinity();
        out.bucket.push_back({.cumulative_count = out.sample_count, .upper_bound = bound});
    }
}

}  // namespace

std::string pipeline_metrics_text(const Pipelines& pipelines) {
    using prometheus::ClientMetric;
    using prometheus::MetricType;
    if (pipelines.all().empty()) return {};
    const std::vector<prometheus::MetricFamily> families{
        stage_family(pipelines, "weft_pipeline_stage_seconds", "Time of a job in a stage, waiting included.", MetricType::Histogram, fill_seconds),
        stage_family(pipelines, "weft_pipeline_stage_errors_total", "Jobs that failed in a stage.", MetricType::Counter,
                     [](ClientMetric& metric, const StageCounts& counts) { metric.counter.value = static_cast<double>(counts.errors); }),
        stage_family(pipelines, "weft_pipeline_stage_running", "Jobs inside a stage.", MetricType::Gauge,
                     [](ClientMetric& metric, const StageCounts& counts) { metric.gauge.value = static_cast<double>(counts.running); }),
        stage_family(pipelines, "weft_pipeline_stage_waiting", "Jobs that wait for a stage.", MetricType::Gauge,
                     [](ClientMetric& metric, const StageCounts& counts) { metric.gauge.value = static_cast<double>(counts.waiting); })};
    return prometheus::TextSerializer().prometheus::Serializer::Serialize(families);
}

}  // namespace weft
