#include "scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <format>

#include "base/assert.h"

namespace weft::test {
namespace {

constexpr int patience_ms = 10'000;

bool readable(int fd) {
    pollfd polled{fd, POLLIN, 0};
    return poll(&polled, 1, patience_ms) > 0;
}

bool is_whole(const std::string& request) {
    const auto head_end = request.find("\r\n\r\n");
    if (head_end == request.npos) return false;
    const auto length = request.find("Content-Length: ");
    const std::size_t body = length < head_end ? std::stoul(request.substr(length + 16)) : 0;
    return request.size() >= head_end + 4 + body;
}

}  // namespace

void ScriptedServer::Peer::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

bool ScriptedServer::Peer::client_leaves() const {
    char byte = 0;
    return readable(fd_) && recv(fd_, &byte, 1, 0) <= 0;
}

ScriptedServer::ScriptedServer(std::function<void(const Peer&)> script) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    assert_that(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "a free port");
    assert_that(listen(listener_, 1) == 0, "a listening socket");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] { serve(script); });
}

ScriptedServer::ScriptedServer(std::string answer)
    : ScriptedServer([answer = std::move(answer)](const Peer& peer) { peer.send(answer); }) {}

ScriptedServer::~ScriptedServer() {
    if (thread_.joinable()) thread_.join();
    close(listener_);
}

std::string ScriptedServer::request() {
    thread_.join();
    return request_;
}

void ScriptedServer::serve(const std::function<void(const Peer&)>& script) {
    if (!readable(listener_)) return;
    const int fd = accept(listener_, nullptr, nullptr);
    std::array<char, 4096> buffer;
    while (!is_whole(request_) && readable(fd)) {
        const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) break;
        request_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    script(Peer(fd));
    close(fd);
}

std::string answer(int status, std::string_view body) {
    return std::format("HTTP/1.1 {} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", status,
                       body.size(), body);
}

}  // namespace weft::test
