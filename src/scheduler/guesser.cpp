#include "scheduler/guesser.h"

#include <algorithm>

#include "scheduler/prefix_finder.h"
#include "scheduler/prompt_lookup.h"

namespace weft {
namespace {

// Never beyond the window or what is asked for: the last token is sampled, not guessed.
std::size_t most_useful(const Sequence& sequence) {
    const auto window = static_cast<std::size_t>(sequence.request->prepared->window);
    const auto most = window - std::min(window, sequence.tokens.size() + 1);
    const auto asked = sequence.request->request().max_tokens;
    return asked ? std::min<std::size_t>(most, *asked - std::min(*asked, sequence.generated() + 1)) : most;
}

}  // namespace

void Guesser::guess(const std::vector<SequencePtr>& running) {
    std::size_t decoding = 0;
    for (const auto& sequence : running) {
        sequence->guesses.clear();
        decoding += sequence->decodes() && !sequence->request->paused ? 1 : 0;
    }
    const auto allowed = enabled() ? guesses_allowed(decoding) : 0;
    if (allowed == 0) return;
    std::vector<DraftWish> wishes;
    for (const auto& sequence : running) {
        if (!sequence->decodes() || sequence->request->paused) continue;
        const auto most = std::min(allowed, most_useful(*sequence));
        sequence->drafted = false;
        if (options_.looks_up) {
            const auto found = look_up_prompt(sequence->tokens, std::min(most, sequence->guess_meter.length()));
            sequence->guesses.assign(found.begin(), found.end());
        }
        if (options_.draft == nullptr || !sequence->guesses.empty()) continue;
        if (const auto length = std::min(most, draft_meter(*sequence).length()); length > 0) {
            sequence->drafted = true;
            wishes.push_back({.sequence = sequence->arrival, .tokens = sequence->tokens,
                              .scope = scope_of(sequence->request->request()), .most = length, .guesses = &sequence->guesses});
        }
    }
    if (!wishes.empty()) options_.draft->draft(wishes);
}

GuessMeter& Guesser::draft_meter(Sequence& sequence) const {
    if (!sequence.draft_meter) sequence.draft_meter.emplace(options_.draft_cost);
    return *sequence.draft_meter;
}

void Guesser::note(Sequence& sequence, std::size_t guessed, std::size_t right) {
    if (sequence.drafted && guessed > 0) {
        draft_meter(sequence).note(guessed, right);
        return;
    }
    sequence.guess_meter.note(guessed, right);
    if (options_.draft != nullptr && !sequence.drafted) draft_meter(sequence).note(0, 0);
}

void Guesser::forget(const Sequence& sequence) {
    if (options_.draft != nullptr) options_.draft->forget(sequence.arrival);
}

}  // namespace weft
