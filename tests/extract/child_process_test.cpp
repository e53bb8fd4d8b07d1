#include "extract/child_process.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "extract/pdf_text.h"

namespace weft {
namespace {

std::string read_start(const char* file) {
    std::ifstream in(file);
    std::string word;
    in >> word;
    return word;
}

}  // namespace

TEST_CASE("a child gets its input whole and what it says comes back") {
    const std::string input(300'000, 'x');
    const auto output = run_child({"cat"}, input, {});
    REQUIRE(output);
    CHECK(output->status == 0);
    CHECK(output->text == input);
}

TEST_CASE("a child that reads nothing does not block, and its status comes back") {
    const auto output = run_child({"sh", "-c", "exit 3"}, std::string(1'000'000, 'x'), {});
    REQUIRE(output);
    CHECK(output->status == 3);
}

TEST_CASE("a child sees neither our environment nor our files, and can write none") {
    REQUIRE(!read_start("/proc/self/comm").empty());
    ::setenv("WEFT_TEST_SECRET", "hidden", 1);
    std::ifstream ours("/proc/self/status");
    const auto output = run_child({"sh", "-c", "echo [$WEFT_TEST_SECRET]; ls /proc/self/fd | wc -l; echo x > /tmp/weft-child-test && wc -c < /tmp/weft-child-test"}, "", {});
    REQUIRE(output);
    // Its own 0, 1 and 2, and the folder that ls looks at.
    CHECK(output->text.starts_with("[]\n4\n"));
    CHECK_FALSE(output->text.ends_with("2\n"));
    CHECK(output->status != 0);
}

TEST_CASE("a child that takes too long, too much memory or says too much is ended") {
    CHECK(run_child({"sleep", "100"}, "", {.time = std::chrono::milliseconds(50)}).error().code == ErrorCode::timeout);
    CHECK(run_child({"cat", "/dev/zero"}, "", {.output_bytes = 100'000}).error().code == ErrorCode::too_large);
    // tail keeps what has no line end.
    const auto greedy = run_child({"tail", "/dev/zero"}, "", {.memory_bytes = 64 << 20});
    REQUIRE(greedy);
    CHECK(greedy->status != 0);
    const auto busy = run_child({"sh", "-c", "while :; do :; done"}, "", {.processor_seconds = 1});
    REQUIRE(busy);
    CHECK(busy->status > 128);
}

TEST_CASE("a program that is not there is said to be so") {
    const auto output = run_child({"weft-no-such-program"}, "", {});
    REQUIRE_FALSE(output);
    CHECK(output.error().code == ErrorCode::not_implemented);
    CHECK(output.error().message.contains("weft-no-such-program"));
}

TEST_CASE("what is no PDF is refused before any program is asked") {
    CHECK(pdf_text("hello", {}).error().code == ErrorCode::invalid_request);
    CHECK(pdf_text(std::string(2000, ' ') + "%PDF-1.4", {}).error().code == ErrorCode::invalid_request);
}

}  // namespace weft
