#include "ops/mul_mat_id.h"

#include <algorithm>
#include <cstring>

namespace weft::kernels {
namespace {

int32_t expert_of(const MulMatId& job, int64_t slot, int64_t token) {
    int32_t id;
    std::memcpy(&id, job.ids + token * job.ids_token + slot * job.ids_slot, sizeof id);
    return id;
}

}  // namespace

void ExpertPlan::make(const MulMatId& job) {
    columns.clear(), panels.clear(), groups.clear();
    std::vector<int32_t> counts(size_t(job.experts) + 1, 0);
    const auto known = [&](int32_t expert) { return expert >= 0 && expert < job.experts; };
    for (int64_t t = 0; t < job.tokens; ++t)
        for (int64_t s = 0; s < job.slots; ++s)
            if (const int32_t e = expert_of(job, s, t); known(e)) ++counts[size_t(e) + 1];
    for (size_t e = 1; e < counts.size(); ++e) counts[e] += counts[e - 1];
    columns.resize(size_t(counts.back()));
    auto next = counts;
    for (int64_t t = 0; t < job.tokens; ++t)
        for (int64_t s = 0; s < job.slots; ++s)
            if (const int32_t e = expert_of(job, s, t); known(e))
                columns[size_t(next[size_t(e)]++)] = {.slot = int32_t(s), .token = int32_t(t)};
    for (int32_t e = 0; e < job.experts; ++e) {
        const int32_t first = counts[size_t(e)], end = counts[size_t(e) + 1];
        if (first == end) continue;
        groups.push_back({.expert = e, .first_panel = int32_t(panels.size()), .panels = (end - first + panel_columns - 1) / panel_columns});
        for (int32_t c = first; c < end; c += panel_columns)
            panels.push_back({.first = c, .columns = std::min(panel_columns, end - c)});
    }
}

void quantise_part(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, Part part, uint8_t* panels, uint8_t* scratch) {
    const Activations kind = job.format->activations;
    auto* side_by_side = reinterpret_cast<float*>(scratch);
    const int64_t k = job.packed_k();
    for (int64_t p = part.first(std::ssize(plan.panels)); p < part.end(std::ssize(plan.panels)); ++p) {
        const auto [first, columns] = plan.panels[size_t(p)];
        for (int c = 0; c < columns; ++c) {
            const auto [slot, token] = plan.columns[size_t(first + c)];
            float* row = side_by_side + c * k;
            std::memcpy(row, job.x + token * job.x_token + slot * job.x_slot, size_t(job.k) * sizeof(float));
            std::fill(row + job.k, row + k, 0.0f);
        }
        isa.quantise_panel(kind, side_by_side, k, k, columns, panels + size_t(first) * column_bytes(kind.kind, k));
    }
}

void multiply_part(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, Part part, const uint8_t* panels) {
    const int64_t k = job.packed_k();
    const size_t column = column_bytes(job.format->activations.kind, k), strip = job.format->strip_bytes(k);
    const int64_t strips = strips_of(job.rows), all = strips * std::ssize(plan.groups);
    float tile[panel_columns * strip_rows];
    // Strips of one expert after the other; all panels of an expert pass over those of this part.
    for (int64_t begin = part.first(all), end; begin < part.end(all); begin = end) {
        const auto& group = plan.groups[size_t(begin / strips)];
        end = std::min(part.end(all), (begin / strips + 1) * strips);
        for (int p = group.first_panel; p < group.first_panel + group.panels; ++p) {
            const auto [first, columns] = plan.panels[size_t(p)];
            const StripKernel kernel = isa.strip_kernel(job.format->type, columns);
            for (int64_t s = begin % strips; s < begin % strips + end - begin; ++s) {
                kernel(job.strips + size_t(group.expert * strips + s) * strip, panels + size_t(first) * column, k, tile, strip_rows);
                for (int c = 0; c < columns; ++c) {
                    const auto [slot, token] = plan.columns[size_t(first + c)];
                    char* to = job.dst + token * job.dst_token + slot * job.dst_slot;
                    std::memcpy(to + s * strip_rows * int64_t(sizeof(float)), tile + c * strip_rows, strip_rows * sizeof(float));
                }
            }
        }
    }
}

}  // namespace weft::kernels
