#include "plugin/backend.h"

#include <omp.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "ops/attention.h"
#include "ops/get_rows.h"
#include "ops/mul_mat.h"
#include "ops/mul_mat_id.h"
#include "ops/row_ops.h"
#include "plugin/settings.h"
#include "plugin/weights.h"

namespace weft::kernels {
namespace {

constexpr size_t cache_line = 64;
// Below this, a graph is computed by the calling thread alone: meeting costs more than helping. In bytes of weights times
// passes over them; one core does it in about 10 us.
constexpr int64_t alone_below = 160 * 1024;

// A node, and what the members have to know about its neighbours.
struct Step {
    const ggml_tensor* node;
    bool meets;      // before it, since it needs what others have computed, or overwrites what they may be reading
    bool quantises;  // MUL_MAT: the panels don't hold its activations yet
    size_t counter;  // for whoever shares out units of work
};

struct alignas(cache_line) Counter {
    std::atomic<int64_t> next_unit;
};

// One per llama context; one graph at a time.
struct Backend {
    ggml_backend base{};
    int threads = 1;
    const Isa& isa;
    Barrier barrier{};
    std::vector<Step> steps{};
    std::vector<uint8_t> memory{};       // panels, then a scratch part per thread
    uint8_t* panels = nullptr;
    size_t panel_bytes = 0, scratch_bytes = 0;
    ExpertPlan experts{};
    int64_t work = 0;  // of all nodes
    std::unique_ptr<Counter[]> counters{};
    size_t n_counters = 0;
    std::vector<Rotations> rotations{};  // per thread

    void plan(ggml_cgraph* graph);

  private:
    void reserve(const ggml_tensor* node);
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

bool has_packed_rows(const ggml_tensor* node) {
    return node->op == GGML_OP_GET_ROWS && lies_in_weight_buffer(node->src[0]) && repacked_as(node->src[0]);
}

// Decides when members have to meet: whatever conflicts with what was done since they last met needs a meeting.
class Order {
  public:
    explicit Order(const Isa& isa) : isa_(isa) {}

    Step next(const ggml_tensor* node) {
        Step step{.node = node, .meets = false, .quantises = false, .counter = counters_++};
        if (node->op == GGML_OP_MUL_MAT) multiply(step);
        else if (is_row_op(node) && !has_packed_rows(node)) {
            now_.clear();
            add_touches(node, now_);
            step.meets = conflicts();
            if (step.meets) all_met();
        } else {
            step.meets = true, whole_ = true, quantised_ = false;
            all_met();
            now_.clear();
        }
        since_.insert(since_.end(), now_.begin(), now_.end());
        forget_overwritten(node);
        return step;
    }

  private:
    void all_met() { since_.clear(), reads_panels_ = false; }

    // A product is computed by all, and its panels, which are shared unless they are small, by all before that.
    void multiply(Step& step) {
        const MulMat job = job_of(step.node, isa_);
        step.quantises = !quantised_ || !same_panels(job, last_);
        now_.clear();
        add(step.node, true);
        add(step.node->src[1], false);
        const bool fills_panels = step.quantises && !job.own_panels();
        step.meets = conflicts() || (fills_panels && reads_panels_);
        if (step.meets || fills_panels) all_met();  // in the latter case when the panels are full
        reads_panels_ = reads_panels_ || !job.own_panels();
        last_ = job, quantised_ = true;
    }

    void add(const ggml_tensor* t, bool writes) {
        const auto* begin = static_cast<const char*>(t->data);
        now_.push_back({.begin = begin, .end = begin + ggml_nbytes(t), .writes = writes, .slices = 0, .stride = 0});
    }

    bool conflicts() {
        if (std::exchange(whole_, false)) return true;
        return std::ranges::any_of(now_, [&](const Touch& a) { return std::ranges::any_of(since_, [&](const Touch& b) { return a.conflicts(b); }); });
    }

    // Activations in the panels are known by their place, which may be another tensor's later.
    void forget_overwritten(const ggml_tensor* node) {
        const auto *begin = static_cast<const char*>(node->data), *x = reinterpret_cast<const char*>(last_.x);
        const auto* end = x + size_t(last_.columns * last_.k) * sizeof(float);
        if (quantised_ && begin < end && x < begin + ggml_nbytes(node)) quantised_ = false;
    }

    const Isa& isa_;
    std::vector<Touch> since_{}, now_{};  // since they last met; by this node
    bool whole_ = false;         // the node before has to be done before anything else
    bool reads_panels_ = false, quantised_ = false;
    MulMat last_{};              // whose activations are in the panels, if quantised_
    size_t counters_ = 0;
};

// Memory for the largest node.
void Backend::reserve(const ggml_tensor* node) {
    size_t panels_needed = 0, scratch_needed = 0;
    if (node->op == GGML_OP_MUL_MAT) {
        const MulMat job = job_of(node, isa);
        panels_needed = job.panel_bytes(), scratch_needed = job.scratch_bytes();
    } else if (node->op == GGML_OP_MUL_MAT_ID) {
        const MulMatId job = experts_job_of(node);
        panels_needed = job.panel_bytes(), scratch_needed = job.scratch_bytes();
    } else if (node->op == GGML_OP_FLASH_ATTN_EXT) {
        panels_needed = attention_shared_bytes(node, settings().deterministic, threads), scratch_needed = attention_scratch_bytes(node);
    }
    panel_bytes = std::max(panel_bytes, rounded(panels_needed));
    scratch_bytes = std::max(scratch_bytes, rounded(scratch_needed));
}

bool is_computed(const ggml_tensor* node) {
    return node->op == GGML_OP_MUL_MAT || node->op == GGML_OP_MUL_MAT_ID || node->op == GGML_OP_FLASH_ATTN_EXT || is_row_op(node);
}

void Backend::plan(ggml_cgraph* graph) {
    steps.clear();
    work = 0;
    Order order(isa);
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        // Without that flag it belongs to a branch that is not taken.
        if (ggml_nelements(node) == 0 || (node->flags & GGML_TENSOR_FLAG_COMPUTE) == 0 || !is_computed(node)) continue;
        reserve(node);
        steps.push_back(order.next(node));
        work += work_of(node, isa);
    }
    const size_t needed = panel_bytes + scratch_bytes * size_t(threads) + cache_line;
    if (needed > memory.size()) {
        memory = {};
        memory.resize(needed);
    }
    panels = memory.data() + (cache_line - reinterpret_cast<uintptr_t>(memory.data()) % cache_line) % cache_line;
    if (n_counters < steps.size()) {
        n_counters = 0;
        counters = std::make_unique<Counter[]>(steps.size());
        n_counters = steps.size();
    }
    for (size_t i = 0; i < steps.size(); ++i) counters[i].next_unit.store(0, std::memory_order_relaxed);
    rotations.resize(size_t(threads));
    for (Rotations& known : rotations) known.forget();
}

// One member's way through all nodes.
class Walk {
  public:
    Walk(Backend& backend, const Member& member)
        : b_(backend), member_(member), scratch_(backend.panels + backend.panel_bytes + backend.scratch_bytes * size_t(member.thread)) {}

    void all() {
        for (const Step& step : b_.steps) {
            if (step.meets) member_.meet();
            compute(step, b_.counters[step.counter].next_unit);
        }
    }

  private:
    void compute(const Step& step, std::atomic<int64_t>& next_unit) {
        const ggml_tensor* node = step.node;
        switch (node->op) {
            case GGML_OP_MUL_MAT: return multiply(job_of(node, b_.isa), step.quantises, next_unit);
            case GGML_OP_MUL_MAT_ID: return multiply(experts_job_of(node), next_unit);
            case GGML_OP_FLASH_ATTN_EXT:
                return attend(b_.isa, node, settings().deterministic, member_, next_unit, reinterpret_cast<float*>(b_.panels), scratch_);
            default:
                if (has_packed_rows(node)) get_rows_share(rows_job_of(node), member_);
                else row_op_share(b_.isa, node, member_, b_.rotations[size_t(member_.thread)]);
        }
    }

    // Neighbours such as Q, K and V or gate and up read the same activations: quantised once.
    void multiply(const MulMat& job, bool quantises, std::atomic<int64_t>& next_unit) {
        if (quantises) {
            quantise_share(b_.isa, job, member_, b_.panels, scratch_);
            if (!job.own_panels()) member_.meet();
        }
        multiply_share(b_.isa, job, member_, b_.panels, next_unit, scratch_);
    }

    void multiply(const MulMatId& job, std::atomic<int64_t>& next_unit) {
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

    Backend& b_;
    const Member& member_;
    uint8_t* scratch_;
    ExpertPlan own_experts_{};
};

ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
    Backend& b = *of(backend);
    try {
        b.plan(graph);
    } catch (const std::bad_alloc&) {
        return GGML_STATUS_ALLOC_FAILED;  // the caller is C
    }
    if (b.steps.empty()) return GGML_STATUS_SUCCESS;
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
