#include "http/web_socket.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <exception>

#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_cursor.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/jobs/web_socket_messages.h"

namespace weft::api::jobs {
namespace asio = boost::asio;
namespace {

constexpr std::size_t max_followed = 1024;         // requests in flight on one socket
constexpr std::size_t max_unsent = 256;            // answers to messages; nothing is read meanwhile
constexpr std::size_t max_submitting = 64;         // requests that are being stored; likewise
constexpr std::size_t bytes_per_turn = 16 * 1024;  // of one request before another one has its turn

using Clock = std::chrono::steady_clock;

// A flag that a coroutine can wait for.
class Bell {
  public:
    explicit Bell(asio::any_io_executor io) : timer_(std::move(io), Clock::time_point::max()) {}
    void ring() {
        rung_ = true;
        timer_.cancel();
    }
    asio::awaitable<void> wait() {
        while (!rung_) {
            timer_.expires_at(Clock::time_point::max());
            boost::system::error_code ignored;
            co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        rung_ = false;
    }

  private:
    asio::steady_timer timer_;
    bool rung_ = false;
};

// One socket: reads messages, follows the requests it was given, and writes what is new about each in turn. What nobody
// takes stays with the jobs, so a slow client costs nothing here. Thread: io.
class SocketSession : public std::enable_shared_from_this<SocketSession> {
  public:
    SocketSession(std::shared_ptr<http::WebSocket> socket, const Services& services, std::string tenant, asio::any_io_executor io)
        : socket_(std::move(socket)), services_(services), tenant_(std::move(tenant)), io_(io), to_write_(io), to_read_(io), ended_(io) {}

    asio::awaitable<void> run();

  private:
    struct Followed {
        std::shared_ptr<Job> job;
        std::string client_ref;
        bool tokens = false;
        bool cancel_on_close = false;
        JobCursor cursor{};
        std::uint32_t attempt = 0;   // that the client knows
        bool news = true;
        std::list<std::function<void()>>::iterator watcher{};
    };

    void take(const std::string& text);
    [[nodiscard]] Result<void> act(const JsonReader& body, const SocketMessage& message);
    [[nodiscard]] static asio::awaitable<void> submit(std::shared_ptr<SocketSession> self, JobRequest request, SocketMessage message);
    [[nodiscard]] static asio::awaitable<void> find(std::shared_ptr<SocketSession> self, SocketMessage message);
    void follow(std::shared_ptr<Job> job, const SocketMessage& message);
    void follow_from(Followed& followed, const SocketMessage& message);
    void unfollow(std::list<Followed>::iterator followed);
    void say(std::string message);

    [[nodiscard]] static asio::awaitable<void> write_all(std::shared_ptr<SocketSession> self);
    [[nodiscard]] asio::awaitable<bool> write_news();
    [[nodiscard]] bool time_to_go() const;
    [[nodiscard]] static asio::awaitable<void> cancel(const Services& services, std::shared_ptr<Job> job);

    std::shared_ptr<http::WebSocket> socket_;
    const Services& services_;
    std::string tenant_;
    asio::any_io_executor io_;
    std::deque<std::string> unsent_{};
    std::list<Followed> followed_{};
    std::size_t working_ = 0;  // coroutines of messages
    bool draining_ = false;
    bool last_call_ = false;
    bool closed_ = false;      // nothing can be sent any more
    bool read_all_ = false;
    Bell to_write_;
    Bell to_read_;
    Bell ended_;
};

asio::awaitable<void> SocketSession::run() {
    const auto self = shared_from_this();
    socket_->on_drain([weak = weak_from_this()](bool last_call) {
        const auto session = weak.lock();
        if (!session) return;
        session->draining_ = true;
        session->last_call_ = last_call;
        session->to_write_.ring();
    });
    bool writing = true;
    asio::co_spawn(io_, write_all(self), [self, &writing](const std::exception_ptr&) {
        writing = false;
        self->closed_ = true;
        self->ended_.ring();
        self->to_read_.ring();
    });
    while (auto text = co_await socket_->read()) {
        take(*text);
        while (!closed_ && (unsent_.size() >= max_unsent || working_ >= max_submitting)) co_await to_read_.wait();
        if (closed_) break;
    }
    closed_ = read_all_ = true;
    to_write_.ring();
    while (writing || working_ > 0) co_await ended_.wait();
    while (!followed_.empty()) {
        const auto& last = followed_.front();
        if (last.cancel_on_close && !is_final(last.job->row.status))
            asio::co_spawn(io_, cancel(services_, last.job), asio::detached);
        unfollow(followed_.begin());
    }
}

asio::awaitable<void> SocketSession::cancel(const Services& services, std::shared_ptr<Job> job) {
    (void)co_await services.jobs->cancel(std::move(job));
}

// ---- what the client says -----------------------------------------------------------------------------------------------

void SocketSession::take(const std::string& text) {
    const auto body = parse_json(text);
    if (!body) return say(socket_error(body.error(), "", ""));
    const JsonReader reader(*body);
    const auto message = read_socket_message(reader);
    if (!message) return say(socket_error(message.error(), "", readable_client_ref(reader)));
    if (auto done = act(reader, *message); !done) say(socket_error(done.error(), message->request_id, message->client_ref));
}

Result<void> SocketSession::act(const JsonReader& body, const SocketMessage& message) {
    if (message.type != SocketMessage::Type::cancel && followed_.size() + working_ >= max_followed)
        return fail(ErrorCode::rate_limited, "a socket may have " + std::to_string(max_followed) + " requests in flight");
    const auto done = [self = shared_from_this()](const std::exception_ptr&) {
        --self->working_;
        self->to_read_.ring();
        self->ended_.ring();
    };
    if (message.type != SocketMessage::Type::infer) {
        ++working_;
        asio::co_spawn(io_, find(shared_from_this(), message), done);
        return {};
    }
    WEFT_TRY(auto request, read_job_request(services_, body, tenant_));
    ++working_;
    asio::co_spawn(io_, submit(shared_from_this(), std::move(request), message), done);
    return {};
}

asio::awaitable<void> SocketSession::submit(std::shared_ptr<SocketSession> self, JobRequest request, SocketMessage message) {
    const auto submitted = co_await self->services_.jobs->submit(std::move(request));
    if (!submitted) co_return self->say(socket_error(submitted.error(), "", message.client_ref));
    self->say(socket_ack(submitted->job->row, message.client_ref));
    self->follow(submitted->job, message);
}

asio::awaitable<void> SocketSession::find(std::shared_ptr<SocketSession> self, SocketMessage message) {
    auto job = co_await self->services_.jobs->find(self->tenant_, message.request_id);
    if (!job) co_return self->say(socket_error(job.error(), message.request_id, message.client_ref));
    const auto known = std::ranges::find(self->followed_, *job, &Followed::job);
    if (message.type == SocketMessage::Type::subscribe) {
        self->say(socket_ack((*job)->row, message.client_ref));
        if (known == self->followed_.end()) co_return self->follow(std::move(*job), message);
        co_return self->follow_from(*known, message);
    }
    if (!is_final((*job)->row.status)) (void)co_await self->services_.jobs->cancel(*job);
    // Who follows the job hears of its end anyway.
    if (known != self->followed_.end()) co_return;
    JobCursor cursor((*job)->row.attempt, (*job)->row.output.sizes.size());
    std::vector<std::string> out;
    SocketEvents events((*job)->row.id, message.client_ref, false, 0, out);
    cursor.read((*job)->row, events, bytes_per_turn);
    for (auto& text : out) self->say(std::move(text));
}

void SocketSession::follow(std::shared_ptr<Job> job, const SocketMessage& message) {
    auto& followed = followed_.emplace_back(Followed{.job = job, .cancel_on_close = message.cancel_on_close});
    followed.watcher = job->watchers.insert(job->watchers.end(), [this, &followed] {
        followed.news = true;
        to_write_.ring();
    });
    follow_from(followed, message);
}

// Also what this socket submitted without `stream`, or follows already: from now on its text is told from there.
void SocketSession::follow_from(Followed& followed, const SocketMessage& message) {
    const auto attempt = followed.job->row.attempt;
    if (!message.client_ref.empty()) followed.client_ref = message.client_ref;
    followed.tokens = message.stream;
    followed.attempt = message.after >= 0 ? attempt : 0;
    followed.cursor = message.after >= 0 ? JobCursor(attempt, static_cast<std::size_t>(message.after) + 1) : JobCursor();
    followed.news = true;
    to_write_.ring();
}

void SocketSession::unfollow(std::list<Followed>::iterator followed) {
    followed->job->watchers.erase(followed->watcher);
    followed_.erase(followed);
}

void SocketSession::say(std::string message) {
    if (closed_) return;
    unsent_.push_back(std::move(message));
    to_write_.ring();
}

// ---- what the client is told --------------------------------------------------------------------------------------------

asio::awaitable<void> SocketSession::write_all(std::shared_ptr<SocketSession> self) {
    while (!self->closed_) {
        if (!co_await self->write_news()) break;
        if (self->time_to_go()) {
            co_await self->socket_->close(http::CloseCode::going_away, "the server is shutting down");
            break;
        }
        co_await self->to_write_.wait();
    }
}

// Nothing that is being followed can end any more, or there is no time left.
bool SocketSession::time_to_go() const {
    if (!draining_) return false;
    if (last_call_) return true;
    const auto running = [](const Followed& one) { return one.job->generation || one.job->ending; };
    return working_ == 0 && std::ranges::none_of(followed_, running);
}

// False when the client is gone.
asio::awaitable<bool> SocketSession::write_news() {
    std::vector<std::string> out;
    for (bool more = true; more && !closed_;) {
        more = false;
        while (!unsent_.empty()) {
            const std::string text = std::move(unsent_.front());
            unsent_.pop_front();
            to_read_.ring();
            if (!co_await socket_->write(text)) co_return false;
        }
        for (auto followed = followed_.begin(); followed != followed_.end();) {
            if (!std::exchange(followed->news, false)) {
                ++followed;
                continue;
            }
            out.clear();
            SocketEvents events(followed->job->row.id, followed->client_ref, followed->tokens, followed->attempt, out);
            if (!followed->cursor.read(followed->job->row, events, bytes_per_turn)) followed->news = more = true;
            if (followed->job->row.attempt != 0 && followed->job->row.status != JobStatus::pending) followed->attempt = followed->job->row.attempt;
            const auto current = followed++;
            if (current->cursor.at_end()) unfollow(current);
            for (const auto& text : out)
                if (!co_await socket_->write(text)) co_return false;
            // What was said while this one was written goes first.
            if (!unsent_.empty()) {
                more = true;
                break;
            }
        }
    }
    co_return true;
}

}  // namespace

Answered web_socket(http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return co_await reply_error(exchange, std::move(tenant).error());
    const auto place = services.jobs->sockets().take(*tenant);
    if (!place) co_return co_await reply_error(exchange, too_many_open("sockets"));
    auto socket = co_await exchange.accept_web_socket();
    if (socket) {
        const auto session = std::make_shared<SocketSession>(std::move(socket), services, std::move(*tenant), exchange.executor());
        co_return co_await session->run();
    }
    if (exchange.client_gone()) co_return;
    co_await reply_json(exchange, 426, R"({"error":{"code":"upgrade_required","message":"this address speaks WebSocket","field":null}})",
                        {{"upgrade", "websocket"}});
}

}  // namespace weft::api::jobs
