#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"

namespace weft {

// A piece of a stored conversation, in the words of the dialect that stores it.
struct StoredItem {
    std::string id;
    std::string json;
};

// An answer that later requests may name: to read it again, or to go on from it.
struct StoredResponse {
    std::string id;
    std::string json;                  // as it was answered
    std::string previous_id{};         // the response it went on from; empty: none
    std::vector<StoredItem> input{};   // what it was given beside what came before ...
    std::vector<StoredItem> output{};  // ... and what it said

    [[nodiscard]] std::size_t bytes() const;
};

// Answers of this process's life, in memory: least recently used ones are forgotten when there are too many, too large
// or too old ones. Thread: io.
class ResponseStore {
  public:
    struct Limits {
        std::size_t responses = 4096;
        std::size_t bytes = 64 << 20;
        std::chrono::nanoseconds age = std::chrono::hours{24};  // since it was last used
    };
    explicit ResponseStore(const Clock& clock) : ResponseStore(clock, Limits{}) {}
    ResponseStore(const Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

    // Forgets others to make room. A response that is too large by itself is not kept.
    void put(StoredResponse response);
    // Null when there is none.
    [[nodiscard]] std::shared_ptr<const StoredResponse> find(const std::string& id);
    // The item of any response. Nothing when there is none.
    [[nodiscard]] std::shared_ptr<const StoredItem> find_item(const std::string& id);
    // The response and those it went on from, the oldest first; empty when one of them is missing.
    [[nodiscard]] std::vector<std::shared_ptr<const StoredResponse>> chain(const std::string& id);
    // False when there is none.
    bool erase(const std::string& id);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::shared_ptr<const StoredResponse> response;
        std::size_t bytes;
        TimePoint used_at;
    };
    using Entries = std::list<Entry>;

    void forget(Entries::iterator entry);
    void forget_old();
    void index_items(const std::shared_ptr<const StoredResponse>& response, const std::vector<StoredItem>& items);

    const Clock& clock_;
    Limits limits_;
    std::size_t bytes_ = 0;
    Entries entries_{};  // most recently used first
    std::unordered_map<std::string, Entries::iterator> by_id_{};
    std::unordered_map<std::string, std::weak_ptr<const StoredItem>> items_{};
};

}  // namespace weft
