#include "scheduler/draft_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"

namespace weft {
namespace {

// Tokens of all sequences together, in one call: at least, until its speed is known, and at most.
constexpr std::int32_t least_caught_up = 16, first_caught_up = 64, most_caught_up = 256;
// A guess of which the small model itself is less sure is hardly ever right.
constexpr double least_sure = 0.4;

// The most likely token and how likely it is.
std::pair<Token, double> favourite(std::span<const float> logits) {
    const auto best = std::ranges::max_element(logits);
    double sum = 0;
    for (const auto logit : logits) sum += std::exp(static_cast<double>(logit - *best));
    return {static_cast<Token>(best - logits.begin()), 1 / sum};
}

}  // namespace

DraftModel::DraftModel(Engine& engine, std::int32_t vocabulary_size, const Clock& clock, Duration patience)
    : engine_(engine), kv_(engine, nullptr, "draft"), vocabulary_size_(vocabulary_size), clock_(clock), patience_(patience) {}

void DraftModel::draft(std::span<DraftWish> wishes) {
    ++uses_;
    auto guessed = catch_up(wishes);
    guess(guessed);
    while (!guessed.empty() && make_room(guessed.size())) {
        std::vector<BatchRow> rows;
        for (auto& one : guessed) {
            one.row = rows.size();
            rows.push_back({.token = one.wish->guesses->back(),
                            .position = static_cast<std::int32_t>(one.followed->tokens.size()),
                            .sequence = one.followed->id,
                            .wants_logits = true});
        }
        if (!decode(rows)) return;
        for (const auto& one : guessed) one.followed->tokens.push_back(one.wish->guesses->back());
        guess(guessed);
    }
}

void DraftModel::guess(std::vector<Guessed>& guessed) const {
    std::erase_if(guessed, [&](const Guessed& one) {
        auto& guesses = *one.wish->guesses;
        const auto [token, sure] = favourite(engine_.logits(one.row));
        if (guesses.size() >= one.wish->most || sure < least_sure || token >= vocabulary_size_) return true;
        guesses.push_back(token);
        return guesses.size() >= one.wish->most;
    });
}

std::vector<DraftModel::Guessed> DraftModel::catch_up(std::span<DraftWish> wishes) {
    const auto wanted = cost_.known() ? std::clamp(cost_.tokens_within(patience_), least_caught_up, most_caught_up) : first_caught_up;
    const auto most = static_cast<std::size_t>(std::min(wanted, engine_.limits().max_batch_rows));
    std::vector<Guessed> complete;
    std::vector<BatchRow> rows;
    std::vector<std::pair<Followed*, std::span<const Token>>> computed;
    for (auto& wish : wishes) {
        if (rows.size() == most) break;
        auto* followed = follow(wish);
        if (followed == nullptr) continue;
        const auto have = followed->tokens.size();
        const auto taken = std::min(wish.tokens.size() - have, most - rows.size());
        for (std::size_t i = have; i < have + taken; ++i)
            rows.push_back({.token = wish.tokens[i], .position = static_cast<std::int32_t>(i), .sequence = followed->id,
                            .wants_logits = i + 1 == wish.tokens.size()});
        computed.emplace_back(followed, wish.tokens.subspan(have, taken));
        if (have + taken == wish.tokens.size()) complete.push_back({&wish, followed, rows.size() - 1});
    }
    if (rows.empty() || !make_room(rows.size()) || !decode(rows)) return {};
    for (const auto& [followed, tokens] : computed) followed->tokens.append_range(tokens);
    return complete;
}

DraftModel::Followed* DraftModel::follow(const DraftWish& wish) {
    const auto limit = static_cast<std::int32_t>(wish.tokens.size()) - 1;
    if (limit < 0) return nullptr;
    if (const auto known = followed_.find(wish.sequence); known != followed_.end()) {
        auto& followed = known->second;
        followed.last_used = uses_;
        const auto common = std::min(limit, common_prefix(followed.tokens, wish.tokens));
        if (static_cast<std::size_t>(common) < followed.tokens.size()) {
            kv_.truncate(followed.id, common, common);
            followed.tokens.resize(static_cast<std::size_t>(common));
        }
        return &followed;
    }
    auto match = kv_.cache().find(wish.tokens, limit, wish.scope);
    match.positions = match.tokens;
    const auto id = start(match);
    if (id == SequenceId{-1}) return nullptr;
    const auto shared = wish.tokens.first(static_cast<std::size_t>(match.tokens));
    return &followed_.emplace(wish.sequence, Followed{id, {shared.begin(), shared.end()}, wish.scope, uses_}).first->second;
}

SequenceId DraftModel::start(PrefixMatch& match) {
    const auto id = kv_.start(match);
    if (id != SequenceId{-1}) return id;
    drop_idle();
    match = {};
    return kv_.start(match);
}

bool DraftModel::make_room(std::size_t cells) {
    if (kv_.make_room(static_cast<std::int32_t>(cells))) return true;
    drop_idle();
    if (kv_.make_room(static_cast<std::int32_t>(cells))) return true;
    // All of it is held by those that are guessed for now: whoever is left has to be caught up with again.
    forget_all();
    return false;
}

bool DraftModel::decode(const std::vector<BatchRow>& rows) {
    ++steps_;
    const auto started = clock_.now();
    if (const auto done = engine_.decode(rows); !done) {
        log_warn("draft_model_failed", {{"reason", done.error().message}, {"detail", done.error().detail}});
        forget_all();
        return false;
    }
    StepWork work;
    for (const auto& row : rows) {
        kv_.append(row.sequence, 1);
        work.prefill_tokens += row.wants_logits ? 0 : 1;
        work.prefill_cells += row.wants_logits ? 0 : row.position;
    }
    cost_.learn(work, clock_.now() - started);
    return true;
}

// ---- letting go -----------------------------------------------------------------------------------------------------

void DraftModel::forget(std::uint64_t sequence) {
    auto known = followed_.extract(sequence);
    if (known) kv_.keep(known.mapped().id, std::move(known.mapped().tokens), known.mapped().scope);
}

void DraftModel::drop_idle() {
    std::vector<std::uint64_t> idle;
    for (const auto& [sequence, followed] : followed_)
        if (followed.last_used != uses_) idle.push_back(sequence);
    for (const auto sequence : idle) forget(sequence);
}

// What the pool holds of them may be in doubt, so that nothing is kept.
void DraftModel::forget_all() {
    for (const auto& [sequence, followed] : followed_) kv_.release(followed.id);
    followed_.clear();
}

}  // namespace weft
