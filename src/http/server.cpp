#include "http/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

#include "base/log.h"
#include "http/connection.h"
#include "http/server_core.h"

namespace weft::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using Unix = asio::local::stream_protocol;

namespace {

using Executor = asio::io_context::executor_type;
template <typename Protocol>
using Acceptor = asio::basic_socket_acceptor<Protocol, Executor>;

constexpr auto as_tuple_awaitable = asio::as_tuple(asio::use_awaitable);
constexpr int accept_backlog = 4096;
// After accept() failed for want of descriptors or memory: waiting is all that helps.
constexpr std::chrono::milliseconds accept_pause{100};
// For handlers to return after they have been told that the time to drain is over.
constexpr std::chrono::milliseconds drain_grace{2000};

std::string peer_name(const tcp::endpoint& peer) { return peer.address().to_string(); }
std::string peer_name(const Unix::endpoint&) { return "unix"; }

void set_socket_options(asio::basic_stream_socket<tcp, Executor>& socket) {
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
}
void set_socket_options(asio::basic_stream_socket<Unix, Executor>&) {}

std::string without_brackets(const std::string& host) {
    return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

// A name may have several addresses: IPv4 first, which is what local clients try for "localhost".
Result<tcp::endpoint> resolve(asio::io_context& io, const std::string& host, std::uint16_t port) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(without_brackets(host), error);
    if (!error) return tcp::endpoint(address, port);
    if (host.empty()) return tcp::endpoint(tcp::v4(), port);
    const auto found = tcp::resolver(io).resolve(host, std::to_string(port), tcp::resolver::passive, error);
    if (error || found.empty())
        return fail(ErrorCode::invalid_request, "cannot listen on " + host + ": the name has no address");
    const auto v4 = std::ranges::find_if(found, [](const auto& one) { return one.endpoint().address().is_v4(); });
    return v4 != found.end() ? v4->endpoint() : found.begin()->endpoint();
}

template <typename Protocol>
Result<Acceptor<Protocol>> open_acceptor(asio::io_context& io, const typename Protocol::endpoint& where,
                                         const std::string& name) {
    Acceptor<Protocol> acceptor(io);
    boost::system::error_code error;
    acceptor.open(where.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    // Before bind(), so that there is no moment at which others could connect.
    if constexpr (std::is_same_v<Protocol, Unix>) fchmod(acceptor.native_handle(), S_IRUSR | S_IWUSR);
    if (!error) acceptor.bind(where, error);
    if (!error) acceptor.listen(accept_backlog, error);
    if (error) return fail(ErrorCode::invalid_request, "cannot listen on " + name + ": " + error.message());
    return acceptor;
}

// A socket file that a killed server left behind refuses connections; one in use accepts them.
void remove_stale_socket(asio::io_context& io, const std::string& path) {
    struct stat info{};
    if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
    boost::system::error_code error;
    Unix::socket probe(io);
    probe.connect(Unix::endpoint(path), error);
    if (error == asio::error::connection_refused) unlink(path.c_str());
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(asio::io_context& io, std::shared_ptr<ServerCore> core)
        : io_(io), core_(std::move(core)), sweep_timer_(io), drain_timer_(io) {}

    template <typename Protocol>
    void start(Acceptor<Protocol> acceptor);
    void remove_later(std::string socket_path) { socket_paths_.push_back(std::move(socket_path)); }
    void drain(std::chrono::milliseconds time_left, std::function<void()> done);
    void stop();

    asio::io_context& io_;
    const std::shared_ptr<ServerCore> core_;

  private:
    template <typename Protocol>
    static asio::awaitable<void> accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Acceptor<Protocol>> acceptor);
    template <typename Protocol>
    void take(asio::basic_stream_socket<Protocol, Executor> socket);
    void sweep_later();
    void stop_accepting();
    void close_connections();
    void finish_drain();
    void close_idle();
    void tell_web_sockets(bool last_call);

    asio::steady_timer sweep_timer_;
    asio::steady_timer drain_timer_;
    std::vector<std::shared_ptr<Acceptor<tcp>>> tcp_acceptors_;
    std::vector<std::shared_ptr<Acceptor<Unix>>> unix_acceptors_;
    std::vector<std::string> socket_paths_;
    std::function<void()> drained_;
    bool sweeping_ = false;
    bool stopped_ = false;
};

template <typename Protocol>
void Server::Impl::start(Acceptor<Protocol> acceptor) {
    auto shared = std::make_shared<Acceptor<Protocol>>(std::move(acceptor));
    if constexpr (std::is_same_v<Protocol, tcp>)
        tcp_acceptors_.push_back(shared);
    else
        unix_acceptors_.push_back(shared);
    asio::co_spawn(io_, accept_all<Protocol>(shared_from_this(), shared), asio::detached);
    if (!std::exchange(sweeping_, true)) sweep_later();
}

template <typename Protocol>
asio::awaitable<void> Server::Impl::accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Acceptor<Protocol>> acceptor) {
    asio::steady_timer pause(self->io_);
    while (acceptor->is_open()) {
        auto [error, socket] = co_await acceptor->async_accept(self->io_.get_executor(), as_tuple_awaitable);
        if (!acceptor->is_open()) break;
        if (!error) {
            self->take<Protocol>(std::move(socket));
        } else if (error != asio::error::connection_aborted) {
            log_warn("accept_failed", {{"what", error.message()}});
            pause.expires_after(accept_pause);
            co_await pause.async_wait(as_tuple_awaitable);
        }
    }
}

template <typename Protocol>
void Server::Impl::take(asio::basic_stream_socket<Protocol, Executor> socket) {
    boost::system::error_code error;
    const auto peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    set_socket_options(socket);
    const std::size_t serving = core_->connections.size() - core_->refusing_connections;
    auto purpose = Connection::Purpose::serve;
    if (serving >= core_->options.max_connections) {
        if (core_->refusing_connections >= core_->options.max_refusing_connections) return;
        purpose = Connection::Purpose::refuse;
    }
    Connection::start(core_, Socket(std::move(socket)), peer_name(peer), purpose);
}

void Server::Impl::sweep_later() {
    sweep_timer_.expires_after(core_->options.sweep_period);
    sweep_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        const TimePoint now = SteadyClock().now();
        for (Connection* connection : self->core_->connections) connection->sweep(now);
        // Whoever connects during a drain and asks nothing must not hold it up.
        if (self->core_->draining) self->close_idle();
        self->sweep_later();
    });
}

void Server::Impl::stop_accepting() {
    boost::system::error_code ignored;
    for (const auto& acceptor : tcp_acceptors_) acceptor->close(ignored);
    for (const auto& acceptor : unix_acceptors_) acceptor->close(ignored);
    for (const std::string& path : std::exchange(socket_paths_, {})) unlink(path.c_str());
}

void Server::Impl::close_connections() {
    // A copy: callbacks of handlers run in here.
    std::vector<std::shared_ptr<Connection>> connections;
    for (Connection* connection : core_->connections) connections.push_back(connection->shared_from_this());
    for (const auto& connection : connections) connection->close();
}

void Server::Impl::close_idle() {
    std::vector<std::shared_ptr<Connection>> connections;
    for (Connection* connection : core_->connections) connections.push_back(connection->shared_from_this());
    for (const auto& connection : connections) connection->close_if_idle();
}

void Server::Impl::tell_web_sockets(bool last_call) {
    // A copy: handlers may end in here.
    const auto sockets = core_->web_sockets;
    for (const auto& [wire, tell] : sockets) tell(last_call);
}

void Server::Impl::drain(std::chrono::milliseconds time_left, std::function<void()> done) {
    drained_ = std::move(done);
    core_->draining = true;  // every answer closes its connection from now on
    core_->when_empty = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->finish_drain();
    };
    close_idle();
    tell_web_sockets(false);
    if (core_->connections.empty()) return asio::post(io_, [self = shared_from_this()] { self->finish_drain(); });
    drain_timer_.expires_after(time_left);
    drain_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        self->stop_accepting();
        self->tell_web_sockets(true);
        self->close_connections();
        self->drain_timer_.expires_after(drain_grace);
        self->drain_timer_.async_wait([weak](const boost::system::error_code& cancelled) {
            if (const auto still = weak.lock(); still && !cancelled) still->finish_drain();
        });
    });
}

void Server::Impl::finish_drain() {
    stop_accepting();
    drain_timer_.cancel();
    sweep_timer_.cancel();
    if (drained_) std::exchange(drained_, nullptr)();
}

void Server::Impl::stop() {
    if (std::exchange(stopped_, true)) return;
    core_->draining = true;
    stop_accepting();
    sweep_timer_.cancel();
    drain_timer_.cancel();
    close_connections();
}

Server::Server(asio::io_context& io, ServerOptions options, std::shared_ptr<const Router> router,
               ErrorFormatter format_error, std::vector<Middleware> middleware)
    : impl_(std::make_shared<Impl>(
          io, std::make_shared<ServerCore>(options, std::move(router), std::move(format_error), std::move(middleware)))) {}

Server::~Server() { impl_->stop(); }

Result<ListeningAddress> Server::listen(const std::string& host, std::uint16_t port) {
    WEFT_TRY(const auto where, resolve(impl_->io_, host, port));
    WEFT_TRY(auto acceptor, open_acceptor<tcp>(impl_->io_, where, host + ":" + std::to_string(port)));
    boost::system::error_code ignored;
    const auto bound = acceptor.local_endpoint(ignored);
    impl_->start<tcp>(std::move(acceptor));
    return ListeningAddress{.address = bound.address().to_string(), .port = bound.port(), .loopback = bound.address().is_loopback()};
}

Result<ListeningAddress> Server::listen_unix(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return fail(ErrorCode::invalid_request, "cannot listen on a socket path that long");
    remove_stale_socket(impl_->io_, path);
    WEFT_TRY(auto acceptor, open_acceptor<Unix>(impl_->io_, Unix::endpoint(path), path));
    impl_->remove_later(path);
    impl_->start<Unix>(std::move(acceptor));
    return ListeningAddress{.address = path, .loopback = true};
}

void Server::set_middleware(std::vector<Middleware> middleware) {
    impl_->core_->middleware = std::move(middleware);
}
void Server::drain(std::chrono::milliseconds time_left, std::function<void()> done) {
    impl_->drain(time_left, std::move(done));
}
void Server::stop() { impl_->stop(); }
std::size_t Server::connections() const { return impl_->core_->connections.size(); }

Response plain_error(const Request&, int, std::string_view, std::string message) {
    std::string body = "{\"error\":\"";
    for (const char c : message) {
        if (c == '"' || c == '\\') body.push_back('\\');
        body.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    return {.body = body + "\"}"};
}

}  // namespace weft::http
