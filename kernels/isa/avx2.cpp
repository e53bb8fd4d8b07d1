#include "isa/avx2.h"
#include "isa/attention.h"
#include "isa/isa.h"
#include "isa/quantise.h"
#include "isa/row_kernels.h"
#include "isa/strip_kernels.h"

namespace weft::kernels {
namespace {

using V = Avx2<false>;

bool runs_here() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

}  // namespace

const Isa avx2 = {.name = "avx2",
    .runs_here = runs_here,
    .strip_kernel = strip_kernel<V>,
    .quantise_panel = quantise_panel<V>,
    .attend = attend_with<V>,
    .rows = &row_kernels<V>};

}  // namespace weft::kernels
