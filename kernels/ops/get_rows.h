// Rows of a packed matrix as floats: token embeddings, so that a matrix that is both the first and the last of a model is
// kept once.
#pragma once

#include <cstdint>

#include "layout/format.h"
#include "ops/team.h"

namespace weft::kernels {

struct GetRows {
    const Format* format;
    const uint8_t* strips;
    int64_t k, rows, n_ids;
    const int32_t* ids;
    float* dst;  // [n_ids][k]
};

// Rows that do not exist come out as zeros: llama.cpp's graphs have look-ups whose ids nobody has set and whose result nobody
// uses.
void get_rows_part(const GetRows& job, Part part);

}  // namespace weft::kernels
