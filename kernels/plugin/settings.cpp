#include "plugin/settings.h"

#include <cstdlib>

namespace weft::kernels {
namespace {

std::string text_of(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
}

bool is(const char* variable, const char* text) { return text_of(variable) == text; }

}  // namespace

const Settings& settings() {
    static const Settings read{.on = !is("WEFT_KERNELS", "off"),
                               .attention = !is("WEFT_KERNELS_ATTENTION", "off"),
                               .deterministic = is("WEFT_KERNELS_DETERMINISTIC", "1"),
                               .isa = text_of("WEFT_KERNELS_ISA"),
                               .rows = !is("WEFT_KERNELS_ROWS", "off"),
                               .harness = is("WEFT_KERNELS_TEST", "1") || is("WEFT_KERNELS_TEST", "rows"),
                               .row_harness = is("WEFT_KERNELS_TEST", "rows")};
    return read;
}

const Isa* chosen_isa() {
    static const Isa* const chosen = best_isa(settings().isa, !settings().deterministic);
    return chosen;
}

}  // namespace weft::kernels
