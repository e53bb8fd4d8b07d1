#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "dialect.h"
#include "histogram.h"
#include "options.h"

namespace weft::bench {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double us_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::micro>(to - from).count();
}

// One request while it runs.
struct Observation {
    Clock::time_point due{};    // when it was to be sent: in an open loop waiting for a connection counts too
    Clock::time_point first{};  // first text
    Clock::time_point last{};   // last text so far
    std::uint64_t pieces = 0;   // events with text
    std::uint32_t leave_after = 0;  // pieces; 0: stays
    int status = 0;
    Answer answer{};
};

enum class Ending { completed, failed, cut_off, left };

// All requests of a run. ITL: gaps between pieces of text; TPOT: their mean within one request, by the server's count of
// tokens, which stays right when a server puts several tokens into one event.
class Measurement {
  public:
    explicit Measurement(const Options& options) : options_(options) {}

    void start() { started_ = ended_ = Clock::now(); }
    void request_started();
    void stream_opened();
    void text_arrived(Observation& seen);
    void request_ended(const Observation& seen, Ending ending, const std::string& error, bool stream_was_open);
    void get_completed(Clock::time_point due, int status);
    void not_sent() { ++errors_["not_sent"]; }

    [[nodiscard]] double elapsed_s() const { return us_between(started_, ended_) / 1e6; }

    // Read by the report.
    Histogram ttft, itl, tpot, e2e;
    std::uint64_t completed = 0, cut_off = 0, left = 0, good = 0;
    std::uint64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
    std::uint32_t in_flight = 0, peak_in_flight = 0, open_streams = 0, peak_open_streams = 0;
    [[nodiscard]] const std::map<std::string, std::uint64_t>& errors() const { return errors_; }
    [[nodiscard]] const std::string& first_error() const { return first_error_; }

  private:
    void count_completed(const Observation& seen);

    const Options& options_;
    Clock::time_point started_{}, ended_{};
    std::map<std::string, std::uint64_t> errors_;  // by kind
    std::string first_error_;                      // in full, for whoever has to find out
};

}  // namespace weft::bench
