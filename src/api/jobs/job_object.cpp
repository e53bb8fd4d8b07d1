#include "api/jobs/job_object.h"

#include <array>
#include <ctime>

#include "api/json_text.h"

namespace weft::api::jobs {
namespace {

constexpr std::array<std::string_view, 5> words{"pending", "processing", "completed", "failed", "cancelled"};

void append_text(std::string& out, std::string_view key, std::string_view value) {
    out += key;
    append_json_string(out, value);
}

}  // namespace

std::string_view status_word(JobStatus status) { return words[static_cast<std::size_t>(status)]; }

std::optional<JobStatus> status_named(std::string_view word) {
    for (std::size_t i = 0; i < words.size(); ++i)
        if (words[i] == word) return static_cast<JobStatus>(i);
    return std::nullopt;
}

std::string time_json(std::int64_t unix_ms) {
    if (unix_ms == 0) return "null";
    const std::time_t seconds = unix_ms / 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::array<char, 32> text{};
    const auto length = std::strftime(text.data(), text.size(), "\"%Y-%m-%dT%H:%M:%S.", &utc);
    const auto fraction = std::to_string(1000 + unix_ms % 1000).substr(1);
    return std::string(text.data(), length) + fraction + "Z\"";
}

std::string usage_object(const JobRow& row) {
    return R"({"prompt_tokens":)" + std::to_string(row.prompt_tokens) + R"(,"cached_tokens":)" + std::to_string(row.cached_tokens) +
           R"(,"completion_tokens":)" + std::to_string(row.completion_tokens) + "}";
}

std::string answer_members(const JobRow& row) {
    std::string out;
    if (!is_final(row.status)) return out;
    if (!row.thinking.empty()) append_text(out, R"(,"thinking":)", row.thinking);
    if (!row.tool_calls.empty()) out += R"(,"tool_calls":)" + row.tool_calls;
    if (!row.sources.empty()) out += R"(,"sources":)" + row.sources;
    return out;
}

std::string job_error_object(const JobRow& row) {
    std::string out;
    append_text(out, R"({"code":)", row.error_code);
    append_text(out, R"(,"message":)", row.error_message);
    if (!row.error_stage.empty()) append_text(out, R"(,"stage":)", row.error_stage);
    return out + "}";
}

std::string job_object(const JobRow& row, std::size_t queue_position) {
    const bool completed = row.status == JobStatus::completed;
    const bool broken_off = is_final(row.status) && !completed;
    std::string out;
    append_text(out, R"({"request_id":)", row.id);
    append_text(out, R"(,"session_id":)", row.session_id);
    append_text(out, R"(,"status":)", status_word(row.status));
    out += R"(,"result":)";
    completed ? append_json_string(out, row.output.text) : void(out += "null");
    if (broken_off && !row.output.text.empty()) append_text(out, R"(,"partial_result":)", row.output.text);
    out += answer_members(row);
    out += R"(,"error":)" + (broken_off ? job_error_object(row) : std::string("null"));
    append_text(out, R"(,"model":)", row.model);
    if (!row.pipeline.empty()) append_text(out, R"(,"pipeline":)", row.pipeline);
    out += R"(,"created_at":)" + time_json(row.created_ms);
    out += R"(,"started_at":)" + time_json(row.started_ms);
    out += R"(,"finished_at":)" + time_json(row.finished_ms);
    out += R"(,"queue_position":)" + (queue_position == 0 ? std::string("null") : std::to_string(queue_position));
    out += R"(,"attempt":)" + std::to_string(row.attempt);
    if (row.from_cache) out += R"(,"cached":true)";
    if (!row.trace.empty()) out += R"(,"trace":)" + row.trace;
    return out + R"(,"usage":)" + usage_object(row) + R"(,"metadata":)" + row.metadata + "}";
}

}  // namespace weft::api::jobs
