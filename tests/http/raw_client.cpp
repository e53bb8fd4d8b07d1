#include "raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace weft::http::test {
namespace {

constexpr int patience_ms = 10'000;

void parse_head(RawResponse& response) {
    response.status = std::atoi(response.head.substr(response.head.find(' ') + 1, 3).c_str());
    std::size_t line = response.head.find("\r\n") + 2;
    while (line < response.head.size()) {
        const auto end = response.head.find("\r\n", line);
        const auto colon = response.head.find(':', line);
        if (end == line || colon > end) break;
        std::string name = response.head.substr(line, colon - line);
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        std::string& value = response.headers[name];
        if (!value.empty()) value += ", ";
        value += response.head.substr(colon + 2, end - colon - 2);
        line = end + 2;
    }
}

}  // namespace

RawClient::RawClient(std::uint16_t port, int receive_buffer_bytes) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0)
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error(std::strerror(errno));
}

RawClient::RawClient(const std::string& unix_path) {
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, unix_path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error(std::strerror(errno));
}

RawClient::~RawClient() { close(); }

bool RawClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        pollfd waiting{.fd = socket_, .events = POLLOUT, .revents = 0};
        if (::poll(&waiting, 1, patience_ms) <= 0) return false;
        const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool RawClient::fill() {
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, patience_ms) <= 0) return false;
    std::array<char, 65536> bytes;
    const auto received = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (received < 0) was_reset_ = errno == ECONNRESET;
    if (received <= 0) return false;
    buffer_.append(bytes.data(), static_cast<std::size_t>(received));
    return true;
}

RawResponse RawClient::receive(bool head_only) {
    RawResponse response;
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
        if (!fill()) return response;
    response.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    parse_head(response);
    if (head_only || response.status == 204 || response.status < 200) {
        response.complete = true;
        return response;
    }
    if (const auto length = response.headers.find("content-length"); length != response.headers.end()) {
        const auto bytes = std::stoull(length->second);
        while (buffer_.size() < bytes)
            if (!fill()) break;
        response.complete = buffer_.size() >= bytes;
        response.body = buffer_.substr(0, bytes);
        buffer_.erase(0, bytes);
        return response;
    }
    if (!response.headers.contains("transfer-encoding")) {
        response.body = receive_all();
        return response;
    }
    while (true) {
        while ((end = buffer_.find("\r\n")) == std::string::npos)
            if (!fill()) return response;
        const auto bytes = std::stoull(buffer_, nullptr, 16);
        while (buffer_.size() < end + 2 + bytes + 2)
            if (!fill()) return response;
        response.body += buffer_.substr(end + 2, bytes);
        buffer_.erase(0, end + 2 + bytes + 2);
        if (bytes == 0) break;
    }
    response.complete = true;
    return response;
}

std::string RawClient::receive_until(std::string_view text) {
    while (!buffer_.contains(text))
        if (!fill()) break;
    return buffer_;
}

std::string RawClient::receive_all() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
}

bool RawClient::receive_some() {
    buffer_.clear();
    return fill();
}

bool RawClient::at_end() { return buffer_.empty() && !fill(); }

void RawClient::shut_down_sending() { ::shutdown(socket_, SHUT_WR); }

void RawClient::close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void RawClient::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

RawResponse RawClient::ask(std::string_view bytes, bool head_only) {
    if (!send(bytes) && buffer_.empty()) {
        // The server may have answered and closed before it took everything.
    }
    return receive(head_only);
}

}  // namespace weft::http::test
