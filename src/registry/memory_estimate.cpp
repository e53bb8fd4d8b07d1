#include "registry/memory_estimate.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace weft {
namespace {

constexpr std::uint64_t compute_bytes = 64ULL << 20;  // buffers of a small model
constexpr double margin = 0.05;                       // of weights and KV cache, for what grows with both

std::uint64_t key(const GgufHeader& header, std::string_view name) {
    return header.integer(header.architecture_key(name)).value_or(0);
}

// KV heads of all layers together: one number for every layer, or one per layer.
std::uint64_t kv_heads_of_all_layers(const GgufHeader& header) {
    const std::uint64_t layers = key(header, "block_count");
    if (const auto* each = header.array(header.architecture_key("attention.head_count_kv"))) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < std::min<std::size_t>(each->values.size(), layers); ++i) {
            if (const auto* u = std::get_if<std::uint64_t>(&each->values[i])) sum += *u;
            if (const auto* s = std::get_if<std::int64_t>(&each->values[i])) sum += static_cast<std::uint64_t>(*s);
        }
        return sum;
    }
    const auto heads = header.integer(header.architecture_key("attention.head_count_kv"));
    return layers * heads.value_or(key(header, "attention.head_count"));
}

}  // namespace

double kv_bytes_per_token(const GgufHeader& header, double bytes_per_value) {
    const std::uint64_t heads = std::max<std::uint64_t>(key(header, "attention.head_count"), 1);
    const std::uint64_t plain = key(header, "embedding_length") / heads;
    const std::uint64_t key_length = header.integer(header.architecture_key("attention.key_length")).value_or(plain);
    const std::uint64_t value_length = header.integer(header.architecture_key("attention.value_length")).value_or(plain);
    return static_cast<double>(kv_heads_of_all_layers(header)) * static_cast<double>(key_length + value_length) *
           bytes_per_value;
}

std::uint64_t estimate_memory(const GgufHeader& header, const MemoryShape& shape) {
    const double kv = kv_bytes_per_token(header, shape.kv_bytes_per_value) * static_cast<double>(shape.kv_cells);
    const double total = (static_cast<double>(header.file_bytes) + kv) * (1 + margin) + static_cast<double>(compute_bytes);
    return total < 1e18 ? static_cast<std::uint64_t>(total) : 1'000'000'000'000'000'000ULL;
}

std::uint64_t usable_memory() {
    const auto pages = static_cast<std::uint64_t>(std::max(sysconf(_SC_PHYS_PAGES), 1L));
    std::uint64_t bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
    for (const char* limit : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        std::uint64_t group = 0;  // stays 0 for "max"
        if (std::ifstream in(limit); in >> group && group > 0) bytes = std::min(bytes, group);
    }
    return bytes;
}

}  // namespace weft
