#pragma once

// What gateway and engine process say to each other over their socketpair. One message is one frame: a header of magic,
// version and length, a byte that says which message, then the message as BEVE (a binary encoding of plain structs).
// Frames beyond max_frame_bytes and other versions are refused by both sides.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "runner/engine_metrics.h"
#include "runner/generation.h"
#include "runner/model_description.h"

namespace weft {

inline constexpr std::uint32_t frame_magic = 0x74666577;  // "weft"
inline constexpr std::uint16_t frame_version = 1;
inline constexpr std::size_t frame_header_bytes = 12;     // magic u32, version u16, zero u16, length u32; little-endian
inline constexpr std::uint32_t max_frame_bytes = 256U << 20;

// ---- gateway to engine ----

// A LoRA adapter that is laid over the model's weights.
struct LoadedAdapter {
    std::string path;
    float scale = 1;
};

// First message, once. Bounds that are 0 are chosen by the engine.
struct LoadMessage {
    std::string path;
    std::uint32_t context_tokens = 4096;  // window of one sequence; capped by what the model was trained for
    std::uint32_t slots = 64;             // sequences that run at once
    std::uint32_t kv_cells = 0;           // of the pool; 0 = several windows, as memory allows
    std::uint32_t batch_tokens = 512;     // rows of one decode call at most
    std::uint32_t threads = 0;            // 0 = all cores
    std::uint32_t max_queue = 512;        // requests waiting beyond those running
    std::uint32_t target_itl_ms = 250;    // prefill chunks are sized so that running streams wait no longer than this
    std::string kv_cache_type = "f16";
    bool flash_attention = true;
    bool use_mmap = true;
    bool cpu_kernels = true;              // the project's own, where they run
    std::int32_t gpu_layers = -1;
    std::vector<LoadedAdapter> adapters{};
    std::string draft_path{};                 // a smaller model that guesses; empty = none
    std::string projector{};                  // file that turns images into embeddings; empty = none
    std::string digest{};                     // of the model file; names its prefixes on disk
    std::uint64_t max_queue_tokens = 0;       // prompt tokens of all requests inside; 0 = no bound
    std::uint64_t cache_host_bytes = 0;       // copies of prefixes in memory ...
    std::uint64_t cache_disk_bytes = 0;       // ... and on disk, below cache_folder
    std::string cache_folder{};               // empty = nothing on disk
    bool shared_cache = false;                // between all tenants
    bool check_prefixes = false;              // debugging: computes prompts twice and compares
    bool speculation = false;                 // by prompt lookup
    bool deterministic = false;               // no request's numbers depend on what else runs; slow
};
struct GenerateMessage {
    std::uint64_t id = 0;
    GenerateRequest request;
};
struct CancelMessage {
    std::uint64_t id = 0;
};
struct PauseMessage {
    std::uint64_t id = 0;
    bool paused = false;
};
struct EmbedMessage {
    std::uint64_t id = 0;
    EmbedRequest request;
};
struct TokenizeMessage {
    std::uint64_t id = 0;
    std::string text;
    bool add_special = false;
    bool parse_special = true;
    std::optional<ChatPrompt> chat{};  // instead of the text
};
struct DetokenizeMessage {
    std::uint64_t id = 0;
    std::vector<Token> tokens;
};
struct RenderMessage {
    std::uint64_t id = 0;
    ChatPrompt prompt;
};
struct PiecesMessage {
    std::uint64_t id = 0;
    std::vector<Token> tokens;
};
struct CountMessage {  // how long this prompt is, images included
    std::uint64_t id = 0;
    ChatPrompt prompt;
};
using ToEngine = std::variant<LoadMessage, GenerateMessage, CancelMessage, PauseMessage, EmbedMessage, TokenizeMessage,
                              DetokenizeMessage, RenderMessage, PiecesMessage, CountMessage>;

// ---- engine to gateway ----

struct ReadyMessage {
    ModelDescription description;
};
struct FailedMessage {  // the model could not be loaded; the process ends
    Error error;
};
struct GenerationEventFor {
    std::uint64_t id = 0;
    GenerationEvent event;
};
struct EventFrame {  // all events of one step
    std::vector<GenerationEventFor> events;
};
struct EmbedReply {
    std::uint64_t id = 0;
    std::variant<EmbedResult, Error> result;
    std::uint64_t more_memory_bytes = 0;  // what embedding takes from now on; said once
};
struct TokenizeReply {
    std::uint64_t id = 0;
    std::variant<std::vector<Token>, Error> result;
};
struct TextReply {  // to DetokenizeMessage and RenderMessage
    std::uint64_t id = 0;
    std::variant<std::string, Error> result;
};
struct PiecesReply {
    std::uint64_t id = 0;
    std::variant<std::vector<std::string>, Error> result;
};
struct CountReply {
    std::uint64_t id = 0;
    std::variant<std::uint32_t, Error> result;
};
struct EngineHeartbeat {  // from the step thread itself, at least twice a second while it is alive
    std::uint32_t running = 0;
    std::uint32_t waiting = 0;
    std::uint32_t kv_cells_used = 0;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t prefilled_tokens = 0;
    std::uint64_t cached_tokens = 0;
    std::uint64_t completion_tokens = 0;
    std::uint64_t steps = 0;
    std::uint64_t step_ns = 0;
    EngineMetrics metrics{};
    std::vector<QueueEntry> queue{};  // the first of those that run and of those that wait
};
using FromEngine =
    std::variant<ReadyMessage, FailedMessage, EventFrame, EmbedReply, TokenizeReply, TextReply, EngineHeartbeat,
                 PiecesReply, CountReply>;

// The frame as bytes, header included.
[[nodiscard]] std::string encode(const ToEngine& message);
[[nodiscard]] std::string encode(const FromEngine& message);

struct FrameHeader {
    std::uint32_t length = 0;
};
// engine_failed for another magic or version and for a length beyond the cap.
[[nodiscard]] Result<FrameHeader> decode_header(std::string_view bytes);
[[nodiscard]] Result<ToEngine> decode_to_engine(std::string_view body);
[[nodiscard]] Result<FromEngine> decode_from_engine(std::string_view body);

}  // namespace weft
