#include "services/responses/response_store.h"

#include <algorithm>
#include <utility>

namespace weft {
namespace {

std::size_t bytes_of(const std::vector<StoredItem>& items) {
    std::size_t bytes = 0;
    for (const auto& item : items) bytes += item.id.size() + item.json.size();
    return bytes;
}

}  // namespace

std::size_t StoredResponse::bytes() const {
    return sizeof(StoredResponse) + id.size() + json.size() + previous_id.size() + bytes_of(input) + bytes_of(output) +
           sizeof(StoredItem) * (input.size() + output.size());
}

void ResponseStore::put(StoredResponse response) {
    const std::size_t bytes = response.bytes();
    erase(response.id);
    if (bytes > limits_.bytes) return;
    forget_old();
    while (!entries_.empty() && (entries_.size() >= limits_.responses || bytes_ + bytes > limits_.bytes))
        forget(std::prev(entries_.end()));
    auto shared = std::make_shared<const StoredResponse>(std::move(response));
    entries_.push_front({.response = shared, .bytes = bytes, .used_at = clock_.now()});
    by_id_[shared->id] = entries_.begin();
    bytes_ += bytes;
    index_items(shared, shared->input);
    index_items(shared, shared->output);
}

std::shared_ptr<const StoredResponse> ResponseStore::find(const std::string& id) {
    forget_old();
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    entries_.front().used_at = clock_.now();
    return entries_.front().response;
}

std::shared_ptr<const StoredItem> ResponseStore::find_item(const std::string& id) {
    forget_old();
    const auto found = items_.find(id);
    return found == items_.end() ? nullptr : found->second.lock();
}

// A response names an older one, so that no chain leads back to itself; the bound is for those who reuse ids.
std::vector<std::shared_ptr<const StoredResponse>> ResponseStore::chain(const std::string& id) {
    std::vector<std::shared_ptr<const StoredResponse>> chain;
    for (std::string next = id; !next.empty(); next = chain.back()->previous_id) {
        auto response = find(next);
        if (!response || chain.size() >= limits_.responses) return {};
        chain.push_back(std::move(response));
    }
    std::ranges::reverse(chain);
    return chain;
}

bool ResponseStore::erase(const std::string& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    forget(found->second);
    return true;
}

void ResponseStore::forget(Entries::iterator entry) {
    const auto response = entry->response;
    bytes_ -= entry->bytes;
    by_id_.erase(response->id);
    entries_.erase(entry);
    for (const auto* items : {&response->input, &response->output})
        for (const auto& item : *items)
            if (const auto found = items_.find(item.id); found != items_.end() && found->second.lock().get() == &item)
                items_.erase(found);
}

void ResponseStore::forget_old() {
    const auto oldest = clock_.now() - limits_.age;
    while (!entries_.empty() && entries_.back().used_at < oldest) forget(std::prev(entries_.end()));
}

// Items are borrowed from the response that holds them, which stays alive as long as anyone looks at one.
void ResponseStore::index_items(const std::shared_ptr<const StoredResponse>& response,
                                const std::vector<StoredItem>& items) {
    for (const auto& item : items) items_[item.id] = std::shared_ptr<const StoredItem>(response, &item);
}

}  // namespace weft
