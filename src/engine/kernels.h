#pragma once

// The project's own CPU kernels: a ggml back end in a library of its own (kernels/), loaded into the engine process.

#include <filesystem>
#include <string>

namespace weft {

// Where the library may lie, seen from the folder of the program: in the build tree, or installed.
[[nodiscard]] std::filesystem::path find_kernels_library(const std::filesystem::path& program_folder);

// Loads the library after ggml's own back ends and says in one log line which kernels run, or why ggml's do. Never fails:
// whatever is wrong, ggml's own kernels compute. Once per process, before a model is loaded.
void load_cpu_kernels(bool wanted);

// Whether they are there. Weights are then repacked while they are loaded, into memory of their own.
[[nodiscard]] bool cpu_kernels_loaded();

}  // namespace weft
