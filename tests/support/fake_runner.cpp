#include "support/fake_runner.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cmath>
#include <numeric>

#include "base/assert.h"
#include "registry/model_name.h"

namespace weft::test {
namespace asio = boost::asio;

namespace {

std::vector<std::string> split_before_spaces(const std::string& text) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(' ', at + 1), text.size());
        pieces.push_back(text.substr(at, end - at));
        at = end;
    }
    return pieces;
}

TokenLogprob logprob_of(const std::string& piece, std::size_t index, std::uint32_t alternatives) {
    TokenLogprob out{.chosen = {.token = static_cast<Token>(100 + index), .logprob = -0.5F, .bytes = piece}, .top = {}};
    for (std::uint32_t i = 0; i < alternatives; ++i) {
        if (i == 0) {
            out.top.push_back(out.chosen);
            continue;
        }
        out.top.push_back({.token = static_cast<Token>(200 + i), .logprob = -0.5F - static_cast<float>(i),
                           .bytes = " alt" + std::to_string(i - 1)});
    }
    return out;
}

std::vector<Token> numbered_tokens(std::uint32_t count) {
    std::vector<Token> tokens(count);
    std::iota(tokens.begin(), tokens.end(), 1);
    return tokens;
}

std::uint64_t hash_of(const std::string& text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ULL;
    return hash;
}

void normalise(std::vector<float>& values) {
    float squares = 0;
    for (const float v : values) squares += v * v;
    for (float& v : values) v /= std::sqrt(squares);
}

std::string text_of(const std::variant<std::string, std::vector<Token>>& input) {
    if (const auto* text = std::get_if<std::string>(&input)) return *text;
    std::string text;
    for (const Token t : std::get<std::vector<Token>>(input)) text += static_cast<char>(t);
    return text;
}

}  // namespace

// ---- FakeRunner -----------------------------------------------------------------------------------------------------

// The events of one generation that are still to be sent.
struct FakeRunner::Play {
    std::deque<GenerationEvent> events;
    std::optional<TokenStreamWriter> writer{};
    std::size_t held_back = 0;  // events that wait for release()
    bool paused = false;
    bool gone = false;
};

FakeRunner::FakeRunner(asio::any_io_executor io) : io_(std::move(io)) {
    told = {.architecture = "fake", .summary = "fake model", .weights_bytes = 4000, .memory_bytes = 5000,
            .parameters = 4'050'000, .vocabulary = 256, .embedding_length = 4, .trained_context = 8192,
            .context_tokens = 4096, .kv_cells = 16384, .slots = 4, .infills = true, .has_template = true};
    answers(Script{});
}

void FakeRunner::answers(Script script) {
    decide_ = [script = std::move(script)](const GenerateRequest&) { return script; };
}
void FakeRunner::answers(const std::string& text) { answers(Script{.pieces = split_before_spaces(text)}); }
void FakeRunner::answers(std::function<Script(const GenerateRequest&)> decide) { decide_ = std::move(decide); }
void FakeRunner::next(Script script) { next_.push_back(std::move(script)); }

namespace {

// The stream that a script means for a request, without its holding back.
std::deque<GenerationEvent> events_of(const Script& script, const GenerateRequest& request) {
    std::deque<GenerationEvent> events;
    if (script.refuse) return {*script.refuse};
    PromptAccepted accepted{.prompt_tokens = script.prompt_tokens, .thinking_open = script.thinking_open};
    if (request.want_prompt_tokens) accepted.tokens = numbered_tokens(script.prompt_tokens);
    if (request.prompt_logprobs)
        for (std::size_t i = 1; i < script.prompt_tokens; ++i)
            accepted.prompt_logprobs.push_back(logprob_of("p" + std::to_string(i), i, request.top_logprobs));
    events.emplace_back(std::move(accepted));

    const std::size_t limit = request.max_tokens.value_or(static_cast<std::uint32_t>(script.pieces.size()));
    const std::size_t sent = std::min(limit, script.pieces.size());
    for (std::size_t i = 0; i < sent; ++i) {
        for (std::uint32_t choice = 0; choice < request.choices; ++choice) {
            TextPiece piece{.choice = choice, .text = script.pieces[i], .n_tokens = 1};
            if (request.want_prompt_tokens) piece.tokens = {static_cast<Token>(100 + i)};
            if (request.logprobs) piece.logprobs = {logprob_of(script.pieces[i], i, request.top_logprobs)};
            events.emplace_back(std::move(piece));
        }
    }
    if (script.break_off) {
        events.emplace_back(*script.break_off);
        return events;
    }
    const bool cut = sent < script.pieces.size();
    for (std::uint32_t choice = 0; choice < request.choices; ++choice)
        events.emplace_back(ChoiceFinished{.choice = choice, .reason = cut ? FinishReason::length : script.finish,
                                           .stop_string = cut ? "" : script.stop_string});
    events.emplace_back(GenerationDone{.prompt_tokens = script.prompt_tokens, .cached_tokens = script.cached_tokens,
                                       .completion_tokens = static_cast<std::uint32_t>(sent) * request.choices,
                                       .timings = script.timings});
    return events;
}

// How many events at the end of a stream are not text: those that `hold` keeps back.
std::size_t events_after_text(const std::deque<GenerationEvent>& events) {
    std::size_t count = 0;
    for (auto it = events.rbegin(); it != events.rend(); ++it, ++count)
        if (std::holds_alternative<TextPiece>(*it) || std::holds_alternative<PromptAccepted>(*it)) break;
    return count;
}

}  // namespace

TokenStream FakeRunner::start(GenerateRequest request) {
    requests.push_back(request);
    Script script = next_.empty() ? decide_(request) : std::move(next_.front());
    if (!next_.empty()) next_.pop_front();

    auto play = std::make_shared<Play>(events_of(script, request));
    if (script.hold) play->held_back = events_after_text(play->events);
    held_.push_back(play);
    ++running;
    // The stream's hooks own the play until the reader leaves.
    const auto pause = [this, play](bool on) {
        play->paused = on;
        if (!on) asio::post(io_, [this, play] { send_next(play); });
    };
    const auto cancel = [this, play] {
        ++cancelled;
        --running;
        play->gone = true;
    };
    auto [stream, writer] = TokenStream::create(io_, {.on_pause = pause, .on_cancel = cancel});
    play->writer = writer;
    asio::post(io_, [this, play] { send_next(play); });
    return std::move(stream);
}

void FakeRunner::send_next(const std::shared_ptr<Play>& play) {
    if (play->gone || play->paused || play->events.size() <= play->held_back || play->events.empty()) return;
    GenerationEvent event = std::move(play->events.front());
    play->events.pop_front();
    if (is_last(event)) --running;
    play->writer->push(std::move(event));
    asio::post(io_, [this, play] { send_next(play); });
}

void FakeRunner::release() {
    for (const auto& weak : held_) {
        const auto play = weak.lock();
        if (!play || play->held_back == 0) continue;
        play->held_back = 0;
        asio::post(io_, [this, play] { send_next(play); });
    }
}

std::vector<float> FakeRunner::vector_of(const std::string& text, bool normalize) const {
    std::vector<float> values(told.embedding_length);
    std::uint64_t bits = hash_of(text);
    for (float& v : values) {
        bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
        v = static_cast<float>(bits >> 40) / static_cast<float>(1 << 24) - 0.5F;
    }
    if (normalize) normalise(values);
    return values;
}

std::function<void()> FakeRunner::embed(EmbedRequest request, std::function<void(Result<EmbedResult>)> done) {
    EmbedResult result;
    for (const auto& input : request.inputs) {
        const std::string text = text_of(input);
        auto values = vector_of(text, request.normalize);
        if (request.dimensions != 0 && request.dimensions < values.size()) {
            values.resize(request.dimensions);
            if (request.normalize) normalise(values);
        }
        result.vectors.push_back(std::move(values));
        result.tokens.push_back(static_cast<std::uint32_t>(split_before_spaces(text).size()));
    }
    embed_requests.push_back(std::move(request));
    Result<EmbedResult> answer = std::move(result);
    if (embed_fails) answer = std::unexpected(*embed_fails);
    if (!embed_hangs) asio::post(io_, [done = std::move(done), answer = std::move(answer)] { done(answer); });
    else held_embeds_.push_back(std::move(done));
    return [this] { ++cancelled_embeds; };
}

namespace {

std::string plainly(const ChatPrompt& prompt) {
    std::string text;
    for (const auto& message : prompt.messages) text += message.role + ": " + message.content + "\n";
    return text;
}

}  // namespace

void FakeRunner::tokenize(std::string text, bool, bool, std::function<void(Result<std::vector<Token>>)> done) {
    std::vector<Token> tokens;
    for (const unsigned char c : text) tokens.push_back(c);
    asio::post(io_, [done = std::move(done), tokens = std::move(tokens)] { done(tokens); });
}

void FakeRunner::tokenize_chat(ChatPrompt prompt, bool, std::function<void(Result<std::vector<Token>>)> done) {
    auto text = plainly(prompt);
    rendered.push_back(std::move(prompt));
    tokenize(std::move(text), false, true, std::move(done));
}

void FakeRunner::detokenize(std::vector<Token> tokens, std::function<void(Result<std::string>)> done) {
    asio::post(io_, [done = std::move(done), text = text_of(std::move(tokens))] { done(text); });
}

void FakeRunner::pieces(std::vector<Token> tokens, std::function<void(Result<std::vector<std::string>>)> done) {
    std::vector<std::string> texts;
    for (const auto token : tokens) texts.emplace_back(1, static_cast<char>(token));
    asio::post(io_, [done = std::move(done), texts = std::move(texts)] { done(texts); });
}

void FakeRunner::count(ChatPrompt prompt, std::function<void(Result<std::uint32_t>)> done) {
    const auto tokens = static_cast<std::uint32_t>(plainly(prompt).size());
    rendered.push_back(std::move(prompt));
    asio::post(io_, [done = std::move(done), tokens] { done(tokens); });
}

void FakeRunner::render(ChatPrompt prompt, std::function<void(Result<std::string>)> done) {
    auto text = plainly(prompt);
    rendered.push_back(std::move(prompt));
    asio::post(io_, [done = std::move(done), text = std::move(text)] { done(text); });
}

RunnerStats FakeRunner::stats() const {
    return {.heartbeat = std::chrono::steady_clock::now(), .running = running, .steps = requests.size()};
}

// ---- FakeRegistry ---------------------------------------------------------------------------------------------------

std::shared_ptr<FakeRunner> FakeRegistry::add(const std::string& name, std::vector<std::string> capabilities) {
    const auto parsed = ModelName::parse(name);
    assert_that(parsed.has_value(), "a fake model has a valid name");
    auto info = std::make_shared<ModelInfo>(ModelInfo{
        .name = parsed->display(), .path = "/nowhere/" + parsed->model + ".gguf", .digest = std::string(64, 'a'),
        .size_bytes = 4096, .modified_at = std::chrono::sys_days{std::chrono::January / 2 / 2026},
        .architecture = "fake", .parameter_size = "4.05M", .quantization = "Q8_0", .parameters = 4'050'000,
        .trained_context = 8192, .embedding_length = 4, .vocabulary = 256, .chat_template = "{{ messages }}",
        .capabilities = std::move(capabilities)});
    auto runner = std::make_shared<FakeRunner>(io_);
    auto& format = runner->told.reply_format;
    if (info->can("thinking")) format = {.thinking_open = "<think>", .thinking_close = "</think>"};
    if (info->can("tools")) format.calls = CallStyle::hermes;
    entries_.insert_or_assign(parsed->key(), Entry{.info = std::move(info), .runner = runner});
    return runner;
}

ModelInfo& FakeRegistry::info(const std::string& name) {
    const auto found = entry(name);
    assert_that(found.has_value(), "the fake model was added");
    return *(*found)->info;
}

Result<FakeRegistry::Entry*> FakeRegistry::entry(const std::string& name) {
    WEFT_TRY(const auto parsed, ModelName::parse(name));
    const auto it = entries_.find(parsed.key());
    if (it == entries_.end()) return fail(ErrorCode::not_found, "model '" + name + "' not found");
    return &it->second;
}

std::uint32_t FakeRegistry::leases(const std::string& name) const {
    const auto found = const_cast<FakeRegistry*>(this)->entry(name);
    assert_that(found.has_value(), "the fake model was added");
    return static_cast<std::uint32_t>((*found)->leases.use_count() - 1);
}

std::vector<std::shared_ptr<const ModelInfo>> FakeRegistry::list() {
    std::vector<std::shared_ptr<const ModelInfo>> all;
    for (const auto& [key, entry] : entries_) all.push_back(entry.info);
    std::ranges::stable_sort(all, std::greater{}, [](const auto& m) { return m->modified_at; });
    return all;
}

Result<std::shared_ptr<const ModelInfo>> FakeRegistry::find(const std::string& name) {
    WEFT_TRY(Entry* const found, entry(name));
    return found->info;
}

void FakeRegistry::acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) {
    const auto answer = [&]() -> Result<RunnerLease> {
        if (acquire_fails) return std::unexpected(*acquire_fails);
        WEFT_TRY(Entry* const found, entry(request.model));
        found->loaded = true;
        if (request.keep_alive) found->keep_alive = request.keep_alive;
        return RunnerLease(found->runner, found->info, load_duration, found->leases);
    }();
    acquired.push_back(std::move(request));
    asio::post(io_, [done = std::move(done), answer] { done(answer); });
}

std::vector<ResidentModel> FakeRegistry::resident() {
    std::vector<ResidentModel> all;
    for (const auto& [key, entry] : entries_) {
        if (!entry.loaded) continue;
        const bool forever = entry.keep_alive && *entry.keep_alive < KeepAlive{0};
        const auto keep = forever ? std::chrono::years{100} : std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        entry.keep_alive.value_or(std::chrono::minutes{5}));
        all.push_back({.model = entry.info, .description = entry.runner->description(),
                       .stats = entry.runner->stats(), .expires_at = entry.info->modified_at + keep,
                       .leases = static_cast<std::uint32_t>(entry.leases.use_count() - 1), .ready = true});
    }
    return all;
}

Result<void> FakeRegistry::unload(const std::string& name) {
    WEFT_TRY(Entry* const found, entry(name));
    unloaded.push_back(found->info->name);
    found->loaded = false;
    return {};
}

}  // namespace weft::test
