#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::jinja {

// What one rendering may cost before it ends with an error. The defaults leave room for prompts of several megabytes and
// end a hostile template within seconds. depth fits a stack of 8 MiB, the sanitizers' frames included.
struct Budget {
    std::uint64_t steps = 5'000'000;             // nodes evaluated
    int depth = 600;                             // nested evaluation, macro calls included
    std::size_t output_bytes = 64u << 20;        // text produced
    std::size_t work_bytes = std::size_t{512} << 20;  // copied, compared and allocated in all
};

}  // namespace weft::jinja
