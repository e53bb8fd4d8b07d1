#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/job_store.h"
#include "store/redis_link.h"
#include "store/shared_jobs.h"

namespace weft {

// Jobs on a Redis server that several nodes share. A step is one function that the server carries out as a whole
// (redis_library.h); it is durable when it is answered, because the server syncs its file before it answers
// (redis_check.h). While the server is away every call fails with overloaded. Thread: io.
class RedisJobStore final : public JobStore, public SharedJobs {
  public:
    template <typename T>
    using Done = JobStore::Done<T>;

    struct Options {
        RedisAddress address;
        std::string node;  // its name, for people who look into the store
        std::chrono::milliseconds lease{15'000};
        // Of all nodes together, see JobLimits.
        std::size_t waiting = 100'000;
        std::size_t waiting_bytes = 1ULL << 30;
        std::int64_t waiting_tokens = 256'000'000;
        std::size_t waiting_of_tenant = 50'000;
        std::size_t waiting_bytes_of_tenant = 1ULL << 29;     // beyond the first one
        std::int64_t waiting_tokens_of_tenant = 128'000'000;  // likewise
        std::size_t running_of_tenant = 0;  // 0: all that run
        double submissions_per_second = 0;  // of one tenant; 0: as fast as it likes
        double submissions_at_once = 1000;  // ... after a pause
    };

    static constexpr std::chrono::milliseconds callback_pause{60'000};  // until another node tries what one was given
    static constexpr std::size_t max_kept_at_once = 512;                // chunks
    static constexpr std::size_t max_claimed_bytes = 32 << 20;          // of requests, at once

    RedisJobStore(boost::asio::any_io_executor io, Options options);

    // Whether the server may be used, see try_redis().
    [[nodiscard]] static Result<void> check(const RedisAddress& address, std::chrono::milliseconds patience);

    [[nodiscard]] bool up() const { return link_.up() && news_link_.up(); }

    void add(NewJob job, Done<AddedJob> done) override;
    void start(JobMark mark, std::int64_t now_ms, Done<bool> done) override;
    void keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more, Done<std::size_t> done) override;
    void finish(JobMark mark, JobEnd end, Done<bool> done) override;
    void remove(std::int64_t number, Done<bool> done) override;
    void callback_tried(std::int64_t number, CallbackState state, std::uint32_t tries, std::int64_t next_ms, Done<void> done) override;

    void find(std::string id, Done<FoundJob> done) override;
    void list(JobQuery query, Done<JobPage> done) override;
    void find_key(KeyQuery query, Done<std::optional<AddedJob>> done) override;
    void load_request(std::int64_t number, Done<std::string> done) override;
    void due_callbacks(std::int64_t now_ms, CallbackRoom room, Done<std::vector<JobRow>> done) override;
    [[nodiscard]] Result<std::size_t> take_up(const std::function<void(JobRow)>&) override { return 0; }
    [[nodiscard]] Result<ChunkedText> kept_text(JobMark) override { return {}; }

    void add_session(SessionRow session, Done<void> done) override;
    void find_session(std::string tenant, std::string id, Done<std::optional<SessionRow>> done) override;
    void remove_session(std::string tenant, std::string id, Done<bool> done) override;

    void expire(std::int64_t now_ms, std::int64_t remember_until_ms, std::size_t limit, Done<std::size_t> done) override;

    [[nodiscard]] SharedJobs* shared() override { return this; }
    [[nodiscard]] std::chrono::milliseconds lease() const override { return options_.lease; }
    void listen(std::function<void(const StoreNews&)> news) override { news_ = std::move(news); }
    void claim(JobRoom room, std::int64_t now_ms, Done<std::vector<JobRow>> done) override;
    void renew(std::vector<JobMark> held, Done<LeaseNews> done) override;
    void release(std::vector<JobMark> held) override;
    void sweep(std::int64_t now_ms, JobEnd late, Done<std::size_t> done) override;
    void look(std::string id, std::uint32_t attempt, std::size_t chunks, Done<FoundJob> done) override;
    void cancel(std::int64_t number, JobEnd end, Done<bool> done) override;

  private:
    struct Listing;

    void take_news(std::string_view message) const;
    void tell(const StoreNews& news) const;
    void list_on(std::shared_ptr<Listing> listing);

    Options options_;
    std::function<void(const StoreNews&)> news_{};
    RedisLink link_;  // these last: what they call is there
    RedisLink news_link_;
};

}  // namespace weft
