#include "plugin/backend.h"

#include <omp.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "plugin/plan.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

constexpr size_t cache_line = 64;
// Below this, a graph is computed by the calling thread alone: calling the others costs more than they help. In bytes of weights
// times passes over them; one core does it in about 10 us.
constexpr int64_t alone_below = 160 * 1024;

// What a thread has for itself while it computes a graph.
struct alignas(cache_line) Own {
    int64_t activations = 0;  // whose own panels are in its scratch memory; 0: none's
    ExpertPlan experts{};
};

// One per llama context; one graph at a time.
struct Backend {
    ggml_backend base{};
    int threads = 1;
    const Isa& isa;
    Plan plan{};
    Stages stages{};
    ExpertPlan experts{};  // shared
    std::vector<Own> own{};
    std::vector<uint8_t> memory{};  // panels, then a scratch part per thread
    uint8_t* panels = nullptr;

    void prepare(ggml_cgraph* graph);
    [[nodiscard]] uint8_t* scratch(int thread) const { return panels + plan.panel_bytes + plan.scratch_bytes * size_t(thread); }
    void compute(int thread, size_t stage, int64_t unit);

  private:
    void compute(int thread, const Task& task, int64_t unit);
    void compute_chain(const Task& task, Part part);
    void multiply(int thread, const Task& task, int64_t unit);
    void multiply_experts(int thread, const Task& task, Part part);
};

Backend* of(ggml_backend_t b) { return static_cast<Backend*>(b->context); }

void Backend::prepare(ggml_cgraph* graph) {
    plan.make(graph, isa, threads, settings().deterministic);
    stages.clear();
    for (size_t i = 0; i + 1 < plan.first_tasks.size(); ++i) {
        int64_t units = 0;
        for (size_t t = plan.first_tasks[i]; t < plan.first_tasks[i + 1]; ++t) units += plan.tasks[t].units;
        stages.add(units);
    }
    const size_t needed = plan.panel_bytes + plan.scratch_bytes * size_t(threads) + cache_line;
    if (needed > memory.size()) {
        memory = {};
        memory.resize(needed);
    }
    panels = memory.data() + (cache_line - reinterpret_cast<uintptr_t>(memory.data()) % cache_line) % cache_line;
    own.resize(size_t(threads));
    for (Own& it : own) it.activations = 0;
}

// Whether a task overwrites the panels that a thread has for itself, but for those who put them there.
bool uses_scratch(const Task& task, const Plan& plan) {
    switch (task.kind) {
        case TaskKind::rotations:
        case TaskKind::rows:
        case TaskKind::packed_rows:
        case TaskKind::sort_experts:
        case TaskKind::join_attention: return false;
        case TaskKind::product: return !plan.products[task.job].own_panels();
        case TaskKind::expert_product: return false;
        case TaskKind::quantise:
        case TaskKind::quantise_experts:
        case TaskKind::attention: return true;
    }
    return true;
}

void Backend::compute(int thread, size_t stage, int64_t unit) {
    const Task* task = &plan.tasks[plan.first_tasks[stage]];
    for (; unit >= task->units; ++task) unit -= task->units;
    compute(thread, *task, unit);
}

void Backend::compute(int thread, const Task& task, int64_t unit) {
    const Part part{unit, task.units};
    auto* shared = reinterpret_cast<float*>(panels);
    const bool row_by_row = settings().deterministic;
    if (uses_scratch(task, plan)) own[size_t(thread)].activations = 0;
    switch (task.kind) {
        case TaskKind::rotations: return make_rotations(task.node, part, plan.rotations[task.job].factors.data());
        case TaskKind::rows: return compute_chain(task, part);
        case TaskKind::packed_rows: return get_rows_part(packed_rows_of(task.node), part);
        case TaskKind::quantise: return quantise_panel(isa, plan.products[task.job], unit, panels, scratch(thread));
        case TaskKind::product: return multiply(thread, task, unit);
        case TaskKind::sort_experts: return experts.make(plan.mixtures[task.job]);
        case TaskKind::quantise_experts: return quantise_part(isa, plan.mixtures[task.job], experts, part, panels, scratch(thread));
        case TaskKind::expert_product: return multiply_experts(thread, task, part);
        case TaskKind::attention: return attend(isa, task.node, row_by_row, threads, unit, shared, scratch(thread));
        case TaskKind::join_attention: return join_attention(task.node, row_by_row, threads, part, shared);
    }
}

void Backend::compute_chain(const Task& task, Part part) {
    for (size_t i = task.first; i != 0; i = plan.chains[i].next) {
        const auto& link = plan.chains[i];
        row_op_part(isa, link.node, part, link.node->op == GGML_OP_ROPE ? plan.rotations[link.rotations].factors.data() : nullptr);
    }
}

void Backend::multiply(int thread, const Task& task, int64_t unit) {
    const MulMat& job = plan.products[task.job];
    uint8_t* mine = scratch(thread);
    if (job.own_panels() && std::exchange(own[size_t(thread)].activations, task.activations) != task.activations)
        quantise_panel(isa, job, 0, mine, mine);
    kernels::multiply(isa, job, unit, threads, job.own_panels() ? mine : panels, mine);
}

void Backend::multiply_experts(int thread, const Task& task, Part part) {
    const MulMatId& job = plan.mixtures[task.job];
    if (!job.own_panels()) return multiply_part(isa, job, experts, part, panels);
    Own& it = own[size_t(thread)];
    uint8_t* mine = scratch(thread) + job.side_by_side_bytes();
    if (std::exchange(it.activations, task.activations) != task.activations) {
        it.experts.make(job);
        quantise_part(isa, job, it.experts, {.index = 0, .count = 1}, mine, scratch(thread));
    }
    multiply_part(isa, job, it.experts, part, mine);
}

ggml_status graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
    Backend& b = *of(backend);
    try {
        b.prepare(graph);
        b.stages.run(b.plan.work < alone_below ? 1 : b.threads, [&](int thread, size_t stage, int64_t unit) { b.compute(thread, stage, unit); });
    } catch (const std::bad_alloc&) {
        return GGML_STATUS_ALLOC_FAILED;  // the caller is C
    }
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
