#include "services/pipelines/pipeline.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

#include "services/jobs/job_service.h"
#include "store/sqlite_document_store.h"
#include "store/sqlite_job_store.h"
#include "support/fake_runner.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 30s;

struct NoCallbacks final : CallbackSender {
    [[nodiscard]] std::string refusal(const std::string&) const override { return {}; }
    void send(const JobRow&, std::function<void(bool)> done) override { done(true); }
};

// Jobs with pipelines over a real store and a fake model. A request is what is asked.
class PipelineStage {
  public:
    explicit PipelineStage(PipelineMap map, JobLimits with = quick()) : options(std::move(map)), limits(with) { open(); }
    ~PipelineStage() { close(); }

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
    std::shared_ptr<Job> submit(std::string question, JobRequest request = {}) {
        if (request.model.empty()) request.model = "demo";
        request.request = std::move(question);
        return wait(jobs->submit(std::move(request))).value().job;
    }
    const JobRow& end_of(const std::shared_ptr<Job>& job) {
        until([&] { return is_final(job->row.status); });
        return job->row;
    }
    const JobRow& ask(std::string question, std::string pipeline = "p") {
        return end_of(asked_.emplace_back(submit(std::move(question), {.pipeline = std::move(pipeline)})));
    }
    std::string prompt(std::size_t request = 0) { return std::get<ChatPrompt>(runner->requests.at(request).prompt).messages.back().content; }
    void add_document(std::string text, std::string tenant = "") {
        REQUIRE(wait(documents->add({.tenant = std::move(tenant), .name = "note", .bytes = std::move(text)}, {})));
    }
    void restart() {
        close();
        open();
    }

    PipelineMap options;
    JobLimits limits;
    TemporaryFolder folder;
    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    FakeRegistry registry{io.get_executor()};
    ChatService chat{registry, io.get_executor()};
    EmbedService embed{registry};
    std::shared_ptr<FakeRunner> runner = registry.add("demo", {"completion", "embedding"});
    NoCallbacks callbacks;
    std::unique_ptr<SqliteFile> file;
    std::unique_ptr<SqliteJobStore> store;
    std::unique_ptr<SqliteDocumentStore> document_store;
    std::unique_ptr<DocumentService> documents;
    std::unique_ptr<Pipelines> pipelines;
    std::unique_ptr<JobService> jobs;

  private:
    void open() {
        file = SqliteFile::open(folder.path(), {}, [this](std::function<void()> done) { asio::post(io, std::move(done)); }).value();
        store = std::make_unique<SqliteJobStore>(*file);
        document_store = std::make_unique<SqliteDocumentStore>(*file);
        documents = std::make_unique<DocumentService>(
            DocumentService::Parts{.io = io.get_executor(), .registry = registry, .embed = embed, .store = *document_store, .unix_ms = [] { return 7; }});
        pipelines = std::make_unique<Pipelines>(io.get_executor(), documents.get(), options);
        jobs = std::make_unique<JobService>(JobService::Parts{
            .io = io.get_executor(), .chat = chat, .store = *store, .callbacks = callbacks,
            .plan = [](const JobRow& row, const std::string& request, const SessionRow* session) -> Result<JobPlan> {
                ChatPrompt prompt;
                if (session)
                    for (const auto& turn : session->turns) prompt.messages.push_back({.role = turn.role, .content = turn.content});
                prompt.messages.push_back({.role = "user", .content = request});
                JobPlan plan{.request = {.model = row.model}, .own_turns = {{"user", request}}};
                plan.request.generate.prompt = std::move(prompt);
                return plan;
            },
            .unix_ms = [] { return 1'000'000; }, .limits = limits, .pipelines = pipelines.get()});
        REQUIRE(jobs->recover());
    }
    void close() {
        jobs.reset();
        pipelines.reset();
        documents.reset();
        document_store.reset();
        store.reset();
        file.reset();
        io.poll();
    }
    std::vector<std::shared_ptr<Job>> asked_{};
};

PipelineMap one(PipelineOptions options) { return {{"p", std::move(options)}}; }

std::vector<std::string> stages_in(const std::string& trace) {
    std::vector<std::string> stages;
    constexpr std::string_view key = R"("stage":")";
    for (auto at = trace.find(key); at != std::string::npos; at = trace.find(key, at + 1))
        stages.push_back(trace.substr(at + key.size(), trace.find('"', at + key.size()) - at - key.size()));
    return stages;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a job that retrieves asks with the passages it found, and names its sources") {
    PipelineStage stage(one({.retrieve = RetrieveOptions{.passages = 1}}));
    stage.add_document("The green book is in the kitchen.");
    stage.add_document("Ana lives in Oslo.");
    const auto& row = stage.ask("The green book is in the kitchen.");
    CHECK(row.status == JobStatus::completed);
    CHECK(stage.prompt() == "Context:\n[1] The green book is in the kitchen.\n\nQuestion: The green book is in the kitchen.");
    CHECK(row.sources.contains(R"("name":"note","passage":0,"start":0,"text":"The green book is in the kitchen.","score":1,"similarity":1)"));
    CHECK(stages_in(row.trace) == Texts{"retrieve", "assemble", "infer", "deliver"});
    stage.restart();
    const auto found = stage.wait(stage.jobs->find("", row.id)).value();
    CHECK(found->row.sources == row.sources);
    CHECK(found->row.trace == row.trace);
    CHECK(found->row.pipeline == "p");
}

TEST_CASE("a question without passages is asked as it is, and other keys' documents are not looked at") {
    PipelineStage stage(one({.retrieve = RetrieveOptions{}}));
    stage.add_document("The green book is in the kitchen.", "other");
    CHECK(stage.ask("Where is the green book?").sources == "[]");
    CHECK(stage.prompt() == "Where is the green book?");
}

TEST_CASE("a template says what the model is asked, and the system message stands before it") {
    PipelineStage stage(one({.assemble = AssembleOptions{.prompt_template = "Q={{ question }} n={{ passages | length }} m={{ messages | length }}"},
                             .infer = {.system = "Be brief."}}));
    stage.ask("Hi");
    CHECK(stage.prompt() == "Q=Hi n=0 m=2");
    CHECK(std::get<ChatPrompt>(stage.runner->requests.at(0).prompt).messages.front().content == "Be brief.");
}

TEST_CASE("an error of a stage names the stage and is counted") {
    PipelineStage stage({{"template", {.assemble = AssembleOptions{.prompt_template = "{{ raise_exception('no') }}"}}},
                         {"loop", {.assemble = AssembleOptions{.prompt_template = "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}"}}},
                         {"json", {.post = PostOptions{.json = true}}},
                         {"infer", {}}});
    const auto failed = [&](const char* pipeline, const char* at) {
        const auto& row = stage.ask("Hi", pipeline);
        CHECK(row.status == JobStatus::failed);
        CHECK(row.error_stage == at);
        CHECK(stages_in(row.trace).back() == at);
        for (const auto which : all_stages)
            if (name_of(which) == at) CHECK(stage.pipelines->find(pipeline)->counts(which).errors == 1);
        return row.error_code;
    };
    CHECK(failed("template", "assemble") == "invalid_request");
    CHECK(failed("loop", "assemble") == "invalid_request");
    CHECK(stage.runner->requests.empty());
    CHECK(failed("json", "post") == "invalid_json");
    stage.runner->next({.refuse = Error{.code = ErrorCode::context_overflow, .message = "too long"}});
    CHECK(failed("infer", "infer") == "context_length_exceeded");
    stage.runner->answers(R"({"a":1})");
    CHECK(stage.ask("Hi", "json").status == JobStatus::completed);
}

TEST_CASE("what is redacted is never told, neither on the way nor when the job is broken off") {
    PipelineStage stage(one({.post = PostOptions{.trim = true, .redact = RedactOptions{.words = {"secret"}, .patterns = {"[0-9]{4}"}}}}));
    stage.runner->next({.pieces = {" my se", "cret is", " 1234 "}});
    std::string seen;
    const auto job = stage.submit("Hi", {.pipeline = "p"});
    const auto watcher = job->watchers.insert(job->watchers.end(), [&] { seen += job->row.output.text; });
    CHECK(stage.end_of(job).output.text == "my [redacted] is [redacted]");
    CHECK_FALSE(seen.contains("1234"));
    CHECK_FALSE(seen.contains("my se"));
    job->watchers.erase(watcher);
    CHECK(stages_in(job->row.trace) == Texts{"infer", "post", "deliver"});

    stage.runner->next({.pieces = {"secret 12", "34"}, .hold = true});
    const auto cancelled = stage.submit("Hi", {.pipeline = "p"});
    stage.until([&] { return cancelled->row.completion_tokens == 2; });
    CHECK(stage.wait(stage.jobs->cancel(cancelled)));
    CHECK(cancelled->row.output.text.empty());
    CHECK(cancelled->row.thinking.empty());
}

TEST_CASE("text that no stage changes is told as it comes, unless it is to be held back") {
    PipelineStage stage({{"streamed", {.post = PostOptions{.json = true}}}, {"held", {.deliver = {.stream = false}}}});
    for (const auto& [name, pieces] : {std::pair{"streamed", 2}, std::pair{"held", 1}}) {
        stage.runner->next({.pieces = {"[1,", "2]"}});
        const auto& row = stage.ask("Hi", name);
        CHECK(row.output.text == "[1,2]");
        CHECK(row.output.sizes.size() == static_cast<std::size_t>(pieces));
    }
}

TEST_CASE("a job that is taken up after a crash passes its pipeline from the start") {
    PipelineStage stage(one({.retrieve = RetrieveOptions{.passages = 1}}));
    stage.add_document("The green book is in the kitchen.");
    stage.runner->next({.pieces = {"lost"}, .hold = true});
    const auto job = stage.submit("Where is the green book?", {.pipeline = "p"});
    stage.until([&] { return job->row.output.text == "lost"; });
    const auto id = job->row.id;
    stage.restart();
    const auto again = stage.wait(stage.jobs->find("", id)).value();
    CHECK(stage.end_of(again).status == JobStatus::completed);
    CHECK(again->row.attempt == 2);
    CHECK(again->row.sources.contains("green book"));
    CHECK(stage.prompt(1) == stage.prompt(0));
    CHECK(stages_in(again->row.trace) == Texts{"retrieve", "assemble", "infer", "deliver"});
}

TEST_CASE("a job whose pipeline is gone after a restart fails and says so") {
    PipelineStage stage(one({}));
    stage.runner->next({.pieces = {"lost"}, .hold = true});
    const auto job = stage.submit("Hi", {.pipeline = "p"});
    stage.until([&] { return job->row.output.text == "lost"; });
    const auto id = job->row.id;
    stage.options.clear();
    stage.restart();
    const auto again = stage.wait(stage.jobs->find("", id)).value();
    CHECK(stage.end_of(again).error_message.contains("\"p\""));
}

TEST_CASE("a session's pipeline is that of its jobs, unless they name another one, and its turns are what was asked") {
    PipelineStage stage({{"p", {.assemble = AssembleOptions{.prompt_template = "<{{ question }}>"}}}, {"q", {}}});
    const auto session = stage.wait(stage.jobs->add_session({.pipeline = "p"})).value();
    stage.end_of(stage.submit("one", {.session_id = session.id}));
    stage.end_of(stage.submit("two", {.session_id = session.id, .pipeline = "q"}));
    stage.end_of(stage.submit("three", {.session_id = session.id}));
    CHECK(stage.prompt(0) == "<one>");
    CHECK(stage.prompt(1) == "two");
    CHECK(stage.prompt(2) == "<three>");
    const auto turns = stage.wait(stage.jobs->find_session("", session.id)).value().turns;
    CHECK(turns.at(0).content == "one");
    CHECK(std::get<ChatPrompt>(stage.runner->requests.at(2).prompt).messages.at(0).content == "one");
}

TEST_CASE("the model of a pipeline is that of jobs that name none") {
    PipelineStage stage(one({.infer = {.model = "other"}}));
    const auto other = stage.registry.add("other", {"completion"});
    stage.end_of(stage.submit("Hi", {.pipeline = "p", .names_model = false}));
    stage.end_of(stage.submit("Hi", {.pipeline = "p", .names_model = true}));
    CHECK(other->requests.size() == 1);
    CHECK(stage.runner->requests.size() == 1);
}

TEST_CASE("jobs wait for a stage in their order, and one that is full is tried again") {
    PipelineStage stage(one({.infer = {.bounds = {.parallel = 1, .queue = 1}}}));
    stage.runner->next({.pieces = {"a"}, .hold = true});
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 0; i < 4; ++i) jobs.push_back(stage.submit("Hi", {.pipeline = "p"}));
    const auto counts = [&] { return stage.pipelines->find("p")->counts(Stage::infer); };
    stage.until([&] { return counts().waiting == 1 && jobs[0]->row.output.text == "a"; });
    CHECK(counts().running == 1);
    CHECK(stage.runner->requests.size() == 1);
    stage.io.run_for(20ms);  // it is held after its last piece, a few turns later
    stage.runner->release();
    for (const auto& job : jobs) CHECK(stage.end_of(job).status == JobStatus::completed);
    CHECK(counts().running == 0);
    CHECK(counts().waiting == 0);
    CHECK(counts().errors == 0);
}

TEST_CASE("a job that is cancelled while it waits for a stage leaves the place to others") {
    PipelineStage stage(one({.infer = {.bounds = {.parallel = 1, .queue = 8}}}));
    stage.runner->next({.pieces = {"a"}, .hold = true});
    const auto first = stage.submit("Hi", {.pipeline = "p"});
    stage.until([&] { return first->row.output.text == "a"; });
    const auto second = stage.submit("Hi", {.pipeline = "p"});
    const auto third = stage.submit("Hi", {.pipeline = "p"});
    const auto counts = [&] { return stage.pipelines->find("p")->counts(Stage::infer); };
    stage.until([&] { return counts().waiting == 2; });
    CHECK(stage.wait(stage.jobs->cancel(second)));
    CHECK(counts().waiting == 1);
    CHECK(stage.wait(stage.jobs->cancel(first)));
    CHECK(stage.end_of(third).status == JobStatus::completed);
    stage.until([&] { return counts().running == 0 && stage.jobs->counts().running == 0; });
}

TEST_CASE("retrieval that cannot be had ends the job, at its stage") {
    PipelineStage stage(one({.retrieve = RetrieveOptions{.documents = {"handbook"}}}));
    const auto& missing = stage.ask("Hi");
    CHECK(missing.error_code == "documents_not_found");
    CHECK(missing.error_stage == "retrieve");
    CHECK(missing.sources.empty());
}

TEST_CASE("equal questions are not shared when documents decide about the answer") {
    PipelineStage stage(one({.retrieve = RetrieveOptions{}}));
    const auto first = stage.submit("Hi", {.pipeline = "p", .request_key = "k"});
    const auto second = stage.submit("Hi", {.pipeline = "p", .request_key = "k"});
    stage.end_of(first);
    stage.end_of(second);
    CHECK(stage.runner->requests.size() == 2);
}

TEST_CASE("what is wrong with a pipeline is found before it is used") {
    const auto field_of = [](const PipelineOptions& options) { return check_pipeline(options).error().field; };
    CHECK(check_pipeline({}));
    CHECK(field_of({.assemble = AssembleOptions{.prompt_template = "{% if %}"}}) == "assemble.template");
    CHECK(field_of({.post = PostOptions{.redact = RedactOptions{.words = {""}}}}) == "post.redact.words");
    CHECK(field_of({.post = PostOptions{.redact = RedactOptions{.patterns = {"("}}}}) == "post.redact.patterns");
    CHECK(field_of({.post = PostOptions{.trim = true}, .deliver = {.stream = true}}) == "deliver.stream");
}

}  // namespace weft::test
