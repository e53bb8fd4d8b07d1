#include "services/jobs/job_queue.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>

namespace weft::test {
namespace {

std::shared_ptr<Job> waiting(std::int64_t number, std::int32_t priority = 0, std::string conversation = "", std::string key = "", std::string tenant = "t") {
    return std::make_shared<Job>(JobRow{.number = number, .id = std::to_string(number), .tenant = std::move(tenant), .session_id = conversation,
                                        .in_session = !conversation.empty(), .request_bytes = 10, .request_key = std::move(key), .priority = priority});
}

std::int64_t number_of(const std::shared_ptr<Job>& job) { return job ? job->row.number : -1; }

constexpr std::int32_t any = INT32_MAX;

}  // namespace

TEST_CASE("the smaller priority goes first, then who was accepted first") {
    JobQueue queue;
    for (const auto& job : {waiting(1, 100), waiting(2, 0), waiting(3, -100), waiting(4, 0)}) queue.add(job);
    for (const std::int64_t expected : {3, 2, 4, 1, -1}) CHECK(number_of(queue.take(any)) == expected);
    CHECK(queue.size() == 0);
    CHECK(queue.load().bytes == 0);
}

TEST_CASE("a job that comes back takes its old place") {
    JobQueue queue;
    for (const auto& job : {waiting(2), waiting(3), waiting(1)}) queue.add(job);
    for (const std::int64_t expected : {1, 2, 3}) CHECK(number_of(queue.take(any)) == expected);
}

TEST_CASE("low priorities wait while only urgent ones may start") {
    JobQueue queue;
    queue.add(waiting(1, 100));
    CHECK(number_of(queue.take(99)) == -1);
    queue.add(waiting(2, 0));
    CHECK(number_of(queue.take(99)) == 2);
    CHECK(number_of(queue.take(any)) == 1);
}

TEST_CASE("of one conversation only one job runs, in the order of acceptance, and others pass by") {
    JobQueue queue;
    const auto first = waiting(1, 0, "c");
    const auto second = waiting(2, 0, "c");
    const auto other = waiting(3);
    const auto anothers = waiting(4, 0, "c", "", "u");
    for (const auto& job : {first, second, other, anothers}) queue.add(job);
    CHECK(queue.take(any) == first);
    CHECK(queue.take(any) == anothers);  // whose turn it is
    CHECK(queue.take(any) == other);
    CHECK(queue.take(any) == nullptr);
    CHECK(queue.size() == 1);
    queue.release(first->row);
    CHECK(queue.take(any) == second);
}

TEST_CASE("a job that is held by its conversation can be removed") {
    JobQueue queue;
    const auto first = waiting(1, 0, "c");
    const auto second = waiting(2, 0, "c");
    queue.add(first);
    queue.add(second);
    CHECK(queue.take(any) == first);
    CHECK(queue.take(any) == nullptr);
    CHECK(queue.remove(*second));
    CHECK_FALSE(queue.remove(*second));
    queue.release(first->row);
    CHECK(queue.take(any) == nullptr);
    CHECK(queue.size() == 0);
}

TEST_CASE("equal requests of a tenant leave the queue together") {
    JobQueue queue;
    const auto one = waiting(1, 0, "", "same");
    for (const auto& job : {one, waiting(2, 0, "", "same"), waiting(3, 100, "", "same"), waiting(4, 0, "", "else"), waiting(5, 0, "", "same", "u")})
        queue.add(job);
    CHECK(queue.take(any) == one);
    CHECK(queue.take_equal(*one).size() == 2);
    CHECK(queue.size() == 2);
}

TEST_CASE("positions count those before, and tenants are counted") {
    JobQueue queue;
    const std::vector jobs{waiting(1, 0), waiting(2, 100), waiting(3, 0, "", "", "u"), waiting(4, -100)};
    for (const auto& job : jobs) queue.add(job);
    CHECK(queue.position(*jobs[3]) == 1);
    CHECK(queue.position(*jobs[0]) == 2);
    CHECK(queue.position(*jobs[2]) == 3);
    CHECK(queue.position(*jobs[1]) == 4);
    CHECK(queue.load_of("t").jobs == 3);
    CHECK(queue.load_of("u").jobs == 1);
    queue.remove(*jobs[0]);
    CHECK(queue.position(*jobs[2]) == 2);
    CHECK(queue.load_of("t").jobs == 2);
}

TEST_CASE("jobs that their own conversation holds up wait behind each other, and behind what may start") {
    JobQueue queue;
    const auto running = waiting(1, 0, "c");
    const auto second = waiting(2, 0, "c");
    const auto third = waiting(3, 0, "c");
    const auto fourth = waiting(4, 0, "c");
    for (const auto& job : {running, second, third, fourth}) queue.add(job);
    CHECK(queue.take(any) == running);
    CHECK(queue.take(any) == nullptr);
    for (const auto& [job, place] : {std::pair{second, 1}, {third, 2}, {fourth, 3}}) CHECK(queue.position(*job) == static_cast<std::size_t>(place));
    queue.add(waiting(5));
    queue.add(waiting(6, 100));
    CHECK(queue.position(*third) == 3);
}

TEST_CASE("room is kept for jobs on their way to the store") {
    JobQueue queue;
    const auto job = waiting(1);
    queue.expect(job->row);
    CHECK(queue.size() == 0);
    CHECK(queue.load().jobs == 1);
    CHECK(queue.load_of("t").bytes == JobQueue::load_of(job->row).bytes);
    queue.forget_expected(job->row);
    queue.add(job);
    CHECK(queue.load_of("t").jobs == 1);
    CHECK(queue.take(any) == job);
    CHECK(queue.load().bytes == 0);
}

TEST_CASE("a tenant with a flood of jobs does not delay another one's") {
    JobQueue queue;
    for (int i = 1; i <= 100; ++i) queue.add(waiting(i, 0, "", "", "flood"));
    const auto alone = waiting(101, 0, "", "", "modest");
    queue.add(alone);
    CHECK(queue.position(*alone) == 2);
    CHECK(number_of(queue.take(any)) == 1);
    CHECK(queue.take(any) == alone);
    CHECK(number_of(queue.take(any)) == 2);
    // Places that come free go to who has fewest.
    const std::vector more{waiting(102, 0, "", "", "modest"), waiting(103, 0, "", "", "modest")};
    for (const auto& job : more) queue.add(job);
    CHECK(queue.take(any) == more[0]);
    CHECK(number_of(queue.take(any)) == 3);
    queue.release(alone->row);
    CHECK(queue.take(any) == more[1]);
}

TEST_CASE("a tenant's jobs beyond its share wait while others' run, and urgency does not change that") {
    JobQueue queue(2);
    for (int i = 1; i <= 4; ++i) queue.add(waiting(i, i == 4 ? -100 : 0, "", "", "t"));
    const auto others = waiting(5, 100, "", "", "u");
    queue.add(others);
    const auto first = queue.take(any);
    CHECK(number_of(first) == 4);
    CHECK(number_of(queue.take(any)) == 1);
    CHECK(queue.take(any) == others);
    CHECK(queue.take(any) == nullptr);
    CHECK_FALSE(queue.claim(waiting(6, 0, "", "", "t")->row));
    CHECK(queue.claim(waiting(7, 0, "", "", "u")->row));
    queue.release(first->row);
    CHECK(number_of(queue.take(any)) == 2);
}

TEST_CASE("positions of jobs whose tenants take turns are those in which they are taken") {
    JobQueue queue;
    std::vector<std::shared_ptr<Job>> jobs;
    for (int i = 1; i <= 30; ++i) {
        jobs.push_back(waiting(i, 0, "", "", std::string(1, static_cast<char>('a' + i * i % 5))));
        queue.add(jobs.back());
    }
    std::map<std::int64_t, std::size_t> told;
    for (const auto& job : jobs) told[job->row.number] = queue.position(*job);
    for (std::size_t place = 1; place <= jobs.size(); ++place) {
        const auto job = queue.take(any);
        REQUIRE(job);
        CHECK(told[job->row.number] == place);
        queue.release(job->row);
    }
}

TEST_CASE("estimated tokens are summed up") {
    JobQueue queue;
    auto job = waiting(1);
    job->row.tokens = 700;
    queue.add(job);
    CHECK(queue.load().tokens == 700);
    queue.remove(*job);
    CHECK(queue.load().tokens == 0);
}

TEST_CASE("whatever is added, taken, released and removed: nothing is lost and a conversation is never in two places") {
    std::mt19937 random(5);
    const auto up_to = [&random](int n) { return std::uniform_int_distribution<int>(0, n)(random); };
    JobQueue queue;
    std::vector<std::shared_ptr<Job>> inside, running;
    for (int step = 1; step < 5000; ++step) {
        const auto what = up_to(5);
        if (what <= 2) {
            inside.push_back(waiting(step, 100 * (up_to(2) - 1), up_to(1) == 0 ? "" : "c" + std::to_string(up_to(3)), "", "t" + std::to_string(up_to(2))));
            queue.add(inside.back());
        } else if (what == 3) {
            if (const auto job = queue.take(any)) {
                if (job->row.in_session)
                    for (const auto& other : running) CHECK((!other->row.in_session || other->row.session_id != job->row.session_id || other->row.tenant != job->row.tenant));
                CHECK(std::erase(inside, job) == 1);
                running.push_back(job);
            }
        } else if (what == 4 && !running.empty()) {
            const auto job = running[static_cast<std::size_t>(up_to(static_cast<int>(running.size()) - 1))];
            std::erase(running, job);
            queue.release(job->row);
        } else if (!inside.empty()) {
            const auto job = inside[static_cast<std::size_t>(up_to(static_cast<int>(inside.size()) - 1))];
            CHECK(queue.remove(*job));
            std::erase(inside, job);
        }
        REQUIRE(queue.size() == inside.size());
    }
    for (const auto& job : running) queue.release(job->row);
    while (const auto job = queue.take(any)) {
        CHECK(std::erase(inside, job) == 1);
        queue.release(job->row);
    }
    CHECK(inside.empty());
    CHECK(queue.load().bytes == 0);
}

}  // namespace weft::test
