#include "isa/avx512.h"
#include "isa/attention.h"
#include "isa/isa.h"
#include "isa/quantise.h"
#include "isa/row_kernels.h"
#include "isa/strip_kernels.h"

namespace weft::kernels {
namespace {

using V = Avx512;

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}

}  // namespace

const Isa avx512vnni = {.name = "avx512vnni",
    .runs_here = runs_here,
    .strip_kernel = strip_kernel<V>,
    .quantise_panel = quantise_panel<V>,
    .attend = attend_with<V>,
    .rows = &row_kernels<V>};

}  // namespace weft::kernels
