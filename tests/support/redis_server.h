#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/gguf_writer.h"

namespace weft::test {

// A real redis-server of the test's own, on a port of loopback, that keeps what it acknowledges. Each setting is
// as on its command line: "--appendfsync everysec".
class RedisServer {
  public:
    static bool installed() {
        for (const char* place : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"})
            if (std::filesystem::exists(place)) return true;
        return false;
    }

    explicit RedisServer(std::vector<std::string> settings = {}) : settings_(std::move(settings)), port_(free_port()) { start(); }
    ~RedisServer() { kill(); }
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    // Once more where the server ended because one of its ports was taken meanwhile: it listens on a second one
    // as a member of a cluster. A server that was started before stays on its port.
    void start() {
        for (int attempt = 0; attempt < 10; ++attempt) {
            spawn();
            if (answers()) {
                was_started_ = true;
                return;
            }
            kill();
            if (!was_started_) port_ = free_port();
        }
        std::ifstream log(folder_.path() / "log");
        throw std::runtime_error("redis-server does not answer: " + std::string(std::istreambuf_iterator<char>(log), {}));
    }

    // As when the power goes.
    void kill() {
        if (process_ <= 0) return;
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        process_ = 0;
    }

    // One command, on a connection of its own; the beginning of the answer as it stands in the protocol.
    std::string say(std::string_view command) {
        const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        answer_.clear();
        if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            const std::string line = std::string(command) + "\r\n";
            char bytes[4096];
            const auto sent = ::send(socket, line.data(), line.size(), MSG_NOSIGNAL);
            const auto got = sent < 0 ? -1 : ::recv(socket, bytes, sizeof bytes, 0);
            if (got > 0) answer_.assign(bytes, static_cast<std::size_t>(got));
        }
        ::close(socket);
        return answer_;
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    void spawn() {
        std::vector<std::string> words{"redis-server", "--port", std::to_string(port_), "--bind", "127.0.0.1", "--dir", folder_.path(),
                                       "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", folder_.path() / "log"};
        for (const auto& setting : settings_) {
            std::istringstream stream(setting);
            for (std::string word; stream >> word;) words.push_back(word);
        }
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            std::vector<char*> arguments;
            for (auto& word : words) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
    }

    // Whether it does, before it ends or half a minute is over.
    bool answers() {
        for (int i = 0; i < 3000; ++i) {
            if (say("PING").starts_with("+PONG") || answer_.starts_with("-NOAUTH") || answer_.starts_with("-NOPERM")) return true;
            if (::waitpid(process_, nullptr, WNOHANG) == process_) {
                process_ = 0;
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

    // Below those that the system gives to connections: one of them would keep the server from its port.
    static std::uint16_t free_port() {
        std::random_device random;
        for (;;) {
            const auto port = static_cast<std::uint16_t>(20'000 + random() % 12'000);
            const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
            const bool is_free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
            ::close(socket);
            if (is_free) return port;
        }
    }

    TemporaryFolder folder_;
    std::vector<std::string> settings_;
    std::uint16_t port_;
    pid_t process_ = 0;
    bool was_started_ = false;
    std::string answer_;
};

}  // namespace weft::test
