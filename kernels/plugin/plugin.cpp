// The symbols that ggml looks up, and one for whoever loads the library by hand.
#include "plugin/device.h"
#include "plugin/guard.h"
#include "plugin/settings.h"

#define WEFT_EXPORT extern "C" __attribute__((visibility("default")))

extern "C" void ggml_log_internal(ggml_log_level level, const char* format, ...);

// A score of 0 or a null registration means "not on this machine".
WEFT_EXPORT int ggml_backend_score() { return weft::kernels::objection() ? 0 : 1; }

WEFT_EXPORT ggml_backend_reg_t ggml_backend_init() {
    if (const char* why_not = weft::kernels::objection()) {
        ggml_log_internal(GGML_LOG_LEVEL_WARN, "weft-kernels: not used: %s\n", why_not);
        return nullptr;
    }
    return weft::kernels::registration();
}

// The kernels' name, or null with the reason why there are none in *why_not. Both are constants.
WEFT_EXPORT const char* weft_kernels_name(const char** why_not) {
    *why_not = weft::kernels::objection();
    return *why_not ? nullptr : weft::kernels::chosen_isa()->name;
}
