#pragma once

#include <cstdint>
#include <string>

#include "runner/reply_format.h"

namespace weft {

// What a loaded model is, as its engine process reports it once it is ready. Constant for the life of the process.
struct ModelDescription {
    std::string architecture;
    std::string summary;                  // libllama's own line: "llama 1B Q4_K - Medium"
    std::uint64_t weights_bytes = 0;
    std::uint64_t memory_bytes = 0;       // weights + KV cache + compute buffers
    std::uint64_t gpu_bytes = 0;          // part of memory_bytes that lies on GPUs
    std::uint64_t parameters = 0;
    std::uint32_t vocabulary = 0;
    std::uint32_t embedding_length = 0;
    std::uint32_t trained_context = 0;    // tokens
    std::uint32_t context_tokens = 0;     // window of one sequence here
    std::uint32_t kv_cells = 0;           // of the whole pool
    std::uint32_t slots = 0;              // sequences that can run at once
    bool generates = true;                // false for encoder-only (embedding) models
    bool embeds = true;
    bool infills = false;                 // has fill-in-the-middle tokens
    bool sees = false;                    // takes images
    bool template_takes_tools = false;
    bool template_thinks = false;
    bool has_template = false;
    ReplyFormat reply_format{};           // how thinking and tool calls are written; known from the template
};

}  // namespace weft
