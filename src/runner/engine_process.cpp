#include "runner/engine_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/log.h"

extern char** environ;  // NOLINT: POSIX

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr int engine_descriptor = 3;  // where the child finds its socket
constexpr auto stop_grace = std::chrono::seconds(12);  // an engine writes down its prefixes
constexpr int socket_buffer_bytes = 1 << 20;

// libgomp's threads spin for each other at every barrier, in vain where a neighbour has the processor that the other one
// needs: two engines on two processors, or one and a compiler.
constexpr const char* spin_count = "GOMP_SPINCOUNT=300";

std::vector<std::string> engine_environment() {
    std::vector<std::string> environment;
    bool has_spin_count = false;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        environment.emplace_back(*entry);
        has_spin_count = has_spin_count || environment.back().starts_with("GOMP_SPINCOUNT=") ||
                         environment.back().starts_with("OMP_WAIT_POLICY=");
    }
    if (!has_spin_count) environment.emplace_back(spin_count);
    return environment;
}

Result<pid_t> spawn(const std::string& program, int socket) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, engine_descriptor);
    // Asio's sockets are not close-on-exec: an engine that outlives us would hold on to our port and our clients.
    posix_spawn_file_actions_addclosefrom_np(&actions, engine_descriptor + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // Its own process group: a terminal's Ctrl-C is for the gateway, which drains first.
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);

    std::vector<std::string> words{program, "engine", "--fd", std::to_string(engine_descriptor)};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    auto variables = engine_environment();
    std::vector<char*> environment;
    for (auto& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);

    pid_t pid = -1;
    const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return std::unexpected(Error{.code = ErrorCode::engine_failed,
                                     .message = "the engine process could not be started",
                                     .detail = std::strerror(error)});
    return pid;
}

}  // namespace

std::string describe_exit(int wait_status) {
    if (WIFSIGNALED(wait_status))
        return "killed by signal " + std::to_string(WTERMSIG(wait_status)) + " (" + strsignal(WTERMSIG(wait_status)) + ")";
    return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

Result<std::shared_ptr<EngineProcess>> EngineProcess::start(asio::any_io_executor io, const std::string& program,
                                                            const LoadMessage& load, Hooks hooks) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return fail(ErrorCode::engine_failed, "no socket for the engine process");
    for (const int end : pair) {
        ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
        ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
    }
    // dup2 onto itself would keep close-on-exec: the child's end must not be that number already.
    int child_end = pair[1];
    if (child_end == engine_descriptor) {
        child_end = ::fcntl(pair[1], F_DUPFD_CLOEXEC, engine_descriptor + 1);
        ::close(pair[1]);
    }
    auto pid = spawn(program, child_end);
    ::close(child_end);
    if (!pid) {
        ::close(pair[0]);
        return std::unexpected(pid.error());
    }
    const int pid_descriptor = static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0));
    std::shared_ptr<EngineProcess> process(
        new EngineProcess(std::move(io), pair[0], pid_descriptor, *pid, std::move(hooks)));
    process->read_header();
    process->wait_for_exit();
    process->send(load);
    return process;
}

EngineProcess::EngineProcess(asio::any_io_executor io, int socket, int pid_descriptor, pid_t pid, Hooks hooks)
    : socket_(io, asio::local::stream_protocol(), socket),
      exit_(io, pid_descriptor),
      grace_(io),
      pid_(pid),
      hooks_(std::move(hooks)) {}

EngineProcess::~EngineProcess() {
    if (exit_status_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void EngineProcess::send(const ToEngine& message) {
    if (dead_ || stopping_) return;
    outgoing_.push_back(encode(message));
    if (!writing_) write_next();
}

void EngineProcess::write_next() {
    writing_ = !outgoing_.empty();
    if (!writing_) return;
    asio::async_write(socket_, asio::buffer(outgoing_.front()),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                          if (error) return;  // its end is noticed by wait_for_exit()
                          self->outgoing_.pop_front();
                          self->write_next();
                      });
}

void EngineProcess::read_header() {
    header_.resize(frame_header_bytes);
    asio::async_read(socket_, asio::buffer(header_),
                     [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                         if (error) return self->end_of_stream();
                         const auto header = decode_header(self->header_);
                         if (!header) return self->lost(header.error().message);
                         self->read_body(header->length);
                     });
}

void EngineProcess::read_body(std::uint32_t length) {
    body_.resize(length);
    asio::async_read(socket_, asio::buffer(body_),
                     [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                         if (error) return self->end_of_stream();
                         auto message = decode_from_engine(self->body_);
                         if (!message) return self->lost(message.error().message);
                         self->dispatch(std::move(*message));
                         if (!self->dead_) self->read_header();
                     });
}

void EngineProcess::dispatch(FromEngine message) {
    if (auto* frame = std::get_if<EventFrame>(&message)) {
        for (auto& event : frame->events) hooks_.on_event(event.id, std::move(event.event));
    } else if (const auto* heartbeat = std::get_if<EngineHeartbeat>(&message)) {
        hooks_.on_heartbeat(*heartbeat);
    } else if (const auto* ready = std::get_if<ReadyMessage>(&message)) {
        hooks_.on_ready(ready->description);
    } else if (auto* failed = std::get_if<FailedMessage>(&message)) {
        hooks_.on_failed(std::move(failed->error));
    } else if (auto* embed = std::get_if<EmbedReply>(&message)) {
        hooks_.on_embed(std::move(*embed));
    } else if (auto* tokens = std::get_if<TokenizeReply>(&message)) {
        hooks_.on_tokenize(std::move(*tokens));
    } else if (auto* text = std::get_if<TextReply>(&message)) {
        hooks_.on_text(std::move(*text));
    } else if (auto* pieces = std::get_if<PiecesReply>(&message)) {
        hooks_.on_pieces(std::move(*pieces));
    } else if (auto* count = std::get_if<CountReply>(&message)) {
        hooks_.on_count(std::move(*count));
    }
}

void EngineProcess::lost(const std::string& detail) {
    log_error("engine_protocol_broken", {{"pid", pid_}, {"reason", detail}});
    kill();
}

void EngineProcess::kill() {
    if (!exit_status_) ::kill(pid_, SIGKILL);
}

void EngineProcess::stop(std::function<void()> ended) {
    if (ended) ended_ = std::move(ended);
    if (dead_ || stopping_) return;
    stopping_ = true;
    boost::system::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    grace_.expires_after(stop_grace);
    grace_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->kill();
    });
}

void EngineProcess::wait_for_exit() {
    exit_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                         if (error) return;
                         int status = 0;
                         if (::waitpid(self->pid_, &status, WNOHANG) != self->pid_) return self->wait_for_exit();
                         self->exit_status_ = status;
                         if (self->stream_ended_) self->bury();
                     });
}

// A dying engine's last words may still be in the socket: it is buried when they are read and it is over.
void EngineProcess::end_of_stream() {
    stream_ended_ = true;
    if (exit_status_) return bury();
    grace_.expires_after(stop_grace);
    grace_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->kill();
    });
}

void EngineProcess::bury() {
    if (dead_) return;
    const int wait_status = *exit_status_;
    dead_ = true;
    grace_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    const auto how = describe_exit(wait_status);
    const bool expected = stopping_ && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    log(expected ? LogLevel::info : LogLevel::error, "engine_ended", {{"pid", pid_}, {"how", how}});
    auto hooks = std::move(hooks_);
    hooks_ = {};
    if (hooks.on_death)
        hooks.on_death({.code = ErrorCode::engine_failed,
                        .message = "the engine process of this model ended unexpectedly",
                        .detail = how});
    if (const auto ended = std::exchange(ended_, nullptr)) ended();
}

}  // namespace weft
