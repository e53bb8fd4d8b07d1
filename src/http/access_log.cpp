#include "http/access_log.h"

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/log.h"

namespace weft::http {
namespace {

LogLevel level_of(const Turn& turn) {
    if (turn.status >= 500) return LogLevel::warn;
    return turn.match.access_log == AccessLog::quiet ? LogLevel::debug : LogLevel::info;
}

std::int64_t milliseconds_since(TimePoint start) {
    if (start == TimePoint{}) return 0;
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock().now() - start).count();
}

}  // namespace

void log_access(const Turn& turn) {
    const LogLevel level = level_of(turn);
    if (!log_enabled(level)) return;
    log(level, "http_request",
        {{"method", turn.request.method.empty() ? "-" : turn.request.method},
         {"route", turn.match.pattern.empty() ? "-" : std::string(turn.match.pattern)},
         {"status", turn.status},
         {"bytes", turn.bytes_sent},
         {"ms", milliseconds_since(turn.request.received_at)},
         {"request_id", turn.request.id}});
}

}  // namespace weft::http
