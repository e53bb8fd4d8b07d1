// Softmax attention, f32 arithmetic, written once for all instruction sets: V is Avx512 or Avx2.
//
// The cells that a row may look at are listed first, and only their K and V are touched: in one pool for all sequences most
// cells belong to others. Rows that look at much the same cells (prefill) go up to 64 at a time, one per lane, so that softmax
// needs no horizontal steps. Rows that don't (decode of many sequences) go up to 4 heads of one token at a time, lanes along
// the head for scores and values, along the cells for softmax.
#pragma once

#include <cstdint>
#include <type_traits>

#include "isa/exponential.h"
#include "isa/halves.h"
#include "isa/unpack.h"
#include "ops/attention_job.h"

namespace weft::kernels {
namespace {

constexpr int lanes = 16;
constexpr int tile_cells = 32;       // whose scores many rows soften at once
constexpr int few_rows_cells = 128;  // the same, a few rows
constexpr int heads_at_once = 4;
constexpr float least = -1e30f;  // finite, so that least - least is 0

constexpr int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

// Sixteen elements from element d of one head of one cell.
template <class V, KvType Type>
typename V::Floats load_cell(const char* head, int d) {
    if constexpr (Type == KvType::f16) return V::load_half(head + 2 * d);
    const char* block = head + d / 32 * 34;
    return V::mul(V::load_int8(block + 2 + d % 32), V::splat(half_to_float(block)));
}
template <KvType Type>
constexpr int head_bytes(int size) { return Type == KvType::f16 ? 2 * size : size / 32 * 34; }

// One head of one cell is a short run in a long stride, which the hardware prefetcher does not follow.
inline void prefetch_run(const char* p, int bytes) {
    for (int i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

const uint16_t* mask_of(const AttentionJob& job, int64_t token) {
    return reinterpret_cast<const uint16_t*>(job.mask + token * job.mask_token);
}
uint32_t cells_here(const AttentionJob& job, int64_t first) {
    const int64_t n = job.cells - first;
    return n >= 32 ? ~uint32_t(0) : (uint32_t(1) << n) - 1;
}
const float* query_of(const AttentionJob& job, int64_t row, int64_t kv_head) {
    return reinterpret_cast<const float*>(job.q + row / job.group * job.q_token +
                                          (kv_head * job.group + row % job.group) * job.q_head);
}
float* result_of(const AttentionJob& job, int64_t row, int64_t kv_head) {
    return reinterpret_cast<float*>(job.out + row / job.group * job.out_token +
                                    (kv_head * job.group + row % job.group) * job.out_head);
}

// The cells that a token sees, with their mask values. Returns how many.
template <class V>
int64_t list_cells(const AttentionJob& job, int64_t token, const AttentionScratch& scratch) {
    if (!job.mask) {
        const int64_t n = job.cells - job.first_cell;
        for (int64_t i = 0; i < n; ++i) scratch.cells[i] = int32_t(job.first_cell + i), scratch.values[i] = 0;
        return n;
    }
    const uint16_t* mask = mask_of(job, token);
    int64_t n = 0;
    for (int64_t i = job.first_cell; i < job.cells; i += 32)
        n += V::visible32(mask + i, cells_here(job, i), int32_t(i), scratch.cells + n, scratch.values + n);
    return n;
}

struct Union {
    int64_t cells;   // that any of the tokens sees
    int64_t looks;   // sum over the tokens of the cells that each sees
};

template <class V>
Union list_union(const AttentionJob& job, int64_t first_token, int64_t last_token, const AttentionScratch& scratch) {
    Union u{};
    for (int64_t i = 0; i < job.cells; i += 32) {
        const uint32_t here = cells_here(job, i);
        uint32_t any = 0;
        for (int64_t t = first_token; t <= last_token; ++t) {
            const uint32_t seen = V::seen32(mask_of(job, t) + i, here);
            u.looks += __builtin_popcount(seen);
            any |= seen;
        }
        for (; any != 0; any &= any - 1) scratch.cells[u.cells++] = int32_t(i) + __builtin_ctz(any);
    }
    return u;
}

// --- up to four heads of one token ------------------------------------------------------------------------------------

// Size: of a head. A compile-time constant so that the loops along it are unrolled.
template <class V, int Size, KvType KType, KvType VType, int Heads>
struct FewRows {
    using Floats = typename V::Floats;
    static constexpr int cells_at_once = lanes / Heads;  // so that their scores for all heads are one register
    static constexpr int ahead = 16;                     // cells that are fetched before they are needed
    alignas(64) float q[Heads][Size];
    alignas(64) float out[Heads][Size];
    alignas(64) float weights[Heads][few_rows_cells];
    Floats sum[Heads];
    float top[Heads];

    void start(const AttentionJob& job, int64_t kv_head, int64_t first_row) {
        const auto scale = V::splat(job.scale);
        for (int h = 0; h < Heads; ++h) {
            const float* from = query_of(job, first_row + h, kv_head);
            for (int d = 0; d < Size; d += lanes) {
                V::store(q[h] + d, V::mul(V::load(from + d), scale));
                V::store(out[h] + d, V::zero());
            }
            top[h] = least;
            sum[h] = V::zero();
        }
    }

    // Scores of n cells; there are n_all in the list.
    void score(const AttentionJob& job, const char* k_head, const int32_t* cells, const float* values, int n, int64_t n_all) {
        alignas(64) float scores[lanes];
        for (int first = 0; first < n; first += cells_at_once) {
            const char* k[cells_at_once];
            UNROLL
            for (int i = 0; i < cells_at_once; ++i) k[i] = k_head + cells[lesser(first + i, n - 1)] * job.k_cell;
            if (first + ahead + cells_at_once <= n_all) {
                UNROLL
                for (int i = 0; i < cells_at_once; ++i)
                    prefetch_run(k_head + cells[first + ahead + i] * job.k_cell, head_bytes<KType>(Size));
            }
            Floats s[lanes];
            UNROLL
            for (int i = 0; i < lanes; ++i) s[i] = V::zero();
            for (int d = 0; d < Size; d += lanes) {
                UNROLL
                for (int i = 0; i < cells_at_once; ++i) {
                    const auto kd = load_cell<V, KType>(k[i], d);
                    UNROLL
                    for (int h = 0; h < Heads; ++h) s[h * cells_at_once + i] = V::fma(V::load(q[h] + d), kd, s[h * cells_at_once + i]);
                }
            }
            V::store(scores, V::sums(s));
            for (int h = 0; h < Heads; ++h) __builtin_memcpy(weights[h] + first, scores + h * cells_at_once, sizeof scores / Heads);
        }
        for (int h = 0; h < Heads; ++h) {
            for (int i = 0; i < n; i += lanes) {
                auto w = V::load(weights[h] + i);
                if (job.soft_cap != 0) w = capped<V>(w, job.soft_cap);
                V::store(weights[h] + i, V::add(w, V::load(values + i)));
            }
            for (int i = n; i % lanes != 0; ++i) weights[h][i] = least;
        }
    }

    void soften(int n) {
        for (int h = 0; h < Heads; ++h) {
            auto most = V::splat(top[h]);
            for (int i = 0; i < n; i += lanes) most = V::max(most, V::load(weights[h] + i));
            const float highest = V::highest(most);
            if (highest != top[h]) {
                alignas(64) float shrink[lanes];
                V::store(shrink, exponential<V>(V::splat(top[h] - highest)));
                const auto by = V::splat(shrink[0]);
                sum[h] = V::mul(sum[h], by);
                for (int d = 0; d < Size; d += lanes) V::store(out[h] + d, V::mul(V::load(out[h] + d), by));
                top[h] = highest;
            }
            const auto shift = V::splat(highest);
            for (int i = 0; i < n; i += lanes) {
                const auto w = exponential<V>(V::sub(V::load(weights[h] + i), shift));
                V::store(weights[h] + i, w);
                sum[h] = V::add(sum[h], w);
            }
        }
    }

    void accumulate(const AttentionJob& job, const char* v_head, const int32_t* cells, int n, int64_t n_all) {
        constexpr int step = Size % 64 == 0 ? 64 : 16;
        constexpr int parts = step / lanes;
        for (int d = 0; d < Size; d += step) {
            Floats o[Heads][parts];
            UNROLL
            for (int h = 0; h < Heads; ++h) {
                UNROLL
                for (int p = 0; p < parts; ++p) o[h][p] = V::load(out[h] + d + lanes * p);
            }
            for (int i = 0; i < n; ++i) {
                const char* from = v_head + cells[i] * job.v_cell;
                if (d == 0 && i + ahead < n_all) prefetch_run(v_head + cells[i + ahead] * job.v_cell, head_bytes<VType>(Size));
                Floats v[parts];
                UNROLL
                for (int p = 0; p < parts; ++p) v[p] = load_cell<V, VType>(from, d + lanes * p);
                UNROLL
                for (int h = 0; h < Heads; ++h) {
                    const auto w = V::splat(weights[h][i]);
                    UNROLL
                    for (int p = 0; p < parts; ++p) o[h][p] = V::fma(w, v[p], o[h][p]);
                }
            }
            UNROLL
            for (int h = 0; h < Heads; ++h) {
                UNROLL
                for (int p = 0; p < parts; ++p) V::store(out[h] + d + lanes * p, o[h][p]);
            }
        }
    }

    void run(const AttentionJob& job, int64_t kv_head, int64_t first_row, const AttentionScratch& list, int64_t n) {
        const char *k_head = job.k + kv_head * job.k_head, *v_head = job.v + kv_head * job.v_head;
        start(job, kv_head, first_row);
        for (int64_t i = 0; i < n; i += few_rows_cells) {
            const int here = int(lesser(few_rows_cells, n - i));
            score(job, k_head, list.cells + i, list.values + i, here, n - i);
            soften(here);
            accumulate(job, v_head, list.cells + i, here, n - i);
        }
        for (int h = 0; h < Heads; ++h) {
            float total = V::sum(sum[h]);
            if (job.partial) {
                float* to = job.partial_of(first_row + h, kv_head);
                for (int d = 0; d < Size; d += lanes) V::store(to + d, V::load(out[h] + d));
                to[Size] = top[h], to[Size + 1] = total;
                continue;
            }
            total += job.sink_weight(first_row + h, kv_head, top[h]);
            const auto inverse = V::splat(1.0f / (total > 1e-30f ? total : 1e-30f));
            float* to = result_of(job, first_row + h, kv_head);
            for (int d = 0; d < Size; d += lanes) V::store(to + d, V::mul(V::load(out[h] + d), inverse));
        }
    }
};

// Rows first..last are heads of one token that share a KV head.
template <class V, int Size, KvType KType, KvType VType>
void few_rows(const AttentionJob& job, int64_t kv_head, int64_t first, int64_t last, const AttentionScratch& list, int64_t n) {
    while (first <= last) {
        if (last - first + 1 >= heads_at_once) {
            FewRows<V, Size, KType, VType, heads_at_once> rows;
            rows.run(job, kv_head, first, list, n);
            first += heads_at_once;
        } else if (last - first + 1 >= 2) {
            FewRows<V, Size, KType, VType, 2> rows;
            rows.run(job, kv_head, first, list, n);
            first += 2;
        } else {
            FewRows<V, Size, KType, VType, 1> row;
            row.run(job, kv_head, first, list, n);
            ++first;
        }
    }
}

// --- sixteen rows or twice as many, one per lane ------------------------------------------------------------------------

// Whether no mask value of cells[0..n-1] changes anything.
inline bool masks_nothing(const uint16_t* mask, const int32_t* cells, int n) {
    uint64_t any = 0;
    if (n == tile_cells && cells[n - 1] - cells[0] == n - 1) {
        for (int i = 0; i < n; i += 4) {
            uint64_t four;
            __builtin_memcpy(&four, mask + cells[0] + i, 8);
            any |= four;
        }
    } else {
        for (int i = 0; i < n; ++i) any |= mask[cells[i]];
    }
    return (any & 0x7fff7fff7fff7fff) == 0;
}

// A group of rows that meet K and V at once: so many registers of them, so that an element of K or V is fetched once for all.
template <class V, int Size, int Registers>
struct RowGroup {
    using Floats = typename V::Floats;
    using Tile = float[tile_cells][Size + 16];  // of K or V; the 16 keep rows off one cache set
    static constexpr int rows = lanes * Registers;
    static constexpr int block = (V::registers >= 32 ? 16 : 4) / Registers;  // sums of each register of rows at once
    alignas(64) float q[Size][rows];              // scaled queries, transposed
    alignas(64) float out[Size][rows];            // running sum of weight * value
    alignas(64) float weights[tile_cells][rows];  // scores, then exp(score - top)
    Floats top[Registers], sum[Registers], shrink[Registers];

    void start(const AttentionJob& job, int64_t kv_head, int64_t first_row) {
        for (int r = 0; r < rows; ++r) {
            const float* from = query_of(job, lesser(first_row + r, job.rows() - 1), kv_head);
            for (int d = 0; d < Size; ++d) q[d][r] = from[d] * job.scale;
        }
        for (int d = 0; d < Size; ++d)
            for (int p = 0; p < Registers; ++p) V::store(out[d] + lanes * p, V::zero());
        for (int p = 0; p < Registers; ++p) top[p] = V::splat(least), sum[p] = V::zero();
    }

    // weights[cell] = k[cell] . q
    void score(const Tile& k, float soft_cap) {
        for (int first = 0; first < tile_cells; first += block) {
            Floats s[block][Registers];
            UNROLL
            for (int i = 0; i < block; ++i) {
                UNROLL
                for (int p = 0; p < Registers; ++p) s[i][p] = V::zero();
            }
            for (int d = 0; d < Size; ++d) {
                Floats qd[Registers];
                UNROLL
                for (int p = 0; p < Registers; ++p) qd[p] = V::load(q[d] + lanes * p);
                UNROLL
                for (int i = 0; i < block; ++i) {
                    const auto kd = V::splat(k[first + i][d]);
                    UNROLL
                    for (int p = 0; p < Registers; ++p) s[i][p] = V::fma(qd[p], kd, s[i][p]);
                }
            }
            UNROLL
            for (int i = 0; i < block; ++i) {
                UNROLL
                for (int p = 0; p < Registers; ++p)
                    V::store(weights[first + i] + lanes * p, soft_cap != 0 ? capped<V>(s[i][p], soft_cap) : s[i][p]);
            }
        }
    }

    // Adds the masks of the rows; -inf stays -inf, whose exponential is 0.
    void apply_mask(const AttentionJob& job, int64_t first_row, const int32_t* cells, int n) {
        const int present = int(lesser(rows, job.rows() - first_row));
        for (int r = 0; r < present;) {
            const int64_t token = (first_row + r) / job.group;
            const int next = int(lesser((token + 1) * job.group - first_row, present));
            const uint16_t* mask = mask_of(job, token);
            if (!masks_nothing(mask, cells, n))
                for (int i = 0; i < n; ++i) {
                    const float value = half_to_float(mask + cells[i]);
                    for (int of = r; of < next; ++of) weights[i][of] += value;
                }
            r = next;
        }
    }

    // Scores to weights.
    void soften(int n) {
        for (int p = 0; p < Registers; ++p) {
            auto highest = top[p];
            for (int i = 0; i < n; ++i) highest = V::max(highest, V::load(weights[i] + lanes * p));
            shrink[p] = exponential<V>(V::sub(top[p], highest));
            auto added = V::zero();
            for (int i = 0; i < n; ++i) {
                const auto w = exponential<V>(V::sub(V::load(weights[i] + lanes * p), highest));
                V::store(weights[i] + lanes * p, w);
                added = V::add(added, w);
            }
            sum[p] = V::fma(sum[p], shrink[p], added);
            top[p] = highest;
        }
    }

    void accumulate(const Tile& v, int n) {
        for (int first = 0; first < Size; first += block) {
            Floats o[block][Registers];
            UNROLL
            for (int i = 0; i < block; ++i) {
                UNROLL
                for (int p = 0; p < Registers; ++p) o[i][p] = V::mul(shrink[p], V::load(out[first + i] + lanes * p));
            }
            for (int cell = 0; cell < n; ++cell) {
                Floats w[Registers];
                UNROLL
                for (int p = 0; p < Registers; ++p) w[p] = V::load(weights[cell] + lanes * p);
                UNROLL
                for (int i = 0; i < block; ++i) {
                    const auto vd = V::splat(v[cell][first + i]);
                    UNROLL
                    for (int p = 0; p < Registers; ++p) o[i][p] = V::fma(w[p], vd, o[i][p]);
                }
            }
            UNROLL
            for (int i = 0; i < block; ++i) {
                UNROLL
                for (int p = 0; p < Registers; ++p) V::store(out[first + i] + lanes * p, o[i][p]);
            }
        }
    }

    void finish(const AttentionJob& job, int64_t kv_head, int64_t first_row) {
        alignas(64) float total[rows], highest[rows];
        for (int p = 0; p < Registers; ++p) V::store(total + lanes * p, sum[p]), V::store(highest + lanes * p, top[p]);
        for (int64_t r = 0; r < rows && first_row + r < job.rows(); ++r) {
            const float all = total[r] + job.sink_weight(first_row + r, kv_head, highest[r]), inverse = 1.0f / (all > 1e-30f ? all : 1e-30f);
            float* to = result_of(job, first_row + r, kv_head);
            for (int d = 0; d < Size; ++d) to[d] = out[d][r] * inverse;
        }
    }
};

// Up to `Groups` groups of rows, for which K and V are made floats once.
template <class V, int Size, KvType KType, KvType VType, int Registers, int Groups>
struct ManyRows {
    using Group = RowGroup<V, Size, Registers>;
    static constexpr int rows = Group::rows * Groups;
    Group groups[Groups];
    alignas(64) typename Group::Tile tile;

    template <KvType Type>
    void load(const char* head, int64_t stride, const int32_t* cells, int n, int n_next) {
        for (int i = 0; i < n; ++i) {
            if (i < n_next) prefetch_run(head + cells[n + i] * stride, head_bytes<Type>(Size));
            for (int d = 0; d < Size; d += lanes) V::store(tile[i] + d, load_cell<V, Type>(head + cells[i] * stride, d));
        }
    }

    void run(const AttentionJob& job, int64_t kv_head, int64_t first_row, int64_t end_row, const int32_t* cells, int64_t n) {
        const int present = int((end_row - first_row + Group::rows - 1) / Group::rows);
        for (int g = 0; g < present; ++g) groups[g].start(job, kv_head, first_row + g * Group::rows);
        for (int64_t i = 0; i < n; i += tile_cells) {
            const int here = int(lesser(tile_cells, n - i)), next = int(lesser(here, n - i - here));
            load<KType>(job.k + kv_head * job.k_head, job.k_cell, cells + i, here, next);
            for (int g = 0; g < present; ++g) {
                groups[g].score(tile, job.soft_cap);
                if (job.mask) groups[g].apply_mask(job, first_row + g * Group::rows, cells + i, here);
                groups[g].soften(here);
            }
            load<VType>(job.v + kv_head * job.v_head, job.v_cell, cells + i, here, next);
            for (int g = 0; g < present; ++g) groups[g].accumulate(tile, here);
        }
        for (int g = 0; g < present; ++g) groups[g].finish(job, kv_head, first_row + g * Group::rows);
    }
};

// Rows first_row .. end_row - 1, which Many can hold, at once if they share enough of their cells. Otherwise nothing is done.
template <class V, class Many>
bool attend_together(const AttentionJob& job, int64_t first_row, int64_t end_row, int64_t first_head, int64_t last_head,
                     const AttentionScratch& scratch) {
    const int64_t first_token = first_row / job.group, last_token = (end_row - 1) / job.group;
    if (last_token == first_token) return false;
    Union u{.cells = job.cells, .looks = job.cells * (last_token - first_token + 1)};
    if (job.mask) u = list_union<V>(job, first_token, last_token, scratch);
    else list_cells<V>(job, first_token, scratch);
    // A lane costs about half of what a row on its own does.
    constexpr int64_t step = Many::Group::rows;
    if (2 * u.looks * job.group < (end_row - first_row + step - 1) / step * step * u.cells) return false;
    Many rows;
    for (int64_t h = first_head; h <= last_head; ++h) rows.run(job, h, first_row, end_row, scratch.cells, u.cells);
    return true;
}

// Rows first_row .. end_row - 1 (at most attention_rows) of KV heads first_head .. last_head.
template <class V, int Size, KvType KType, KvType VType>
void attend_rows(const AttentionJob& job, int64_t first_row, int64_t end_row, int64_t first_head, int64_t last_head, bool row_by_row,
                 const AttentionScratch& scratch) {
    constexpr int registers = V::registers >= 32 ? 2 : 1, groups = attention_rows / lanes / registers;
    using All = ManyRows<V, Size, KType, VType, registers, groups>;
    using Sixteen = std::conditional_t<registers == 1, All, ManyRows<V, Size, KType, VType, 1, 1>>;
    if (!row_by_row && end_row - first_row > lanes &&
        attend_together<V, All>(job, first_row, end_row, first_head, last_head, scratch))
        return;
    for (; first_row < end_row; first_row += lanes) {
        const int64_t end = lesser(first_row + lanes, end_row);
        if (!row_by_row && attend_together<V, Sixteen>(job, first_row, end, first_head, last_head, scratch)) continue;
        for (int64_t t = first_row / job.group; t * job.group < end; ++t) {
            const int64_t n = list_cells<V>(job, t, scratch);
            const int64_t first = t * job.group < first_row ? first_row : t * job.group;
            const int64_t last = lesser(end, (t + 1) * job.group) - 1;
            for (int64_t h = first_head; h <= last_head; ++h)
                few_rows<V, Size, KType, VType>(job, h, first, last, scratch, n);
        }
    }
}

template <class V, int Size>
void attend_sized(const AttentionJob& job, int64_t first_row, int64_t end_row, int64_t first_head, int64_t last_head, bool row_by_row,
                  const AttentionScratch& scratch) {
    if (job.k_type == KvType::f16 && job.v_type == KvType::f16)
        attend_rows<V, Size, KvType::f16, KvType::f16>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
    else if constexpr (Size % 32 == 0)
        attend_rows<V, Size, KvType::q8_0, KvType::q8_0>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
}

template <class V>
void attend_with(const AttentionJob& job, int64_t first_row, int64_t end_row, int64_t first_head, int64_t last_head, bool row_by_row,
                 const AttentionScratch& scratch) {
    switch (job.size) {
        case 64: return attend_sized<V, 64>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 80: return attend_sized<V, 80>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 96: return attend_sized<V, 96>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 112: return attend_sized<V, 112>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 128: return attend_sized<V, 128>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 192: return attend_sized<V, 192>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        case 256: return attend_sized<V, 256>(job, first_row, end_row, first_head, last_head, row_by_row, scratch);
        default: __builtin_unreachable();
    }
}

}  // namespace
}  // namespace weft::kernels
