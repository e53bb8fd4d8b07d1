#include "plugin/backend.h"

#include <omp.h>

#include <algorithm>
#include <new>
#include <vector>

#include "ops/attention.h"
#include "ops/get_rows.h"
#include "ops/mul_mat.h"
#include "ops/mul_mat_id.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

constexpr size_t cache_line = 64;
// Below this, a graph is computed by the calling thread alone: meeting costs more than helping. In bytes of weights times
// passes over them; one core does it in about 10 us.
constexpr int64_t alone_below = 160 * 1024;

// One per llama context; one graph at a time.
struct Backend {
    ggml_backend base{};
    int threads = 1;
    const Isa& isa;
    Barrier barrier{};
    std::vector<const ggml_tensor*> nodes{};
    std::vector<uint8_t> memory{};       // panels, then a scratch part per thread
    uint8_t* panels = nullptr;
    size_t panel_bytes = 0, scratch_bytes = 0;
    ExpertPlan experts{};
    int64_t work = 0;  // of all nodes
    // Work counters, used in turn: the next node's is set to 0 while this node's is counting.
    alignas(cache_line) std::atomic<int64_t> next_unit[2] = {};

    void collect(ggml_cgraph* graph);
};

Backend* of(ggml_backend_t b) { return static_cast<Backend*>(b->context); }

// Weights of 32 bits are kept whole: what chooses a mixture's experts is such a matrix.
bool on_tiles(const Isa& isa, ggml_type type, int64_t columns) {
    return isa.tiles && columns >= least_tile_columns && type != GGML_TYPE_F32;
}

MulMat job_of(const ggml_tensor* node, const Isa& isa) {
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

MulMatId experts_job_of(const ggml_tensor* node) {
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

GetRows rows_job_of(const ggml_tensor* node) {
    const ggml_tensor *w = node->src[0], *ids = node->src[1];
    return {.format = find_format(w->type),
            .strips = static_cast<const uint8_t*>(w->data),
            .k = w->ne[0],
            .rows = w->ne[1],
            .n_ids = ids->ne[0],
            .ids = static_cast<const int32_t*>(ids->data),
            .dst = static_cast<float*>(node->data)};
}

bool same_panels(const MulMat& a, const MulMat& b) {
    return a.x == b.x && a.k == b.k && a.columns == b.columns && a.tiles == b.tiles &&
           (a.tiles || a.format->activations == b.format->activations);
}

size_t rounded(size_t bytes) { return (bytes + cache_line - 1) / cache_line * cache_line; }

// What a node costs, in bytes of weights times passes over them.
int64_t work_of(const ggml_tensor* node, const Isa& isa) {
    constexpr int64_t columns_per_pass = 4;  // that cost as much as reading the weights
    switch (node->op) {
        case GGML_OP_MUL_MAT: {
            const MulMat job = job_of(node, isa);
            return int64_t(job.format->packed_bytes(job.k, job.rows)) * (1 + job.columns / columns_per_pass);
        }
        case GGML_OP_MUL_MAT_ID: {
            const MulMatId job = experts_job_of(node);
            return int64_t(job.format->packed_bytes(job.k, job.rows)) * job.slots * job.tokens;
        }
        // Every row of Q looks at all cells, at worst.
        case GGML_OP_FLASH_ATTN_EXT: return ggml_nrows(node->src[0]) * node->src[1]->ne[1] * node->src[0]->ne[0];
        default: return ggml_nbytes(node);
    }
}

// The nodes to compute, and memory for the largest of them.
void Backend::collect(ggml_cgraph* graph) {
    nodes.clear();
    work = 0;
    size_t panels_needed = panel_bytes, scratch_needed = scratch_bytes;
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        // Without that flag it belongs to a branch that is not taken.
        if (ggml_nelements(node) == 0 || (node->flags & GGML_TENSOR_FLAG_COMPUTE) == 0) continue;
        switch (node->op) {
            case GGML_OP_MUL_MAT: {
                const MulMat job = job_of(node, isa);
                panels_needed = std::max(panels_needed, rounded(job.panel_bytes()));
                scratch_needed = std::max(scratch_needed, rounded(job.scratch_bytes()));
                break;
            }
            case GGML_OP_MUL_MAT_ID: {
                const MulMatId job = experts_job_of(node);
                panels_needed = std::max(panels_needed, rounded(job.panel_bytes()));
                scratch_needed = std::max(scratch_needed, rounded(job.scratch_bytes()));
                break;
            }
            case GGML_OP_FLASH_ATTN_EXT:
                panels_needed = std::max(panels_needed, rounded(attention_shared_bytes(node, settings().deterministic, threads)));
                scratch_needed = std::max(scratch_needed, attention_scratch_bytes(node));
                break;
            case GGML_OP_GET_ROWS: break;
            default: continue;
        }
        nodes.push_back(node);
        work += work_of(node, isa);
    }
    const size_t needed = panels_needed + scratch_needed * size_t(threads) + cache_line;
    if (needed > memory.size()) {
        memory = {};
        memory.resize(needed);
    }
    panel_bytes = panels_needed, scratch_bytes = scratch_needed;
    panels = memory.data() + (cache_line - reinterpret_cast<uintptr_t>(memory.data()) % cache_line) % cache_line;
}

// One member's way through all nodes.
class Walk {
  public:
    Walk(Backend& backend, const Member& member)
        : b_(backend), member_(member), scratch_(backend.panels + backend.panel_bytes + backend.scratch_bytes * size_t(member.thread)) {}

    void all() {
        for (size_t i = 0; i < b_.nodes.size(); ++i) {
            if (i > 0) member_.meet();
            if (member_.first()) b_.next_unit[(i + 1) % 2].store(0, std::memory_order_relaxed);
            compute(b_.nodes[i], b_.next_unit[i % 2]);
        }
    }

  private:
    void compute(const ggml_tensor* node, std::atomic<int64_t>& next_unit) {
        switch (node->op) {
            case GGML_OP_MUL_MAT: return multiply(job_of(node, b_.isa), next_unit);
            case GGML_OP_MUL_MAT_ID: return multiply(experts_job_of(node), next_unit);
            case GGML_OP_GET_ROWS:
                quantised_ = false;  // its rows may lie where the activations lay
                return get_rows_share(rows_job_of(node), member_);
            default: return attend(node, next_unit);
        }
    }

    void multiply(const MulMat& job, std::atomic<int64_t>& next_unit) {
        // Neighbours such as Q, K and V or gate and up read the same activations: quantised once.
        if (!quantised_ || !same_panels(job, last_)) {
            quantise_share(b_.isa, job, member_, b_.panels, scratch_);
            if (!job.own_panels()) member_.meet();
        }
        multiply_share(b_.isa, job, member_, b_.panels, next_unit, scratch_);
        last_ = job;
        quantised_ = true;
    }

    void multiply(const MulMatId& job, std::atomic<int64_t>& next_unit) {
        quantised_ = false;
        if (job.own_panels()) {
            uint8_t* panels = scratch_ + job.side_by_side_bytes();
            own_experts_.make(job);
            quantise_share(b_.isa, job, own_experts_, {.thread = 0, .threads = 1, .barrier = b_.barrier}, panels, scratch_);
            return multiply_share(b_.isa, job, own_experts_, member_, panels, next_unit);
        }
        if (member_.first()) b_.experts.make(job);
        member_.meet();
        quantise_share(b_.isa, job, b_.experts, member_, b_.panels, scratch_);
        member_.meet();
        multiply_share(b_.isa, job, b_.experts, member_, b_.panels, next_unit);
    }

    void attend(const ggml_tensor* node, std::atomic<int64_t>& next_unit) {
        quantised_ = false;  // it uses the same memory
        kernels::attend(b_.isa, node, settings().deterministic, member_, next_unit, reinterpret_cast<float*>(b_.panels), scratch_);
    }

    Backend& b_;
    const Member& member_;
    uint8_t* scratch_;
    bool quantised_ = false;  // whether the panels hold the activations of last_
    MulMat last_{};
    ExpertPlan own_experts_{};
};

ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
    Backend& b = *of(backend);
    try {
        b.collect(graph);
    } catch (const std::bad_alloc&) {
        return GGML_STATUS_ALLOC_FAILED;  // the caller is C
    }
    if (b.nodes.empty()) return GGML_STATUS_SUCCESS;
    b.next_unit[0].store(0, std::memory_order_relaxed);
    run_team(b.work < alone_below ? 1 : b.threads, b.barrier, [](void* context, const Member& member) { Walk(*static_cast<Backend*>(context), member).all(); },
             &b);
    return GGML_STATUS_SUCCESS;
}

ggml_guid guid = {0x77, 0x65, 0x66, 0x74, 0x2d, 0x6b, 0x65, 0x72, 0x6e, 0x65, 0x6c, 0x73, 0x2d, 0x30, 0x30, 0x31};

}  // namespace

ggml_backend_t make_backend(ggml_backend_dev_t device) {
    auto* b = new Backend{.threads = omp_get_max_threads(), .isa = *chosen_isa()};
    b->base = {.guid = &guid,
               .iface = {.get_name = [](ggml_backend_t) { return "WEFT"; },
                         .free = [](ggml_backend_t backend) { delete of(backend); },
                         .async_transfers = {},
                         .synchronize = nullptr,
                         .graph_plans = {},
                         .graph_compute = graph_compute,
                         .events = {},
                         .graph_optimize = nullptr},
               .device = device,
               .context = b};
    return &b->base;
}

void set_backend_threads(ggml_backend_t backend, int threads) { of(backend)->threads = std::max(1, threads); }

}  // namespace weft::kernels
