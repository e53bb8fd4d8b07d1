#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "store/job_row.h"

namespace weft {

// Answers of deterministic requests, for later ones of the same tenant that are equal to the last character. Least
// recently used ones are forgotten. Thread: io.
class AnswerCache {
  public:
    struct Answer {
        ChunkedText output;
        std::string thinking{};
        std::string tool_calls{};
        std::uint32_t prompt_tokens = 0;
        std::uint32_t completion_tokens = 0;
    };
    explicit AnswerCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // A request without a key has no equal.
    void put(const std::string& tenant, const std::string& request_key, Answer answer);
    // Null when there is none.
    [[nodiscard]] std::shared_ptr<const Answer> find(const std::string& tenant, const std::string& request_key);

  private:
    struct Entry {
        std::string key;
        std::shared_ptr<const Answer> answer;
        std::size_t bytes;
    };
    void forget(std::list<Entry>::iterator entry);

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::list<Entry> entries_;  // most recently used first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace weft
