#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "scheduler/block_files.h"
#include "scheduler/block_key.h"

namespace weft {

// Copies of KV blocks outside the pool, by what they were computed from: first in memory, then (when it is full, or
// asked for) on disk, both bounded, least recently used out first. A block's parents are always used after it, so that
// what is dropped first is the end of a prefix. Files are read and written by one thread of its own.
// Thread: step, but for that one; locks mutex_.
class SpillStore {
  public:
    // `files` may be null: memory only. `fetched` is called by the store's thread when blocks have come from disk.
    SpillStore(std::uint64_t host_bytes, std::unique_ptr<BlockFiles> files, std::function<void()> fetched = {});
    ~SpillStore();
    SpillStore(const SpillStore&) = delete;
    SpillStore& operator=(const SpillStore&) = delete;

    // How many of these blocks, from the first without a gap, are in memory or on disk.
    [[nodiscard]] std::size_t available(std::span<const BlockKey> keys) const;
    [[nodiscard]] bool contains(const BlockKey& key) const;

    // Null unless it is in memory. Counts as a use; what is used again is written to disk, too.
    [[nodiscard]] std::shared_ptr<const BlockBytes> get(const BlockKey& key);

    void put(const BlockKey& key, BlockBytes bytes);
    // Marks them as used just now, the first one last. Those in neither place are passed over.
    void touch(std::span<const BlockKey> keys);

    // Done, sooner or later, when those of the blocks that are on disk are in memory, too; null when none is on disk only.
    using Ticket = std::shared_ptr<const std::atomic<bool>>;
    [[nodiscard]] Ticket fetch(std::span<const BlockKey> keys);

    // Writes them to disk beside the caller. Bounded: what the disk cannot keep up with is left out.
    void persist(std::span<const BlockKey> keys);
    // The same with all that is in memory, what was used last first.
    void persist_all();

    // Waits until nothing is left to read or write, or `patience` is over.
    void settle(std::chrono::milliseconds patience);

    struct Totals {
        std::uint64_t host_bytes = 0, disk_bytes = 0;
        std::uint64_t spilled_blocks = 0, fetched_blocks = 0;  // since start
    };
    [[nodiscard]] Totals totals() const;

  private:
    struct Entry {
        std::shared_ptr<const BlockBytes> bytes;
        std::list<BlockKey>::iterator place;
    };
    struct Write {
        BlockKey key;
        std::shared_ptr<const BlockBytes> bytes;
    };
    struct Fetch {
        std::vector<BlockKey> keys;
        std::shared_ptr<std::atomic<bool>> done;
    };
    using Job = std::variant<Write, Fetch>;

    void insert(const BlockKey& key, std::shared_ptr<const BlockBytes> bytes);
    void queue_write(const BlockKey& key, std::shared_ptr<const BlockBytes> bytes);
    void work();
    void run(Fetch& fetch);
    [[nodiscard]] bool is_in_memory(const BlockKey& key) const;

    const std::uint64_t host_bytes_;
    const std::unique_ptr<BlockFiles> files_;
    const std::function<void()> fetched_;
    mutable std::mutex mutex_;  // guards all that follows
    std::condition_variable filled_, settled_;
    std::list<BlockKey> order_;  // least recently used first
    std::unordered_map<BlockKey, Entry, BlockKeyHash> entries_;
    std::deque<Job> jobs_;
    Totals totals_;
    std::uint64_t queued_bytes_ = 0;
    std::size_t queued_fetches_ = 0;
    bool working_ = false;
    bool stopping_ = false;
    std::jthread worker_;
};

}  // namespace weft
