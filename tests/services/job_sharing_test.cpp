// Several services on one Redis server: nodes that run each other's jobs. What one node does is in job_service_test.cpp.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <list>

#include "services/jobs/job_service.h"
#include "store/redis_job_store.h"
#include "support/fake_runner.h"
#include "support/redis_server.h"

namespace weft::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct SilentCallbacks final : CallbackSender {
    [[nodiscard]] std::string refusal(const std::string&) const override { return {}; }
    void send(const JobRow&, std::function<void(bool)> done) override { done(true); }
};

// A node: its own event loop, which does nothing while nobody runs it, as a process that is stopped.
struct Node {
    Node(const RedisServer& server, std::chrono::milliseconds lease, std::size_t parallel)
        : store(io.get_executor(), {.address = {.host = "127.0.0.1", .port = server.port()}, .node = "node", .lease = lease}) {
        JobLimits limits;
        limits.running = parallel;
        limits.keep_text_every = 0ms;
        limits.retry_write_after = limits.retry_busy_after = 20ms;
        limits.share_every = 50ms;
        jobs = std::make_unique<JobService>(JobService::Parts{
            .io = io.get_executor(), .chat = chat, .store = store, .callbacks = callbacks,
            .plan = [](const JobRow& row, const std::string& request, const SessionRow* session) -> Result<JobPlan> {
                ChatPrompt prompt;
                if (session)
                    for (const auto& turn : session->turns) prompt.messages.push_back({.role = turn.role, .content = turn.content});
                prompt.messages.push_back({.role = "user", .content = request});
                JobPlan plan;
                plan.request.model = row.model;
                plan.own_turns = {{"user", request}};
                plan.request.generate.prompt = std::move(prompt);
                return plan;
            },
            .unix_ms = [] { return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); },
            .limits = limits});
        REQUIRE(jobs->recover());
    }
    ~Node() {
        jobs.reset();
        io.poll();
    }

    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    FakeRegistry registry{io.get_executor()};
    ChatService chat{registry, io.get_executor()};
    std::shared_ptr<FakeRunner> runner = registry.add("demo", {"completion"});
    SilentCallbacks callbacks;
    RedisJobStore store;
    std::unique_ptr<JobService> jobs;
    bool stopped = false;
};

class Cluster {
  public:
    explicit Cluster(std::chrono::milliseconds lease = 60s, std::size_t parallel = 4, std::size_t nodes = 2) {
        if (!RedisServer::installed()) SKIP("needs redis-server");
        server.emplace();
        for (std::size_t i = 0; i < nodes; ++i) all.emplace_back(*server, lease, parallel);
        a = &all.front();
        b = &*std::next(all.begin());
        until([this] { return std::ranges::all_of(all, [](const Node& node) { return node.store.up(); }); });
    }

    void turn() {
        for (auto& node : all)
            if (!node.stopped) node.io.run_one_for(2ms);
        for (auto& node : all)
            if (!node.stopped) node.io.poll();
    }
    void until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + 60s;
        while (!condition()) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            turn();
        }
    }
    template <typename T>
    T wait(Node& node, asio::awaitable<T> work) {
        std::optional<T> value;
        asio::co_spawn(node.io, std::move(work), [&value](const std::exception_ptr&, T got) { value.emplace(std::move(got)); });
        until([&] { return value.has_value(); });
        return std::move(*value);
    }
    std::shared_ptr<Job> submit(Node& node, JobRequest request = {}) {
        request.model = "demo";
        if (request.request.empty()) request.request = "Hi";
        return wait(node, node.jobs->submit(std::move(request))).value().job;
    }
    // It has begun on that node when this returns: while a node claims, another one may be quicker.
    std::shared_ptr<Job> submit_on(Node& node) {
        for (auto& other : all) other.stopped = &other != &node;
        // What the others asked before they stopped is answered before this is: none of them gets the job unawares.
        (void)wait(node, node.jobs->find("", "none"));
        auto job = submit(node);
        until([&] { return job->row.status != JobStatus::pending; });
        for (auto& other : all) other.stopped = false;
        return job;
    }
    std::shared_ptr<Job> find(Node& node, const std::string& id, const std::string& tenant = "") {
        return wait(node, node.jobs->find(tenant, id)).value();
    }
    const JobRow& end_of(const std::shared_ptr<Job>& job) {
        // Somebody looks at it, as a reader of its stream does.
        const auto place = job->watchers.insert(job->watchers.end(), [] {});
        until([&] { return is_final(job->row.status); });
        job->watchers.erase(place);
        return job->row;
    }

    std::optional<RedisServer> server;
    std::list<Node> all;
    Node* a = nullptr;
    Node* b = nullptr;
};

}  // namespace

TEST_CASE("a job that one node runs is read on another one while it runs, to the same end") {
    Cluster cluster;
    cluster.a->runner->next({.pieces = {"Once", " upon"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.sizes.size() == 2; });
    const auto seen = cluster.find(*cluster.b, job->row.id);
    const auto place = seen->watchers.insert(seen->watchers.end(), [] {});
    cluster.until([&] { return seen->row.output.text == "Once upon"; });
    CHECK(seen->row.status == JobStatus::processing);
    CHECK(seen->row.attempt == 1);
    cluster.a->runner->release();
    cluster.until([&] { return is_final(seen->row.status); });
    seen->watchers.erase(place);
    CHECK(seen->row.output.text == "Once upon");
    CHECK(seen->row.output.sizes == job->row.output.sizes);
    CHECK(seen->row.completion_tokens == job->row.completion_tokens);
    CHECK(cluster.wait(*cluster.b, cluster.b->jobs->find("other", job->row.id)).error().code == ErrorCode::not_found);
}

TEST_CASE("a node that is full leaves what waits to one that has room") {
    Cluster cluster(60s, 1);
    cluster.a->runner->next({.hold = true});
    const auto first = cluster.submit_on(*cluster.a);
    const auto second = cluster.submit(*cluster.a);
    CHECK(second->row.status != JobStatus::failed);
    CHECK(cluster.end_of(second).status == JobStatus::completed);
    CHECK(cluster.b->runner->requests.size() == 1);
    CHECK(first->row.status == JobStatus::processing);
    cluster.a->runner->release();
    cluster.end_of(first);
}

TEST_CASE("many jobs from all nodes end once each") {
    Cluster cluster(60s, 2, 3);
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 0; i < 60; ++i) jobs.push_back(cluster.submit(*std::next(cluster.all.begin(), i % 3), {.request = "job " + std::to_string(i)}));
    std::size_t runs = 0;
    for (const auto& job : jobs) {
        CHECK(cluster.end_of(job).output.text == "Hello there!");
        CHECK(job->row.attempt == 1);
    }
    for (const auto& node : cluster.all) runs += node.runner->requests.size();
    CHECK(runs == 60);
    cluster.until([&] { return std::ranges::all_of(cluster.all, [](const Node& node) { return node.jobs->counts().running == 0; }); });
}

TEST_CASE("a conversation goes on from node to node, one job after the other") {
    Cluster cluster;
    const auto session = cluster.wait(*cluster.a, cluster.a->jobs->add_session({.tenant = "t"})).value();
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 0; i < 6; ++i)
        jobs.push_back(cluster.submit(i % 2 == 0 ? *cluster.a : *cluster.b, {.tenant = "t", .session_id = session.id, .request = std::to_string(i)}));
    for (const auto& job : jobs) cluster.end_of(job);
    const auto turns = cluster.wait(*cluster.b, cluster.b->jobs->find_session("t", session.id))->turns;
    REQUIRE(turns.size() == 12);
    for (std::size_t i = 0; i < 6; ++i) CHECK(turns[2 * i].content == std::to_string(i));
    std::size_t messages = 0;
    for (const auto& node : cluster.all)
        for (const auto& request : node.runner->requests) messages += std::get<ChatPrompt>(request.prompt).messages.size();
    CHECK(messages == 1 + 3 + 5 + 7 + 9 + 11);
}

TEST_CASE("a job is cancelled from another node, with what it has said so far") {
    Cluster cluster;
    cluster.a->runner->next({.pieces = {"so", " far"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.sizes.size() == 2; });
    const auto seen = cluster.find(*cluster.b, job->row.id);
    CHECK(cluster.wait(*cluster.b, cluster.b->jobs->cancel(seen)));
    CHECK(seen->row.status == JobStatus::cancelled);
    CHECK(seen->row.output.text == "so far");
    cluster.until([&] { return cluster.a->runner->cancelled == 1; });
    cluster.until([&] { return job->row.status == JobStatus::cancelled; });
}

TEST_CASE("a job that was removed on one node is unknown on the others") {
    Cluster cluster;
    const auto job = cluster.submit_on(*cluster.a);
    cluster.end_of(job);
    const auto seen = cluster.find(*cluster.b, job->row.id);
    CHECK(cluster.end_of(seen).status == JobStatus::completed);
    cluster.a->stopped = true;  // the news of it come later than the question
    CHECK(cluster.wait(*cluster.b, cluster.b->jobs->remove(seen)));
    cluster.a->stopped = false;
    CHECK(cluster.wait(*cluster.a, cluster.a->jobs->find("", job->row.id)).error_or(Error{}).code == ErrorCode::not_found);
}

TEST_CASE("another node runs the jobs of one that died, and its readers are told of the new attempt") {
    Cluster cluster(400ms);
    cluster.a->runner->next({.pieces = {"lost"}, .hold = true});
    const auto id = cluster.submit_on(*cluster.a)->row.id;
    const auto seen = cluster.find(*cluster.b, id);
    const auto place = seen->watchers.insert(seen->watchers.end(), [] {});
    cluster.until([&] { return seen->row.output.text == "lost"; });
    cluster.all.pop_front();
    cluster.until([&] { return is_final(seen->row.status); });
    seen->watchers.erase(place);
    CHECK(seen->row.output.text == "Hello there!");
    CHECK(seen->row.attempt == 2);
}

TEST_CASE("what a node has to say that was stopped for longer than its lease is refused, and it shows what the other one said") {
    Cluster cluster(400ms);
    cluster.a->runner->next({.pieces = {"stale"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.text == "stale"; });
    const auto seen = cluster.find(*cluster.b, job->row.id);
    cluster.a->stopped = true;
    CHECK(cluster.end_of(seen).attempt == 2);
    cluster.a->runner->release();
    cluster.a->stopped = false;
    CHECK(cluster.end_of(job).output.text == "Hello there!");
    CHECK(job->row.attempt == 2);
    CHECK(cluster.find(*cluster.a, job->row.id)->row.output.text == "Hello there!");
    cluster.until([&] { return cluster.a->jobs->counts().running == 0; });
}

TEST_CASE("a node that ends in good order gives its jobs back, so that nobody waits for the end of their lease") {
    Cluster cluster;
    cluster.a->runner->next({.pieces = {"half"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.text == "half"; });
    const auto seen = cluster.find(*cluster.b, job->row.id);
    bool drained = false;
    cluster.a->jobs->drain(1ms, [&] { drained = true; });
    cluster.until([&] { return drained; });
    CHECK(cluster.end_of(seen).output.text == "Hello there!");
    CHECK(seen->row.attempt == 2);
    CHECK(cluster.b->runner->requests.size() == 1);
}

TEST_CASE("while the server is away jobs are refused and running ones go on; their end is written when it is back") {
    Cluster cluster;
    cluster.a->runner->next({.pieces = {"before"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.text == "before"; });
    cluster.server->kill();
    cluster.until([&] { return !cluster.a->store.up(); });
    CHECK(cluster.wait(*cluster.a, cluster.a->jobs->submit({.model = "demo", .request = "Hi"})).error().code == ErrorCode::overloaded);
    cluster.a->runner->release();
    for (int i = 0; i < 20; ++i) cluster.turn();
    CHECK_FALSE(is_final(job->row.status));
    cluster.server->start();
    CHECK(cluster.end_of(job).output.text == "before");
    CHECK(job->row.attempt == 1);
    cluster.until([&] { return cluster.b->store.up(); });
    const auto seen = cluster.find(*cluster.b, job->row.id);
    CHECK(cluster.end_of(seen).output.text == "before");
    CHECK(cluster.end_of(cluster.submit(*cluster.b)).status == JobStatus::completed);
}

TEST_CASE("a running job lives through an absence of the server that is longer than its lease") {
    Cluster cluster(600ms);
    cluster.a->runner->next({.pieces = {"long"}, .hold = true});
    const auto job = cluster.submit_on(*cluster.a);
    cluster.until([&] { return job->row.output.text == "long"; });
    cluster.server->kill();
    const auto end = std::chrono::steady_clock::now() + 900ms;
    while (std::chrono::steady_clock::now() < end) cluster.turn();
    cluster.server->start();
    cluster.until([&] { return cluster.a->store.up() && cluster.b->store.up(); });
    const auto again = std::chrono::steady_clock::now() + 900ms;
    while (std::chrono::steady_clock::now() < again) cluster.turn();
    cluster.a->runner->release();
    CHECK(cluster.end_of(job).output.text == "long");
    CHECK(job->row.attempt == 1);
}

}  // namespace weft::test
