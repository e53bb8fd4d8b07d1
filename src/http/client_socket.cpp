#include "http/client_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

constexpr milliseconds tick{100};

std::unexpected<Error> nobody_there(const Endpoint& endpoint, std::string detail) {
    return std::unexpected(Error{.code = ErrorCode::not_found,
                                 .message = "no server at " + endpoint.url(),
                                 .detail = std::move(detail)});
}

Result<Addresses> resolve(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failure = getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
    if (failure != 0) return nobody_there(endpoint, gai_strerror(failure));
    return Addresses(found, &freeaddrinfo);
}

// Waits until fd is ready for events.
Result<void> wait_for(int fd, short events, const ClientSocket::Waiting& waiting) {
    const auto deadline = Clock::now() + waiting.timeout;
    for (;;) {
        auto patience = waiting.on_wait ? tick : milliseconds(-1);
        if (waiting.timeout.count() > 0) {
            const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
            if (left.count() <= 0) return fail(ErrorCode::timeout, "the server did not answer in time");
            patience = patience.count() < 0 ? left : std::min(patience, left);
        }
        std::array<pollfd, 2> polled{pollfd{fd, events, 0}, pollfd{waiting.cancel_fd, POLLIN, 0}};  // -1 is skipped
        const int ready = poll(polled.data(), polled.size(), static_cast<int>(patience.count()));
        if (ready < 0 && errno != EINTR) return fail(ErrorCode::internal, std::strerror(errno));
        if (ready > 0 && polled[1].revents != 0) return fail(ErrorCode::cancelled, "cancelled");
        if (ready > 0 && polled[0].revents != 0) return {};
        if (ready == 0 && waiting.on_wait) waiting.on_wait();
    }
}

Result<FileDescriptor> connect_one(const addrinfo& address, const ClientSocket::Waiting& waiting) {
    FileDescriptor fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
    if (fd.get() < 0) return fail(ErrorCode::not_found, std::strerror(errno));
    const int at_once = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    if (connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
    if (errno != EINPROGRESS) return fail(ErrorCode::not_found, std::strerror(errno));
    WEFT_CHECK(wait_for(fd.get(), POLLOUT, waiting));
    int failure = 0;
    socklen_t size = sizeof failure;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) return fail(ErrorCode::not_found, std::strerror(failure));
    return fd;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
}

Result<ClientSocket> ClientSocket::connect(const Endpoint& endpoint, milliseconds timeout, Waiting waiting) {
    WEFT_TRY(const Addresses addresses, resolve(endpoint));
    std::string reason = "no address";
    for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
        auto fd = connect_one(*address, {timeout, waiting.cancel_fd, waiting.on_wait});
        if (fd) return ClientSocket(std::move(*fd), waiting);
        if (fd.error().code == ErrorCode::cancelled) return std::unexpected(std::move(fd).error());
        reason = fd.error().message;
    }
    return nobody_there(endpoint, reason);
}

Result<void> ClientSocket::write_all(std::string_view data) {
    while (!data.empty()) {
        const ssize_t sent = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            data.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            WEFT_CHECK(wait_for(fd_.get(), POLLOUT, waiting_));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return {};  // a server may refuse a body before it has read it: its answer says why
        } else if (errno != EINTR) {
            return fail(ErrorCode::internal, std::string("could not send the request: ") + std::strerror(errno));
        }
    }
    return {};
}

Result<std::size_t> ClientSocket::read_some(char* buffer, std::size_t size) {
    for (;;) {
        WEFT_CHECK(wait_for(fd_.get(), POLLIN, waiting_));
        const ssize_t got = recv(fd_.get(), buffer, size, 0);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno == ECONNRESET) return 0;
        if (errno != EAGAIN && errno != EINTR)
            return fail(ErrorCode::internal, std::string("the connection broke: ") + std::strerror(errno));
    }
}

}  // namespace weft::http
