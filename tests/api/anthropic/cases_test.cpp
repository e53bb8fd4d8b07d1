#include <catch2/catch_test_macros.hpp>

#include "api/anthropic/routes.h"
#include "support/case_runner.h"

using namespace weft;

namespace {

void add_routes(http::Router& router, Registry& registry, ChatService& chat, EmbedService&) {
    api::anthropic::Services services{.registry = registry, .chat = chat};
    services.new_id = [](std::string_view prefix) { return std::string(prefix) + "000000000000000000000001"; };
    api::anthropic::add_routes(router, services);
    router.add("GET", "/v1/models", api::anthropic::list_models_handler(services));
    router.add("GET", "/v1/models/*id", api::anthropic::show_model_handler(services));
}

}  // namespace

TEST_CASE("the Anthropic dialect answers each case byte by byte") {
    test::check_cases(WEFT_SOURCE_DIR "/tests/api/anthropic", add_routes);
}
