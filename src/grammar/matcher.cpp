#include "grammar/matcher.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft {
namespace {

constexpr std::uint32_t no_edge = ~0U;
constexpr std::uint32_t nowhere = ~0U;
using Kind = Grammar::Kind;

// A set of small keys that is emptied in no time. Open addressing; a slot counts if its stamp is the current one.
class KeySet {
  public:
    struct Key {
        std::uint32_t a = 0, b = 0, c = 0, d = 0;
        bool operator==(const Key&) const = default;
    };
    KeySet() : slots_(256) {}

    void clear() {
        ++stamp_;
        size_ = 0;
    }
    // The value kept for the key; `value` is taken for a new one.
    std::pair<std::uint32_t*, bool> insert(const Key& key, std::uint32_t value = 0) {
        if (2 * ++size_ > slots_.size()) grow();
        for (auto i = hash(key) & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
            auto& slot = slots_[i];
            if (slot.stamp != stamp_) {
                slot = {key, value, stamp_};
                return {&slot.value, true};
            }
            if (slot.key == key) {
                --size_;
                return {&slot.value, false};
            }
        }
    }

  private:
    struct Slot {
        Key key{};
        std::uint32_t value = 0;
        std::uint64_t stamp = 0;
    };
    static std::size_t hash(const Key& key) {
        std::uint64_t h = (std::uint64_t{key.a} << 32U) | key.b;
        h = (h ^ (h >> 29U)) * 0x9E3779B97F4A7C15U;
        h ^= (std::uint64_t{key.c} << 32U) | key.d;
        h = (h ^ (h >> 32U)) * 0xBF58476D1CE4E5B9U;
        return static_cast<std::size_t>(h ^ (h >> 30U));
    }
    void grow() {
        auto old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
        for (const auto& slot : old) {
            if (slot.stamp != stamp_) continue;
            auto i = hash(slot.key) & (slots_.size() - 1);
            while (slots_[i].stamp == stamp_) i = (i + 1) & (slots_.size() - 1);
            slots_[i] = slot;
        }
    }
    std::vector<Slot> slots_;
    std::uint64_t stamp_ = 1;
    std::size_t size_ = 0;
};

// A character that has begun, in 32 bits: its value so far, how many bytes it has and how many are still to come.
struct Partial {
    std::uint32_t value, length, missing;
    [[nodiscard]] std::uint32_t packed() const { return value | (length << 24U) | (missing << 28U); }
    [[nodiscard]] static Partial of(std::uint32_t packed) {
        return {packed & 0xFFFFFFU, (packed >> 24U) & 15U, packed >> 28U};
    }
    // The characters that it may become. Overlong forms are none.
    [[nodiscard]] CodePointRange range() const {
        constexpr std::array<char32_t, 5> first_of_length{0, 0, 0x80, 0x800, 0x10000};
        const auto bits = 6 * missing;
        const char32_t low = value << bits;
        const char32_t high = low | ((1U << bits) - 1);
        return {std::max(low, first_of_length[length]), std::min(high, last_code_point)};
    }
};

// nothing for a byte that begins no character.
bool begin_character(unsigned char byte, Partial& partial) {
    if (byte < 0xC2 || byte > 0xF4) return false;
    if (byte < 0xE0) partial = {byte & 0x1FU, 2, 1};
    else if (byte < 0xF0) partial = {byte & 0x0FU, 3, 2};
    else partial = {byte & 0x07U, 4, 3};
    return true;
}

}  // namespace

// What one step needs and no longer; per thread, because matchers are many.
class GrammarMatcher::Scratch {
  public:
    struct Move {
        std::uint32_t position, frame;
    };
    std::vector<Move> moves;  // to be followed
    std::size_t n_moves = 0;  // followed in this step

    void clear() {
        moves.clear();
        n_moves = 0;
        seen_.clear();
        states_.clear();
        opened_.clear();
    }
    void push(std::uint32_t position, std::uint32_t frame) { moves.push_back({position, frame}); }
    bool first_time(std::uint32_t position, std::uint32_t frame) { return seen_.insert({position, frame}).second; }
    bool first_time(const State& s) { return states_.insert({s.position, s.frame, s.count, s.partial}).second; }
    std::pair<std::uint32_t*, bool> opened(std::uint32_t back, std::uint32_t count, bool loop, std::uint32_t frame) {
        return opened_.insert({back, count, loop ? 1U : 0U}, frame);
    }

    static Scratch& mine() {
        thread_local Scratch scratch;
        return scratch;
    }

  private:
    KeySet seen_, states_, opened_;
};

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
    frames_.push_back({.back = nowhere, .count = 0, .first_edge = no_edge, .depth = 0, .step = 0, .loop = false, .was_over = false});
    ++steps_;
    auto& scratch = Scratch::mine();
    scratch.clear();
    for (const auto start : grammar_->alternatives(grammar_->root())) scratch.push(start, 0);
    if (!settle(scratch, states_, can_end_)) states_.clear();
}

bool GrammarMatcher::allows(std::string_view bytes) {
    if (bytes.empty()) return true;
    if (!may_begin_with(static_cast<unsigned char>(bytes.front()))) return false;
    const auto before = mark();
    trial_.assign(states_.begin(), states_.end());
    bool can_end = false;
    const bool allowed = run(bytes, trial_, can_end);
    forget(before);
    return allowed;
}

bool GrammarMatcher::accept(std::string_view bytes) {
    const auto before = mark();
    trial_.assign(states_.begin(), states_.end());
    bool can_end = can_end_;
    if (!run(bytes, trial_, can_end)) {
        forget(before);
        return false;
    }
    std::swap(states_, trial_);
    can_end_ = can_end;
    first_bytes_known_ = false;
    if (frames_.size() > collect_at_) collect_garbage();
    return true;
}

bool GrammarMatcher::run(std::string_view bytes, States& states, bool& can_end) {
    for (const char c : bytes) {
        if (!step(states, static_cast<unsigned char>(c), next_, can_end)) return false;
        std::swap(states, next_);
    }
    return true;
}

// Most tokens that do not fit show it by their first byte.
bool GrammarMatcher::may_begin_with(unsigned char byte) {
    if (!first_bytes_known_) {
        first_bytes_ = {};
        for (const auto& state : states_) {
            const auto& set = grammar_->characters(grammar_->at(state.position).index);
            if (state.partial == 0) {
                first_bytes_[0] |= set.ascii[0];
                first_bytes_[1] |= set.ascii[1];
            }
            if (state.partial != 0 || set.all.overlaps(0x80, last_code_point)) first_bytes_[2] = first_bytes_[3] = ~std::uint64_t{0};
        }
        first_bytes_known_ = true;
    }
    return ((first_bytes_[byte >> 6U] >> (byte & 63U)) & 1U) != 0;
}

void GrammarMatcher::for_each_allowed(const TokenOrder& tokens, const std::function<void(std::int32_t)>& found) {
    struct Level {
        States states;
        Mark mark;
    };
    std::vector<Level> levels;  // after that many bytes of the current token
    levels.push_back({states_, mark()});
    const auto& entries = tokens.entries();
    for (std::size_t i = 0; i < entries.size();) {
        const auto& [bytes, token, shared] = entries[i];
        std::size_t depth = shared;  // so far it was allowed, or this entry would have been passed over
        std::size_t next = i + 1;
        forget(levels[depth].mark);
        while (depth < bytes.size()) {
            if (levels.size() <= depth + 1) levels.emplace_back();
            bool can_end = false;
            if (!step(levels[depth].states, static_cast<unsigned char>(bytes[depth]), levels[depth + 1].states, can_end)) {
                next = tokens.behind(i, depth + 1);
                break;
            }
            levels[++depth].mark = mark();
        }
        if (depth == bytes.size()) found(token);
        i = next;
    }
    forget(levels.front().mark);
}

// ---- one byte -------------------------------------------------------------------------------------------------------

bool GrammarMatcher::step(const States& from, unsigned char byte, States& to, bool& can_end) {
    to.clear();
    can_end = false;
    ++steps_;
    auto& scratch = Scratch::mine();
    scratch.clear();
    for (const auto& state : from) advance(state, byte, scratch, to);
    const bool settled = settle(scratch, to, can_end);
    const auto work = from.size() + scratch.n_moves + 1;
    budget_ = budget_ > work ? budget_ - work : 0;
    return settled && budget_ > 0 && (!to.empty() || can_end);
}

void GrammarMatcher::advance(const State& state, unsigned char byte, Scratch& scratch, States& to) {
    const auto& set = grammar_->characters(grammar_->at(state.position).index);
    Partial partial{};
    if (state.partial != 0) {
        if ((byte & 0xC0U) != 0x80U) return;
        partial = Partial::of(state.partial);
        partial.value = (partial.value << 6U) | (byte & 0x3FU);
        --partial.missing;
    } else if (byte < 0x80) {
        if (set.has_ascii(byte)) matched(state, scratch, to);
        return;
    } else if (!begin_character(byte, partial)) {
        return;
    }
    const auto [first, last] = partial.range();
    if (first > last || !set.all.overlaps(first, last)) return;
    if (partial.missing == 0) return matched(state, scratch, to);
    const State begun{state.position, state.frame, state.count, partial.packed()};
    if (scratch.first_time(begun)) to.push_back(begun);
}

void GrammarMatcher::matched(const State& state, Scratch& scratch, States& to) {
    const auto& element = grammar_->at(state.position);
    auto count = state.count + 1;
    // Beyond `least` nobody counts what is not limited.
    if (element.most == Grammar::unlimited) count = std::min(count, element.least);
    if (count < element.most) {
        const State more{state.position, state.frame, count, 0};
        if (scratch.first_time(more)) to.push_back(more);
    }
    if (count >= element.least) scratch.push(state.position + 1, state.frame);
}

// Follows calls and ends until characters are wanted. False when a bound is hit.
bool GrammarMatcher::settle(Scratch& scratch, States& to, bool& can_end) {
    while (!scratch.moves.empty()) {
        const auto [position, frame] = scratch.moves.back();
        scratch.moves.pop_back();
        if (!scratch.first_time(position, frame)) continue;
        if (++scratch.n_moves > max_match_moves || to.size() > max_match_states || frames_.size() > max_match_frames) return false;
        const auto& element = grammar_->at(position);
        switch (element.kind) {
            case Kind::characters: {
                const State state{position, frame, 0, 0};
                if (scratch.first_time(state)) to.push_back(state);
                if (element.least == 0) scratch.push(position + 1, frame);
                break;
            }
            case Kind::call:
                // Nothing comes behind it: whoever called this rule goes on when that one is over.
                if (grammar_->at(position + 1).kind == Kind::end) {
                    for (const auto start : grammar_->alternatives(element.index)) scratch.push(start, frame);
                } else {
                    open(position + 1, 0, false, element.index, frame, scratch);
                }
                break;
            case Kind::loop:
                open(position, 0, true, element.index, frame, scratch);
                if (element.least == 0) scratch.push(position + 1, frame);
                break;
            case Kind::end: close(frame, scratch, can_end); break;
        }
    }
    return true;
}

void GrammarMatcher::open(std::uint32_t back, std::uint32_t count, bool loop, std::uint32_t rule, std::uint32_t parent,
                          Scratch& scratch) {
    const auto depth = frames_[parent].depth + 1;
    if (depth > max_match_nesting) return;
    const auto [known, fresh] = scratch.opened(back, count, loop, static_cast<std::uint32_t>(frames_.size()));
    const auto frame = *known;
    if (fresh) {
        frames_.push_back({.back = back, .count = count, .first_edge = no_edge, .depth = depth, .step = steps_, .loop = loop, .was_over = false});
        for (const auto start : grammar_->alternatives(rule)) scratch.push(start, frame);
    } else {
        for (auto e = frames_[frame].first_edge; e != no_edge; e = edges_[e].next)
            if (edges_[e].parent == parent) return;
    }
    edges_.push_back({.parent = parent, .next = frames_[frame].first_edge});
    frames_[frame].first_edge = static_cast<std::uint32_t>(edges_.size() - 1);
    if (frames_[frame].was_over) go_on(frame, parent, scratch);
}

void GrammarMatcher::close(std::uint32_t frame, Scratch& scratch, bool& can_end) {
    if (frame == 0) {
        can_end = true;
        return;
    }
    if (!scratch.first_time(nowhere, frame)) return;
    if (frames_[frame].step == steps_) frames_[frame].was_over = true;
    for (auto e = frames_[frame].first_edge; e != no_edge; e = edges_[e].next) go_on(frame, edges_[e].parent, scratch);
}

void GrammarMatcher::go_on(std::uint32_t frame, std::uint32_t parent, Scratch& scratch) {
    const Frame over = frames_[frame];
    if (!over.loop) return scratch.push(over.back, parent);
    // A round without a byte leads nowhere new: a loop whose body may be empty need not come at all.
    if (over.step == steps_) return;
    const auto& element = grammar_->at(over.back);
    auto count = over.count + 1;
    if (element.most == Grammar::unlimited) count = std::min(count, element.least);
    if (count < element.most) open(over.back, count, true, element.index, parent, scratch);
    if (count >= element.least) scratch.push(over.back + 1, parent);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

void GrammarMatcher::forget(Mark mark) {
    frames_.resize(mark.frames);
    edges_.resize(mark.edges);
}

// Keeps the frames that the states can still return to.
void GrammarMatcher::collect_garbage() {
    std::vector<std::uint32_t> place(frames_.size(), nowhere);
    std::vector<std::uint32_t> todo{0};
    place[0] = 0;
    const auto reach = [&](std::uint32_t frame) {
        if (place[frame] != nowhere) return;
        place[frame] = 0;
        todo.push_back(frame);
    };
    for (const auto& state : states_) reach(state.frame);
    while (!todo.empty()) {
        const auto frame = todo.back();
        todo.pop_back();
        for (auto e = frames_[frame].first_edge; e != no_edge; e = edges_[e].next) reach(edges_[e].parent);
    }
    std::vector<Frame> frames;
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (place[i] == nowhere) continue;
        place[i] = static_cast<std::uint32_t>(frames.size());
        frames.push_back(frames_[i]);
    }
    std::vector<Edge> edges;
    for (auto& frame : frames) {
        auto e = std::exchange(frame.first_edge, no_edge);
        for (; e != no_edge; e = edges_[e].next) {
            edges.push_back({.parent = place[edges_[e].parent], .next = frame.first_edge});
            frame.first_edge = static_cast<std::uint32_t>(edges.size() - 1);
        }
    }
    for (auto& state : states_) state.frame = place[state.frame];
    frames_ = std::move(frames);
    edges_ = std::move(edges);
    collect_at_ = std::max<std::size_t>(4096, 2 * frames_.size());
}

}  // namespace weft
