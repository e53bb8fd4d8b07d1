#include "base/assert.h"

#include <cstdlib>
#include <string>

#include "base/log.h"

namespace weft {

void assertion_failed(std::string_view what, std::source_location where) {
    log_error("assertion_failed", {{"what", std::string(what)},
                                   {"file", where.file_name()},
                                   {"line", where.line()}});
    std::abort();
}

}  // namespace weft
