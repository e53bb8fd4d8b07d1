#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/token_order.h"

namespace weft {

inline constexpr std::size_t max_match_states = 4096;     // places in the grammar that one text may lead to
inline constexpr std::size_t max_match_moves = 50'000;    // of one byte
inline constexpr std::size_t max_match_frames = 300'000;  // calls that the text so far has left open
inline constexpr std::uint32_t max_match_nesting = 1000;    // of calls within calls: of brackets in JSON, about

// Where a text stands in a grammar, byte by byte: all the places at once, their open calls shared in a graph, so that
// neither ambiguity nor recursion makes it more than linear in the grammar per byte. Only whole UTF-8 is matched; a
// text may end within a character. What would go beyond the bounds above is not matched.
//
// Copies share the grammar only. Thread: one at a time.
class GrammarMatcher {
  public:
    explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar);

    // Whether the text so far may go on with these bytes.
    [[nodiscard]] bool allows(std::string_view bytes);
    // Goes on with them; false, and as before, when the grammar does not allow it.
    [[nodiscard]] bool accept(std::string_view bytes);
    // Calls `found` with each token that allows() would take, in no particular order.
    void for_each_allowed(const TokenOrder& tokens, const std::function<void(std::int32_t)>& found);

    // Work that may be done until this is called again, in places looked at (some 30 ns each). Beyond it nothing is
    // allowed any more and exhausted() tells why.
    void set_budget(std::uint64_t places) { budget_ = places; }
    [[nodiscard]] bool exhausted() const { return budget_ == 0; }

    // The text so far is whole ...
    [[nodiscard]] bool can_end() const { return can_end_; }
    // ... and nothing may follow.
    [[nodiscard]] bool ended() const { return can_end_ && states_.empty(); }

  private:
    // A place before or within a `characters` element.
    struct State {
        std::uint32_t position;
        std::uint32_t frame;
        std::uint32_t count;     // characters of this element so far
        std::uint32_t partial;   // of a character that has begun: see step_partial()
        bool operator==(const State&) const = default;
    };
    // An open call: where to go on when it is over. With several parents: called from several places at once.
    struct Frame {
        std::uint32_t back;        // position behind a call; position of a loop
        std::uint32_t count;       // loop: times that it was over
        std::uint32_t first_edge;  // no_edge for the bottom
        std::uint32_t depth;
        std::uint64_t step;        // in which it was opened
        bool loop;
        bool was_over;             // within that step: its rule may be empty
    };
    struct Edge {
        std::uint32_t parent;
        std::uint32_t next;
    };
    struct Mark {
        std::size_t frames, edges;
    };
    using States = std::vector<State>;
    class Scratch;

    [[nodiscard]] bool step(const States& from, unsigned char byte, States& to, bool& can_end);
    void advance(const State& state, unsigned char byte, Scratch& scratch, States& to);
    void matched(const State& state, Scratch& scratch, States& to);
    [[nodiscard]] bool settle(Scratch& scratch, States& to, bool& can_end);
    void open(std::uint32_t back, std::uint32_t count, bool loop, std::uint32_t rule, std::uint32_t parent, Scratch& scratch);
    void close(std::uint32_t frame, Scratch& scratch, bool& can_end);
    void go_on(std::uint32_t frame, std::uint32_t parent, Scratch& scratch);
    [[nodiscard]] bool run(std::string_view bytes, States& states, bool& can_end);
    [[nodiscard]] Mark mark() const { return {frames_.size(), edges_.size()}; }
    void forget(Mark mark);
    void collect_garbage();

    std::shared_ptr<const Grammar> grammar_;
    States states_;
    bool can_end_ = false;
    std::vector<Frame> frames_;  // 0 is the bottom: the call of root
    std::vector<Edge> edges_;
    std::uint64_t steps_ = 0;
    std::uint64_t budget_ = ~std::uint64_t{0};
    std::size_t collect_at_ = 4096;  // frames
};

}  // namespace weft
