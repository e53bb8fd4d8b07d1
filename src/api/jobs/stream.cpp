#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_cursor.h"
#include "api/jobs/job_object.h"
#include "api/json_text.h"
#include "api/reply_waiter.h"

namespace weft::api::jobs {
namespace asio = boost::asio;
namespace {

constexpr std::size_t bytes_per_write = 64 * 1024;
constexpr std::string_view idle_comment = ": keep-alive\n\n";

class EventWriter final : public JobCursor::Sink {
  public:
    explicit EventWriter(const std::string& request_id) : request_id_(request_id) {}

    std::string out{};

    void started(std::uint32_t attempt) override {
        begin(start_event_id(attempt), "start");
        out += R"({"request_id":)";
        append_json_string(out, request_id_);
        out += R"(,"attempt":)" + std::to_string(attempt) + "}\n\n";
    }
    void chunk(std::uint32_t attempt, std::size_t number, std::string_view text) override {
        begin(chunk_event_id(attempt, number), "token");
        out += R"({"chunk":)" + std::to_string(number) + R"(,"data":)";
        append_json_string(out, text);
        out += "}\n\n";
    }
    void ended(const JobRow& row) override {
        if (row.status == JobStatus::completed) {
            begin(end_event_id(row.attempt), "complete");
            out += R"({"status":"done","usage":)" + usage_object(row) + answer_members(row) + "}\n\n";
        } else {
            begin(end_event_id(row.attempt), "error");
            out += job_error_object(row) + "\n\n";
        }
    }

  private:
    void begin(const std::string& id, std::string_view event) {
        out.append("id: ").append(id).append("\nevent: ").append(event).append("\ndata: ");
    }
    const std::string& request_id_;
};

// Ends with the job, with the client, or with the server: a reader whose job does not run any more comes back later.
asio::awaitable<void> send_events(http::Exchange& exchange, const Services& services, std::shared_ptr<Job> job, JobCursor cursor) {
    JobWatch watch(job, exchange.executor());
    const ClientWatch client(exchange, [&watch] { watch.wake(); });
    EventWriter events(job->row.id);
    while (!cursor.at_end() && !exchange.client_gone()) {
        const bool up_to_date = cursor.read(job->row, events, bytes_per_write);
        if (!events.out.empty()) {
            if (!co_await exchange.write(events.out)) co_return;
            events.out.clear();
            continue;  // more may have come meanwhile
        }
        if (!up_to_date) continue;
        if (services.jobs->draining() && !job->generation && !job->ending) co_return;
        const auto began = std::chrono::steady_clock::now();
        co_await watch.changed(services.comment_interval);
        if (std::chrono::steady_clock::now() - began >= services.comment_interval && !co_await exchange.write(idle_comment)) co_return;
    }
}

}  // namespace

Answered stream(http::Exchange& exchange, const Services& services) {
    const auto job = co_await job_of(exchange, services);
    if (!job) co_return co_await reply_error(exchange, job.error());
    const auto place = services.jobs->streams().take((*job)->row.tenant);
    if (!place) co_return co_await reply_error(exchange, too_many_open("streams"));
    const auto last = after_event(exchange.request().header("last-event-id"));
    if (last.was_end && is_final((*job)->row.status)) co_return co_await exchange.reply({.status = 204});
    co_await exchange.start_stream("text/event-stream", {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}});
    co_await send_events(exchange, services, *job, last.cursor);
    if (!exchange.client_gone()) co_await exchange.finish_stream();
    else exchange.abort_stream();
}

}  // namespace weft::api::jobs
