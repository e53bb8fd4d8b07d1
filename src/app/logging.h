#pragma once

#include <string>

namespace weft {

// Sends log lines through spdlog to standard error: `format` "text" (time level event key=value ...) or "json" (one
// object a line). level: trace, debug, info, warn, error. Engine processes inherit both through the environment
// (WEFT_LOG_LEVEL, WEFT_LOG_FORMAT). Once per process, before threads start.
void set_up_logging(const std::string& level, const std::string& format);
void set_up_engine_logging();

}  // namespace weft
