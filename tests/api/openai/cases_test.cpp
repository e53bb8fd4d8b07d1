#include <catch2/catch_test_macros.hpp>

#include <map>

#include "api/openai/routes.h"
#include "support/case_runner.h"

using namespace weft;

namespace {

// Every request took seven milliseconds.
class FixedClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return TimePoint{} + std::chrono::milliseconds{7}; }
};

void add_routes(http::Router& router, Registry& registry, ChatService& chat, EmbedService& embed) {
    static const FixedClock clock;
    api::openai::Services services{.registry = registry, .chat = chat, .embed = embed, .clock = clock};
    // prefix000000000000000000000001, ...2: counted per prefix.
    services.new_id = [counts = std::map<std::string, int, std::less<>>()](std::string_view prefix) mutable {
        const auto digits = std::to_string(++counts[std::string(prefix)]);
        return std::string(prefix) + std::string(24 - digits.size(), '0') + digits;
    };
    services.unix_time = [] { return std::int64_t{1'700'000'000}; };
    api::openai::add_routes(router, services);
}

}  // namespace

TEST_CASE("the OpenAI dialect answers each case byte by byte") {
    test::check_cases(WEFT_SOURCE_DIR "/tests/api/openai", add_routes);
}
