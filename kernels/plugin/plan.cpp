#include "plugin/plan.h"

#include <algorithm>
#include <utility>

#include "plugin/weights.h"

namespace weft::kernels {
namespace {

constexpr int64_t units_per_thread = 4;  // fewer make one thread wait for another
constexpr size_t cache_line = 64;

size_t rounded_up(size_t bytes) { return (bytes + cache_line - 1) / cache_line * cache_line; }

// Weights of 32 bits are kept whole: what chooses a mixture's experts is such a matrix.
bool on_tiles(const Isa& isa, ggml_type type, int64_t columns) {
    return isa.tiles && columns >= least_tile_columns && type != GGML_TYPE_F32;
}

bool same_panels(const MulMat& a, const MulMat& b) {
    return a.x == b.x && a.k == b.k && a.columns == b.columns && a.tiles == b.tiles &&
           (a.tiles || a.format->activations == b.format->activations);
}
bool same_panels(const MulMatId& a, const MulMatId& b) {
    return a.x == b.x && a.ids == b.ids && a.k == b.k && a.experts == b.experts && a.slots == b.slots && a.tokens == b.tokens &&
           a.x_slot == b.x_slot && a.x_token == b.x_token && a.ids_slot == b.ids_slot && a.ids_token == b.ids_token &&
           a.format->activations == b.format->activations;
}

bool overlap(const ggml_tensor* a, const ggml_tensor* b) {
    if (!a) return false;
    const auto *at = static_cast<const char*>(a->data), *bt = static_cast<const char*>(b->data);
    return at < bt + ggml_nbytes(b) && bt < at + ggml_nbytes(a);
}

MulMat product_of(const ggml_tensor* node, const Isa& isa) {
    const ggml_tensor *w = node->src[0], *x = node->src[1];
    const int64_t columns = ggml_nrows(x);
    return {.format = find_format(w->type),
            .strips = static_cast<const uint8_t*>(w->data),
            .k = w->ne[0],
            .rows = w->ne[1],
            .columns = columns,
            .x = static_cast<const float*>(x->data),
            .x_stride = x->ne[0],
            .dst = static_cast<float*>(node->data),
            .dst_stride = node->ne[0],
            .tiles = on_tiles(isa, w->type, columns)};
}

MulMatId experts_of(const ggml_tensor* node) {
    const ggml_tensor *w = node->src[0], *x = node->src[1], *ids = node->src[2];
    return {.format = find_format(w->type),
            .strips = static_cast<const uint8_t*>(w->data),
            .k = w->ne[0],
            .rows = w->ne[1],
            .experts = w->ne[2],
            .slots = ids->ne[0],
            .tokens = ids->ne[1],
            .x = static_cast<const char*>(x->data),
            .ids = static_cast<const char*>(ids->data),
            .dst = static_cast<char*>(node->data),
            .x_slot = x->ne[1] == 1 ? 0 : int64_t(x->nb[1]),
            .x_token = int64_t(x->nb[2]),
            .ids_slot = int64_t(ids->nb[0]),
            .ids_token = int64_t(ids->nb[1]),
            .dst_slot = int64_t(node->nb[1]),
            .dst_token = int64_t(node->nb[2])};
}

// Nodes of branches that a graph does not take have no such flag.
bool is_computed(const ggml_tensor* node) { return ggml_nelements(node) > 0 && (node->flags & GGML_TENSOR_FLAG_COMPUTE) != 0; }

}  // namespace

GetRows packed_rows_of(const ggml_tensor* node) {
    const ggml_tensor *w = node->src[0], *ids = node->src[1];
    return {.format = find_format(w->type),
            .strips = static_cast<const uint8_t*>(w->data),
            .k = w->ne[0],
            .rows = w->ne[1],
            .n_ids = ids->ne[0],
            .ids = static_cast<const int32_t*>(ids->data),
            .dst = static_cast<float*>(node->data)};
}

void Plan::make(ggml_cgraph* graph, const Isa& isa, int threads, bool row_by_row) {
    isa_ = &isa, threads_ = threads, row_by_row_ = row_by_row;
    tasks.clear(), products.clear(), mixtures.clear(), first_tasks.assign(1, 0), chains.assign(1, {}), stage_.clear();
    n_rotations = 0, work = 0;
    panels_read_ = false;
    rounded_ = {};
    // Rotations depend on the graph's inputs only: they are made in the first stage, whoever needs them.
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        if (node->op == GGML_OP_ROPE && is_computed(node)) (void)rotations_for(node);
    }
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        if (is_computed(node)) add(node);
    }
    next_stage();
}

void Plan::add(const ggml_tensor* node) {
    now_.clear();
    switch (node->op) {
        case GGML_OP_MUL_MAT: add_product(node); break;
        case GGML_OP_MUL_MAT_ID: add_experts(node); break;
        case GGML_OP_FLASH_ATTN_EXT: add_attention(node); break;
        default:
            if (!is_row_op(node)) return;
            if (node->op == GGML_OP_GET_ROWS && is_packed(node->src[0])) add_packed_rows(node);
            else add_rows(node);
    }
    // Activations and ids are known by their place, which may be another tensor's later.
    if (overlap(rounded_.x, node) || overlap(rounded_.ids, node)) rounded_.known = false;
}

// To the end of its stage's chain for nodes with so many slices: Touch::conflicts() relies on there being one chain for them.
void Plan::add_rows(const ggml_tensor* node) {
    add_touches(node, now_);
    const bool rotates = node->op == GGML_OP_ROPE;
    into_stage(rotates && first_tasks.size() == 1);
    const int64_t units = units_for(row_op_slices(node));
    work += int64_t(ggml_nbytes(node->op == GGML_OP_SET_ROWS ? node->src[0] : node));
    const size_t place = chains.size();
    chains.push_back({.node = node, .rotations = rotates ? rotations_for(node) : 0, .next = 0});
    const auto chain = std::find_if(tasks.begin() + std::ptrdiff_t(first_tasks.back()), tasks.end(), [&](const Task& task) {
        return task.kind == TaskKind::rows && row_op_slices(chains[task.first].node) == row_op_slices(node);
    });
    if (chain == tasks.end()) tasks.push_back({.kind = TaskKind::rows, .units = units, .first = place, .last = place});
    else chains[std::exchange(chain->last, place)].next = place;
}

size_t Plan::rotations_for(const ggml_tensor* rope) {
    for (size_t i = 0; i < n_rotations; ++i)
        if (rotate_alike(rotations[i].rope, rope)) return i;
    if (rotations.size() == n_rotations) rotations.emplace_back();
    rotations[n_rotations].rope = rope;
    rotations[n_rotations].factors.resize(rotation_floats(rope));
    tasks.push_back({.kind = TaskKind::rotations, .units = std::min<int64_t>(rope->ne[2], threads_), .node = rope, .job = n_rotations});
    return n_rotations++;
}

void Plan::add_packed_rows(const ggml_tensor* node) {
    touch(node, true), touch(node->src[1], false);
    into_stage(false);
    work += int64_t(ggml_nbytes(node));
    tasks.push_back({.kind = TaskKind::packed_rows, .units = units_for(node->src[1]->ne[0]), .node = node});
}

// Neighbours such as Q, K and V or gate and up read the same activations: rounded once.
void Plan::add_product(const ggml_tensor* node) {
    const MulMat job = product_of(node, *isa_);
    const size_t place = products.size();
    products.push_back(job);
    constexpr int64_t columns_per_pass = 4;  // that cost as much as reading the weights
    work += int64_t(job.format->packed_bytes(job.k, job.rows)) * (1 + job.columns / columns_per_pass);
    reserve(job.own_panels() ? 0 : job.panel_bytes(), job.scratch_bytes());
    touch(node->src[1], false);
    if (!rounded_.known || rounded_.ids || !same_panels(job, rounded_.product)) {
        rounds(node->src[1], nullptr, job, {});
        if (!job.own_panels()) {
            into_stage(panels_read_);
            tasks.push_back({.kind = TaskKind::quantise, .units = job.panels(), .job = place});
            next_stage();
        }
    }
    touch(node, true);
    into_stage(false);
    panels_read_ = panels_read_ || !job.own_panels();
    tasks.push_back({.kind = TaskKind::product, .units = product_units(job, threads_), .job = place, .activations = rounded_.number});
}

void Plan::add_experts(const ggml_tensor* node) {
    const MulMatId job = experts_of(node);
    const size_t place = mixtures.size();
    mixtures.push_back(job);
    work += int64_t(job.format->packed_bytes(job.k, job.rows)) * job.slots * job.tokens;
    reserve(job.own_panels() ? 0 : job.panel_bytes(), job.scratch_bytes());
    touch(node->src[1], false), touch(node->src[2], false);
    const int64_t units = int64_t(threads_) * units_per_thread;
    if (!rounded_.known || !rounded_.ids || !same_panels(job, rounded_.experts)) {
        rounds(node->src[1], node->src[2], {}, job);
        if (!job.own_panels()) {
            into_stage(panels_read_);
            tasks.push_back({.kind = TaskKind::sort_experts, .units = 1, .job = place});
            next_stage();
            tasks.push_back({.kind = TaskKind::quantise_experts, .units = units, .job = place});
            next_stage();
        }
    }
    touch(node, true);
    into_stage(false);
    panels_read_ = panels_read_ || !job.own_panels();
    tasks.push_back({.kind = TaskKind::expert_product, .units = units, .job = place, .activations = rounded_.number});
}

// It shares the panels' memory.
void Plan::add_attention(const ggml_tensor* node) {
    // Every row of Q looks at all cells, at worst.
    work += ggml_nrows(node->src[0]) * node->src[1]->ne[1] * node->src[0]->ne[0];
    const size_t shared = attention_shared_bytes(node, row_by_row_, threads_);
    reserve(shared, attention_scratch_bytes(node));
    next_stage();
    tasks.push_back({.kind = TaskKind::attention, .units = attention_units(node, row_by_row_, threads_), .node = node});
    next_stage();
    if (shared > 0) {
        tasks.push_back({.kind = TaskKind::join_attention, .units = units_for(ggml_nrows(node->src[0])), .node = node});
        next_stage();
        rounded_.known = false;
    }
}

void Plan::rounds(const ggml_tensor* x, const ggml_tensor* ids, const MulMat& product, const MulMatId& experts) {
    rounded_ = {.known = true, .x = x, .ids = ids, .product = product, .experts = experts, .number = rounded_.number + 1};
}

void Plan::touch(const ggml_tensor* t, bool writes) {
    const auto* begin = static_cast<const char*>(t->data);
    now_.push_back({.begin = begin, .end = begin + ggml_nbytes(t), .writes = writes, .slices = 0, .stride = 0});
}

bool Plan::conflicts() const {
    return std::ranges::any_of(now_, [&](const Touch& a) { return std::ranges::any_of(stage_, [&](const Touch& b) { return a.conflicts(b); }); });
}

void Plan::into_stage(bool later) {
    if (later || conflicts()) next_stage();
    stage_.insert(stage_.end(), now_.begin(), now_.end());
}

void Plan::next_stage() {
    stage_.clear();
    panels_read_ = false;
    if (tasks.size() > first_tasks.back()) first_tasks.push_back(tasks.size());
}

int64_t Plan::units_for(int64_t pieces) const { return std::min(pieces, int64_t(threads_) * units_per_thread); }

void Plan::reserve(size_t shared, size_t own) {
    panel_bytes = std::max(panel_bytes, rounded_up(shared));
    scratch_bytes = std::max(scratch_bytes, rounded_up(own));
}

}  // namespace weft::kernels
