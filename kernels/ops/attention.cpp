#include "ops/attention.h"

#include <algorithm>
#include <cstring>

namespace weft::kernels {
namespace {

constexpr int rows_per_unit = 16;
constexpr int64_t units_per_thread = 4;  // fewer make one thread wait for another

float float_param(const ggml_tensor* op, int i) {
    float v;
    std::memcpy(&v, op->op_params + i, sizeof v);
    return v;
}

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
            .scale = float_param(op, 0), .soft_cap = float_param(op, 2)};
}

int64_t list_entries(const ggml_tensor* op) { return (op->src[1]->ne[1] + AttentionScratch::slack + 15) / 16 * 16; }

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
    const bool plain = float_param(op, 1) == 0 && !op->src[4];  // no ALiBi, no sinks
    return size_known && types && shapes && mask_fits && plain && dense_row(q) && dense_row(k) && dense_row(v);
}

size_t attention_scratch_bytes(const ggml_tensor* op) {
    return size_t(list_entries(op)) * (sizeof(int32_t) + sizeof(float));
}

void attend(const Isa& isa, const ggml_tensor* op, bool row_by_row, const Member& member, std::atomic<int64_t>& next_unit,
            uint8_t* scratch) {
    const AttentionScratch lists{.cells = reinterpret_cast<int32_t*>(scratch),
                                 .values = reinterpret_cast<float*>(scratch) + list_entries(op)};
    const int64_t streams = op->src[0]->ne[3];
    const AttentionJob first = job_of(op, 0);
    const int64_t tiles = (first.rows() + rows_per_unit - 1) / rows_per_unit;
    // The cells of a tile are listed once for all KV heads where there are tiles enough for everybody.
    const int64_t split = tiles * streams >= units_per_thread * member.threads ? 1 : first.kv_heads;
    const int64_t heads = first.kv_heads / split, units = tiles * streams * split;
    for (;;) {
        // From the end: with a causal mask the last rows see most cells.
        const int64_t unit = units - 1 - next_unit.fetch_add(1, std::memory_order_relaxed);
        if (unit < 0) return;
        const int64_t part = unit % split, tile = unit / split % tiles, stream = unit / split / tiles;
        isa.attend(job_of(op, stream), tile * rows_per_unit, part * heads, (part + 1) * heads - 1, row_by_row, lists);
    }
}

}  // namespace weft::kernels
