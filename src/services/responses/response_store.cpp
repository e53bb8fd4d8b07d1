#include "services/responses/response_store.h"

#include <algorithm>
#include <glaze/beve.hpp>
#include <optional>
#include <utility>

#include "base/log.h"

namespace weft {
namespace {

std::size_t bytes_of(const std::vector<StoredItem>& items) {
    std::size_t bytes = 0;
    for (const auto& item : items) bytes += item.id.size() + item.json.size();
    return bytes;
}

// Tenants may give their items the same ids.
std::string key_of(const std::string& tenant, const std::string& id) { return tenant + '\n' + id; }

// With the names of its members, so that later versions can read it.
std::string written(const StoredResponse& response) {
    std::string bytes;
    if (glz::write_beve(response, bytes)) bytes.clear();
    return bytes;
}

std::optional<StoredResponse> read_response(const std::string& bytes) {
    static constexpr glz::opts options{.format = glz::BEVE, .error_on_unknown_keys = false};
    StoredResponse response;
    if (glz::read<options>(response, bytes)) return std::nullopt;
    return response;
}

}  // namespace

std::size_t StoredResponse::bytes() const {
    return sizeof(StoredResponse) + id.size() + json.size() + tenant.size() + previous_id.size() + bytes_of(input) + bytes_of(output) +
           sizeof(StoredItem) * (input.size() + output.size());
}

Result<void> ResponseStore::recover() {
    if (!backing_.archive) return {};
    const auto now_s = backing_.unix_s();
    return backing_.archive->recover([&](const ArchivedResponse& archived) {
        const auto age = std::chrono::seconds(std::max<std::int64_t>(now_s - archived.used_s, 0));
        auto response = read_response(archived.content);
        return age <= limits_.age && response && response->tenant == archived.tenant && response->id == archived.id &&
               hold(*std::move(response), clock_.now() - age, false);
    });
}

void ResponseStore::put(StoredResponse response, Done done) {
    erase(response.tenant, response.id);
    forget_old();
    auto archived = backing_.archive ? ArchivedResponse{.tenant = response.tenant, .id = response.id, .used_s = backing_.unix_s(), .content = written(response)}
                                     : ArchivedResponse{};
    if (!hold(std::move(response), clock_.now(), true) || !backing_.archive) return done(true);
    backing_.archive->put(std::move(archived), [done = std::move(done)](Result<bool> put) {
        if (!put) log_warn("response_not_written_down", {{"reason", put.error().message}, {"detail", put.error().detail}});
        done(std::move(put));
    });
}

bool ResponseStore::hold(StoredResponse response, TimePoint used_at, bool make_room) {
    const std::size_t bytes = response.bytes();
    if (bytes > limits_.bytes) return false;
    while (!entries_.empty() && (entries_.size() >= limits_.responses || bytes_ + bytes > limits_.bytes)) {
        if (!make_room) return false;
        forget(std::prev(entries_.end()));
    }
    auto shared = std::make_shared<const StoredResponse>(std::move(response));
    // What is taken up comes in the order of its last use.
    const auto place = entries_.insert(make_room ? entries_.begin() : entries_.end(),
                                       Entry{.response = shared, .bytes = bytes, .used_at = used_at, .told_at = used_at});
    by_key_[key_of(shared->tenant, shared->id)] = place;
    bytes_ += bytes;
    index_items(shared, shared->input);
    index_items(shared, shared->output);
    return true;
}

// The archive learns of a use now and then: its times are only for what is forgotten first.
void ResponseStore::use(Entry& entry) {
    constexpr auto often_enough = std::chrono::minutes{10};
    entry.used_at = clock_.now();
    if (!backing_.archive || entry.used_at - entry.told_at < often_enough) return;
    entry.told_at = entry.used_at;
    backing_.archive->touch(entry.response->tenant, entry.response->id, backing_.unix_s());
}

std::shared_ptr<const StoredResponse> ResponseStore::find(const std::string& tenant, const std::string& id) {
    forget_old();
    const auto found = by_key_.find(key_of(tenant, id));
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    use(entries_.front());
    return entries_.front().response;
}

std::shared_ptr<const StoredItem> ResponseStore::find_item(const std::string& tenant, const std::string& id) {
    forget_old();
    const auto found = items_.find(key_of(tenant, id));
    return found == items_.end() ? nullptr : found->second.lock();
}

// A response names an older one, so that no chain leads back to itself; the bound is for those who reuse ids.
std::vector<std::shared_ptr<const StoredResponse>> ResponseStore::chain(const std::string& tenant,
                                                                       const std::string& id) {
    std::vector<std::shared_ptr<const StoredResponse>> chain;
    for (std::string next = id; !next.empty(); next = chain.back()->previous_id) {
        auto response = find(tenant, next);
        if (!response || chain.size() >= limits_.responses) return {};
        chain.push_back(std::move(response));
    }
    std::ranges::reverse(chain);
    return chain;
}

bool ResponseStore::erase(const std::string& tenant, const std::string& id, Done done) {
    const auto found = by_key_.find(key_of(tenant, id));
    if (found == by_key_.end()) {
        done(false);
        return false;
    }
    forget(found->second, std::move(done));
    return true;
}

void ResponseStore::forget(Entries::iterator entry) { forget(entry, ignore); }

void ResponseStore::forget(Entries::iterator entry, Done done) {
    const auto response = entry->response;
    bytes_ -= entry->bytes;
    by_key_.erase(key_of(response->tenant, response->id));
    entries_.erase(entry);
    for (const auto* items : {&response->input, &response->output})
        for (const auto& item : *items)
            if (const auto found = items_.find(key_of(response->tenant, item.id)); found != items_.end() && found->second.lock().get() == &item)
                items_.erase(found);
    if (backing_.archive) backing_.archive->remove(response->tenant, response->id, std::move(done));
    else done(true);
}

void ResponseStore::forget_old() {
    const auto oldest = clock_.now() - limits_.age;
    while (!entries_.empty() && entries_.back().used_at < oldest) forget(std::prev(entries_.end()));
}

// Items are borrowed from the response that holds them, which stays alive as long as anyone looks at one.
void ResponseStore::index_items(const std::shared_ptr<const StoredResponse>& response,
                                const std::vector<StoredItem>& items) {
    for (const auto& item : items) items_[key_of(response->tenant, item.id)] = std::shared_ptr<const StoredItem>(response, &item);
}

}  // namespace weft
