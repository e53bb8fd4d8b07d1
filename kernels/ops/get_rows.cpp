#include "ops/get_rows.h"

#include <algorithm>

namespace weft::kernels {

void get_rows_part(const GetRows& job, Part part) {
    const Format& f = *job.format;
    uint8_t wanted[largest_row_block], ignored[largest_row_block];
    for (int64_t i = part.first(job.n_ids); i < part.end(job.n_ids); ++i) {
        const int64_t row = job.ids[i];
        if (row < 0 || row >= job.rows) {
            std::fill_n(job.dst + i * job.k, job.k, 0.0f);
            continue;
        }
        uint8_t* places[strip_rows];
        for (int r = 0; r < strip_rows; ++r) places[r] = r == row % strip_rows ? wanted : ignored;
        const uint8_t* block = job.strips + size_t(row / strip_rows) * f.strip_bytes(job.k);
        for (int64_t k = 0; k < job.k; k += f.strip_k, block += f.strip_block_bytes) {
            f.unpack(block, places);
            to_floats(f.type, wanted, job.dst + i * job.k + k, std::min<int64_t>(f.strip_k, job.k - k));
        }
    }
}

}  // namespace weft::kernels
