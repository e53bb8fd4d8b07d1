#include "plugin/weights.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "plugin/device.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

constexpr size_t huge_page = size_t(2) << 20;
// A page fault may map that much of a file around it, what has just been given back included.
constexpr size_t mapped_around = 2 * huge_page;

size_t mapped_size(size_t size) { return (size + huge_page - 1) / huge_page * huge_page; }

// Huge pages matter: decode streams every weight once per token, and page walks are dear in a virtual machine.
void* map_memory(size_t size) {
    const size_t want = mapped_size(size) + huge_page;
    void* raw = mmap(nullptr, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    const auto start = reinterpret_cast<uintptr_t>(raw), base = (start + huge_page - 1) / huge_page * huge_page;
    if (base > start) munmap(raw, base - start);
    if (base - start < huge_page) munmap(reinterpret_cast<void*>(base + mapped_size(size)), huge_page - (base - start));
    madvise(reinterpret_cast<void*>(base), mapped_size(size), MADV_HUGEPAGE);
    return reinterpret_cast<void*>(base);
}

// When the loader hands out pieces of a mapped file, the file's pages would count as ours beside the packed copy. They go
// back to the page cache as soon as they have been read; any other memory is left alone.
void give_back_mapped_file(const void* data, size_t size) {
    std::FILE* maps = std::fopen("/proc/self/maps", "re");
    if (!maps) return;
    const auto from = reinterpret_cast<uintptr_t>(data), to = from + size;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    char line[512];
    while (std::fgets(line, sizeof line, maps)) {
        uintptr_t begin = 0, end = 0;
        char permissions[8] = {};
        unsigned long inode = 0;
        if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %lu", &begin, &end, permissions, &inode) != 4) continue;
        if (from < begin || to > end) continue;
        const uintptr_t first = std::max(begin, from - std::min(from, mapped_around)) / page * page, last = to / page * page;
        if (inode != 0 && permissions[1] == '-' && first < last)
            madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
        break;
    }
    std::fclose(maps);
}

// Slice by slice, so that never more than a slice of the file is resident beside the packed matrix.
void pack_and_give_back(const Format& f, int64_t k, int64_t rows, const uint8_t* data, uint8_t* strips) {
    constexpr int64_t slice_bytes = int64_t(16) << 20;
    const auto row_bytes = int64_t(f.row_bytes(k));
    const int64_t slice = std::max<int64_t>(1, slice_bytes / row_bytes / strip_rows) * strip_rows;
    for (int64_t first = 0; first < rows; first += slice) {
        const int64_t n = std::min(slice, rows - first);
        pack_rows(f, k, n, data + first * row_bytes, strips + first / strip_rows * int64_t(f.strip_bytes(k)));
        give_back_mapped_file(data + first * row_bytes, size_t(n * row_bytes));
    }
}

// The tensor whose memory this one is: itself, or the one that it is a view of.
const ggml_tensor* owner_of(const ggml_tensor* t) { return t->view_src ? t->view_src : t; }

// Bytes of the file's layout, from anywhere in a packed matrix.
void read_packed(const Format& f, const ggml_tensor* matrix, size_t offset, size_t size, uint8_t* out) {
    const int64_t k = matrix->ne[0], rows = ggml_nrows(matrix);
    const auto* strips = static_cast<const uint8_t*>(matrix->data);
    if (offset == 0 && size == ggml_nbytes(matrix)) return unpack_rows(f, k, rows, strips, out);
    const size_t row_bytes = f.row_bytes(k);
    const int64_t first_strip = int64_t(offset / row_bytes) / strip_rows, first = first_strip * strip_rows;
    const int64_t end = std::min(rows, int64_t((offset + size + row_bytes - 1) / row_bytes));
    std::vector<uint8_t> around(size_t(end - first) * row_bytes);
    unpack_rows(f, k, end - first, strips + size_t(first_strip) * f.strip_bytes(k), around.data());
    std::memcpy(out, around.data() + (offset - size_t(first) * row_bytes), size);
}

void set_tensor(ggml_backend_buffer_t, ggml_tensor* t, const void* data, size_t offset, size_t size) {
    const Format* f = repacked_as(owner_of(t));
    if (!f) {
        std::memcpy(static_cast<uint8_t*>(t->data) + offset, data, size);
        return;
    }
    if (t->view_src || offset != 0 || size != ggml_nbytes(t)) GGML_ABORT("weft-kernels: a weight must be set whole");
    pack_and_give_back(*f, t->ne[0], ggml_nrows(t), static_cast<const uint8_t*>(data), static_cast<uint8_t*>(t->data));
}

void get_tensor(ggml_backend_buffer_t, const ggml_tensor* t, void* data, size_t offset, size_t size) {
    const ggml_tensor* owner = owner_of(t);
    const Format* f = repacked_as(owner);
    // Graphs take views of embedding tables, which the scheduler copies to whoever computes with them.
    if (f) read_packed(*f, owner, t->view_offs + offset, size, static_cast<uint8_t*>(data));
    else std::memcpy(data, static_cast<const uint8_t*>(t->data) + offset, size);
}

void memset_tensor(ggml_backend_buffer_t, ggml_tensor* t, uint8_t value, size_t offset, size_t size) {
    if (repacked_as(owner_of(t))) GGML_ABORT("weft-kernels: a weight must be set whole");
    std::memset(static_cast<uint8_t*>(t->data) + offset, value, size);
}

const ggml_backend_buffer_i buffer_interface = {
    .free_buffer = [](ggml_backend_buffer_t b) { munmap(b->context, mapped_size(b->size)); },
    .get_base = [](ggml_backend_buffer_t b) { return b->context; },
    .init_tensor = nullptr,
    .memset_tensor = memset_tensor,
    .set_tensor = set_tensor,
    .get_tensor = get_tensor,
    .set_tensor_2d = nullptr,
    .get_tensor_2d = nullptr,
    .cpy_tensor = nullptr,
    .clear = [](ggml_backend_buffer_t b, uint8_t value) { std::memset(b->context, value, b->size); },
    .reset = nullptr,
};

ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t type, size_t size) {
    void* memory = map_memory(size);
    return memory ? ggml_backend_buffer_init(type, buffer_interface, memory, size) : nullptr;
}

size_t alloc_size(ggml_backend_buffer_type_t, const ggml_tensor* t) {
    const Format* f = repacked_as(t);
    return f ? f->packed_bytes(t->ne[0], ggml_nrows(t)) : ggml_nbytes(t);
}

// ggml's test-backend-ops puts activations, masks and KV caches into the weight buffer, too; weights of all types are known
// there by their names only.
bool is_weight_of_harness(const ggml_tensor* t) {
    constexpr std::string_view names[] = {"a", "as", "in"};
    return std::ranges::find(names, std::string_view(t->name)) != std::end(names);
}

}  // namespace

const Format* repacked_as(const ggml_tensor* t) {
    if (settings().row_harness) return nullptr;
    const Format* f = find_format(t->type);
    if (f && f->pads && settings().harness && !is_weight_of_harness(t)) return nullptr;
    const bool one_matrix = t->ne[2] == 1 && t->ne[3] == 1;
    // One expert after the other: whole strips, so that no strip belongs to two.
    const bool experts = t->ne[2] > 1 && t->ne[3] == 1 && t->ne[1] % strip_rows == 0;
    const bool whole = ggml_is_contiguous(t) && !t->view_src;
    return f && whole && (one_matrix || experts) && (f->pads || t->ne[0] % f->strip_k == 0) ? f : nullptr;
}

bool lies_in_weight_buffer(const ggml_tensor* t) {
    return t->buffer && ggml_backend_buffer_get_type(t->buffer) == weight_buffer_type();
}

bool is_packed(const ggml_tensor* t) { return lies_in_weight_buffer(t) && repacked_as(t); }

ggml_backend_buffer_type_t weight_buffer_type() {
    static ggml_backend_buffer_type type = {
        .iface = {.get_name = [](ggml_backend_buffer_type_t) { return "WEFT"; },
                  .alloc_buffer = alloc_buffer,
                  .alloc_buffer_n = nullptr,
                  .get_alignment = [](ggml_backend_buffer_type_t) -> size_t { return 64; },
                  .get_max_size = nullptr,
                  .get_alloc_size = alloc_size,
                  .get_alloc_size_n = nullptr,
                  .is_host = nullptr},  // not host memory: others would read packed bytes, and nothing would be packed
        .device = loader_device(),
        .context = nullptr,
    };
    return &type;
}

}  // namespace weft::kernels
