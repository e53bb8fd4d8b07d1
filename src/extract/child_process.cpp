#include "extract/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/descriptor.h"

namespace weft {
namespace {

constexpr std::size_t bytes_per_turn = 64 * 1024;
constexpr rlim_t open_files_of_child = 64;

using Clock = std::chrono::steady_clock;

std::unexpected<Error> cannot_run(std::string what) {
    return std::unexpected(Error{.code = ErrorCode::internal, .message = "a helper program cannot be started",
                                 .detail = std::move(what) + ": " + std::strerror(errno)});
}

// What the child is started with; the descriptors become its 0 and 1, its 2 is nowhere.
class SpawnPlan {
  public:
    SpawnPlan(int input, int output) {
        posix_spawn_file_actions_init(&actions_);
        posix_spawn_file_actions_adddup2(&actions_, input, 0);
        posix_spawn_file_actions_adddup2(&actions_, output, 1);
        posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
        posix_spawnattr_init(&attributes_);
        posix_spawnattr_setpgroup(&attributes_, 0);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes_, &signals);
        sigaddset(&signals, SIGPIPE);  // which we ignore, and the child would inherit that
        posix_spawnattr_setsigdefault(&attributes_, &signals);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;

    // An errno, 0 when it runs.
    int start(const std::vector<std::string>& command, pid_t& pid) {
        std::vector<char*> arguments;
        for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
        std::string language = "LC_ALL=C.UTF-8";
        const std::array<char*, 3> environment{path.data(), language.data(), nullptr};
        return posix_spawnp(&pid, command.front().c_str(), &actions_, &attributes_, arguments.data(), environment.data());
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

// Ended and waited for, whatever happens.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        (void)wait();
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    // It has read none of its input yet, so nothing hostile runs without them.
    [[nodiscard]] bool limit(const ChildLimits& limits) const {
        const auto set = [this](auto what, rlim_t most) {
            const rlimit both{.rlim_cur = most, .rlim_max = most};
            return ::prlimit(pid_, what, &both, nullptr) == 0;
        };
        return set(RLIMIT_AS, limits.memory_bytes) && set(RLIMIT_CPU, limits.processor_seconds) && set(RLIMIT_FSIZE, 0) &&
               set(RLIMIT_CORE, 0) && set(RLIMIT_NOFILE, open_files_of_child);
    }

  private:
    pid_t pid_;
};

// Feeds and reads until the child has closed its output.
class Conversation {
  public:
    Conversation(int output, std::string_view input, const ChildLimits& limits) : output_(output), left_(input), limits_(limits) {}

    Result<std::string> run(int input) {
        int open_input = input;
        const auto deadline = Clock::now() + limits_.time;
        for (;;) {
            if (left_.empty() && open_input >= 0) {
                ::shutdown(open_input, SHUT_WR);
                open_input = -1;
            }
            const auto patience = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
            if (patience <= 0) return fail(ErrorCode::timeout, "took too long");
            std::array<pollfd, 2> wanted{{{.fd = output_, .events = POLLIN, .revents = 0}, {.fd = open_input, .events = POLLOUT, .revents = 0}}};
            if (::poll(wanted.data(), wanted.size(), static_cast<int>(patience)) < 0 && errno != EINTR) return cannot_run("poll");
            if (wanted[1].revents != 0 && !feed(open_input)) open_input = -1;
            if (wanted[0].revents == 0) continue;
            WEFT_TRY(const bool more, read());
            if (!more) return std::move(text_);
        }
    }

  private:
    // False when the child does not want any more.
    bool feed(int input) {
        const auto sent = ::send(input, left_.data(), std::min(left_.size(), bytes_per_turn), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        left_.remove_prefix(static_cast<std::size_t>(sent));
        return true;
    }

    Result<bool> read() {
        std::array<char, bytes_per_turn> buffer;
        const auto got = ::read(output_, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) return true;
        if (got <= 0) return false;
        text_.append(buffer.data(), static_cast<std::size_t>(got));
        if (text_.size() > limits_.output_bytes) return fail(ErrorCode::too_large, "holds too much text");
        return true;
    }

    int output_;
    std::string_view left_;
    const ChildLimits& limits_;
    std::string text_{};
};

}  // namespace

Result<ChildOutput> run_child(const std::vector<std::string>& command, std::string_view input, const ChildLimits& limits) {
    std::array<int, 2> to_child{-1, -1};
    std::array<int, 2> from_child{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_child.data()) != 0) return cannot_run("socketpair");
    const Descriptor our_input(to_child[0]);
    pid_t pid = 0;
    int error = 0;
    {
        const Descriptor their_input(to_child[1]);
        if (::pipe2(from_child.data(), O_CLOEXEC) != 0) return cannot_run("pipe");
        const Descriptor their_output(from_child[1]);
        error = SpawnPlan(their_input.get(), their_output.get()).start(command, pid);
    }
    const Descriptor our_output(from_child[0]);
    if (error == ENOENT) return fail(ErrorCode::not_implemented, "the program " + command.front() + " is not installed on the server");
    errno = error;
    if (error != 0) return cannot_run(command.front());
    Child child(pid);
    if (!child.limit(limits)) return cannot_run("prlimit");
    WEFT_TRY(auto text, Conversation(our_output.get(), input, limits).run(our_input.get()));
    return ChildOutput{.text = std::move(text), .status = child.wait()};
}

}  // namespace weft
