#include "cli/top_command.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::cli;

namespace {

constexpr auto answer = R"({"models":[{"model":"demo:latest","ready":true,"slots":64,"running":1,"waiting":1,"parked":1,"kv_cells":1000,
"kv_cells_used":250,"kv_cells_evictable":9,"prefilled_tokens":100,"cached_tokens":300,"completion_tokens":40,"steps":7,"new_field":1,
"sequences":[{"request":5,"choice":0,"state":"decode","position":0,"priority":0,"tenant":"ab12","prompt_tokens":30,
"computed_tokens":32,"generated_tokens":3,"age_ms":1500},{"request":6,"choice":1,"state":"parked","position":1,"priority":2,
"tenant":"","prompt_tokens":9,"computed_tokens":0,"generated_tokens":4,"age_ms":20}]}]})";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("top shows places, queue, cache and who waits") {
    const auto models = parse_queue(answer);
    REQUIRE(models);
    const auto text = top_table(*models, {}, 0, 20);
    CHECK(contains(text, "demo:latest"));
    CHECK(contains(text, "1/64"));
    CHECK(contains(text, "25%"));
    CHECK(contains(text, "75%"));
    CHECK(contains(text, "5.0"));
    CHECK(contains(text, "parked"));
    CHECK(contains(text, "32/33"));
    CHECK_FALSE(contains(text, "/s"));
}

TEST_CASE("top shows rates from the second look on, and none after a restart of the model") {
    const auto before = *parse_queue(answer);
    auto now = before;
    now[0].prefilled_tokens += 50;
    now[0].completion_tokens += 20;
    auto text = top_table(now, before, 2, 20);
    CHECK(contains(text, "25/s"));
    CHECK(contains(text, "10/s"));
    now[0].completion_tokens = 1;
    CHECK_FALSE(contains(top_table(now, before, 2, 20), "10/s"));
}

TEST_CASE("top shows no more sequences than there is room for, and no control characters") {
    auto models = *parse_queue(answer);
    models[0].model = "a\x1b[31mb";
    const auto text = top_table(models, {}, 0, 1);
    CHECK_FALSE(contains(text, "parked"));
    CHECK_FALSE(contains(text, "\x1b"));
}

TEST_CASE("top shows who waits for a model that has no room yet") {
    const auto models = parse_queue(R"({"models":[{"model":"two:latest","resident":false,"ready":false,"awaiting_model":33}]})");
    REQUIRE(models);
    const auto text = top_table(*models, {}, 0, 20);
    CHECK(contains(text, "no room"));
    CHECK(contains(text, "33"));
}

TEST_CASE("an answer that is something else is an error") { CHECK_FALSE(parse_queue("<html>").has_value()); }
