#include "plugin/settings.h"

#include <cstdlib>
#include <string_view>

namespace weft::kernels {
namespace {

bool is(const char* variable, std::string_view text) {
    const char* value = std::getenv(variable);
    return value != nullptr && value == text;
}

}  // namespace

const Settings& settings() {
    static const Settings read{.on = !is("WEFT_KERNELS", "off"),
                               .attention = !is("WEFT_KERNELS_ATTENTION", "off"),
                               .deterministic = is("WEFT_KERNELS_DETERMINISTIC", "1"),
                               .harness = is("WEFT_KERNELS_TEST", "1")};
    return read;
}

}  // namespace weft::kernels
