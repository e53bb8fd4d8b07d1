#include "store/redis_job_store.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <utility>

#include "base/log.h"
#include "store/redis_library.h"
#include "store/redis_rows.h"

namespace weft {
namespace {

constexpr std::int32_t priority_range = 1000;     // either way; what is beyond has its turn with the last ones
constexpr std::size_t looked_at_for_claim = 1024;  // jobs in the queue, for those whose conversation is free
constexpr std::size_t looked_at_for_page = 500;    // jobs of a tenant, in one step
constexpr std::size_t swept_at_once = 100;
constexpr std::size_t callbacks_looked_at = 1000;  // in one step, for some whose tenant may have one more

// A call of one of the library's functions.
class Call {
  public:
    explicit Call(std::string_view function) : words_{"FCALL", "weft2_" + std::string(function), "0"} {}
    Call& add(std::string text) {
        words_.push_back(std::move(text));
        return *this;
    }
    Call& add(std::integral auto number) { return add(std::to_string(number)); }
    std::vector<std::string> words() && { return std::move(words_); }

  private:
    std::vector<std::string> words_;
};

RedisLink::Plan plan_for_calls(const RedisAddress& address) {
    return {.address = address, .purpose = "jobs", .library = redis_library(), .opening = "weft2_open"};
}

RedisLink::Plan plan_for_news(const RedisAddress& address) { return {.address = address, .purpose = "news", .channel = redis_news_channel}; }

// Hands the answer on as what read() makes of it.
template <typename T, typename Read>
RedisLink::Answer reading(JobStore::Done<T> done, Read read) {
    return [done = std::move(done), read = std::move(read)](Result<RedisValue> answer) {
        if (answer) return done(read(*answer));
        if (answer.error().code == ErrorCode::internal) log_error("store_write_failed", {{"detail", answer.error().detail}});
        done(std::unexpected(std::move(answer).error()));
    };
}

Result<bool> flag_from(const RedisValue& value) { return value.integer() == 1; }
Result<std::size_t> count_from(const RedisValue& value) { return static_cast<std::size_t>(std::max<std::int64_t>(0, value.integer())); }

// Changes without an answer: what was lost with them is known from the log.
void not_asked(Result<RedisValue> answer) {
    if (!answer) log_warn("store_write_failed", {{"detail", answer.error().detail}});
}

Result<std::vector<JobRow>> rows_from(const RedisValue& value) {
    std::vector<JobRow> rows;
    for (const auto& item : value.items) {
        WEFT_TRY(auto row, row_from(item));
        rows.push_back(std::move(row));
    }
    return rows;
}

Result<FoundJob> found_from(const RedisValue& value) {
    FoundJob found;
    const auto& kind = value.at(0).text;
    if (kind == "gone") {
        found.expired = true;
        found.expired_tenant = value.at(1).text;
    }
    if (kind != "job") return found;
    WEFT_TRY(found.row, row_from(value.at(1)));
    found.queue_position = static_cast<std::size_t>(value.at(2).integer());
    found.first_chunk = static_cast<std::size_t>(value.at(3).integer());
    if (is_final(found.row->status)) return found;
    for (const auto& chunk : value.at(4).items) {
        found.row->output.text += chunk.text;
        found.row->output.sizes.push_back(static_cast<std::uint32_t>(chunk.text.size()));
    }
    return found;
}

Result<AddedJob> added_from(const RedisValue& value) {
    const auto& kind = value.at(0).text;
    if (kind == "added") return AddedJob{.number = value.at(1).integer(), .waits = value.at(2).integer() == 1,
                                              .queue_position = static_cast<std::size_t>(value.at(3).integer())};
    if (kind == "key") return AddedJob{.existing_id = value.at(1).text, .same_body = value.at(2).integer() == 1};
    if (kind == "too_fast")
        return std::unexpected(Error{.code = ErrorCode::rate_limited, .message = "you submit more jobs a second than you may",
                                     .retry_after_s = static_cast<int>((value.at(1).integer() + 999) / 1000)});
    const bool of_tenant = kind == "tenant_full";
    return std::unexpected(Error{.code = of_tenant ? ErrorCode::rate_limited : ErrorCode::overloaded,
                                 .message = of_tenant ? "too many of your jobs are waiting already" : "too many jobs are waiting",
                                 .retry_after_s = 5});
}

}  // namespace

RedisJobStore::RedisJobStore(boost::asio::any_io_executor io, Options options)
    : options_(std::move(options)),
      link_(io, plan_for_calls(options_.address), {.up = [this] { tell({.kind = StoreNews::Kind::back}); }}),
      news_link_(io, plan_for_news(options_.address),
                 {.up = [this] { tell({.kind = StoreNews::Kind::back}); }, .news = [this](std::string_view message) { take_news(message); }}) {}

Result<void> RedisJobStore::check(const RedisAddress& address, std::chrono::milliseconds patience) {
    auto both = plan_for_calls(address);
    both.channel = redis_news_channel;
    return try_redis(both, patience);
}

void RedisJobStore::tell(const StoreNews& news) const {
    if (news_) news_(news);
}

void RedisJobStore::take_news(std::string_view message) const {
    constexpr std::array<std::string_view, 4> kinds{"changed", "cancel", "removed", "queue"};  // in the order of StoreNews::Kind
    const auto space = message.find(' ');
    const auto kind = std::ranges::find(kinds, message.substr(0, space));
    if (kind == kinds.end()) return;
    tell({.kind = static_cast<StoreNews::Kind>(kind - kinds.begin()),
           .id = space == message.npos ? std::string() : std::string(message.substr(space + 1))});
}

// ---- jobs ---------------------------------------------------------------------------------------------------------------

void RedisJobStore::add(NewJob job, Done<AddedJob> done) {
    auto& row = job.row;
    Call call("add");
    call.add(options_.waiting).add(options_.waiting_bytes).add(options_.waiting_of_tenant).add(options_.lease.count()).add(options_.node);
    call.add(options_.waiting_tokens).add(options_.running_of_tenant).add(row.tokens);
    call.add(row.id).add(row.tenant).add(row.session_id).add(int{row.in_session}).add(row.priority);
    call.add(std::clamp(row.priority, -priority_range, priority_range) + priority_range);
    call.add(static_cast<int>(row.status)).add(row.attempt).add(row.created_ms).add(row.deadline_ms).add(row.expires_ms);
    call.add(int{!row.callback_url.empty()}).add(static_cast<int>(row.callback_state)).add(std::move(row.request)).add(packed_row(row));
    call.add(std::move(job.idempotency_key)).add(std::move(job.body_hash)).add(job.key_expires_ms);
    call.add(options_.waiting_bytes_of_tenant).add(options_.waiting_tokens_of_tenant);
    call.add(std::to_string(options_.submissions_per_second)).add(std::to_string(options_.submissions_at_once));
    link_.call(std::move(call).words(), reading<AddedJob>(std::move(done), added_from));
}

void RedisJobStore::start(JobMark mark, std::int64_t now_ms, Done<bool> done) {
    Call call("start");
    call.add(mark.number).add(mark.attempt).add(now_ms).add(options_.lease.count()).add(options_.node);
    link_.call(std::move(call).words(), reading<bool>(std::move(done), flag_from));
}

void RedisJobStore::keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more, Done<std::size_t> done) {
    Call call("keep_text");
    call.add(mark.number).add(mark.attempt).add(first_chunk);
    std::size_t offset = 0;
    for (std::size_t i = 0; i < std::min(more.sizes.size(), max_kept_at_once); offset += more.sizes[i++])
        call.add(more.text.substr(offset, more.sizes[i]));
    link_.call(std::move(call).words(), reading<std::size_t>(std::move(done), [](const RedisValue& value) -> Result<std::size_t> {
        if (value.integer() < 0) return fail(ErrorCode::conflict, "the job is not at that attempt");
        return count_from(value);
    }));
}

void RedisJobStore::finish(JobMark mark, JobEnd end, Done<bool> done) {
    Call call("finish");
    call.add(mark.number).add(mark.attempt).add(static_cast<int>(end.status)).add(end.finished_ms).add(end.expires_ms);
    call.add(int{end.callback_due}).add(packed_end(end)).add(end.session_id);
    for (const auto& turn : end.turns) call.add(packed_turn(turn));
    link_.call(std::move(call).words(), reading<bool>(std::move(done), flag_from));
}

void RedisJobStore::remove(std::int64_t number, Done<bool> done) {
    link_.call(std::move(Call("remove").add(number)).words(), reading<bool>(std::move(done), flag_from));
}

void RedisJobStore::callback_tried(std::int64_t number, CallbackState state, std::uint32_t tries, std::int64_t next_ms, Done<void> done) {
    link_.call(std::move(Call("callback_tried").add(number).add(static_cast<int>(state)).add(tries).add(next_ms)).words(),
               reading<void>(std::move(done), [](const RedisValue&) -> Result<void> { return {}; }));
}

void RedisJobStore::find(std::string id, Done<FoundJob> done) { look(std::move(id), 0, 0, std::move(done)); }

void RedisJobStore::load_request(std::int64_t number, Done<std::string> done) {
    link_.call(std::move(Call("load_request").add(number)).words(),
               reading<std::string>(std::move(done), [](const RedisValue& value) -> Result<std::string> {
                   if (value.kind != RedisValue::Kind::text) return fail(ErrorCode::not_found, "there is no such job");
                   return value.text;
               }));
}

void RedisJobStore::find_key(KeyQuery query, Done<std::optional<AddedJob>> done) {
    Call call("find_key");
    call.add(std::move(query.tenant)).add(std::move(query.key)).add(std::move(query.body_hash)).add(query.now_ms);
    link_.call(std::move(call).words(), reading<std::optional<AddedJob>>(std::move(done), [](const RedisValue& value) -> Result<std::optional<AddedJob>> {
        if (value.items.empty()) return std::nullopt;
        return AddedJob{.existing_id = value.at(0).text, .same_body = value.at(1).integer() == 1};
    }));
}

void RedisJobStore::due_callbacks(std::int64_t now_ms, CallbackRoom room, Done<std::vector<JobRow>> done) {
    Call call("due_callbacks");
    call.add(now_ms).add(room.callbacks).add(callback_pause.count()).add(room.of_tenant).add(callbacks_looked_at);
    for (const auto& [number, tenant] : room.under_way) call.add(tenant);
    link_.call(std::move(call).words(),
               reading<std::vector<JobRow>>(std::move(done), rows_from));
}

// A page of a tenant's jobs, found in as many steps as it takes, so that no step holds up the server.
struct RedisJobStore::Listing {
    JobQuery query;
    Done<JobPage> done;
    JobPage page{};
    std::size_t bytes = 0;
    std::int64_t before = 0;

    // False when the page is full.
    bool take(JobRow row, std::size_t queue_position) {
        page.has_more = page.rows.size() == query.limit || bytes >= max_page_bytes;
        if (page.has_more) return false;
        bytes += row.output.text.size();
        page.rows.push_back(std::move(row));
        page.queue_positions.push_back(queue_position);
        return true;
    }
};

void RedisJobStore::list(JobQuery query, Done<JobPage> done) {
    list_on(std::make_shared<Listing>(Listing{.query = std::move(query), .done = std::move(done)}));
}

void RedisJobStore::list_on(std::shared_ptr<Listing> listing) {
    const auto& query = listing->query;
    Call call("list");
    call.add(query.tenant).add(query.status ? std::to_string(static_cast<int>(*query.status)) : "").add(query.session_id);
    call.add(query.after_id).add(listing->before).add(query.limit + 1 - listing->page.rows.size()).add(max_page_bytes).add(looked_at_for_page).add(query.now_ms);
    link_.call(std::move(call).words(), [this, listing](Result<RedisValue> answer) {
        if (!answer) return listing->done(std::unexpected(std::move(answer).error()));
        auto rows = rows_from(answer->at(1));
        if (!rows) return listing->done(std::unexpected(std::move(rows).error()));
        listing->before = answer->at(0).integer();
        if (listing->before < 0) return listing->done(fail_field(ErrorCode::invalid_request, "after", "'after' is not the id of one of your jobs"));
        bool full = false;
        for (std::size_t i = 0; i < rows->size() && !full; ++i)
            full = !listing->take(std::move((*rows)[i]), static_cast<std::size_t>(answer->at(2).at(i).integer()));
        if (full || listing->before == 0) return listing->done(std::move(listing->page));
        list_on(listing);
    });
}

// ---- conversations ------------------------------------------------------------------------------------------------------

void RedisJobStore::add_session(SessionRow session, Done<void> done) {
    Call call("add_session");
    call.add(session.tenant).add(session.id).add(packed_session(session)).add(session.lifetime_ms).add(session.expires_ms);
    link_.call(std::move(call).words(), reading<void>(std::move(done), [](const RedisValue& value) -> Result<void> {
        if (value.integer() != 1) return fail(ErrorCode::conflict, "the session exists already");
        return {};
    }));
}

void RedisJobStore::find_session(std::string tenant, std::string id, Done<std::optional<SessionRow>> done) {
    link_.call(std::move(Call("find_session").add(std::move(tenant)).add(std::move(id))).words(),
               reading<std::optional<SessionRow>>(std::move(done), [](const RedisValue& value) -> Result<std::optional<SessionRow>> {
                   if (value.items.empty()) return std::nullopt;
                   return session_from(value);
               }));
}

void RedisJobStore::remove_session(std::string tenant, std::string id, Done<bool> done) {
    link_.call(std::move(Call("remove_session").add(std::move(tenant)).add(std::move(id))).words(), reading<bool>(std::move(done), flag_from));
}

void RedisJobStore::expire(std::int64_t now_ms, std::int64_t remember_until_ms, std::size_t limit, Done<std::size_t> done) {
    link_.call(std::move(Call("expire").add(now_ms).add(remember_until_ms).add(limit)).words(), reading<std::size_t>(std::move(done), count_from));
}

// ---- what nodes share ---------------------------------------------------------------------------------------------------

void RedisJobStore::claim(JobRoom room, std::int64_t now_ms, Done<std::vector<JobRow>> done) {
    Call call("claim");
    call.add(room.jobs).add(room.low).add(room.low_priority).add(now_ms).add(options_.lease.count()).add(options_.node);
    call.add(max_claimed_bytes).add(looked_at_for_claim).add(options_.running_of_tenant);
    link_.call(std::move(call).words(), reading<std::vector<JobRow>>(std::move(done), [](const RedisValue& value) -> Result<std::vector<JobRow>> {
        std::vector<JobRow> rows;
        for (const auto& item : value.items) {
            auto row = row_from(item.at(0));
            // Its lease will be over again and again, until its time is.
            if (!row) log_error("job_not_readable", {{"detail", row.error().detail}});
            if (!row) continue;
            row->request = item.at(1).text;
            rows.push_back(std::move(*row));
        }
        return rows;
    }));
}

void RedisJobStore::renew(std::vector<JobMark> held, Done<LeaseNews> done) {
    Call call("renew");
    call.add(options_.lease.count());
    for (const auto& mark : held) call.add(mark.number).add(mark.attempt);
    link_.call(std::move(call).words(), reading<LeaseNews>(std::move(done), [](const RedisValue& value) -> Result<LeaseNews> {
        LeaseNews news;
        for (const auto& number : value.at(0).items) news.lost.push_back(number.integer());
        for (const auto& number : value.at(1).items) news.cancelled.push_back(number.integer());
        return news;
    }));
}

void RedisJobStore::release(std::vector<JobMark> held) {
    Call call("release");
    for (const auto& mark : held) call.add(mark.number).add(mark.attempt);
    if (!held.empty()) link_.call(std::move(call).words(), not_asked);
}

// After the server was away, every lease is over; nodes that are alive renew theirs first.
void RedisJobStore::sweep(std::int64_t now_ms, JobEnd late, Done<std::size_t> done) {
    Call call("sweep");
    call.add(now_ms).add(late.expires_ms).add(packed_end(late)).add(swept_at_once).add(int{link_.up_for() >= options_.lease});
    link_.call(std::move(call).words(), reading<std::size_t>(std::move(done), count_from));
}

void RedisJobStore::look(std::string id, std::uint32_t attempt, std::size_t chunks, Done<FoundJob> done) {
    link_.call(std::move(Call("find").add(std::move(id)).add(attempt).add(chunks)).words(), reading<FoundJob>(std::move(done), found_from));
}

void RedisJobStore::cancel(std::int64_t number, JobEnd end, Done<bool> done) {
    link_.call(std::move(Call("cancel").add(number).add(end.finished_ms).add(end.expires_ms).add(packed_end(end))).words(),
               reading<bool>(std::move(done), flag_from));
}

}  // namespace weft
