#include "isa/isa.h"

#include <vector>

namespace weft::kernels {
namespace {

#ifdef WEFT_HAS_AMX
// What AVX-512 BF16 has, and tiles for many columns.
bool amx_and_avx512_run_here() { return avx512bf16().runs_here() && amx_runs_here(); }
const Isa* amx() {
    static const Isa isa{.name = "amx",
                         .runs_here = amx_and_avx512_run_here,
                         .strip_kernel = avx512bf16().strip_kernel,
                         .quantise_panel = avx512bf16().quantise_panel,
                         .attend = avx512bf16().attend,
                         .rows = avx512bf16().rows,
                         .tiles = &amx_tiles};
    return &isa;
}
#endif

const std::vector<const Isa*>& usable() {
    static const std::vector<const Isa*> found = [] {
        std::vector<const Isa*> isas;
        const Isa* const compiled[] = {
#ifdef WEFT_HAS_AMX
            amx(),
#endif
#ifdef WEFT_HAS_AVX512BF16
            &avx512bf16(),
#endif
#ifdef WEFT_HAS_AVX512VNNI
            &avx512vnni,
#endif
#ifdef WEFT_HAS_AVXVNNI
            &avxvnni,
#endif
#ifdef WEFT_HAS_AVX2
            &avx2,
#endif
        };
        for (const Isa* isa : compiled)
            if (isa->runs_here()) isas.push_back(isa);
        return isas;
    }();
    return found;
}

}  // namespace

std::span<const Isa* const> usable_isas() { return usable(); }

const Isa* best_isa(std::string_view name, bool with_tiles) {
    for (const Isa* isa : usable())
        if ((name.empty() || name == isa->name) && (with_tiles || !isa->tiles)) return isa;
    return nullptr;
}

}  // namespace weft::kernels
