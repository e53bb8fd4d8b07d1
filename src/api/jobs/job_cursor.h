#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/job_row.h"

namespace weft::api::jobs {

// How far a reader of a job has come. Each reader sees the whole text of one attempt exactly once; when a job has to run
// again, the reader begins again with it.
class JobCursor {
  public:
    // What is new for a reader. The text is borrowed from the row.
    struct Sink {
        virtual ~Sink() = default;
        virtual void started(std::uint32_t attempt) = 0;
        virtual void chunk(std::uint32_t attempt, std::size_t number, std::string_view text) = 0;
        virtual void ended(const JobRow& row) = 0;
    };

    // At the start.
    JobCursor() = default;
    // After that many chunks of that attempt.
    JobCursor(std::uint32_t attempt, std::size_t chunks) : attempt_(attempt), next_(chunks), told_start_(true) {}

    // Tells what is new, at most about max_bytes of it. False when there was more.
    bool read(const JobRow& row, Sink& sink, std::size_t max_bytes);
    // The end has been told: nothing comes any more.
    [[nodiscard]] bool at_end() const { return at_end_; }

  private:
    std::uint32_t attempt_ = 0;
    std::size_t next_ = 0;                    // chunk
    std::optional<std::size_t> offset_{};     // of that chunk in the text
    bool told_start_ = false;
    bool at_end_ = false;
};

// The ids of events: "2.start", "2.17" (a chunk of the second attempt), "2.end".
[[nodiscard]] std::string start_event_id(std::uint32_t attempt);
[[nodiscard]] std::string chunk_event_id(std::uint32_t attempt, std::size_t chunk);
[[nodiscard]] std::string end_event_id(std::uint32_t attempt);

struct LastEvent {
    JobCursor cursor{};
    bool was_end = false;
};
// Where a reader goes on that has seen that event. At the start for what is no id of ours.
[[nodiscard]] LastEvent after_event(std::string_view id);

}  // namespace weft::api::jobs
