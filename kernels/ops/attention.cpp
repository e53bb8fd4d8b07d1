#include "ops/attention.h"

#include <algorithm>
#include <cmath>

#include "ops/parameters.h"

namespace weft::kernels {
namespace {

constexpr int64_t units_per_thread = 4;  // fewer make one thread wait for another
constexpr int64_t few_rows = 16;
constexpr int64_t least_part_cells = 512, most_parts = 64;

bool dense_row(const ggml_tensor* t) { return t->nb[0] == ggml_type_size(t->type); }

AttentionJob job_of(const ggml_tensor* op, int64_t stream) {
    const ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *mask = op->src[3];
    const auto at = [stream](const ggml_tensor* t) { return static_cast<const char*>(t->data) + stream * int64_t(t->nb[3]); };
    const auto kv_type = [](const ggml_tensor* t) { return t->type == GGML_TYPE_F16 ? KvType::f16 : KvType::q8_0; };
    const char* mask_rows = nullptr;
    if (mask) mask_rows = static_cast<const char*>(mask->data) + (mask->ne[3] == 1 ? 0 : stream * int64_t(mask->nb[3]));
    return {.q = at(q), .k = at(k), .v = at(v), .mask = mask_rows,
            .out = static_cast<char*>(op->data) + stream * int64_t(op->nb[3]),
            .q_token = int64_t(q->nb[1]), .q_head = int64_t(q->nb[2]),
            .k_cell = int64_t(k->nb[1]), .k_head = int64_t(k->nb[2]),
            .v_cell = int64_t(v->nb[1]), .v_head = int64_t(v->nb[2]),
            .mask_token = mask ? int64_t(mask->nb[1]) : 0,
            .out_token = int64_t(op->nb[2]), .out_head = int64_t(op->nb[1]),
            .tokens = q->ne[1], .cells = k->ne[1], .kv_heads = k->ne[2], .group = q->ne[2] / k->ne[2],
            .size = int(q->ne[0]), .k_type = kv_type(k), .v_type = kv_type(v),
            .scale = float_param(op, 0), .soft_cap = float_param(op, 2),
            .sinks = op->src[4] ? static_cast<const float*>(op->src[4]->data) : nullptr};
}

int64_t list_entries(const ggml_tensor* op) { return (op->src[1]->ne[1] + AttentionScratch::slack + 15) / 16 * 16; }

// How an attention is cut into units of work.
struct Shares {
    int64_t tile_rows, tiles, streams;
    int64_t split;            // 1: a unit is a tile for all KV heads, or as many as there are KV heads
    int64_t parts;            // of the cells of a few rows, put together afterwards
    [[nodiscard]] int64_t units() const { return tiles * streams * split * parts; }
};

Shares shares_of(const ggml_tensor* op, bool row_by_row, int threads) {
    const ggml_tensor *q = op->src[0], *k = op->src[1];
    const int64_t rows = q->ne[1] * q->ne[2] / k->ne[2], wanted = units_per_thread * threads;
    const auto in_tiles_of = [&](int64_t tile_rows) {
        return Shares{.tile_rows = tile_rows, .tiles = (rows + tile_rows - 1) / tile_rows, .streams = q->ne[3], .split = 1, .parts = 1};
    };
    Shares s = in_tiles_of(attention_rows);
    // The cells of a tile are listed once for all KV heads where there are tiles enough for everybody.
    if (s.units() >= wanted) return s;
    s.split = k->ne[2];
    if (s.units() >= wanted) return s;
    s = in_tiles_of(few_rows);
    s.split = k->ne[2];
    // How many parts depends on how many rows there are; row by row, no result may. More rows than a tile's would lose more
    // by going one by one than by waiting for each other.
    if (!row_by_row && threads > 1 && s.units() < (s.tiles == 1 ? wanted : threads))
        s.parts = std::clamp<int64_t>((wanted + s.units() - 1) / s.units(), 1, std::clamp<int64_t>(k->ne[1] / least_part_cells, 1, most_parts));
    return s;
}

size_t partial_floats(const ggml_tensor* op) {
    return size_t(ggml_nrows(op->src[0])) * size_t(op->src[0]->ne[0] + 2);  // of one part
}

size_t stream_floats(const ggml_tensor* op) { return partial_floats(op) / size_t(op->src[0]->ne[3]); }

// One row out of what its parts came to.
void put_together(const AttentionJob& first, int64_t parts, size_t part_floats, int64_t row, int64_t kv_head) {
    const float* from = first.partial_of(row, kv_head);
    float top = from[first.size], sum = 0;
    for (int64_t p = 1; p < parts; ++p) top = std::max(top, from[size_t(p) * part_floats + size_t(first.size)]);
    auto* out = reinterpret_cast<float*>(first.out + row / first.group * first.out_token +
                                         (kv_head * first.group + row % first.group) * first.out_head);
    std::fill_n(out, first.size, 0.0f);
    for (int64_t p = 0; p < parts; ++p) {
        const float* part = from + size_t(p) * part_floats;
        const float weight = std::exp(part[first.size] - top);
        sum += weight * part[first.size + 1];
        for (int d = 0; d < first.size; ++d) out[d] += weight * part[d];
    }
    sum += first.sink_weight(row, kv_head, top);
    const float inverse = 1 / std::max(sum, 1e-30f);
    for (int d = 0; d < first.size; ++d) out[d] *= inverse;
}

}  // namespace

bool attention_supported(const ggml_tensor* op) {
    const ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *mask = op->src[3];
    constexpr int64_t sizes[] = {64, 80, 96, 112, 128, 192, 256};
    const int64_t size = q->ne[0], streams = q->ne[3];
    const bool size_known = std::ranges::find(sizes, size) != std::end(sizes);
    const bool types = q->type == GGML_TYPE_F32 && k->type == v->type &&
                       (k->type == GGML_TYPE_F16 || (k->type == GGML_TYPE_Q8_0 && size % 32 == 0));
    const bool shapes = v->ne[0] == size && k->ne[3] == streams && v->ne[3] == streams && k->ne[2] > 0 &&
                        q->ne[2] % k->ne[2] == 0 && v->ne[2] == k->ne[2];
    const bool mask_fits = !mask || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && dense_row(mask) &&
                                     (mask->ne[3] == 1 || mask->ne[3] == streams));
    const ggml_tensor* sinks = op->src[4];
    const bool sinks_fit = !sinks || (sinks->type == GGML_TYPE_F32 && sinks->ne[0] == q->ne[2] && ggml_nrows(sinks) == 1 && dense_row(sinks));
    const bool plain = float_param(op, 1) == 0;  // no ALiBi
    return size_known && types && shapes && mask_fits && sinks_fit && plain && dense_row(q) && dense_row(k) && dense_row(v);
}

size_t attention_scratch_bytes(const ggml_tensor* op) {
    return size_t(list_entries(op)) * (sizeof(int32_t) + sizeof(float));
}

size_t attention_shared_bytes(const ggml_tensor* op, bool row_by_row, int threads) {
    const int64_t parts = shares_of(op, row_by_row, threads).parts;
    return parts > 1 ? size_t(parts) * partial_floats(op) * sizeof(float) : 0;
}

int64_t attention_units(const ggml_tensor* op, bool row_by_row, int threads) { return shares_of(op, row_by_row, threads).units(); }

void attend(const Isa& isa, const ggml_tensor* op, bool row_by_row, int threads, int64_t unit, float* shared, uint8_t* scratch) {
    const AttentionScratch lists{.cells = reinterpret_cast<int32_t*>(scratch),
                                 .values = reinterpret_cast<float*>(scratch) + list_entries(op)};
    const Shares shares = shares_of(op, row_by_row, threads);
    const int64_t heads = op->src[1]->ne[2] / shares.split, cells = op->src[1]->ne[1];
    // From the end: with a causal mask the last rows see most cells.
    const int64_t from_end = shares.units() - 1 - unit;
    const int64_t part = from_end % shares.parts, head = from_end / shares.parts % shares.split;
    const int64_t tile = from_end / shares.parts / shares.split % shares.tiles;
    const int64_t stream = from_end / shares.parts / shares.split / shares.tiles;
    AttentionJob job = job_of(op, stream);
    if (shares.parts > 1) {
        const int64_t part_cells = (cells / shares.parts + 31) / 32 * 32;
        job.partial = shared + size_t(part) * partial_floats(op) + size_t(stream) * stream_floats(op);
        job.first_cell = std::min(part * part_cells, cells);
        job.cells = part + 1 == shares.parts ? cells : std::min((part + 1) * part_cells, cells);
    }
    const int64_t first_row = tile * shares.tile_rows, end_row = std::min(first_row + shares.tile_rows, job.rows());
    isa.attend(job, first_row, end_row, head * heads, (head + 1) * heads - 1, row_by_row || shares.parts > 1, lists);
}

void join_attention(const ggml_tensor* op, bool row_by_row, int threads, Part part, float* shared) {
    const int64_t parts = shares_of(op, row_by_row, threads).parts, kv_heads = op->src[1]->ne[2];
    const int64_t rows = job_of(op, 0).rows() * kv_heads, all = rows * op->src[0]->ne[3];
    for (int64_t i = part.first(all); i < part.end(all); ++i) {
        AttentionJob job = job_of(op, i / rows);
        job.partial = shared + size_t(i / rows) * stream_floats(op);
        put_together(job, parts, partial_floats(op), i % rows / kv_heads, i % kv_heads);
    }
}

}  // namespace weft::kernels
