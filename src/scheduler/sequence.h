#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/stop_matcher.h"
#include "engine/sampling/utf8.h"
#include "engine/vocabulary.h"
#include "scheduler/answer_guard.h"
#include "scheduler/block_key.h"
#include "scheduler/inbox.h"
#include "scheduler/prompt_lookup.h"
#include "scheduler/spill_store.h"
#include "scheduler/state_index.h"

namespace weft {

// What the choices of one request have in common.
struct RequestState {
    std::shared_ptr<PreparedRequest> prepared;
    std::uint32_t open_choices = 0;
    bool cancelled = false;
    bool paused = false;
    bool failed = false;              // its Error is sent: nothing more may follow
    bool ended_by_length = false;     // a choice of it was
    bool started = false;             // a choice of it has had a place
    std::uint32_t cached_tokens = 0;
    std::uint32_t completion_tokens = 0;
    std::optional<TimePoint> planned_at;      // first time that a token of it was in a batch
    std::optional<TimePoint> first_token_at;
    TimePoint last_token_at{};
    std::vector<TokenLogprob> prompt_logprobs;

    [[nodiscard]] std::uint64_t id() const { return prepared->id; }
    [[nodiscard]] const GenerateRequest& request() const { return prepared->request; }
};

// One generation: a choice of a request, with its place in the KV cache and all that its next token depends on.
// Thread: step; sample() runs on the sampler pool, one call at a time.
class Sequence {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Sequence>> create(std::shared_ptr<RequestState> request,
                                                                  std::uint32_t choice, std::uint64_t arrival,
                                                                  const Vocabulary& vocabulary);

    static constexpr std::uint64_t never = ~std::uint64_t{0};

    // ---- place in the KV cache ----
    SequenceId id{-1};                // -1 while waiting
    std::vector<Token> tokens;        // prompt and answer
    std::int32_t computed = 0;        // of them in the KV cache, from the start; < tokens.size() while unfinished
    std::uint64_t arrival = 0;
    std::uint32_t choice = 0;
    std::shared_ptr<RequestState> request;
    std::optional<BlockChain> blocks;   // names of its prefixes outside the KV cache
    SpillStore::Ticket fetching;        // they are being read; null = nothing to wait for
    bool deferred = false;              // waits for a prefix that another one computes; as of the last look
    std::vector<std::int32_t> borders;  // where states of it are to be kept, rising; only where cells cannot be shared
    std::vector<StateName> states;      // from which it could go on, longest first, as of the last look ...
    std::uint64_t states_seen = never;  // ... which was at that count of kept states
    std::int32_t uncached = 0;          // tokens that it will have to compute, as estimated when it came
    std::vector<Token> guesses;         // tried in this step behind the pending token
    GuessMeter guess_meter;
    std::optional<GuessMeter> draft_meter;  // of a draft model's guesses
    bool drafted = false;               // the guesses were asked of the draft model
    std::int32_t reused = 0;            // tokens that it did not compute itself when it started
    std::uint32_t parked = 0;           // how often
    std::optional<TimePoint> sampled_at;  // the newest token

    [[nodiscard]] std::int32_t pending() const { return static_cast<std::int32_t>(tokens.size()) - computed; }
    [[nodiscard]] bool decodes() const { return generated_ > 0 && pending() == 1; }
    [[nodiscard]] bool finished() const { return finish_.has_value(); }
    [[nodiscard]] std::span<const ImageSpan> images() const { return request->prepared->images; }
    // The image whose rows come next; null for words.
    [[nodiscard]] const ImageSpan* next_image() const { return image_at(computed, images()); }
    // Tokens up to where words end or begin; 0 when there is nothing but words.
    [[nodiscard]] std::int32_t segment() const;
    // Tokens in front of the first image; all where there is none.
    [[nodiscard]] std::int32_t words_in_front() const {
        return images().empty() ? static_cast<std::int32_t>(tokens.size()) : images().front().begin;
    }
    // As much of these first tokens as holds images whole or not at all.
    [[nodiscard]] std::int32_t with_whole_images(std::int32_t prefix) const;
    [[nodiscard]] bool window_full() const {
        return static_cast<std::int32_t>(tokens.size()) >= request->prepared->window;
    }
    // Tokens up to the next place where a state of it is kept; 0 = none lies ahead.
    [[nodiscard]] std::int32_t until_border() const {
        const auto next = std::ranges::upper_bound(borders, computed);
        return next == borders.end() ? 0 : *next - computed;
    }
    // Prompt rows whose logits are still wanted.
    [[nodiscard]] bool scores_prompt() const { return request->request().prompt_logprobs && !prompt_scored_; }

    // ---- one step's work, on the pool ----

    // Samples the next token from its logits, appends it, and collects what may be sent. Nothing is sent for a held-back
    // stop string or half a character.
    void sample(std::span<const float> logits, const Vocabulary& vocabulary);

    // Log probability of the prompt token that follows position `position`.
    void score_prompt(std::span<const float> logits, std::int32_t position, const Vocabulary& vocabulary);
    void prompt_scored() { prompt_scored_ = true; }

    // Ends without sampling: nothing was asked for (max_tokens = 0).
    void finish_with(FinishReason reason) { end(reason); }

    // ---- what came of it ----

    // The piece to send now, if there is something to tell.
    [[nodiscard]] std::optional<TextPiece> take_piece();
    [[nodiscard]] const std::optional<ChoiceFinished>& finish() const { return finish_; }
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }
    [[nodiscard]] std::uint32_t generated() const { return generated_; }

    // Forgets the middle of its tokens (keeping the first keep_tokens and the newest half of the rest), so that the
    // generation goes on. The KV cells must be computed anew.
    void shift();

  private:
    Sequence(std::shared_ptr<RequestState> request, std::uint32_t choice, std::uint64_t arrival, Sampler sampler);

    [[nodiscard]] Result<Token> next_token(std::span<const float> logits, const Vocabulary& vocabulary);
    void append_text(std::string_view text);
    // The part of the text that belongs to the thinking block: sent as it is, without looking for stop strings.
    [[nodiscard]] std::size_t thinking_part(std::string_view text);
    // The same for tool calls: how much of the text stands before the first of them.
    [[nodiscard]] std::size_t part_before_calls(std::string_view text);
    [[nodiscard]] std::string_view text_of(Token token, const Vocabulary& vocabulary) const;
    // How often the same text, but for white space, came again in a row.
    [[nodiscard]] std::uint32_t repeats_of(std::string_view text);
    void collect(Token token, const Vocabulary& vocabulary, std::span<const float> logits);
    void end(FinishReason reason);
    void drop_unsent_logprobs();

    Sampler sampler_;
    std::unique_ptr<AnswerGuard> guard_;     // null: nothing to keep to, or nothing sampled yet
    Utf8Assembler utf8_;
    StopMatcher stops_;
    enum class Thinking : std::uint8_t { undecided, inside, over };
    Thinking thinking_;
    std::string thinking_tail_;              // undecided: all text so far; inside: what may be the beginning of the end tag
    bool calls_begun_ = false;
    std::string calls_tail_;                 // the last bytes of the content, which may be the beginning of a call
    TextPiece piece_;                        // not sent yet
    std::vector<std::size_t> piece_starts_;  // where each token of piece_ begins in the whole answer, in bytes
    std::size_t bytes_seen_ = 0;             // of the answer: sampled ...
    std::size_t bytes_sent_ = 0;             // ... and cleared for sending
    std::uint32_t generated_ = 0;
    std::string last_word_;                  // text of the last token without white space ...
    std::uint32_t repeats_ = 0;              // ... and how often it came again
    bool prompt_scored_ = false;
    std::optional<ChoiceFinished> finish_;
    std::optional<Error> error_;
};

}  // namespace weft
