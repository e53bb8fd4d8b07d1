#include "engine/llama_engine.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/assert.h"
#include "base/log.h"

namespace weft {
namespace {

constexpr std::uint32_t cell_granularity = 256;   // libllama pads the pool to this
constexpr std::uint32_t windows_in_pool = 4;
constexpr std::uint32_t unshared_slots = 8;       // each costs a whole window or state
constexpr Token probe_token = 0;
constexpr std::uint32_t fewest_sequence_ids = 64;

std::string name_of(MemoryKind kind) {
    switch (kind) {
        case MemoryKind::tree: return "tree";
        case MemoryKind::states: return "states";
        case MemoryKind::none: return "none";
    }
    return "unknown";
}

std::uint32_t rounded_up(std::uint32_t cells) {
    return (cells + cell_granularity - 1) / cell_granularity * cell_granularity;
}

// Ids for the running sequences, about as many cached prefixes, and one through which parts of sequences pass.
std::uint32_t sequence_ids(std::uint32_t slots) {
    return std::clamp(2 * slots + 1, fewest_sequence_ids, static_cast<std::uint32_t>(llama_max_parallel_sequences()));
}

std::vector<std::uint8_t> whole_state(llama_context* context, llama_seq_id sequence) {
    std::vector<std::uint8_t> bytes(llama_state_seq_get_size(context, sequence));
    bytes.resize(llama_state_seq_get_data(context, bytes.data(), bytes.size(), sequence));
    return bytes;
}

// Puts the state into an empty sequence; whether it ends at this position.
bool put_state(llama_context* context, llama_seq_id sequence, std::span<const std::uint8_t> bytes, std::int32_t last) {
    return llama_state_seq_set_data(context, bytes.data(), bytes.size(), sequence) == bytes.size() &&
           llama_memory_seq_pos_max(llama_get_memory(context), sequence) == last;
}

// Tries on two tokens what the memory can do, instead of trusting what is known of its kind: cut a sequence, share its
// beginning, copy its state. Leaves the memory empty.
MemoryKind probe_memory(llama_context* context) {
    auto* memory = llama_get_memory(context);
    if (memory == nullptr) return MemoryKind::none;
    auto batch = llama_batch_init(2, 0, 1);
    for (std::int32_t i = 0; i < 2; ++i) {
        batch.token[i] = probe_token;
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = i == 1 ? 1 : 0;
    }
    batch.n_tokens = 2;
    const bool computed = llama_decode(context, batch) == 0;
    llama_batch_free(batch);
    auto kind = MemoryKind::none;
    const auto second = static_cast<llama_seq_id>(llama_n_seq_max(context)) - 1;
    if (computed && second > 0) {
        const auto state = whole_state(context, 0);
        if (!state.empty() && put_state(context, second, state, 1)) kind = MemoryKind::states;
        llama_memory_seq_rm(memory, second, -1, -1);
        if (llama_memory_seq_rm(memory, 0, 1, -1) && llama_memory_seq_pos_max(memory, 0) == 0) {
            llama_memory_seq_cp(memory, 0, second, 0, 1);
            if (llama_memory_seq_pos_max(memory, second) == 0) kind = MemoryKind::tree;
        }
    }
    llama_memory_clear(memory, true);
    return kind;
}

// Some models choose their position encoding by the size of the context.
std::string long_rope(const LoadedModel& model, const llama_context* context) {
    const auto original = model.metadata(model.architecture() + ".rope.scaling.original_context_length");
    if (original.empty()) return "";
    return llama_n_ctx_seq(context) > std::strtoul(original.c_str(), nullptr, 10) ? " long" : " short";
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
    // Deterministic: each sequence has cells of its own, from the first on, so that it finds them in the same places
    // whatever else runs. libllama cannot share parts of such memory.
    const bool own_cells = message.deterministic;
    const bool shares = !model->is_recurrent() && !own_cells;
    std::uint32_t window = message.context_tokens == 0 ? model->trained_context() : message.context_tokens;
    if (model->trained_context() > 0) window = std::min(window, model->trained_context());
    window = std::max(window, 4U);
    std::uint32_t cells = message.kv_cells;
    if (cells == 0) cells = choose_kv_cells(window, model->kv_bytes_per_token(kv_type(message.kv_cache_type)), available_memory_bytes());
    cells = rounded_up(std::max(cells, window));
    const auto slots = shares ? message.slots : std::min(message.slots, unshared_slots);
    if (own_cells) cells = slots * rounded_up(window);

    auto params = llama_context_default_params();
    params.n_ctx = cells;
    params.n_batch = std::max(message.batch_tokens, 32U);
    params.n_ubatch = params.n_batch;
    // One more for what is computed twice, to be compared.
    params.n_seq_max = shares ? sequence_ids(slots) : slots + (own_cells ? 0 : 1);
    // libllama wants room for one row of logits per sequence id, so ids are not free.
    params.n_batch = std::max(params.n_batch, params.n_seq_max);
    params.n_ubatch = params.n_batch;
    params.n_outputs_max = params.n_seq_max;
    params.n_threads = static_cast<std::int32_t>(message.threads != 0 ? message.threads : std::max(1U, std::thread::hardware_concurrency()));
    params.n_threads_batch = params.n_threads;
    params.flash_attn_type = message.flash_attention ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k = kv_type(message.kv_cache_type);
    params.type_v = params.type_k;
    params.kv_unified = !own_cells;
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
    // Libllama would share in separate cells, too, but the numbers would no longer be those of an empty pool.
    const auto memory = own_cells ? MemoryKind::none : probe_memory(context.get());
    const bool passes = memory == MemoryKind::tree;
    const EngineLimits limits{.kv_cells = static_cast<std::int32_t>(llama_n_ctx(context.get())),
                              .max_sequences = static_cast<std::int32_t>(params.n_seq_max) - (passes ? 1 : 0),
                              .max_batch_rows = static_cast<std::int32_t>(params.n_batch),
                              .max_outputs = static_cast<std::int32_t>(params.n_outputs_max),
                              .context_tokens = static_cast<std::int32_t>(window),
                              .memory = memory};
    log_info("memory_probed", {{"kind", name_of(memory)}, {"sliding_window", llama_model_n_swa(model->handle())}});
    std::string identity = message.digest + " " + llama_version() + " " + ggml_type_name(params.type_k) +
                           (params.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_ENABLED ? " flash" : " plain") +
                           long_rope(*model, context.get()) + (message.cpu_kernels ? " own kernels" : "");
    return std::unique_ptr<LlamaEngine>(new LlamaEngine(std::move(model), std::move(context), limits, std::move(identity)));
}

LlamaEngine::LlamaEngine(std::shared_ptr<const LoadedModel> model, ContextHandle context, EngineLimits limits,
                         std::string identity)
    : model_(std::move(model)),
      context_(std::move(context)),
      limits_(limits),
      identity_(std::move(identity)),
      n_vocab_(model_->size()) {
    const auto stop = [](void* engine) { return static_cast<LlamaEngine*>(engine)->interrupted_.load(); };
    llama_set_abort_callback(context_.get(), stop, this);
}

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
    interrupted_ = false;
    const auto status = llama_decode(context_.get(), batch);
    if (status == 2) {
        // Of this call's rows none must stay; a sequence's rows follow each other.
        for (std::size_t i = 0; i < n; ++i)
            if (i == 0 || rows[i].sequence != rows[i - 1].sequence) (void)truncate(rows[i].sequence, rows[i].position);
        return fail(ErrorCode::cancelled, "the computation was interrupted");
    }
    if (status != 0)
        return std::unexpected(Error{.code = ErrorCode::engine_failed,
                                     .message = "the model failed to compute",
                                     .detail = "llama_decode returned " + std::to_string(status)});
    logits_.assign(n, nullptr);
    for (std::size_t i = 0; i < n; ++i)
        if (rows[i].wants_logits) logits_[i] = llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(i));
    return {};
}

Result<void> LlamaEngine::decode_image(const ImageRows& rows) {
    assert_that(rows.count > 0 && rows.count <= limits_.max_batch_rows, "a batch within its bounds");
    const auto n = static_cast<std::size_t>(rows.count), first = static_cast<std::size_t>(rows.first);
    const auto& run = *rows.run;
    llama_seq_id id = static_cast<llama_seq_id>(rows.sequence);
    sequence_counts_.assign(n, 1);
    sequence_pointers_.assign(n, &id);
    wants_logits_.assign(n, 0);
    wants_logits_.back() = rows.wants_logits ? 1 : 0;
    positions_.clear();
    if (run.decoder_positions) {
        const auto all = run.names.size();
        std::vector<std::int32_t> positions(4 * all);
        run.decoder_positions(rows.position, positions);
        for (std::size_t dimension = 0; dimension < 4; ++dimension) {
            const auto from = positions.begin() + static_cast<std::ptrdiff_t>(dimension * all + first);
            positions_.insert(positions_.end(), from, from + rows.count);
        }
    } else {
        for (std::int32_t i = 0; i < rows.count; ++i) positions_.push_back(rows.position + rows.first + i);
    }
    // libllama wants them mutable and does not change them.
    auto* embeddings = const_cast<float*>(run.embeddings.data()) + first * static_cast<std::size_t>(run.width);
    const llama_batch batch{.n_tokens = rows.count,
                            .token = nullptr,
                            .embd = embeddings,
                            .pos = positions_.data(),
                            .n_seq_id = sequence_counts_.data(),
                            .seq_id = sequence_pointers_.data(),
                            .logits = wants_logits_.data()};
    interrupted_ = false;
    if (!run.causal) llama_set_causal_attn(context_.get(), false);
    const auto status = llama_decode(context_.get(), batch);
    if (!run.causal) llama_set_causal_attn(context_.get(), true);
    if (status != 0)
        return std::unexpected(Error{.code = ErrorCode::engine_failed,
                                     .message = "the model failed to compute",
                                     .detail = "llama_decode returned " + std::to_string(status) + " for an image"});
    logits_.assign(n, nullptr);
    if (rows.wants_logits) logits_.back() = llama_get_logits_ith(context_.get(), rows.count - 1);
    return {};
}

std::span<const float> LlamaEngine::logits(std::size_t row) const {
    assert_that(row < logits_.size() && logits_[row] != nullptr, "logits that were asked for");
    return {logits_[row], static_cast<std::size_t>(n_vocab_)};
}

void LlamaEngine::share_prefix(SequenceId from, SequenceId to, std::int32_t end) {
    llama_memory_seq_cp(llama_get_memory(context_.get()), static_cast<llama_seq_id>(from),
                        static_cast<llama_seq_id>(to), 0, end);
}

bool LlamaEngine::truncate(SequenceId sequence, std::int32_t from) {
    return llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<llama_seq_id>(sequence), from, -1);
}

void LlamaEngine::remove(SequenceId sequence) {
    llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<llama_seq_id>(sequence), -1, -1);
}

// libllama saves and loads whole sequences only. A part is one as soon as it has an id of its own: the last one is kept
// free for that.
std::vector<std::uint8_t> LlamaEngine::save(SequenceId sequence, std::int32_t from, std::int32_t to) {
    if (limits_.memory == MemoryKind::none) return {};
    if (limits_.memory == MemoryKind::states) return whole_state(context_.get(), static_cast<llama_seq_id>(sequence));
    // libllama leaves out what a sliding window would no longer see from the end of what it saves.
    if (const auto window = llama_model_n_swa(model_->handle()); window > 0 && window <= to - from) return {};
    auto* memory = llama_get_memory(context_.get());
    const auto passage = static_cast<llama_seq_id>(limits_.max_sequences);
    llama_memory_seq_cp(memory, static_cast<llama_seq_id>(sequence), passage, from, to);
    auto bytes = whole_state(context_.get(), passage);
    llama_memory_seq_rm(memory, passage, -1, -1);
    return bytes;
}

bool LlamaEngine::restore(SequenceId sequence, std::int32_t from, std::int32_t to, std::span<const std::uint8_t> bytes) {
    auto* memory = llama_get_memory(context_.get());
    if (limits_.memory == MemoryKind::none) return false;
    if (limits_.memory == MemoryKind::states) {
        const bool taken = from == 0 && put_state(context_.get(), static_cast<llama_seq_id>(sequence), bytes, to - 1);
        if (!taken) remove(sequence);
        return taken;
    }
    const auto passage = static_cast<llama_seq_id>(limits_.max_sequences);
    const bool fits = put_state(context_.get(), passage, bytes, to - 1) && llama_memory_seq_pos_min(memory, passage) == from;
    if (fits) llama_memory_seq_cp(memory, passage, static_cast<llama_seq_id>(sequence), from, to);
    llama_memory_seq_rm(memory, passage, -1, -1);
    return fits;
}

}  // namespace weft
