#include "scheduler/sampler_pool.h"

namespace weft {
namespace {

// Below this many items waking others costs more than it saves.
constexpr std::size_t worth_waking = 2;

}  // namespace

SamplerPool::SamplerPool(std::size_t helpers) {
    for (std::size_t i = 0; i < helpers; ++i) helpers_.emplace_back([this] { help(); });
}

SamplerPool::~SamplerPool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    started_.notify_all();
}

void SamplerPool::for_each(std::size_t count, const std::function<void(std::size_t)>& work) {
    if (helpers_.empty() || count < worth_waking) {
        for (std::size_t i = 0; i < count; ++i) work(i);
        return;
    }
    {
        std::lock_guard lock(mutex_);
        work_ = &work;
        count_ = count;
        next_ = 0;
        busy_ = helpers_.size();
        ++generation_;
    }
    started_.notify_all();
    take_items();
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return busy_ == 0; });
}

void SamplerPool::take_items() {
    for (std::size_t i = next_++; i < count_; i = next_++) (*work_)(i);
}

void SamplerPool::help() {
    std::uint64_t seen = 0;
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            started_.wait(lock, [&] { return stopping_ || generation_ != seen; });
            if (stopping_) return;
            seen = generation_;
        }
        take_items();
        std::lock_guard lock(mutex_);
        if (--busy_ == 0) finished_.notify_one();
    }
}

}  // namespace weft
