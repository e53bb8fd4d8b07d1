#pragma once

#include <span>
#include <vector>

#include "scheduler/kv_pool.h"
#include "scheduler/waiting_queue.h"

namespace weft {

// Sharing with a sequence that is still prefilling is worth waiting for from this many tokens on.
inline constexpr std::int32_t worth_sharing_tokens = 32;

// Whose cells a request may share: those of its tenant, or of all who say so.
[[nodiscard]] std::string scope_of(const GenerateRequest& request);

// What a sequence can begin with instead of computing it: cells of a kept or running sequence, blocks copied out of the
// pool, or a saved state, whichever the model's memory allows. Thread: step.
class PrefixFinder {
  public:
    // `running` is looked at, not changed.
    PrefixFinder(KvPool& kv, const std::vector<SequencePtr>& running) : kv_(kv), running_(running) {}

    // The longest prefix that is there now.
    [[nodiscard]] PrefixMatch find(Sequence& sequence, const Sequence* not_from = nullptr) const;

    // Whether a running sequence is on its way to a longer prefix of this one than there is elsewhere.
    [[nodiscard]] bool is_being_computed(Sequence& sequence) const;

    // A sequence that has just come: begins to read what is on disk of its prefix, chooses where states are to be kept, and
    // estimates how many tokens of it will have to be computed.
    void welcome(Sequence& sequence, const WaitingQueue& waiting);

    // Gives the sequence its id and whatever prefix is there. False when no id can be had.
    [[nodiscard]] bool start(Sequence& sequence);

    // Keeps a state if the sequence stands where one is wanted.
    void passed(Sequence& sequence);

  private:
    [[nodiscard]] bool takes_part(const Sequence& sequence) const;
    // Its first tokens that a finished or running sequence of the pool holds, or has as a kept state.
    [[nodiscard]] PrefixMatch find_cells(const Sequence& sequence, std::int32_t limit, const Sequence* not_from) const;
    [[nodiscard]] PrefixMatch find_state(Sequence& sequence, std::int32_t limit) const;
    [[nodiscard]] BlockChain& chain_of(Sequence& sequence) const;
    // Names of the blocks that it could begin with.
    [[nodiscard]] std::span<const BlockKey> blocks_of(Sequence& sequence) const;
    void fetch(Sequence& sequence);
    void choose_state_borders(Sequence& sequence, const WaitingQueue& waiting);
    void share_border(Sequence& sequence, Sequence& other);
    void start_with_cells(Sequence& sequence, PrefixMatch match);

    KvPool& kv_;
    const std::vector<SequencePtr>& running_;
};

}  // namespace weft
