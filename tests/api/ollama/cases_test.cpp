#include <catch2/catch_test_macros.hpp>

#include "api/ollama/routes.h"
#include "support/case_runner.h"

using namespace weft;

namespace {

// Every request took 60 milliseconds.
class FixedClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return TimePoint{} + std::chrono::milliseconds{60}; }
};

void add_routes(http::Router& router, Registry& registry, ChatService& chat, EmbedService& embed) {
    static const FixedClock clock;
    api::ollama::add_routes(router, {.registry = registry, .chat = chat, .embed = embed, .clock = clock,
                                     .wall_clock = [] {
                                         return std::chrono::sys_days{std::chrono::February / 3 / 2026} +
                                                std::chrono::hours{4} + std::chrono::nanoseconds{5};
                                     }});
}

}  // namespace

TEST_CASE("the Ollama dialect answers each case byte by byte") {
    test::check_cases(WEFT_SOURCE_DIR "/tests/api/ollama", add_routes);
}
