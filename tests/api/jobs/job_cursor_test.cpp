#include "api/jobs/job_cursor.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace weft::api::jobs {
namespace {

struct Told final : JobCursor::Sink {
    std::vector<std::string> what{};
    void started(std::uint32_t attempt) override { what.push_back("start " + std::to_string(attempt)); }
    void chunk(std::uint32_t attempt, std::size_t number, std::string_view text) override {
        what.push_back(chunk_event_id(attempt, number) + " " + std::string(text));
    }
    void ended(const JobRow& row) override { what.push_back("end " + std::to_string(static_cast<int>(row.status))); }
};

using What = std::vector<std::string>;

// What a reader is told of the job as it is now.
What told(JobCursor& cursor, const JobRow& row, std::size_t max_bytes = 1000) {
    Told sink;
    cursor.read(row, sink, max_bytes);
    return sink.what;
}

JobRow running(std::uint32_t attempt, std::vector<std::string> chunks) {
    JobRow row{.status = JobStatus::processing, .attempt = attempt};
    for (const auto& chunk : chunks) {
        row.output.text += chunk;
        row.output.sizes.push_back(static_cast<std::uint32_t>(chunk.size()));
    }
    return row;
}

}  // namespace

TEST_CASE("a reader is told everything once, however the job grows") {
    JobCursor cursor;
    CHECK(told(cursor, {}) == What{});
    CHECK(told(cursor, running(1, {})) == What{"start 1"});
    CHECK(told(cursor, running(1, {"a", "bc"})) == What{"1.0 a", "1.1 bc"});
    auto row = running(1, {"a", "bc", "d"});
    row.status = JobStatus::completed;
    CHECK(told(cursor, row) == What{"1.2 d", "end 2"});
    CHECK(cursor.at_end());
    CHECK(told(cursor, row) == What{});
}

TEST_CASE("a reader of an attempt that is over begins again with the next one") {
    JobCursor cursor;
    told(cursor, running(1, {"a", "b"}));
    JobRow waiting = running(2, {});
    waiting.status = JobStatus::pending;
    CHECK(told(cursor, waiting) == What{});
    CHECK(told(cursor, running(2, {"x"})) == What{"start 2", "2.0 x"});
}

TEST_CASE("a job that ends before it began has only an end") {
    JobCursor cursor;
    CHECK(told(cursor, {.status = JobStatus::cancelled}) == What{"end 4"});
    CHECK(cursor.at_end());
}

TEST_CASE("much text is told in parts") {
    JobCursor cursor;
    const auto row = running(1, {"aaaa", "bbbb", "cccc"});
    Told sink;
    CHECK_FALSE(cursor.read(row, sink, 6));
    CHECK(sink.what == What{"start 1", "1.0 aaaa", "1.1 bbbb"});
    CHECK(cursor.read(row, sink, 6));
    CHECK(sink.what.back() == "1.2 cccc");
}

TEST_CASE("a reader goes on after the event whose id it names") {
    auto row = running(3, {"a", "", "c"});
    row.status = JobStatus::completed;
    const auto from = [&row](std::string_view id) {
        auto last = after_event(id);
        return told(last.cursor, row);
    };
    const What all{"start 3", "3.0 a", "3.1 ", "3.2 c", "end 2"};
    for (const auto* id : {"", "x", "3", "3.", "3.x", "3.-1", ".1", "2.end2", "99999999999.0", "2.start", "2.1"}) {
        INFO(id);
        CHECK(from(id) == all);
    }
    CHECK(from(start_event_id(3)) == What{"3.0 a", "3.1 ", "3.2 c", "end 2"});
    CHECK(from(chunk_event_id(3, 1)) == What{"3.2 c", "end 2"});
    CHECK(from(chunk_event_id(3, 2)) == What{"end 2"});
    CHECK(after_event(end_event_id(3)).was_end);
    CHECK_FALSE(after_event(chunk_event_id(3, 0)).was_end);
}

}  // namespace weft::api::jobs
