#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runner/generation.h"

namespace weft {

// A LoRA adapter that the configuration lays over a model.
struct ModelAdapter {
    std::filesystem::path path;
    float scale = 1;
    bool operator==(const ModelAdapter&) const = default;
};

struct GgufHeader;  // registry/gguf.h: every metadata key and tensor of the file

// What is known of a model without loading it: its file's header and its configuration.
struct ModelInfo {
    std::string name;                     // display form: "demo:latest", "user/m:v1"
    std::filesystem::path path;           // of the first GGUF file; never shown to clients
    std::string digest;                   // 64 hex digits that change when the file does
    std::uint64_t size_bytes = 0;
    std::chrono::system_clock::time_point modified_at;

    std::string architecture;             // general.architecture: "llama"
    std::string parameter_size;           // "3.2B", "4.05M"
    std::string quantization;             // "Q8_0", "Q4_K_M"
    std::uint64_t parameters = 0;
    std::uint32_t trained_context = 0;    // tokens
    std::uint32_t embedding_length = 0;
    std::uint32_t vocabulary = 0;
    std::string chat_template;            // Jinja, as in the file; empty when there is none
    std::vector<std::string> capabilities;  // completion, tools, insert, thinking, embedding, rerank, vision, audio
    std::shared_ptr<const GgufHeader> header;

    // From the configuration.
    std::string system;                   // default system prompt; empty = none
    std::vector<std::pair<std::string, std::string>> parameters_text;  // name, JSON value: "temperature", "0.2"
    std::vector<ModelAdapter> adapters;
    std::filesystem::path draft;          // a smaller model that guesses for it; empty = none
    std::shared_ptr<const GgufHeader> draft_header;  // of it
    std::filesystem::path projector;      // of images into embeddings; empty: the model sees none
    std::uint64_t projector_bytes = 0;
    std::uint32_t context_tokens = 0;     // 0 = the server's default
    std::optional<std::chrono::nanoseconds> keep_alive{};  // as in AcquireRequest; absent = the server's default

    [[nodiscard]] bool can(std::string_view capability) const {
        for (const auto& c : capabilities)
            if (c == capability) return true;
        return false;
    }
};

}  // namespace weft
