#include "services/jobs/job_service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "store/sqlite_job_store.h"
#include "support/fake_runner.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 30s;

struct FakeCallbacks final : CallbackSender {
    std::vector<std::string> sent{};
    std::vector<std::function<void(bool)>> held{};  // of the receiver that does not answer
    bool delivers = true;
    [[nodiscard]] std::string refusal(const std::string&) const override { return {}; }
    void send(const JobRow& job, std::function<void(bool)> done) override {
        sent.push_back(job.id);
        if (job.callback_url == "http://silent/") return held.push_back(std::move(done));
        done(delivers);
    }
};

// The service over a real store and a fake model. Requests are what the model is asked.
class JobStage {
  public:
    explicit JobStage(JobLimits with = quick()) : limits(with) { open(); }
    ~JobStage() { close(); }

    static JobLimits quick() {
        JobLimits limits;
        limits.retry_write_after = limits.retry_busy_after = 1ms;
        limits.keep_text_every = 0ms;
        return limits;
    }

    void until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!condition()) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            io.run_one_for(5ms);
        }
    }
    template <typename T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> value;
        asio::co_spawn(io, std::move(work), [&value](const std::exception_ptr&, T got) { value.emplace(std::move(got)); });
        until([&] { return value.has_value(); });
        return std::move(*value);
    }
    std::shared_ptr<Job> submit(JobRequest request = {}) {
        request.model = "demo";
        if (request.request.empty()) request.request = "Hi";
        return wait(jobs->submit(std::move(request))).value().job;
    }
    // At once: none is stored before all were looked at.
    std::vector<Result<SubmittedJob>> submit_together(std::vector<JobRequest> requests) {
        std::vector<Result<SubmittedJob>> outcomes;
        const auto all = requests.size();
        for (auto& request : requests) {
            request.model = "demo";
            if (request.request.empty()) request.request = "Hi";
            asio::co_spawn(io, jobs->submit(std::move(request)), [&outcomes](const std::exception_ptr&, Result<SubmittedJob> got) { outcomes.push_back(std::move(got)); });
        }
        until([&] { return outcomes.size() == all; });
        return outcomes;
    }
    ErrorCode refusal(JobRequest request) {
        request.model = "demo";
        if (request.request.empty()) request.request = "Hi";
        return wait(jobs->submit(std::move(request))).error().code;
    }
    const JobRow& end_of(const std::shared_ptr<Job>& job) {
        until([&] { return is_final(job->row.status); });
        return job->row;
    }
    // Lets the generation of a job end that has said all it will.
    void release(const std::shared_ptr<Job>& job, const std::string& text) {
        until([&] { return job->row.output.text == text; });
        io.run_for(20ms);  // it is held after its last piece, a few turns later
        runner->release();
    }
    // As a process that ends, however it ends, and another one that starts.
    void restart() {
        close();
        open();
    }

    JobLimits limits;
    TemporaryFolder folder;
    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    FakeRegistry registry{io.get_executor()};
    ChatService chat{registry, io.get_executor()};
    std::shared_ptr<FakeRunner> runner = registry.add("demo", {"completion"});
    FakeCallbacks callbacks;
    std::int64_t now_ms = 1'000'000;
    std::string digest = "file of ";  // of all models
    Pipelines pipelines{io.get_executor(), nullptr, PipelineMap{{"other", {.infer = {.model = "other"}}}}};
    std::unique_ptr<SqliteFile> file;
    std::unique_ptr<SqliteJobStore> store;
    std::unique_ptr<JobService> jobs;

  private:
    void open() {
        file = SqliteFile::open(folder.path(), {}, [this](std::function<void()> done) { asio::post(io, std::move(done)); }).value();
        store = std::make_unique<SqliteJobStore>(*file);
        jobs = std::make_unique<JobService>(JobService::Parts{
            .io = io.get_executor(), .chat = chat, .store = *store, .callbacks = callbacks,
            .plan = [](const JobRow& row, const std::string& request, const SessionRow* session) -> Result<JobPlan> {
                if (request == "nonsense") return fail(ErrorCode::invalid_request, "that is nonsense");
                ChatPrompt prompt;
                if (session)
                    for (const auto& turn : session->turns) prompt.messages.push_back({.role = turn.role, .content = turn.content});
                prompt.messages.push_back({.role = "user", .content = request});
                JobPlan plan{.request = {.model = row.model}, .own_turns = {{"user", request}}};
                if (request == "with a tool") prompt.tools_json = {R"({"type":"function","function":{"name":"add","parameters":{}}})"};
                plan.request.generate.prompt = std::move(prompt);
                return plan;
            },
            .unix_ms = [this] { return now_ms; }, .limits = limits, .pipelines = &pipelines,
            .model = [this](const std::string& name) { return ModelFacts{.known = name != "none", .digest = digest + name, .context_tokens = 4096}; }});
        REQUIRE(jobs->recover());
    }
    void close() {
        jobs.reset();
        store.reset();
        file.reset();
        io.poll();  // what was on its way comes too late
    }
};

}  // namespace

TEST_CASE("a job runs and keeps its text in pieces, and is found again after a restart") {
    JobStage stage;
    const auto job = stage.submit();
    CHECK(stage.end_of(job).output.text == "Hello there!");
    CHECK(job->row.output.sizes.size() == 2);
    CHECK(job->row.attempt == 1);
    const auto id = job->row.id;
    stage.restart();
    const auto found = stage.wait(stage.jobs->find("", id)).value();
    CHECK(found->row.status == JobStatus::completed);
    CHECK(found->row.output.text == "Hello there!");
    CHECK(stage.wait(stage.jobs->find("other", id)).error().code == ErrorCode::not_found);
}

TEST_CASE("what was running or waiting when the process ended runs again, under a new attempt") {
    auto limits = JobStage::quick();
    limits.running = 1;
    JobStage stage(limits);
    stage.runner->next({.pieces = {"lost"}, .hold = true});
    const auto first = stage.submit();
    const auto second = stage.submit();
    stage.until([&] { return first->row.output.text == "lost"; });
    const auto ids = {first->row.id, second->row.id};
    stage.restart();
    std::vector<std::uint32_t> attempts;
    for (const auto& id : ids) {
        const auto job = stage.wait(stage.jobs->find("", id)).value();
        CHECK(stage.end_of(job).output.text == "Hello there!");
        attempts.push_back(job->row.attempt);
    }
    CHECK(attempts == std::vector<std::uint32_t>{2, 1});
}

TEST_CASE("an engine that dies costs an attempt, and the job in the end") {
    JobStage stage;
    const Error dead{.code = ErrorCode::engine_failed, .message = "the engine has died"};
    stage.runner->next({.pieces = {"half"}, .break_off = dead});
    const auto lucky = stage.submit();
    CHECK(stage.end_of(lucky).status == JobStatus::completed);
    CHECK(lucky->row.attempt == 2);
    CHECK(lucky->row.output.text == "Hello there!");
    stage.runner->answers(Script{.pieces = {"half"}, .break_off = dead});
    const auto unlucky = stage.submit();
    CHECK(stage.end_of(unlucky).error_code == "engine_failed");
    CHECK(unlucky->row.attempt == 3);
    CHECK(unlucky->row.output.text == "half");
}

TEST_CASE("a model whose queue is full is asked again until it has room") {
    JobStage stage;
    for (int i = 0; i < 3; ++i) stage.runner->next({.refuse = Error{.code = ErrorCode::overloaded, .message = "full"}});
    const auto job = stage.submit();
    CHECK(stage.end_of(job).status == JobStatus::completed);
    CHECK(job->row.attempt == 1);
    CHECK(stage.runner->requests.size() == 4);
}

TEST_CASE("other errors end the job with their code") {
    JobStage stage;
    stage.runner->next({.refuse = Error{.code = ErrorCode::context_overflow, .message = "too long"}});
    CHECK(stage.end_of(stage.submit()).error_code == "context_length_exceeded");
    CHECK(stage.end_of(stage.submit({.request = "nonsense"})).error_code == "invalid_request");
    CHECK(stage.jobs->counts().running == 0);
}

TEST_CASE("equal requests share a generation, whenever they come, and each keeps its own job") {
    auto limits = JobStage::quick();
    limits.running = 1;
    JobStage stage(limits);
    stage.runner->next({.pieces = {"busy"}, .hold = true});
    const auto other = stage.submit();
    const auto first = stage.submit({.request_key = "k"});
    const auto second = stage.submit({.request_key = "k"});
    const auto strangers = stage.submit({.tenant = "t", .request_key = "k"});
    stage.runner->next({.pieces = {"shared"}, .hold = true});
    stage.release(other, "busy");
    stage.until([&] { return first->row.output.text == "shared" && second->row.output.text == "shared"; });
    stage.end_of(other);
    const auto third = stage.submit({.request_key = "k"});
    stage.until([&] { return third->row.output.text == "shared"; });
    CHECK(stage.wait(stage.jobs->cancel(first)));
    CHECK(first->row.status == JobStatus::cancelled);
    stage.release(third, "shared");
    for (const auto& job : {second, third}) CHECK(stage.end_of(job).output.text == "shared");
    CHECK(stage.end_of(strangers).output.text == "Hello there!");
    CHECK(stage.runner->requests.size() == 3);
    CHECK(second->row.id != third->row.id);
}

TEST_CASE("a generation that nobody wants any more is given up") {
    JobStage stage;
    stage.runner->next({.pieces = {"a"}, .hold = true});
    const auto first = stage.submit({.request_key = "k"});
    const auto second = stage.submit({.request_key = "k"});
    stage.until([&] { return second->row.output.text == "a"; });
    CHECK(stage.wait(stage.jobs->cancel(first)));
    CHECK(stage.runner->cancelled == 0);
    CHECK(stage.wait(stage.jobs->cancel(second)));
    stage.until([&] { return stage.runner->cancelled == 1 && stage.jobs->counts().running == 0; });
    CHECK(second->row.output.text == "a");
}

TEST_CASE("a job that is cancelled while its start is being written stays cancelled over a restart") {
    JobStage stage;
    for (int i = 0; i < 20; ++i) {
        const auto blocker = stage.submit();
        const auto job = stage.submit();
        CHECK(stage.wait(stage.jobs->cancel(job)));
        const auto status = job->row.status;
        CHECK(is_final(status));
        const auto id = job->row.id;
        stage.end_of(blocker);
        stage.restart();
        CHECK(stage.wait(stage.jobs->find("", id)).value()->row.status == status);
    }
}

TEST_CASE("a conversation's jobs run one after the other, each with the turns before it") {
    JobStage stage;
    const auto session = stage.wait(stage.jobs->add_session({.tenant = "t"})).value();
    const auto first = stage.submit({.tenant = "t", .session_id = session.id, .request = "one"});
    const auto second = stage.submit({.tenant = "t", .session_id = session.id, .request = "two"});
    stage.end_of(second);
    CHECK(first->row.status == JobStatus::completed);
    REQUIRE(stage.runner->requests.size() == 2);
    const auto& prompt = std::get<ChatPrompt>(stage.runner->requests[1].prompt);
    REQUIRE(prompt.messages.size() == 3);
    CHECK(prompt.messages[0].content == "one");
    CHECK(prompt.messages[1].content == "Hello there!");
    CHECK(prompt.messages[2].content == "two");
    CHECK(stage.wait(stage.jobs->find_session("t", session.id))->turns.size() == 4);
    stage.now_ms += stage.limits.session_lifetime.count() + 1;
    CHECK(stage.wait(stage.jobs->find_session("t", session.id)).error().code == ErrorCode::not_found);
}

TEST_CASE("a deadline that passed while the process was away ends the job with what it had said") {
    JobStage stage;
    stage.runner->next({.pieces = {"so", " far"}, .hold = true});
    const auto job = stage.submit({.deadline_ms = 60'000});
    stage.until([&] { return job->kept_chunks == 2; });
    stage.submit();  // what is kept has been written before this
    const auto id = job->row.id;
    stage.now_ms += 60'001;
    stage.restart();
    const auto late = stage.wait(stage.jobs->find("", id)).value();
    CHECK(stage.end_of(late).error_code == "deadline_exceeded");
    CHECK(late->row.output.text == "so far");
}

TEST_CASE("a job whose model turns out to be none is refused, whoever named it") {
    JobStage stage;
    const auto error = stage.wait(stage.jobs->submit({.session_id = "no conversation", .model = "none", .names_model = false})).error();
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.field == "model");
}

TEST_CASE("bounds are kept: by tenant, by count") {
    auto limits = JobStage::quick();
    limits.running = 1;
    limits.waiting = 3;
    limits.waiting_of_tenant = 2;
    JobStage stage(limits);
    stage.runner->next({.hold = true});
    stage.submit();
    for (int i = 0; i < 2; ++i) stage.submit({.tenant = "t"});
    const auto refused = [&stage](std::string tenant) {
        return stage.wait(stage.jobs->submit({.tenant = std::move(tenant), .model = "demo", .request = "Hi"})).error().code;
    };
    CHECK(refused("t") == ErrorCode::rate_limited);
    stage.submit({.tenant = "u"});
    CHECK(refused("v") == ErrorCode::overloaded);
    stage.runner->release();
}

TEST_CASE("bounds are kept: by estimated tokens, by a tenant's rate, by what of it runs") {
    auto limits = JobStage::quick();
    limits.waiting_tokens = 1300;
    limits.running_of_tenant = 1;
    limits.submissions_per_second = 1;
    limits.submissions_at_once = 2;
    JobStage stage(limits);
    stage.runner->next({.hold = true});
    const auto first = stage.submit({.tenant = "t"});
    const auto second = stage.submit({.tenant = "t", .tokens = 600});
    const auto refusal = [&stage](std::string tenant, std::int64_t tokens) {
        return stage.wait(stage.jobs->submit({.tenant = std::move(tenant), .model = "demo", .request = "Hi", .tokens = tokens})).error();
    };
    CHECK(refusal("t", 1).code == ErrorCode::rate_limited);
    CHECK(refusal("t", 1).retry_after_s == 1);
    CHECK(refusal("u", 701).code == ErrorCode::overloaded);
    CHECK(stage.end_of(stage.submit({.tenant = "u", .tokens = 400})).status == JobStatus::completed);
    CHECK(second->row.status == JobStatus::pending);
    stage.release(first, "Hello there!");
    CHECK(stage.end_of(second).status == JobStatus::completed);
    const auto counted = stage.jobs->metrics();
    CHECK(counted.submitted == 3);
    CHECK(counted.completed == 3);
    CHECK(counted.refused_key == 2);
    CHECK(counted.refused_server == 1);
    CHECK(counted.pending + counted.processing == 0);
    CHECK(counted.queue_s.counts.size() == seconds_bounds.size() + 1);
}

TEST_CASE("thinking and calls are kept with the job and in its conversation") {
    JobStage stage;
    stage.registry.add("caller", {"completion", "tools", "thinking"})->answers(Script{
        .pieces = {"<think>", "Hm.", "</think>", "<tool_call>\n", R"({"name": "add", "arguments": {"a": 1}})", "\n</tool_call>"}});
    const auto session = stage.wait(stage.jobs->add_session({.tenant = "t"})).value();
    const auto submitted = stage.wait(stage.jobs->submit({.tenant = "t", .session_id = session.id, .model = "caller", .request = "with a tool"}));
    const auto id = submitted.value().job->row.id;
    stage.end_of(submitted->job);
    stage.restart();
    const auto row = stage.wait(stage.jobs->find("t", id)).value()->row;
    CHECK(row.output.text.empty());
    CHECK(row.thinking == "Hm.");
    CHECK(row.tool_calls.ends_with(R"("type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}])"));
    const auto turns = stage.wait(stage.jobs->find_session("t", session.id))->turns;
    REQUIRE(turns.size() == 2);
    CHECK(turns[1].message == R"({"role":"assistant","content":"","thinking":"Hm.","tool_calls":)" + row.tool_calls + "}");
}

TEST_CASE("a conversation of too many bytes takes no more") {
    auto limits = JobStage::quick();
    limits.session_bytes = 100;
    JobStage stage(limits);
    const auto session = stage.wait(stage.jobs->add_session({.tenant = "t"})).value();
    stage.end_of(stage.submit({.tenant = "t", .session_id = session.id, .request = std::string(80, 'x')}));
    const auto more = stage.wait(stage.jobs->submit({.tenant = "t", .session_id = session.id, .model = "demo", .request = std::string(30, 'x')}));
    CHECK(more.error().code == ErrorCode::too_large);
}

TEST_CASE("a callback is tried again later until it is delivered") {
    JobStage stage;
    stage.callbacks.delivers = false;
    const auto job = stage.submit({.callback_url = "http://somewhere/"});
    stage.until([&] { return stage.callbacks.sent.size() == 1; });
    stage.callbacks.delivers = true;
    stage.now_ms += callback_delay_ms(1) + 1;
    stage.until([&] { return stage.callbacks.sent.size() == 2; });
    CHECK(stage.callbacks.sent[1] == job->row.id);
}

TEST_CASE("a callback that was delivered is not sent again while that is being written") {
    JobStage stage;
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 0; i < 40; ++i) jobs.push_back(stage.submit({.tenant = std::to_string(i % 10), .callback_url = "http://somewhere/"}));
    for (const auto& job : jobs) stage.end_of(job);
    stage.until([&] { return stage.callbacks.sent.size() >= jobs.size(); });
    stage.end_of(stage.submit());
    CHECK(stage.callbacks.sent.size() == jobs.size());
    CHECK(std::set(stage.callbacks.sent.begin(), stage.callbacks.sent.end()).size() == jobs.size());
}

TEST_CASE("a receiver that does not answer holds up no other tenant's callbacks") {
    JobStage stage;
    for (int i = 0; i < 30; ++i) stage.end_of(stage.submit({.tenant = "patient", .callback_url = "http://silent/"}));
    const auto job = stage.submit({.tenant = "other", .callback_url = "http://somewhere/"});
    stage.until([&] { return std::ranges::contains(stage.callbacks.sent, job->row.id); });
    CHECK(stage.callbacks.held.size() == callbacks_of_tenant);
    for (std::size_t i = 0; i < callbacks_of_tenant; ++i) std::exchange(stage.callbacks.held[i], nullptr)(false);
    stage.until([&] { return stage.callbacks.held.size() == 2 * callbacks_of_tenant; });  // the next ones
}

TEST_CASE("the answer cache gives an equal request its answer at once, within its tenant") {
    auto limits = JobStage::quick();
    limits.answer_cache_bytes = 1 << 20;
    JobStage stage(limits);
    stage.end_of(stage.submit({.request_key = "k"}));
    const auto again = stage.submit({.request_key = "k"});
    CHECK(again->row.from_cache);
    CHECK(again->row.status == JobStatus::completed);
    CHECK(again->row.output.text == "Hello there!");
    CHECK_FALSE(stage.end_of(stage.submit({.tenant = "t", .request_key = "k"})).from_cache);
    CHECK_FALSE(stage.end_of(stage.submit({.request_key = "other"})).from_cache);
    CHECK(stage.runner->requests.size() == 3);
}

TEST_CASE("a job gets no answer of another model than its own, nor of its model's former file") {
    auto limits = JobStage::quick();
    limits.answer_cache_bytes = 1 << 20;
    JobStage stage(limits);
    stage.registry.add("other", {"completion"})->answers(Script{.pieces = {"from the other"}});
    const auto submit = [&stage](std::string model, std::string pipeline) {
        return stage.wait(stage.jobs->submit({.pipeline = std::move(pipeline), .model = std::move(model), .names_model = false, .request = "Hi", .request_key = "k"})).value().job;
    };
    CHECK(stage.end_of(submit("demo", "")).output.text == "Hello there!");
    const auto chosen_by_pipeline = submit("demo", "other");
    CHECK(stage.end_of(chosen_by_pipeline).output.text == "from the other");
    CHECK(chosen_by_pipeline->row.model == "other");
    CHECK(submit("demo", "")->row.from_cache);
    stage.digest = "new file of ";
    stage.runner->answers(Script{.pieces = {"new"}, .hold = true});
    const auto replaced = submit("demo", "");
    CHECK_FALSE(replaced->row.from_cache);
    stage.until([&] { return replaced->row.output.text == "new"; });
    stage.digest = "newest file of ";
    stage.release(replaced, "new");
    stage.end_of(replaced);
    stage.digest = "new file of ";
    CHECK_FALSE(submit("demo", "")->row.from_cache);  // nobody knows which file that answer was of
    stage.runner->release();
}

TEST_CASE("a job in flight is not shared with one for another model") {
    JobStage stage;
    stage.registry.add("other", {"completion"})->answers(Script{.pieces = {"from the other"}});
    stage.runner->next({.pieces = {"busy"}, .hold = true});
    const auto first = stage.submit({.request_key = "k"});
    stage.until([&] { return first->row.output.text == "busy"; });
    const auto second = stage.wait(stage.jobs->submit({.pipeline = "other", .model = "demo", .names_model = false, .request = "Hi", .request_key = "k"})).value().job;
    CHECK(stage.end_of(second).output.text == "from the other");
    stage.release(first, "busy");
}

TEST_CASE("bounds hold for submissions that come at the same time") {
    auto limits = JobStage::quick();
    limits.running = 1;
    const auto count = [](const std::vector<Result<SubmittedJob>>& outcomes, ErrorCode code) {
        return std::ranges::count_if(outcomes, [code](const auto& outcome) { return !outcome && outcome.error().code == code; });
    };
    const auto from_many = [](JobRequest request) {
        std::vector<JobRequest> requests(20, request);
        for (std::size_t i = 0; i < requests.size(); ++i) requests[i].tenant = "t" + std::to_string(i);
        return requests;
    };
    SECTION("jobs of the server") {
        limits.waiting = 4;
        JobStage stage(limits);
        stage.runner->answers(Script{.hold = true});
        stage.submit();
        CHECK(count(stage.submit_together(from_many({})), ErrorCode::overloaded) == 16);
    }
    SECTION("jobs of a key") {
        limits.waiting_of_tenant = 3;
        JobStage stage(limits);
        stage.runner->answers(Script{.hold = true});
        stage.submit();
        CHECK(count(stage.submit_together(std::vector<JobRequest>(20, {.tenant = "t"})), ErrorCode::rate_limited) == 17);
    }
    SECTION("bytes") {
        limits.waiting_bytes = 100'000;
        JobStage stage(limits);
        stage.runner->answers(Script{.hold = true});
        stage.submit();
        CHECK(count(stage.submit_together(from_many({.request = std::string(30'000, 'x')})), ErrorCode::overloaded) == 17);
        CHECK(stage.refusal({.tenant = "u", .request = std::string(100'001, 'x')}) == ErrorCode::too_large);
    }
    SECTION("tokens") {
        limits.waiting_tokens = 4000;
        JobStage stage(limits);
        stage.runner->answers(Script{.hold = true});
        stage.submit();
        CHECK(count(stage.submit_together(from_many({.tokens = 900})), ErrorCode::overloaded) == 16);
    }
}

TEST_CASE("no key shuts others out, however many jobs or tokens it asks for") {
    auto limits = JobStage::quick();
    limits.running = 1;
    limits.waiting = 6;
    limits.waiting_tokens = 10'000;
    JobStage stage(limits);
    stage.runner->answers(Script{.hold = true});
    stage.submit();
    SECTION("jobs") {
        for (int i = 0; i < 3; ++i) stage.submit({.tenant = "greedy"});
        CHECK(stage.refusal({.tenant = "greedy"}) == ErrorCode::rate_limited);
    }
    SECTION("tokens, which are never more than the model's window") {
        CHECK(stage.submit({.tenant = "greedy", .tokens = 2'000'000'000})->row.tokens == 4096);
        CHECK(stage.refusal({.tenant = "greedy", .tokens = 2'000'000'000}) == ErrorCode::rate_limited);
    }
    CHECK(stage.submit({.tenant = "modest", .tokens = 1000})->row.status == JobStatus::pending);
}

TEST_CASE("a deadline that cannot be met is refused at once") {
    auto limits = JobStage::quick();
    limits.running = 1;
    JobStage stage(limits);
    stage.runner->next({.pieces = {"slow"}, .hold = true});
    const auto slow = stage.submit();
    stage.until([&] { return slow->row.output.text == "slow"; });
    stage.now_ms += 10'000;  // that is how long runs take
    stage.release(slow, "slow");
    stage.end_of(slow);
    stage.runner->answers(Script{.hold = true});
    for (int i = 0; i < 3; ++i) stage.submit();
    CHECK(stage.refusal({.deadline_ms = 5000}) == ErrorCode::timeout);
    CHECK(stage.submit({.deadline_ms = 60'000})->row.status == JobStatus::pending);
}

TEST_CASE("jobs whose time is over go portion after portion without a pause, and are not listed before they go") {
    auto limits = JobStage::quick();
    limits.lifetime = 1000ms;
    limits.expire_every = 1s;
    limits.expire_at_once = 1;
    JobStage stage(limits);
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 0; i < 60; ++i) jobs.push_back(stage.submit({.request_key = "k"}));  // one pause each: longer than anything is waited for here
    for (const auto& job : jobs) stage.end_of(job);
    stage.now_ms += 1001;
    const auto alive = stage.submit();
    stage.end_of(alive);
    CHECK(stage.wait(stage.jobs->list({.tenant = "", .limit = 100})).value().rows.size() == 1);
    const auto gone = [&stage](const std::string& id) {
        std::optional<bool> expired;
        stage.store->find(id, [&expired](Result<FoundJob> found) { expired = found->expired; });
        stage.until([&] { return expired.has_value(); });
        return *expired;
    };
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!std::ranges::all_of(jobs, [&](const auto& job) { return gone(job->row.id); })) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        stage.io.run_for(20ms);
    }
    CHECK_FALSE(gone(alive->row.id));
}

TEST_CASE("a job whose conversation was deleted before its turn fails, and one whose conversation's time ran out goes on") {
    auto limits = JobStage::quick();
    limits.running = 1;
    limits.expire_every = 5ms;
    JobStage stage(limits);
    const auto deleted = stage.wait(stage.jobs->add_session({.tenant = "t"})).value();
    const auto old = stage.wait(stage.jobs->add_session({.tenant = "t", .lifetime_ms = 1000})).value();
    for (const auto& id : {deleted.id, old.id}) stage.end_of(stage.submit({.tenant = "t", .session_id = id, .request = "one"}));
    stage.runner->next({.pieces = {"busy"}, .hold = true});
    const auto blocker = stage.submit();
    const auto orphan = stage.submit({.tenant = "t", .session_id = deleted.id, .request = "two"});
    const auto second = stage.submit({.tenant = "t", .session_id = old.id, .request = "two"});
    CHECK(stage.wait(stage.jobs->remove_session("t", deleted.id)));
    stage.now_ms += 1'000'000;
    stage.io.run_for(50ms);
    stage.release(blocker, "busy");
    CHECK(stage.end_of(orphan).error_code == "session_gone");
    CHECK(stage.end_of(second).status == JobStatus::completed);
    CHECK(stage.wait(stage.jobs->find_session("t", old.id))->turns.size() == 4);
    const auto& prompt = std::get<ChatPrompt>(stage.runner->requests.back().prompt);
    CHECK(prompt.messages.size() == 3);
    stage.now_ms += 1'000'000;
    CHECK(stage.wait(stage.jobs->find_session("t", old.id)).error().code == ErrorCode::not_found);
}

TEST_CASE("what was acknowledged is found by its key, though nothing more would be taken") {
    auto limits = JobStage::quick();
    limits.submissions_per_second = 0.001;
    limits.submissions_at_once = 1;
    JobStage stage(limits);
    const auto job = stage.submit({.tenant = "t", .idempotency_key = "k", .body_hash = "h"});
    CHECK(stage.refusal({.tenant = "t"}) == ErrorCode::rate_limited);
    const auto found = stage.wait(stage.jobs->find_submitted("t", "k", "h")).value();
    REQUIRE(found);
    CHECK(found->job == job);
    CHECK_FALSE(found->created);
    CHECK(found->same_body);
    CHECK_FALSE(stage.wait(stage.jobs->find_submitted("t", "k", "other")).value()->same_body);
    CHECK_FALSE(stage.wait(stage.jobs->find_submitted("u", "k", "h")).value());
}

TEST_CASE("a page tells the places of those that wait") {
    auto limits = JobStage::quick();
    limits.running = 1;
    JobStage stage(limits);
    stage.runner->next({.pieces = {"busy"}, .hold = true});
    const auto running = stage.submit();
    for (int i = 0; i < 2; ++i) stage.submit();
    CHECK(stage.wait(stage.jobs->list({.tenant = ""})).value().queue_positions == std::vector<std::size_t>{2, 1, 0});
    CHECK(stage.wait(stage.jobs->list({.tenant = "", .after_id = "nobody"})).error().field == "after");
    stage.release(running, "busy");
}

}  // namespace weft::test
