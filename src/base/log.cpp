#include "base/log.h"

#include <atomic>
#include <cstdio>

namespace weft {
namespace {

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::trace: return "trace";
        case LogLevel::debug: return "debug";
        case LogLevel::info: return "info";
        case LogLevel::warn: return "warn";
        case LogLevel::error: return "error";
    }
    return "?";
}

// One write per line, so that lines of several threads and processes do not mix.
void write_to_stderr(LogLevel level, std::string_view event, const LogField* fields, std::size_t n_fields) {
    std::string line;
    line.append(level_name(level)).append(" ").append(event);
    for (std::size_t i = 0; i < n_fields; ++i) {
        line.append(" ").append(fields[i].key).append("=");
        for (const char c : fields[i].value) line.push_back(c == '\n' || c == '\r' ? ' ' : c);
    }
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
}

std::atomic<LogSink> current_sink{&write_to_stderr};
std::atomic<LogLevel> current_level{LogLevel::info};

}  // namespace

void set_log_sink(LogSink sink) { current_sink = sink; }
void set_log_level(LogLevel level) { current_level = level; }
bool log_enabled(LogLevel level) { return level >= current_level.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    if (log_enabled(level)) current_sink.load()(level, event, fields.begin(), fields.size());
}

}  // namespace weft
