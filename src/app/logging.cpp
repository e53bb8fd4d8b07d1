#include "app/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdlib>

#include "base/log.h"

namespace weft {
namespace {

constexpr std::array level_names = {"trace", "debug", "info", "warn", "error"};

LogLevel level_of(const std::string& name) {
    for (std::size_t i = 0; i < level_names.size(); ++i)
        if (name == level_names[i]) return static_cast<LogLevel>(i);
    return LogLevel::info;
}

// Quotes and backslashes escaped, control characters made visible: one event stays one line.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out.append({'\\', c});
        else if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<int>(c));
        else out += c;
    }
    return out;
}

std::string text_line(std::string_view event, const LogField* fields, std::size_t n) {
    std::string line(event);
    for (std::size_t i = 0; i < n; ++i) {
        const bool plain = !fields[i].value.empty() && fields[i].value.find_first_of(" \"\\=\n\r\t") == std::string::npos;
        line.append(" ").append(fields[i].key).append("=");
        if (plain) line += escaped(fields[i].value);
        else line.append("\"").append(escaped(fields[i].value)).append("\"");
    }
    return line;
}

std::string json_members(std::string_view event, const LogField* fields, std::size_t n) {
    std::string line = "\"event\":\"" + escaped(event) + "\"";
    for (std::size_t i = 0; i < n; ++i) {
        line.append(",\"").append(fields[i].key).append("\":");
        if (fields[i].is_number) line += fields[i].value;
        else line.append("\"").append(escaped(fields[i].value)).append("\"");
    }
    return line;
}

bool json_format = false;

void write_line(LogLevel level, std::string_view event, const LogField* fields, std::size_t n) {
    const auto text = json_format ? json_members(event, fields, n) : text_line(event, fields, n);
    spdlog::default_logger_raw()->log(static_cast<spdlog::level::level_enum>(level), text);
}

}  // namespace

void set_up_logging(const std::string& level, const std::string& format) {
    json_format = format == "json";
    auto logger = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_level(spdlog::level::trace);  // base/log.h filters
    logger->flush_on(spdlog::level::trace);
    logger->set_pattern(json_format ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%fZ %l %v",
                        spdlog::pattern_time_type::utc);
    spdlog::set_default_logger(std::move(logger));
    set_log_level(level_of(level));
    set_log_sink(write_line);
    ::setenv("WEFT_LOG_LEVEL", level.c_str(), 1);
    ::setenv("WEFT_LOG_FORMAT", format.c_str(), 1);
}

void set_up_engine_logging() {
    const char* level = std::getenv("WEFT_LOG_LEVEL");
    const char* format = std::getenv("WEFT_LOG_FORMAT");
    set_up_logging(level != nullptr ? level : "info", format != nullptr ? format : "text");
}

}  // namespace weft
