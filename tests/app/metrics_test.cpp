#include "app/metrics.h"

#include <catch2/catch_test_macros.hpp>
#include <glaze/json.hpp>

#include "app/job_metrics.h"

using namespace weft;

namespace {

std::vector<ResidentModel> one_model() {
    ResidentModel model{.model = std::make_shared<ModelInfo>(ModelInfo{.name = "a\"b:latest"}), .ready = true};
    model.description.kv_cells = 200;
    model.description.slots = 8;
    auto& s = model.stats;
    s.running = 2;
    s.waiting = 1;
    s.kv_cells_used = 50;
    s.completion_tokens = 1234;
    s.metrics.finished_length = 3;
    s.metrics.ttft_s.observe(seconds_bounds, 0.02);
    s.metrics.ttft_s.observe(seconds_bounds, 0.3);
    s.metrics.ttft_s.observe(seconds_bounds, 1000);
    s.queue.push_back({.request = 7, .state = QueueState::decode, .tenant = "ab", .request_id = "req_1", .prompt_tokens = 10});
    s.queue.push_back({.request = 8, .state = QueueState::fetching, .position = 1});
    return {model};
}

bool has_line(const std::string& text, const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; }

}  // namespace

TEST_CASE("metrics are in Prometheus' text format, one series per model") {
    const auto text = metrics_text(one_model(), {});
    CHECK(has_line(text, "# TYPE weft_requests_running gauge"));
    CHECK(has_line(text, R"(weft_requests_running{model="a\"b:latest"} 2)"));
    CHECK(has_line(text, R"(weft_kv_usage_ratio{model="a\"b:latest"} 0.25)"));
    CHECK(has_line(text, R"(weft_generation_tokens_total{model="a\"b:latest"} 1234)"));
    CHECK(has_line(text, R"(weft_requests_total{model="a\"b:latest",finished_reason="length"} 3)"));
}

TEST_CASE("buckets of a histogram add up and end with all") {
    const auto text = metrics_text(one_model(), {});
    CHECK(has_line(text, R"(weft_time_to_first_token_seconds_bucket{model="a\"b:latest",le="0.01"} 0)"));
    CHECK(has_line(text, R"(weft_time_to_first_token_seconds_bucket{model="a\"b:latest",le="0.025"} 1)"));
    CHECK(has_line(text, R"(weft_time_to_first_token_seconds_bucket{model="a\"b:latest",le="0.5"} 2)"));
    CHECK(has_line(text, R"(weft_time_to_first_token_seconds_bucket{model="a\"b:latest",le="+Inf"} 3)"));
    CHECK(has_line(text, R"(weft_time_to_first_token_seconds_count{model="a\"b:latest"} 3)"));
}

TEST_CASE("jobs are counted in the same format, with their store") {
    JobMetrics jobs{.pending = 3, .processing = 1, .submitted = 9, .refused_storage = 2, .failed = 4};
    jobs.queue_s.observe(seconds_bounds, 0.3);
    GroupCommit::Counts store;
    store.writes.observe(tokens_bounds, 3);
    store.writes.observe(tokens_bounds, 3000);
    const auto text = job_metrics_text(jobs, store);
    CHECK(has_line(text, R"(weft_jobs{state="pending"} 3)"));
    CHECK(has_line(text, R"(weft_jobs_finished_total{outcome="failed"} 4)"));
    CHECK(has_line(text, R"(weft_jobs_refused_total{limit="storage"} 2)"));
    CHECK(has_line(text, "weft_jobs_submitted_total 9"));
    CHECK(has_line(text, R"(weft_job_queue_seconds_bucket{le="0.5"} 1)"));
    CHECK(has_line(text, R"(weft_store_commit_writes_bucket{le="4"} 1)"));
    CHECK(has_line(text, "weft_store_commit_writes_count 2"));
    CHECK(has_line(text, "weft_store_commit_writes_sum 3003"));
}

TEST_CASE("without a loaded model there are no series") {
    CHECK(metrics_text({}, {}).find('{') == std::string::npos);
    CHECK(queue_json({}, {}) == R"({"models":[]})");
}

TEST_CASE("the queue names every sequence, its state and its place") {
    glz::generic queue;
    REQUIRE_FALSE(glz::read_json(queue, queue_json(one_model(), {})));
    auto& model = queue["models"][0];
    CHECK(model["model"].get<std::string>() == "a\"b:latest");
    CHECK(model["running"].get<double>() == 2);
    CHECK(model["sequences"][0]["state"].get<std::string>() == "decode");
    CHECK(model["sequences"][0]["request_id"].get<std::string>() == "req_1");
    CHECK(model["sequences"][0]["tenant"].get<std::string>() == "ab");
    CHECK(model["sequences"][1]["state"].get<std::string>() == "fetching");
    CHECK(model["sequences"][1]["position"].get<double>() == 1);
}

TEST_CASE("requests that wait until their model is loaded or has room are told") {
    const std::vector<AwaitedModel> awaited{{.name = "a\"b:latest", .requests = 2}, {.name = "two:latest", .requests = 3}};
    const auto text = metrics_text(one_model(), awaited);
    CHECK(has_line(text, R"(weft_requests_awaiting_model{model="two:latest"} 3)"));
    glz::generic queue;
    REQUIRE_FALSE(glz::read_json(queue, queue_json(one_model(), awaited)));
    auto &loaded = queue["models"][0], &other = queue["models"][1];
    CHECK(loaded["awaiting_model"].get<double>() == 2);
    CHECK(loaded["resident"].get<bool>());
    CHECK(other["model"].get<std::string>() == "two:latest");
    CHECK(other["awaiting_model"].get<double>() == 3);
    CHECK_FALSE(other["resident"].get<bool>());
}
