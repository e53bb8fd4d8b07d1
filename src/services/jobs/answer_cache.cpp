#include "services/jobs/answer_cache.h"

#include <iterator>
#include <utility>

namespace weft {
namespace {

std::string cache_key(const std::string& tenant, const std::string& request_key) { return tenant + '\n' + request_key; }

}  // namespace

void AnswerCache::put(const std::string& tenant, const std::string& request_key, Answer answer) {
    if (request_key.empty()) return;
    auto key = cache_key(tenant, request_key);
    const std::size_t bytes = sizeof(Entry) + sizeof(Answer) + 2 * key.size() + answer.output.text.size() +
                              answer.thinking.size() + answer.tool_calls.size() +
                              answer.output.sizes.size() * sizeof(answer.output.sizes[0]);
    if (const auto known = by_key_.find(key); known != by_key_.end()) forget(known->second);
    if (bytes > max_bytes_) return;
    while (bytes_ + bytes > max_bytes_) forget(std::prev(entries_.end()));
    bytes_ += bytes;
    entries_.push_front({.key = std::move(key), .answer = std::make_shared<const Answer>(std::move(answer)), .bytes = bytes});
    by_key_[entries_.front().key] = entries_.begin();
}

std::shared_ptr<const AnswerCache::Answer> AnswerCache::find(const std::string& tenant, const std::string& request_key) {
    if (request_key.empty()) return nullptr;
    const auto found = by_key_.find(cache_key(tenant, request_key));
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().answer;
}

void AnswerCache::forget(std::list<Entry>::iterator entry) {
    bytes_ -= entry->bytes;
    by_key_.erase(entry->key);
    entries_.erase(entry);
}

}  // namespace weft
