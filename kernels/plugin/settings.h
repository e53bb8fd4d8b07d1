// What the environment says to the plug-in. Read once.
#pragma once

namespace weft::kernels {

struct Settings {
    bool on;             // WEFT_KERNELS: anything but "off"
    bool attention;      // WEFT_KERNELS_ATTENTION: anything but "off"
    bool deterministic;  // WEFT_KERNELS_DETERMINISTIC=1: no row's result depends on what else is in the batch
    // WEFT_KERNELS_TEST=1: ggml's test harness, which puts weights and activations alike into one buffer of the device.
    bool harness;
};

const Settings& settings();

}  // namespace weft::kernels
