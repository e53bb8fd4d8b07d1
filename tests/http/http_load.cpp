// A small load generator for http_echo_server, one thread, keep-alive:
//   http_load PORT rate [CONNECTIONS [SECONDS [PATH [REQUESTS_AT_ONCE]]]]   requests per second and their latencies
//   http_load PORT idle CONNECTIONS SERVER_PID                             what an idle connection costs the server
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

int connect_to(int port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        std::perror("connect");
        std::exit(1);
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

std::string request_for(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: http_load\r\nAccept: */*\r\n\r\n";
}

// How many bytes one answer has: all answers of a run are the same.
std::size_t answer_bytes(int port, const std::string& request) {
    const int socket = connect_to(port);
    (void)!::write(socket, request.data(), request.size());
    std::string answer;
    std::array<char, 65536> bytes;
    while (true) {
        const auto head = answer.find("\r\n\r\n");
        const auto length = answer.find("Content-Length: ");
        if (head != std::string::npos && length != std::string::npos) {
            ::close(socket);
            return head + 4 + std::strtoull(answer.c_str() + length + 16, nullptr, 10);
        }
        const auto got = ::read(socket, bytes.data(), bytes.size());
        if (got <= 0) std::exit((std::fprintf(stderr, "no answer\n"), 1));
        answer.append(bytes.data(), static_cast<std::size_t>(got));
    }
}

struct Client {
    int socket;
    std::size_t received = 0;
    SteadyTime sent_at{};
};

int measure_rate(int port, int n_clients, int seconds, std::string_view path, int at_once) {
    std::string request = request_for(path);
    const std::size_t expected = answer_bytes(port, request) * static_cast<std::size_t>(at_once);
    std::string batch;
    for (int i = 0; i < at_once; ++i) batch += request;
    const int epoll = ::epoll_create1(0);
    std::vector<Client> clients;
    for (int i = 0; i < n_clients; ++i) clients.push_back({connect_to(port)});
    const auto send = [&](Client& client) {
        client.sent_at = std::chrono::steady_clock::now();
        (void)!::write(client.socket, batch.data(), batch.size());
    };
    for (auto& client : clients) {
        epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, client.socket, &event);
        send(client);
    }
    std::vector<float> microseconds;
    microseconds.reserve(4'000'000);
    const auto start = std::chrono::steady_clock::now();
    const auto end = start + std::chrono::seconds(seconds);
    std::size_t answers = 0;
    while (std::chrono::steady_clock::now() < end) {
        std::array<epoll_event, 128> events;
        const int n = ::epoll_wait(epoll, events.data(), events.size(), 1000);
        for (int i = 0; i < n; ++i) {
            auto& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
            std::array<char, 65536> bytes;
            const auto got = ::read(client.socket, bytes.data(), bytes.size());
            if (got <= 0) return std::fprintf(stderr, "connection lost\n"), 1;
            client.received += static_cast<std::size_t>(got);
            if (client.received < expected) continue;
            client.received = 0;
            answers += static_cast<std::size_t>(at_once);
            microseconds.push_back(
                std::chrono::duration<float, std::micro>(std::chrono::steady_clock::now() - client.sent_at).count());
            send(client);
        }
    }
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::ranges::sort(microseconds);
    const auto percentile = [&](double p) { return microseconds[static_cast<std::size_t>(p * (microseconds.size() - 1))]; };
    std::printf("%.0f requests/s, %d connections, latency p50 %.0f us, p99 %.0f us, max %.0f us\n", answers / elapsed,
                n_clients, percentile(0.5), percentile(0.99), percentile(1.0));
    return 0;
}

long resident_kib(const std::string& pid) {
    std::ifstream status("/proc/" + pid + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) return std::strtol(line.c_str() + 6, nullptr, 10);
    return 0;
}

int measure_idle(int port, int n_clients, const std::string& pid) {
    const std::string request = request_for("/health");
    const std::size_t expected = answer_bytes(port, request);
    const long before = resident_kib(pid);
    std::vector<int> sockets;
    for (int i = 0; i < n_clients; ++i) {
        sockets.push_back(connect_to(port));
        (void)!::write(sockets.back(), request.data(), request.size());
        std::vector<char> bytes(expected);
        for (std::size_t got = 0; got < expected;) {
            const auto n = ::read(sockets.back(), bytes.data(), bytes.size());
            if (n <= 0) return std::fprintf(stderr, "connection lost\n"), 1;
            got += static_cast<std::size_t>(n);
        }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const long after = resident_kib(pid);
    std::printf("%d idle connections: %.1f KiB each (resident %ld -> %ld KiB)\n", n_clients,
                static_cast<double>(after - before) / n_clients, before, after);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto argument = [&](int i, const char* otherwise) { return argc > i ? argv[i] : otherwise; };
    const int port = std::atoi(argument(1, "0"));
    const std::string_view mode = argument(2, "");
    if (mode == "rate")
        return measure_rate(port, std::atoi(argument(3, "64")), std::atoi(argument(4, "5")), argument(5, "/health"),
                            std::atoi(argument(6, "1")));
    if (mode == "idle") return measure_idle(port, std::atoi(argument(3, "2000")), argument(4, ""));
    std::fprintf(stderr, "usage: http_load PORT rate [CONNECTIONS [SECONDS [PATH [AT_ONCE]]]] | PORT idle CONNECTIONS PID\n");
    return 2;
}
