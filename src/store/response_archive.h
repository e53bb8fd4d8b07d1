#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"

namespace weft {

// A stored answer, written down by its service.
struct ArchivedResponse {
    std::string tenant;
    std::string id;            // unique within the tenant
    std::int64_t used_s = 0;   // Unix seconds of the last use
    std::string content{};     // bytes that only the service reads
};

// What the service for stored answers keeps beyond its process. What is written is durable when `done` is called, and
// takes effect in the order in which it was given. Errors: storage_full, overloaded, internal. Thread: io.
class ResponseArchive {
  public:
    using Done = std::function<void(Result<bool>)>;

    virtual ~ResponseArchive() = default;

    // Replaces one of the same id.
    virtual void put(ArchivedResponse response, Done done) = 0;
    virtual void touch(std::string tenant, std::string id, std::int64_t used_s) = 0;
    virtual void remove(std::string tenant, std::string id, Done done) = 0;  // false: there is none
    // Shows all, the last used first. Those for which `take` says no are removed. Before anything else is asked.
    [[nodiscard]] virtual Result<void> recover(const std::function<bool(ArchivedResponse)>& take) = 0;
};

}  // namespace weft
