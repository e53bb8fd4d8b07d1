// Speed of the kernels alone, for every type: packing in GB/s of the file, decode in GB/s of packed weights, and GOP/s for
// several columns.
// strip_speed [ISA [TYPE]]; on all OpenMP threads. With OMP_NUM_THREADS=1 it counts processor time, which busy neighbours distort less.
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "ops/mul_mat.h"
#include "ops/team.h"

namespace weft::kernels {
namespace {

constexpr int64_t k = 2048, rows = 8192, most_columns = 512;
constexpr size_t memory_bytes = size_t(300) << 20;  // beyond any cache

struct Jobs {
    const Isa& isa;
    std::vector<MulMat> jobs;
    std::vector<uint8_t> panel_memory, scratch_memory;
    uint8_t* panels = nullptr;
    uint8_t* scratch = nullptr;
    size_t scratch_bytes = 0;
    Stages stages{};
};

uint8_t* aligned(std::vector<uint8_t>& memory, size_t bytes) {
    memory.resize(bytes + 64);
    return memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
}

double now() {
    timespec t{};
    clock_gettime(omp_get_max_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

double best_seconds(Jobs& jobs, int rounds) {
    double best = 1e9;
    for (int round = 0; round < rounds; ++round) {
        const double start = now();
        jobs.stages.run(omp_get_max_threads(), [&](int thread, size_t stage, int64_t unit) {
            uint8_t* scratch = jobs.scratch + jobs.scratch_bytes * size_t(thread);
            const MulMat& job = jobs.jobs[stage / 2];
            if (stage % 2 == 0) quantise_panel(jobs.isa, job, unit, jobs.panels, scratch);
            else multiply(jobs.isa, job, unit, omp_get_max_threads(), jobs.panels, scratch);
        });
        best = std::min(best, now() - start);
    }
    return best;
}

void measure(const Isa& isa, const Format& f) {
    const size_t bytes = f.packed_bytes(k, rows);
    const int copies = int(memory_bytes / bytes) + 1;
    void* memory = mmap(nullptr, bytes * size_t(copies), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, bytes * size_t(copies), MADV_HUGEPAGE);
    std::memset(memory, 0x11, bytes * size_t(copies));
    const std::vector<float> x(size_t(k * most_columns), 0.5f);
    std::vector<float> dst(size_t(rows * most_columns));
    const auto seconds_for = [&](int columns, int n) {
        Jobs jobs{.isa = isa, .jobs = {}, .panel_memory = {}, .scratch_memory = {}};
        for (int i = 0; i < n; ++i)
            jobs.jobs.push_back({.format = &f, .strips = static_cast<uint8_t*>(memory) + bytes * size_t(i), .k = k, .rows = rows,
                                 .columns = columns, .x = x.data(), .x_stride = k, .dst = dst.data(), .dst_stride = rows,
                                 .tiles = isa.tiles && columns >= least_tile_columns});
        jobs.scratch_bytes = (jobs.jobs.front().scratch_bytes() + 63) / 64 * 64;
        jobs.panels = aligned(jobs.panel_memory, jobs.jobs.front().panel_bytes());
        jobs.scratch = aligned(jobs.scratch_memory, jobs.scratch_bytes * size_t(omp_get_max_threads()));
        for (const MulMat& job : jobs.jobs) {
            jobs.stages.add(job.panels());
            jobs.stages.add(product_units(job, omp_get_max_threads()));
        }
        return best_seconds(jobs, 5);
    };
    std::vector<uint8_t> file(f.row_bytes(k) * rows, 0x11);
    double packing = 1e9;
    for (int round = 0; round < 3; ++round) {
        const double start = now();
        pack_rows(f, k, rows, file.data(), memory);
        packing = std::min(packing, now() - start);
    }
    std::printf("%-8s packs %4.2f GB/s; %6.1f GB/s;", ggml_type_name(f.type), double(file.size()) / packing / 1e9,
                double(bytes) * copies / seconds_for(1, copies) / 1e9);
    for (const int columns : {4, 16, 32, 64, 512}) {
        const int n = columns > 16 ? 2 : std::min(copies, 8);
        std::printf(" %d: %.0f", columns, 2.0 * k * rows * columns * n / seconds_for(columns, n) / 1e9);
    }
    std::printf(" GOP/s\n");
    munmap(memory, bytes * size_t(copies));
}

}  // namespace
}  // namespace weft::kernels

int main(int argc, char** argv) {
    using namespace weft::kernels;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    for (const Isa* isa : usable_isas()) {
        if (argc > 1 && std::strcmp(argv[1], isa->name) != 0) continue;
        std::printf("%s\n", isa->name);
        for (const Format& f : all_formats())
            if (argc < 3 || std::strcmp(argv[2], ggml_type_name(f.type)) == 0) measure(*isa, f);
    }
}
