#include "api/jobs/job_cursor.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace weft::api::jobs {

bool JobCursor::read(const JobRow& row, Sink& sink, std::size_t max_bytes) {
    const auto& output = row.output;
    const bool begun = row.status != JobStatus::pending && row.attempt > 0;
    if (begun && row.attempt != attempt_) *this = JobCursor(row.attempt, 0), told_start_ = false;
    if (begun && !told_start_) {
        sink.started(row.attempt);
        told_start_ = true;
    }
    std::size_t told = 0;
    if (begun && next_ < output.sizes.size()) {
        const auto first = output.sizes.begin();
        if (!offset_) offset_ = std::accumulate(first, first + static_cast<std::ptrdiff_t>(next_), std::size_t{0});
        for (; next_ < output.sizes.size(); ++next_) {
            if (told >= max_bytes) return false;
            const auto text = std::string_view(output.text).substr(*offset_, output.sizes[next_]);
            sink.chunk(row.attempt, next_, text);
            *offset_ += text.size();
            told += text.size() + 1;
        }
    }
    if (is_final(row.status) && !at_end_) {
        at_end_ = true;
        sink.ended(row);
    }
    return true;
}

std::string start_event_id(std::uint32_t attempt) { return std::to_string(attempt) + ".start"; }
std::string chunk_event_id(std::uint32_t attempt, std::size_t chunk) { return std::to_string(attempt) + "." + std::to_string(chunk); }
std::string end_event_id(std::uint32_t attempt) { return std::to_string(attempt) + ".end"; }

LastEvent after_event(std::string_view id) {
    const auto dot = id.find('.');
    if (dot == id.npos) return {};
    std::uint32_t attempt = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + dot, attempt);
    if (error != std::errc{} || end != id.data() + dot) return {};
    const auto event = id.substr(dot + 1);
    if (event == "end") return {.was_end = true};
    if (event == "start") return {.cursor = JobCursor(attempt, 0)};
    std::uint32_t chunk = 0;
    const auto [chunk_end, chunk_error] = std::from_chars(event.data(), event.data() + event.size(), chunk);
    if (chunk_error != std::errc{} || chunk_end != event.data() + event.size()) return {};
    return {.cursor = JobCursor(attempt, std::size_t{chunk} + 1)};
}

}  // namespace weft::api::jobs
