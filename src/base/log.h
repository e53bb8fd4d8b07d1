#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class LogLevel { trace, debug, info, warn, error };

struct LogField {
    std::string_view key;
    std::string value;
    bool is_number = false;  // written without quotes in JSON

    LogField(std::string_view name, std::string text) : key(name), value(std::move(text)) {}
    LogField(std::string_view name, std::integral auto number) : key(name), value(std::to_string(number)), is_number(true) {}
};

// Where log lines go. The default writes "level event key=value ..." to standard error. Set once, before threads start.
// fields are borrowed for the call. Never put prompts, answers or API keys into a field.
using LogSink = void (*)(LogLevel level, std::string_view event, const LogField* fields, std::size_t n_fields);
void set_log_sink(LogSink sink);
void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);

// Thread: any. event is a short snake_case name that stays the same from release to release.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::debug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::info, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::warn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::error, event, fields);
}

}  // namespace weft
