#include "api/jobs/job_object.h"

#include <catch2/catch_test_macros.hpp>

#include "api/jobs/errors.h"

namespace weft::api::jobs {

TEST_CASE("a job object has every field of the contract, null where there is nothing") {
    const JobRow row{.id = "i", .session_id = "s", .model = "m", .metadata = R"({"k":"v"})", .created_ms = 1'700'000'000'007};
    CHECK(job_object(row, 3) ==
          R"({"request_id":"i","session_id":"s","status":"pending","result":null,"error":null,"model":"m",)"
          R"("created_at":"2023-11-14T22:13:20.007Z","started_at":null,"finished_at":null,"queue_position":3,"attempt":0,)"
          R"("usage":{"prompt_tokens":0,"cached_tokens":0,"completion_tokens":0},"metadata":{"k":"v"}})");
}

TEST_CASE("a failed job keeps what there was as its partial result") {
    JobRow row{.id = "i", .status = JobStatus::failed, .output = {"Once \"upon\"", {11}}, .error_code = "deadline_exceeded", .error_message = "late"};
    const auto text = job_object(row, 0);
    CHECK(text.contains(R"("result":null,"partial_result":"Once \"upon\"","error":{"code":"deadline_exceeded","message":"late"})"));
    row.status = JobStatus::completed;
    CHECK(job_object(row, 0).contains(R"("status":"completed","result":"Once \"upon\"","error":null)"));
}

TEST_CASE("thinking and calls are told once the job has ended") {
    JobRow row{.id = "i", .status = JobStatus::processing, .thinking = "Hm.", .tool_calls = R"([{"id":"call_1"}])"};
    CHECK(answer_members(row).empty());
    row.status = JobStatus::completed;
    CHECK(job_object(row, 0).contains(R"("result":"","thinking":"Hm.","tool_calls":[{"id":"call_1"}],"error":null)"));
}

TEST_CASE("every kind of error has a status and a code of its own") {
    const auto is = [](Error error, int status, std::string_view start) {
        const auto response = error_response(error);
        CHECK(response.status == status);
        CHECK(response.body.starts_with(start));
    };
    is({.code = ErrorCode::not_found, .message = "m", .field = "request_id"}, 404, R"({"error":{"code":"not_found","message":"m","field":"request_id"}})");
    is({.code = ErrorCode::expired}, 410, R"({"error":{"code":"expired")");
    is({.code = ErrorCode::conflict, .field = "Idempotency-Key"}, 422, R"({"error":{"code":"conflict")");
    is({.code = ErrorCode::conflict, .field = "session_id"}, 409, R"({"error":{"code":"conflict")");
    is({.code = ErrorCode::storage_full}, 507, R"({"error":{"code":"storage_full")");
    is({.code = ErrorCode::rate_limited}, 429, R"({"error":{"code":"rate_limited")");
    is({.code = ErrorCode::invalid_request, .reason = ErrorReason::malformed_json}, 400, R"({"error":{"code":"invalid_json","message":"","field":null}})");
    CHECK(error_response({.code = ErrorCode::overloaded, .retry_after_s = 7}).headers.at(0).second == "7");
}

TEST_CASE("the words of statuses are told apart both ways") {
    for (const auto status : {JobStatus::pending, JobStatus::processing, JobStatus::completed, JobStatus::failed, JobStatus::cancelled})
        CHECK(status_named(status_word(status)) == status);
    CHECK_FALSE(status_named("odd"));
}

}  // namespace weft::api::jobs
