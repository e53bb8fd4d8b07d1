#include "cli/slash_commands.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::cli;

TEST_CASE("words are split at blanks, quotes keep them together") {
    using Words = std::vector<std::string>;
    CHECK(split_words("/set parameter  stop \"a b\" c") == Words{"/set", "parameter", "stop", "a b", "c"});
    CHECK(split_words("  one ") == Words{"one"});
    CHECK(split_words("\"\" x") == Words{"", "x"});
    CHECK(split_words("").empty());
}

TEST_CASE("a command begins with a slash, a path is no command") {
    CHECK(SlashCommands::is_command("/set verbose"));
    CHECK(SlashCommands::is_command("/nonsense"));
    CHECK_FALSE(SlashCommands::is_command("/home/me/letter.txt what is this?"));
    CHECK_FALSE(SlashCommands::is_command("what does /set do?"));
    CHECK_FALSE(SlashCommands::is_command(""));
}
