#include "engine/llama_engine.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/assert.h"

namespace weft {
namespace {

constexpr std::uint32_t cell_granularity = 256;   // libllama pads the pool to this
constexpr std::uint32_t windows_in_pool = 4;
constexpr std::uint32_t recurrent_slots = 8;      // each costs a whole state
constexpr std::uint32_t fewest_sequence_ids = 64;

ggml_type kv_type(const std::string& name) {
    if (name == "q8_0") return GGML_TYPE_Q8_0;
    if (name == "q4_0") return GGML_TYPE_Q4_0;
    if (name == "f32") return GGML_TYPE_F32;
    return GGML_TYPE_F16;
}

std::uint32_t rounded_up(std::uint32_t cells) {
    return (cells + cell_granularity - 1) / cell_granularity * cell_granularity;
}

// Ids for the running sequences and about as many cached prefixes.
std::uint32_t sequence_ids(std::uint32_t slots) {
    return std::clamp(2 * slots, fewest_sequence_ids, static_cast<std::uint32_t>(llama_max_parallel_sequences()));
}

}  // namespace

std::uint64_t available_memory_bytes() {
    std::ifstream file("/proc/meminfo");
    std::string key;
    std::uint64_t kib = 0;
    std::string unit;
    while (file >> key >> kib >> unit)
        if (key == "MemAvailable:") return kib * 1024;
    return 4ULL << 30;
}

std::uint32_t choose_kv_cells(std::uint32_t window, std::uint64_t kv_bytes_per_token, std::uint64_t available_bytes) {
    const std::uint64_t affordable = available_bytes / 4 / std::max<std::uint64_t>(kv_bytes_per_token, 1);
    const auto wanted = static_cast<std::uint64_t>(window) * windows_in_pool;
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(window, std::min(wanted, affordable)));
}

Result<std::unique_ptr<LlamaEngine>> LlamaEngine::create(std::shared_ptr<const LoadedModel> model,
                                                         const LoadMessage& message) {
    const bool shares = model->shares_prefixes();
    std::uint32_t window = message.context_tokens == 0 ? model->trained_context() : message.context_tokens;
    if (model->trained_context() > 0) window = std::min(window, model->trained_context());
    window = std::max(window, 4U);
    std::uint32_t cells = message.kv_cells;
    if (cells == 0) cells = choose_kv_cells(window, model->kv_bytes_per_token(), available_memory_bytes());
    cells = rounded_up(std::max(cells, window));
    const auto slots = shares ? message.slots : std::min(message.slots, recurrent_slots);

    auto params = llama_context_default_params();
    params.n_ctx = cells;
    params.n_batch = std::max(message.batch_tokens, 32U);
    params.n_ubatch = params.n_batch;
    params.n_seq_max = shares ? sequence_ids(slots) : slots;
    // libllama wants room for one row of logits per sequence id, so ids are not free.
    params.n_batch = std::max(params.n_batch, params.n_seq_max);
    params.n_ubatch = params.n_batch;
    params.n_outputs_max = params.n_seq_max;
    params.n_threads = static_cast<std::int32_t>(message.threads != 0 ? message.threads : std::max(1U, std::thread::hardware_concurrency()));
    params.n_threads_batch = params.n_threads;
    params.flash_attn_type = message.flash_attention ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k = kv_type(message.kv_cache_type);
    params.type_v = params.type_k;
    params.kv_unified = true;
    params.swa_full = true;  // a prefix can only be shared while all of its cells are there
    params.no_perf = true;
    ContextHandle context(llama_init_from_model(model->handle(), params));
    if (!context && message.flash_attention && params.type_v == GGML_TYPE_F16) {
        // Some architectures have head sizes that flash attention does not know.
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        context.reset(llama_init_from_model(model->handle(), params));
    }
    if (!context)
        return fail(ErrorCode::model_load_failed,
                    "the context could not be created: the model requires more system memory than is available");
    WEFT_CHECK(model->apply_adapters(context.get()));
    const EngineLimits limits{.kv_cells = static_cast<std::int32_t>(llama_n_ctx(context.get())),
                              .max_sequences = static_cast<std::int32_t>(params.n_seq_max),
                              .max_batch_rows = static_cast<std::int32_t>(params.n_batch),
                              .max_outputs = static_cast<std::int32_t>(params.n_outputs_max),
                              .context_tokens = static_cast<std::int32_t>(window),
                              .shares_prefixes = shares};
    return std::unique_ptr<LlamaEngine>(new LlamaEngine(std::move(model), std::move(context), limits));
}

LlamaEngine::LlamaEngine(std::shared_ptr<const LoadedModel> model, ContextHandle context, EngineLimits limits)
    : model_(std::move(model)), context_(std::move(context)), limits_(limits), n_vocab_(model_->size()) {}

Result<void> LlamaEngine::decode(std::span<const BatchRow> rows) {
    const auto n = rows.size();
    assert_that(n > 0 && n <= static_cast<std::size_t>(limits_.max_batch_rows), "a batch within its bounds");
    tokens_.resize(n), positions_.resize(n), sequence_ids_.resize(n), wants_logits_.resize(n);
    sequence_counts_.assign(n, 1);
    sequence_pointers_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
        tokens_[i] = rows[i].token;
        positions_[i] = rows[i].position;
        sequence_ids_[i] = static_cast<llama_seq_id>(rows[i].sequence);
        sequence_pointers_[i] = &sequence_ids_[i];
        wants_logits_[i] = rows[i].wants_logits ? 1 : 0;
    }
    const llama_batch batch{.n_tokens = static_cast<std::int32_t>(n),
                            .token = tokens_.data(),
                            .embd = nullptr,
                            .pos = positions_.data(),
                            .n_seq_id = sequence_counts_.data(),
                            .seq_id = sequence_pointers_.data(),
                            .logits = wants_logits_.data()};
    const auto status = llama_decode(context_.get(), batch);
    if (status != 0)
        return std::unexpected(Error{.code = ErrorCode::engine_failed,
                                     .message = "the model failed to compute",
                                     .detail = "llama_decode returned " + std::to_string(status)});
    logits_.assign(n, nullptr);
    for (std::size_t i = 0; i < n; ++i)
        if (rows[i].wants_logits) logits_[i] = llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(i));
    return {};
}

std::span<const float> LlamaEngine::logits(std::size_t row) const {
    assert_that(row < logits_.size() && logits_[row] != nullptr, "logits that were asked for");
    return {logits_[row], static_cast<std::size_t>(n_vocab_)};
}

void LlamaEngine::share_prefix(SequenceId from, SequenceId to, std::int32_t tokens) {
    llama_memory_seq_cp(llama_get_memory(context_.get()), static_cast<llama_seq_id>(from),
                        static_cast<llama_seq_id>(to), 0, tokens);
}

bool LlamaEngine::truncate(SequenceId sequence, std::int32_t from) {
    return llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<llama_seq_id>(sequence), from, -1);
}

void LlamaEngine::remove(SequenceId sequence) {
    llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<llama_seq_id>(sequence), -1, -1);
}

}  // namespace weft
