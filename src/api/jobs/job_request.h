#pragma once

#include <string>
#include <string_view>

#include "api/jobs/services.h"
#include "api/json_reader.h"

namespace weft::api::jobs {

inline constexpr std::size_t max_session_id_characters = 128;
inline constexpr std::size_t max_metadata_entries = 16;
inline constexpr std::size_t max_metadata_key_bytes = 64;
inline constexpr std::size_t max_metadata_value_bytes = 512;
inline constexpr std::size_t max_idempotency_key_bytes = 255;
inline constexpr std::size_t max_callback_url_bytes = 2048;
inline constexpr std::size_t max_document_name_bytes = 256;
inline constexpr std::int64_t max_deadline_ms = 7LL * 24 * 3600 * 1000;

// A request for a job, every rule checked that needs no running model. An error names the field.
[[nodiscard]] Result<JobRequest> read_job_request(const Services& services, const JsonReader& body, std::string tenant);

// What JobRequest::request meant, see JobService::PlanJob.
[[nodiscard]] Result<JobPlan> plan_job(const Services& services, const JobRow& row, const std::string& request,
                                       const SessionRow* session);

// The name of a pipeline that the server has; empty for none.
[[nodiscard]] Result<std::string> read_pipeline(const Services& services, const JsonReader& value);
// Ids or names of documents; empty for none.
[[nodiscard]] Result<std::vector<std::string>> read_documents(const JsonReader& value);
// Metadata: an object of strings within the bounds above, as JSON text; "{}" for none.
[[nodiscard]] Result<std::string> read_strings(const JsonReader& value);

// Of any text, as hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace weft::api::jobs
