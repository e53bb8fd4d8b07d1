#include "app/engine_main.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <system_error>
#include <thread>

#include "app/embed_worker.h"
#include "app/logging.h"
#include "base/log.h"
#include "engine/llama_engine.h"
#include "engine/loaded_model.h"
#include "engine/projector.h"
#include "registry/gguf.h"
#include "runner/link.h"
#include "scheduler/intake.h"
#include "scheduler/scheduler.h"

namespace weft {
namespace {

constexpr int exit_load_failed = 3;
constexpr std::size_t intake_threads = 2;
constexpr std::size_t max_sampler_helpers = 7;

int load_failed(Link& link, const Error& error) {
    (void)link.write(encode(FromEngine(FailedMessage{error})));
    return exit_load_failed;
}

Result<ToEngine> next_message(Link& link) {
    WEFT_TRY(const auto body, link.read());
    return decode_to_engine(body);
}

ModelDescription describe(const LoadedModel& model, const EngineLimits* limits, const LoadMessage& message) {
    auto description = model.describe();
    description.memory_bytes = description.weights_bytes;
    if (limits == nullptr) return description;
    description.context_tokens = static_cast<std::uint32_t>(limits->context_tokens);
    description.kv_cells = static_cast<std::uint32_t>(limits->kv_cells);
    description.slots = message.slots;
    description.memory_bytes += model.kv_bytes_per_token(kv_type(message.kv_cache_type)) * description.kv_cells;
    std::error_code ignored;
    if (!message.projector.empty()) description.memory_bytes += std::filesystem::file_size(message.projector, ignored);
    return description;
}

// Copies of prefixes outside the KV pool; null when none are wanted or the model's memory cannot be taken apart. Without
// its folder there is memory only.
std::unique_ptr<SpillStore> make_spill_store(const LoadMessage& load, const LlamaEngine& engine, Inbox& inbox) {
    if (load.cache_host_bytes == 0 || engine.limits().memory == MemoryKind::none) return nullptr;
    std::unique_ptr<BlockFiles> files;
    if (!load.cache_folder.empty() && load.cache_disk_bytes > 0) {
        auto opened = BlockFiles::open(load.cache_folder, engine.identity(), load.cache_disk_bytes);
        if (opened) files = std::move(*opened);
        else log_warn("prefix_cache_without_disk", {{"reason", opened.error().detail}});
    }
    return std::make_unique<SpillStore>(load.cache_host_bytes, std::move(files), [&inbox] { inbox.wake(); });
}

// Our own reader sees every file before libllama does; also when the engine is started again, for files change.
Result<void> check_files(const LoadMessage& load) {
    std::vector<std::string> files{load.path, load.draft_path, load.projector};
    for (const auto& adapter : load.adapters) files.push_back(adapter.path);
    std::erase(files, "");
    for (const auto& file : files) WEFT_CHECK(read_gguf(file));
    return {};
}

// A small model that guesses for the large one, in a context of its own.
struct Draft {
    std::shared_ptr<const LoadedModel> model;
    std::unique_ptr<LlamaEngine> engine;
    std::unique_ptr<DraftModel> guesses;
    double cost = 0;  // of one decode, as a part of the large model's: weights are what is read
    std::uint64_t bytes = 0;
};

constexpr std::int32_t drafted_windows = 8;  // no more streams are guessed for at a time

Result<void> speak_alike(const LoadedModel& draft, const LoadedModel& model) {
    for (Token token = 0; token < std::min(draft.size(), model.size()); ++token)
        if (draft.bytes_of(token) != model.bytes_of(token) || draft.ends_generation(token) != model.ends_generation(token))
            return fail(ErrorCode::model_load_failed, "draft model: its vocabulary is another than the model's");
    return {};
}

// Nothing when none is configured or guesses cannot be taken back.
Result<Draft> load_draft(const LoadMessage& load, const LoadedModel& model, const EngineLimits& limits, const Clock& clock) {
    Draft draft;
    if (load.draft_path.empty()) return draft;
    if (load.deterministic || limits.memory != MemoryKind::tree) {
        log_warn("draft_model_unused", {{"reason", load.deterministic ? "deterministic mode" : "the model's memory cannot take guesses back"}});
        return draft;
    }
    auto message = load;
    message.path = load.draft_path;
    message.adapters.clear();
    message.projector.clear();
    message.context_tokens = static_cast<std::uint32_t>(limits.context_tokens);
    message.slots = drafted_windows;
    message.kv_cells = static_cast<std::uint32_t>(std::min(limits.kv_cells, drafted_windows * limits.context_tokens));
    WEFT_TRY(draft.model, LoadedModel::load(message));
    WEFT_CHECK(speak_alike(*draft.model, model));
    WEFT_TRY(draft.engine, LlamaEngine::create(draft.model, message));
    if (draft.engine->limits().memory != MemoryKind::tree)
        return fail(ErrorCode::model_load_failed, "draft model: its memory cannot take guesses back");
    draft.guesses = std::make_unique<DraftModel>(*draft.engine, model.size(), clock, std::chrono::milliseconds(load.target_itl_ms / 4));
    const auto weights = draft.model->describe().weights_bytes;
    draft.cost = static_cast<double>(weights) / static_cast<double>(std::max<std::uint64_t>(model.describe().weights_bytes, 1));
    draft.bytes = weights + draft.model->kv_bytes_per_token(kv_type(load.kv_cache_type)) * static_cast<std::uint64_t>(draft.engine->limits().kv_cells);
    return draft;
}

// Reads messages and hands them to those who do the work, until the gateway is gone.
void serve(Link& link, Intake* intake, Inbox& inbox, EmbedWorker& embeds) {
    while (auto message = next_message(link)) {
        if (const auto* cancel = std::get_if<CancelMessage>(&*message)) {
            if (!intake->cancel(cancel->id) && !embeds.cancel(cancel->id)) inbox.push(CancelRequest{cancel->id});
        }
        else if (const auto* pause = std::get_if<PauseMessage>(&*message)) inbox.push(PauseRequest{pause->id, pause->paused});
        else if (auto* embed = std::get_if<EmbedMessage>(&*message)) embeds.submit(std::move(*embed));
        else intake->submit(std::move(*message));
    }
}

}  // namespace

int run_engine(int descriptor) {
    // Never outlives the gateway, not even one that was killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_IGN);
    set_up_engine_logging();
    Link link(descriptor);
    auto first = next_message(link);
    if (!first || !std::holds_alternative<LoadMessage>(*first)) return exit_load_failed;
    const auto load = std::get<LoadMessage>(std::move(*first));

    if (const auto fine = check_files(load); !fine) return load_failed(link, fine.error());
    initialise_backends(load.cpu_kernels);
    auto model = LoadedModel::load(load);
    if (!model) return load_failed(link, model.error());
    auto engine = LlamaEngine::create(*model, load);
    if (!engine) return load_failed(link, engine.error());
    std::unique_ptr<Projector> projector;
    if (!load.projector.empty()) {
        auto opened = Projector::open(load, **model);
        if (!opened) return load_failed(link, opened.error());
        projector = std::move(*opened);
    }

    SteadyClock clock;
    auto draft = load_draft(load, **model, (*engine)->limits(), clock);
    if (!draft) return load_failed(link, draft.error());

    const auto memory = (*engine)->limits().memory;
    // Where each sequence has a state of its own, there are as many places as states, but for the one that is kept for checks.
    const auto slots = memory == MemoryKind::tree
                           ? static_cast<std::int32_t>(load.slots)
                           : std::min(static_cast<std::int32_t>(load.slots), (*engine)->limits().max_sequences - (memory == MemoryKind::states ? 1 : 0));
    const auto helpers = std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()) - 1, max_sampler_helpers);
    LinkSink sink(link);
    Inbox inbox;
    AdmissionGate gate(load.slots + load.max_queue, load.max_queue_tokens);
    SamplerPool pool(helpers);
    const auto spill = make_spill_store(load, **engine, inbox);
    Scheduler scheduler(**engine, **model, clock, sink, inbox, gate, pool, spill.get(),
                        {.slots = slots,
                         .target_itl = std::chrono::milliseconds(load.target_itl_ms),
                         .deterministic = load.deterministic,
                         .checks_prefixes = load.check_prefixes,
                         .guesses = {.looks_up = load.speculation, .draft = draft->guesses.get(), .draft_cost = draft->cost},
                         .identity = (*engine)->identity()});
    auto description = describe(**model, &(*engine)->limits(), load);
    description.memory_bytes += draft->bytes;
    description.slots = static_cast<std::uint32_t>(slots);
    description.sees = projector != nullptr;
    (void)link.write(encode(FromEngine(ReadyMessage{std::move(description)})));
    {
        Intake intake({.model = *model, .window = (*engine)->limits().context_tokens,
                       .shared_cache = load.shared_cache, .marks_messages = memory == MemoryKind::states,
                       .eyes = {.projector = projector.get(), .most_rows = (*engine)->limits().max_batch_rows}, .inbox = inbox, .gate = gate,
                       .sink = sink, .link = link},
                      intake_threads);
        EmbedWorker embeds(*model, load, link);
        // Decode runs on the thread that loaded: libgomp keeps a team for each thread that ever needed one, and with more threads in
        // teams than processors it puts them to sleep at every barrier. It ends when the inbox is closed, not sooner: the reader
        // would not notice.
        std::jthread reader([&] {
            serve(link, &intake, inbox, embeds);
            inbox.close();
        });
        scheduler.run();
    }
    return 0;
}

}  // namespace weft
