#include "isa/isa.h"

#include <cstdlib>
#include <string_view>
#include <vector>

namespace weft::kernels {
namespace {

constexpr const Isa* all[] = {&avx512vnni, &avxvnni, &avx2};

const std::vector<const Isa*>& usable() {
    static const std::vector<const Isa*> found = [] {
        std::vector<const Isa*> isas;
        for (const Isa* isa : all)
            if (isa->runs_here()) isas.push_back(isa);
        return isas;
    }();
    return found;
}

}  // namespace

std::span<const Isa* const> usable_isas() { return usable(); }

const Isa* chosen_isa() {
    static const Isa* const chosen = []() -> const Isa* {
        const char* wanted = std::getenv("WEFT_KERNELS_ISA");
        for (const Isa* isa : usable())
            if (!wanted || *wanted == '\0' || std::string_view(wanted) == isa->name) return isa;
        return nullptr;
    }();
    return chosen;
}

}  // namespace weft::kernels
