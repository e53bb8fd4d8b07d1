#include "runner/supervised_runner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace weft {
namespace {

// A program that says nothing and does not end by itself, in place of an engine.
class SilentProgram {
  public:
    SilentProgram() : path_(std::filesystem::temp_directory_path() / ("weft-silent-" + std::to_string(::getpid()))) {
        std::ofstream(path_) << "#!/bin/sh\nexec sleep 600\n";
        ::chmod(path_.c_str(), 0700);
    }
    ~SilentProgram() { std::filesystem::remove(path_); }
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

TEST_CASE("an io_context that goes before a stopped engine has ended takes the engine with it") {
    const SilentProgram program;
    const auto held = std::make_shared<int>(0);
    pid_t pid = -1;
    {
        boost::asio::io_context io;
        auto runner = SupervisedRunner::load(io.get_executor(), {.program = program.path(), .model_name = "silent"}, [](auto) {});
        while (runner->pid() < 0 && io.run_one() > 0) {}
        REQUIRE(runner->pid() > 0);
        pid = runner->pid();
        runner->stop([held] {});
        runner.reset();
        io.poll();
    }
    CHECK(held.use_count() == 1);
    CHECK((::kill(pid, 0) == -1 && errno == ESRCH));
    if (::kill(pid, 0) == 0) ::kill(pid, SIGKILL);
}

}  // namespace
}  // namespace weft
