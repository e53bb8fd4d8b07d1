#include "app/config_keys.h"

#include <algorithm>
#include <array>

#include "app/config_values.h"

namespace weft {
namespace {

constexpr std::int64_t any_u32 = UINT32_MAX;

// The reference: one entry per key, in the order of the page that is made from it.
const std::vector<ConfigKey>& all_keys() {
    static const std::vector<ConfigKey> keys{
        {"server.host", "Address to listen on: an IP address or a host name.",
         [](Config& c) { return &c.server.host; }},
        {"server.port", "Port to listen on; 0 takes a free one and prints it.",
         [](Config& c) { return &c.server.port; }, 0, 65535},
        {"server.origins", "Browser origins that may call the server besides local ones; * stands for any text.",
         [](Config& c) { return &c.server.origins; }},
        {"server.max_connections", "Connections at once; one more is refused with 503.",
         [](Config& c) { return &c.server.max_connections; }, 1, 1'000'000},
        {"server.max_body_bytes", "Largest request body, before and after decompression.",
         [](Config& c) { return &c.server.max_body_bytes; }, 1024, 1LL << 32},
        {"server.max_header_bytes", "Largest request line and headers together.",
         [](Config& c) { return &c.server.max_header_bytes; }, 1024, 1 << 20},
        {"server.header_seconds", "Time for a request's headers to arrive.",
         [](Config& c) { return &c.server.header_seconds; }},
        {"server.idle_seconds", "Time without a request after which a connection is closed.",
         [](Config& c) { return &c.server.idle_seconds; }},
        {"server.write_stall_seconds", "Time without the client reading anything after which it counts as gone.",
         [](Config& c) { return &c.server.write_stall_seconds; }},
        {"server.drain_seconds", "Time that running requests get to end when the server is told to stop.",
         [](Config& c) { return &c.server.drain_seconds; }},

        {"models_dir", "Folders whose *.gguf files are served, those of the folders in them included (no deeper).",
         [](Config& c) { return &c.models_dir; }},

        {"defaults.keep_alive", "How long a model stays loaded after its last request; negative keeps it for ever.",
         [](Config& c) { return &c.defaults.keep_alive; }, -1},
        {"defaults.context", "Context window in tokens, for models and requests that name none.",
         [](Config& c) { return &c.defaults.context; }, 4, 1 << 24},
        {"defaults.parallel", "Sequences of one model that run at once.",
         [](Config& c) { return &c.defaults.parallel; }, 1, 4096},
        {"defaults.kv_cells", "Tokens that one model's KV cache holds; 0 takes several windows, as memory allows.",
         [](Config& c) { return &c.defaults.kv_cells; }, 0, 1LL << 28},
        {"defaults.batch", "Most tokens of one decode call.",
         [](Config& c) { return &c.defaults.batch; }, 32, 1 << 16},
        {"defaults.threads", "Threads of one model; 0 takes all cores.",
         [](Config& c) { return &c.defaults.threads; }, 0, 4096},
        {"defaults.gpu_layers", "Layers to put on the GPU; -1 takes as many as fit.",
         [](Config& c) { return &c.defaults.gpu_layers; }, -1, 4096},
        {"defaults.kv_cache_type", "How the KV cache is stored.",
         [](Config& c) { return &c.defaults.kv_cache_type; }, 0, 0, {"f16", "q8_0", "q4_0"}},
        {"defaults.flash_attention", "Whether flash attention is used.",
         [](Config& c) { return &c.defaults.flash_attention; }},
        {"defaults.mmap", "Whether weights are mapped from the file rather than read.",
         [](Config& c) { return &c.defaults.mmap; }},
        {"defaults.target_itl_ms", "Milliseconds between two tokens of a stream that long prompts of others must not exceed.",
         [](Config& c) { return &c.defaults.target_itl_ms; }, 1, 60'000},
        {"defaults.speculation", "Whether tokens are guessed from what the prompt and the answer held before, which repetitive texts gain from.",
         [](Config& c) { return &c.defaults.speculation; }},
        {"defaults.deterministic", "Whether a request's tokens may not depend on what else runs: each is computed alone. Slow.",
         [](Config& c) { return &c.defaults.deterministic; }},

        {"kernels", "Whether the project's own CPU kernels compute where they can, or ggml's always.",
         [](Config& c) { return &c.kernels; }, 0, 0, {"auto", "off"}},

        {"limits.queue", "Requests that wait for a loaded model; one more is answered 503.",
         [](Config& c) { return &c.limits.queue; }, 1, 1'000'000},
        {"limits.queue_tokens", "Prompt tokens of all requests of a loaded model, waiting ones included; one more is answered 503; 0 is no bound.",
         [](Config& c) { return &c.limits.queue_tokens; }, 0, any_u32},
        {"limits.load_queue", "Requests that wait for a model to be loaded; one more is answered 503.",
         [](Config& c) { return &c.limits.load_queue; }, 1, 1'000'000},
        {"limits.memory", "Memory for all loaded models together, cache.host_bytes of each included: bytes (\"16GiB\") or a share of the machine's (\"80%\").",
         [](Config& c) { return &c.limits.memory; }},
        {"limits.loaded_models", "Models that are loaded at once; 0 takes as many as memory holds.",
         [](Config& c) { return &c.limits.loaded_models; }, 0, 1024},
        {"limits.load_timeout", "Time that loading a model may take; 0 is for ever.",
         [](Config& c) { return &c.limits.load_timeout; }},
        {"limits.room_timeout", "Time that a request waits while all loaded models are busy.",
         [](Config& c) { return &c.limits.room_timeout; }},
        {"limits.hang_timeout", "A model whose scheduler says nothing for this long is started again; 0 is never. One step must be shorter.",
         [](Config& c) { return &c.limits.hang_timeout; }},

        {"cache.host_bytes", "Memory of one model for copies of prefixes that left its KV cache; 0 keeps none, on disk neither.",
         [](Config& c) { return &c.cache.host_bytes; }, 0, 1LL << 42},
        {"cache.disk_bytes", "Disk space for copies of prefixes of one model, which a restart finds again; 0 keeps none.",
         [](Config& c) { return &c.cache.disk_bytes; }, 0, 1LL << 50},
        {"cache.folder", "Where they are; by default cache/prefixes in $WEFT_HOME. Only this user may read them.",
         [](Config& c) { return &c.cache.folder; }},
        {"cache.scope", "Who shares cached prefixes: only requests with the same API key, or everyone.",
         [](Config& c) { return &c.cache.scope; }, 0, 0, {"tenant", "everyone"}},
        {"cache.check", "For debugging: whether prompts with cached prefixes are computed a second time without, and compared in the log.",
         [](Config& c) { return &c.cache.check; }},

        {"jobs.store", "Where jobs and conversations are stored: sqlite, a file of this server's own, or redis://user:password@host:6379/0 (rediss:// with TLS), which several servers share.",
         [](Config& c) { return &c.jobs.store; }},
        {"jobs.lease", "With Redis: how long a server may not be heard of before another one takes its jobs.",
         [](Config& c) { return &c.jobs.lease; }},
        {"jobs.folder", "Where jobs, files and batches are stored; by default jobs in $WEFT_HOME. Only this user may read them.",
         [](Config& c) { return &c.jobs.folder; }},
        {"jobs.model", "Model of jobs that name none; by default the newest one.",
         [](Config& c) { return &c.jobs.model; }},
        {"jobs.ttl", "How long a finished job is kept.",
         [](Config& c) { return &c.jobs.ttl; }},
        {"jobs.session_ttl", "How long a conversation is kept after its last turn, if its client names no time.",
         [](Config& c) { return &c.jobs.session_ttl; }},
        {"jobs.queue", "Jobs that wait; one more is answered 503.",
         [](Config& c) { return &c.jobs.queue; }, 1, 10'000'000},
        {"jobs.queue_per_key", "Jobs of one API key that wait, at most half of jobs.queue; one more is answered 429.",
         [](Config& c) { return &c.jobs.queue_per_key; }, 1, 10'000'000},
        {"jobs.queue_bytes", "Size of the requests of all jobs that wait; one more is answered 503.",
         [](Config& c) { return &c.jobs.queue_bytes; }, 1 << 20, 1LL << 40},
        {"jobs.queue_tokens", "Estimated tokens, prompt and answer, of all jobs that wait; one more is answered 503.",
         [](Config& c) { return &c.jobs.queue_tokens; }, 1, any_u32},
        {"jobs.rate_per_key", "Jobs that one API key may submit a second; faster ones are answered 429; 0 is no bound.",
         [](Config& c) { return &c.jobs.rate_per_key; }, 0, 1'000'000},
        {"jobs.burst_per_key", "How many of these it may submit at once after a pause.",
         [](Config& c) { return &c.jobs.burst_per_key; }, 1, 10'000'000},
        {"jobs.parallel", "Jobs that run at once.",
         [](Config& c) { return &c.jobs.parallel; }, 1, 4096},
        {"jobs.parallel_per_key", "Of those, jobs of one API key; the others wait; 0 is all of them.",
         [](Config& c) { return &c.jobs.parallel_per_key; }, 0, 4096},
        {"jobs.parallel_low", "Of those, jobs and batch requests with low priority.",
         [](Config& c) { return &c.jobs.parallel_low; }, 1, 4096},
        {"jobs.sockets_per_key", "WebSockets that one API key may have open; one more is answered 429.",
         [](Config& c) { return &c.jobs.sockets_per_key; }, 1, 1'000'000},
        {"jobs.streams_per_key", "Streams of events that one API key may have open; one more is answered 429.",
         [](Config& c) { return &c.jobs.streams_per_key; }, 1, 1'000'000},
        {"jobs.store_bytes", "Size that the job store may grow to; beyond, submissions are answered 507; 0 is no bound but the disk.",
         [](Config& c) { return &c.jobs.store_bytes; }, 0, 1LL << 50},
        {"jobs.reserved_bytes", "Room of that, and of the disk, that submissions may not take, so that accepted jobs can end.",
         [](Config& c) { return &c.jobs.reserved_bytes; }, 0, 1LL << 40},
        {"jobs.answer_cache", "Memory for answers to deterministic jobs, which later equal jobs of the same API key get; 0 keeps none.",
         [](Config& c) { return &c.jobs.answer_cache; }, 0, 1LL << 40},
        {"jobs.callback_hosts", "Hosts that callbacks may be sent to; *.example.com stands for all below it. None by default.",
         [](Config& c) { return &c.jobs.callback_hosts; }},
        {"jobs.callback_secret", "What callbacks are signed with; required when there are callback_hosts.",
         [](Config& c) { return &c.jobs.callback_secret; }},

        {"documents.embedding_model", "Model that embeds documents and searches; by default the one that a key's documents have, else jobs.model, else the newest one that is made for it, else the newest one.",
         [](Config& c) { return &c.documents.embedding_model; }},
        {"documents.max_bytes", "Size of a document as it is sent; a larger one is answered 413.",
         [](Config& c) { return &c.documents.max_bytes; }, 1024, 1LL << 32},
        {"documents.passage_bytes", "Size of the passages that documents are split into, at most.",
         [](Config& c) { return &c.documents.passage_bytes; }, 64, 16'384},
        {"documents.passage_overlap", "How much of a passage the next one may repeat; less than half of passage_bytes.",
         [](Config& c) { return &c.documents.passage_overlap; }, 0, 8'192},
        {"documents.passages", "Passages of one document; a longer one is answered 413.",
         [](Config& c) { return &c.documents.passages; }, 1, 1'000'000},
        {"documents.per_key", "Documents of one API key; one more is answered 429.",
         [](Config& c) { return &c.documents.per_key; }, 1, 10'000'000},
        {"documents.passages_per_key", "Passages of one API key; more are answered 429.",
         [](Config& c) { return &c.documents.passages_per_key; }, 1, 10'000'000},
        {"documents.bytes_per_key", "Text of all documents of one API key; more is answered 429.",
         [](Config& c) { return &c.documents.bytes_per_key; }, 1024, 1LL << 50},
        {"documents.index_bytes", "Memory for vectors; those of keys that were not asked for long are read again from the store when need be.",
         [](Config& c) { return &c.documents.index_bytes; }, 1 << 20, 1LL << 44},
        {"documents.pdf_time", "Time that reading a PDF may take.",
         [](Config& c) { return &c.documents.pdf_time; }},
        {"documents.pdf_memory", "Memory that reading a PDF may take.",
         [](Config& c) { return &c.documents.pdf_memory; }, 64 << 20, 1LL << 40},

        {"log.level", "How much is logged.",
         [](Config& c) { return &c.log.level; }, 0, 0, {"trace", "debug", "info", "warn", "error"}},
        {"log.format", "How it is written.", [](Config& c) { return &c.log.format; }, 0, 0, {"text", "json"}},
    };
    return keys;
}

std::string quoted_list(const std::vector<std::string_view>& words) {
    std::string out;
    for (const auto word : words) out += (out.empty() ? "'" : ", '") + std::string(word) + "'";
    return out;
}

// Stores a value of the slot's type, or says what it must be.
struct Assigner {
    const ConfigKey& key;
    const ConfigNode& value;

    static std::unexpected<Error> must_be(std::string what) {
        return fail(ErrorCode::invalid_request, "must be " + std::move(what));
    }
    [[nodiscard]] std::string range() const {
        return " from " + std::to_string(key.minimum) + " to " + std::to_string(key.maximum);
    }

    Result<void> operator()(std::string* slot) const {
        const auto text = config_text(value);
        if (!text) return must_be(key.choices.empty() ? "a text" : "one of " + quoted_list(key.choices));
        if (!key.choices.empty() && std::ranges::find(key.choices, *text) == key.choices.end())
            return must_be("one of " + quoted_list(key.choices));
        *slot = *text;
        return {};
    }
    Result<void> operator()(bool* slot) const {
        const auto flag = config_flag(value);
        if (!flag) return must_be("true or false");
        *slot = *flag;
        return {};
    }
    template <std::integral T>
    Result<void> operator()(T* slot) const {
        const auto number = config_integer(value);
        if (!number || *number < key.minimum || *number > key.maximum) return must_be("a whole number" + range());
        *slot = static_cast<T>(*number);
        return {};
    }
    Result<void> operator()(ByteSize* slot) const {
        const auto bytes = config_bytes(value);
        if (!bytes || *bytes < static_cast<std::uint64_t>(key.minimum) || *bytes > static_cast<std::uint64_t>(key.maximum))
            return must_be("a size like 64MiB, or a number of bytes," + range());
        slot->bytes = *bytes;
        return {};
    }
    Result<void> operator()(MemoryLimit* slot) const {
        if (const auto share = config_share(value)) {
            *slot = {.bytes = 0, .share = *share};
            return {};
        }
        const auto bytes = config_bytes(value);
        if (!bytes || *bytes == 0) return must_be("a size like 16GiB, or a share like 80%");
        *slot = {.bytes = *bytes, .share = 0};
        return {};
    }
    Result<void> operator()(std::chrono::nanoseconds* slot) const {
        const auto time = config_duration(value);
        if (!time || (key.minimum == 0 && time->count() < 0))
            return must_be(key.minimum < 0 ? "a time like 10m or 1h30m, a number of seconds, or -1 for ever"
                                           : "a time like 30s or 5m, or a number of seconds");
        *slot = *time;
        return {};
    }
    Result<void> operator()(std::vector<std::string>* slot) const {
        auto texts = config_texts(value);
        if (!texts) return must_be("a text or a list of texts");
        *slot = std::move(*texts);
        return {};
    }
};

}  // namespace

std::span<const ConfigKey> config_keys() { return all_keys(); }

const ConfigKey* find_config_key(std::string_view name) {
    const auto it = std::ranges::find(all_keys(), name, &ConfigKey::name);
    return it == all_keys().end() ? nullptr : &*it;
}

std::string environment_name(const ConfigKey& key) {
    std::string name = "WEFT_";
    for (const char c : key.name) name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

Result<void> assign(const ConfigKey& key, Config& config, const ConfigNode& value) {
    return std::visit(Assigner{key, value}, key.slot(config));
}

Result<void> assign_text(const ConfigKey& key, Config& config, std::string_view text) {
    const bool list = std::holds_alternative<std::vector<std::string>*>(key.slot(config));
    return assign(key, config, list ? config_list_from_text(text) : ConfigNode(std::string(text)));
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    // Insertions, deletions, replacements and swapped neighbours. Rows of the table for i-2, i-1 and i letters.
    const auto distance = [](std::string_view a, std::string_view b) {
        std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
        for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
        for (std::size_t i = 1; i <= a.size(); ++i) {
            now[0] = i;
            for (std::size_t j = 1; j <= b.size(); ++j) {
                now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
            }
            std::swap(before, last);
            std::swap(last, now);
        }
        return last[b.size()];
    };
    constexpr std::size_t longest_word = 64;
    if (word.size() > longest_word) return {};
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (const auto& candidate : candidates) {
        const std::size_t d = distance(word, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return best;
}

}  // namespace weft
