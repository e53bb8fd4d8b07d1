#pragma once

#include <cstdint>
#include <string>

#include "services/jobs/job_service.h"

namespace weft::api::jobs {

// The job object; queue_position 0: it does not wait.
[[nodiscard]] std::string job_object(const JobRow& row, std::size_t queue_position);
// {"prompt_tokens","cached_tokens","completion_tokens"}
[[nodiscard]] std::string usage_object(const JobRow& row);
// ,"thinking":"..." and ,"tool_calls":[...] and ,"sources":[...] of a finished job, as far as it has them.
[[nodiscard]] std::string answer_members(const JobRow& row);
// {"code","message"} of a job that failed or was cancelled, and "stage" when that was in one of its pipeline.
[[nodiscard]] std::string job_error_object(const JobRow& row);

// "2026-03-01T12:00:00.123Z" as a JSON string; null for 0.
[[nodiscard]] std::string time_json(std::int64_t unix_ms);
[[nodiscard]] std::string_view status_word(JobStatus status);
[[nodiscard]] std::optional<JobStatus> status_named(std::string_view word);

}  // namespace weft::api::jobs
