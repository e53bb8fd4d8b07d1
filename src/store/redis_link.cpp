#include "store/redis_link.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/redis/connection.hpp>
#include <boost/redis/response.hpp>
#include <charconv>
#include <exception>
#include <optional>
#include <utility>

#include "base/log.h"
#include "store/redis_check.h"

namespace weft {
namespace asio = boost::asio;
namespace redis = boost::redis;
namespace {

using SteadyTime = std::chrono::steady_clock;

constexpr std::chrono::milliseconds shortest_pause{100};
constexpr std::chrono::milliseconds longest_pause{5000};
constexpr std::chrono::seconds health_interval{5};  // a server that says nothing for twice as long is gone
constexpr std::chrono::seconds connect_patience{3};
constexpr int retry_when_back_s = 5;
constexpr std::size_t max_early_calls = 1024;
constexpr const char* functions_are_gone = "ERR Function not found";

std::unexpected<Error> unreachable(std::string detail) {
    return std::unexpected(Error{.code = ErrorCode::overloaded, .message = "the job store cannot be reached",
                                 .detail = std::move(detail), .retry_after_s = retry_when_back_s});
}

RedisValue value_from(const redis::resp3::tree& nodes, std::size_t& next) {
    const auto& node = nodes[next++];
    using Type = redis::resp3::type;
    if (redis::resp3::is_aggregate(node.data_type)) {
        RedisValue list{.kind = RedisValue::Kind::list};
        const auto count = node.aggregate_size * redis::resp3::element_multiplicity(node.data_type);
        for (std::size_t i = 0; i < count && next < nodes.size(); ++i) list.items.push_back(value_from(nodes, next));
        return list;
    }
    if (node.data_type == Type::null) return {};
    if (node.data_type != Type::number) return {.kind = RedisValue::Kind::text, .text = node.value};
    RedisValue number{.kind = RedisValue::Kind::number};
    std::from_chars(node.value.data(), node.value.data() + node.value.size(), number.number);
    return number;
}

// What the server said instead of an answer.
std::unexpected<Error> server_error(std::string text) {
    if (text.starts_with("OOM"))
        return std::unexpected(Error{.code = ErrorCode::storage_full, .message = "the server has no room to store this", .detail = std::move(text)});
    for (const auto* word : {"LOADING", "BUSY", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", functions_are_gone})
        if (text.starts_with(word)) return unreachable(std::move(text));
    return std::unexpected(Error{.code = ErrorCode::internal, .message = "the server's store has failed", .detail = std::move(text)});
}

Result<RedisValue> answer_of(const redis::generic_response& response) {
    if (response.has_error()) return server_error(response.error().diagnostic);
    if (response.value().empty()) return unreachable("no answer");
    std::size_t next = 0;
    return value_from(response.value(), next);
}

asio::ssl::context tls_context(const RedisAddress& address) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    if (!address.tls) return context;
    boost::system::error_code ignored;  // without any certificate to trust, no connection is made
    context.set_default_verify_paths(ignored);
    context.set_verify_mode(asio::ssl::verify_peer, ignored);
    context.set_verify_callback(asio::ssl::host_name_verification(address.host), ignored);
    return context;
}

}  // namespace

class RedisLink::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(asio::any_io_executor io, Plan plan, Events events)
        : io_(std::move(io)),
          plan_(std::move(plan)),
          events_(std::move(events)),
          connection_(io_, tls_context(plan_.address), logger()),
          pause_(io_) {
        const auto& address = plan_.address;
        settings_.use_ssl = address.tls;
        settings_.addr = {address.host, std::to_string(address.port)};
        settings_.use_setup = true;
        settings_.setup.clear();
        if (address.password.empty()) settings_.setup.hello_setname("weft");
        else settings_.setup.hello_setname(address.user.empty() ? "default" : address.user, address.password, "weft");
        if (address.database != 0) settings_.setup.push("SELECT", std::to_string(address.database));
        settings_.resolve_timeout = settings_.connect_timeout = settings_.ssl_handshake_timeout = connect_patience;
        settings_.health_check_interval = health_interval;
        settings_.reconnect_wait_interval = std::chrono::seconds{0};  // keep_connected() does, and looks at the server each time
        settings_.max_read_size = max_answer_bytes;
        connection_.set_receive_response(pushed_);
    }

    void start() {
        const auto ignore = [](const std::exception_ptr&) {};
        asio::co_spawn(io_, keep_connected(shared_from_this()), ignore);
        asio::co_spawn(io_, take_news(shared_from_this()), ignore);
    }

    void stop() {
        stopped_ = true;
        up_ = false;
        events_ = {};
        early_.clear();
        pause_.cancel();
        connection_.cancel();
    }

    void call(std::vector<std::string> command, Answer done) {
        std::size_t bytes = 0;
        for (const auto& part : command) bytes += part.size();
        // Before it is known for the first time whether the server is there, calls wait.
        if (!up_ && !settled_ && early_.size() < max_early_calls) return early_.push_back({std::move(command), std::move(done)});
        if (!up_) return refuse(unreachable("not connected"), std::move(done));
        if (calls_ >= max_calls || call_bytes_ + bytes > max_call_bytes)
            return refuse(std::unexpected(Error{.code = ErrorCode::overloaded, .message = "the server has too much to store",
                                                .retry_after_s = retry_when_back_s}), std::move(done));
        ++calls_;
        call_bytes_ += bytes;
        struct Exchange {
            redis::request request;
            redis::generic_response response{};
        };
        const auto exchange = std::make_shared<Exchange>(Exchange{.request = redis::request(when_lost)});
        exchange->request.push_range(command.front(), command.begin() + 1, command.end());
        connection_.async_exec(exchange->request, exchange->response,
                               [self = shared_from_this(), exchange, bytes, done = std::move(done)](boost::system::error_code error, std::size_t) {
                                   --self->calls_;
                                   self->call_bytes_ -= bytes;
                                   if (self->stopped_) return;
                                   auto answer = error ? unreachable(error.message()) : answer_of(exchange->response);
                                   // Somebody has thrown our functions away; a new connection brings them back.
                                   if (!answer && answer.error().detail == functions_are_gone) self->connection_.cancel(redis::operation::run);
                                   done(std::move(answer));
                               });
    }

    [[nodiscard]] bool up() const { return up_; }
    [[nodiscard]] SteadyTime::time_point up_since() const { return up_since_; }

  private:
    // A command is carried out at most once, and never on a server that was not looked at.
    static constexpr redis::request::config when_lost{.cancel_on_connection_lost = true, .cancel_if_not_connected = false,
                                                      .cancel_if_unresponded = true, .hello_with_priority = false};

    // Its last complaint is the only one to know why a connection was not made. It names the address, never a password.
    redis::logger logger() {
        return {redis::logger::level::err, [this](redis::logger::level, std::string_view text) { complaint_ = text; }};
    }

    struct EarlyCall {
        std::vector<std::string> command;
        Answer done;
    };

    void settle() {
        settled_ = true;
        for (auto& early : std::exchange(early_, {})) call(std::move(early.command), std::move(early.done));
    }

    void refuse(Result<RedisValue> why, Answer done) {
        asio::post(io_, [self = shared_from_this(), why = std::move(why), done = std::move(done)]() mutable {
            if (!self->stopped_) done(std::move(why));
        });
    }

    static asio::awaitable<void> keep_connected(std::shared_ptr<Connection> self) {
        for (auto pause = shortest_pause; !self->stopped_; pause = std::min(2 * pause, longest_pause)) {
            self->refusal_.reset();
            asio::co_spawn(self->io_, greet(self), [](const std::exception_ptr&) {});
            boost::system::error_code error;
            co_await self->connection_.async_run(self->settings_, asio::redirect_error(asio::use_awaitable, error));
            const bool was_up = std::exchange(self->up_, false);
            self->connection_.cancel(redis::operation::exec);  // what waits for a connection that was not made
            if (self->stopped_) co_return;
            self->tell_down(was_up, error);
            if (was_up) pause = shortest_pause;
            self->pause_.expires_after(pause);
            boost::system::error_code ignored;
            co_await self->pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
    }

    void tell_down(bool was_up, boost::system::error_code error) {
        const bool unfit = refusal_ && refusal_->code != ErrorCode::overloaded;
        Error why = unfit ? *refusal_ : unreachable(!complaint_.empty() ? complaint_ : refusal_ ? refusal_->detail : error.message()).error();
        // The server answered, but not as one that knows us: a password, or a command that it does not have.
        if (!unfit && error == redis::error::resp3_hello)
            why = {.code = ErrorCode::internal, .message = "the Redis server of jobs.store refuses the connection: " + complaint_};
        const std::string text = why.message + why.detail;
        if (was_up || text != told_) log_warn("redis_down", {{"address", plan_.address.text()}, {"for", plan_.purpose}, {"reason", why.message}, {"detail", why.detail}});
        told_ = text;
        complaint_.clear();
        settle();
        if (events_.down) events_.down(why);
    }

    // What comes before the first call on a connection. The first command waits until there is one.
    static asio::awaitable<void> greet(std::shared_ptr<Connection> self) {
        auto fit = co_await self->look_at_server();
        if (fit && !self->plan_.library.empty()) fit = co_await self->bring_library();
        if (fit && !self->plan_.channel.empty()) fit = co_await self->listen();
        if (self->stopped_) co_return;
        if (!fit) {
            self->refusal_ = fit.error();
            self->connection_.cancel(redis::operation::run);
            co_return;
        }
        self->up_ = true;
        self->up_since_ = SteadyTime::now();
        self->told_.clear();
        log_info("redis_up", {{"address", self->plan_.address.text()}, {"for", self->plan_.purpose}});
        self->settle();
        if (self->events_.up) self->events_.up();
    }

    asio::awaitable<Result<void>> look_at_server() {
        const auto info = co_await ask({"INFO", "default"});
        if (!info) co_return refused(info.error(), "+info");
        if (auto fit = check_redis_info(info->text); !fit) co_return fit;
        std::vector<std::string> command{"CONFIG", "GET"};
        command.insert(command.end(), std::begin(redis_settings), std::end(redis_settings));
        const auto settings = co_await ask(std::move(command));
        if (settings) co_return check_redis_settings(*settings);
        if (!is_refused(settings.error())) co_return std::unexpected(settings.error());
        log_warn("redis_settings_not_told", {{"detail", settings.error().detail},
                                             {"hint", "what INFO and a test write tell is looked at; see that no-appendfsync-on-rewrite is 'no'"}});
        if (auto tells = check_redis_tells(info->text); !tells) co_return tells;
        int synced = 0;
        for (int probe = 0; probe < redis_sync_probes; ++probe) {
            const auto written = co_await ask({"SET", "{weft-jobs}:probe", std::to_string(probe)});
            if (!written) co_return refused(written.error(), "~{weft-jobs}:* +set");
            const auto sync = co_await ask({"WAITAOF", "1", "0", std::to_string(redis_sync_patience_ms)});
            if (!sync) co_return refused(sync.error(), "+config|get");
            if (sync->at(0).integer() >= 1) ++synced;
        }
        co_return check_redis_sync(synced);
    }

    asio::awaitable<Result<void>> bring_library() {
        const auto loaded = co_await ask({"FUNCTION", "LOAD", "REPLACE", plan_.library});
        if (!loaded) co_return refused(loaded.error(), "+function|load");
        const auto opened = co_await ask({"FCALL", plan_.opening, "0"});
        if (!opened) co_return refused(opened.error(), "+fcall ~{weft-jobs}:*");
        if (opened->text != "OK") co_return fail(ErrorCode::internal, "the Redis server of jobs.store has " + opened->text);
        co_return Result<void>{};
    }

    asio::awaitable<Result<void>> listen() {
        // It has no answer of its own; that of the command behind it says that it was received.
        redis::request request(when_lost);
        request.subscribe({plan_.channel});
        request.push("PING");
        redis::generic_response response;
        boost::system::error_code error;
        co_await connection_.async_exec(request, response, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return unreachable(error.message());
        if (response.has_error()) co_return refused(server_error(response.error().diagnostic).error(), "+subscribe &" + plan_.channel);
        co_return Result<void>{};
    }

    // Only for greet(): calls wait until that has ended.
    asio::awaitable<Result<RedisValue>> ask(std::vector<std::string> command) {
        redis::request request(when_lost);
        request.push_range(command.front(), command.begin() + 1, command.end());
        redis::generic_response response;
        boost::system::error_code error;
        co_await connection_.async_exec(request, response, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return unreachable(error.message());
        co_return answer_of(response);
    }

    static bool is_refused(const Error& error) { return error.detail.starts_with("NOPERM") || error.detail.starts_with("ERR unknown command"); }
    static std::unexpected<Error> refused(const Error& error, std::string_view right) {
        if (!is_refused(error)) return std::unexpected(error);
        return fail(ErrorCode::internal, "the Redis server of jobs.store does not let its user do what jobs need (ACL: " + std::string(right) + "): " + error.detail);
    }

    static asio::awaitable<void> take_news(std::shared_ptr<Connection> self) {
        while (!self->stopped_) {
            boost::system::error_code error;
            co_await self->connection_.async_receive2(asio::redirect_error(asio::use_awaitable, error));
            if (error || self->stopped_) co_return;
            const auto nodes = std::exchange(self->pushed_, {});
            for (std::size_t next = 0; next < nodes.size();) {
                const auto push = value_from(nodes, next);
                if (push.at(0).text == "message" && self->events_.news) self->events_.news(push.at(2).text);
            }
        }
    }

    asio::any_io_executor io_;
    Plan plan_;
    Events events_;
    std::string complaint_{};
    redis::connection connection_;
    redis::config settings_{};
    redis::resp3::tree pushed_{};
    asio::steady_timer pause_;
    std::optional<Error> refusal_{};  // why the server must not be used
    std::string told_{};              // to the log, so that it is not told again and again
    std::vector<EarlyCall> early_{};
    std::size_t calls_ = 0;
    std::size_t call_bytes_ = 0;
    SteadyTime::time_point up_since_{};
    bool up_ = false;
    bool settled_ = false;  // was up, or found not to be
    bool stopped_ = false;
};

RedisLink::RedisLink(asio::any_io_executor io, Plan plan, Events events)
    : connection_(std::make_shared<Connection>(std::move(io), std::move(plan), std::move(events))) {
    connection_->start();
}

RedisLink::~RedisLink() { connection_->stop(); }

void RedisLink::call(std::vector<std::string> command, Answer done) { connection_->call(std::move(command), std::move(done)); }
bool RedisLink::up() const { return connection_->up(); }

std::chrono::milliseconds RedisLink::up_for() const {
    if (!up()) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyTime::now() - connection_->up_since());
}

Result<void> try_redis(const RedisLink::Plan& plan, std::chrono::milliseconds patience) {
    asio::io_context io;
    std::optional<Result<void>> verdict;
    Error last{.code = ErrorCode::timeout, .message = "the Redis server of jobs.store cannot be reached", .detail = "no answer"};
    {
        const RedisLink link(io.get_executor(), plan, {.up = [&] { verdict.emplace(); },
                                                       .down = [&](const Error& why) {
                                                           if (why.code == ErrorCode::overloaded) last.detail = why.detail;
                                                           else verdict.emplace(std::unexpected(why));
                                                       }});
        const auto end = SteadyTime::now() + patience;
        while (!verdict && SteadyTime::now() < end) io.run_one_until(end);
    }
    io.restart();
    io.poll();  // lets the connection close
    return verdict ? *verdict : std::unexpected(last);
}

}  // namespace weft
