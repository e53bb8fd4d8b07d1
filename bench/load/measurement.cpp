#include "measurement.h"

#include <algorithm>

namespace weft::bench {

void Measurement::request_started() { peak_in_flight = std::max(peak_in_flight, ++in_flight); }

void Measurement::stream_opened() { peak_open_streams = std::max(peak_open_streams, ++open_streams); }

void Measurement::text_arrived(Observation& seen) {
    const auto now = Clock::now();
    if (seen.pieces++ == 0) {
        seen.first = now;
        ttft.add(us_between(seen.due, now));
    } else {
        itl.add(us_between(seen.last, now));
    }
    seen.last = now;
}

void Measurement::request_ended(const Observation& seen, Ending ending, const std::string& error,
                                bool stream_was_open) {
    ended_ = Clock::now();
    --in_flight;
    if (stream_was_open) --open_streams;
    prompt_tokens += seen.answer.prompt_tokens;
    cached_tokens += seen.answer.cached_tokens;
    completion_tokens += std::max(seen.answer.completion_tokens, seen.pieces);
    switch (ending) {
        case Ending::completed: return count_completed(seen);
        case Ending::cut_off: ++cut_off; return;
        case Ending::left: ++left; return;
        case Ending::failed:
            ++errors_[error.substr(0, error.find(':'))];
            if (first_error_.empty()) first_error_ = error;
            return;
    }
}

void Measurement::count_completed(const Observation& seen) {
    ++completed;
    e2e.add(us_between(seen.due, ended_));
    if (!options_.stream || seen.pieces == 0) return;
    const auto tokens = std::max(seen.answer.completion_tokens, seen.pieces);
    const double mean_gap = tokens > 1 ? us_between(seen.first, seen.last) / static_cast<double>(tokens - 1) : 0;
    if (tokens > 1) tpot.add(mean_gap);
    if (us_between(seen.due, seen.first) <= options_.ttft_limit_ms * 1000 && mean_gap <= options_.itl_limit_ms * 1000)
        ++good;
}

void Measurement::get_completed(Clock::time_point due, int status) {
    ended_ = Clock::now();
    e2e.add(us_between(due, ended_));
    if (status >= 200 && status < 300)
        ++completed;
    else
        ++errors_["http_" + std::to_string(status)];
}

}  // namespace weft::bench
