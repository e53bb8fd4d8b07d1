#include "engine/kernels.h"

#include <dlfcn.h>
#include <ggml-backend.h>

#include <cstdlib>

#include "base/log.h"

namespace weft {
namespace {

constexpr auto library_name = "libweft-kernels.so";
using KernelsName = const char* (*)(const char** why_not);

void stay_with_stock(const std::string& reason) { log_info("cpu_kernels", {{"kernels", "ggml's own"}, {"reason", reason}}); }

std::filesystem::path program_folder() {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

std::filesystem::path find_kernels_library(const std::filesystem::path& program_folder) {
    std::error_code error;
    for (const auto* folder : {"lib/weft", "../lib/weft"}) {
        auto path = program_folder / folder / library_name;
        if (std::filesystem::is_regular_file(path, error)) return path;
    }
    return {};
}

void load_cpu_kernels(bool wanted) {
    // Also when it came in by GGML_BACKEND_PATH.
    if (!wanted) ::setenv("WEFT_KERNELS", "off", 1);
    if (!wanted) return stay_with_stock("switched off");
    const auto path = find_kernels_library(program_folder());
    if (path.empty()) return stay_with_stock(std::string(library_name) + " is not installed");
    // Asked first, so that a refusal is one line of ours with its reason. Never closed: ggml keeps it, too.
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return stay_with_stock(::dlerror());
    const auto kernels_name = reinterpret_cast<KernelsName>(::dlsym(library, "weft_kernels_name"));
    const char* why_not = "the library is not ours";
    const char* name = kernels_name != nullptr ? kernels_name(&why_not) : nullptr;
    if (name == nullptr) return stay_with_stock(why_not);
    if (ggml_backend_load(path.c_str()) == nullptr) return stay_with_stock("ggml refused the library");
    log_info("cpu_kernels", {{"kernels", name}, {"library", path.string()}});
}

bool cpu_kernels_loaded() { return ggml_backend_reg_by_name("WEFT") != nullptr; }

}  // namespace weft
