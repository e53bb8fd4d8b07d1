#include "scheduler/spill_store.h"

#include <algorithm>
#include <ranges>

namespace weft {
namespace {

// Copies that wait to be written may be memory beyond host_bytes.
constexpr std::uint64_t max_queued_bytes = 1ULL << 30;
constexpr std::size_t max_queued_fetches = 1024;

}  // namespace

SpillStore::SpillStore(std::uint64_t host_bytes, std::unique_ptr<BlockFiles> files, std::function<void()> fetched)
    : host_bytes_(host_bytes), files_(std::move(files)), fetched_(std::move(fetched)) {
    if (files_) worker_ = std::jthread([this] { work(); });
}

SpillStore::~SpillStore() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    filled_.notify_all();
}

bool SpillStore::contains(const BlockKey& key) const {
    std::lock_guard lock(mutex_);
    return entries_.contains(key) || (files_ && files_->contains(key));
}

std::size_t SpillStore::available(std::span<const BlockKey> keys) const {
    std::lock_guard lock(mutex_);
    std::size_t n = 0;
    while (n < keys.size() && (entries_.contains(keys[n]) || (files_ && files_->contains(keys[n])))) ++n;
    return n;
}

std::shared_ptr<const BlockBytes> SpillStore::get(const BlockKey& key) {
    std::lock_guard lock(mutex_);
    const auto known = entries_.find(key);
    if (known == entries_.end()) return nullptr;
    order_.splice(order_.end(), order_, known->second.place);
    queue_write(key, known->second.bytes);
    return known->second.bytes;
}

void SpillStore::put(const BlockKey& key, BlockBytes bytes) {
    std::lock_guard lock(mutex_);
    ++totals_.spilled_blocks;
    insert(key, std::make_shared<const BlockBytes>(std::move(bytes)));
}

void SpillStore::touch(std::span<const BlockKey> keys) {
    std::lock_guard lock(mutex_);
    for (const auto& key : keys | std::views::reverse)
        if (const auto known = entries_.find(key); known != entries_.end())
            order_.splice(order_.end(), order_, known->second.place);
}

// Caller holds mutex_.
void SpillStore::insert(const BlockKey& key, std::shared_ptr<const BlockBytes> bytes) {
    if (entries_.contains(key) || bytes->size() > host_bytes_) return;
    totals_.host_bytes += bytes->size();
    order_.push_back(key);
    entries_.emplace(key, Entry{std::move(bytes), std::prev(order_.end())});
    while (totals_.host_bytes > host_bytes_) {
        const auto oldest = entries_.find(order_.front());
        totals_.host_bytes -= oldest->second.bytes->size();
        queue_write(oldest->first, std::move(oldest->second.bytes));
        entries_.erase(oldest);
        order_.pop_front();
    }
}

// Caller holds mutex_.
void SpillStore::queue_write(const BlockKey& key, std::shared_ptr<const BlockBytes> bytes) {
    if (!files_ || stopping_ || files_->contains(key) || queued_bytes_ + bytes->size() > max_queued_bytes) return;
    queued_bytes_ += bytes->size();
    jobs_.emplace_back(Write{key, std::move(bytes)});
    filled_.notify_one();
}

void SpillStore::persist(std::span<const BlockKey> keys) {
    std::lock_guard lock(mutex_);
    for (const auto& key : keys)
        if (const auto known = entries_.find(key); known != entries_.end()) queue_write(key, known->second.bytes);
}

void SpillStore::persist_all() {
    std::lock_guard lock(mutex_);
    for (const auto& key : order_ | std::views::reverse) queue_write(key, entries_.at(key).bytes);
}

SpillStore::Ticket SpillStore::fetch(std::span<const BlockKey> keys) {
    std::lock_guard lock(mutex_);
    if (!files_ || stopping_ || queued_fetches_ >= max_queued_fetches) return nullptr;
    Fetch fetch;
    for (const auto& key : keys)
        if (!entries_.contains(key) && files_->contains(key)) fetch.keys.push_back(key);
    if (fetch.keys.empty()) return nullptr;
    fetch.done = std::make_shared<std::atomic<bool>>(false);
    const Ticket ticket = fetch.done;
    // Somebody waits for it: before what is only to be written.
    jobs_.emplace_front(std::move(fetch));
    ++queued_fetches_;
    filled_.notify_one();
    return ticket;
}

void SpillStore::settle(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    settled_.wait_for(lock, patience, [this] { return jobs_.empty() && !working_; });
}

SpillStore::Totals SpillStore::totals() const {
    std::lock_guard lock(mutex_);
    auto totals = totals_;
    totals.disk_bytes = files_ ? files_->bytes() : 0;
    return totals;
}

bool SpillStore::is_in_memory(const BlockKey& key) const {
    std::lock_guard lock(mutex_);
    return entries_.contains(key);
}

void SpillStore::run(Fetch& fetch) {
    std::uint64_t bytes = 0;
    for (const auto& key : fetch.keys) {
        if (is_in_memory(key)) continue;
        auto block = files_->read(key);
        // Without it those behind it are of no use.
        if (!block || bytes + block->size() > host_bytes_ / 2) break;
        bytes += block->size();
        std::lock_guard lock(mutex_);
        ++totals_.fetched_blocks;
        insert(key, std::make_shared<const BlockBytes>(std::move(*block)));
    }
    touch(fetch.keys);
    fetch.done->store(true);
    if (fetched_) fetched_();
}

void SpillStore::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        filled_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) return;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        if (std::holds_alternative<Fetch>(job)) --queued_fetches_;
        working_ = true;
        lock.unlock();
        std::uint64_t written = 0;
        if (auto* write = std::get_if<Write>(&job)) {
            written = write->bytes->size();
            files_->write(write->key, *write->bytes);
        } else {
            run(std::get<Fetch>(job));
        }
        lock.lock();
        queued_bytes_ -= written;
        working_ = false;
        if (jobs_.empty()) settled_.notify_all();
    }
}

}  // namespace weft
