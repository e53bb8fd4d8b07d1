#include "plugin/backend.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "ops/attention.h"
#include "ops/mul_mat.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

constexpr size_t cache_line = 64;

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
    // Work counters, used in turn: the next node's is set to 0 while this node's is counting.
    alignas(cache_line) std::atomic<int64_t> next_unit[2] = {};

    void collect(ggml_cgraph* graph);
};

Backend* of(ggml_backend_t b) { return static_cast<Backend*>(b->context); }

MulMat job_of(const ggml_tensor* node) {
    const ggml_tensor *w = node->src[0], *x = node->src[1];
    return {.format = find_format(w->type),
            .strips = static_cast<const uint8_t*>(w->data),
            .k = w->ne[0],
            .rows = w->ne[1],
            .columns = x->ne[1] * x->ne[2] * x->ne[3],
            .x = static_cast<const float*>(x->data),
            .x_stride = x->ne[0],
            .dst = static_cast<float*>(node->data),
            .dst_stride = node->ne[0]};
}

bool same_panels(const MulMat& a, const MulMat& b) {
    return a.x == b.x && a.k == b.k && a.columns == b.columns && a.format->activations == b.format->activations;
}

size_t rounded(size_t bytes) { return (bytes + cache_line - 1) / cache_line * cache_line; }

// The nodes to compute, and memory for the largest of them.
void Backend::collect(ggml_cgraph* graph) {
    nodes.clear();
    size_t panels_needed = panel_bytes, scratch_needed = scratch_bytes;
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        if (ggml_nelements(node) == 0) continue;
        if (node->op == GGML_OP_MUL_MAT) panels_needed = std::max(panels_needed, rounded(job_of(node).panel_bytes()));
        else if (node->op == GGML_OP_FLASH_ATTN_EXT) scratch_needed = std::max(scratch_needed, attention_scratch_bytes(node));
        else continue;
        nodes.push_back(node);
    }
    const size_t needed = panels_needed + scratch_needed * size_t(threads) + cache_line;
    if (needed > memory.size()) {
        memory = {};
        memory.resize(needed);
    }
    panel_bytes = panels_needed, scratch_bytes = scratch_needed;
    panels = memory.data() + (cache_line - reinterpret_cast<uintptr_t>(memory.data()) % cache_line) % cache_line;
}

// One member's share of all nodes.
void compute_share(void* context, const Member& member) {
    Backend& b = *static_cast<Backend*>(context);
    uint8_t* scratch = b.panels + b.panel_bytes + b.scratch_bytes * size_t(member.thread);
    bool quantised = false;  // whether the panels hold the activations of the last MUL_MAT
    MulMat last{};
    for (size_t i = 0; i < b.nodes.size(); ++i) {
        const ggml_tensor* node = b.nodes[i];
        auto& next_unit = b.next_unit[i % 2];
        if (i > 0) member.meet();
        if (member.first()) b.next_unit[(i + 1) % 2].store(0, std::memory_order_relaxed);
        if (node->op == GGML_OP_FLASH_ATTN_EXT) {
            attend(b.isa, node, settings().deterministic, member, next_unit, scratch);
            quantised = false;
            continue;
        }
        const MulMat job = job_of(node);
        // Neighbours such as Q, K and V or gate and up read the same activations: quantised once.
        if (!quantised || !same_panels(job, last)) {
            quantise_share(b.isa, job, member, b.panels);
            member.meet();
        }
        multiply_share(b.isa, job, member, b.panels, next_unit);
        last = job;
        quantised = true;
    }
}

ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
    Backend& b = *of(backend);
    b.collect(graph);
    if (b.nodes.empty()) return GGML_STATUS_SUCCESS;
    b.next_unit[0].store(0, std::memory_order_relaxed);
    run_team(b.threads, b.barrier, compute_share, &b);
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
