// Everything that must agree before the plug-in offers itself. Any doubt means ggml's own kernels.
#pragma once

namespace weft::kernels {

// Null when all is well, else why not, in words for a log line. Checked once; some milliseconds.
const char* objection();

}  // namespace weft::kernels
