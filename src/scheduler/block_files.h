#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "scheduler/block_key.h"

namespace weft {

using BlockBytes = std::vector<std::uint8_t>;

// KV blocks on disk: one checksummed file per block in a folder per identity (model, build, KV type), bounded in bytes,
// least recently used out first. A file appears whole or not at all; one that is damaged or not ours is deleted with a
// line in the log. Only this user may read the files. Thread: any; locks mutex_, but not while it reads or writes.
class BlockFiles {
  public:
    // Finds what is there already, and deletes the oldest files below `folder`, whatever model's, beyond `max_bytes`.
    [[nodiscard]] static Result<std::unique_ptr<BlockFiles>> open(const std::filesystem::path& folder,
                                                                  std::string_view identity, std::uint64_t max_bytes);

    [[nodiscard]] bool contains(const BlockKey& key) const;
    // False when the block is larger than all that is allowed or the disk refuses it.
    bool write(const BlockKey& key, const BlockBytes& bytes);
    // Nothing when it is not there or not what was written.
    [[nodiscard]] std::optional<BlockBytes> read(const BlockKey& key);

    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] std::size_t size() const;

  private:
    struct Entry {
        std::uint64_t bytes;
        std::list<BlockKey>::iterator place;
    };
    BlockFiles(std::filesystem::path folder, BlockKey identity, std::uint64_t max_bytes)
        : folder_(std::move(folder)), identity_(identity), max_bytes_(max_bytes) {}
    void scan();
    [[nodiscard]] std::filesystem::path path_of(const BlockKey& key) const;
    void remember(const BlockKey& key, std::uint64_t bytes);
    void forget(const BlockKey& key, std::string_view why);

    const std::filesystem::path folder_;
    const BlockKey identity_;
    const std::uint64_t max_bytes_;
    mutable std::mutex mutex_;  // guards what follows
    std::list<BlockKey> order_;  // least recently used first
    std::unordered_map<BlockKey, Entry, BlockKeyHash> entries_;
    std::uint64_t bytes_ = 0;
    std::uint64_t writes_ = 0;   // names temporary files
};

}  // namespace weft
