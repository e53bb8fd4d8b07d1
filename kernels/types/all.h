// Every type that has kernels: the one place where a new one is entered.
#pragma once

#include "types/iq4.h"
#include "types/mxfp4.h"
#include "types/plain.h"
#include "types/q3_k.h"
#include "types/q4.h"
#include "types/q45_k.h"
#include "types/q5.h"
#include "types/q6_k.h"
#include "types/q8_0.h"

namespace weft::kernels {

template <class... T>
struct TypeList {};

using AllTypes = TypeList<Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q3_K, Q4_K, Q5_K, Q6_K, Iq4Nl, Iq4Xs, Mxfp4, F16, Bf16, F32>;

}  // namespace weft::kernels
