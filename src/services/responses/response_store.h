#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "store/response_archive.h"

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
    std::string tenant{};              // whose it is; nobody else can find it
    std::string previous_id{};         // the response it went on from; empty: none
    std::vector<StoredItem> input{};   // what it was given beside what came before ...
    std::vector<StoredItem> output{};  // ... and what it said

    [[nodiscard]] std::size_t bytes() const;
};

// Answers in memory, and in an archive where there is one, which has the same answers: least recently used ones are
// forgotten when there are too many, too large or too old ones. Thread: io.
class ResponseStore {
  public:
    using Done = ResponseArchive::Done;
    struct Limits {
        std::size_t responses = 4096;
        std::size_t bytes = 64 << 20;
        std::chrono::nanoseconds age = std::chrono::hours{24};  // since it was last used
    };
    // Outlives the store.
    struct Backing {
        ResponseArchive* archive = nullptr;  // null: memory only
        std::function<std::int64_t()> unix_s{};
    };
    explicit ResponseStore(const Clock& clock) : ResponseStore(clock, Limits{}) {}
    ResponseStore(const Clock& clock, Limits limits) : ResponseStore(clock, limits, Backing{}) {}
    ResponseStore(const Clock& clock, Limits limits, Backing backing)
        : clock_(clock), limits_(limits), backing_(std::move(backing)) {}

    // Takes up what an earlier process wrote down. Once, before anything else.
    [[nodiscard]] Result<void> recover();

    // Forgets others to make room. A response that is too large by itself is not kept. `done` comes when it is written
    // down, or could not be: then it is kept in memory alone. It can be found at once.
    void put(StoredResponse response, Done done = ignore);
    // Null when there is none.
    [[nodiscard]] std::shared_ptr<const StoredResponse> find(const std::string& tenant, const std::string& id);
    // The item of any response of the tenant. Null when there is none.
    [[nodiscard]] std::shared_ptr<const StoredItem> find_item(const std::string& tenant, const std::string& id);
    // The response and those it went on from, the oldest first; empty when one of them is missing.
    [[nodiscard]] std::vector<std::shared_ptr<const StoredResponse>> chain(const std::string& tenant, const std::string& id);
    // False when there is none. `done` comes, in either case, when it will not come back with the next process.
    bool erase(const std::string& tenant, const std::string& id, Done done = ignore);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::shared_ptr<const StoredResponse> response;
        std::size_t bytes;
        TimePoint used_at;
        TimePoint told_at;  // when the archive was last told of a use
    };
    using Entries = std::list<Entry>;

    static void ignore(Result<bool>) {}
    // In memory. False when it is too large or there is no room and `make_room` is not wanted.
    bool hold(StoredResponse response, TimePoint used_at, bool make_room);
    void forget(Entries::iterator entry);
    void forget(Entries::iterator entry, Done done);
    void forget_old();
    void use(Entry& entry);
    void index_items(const std::shared_ptr<const StoredResponse>& response, const std::vector<StoredItem>& items);

    const Clock& clock_;
    Limits limits_;
    Backing backing_;
    std::size_t bytes_ = 0;
    Entries entries_{};  // most recently used first
    std::unordered_map<std::string, Entries::iterator> by_key_{};
    std::unordered_map<std::string, std::weak_ptr<const StoredItem>> items_{};  // by key, too
};

}  // namespace weft
