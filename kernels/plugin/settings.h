// What the environment says to the plug-in. Read once.
#pragma once

#include <string>

#include "isa/isa.h"

namespace weft::kernels {

struct Settings {
    bool on;             // WEFT_KERNELS: anything but "off"
    bool attention;      // WEFT_KERNELS_ATTENTION: anything but "off"
    bool deterministic;  // WEFT_KERNELS_DETERMINISTIC=1: no row's result depends on what else is in the batch; without tiles
    std::string isa;     // WEFT_KERNELS_ISA: this instruction set; empty: the best
    bool rows;           // WEFT_KERNELS_ROWS: anything but "off": norms, rotations, sums and the like
    // WEFT_KERNELS_TEST: ggml's test harness, which puts weights and activations alike into one buffer of the device. "1": ops
    // on weights; "rows": the others, nothing is packed.
    bool harness, row_harness;
};

const Settings& settings();

// The best that this processor runs and the settings allow; null when there is none.
const Isa* chosen_isa();

}  // namespace weft::kernels
