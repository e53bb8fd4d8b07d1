#include "cli/shell_completion.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::cli;

TEST_CASE("every shell on offer gets a script that knows every command") {
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const auto script = completion_script(shell);
        REQUIRE(script);
        for (const char* command : {"serve", "run", "list", "ps", "show", "stop", "health", "version", "completion", "help"})
            CHECK(script->contains(command));
    }
    CHECK_FALSE(completion_script("tcsh"));
}
