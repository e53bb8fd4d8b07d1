#include "api/caller.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

Result<GenerateRequest> caller(Headers headers) {
    http::Request request;
    request.headers = std::move(headers);
    GenerateRequest generate{.prompt = TextPrompt{}, .priority = 7};
    WEFT_CHECK(api::set_caller(request, generate));
    return generate;
}

}  // namespace

TEST_CASE("a tenant is whoever sends the same string, however it is sent") {
    const auto bearer = caller({{"authorization", "Bearer secret"}})->tenant;
    CHECK(bearer.size() == 16);
    CHECK(bearer.find("secret") == std::string::npos);
    CHECK(caller({{"authorization", "bearer secret"}})->tenant == bearer);
    CHECK(caller({{"x-api-key", "secret"}})->tenant == bearer);
    CHECK(caller({{"x-api-key", "other"}})->tenant != bearer);
}

TEST_CASE("without a string, or with another scheme, a tenant is nobody in particular") {
    CHECK(caller({})->tenant.empty());
    CHECK(caller({{"authorization", "Bearer "}})->tenant.empty());
    CHECK(caller({{"authorization", "Basic abc"}})->tenant.empty());
}

TEST_CASE("headers say how urgent a request is and what it shares") {
    const auto generate = caller({{"x-weft-priority", "-3"}, {"x-weft-deadline-ms", "1500"}, {"x-weft-cache", "shared"}});
    REQUIRE(generate);
    CHECK(generate->priority == -3);
    CHECK(generate->deadline_ms == 1500);
    CHECK(generate->shared_cache);
    CHECK(caller({})->priority == 7);
    CHECK_FALSE(caller({{"x-weft-cache", "private"}})->shared_cache);
}

TEST_CASE("a header that makes no sense is refused by name") {
    for (const auto& [name, value] : Headers{{"x-weft-priority", "high"}, {"x-weft-priority", "1001"}, {"x-weft-priority", "1 "},
                                             {"x-weft-deadline-ms", "0"}, {"x-weft-deadline-ms", "-5"},
                                             {"x-weft-deadline-ms", "99999999999999999999"}, {"x-weft-cache", "everyone"}}) {
        INFO(name << ": " << value);
        const auto generate = caller({{name, value}});
        REQUIRE_FALSE(generate);
        CHECK(generate.error().code == ErrorCode::invalid_request);
        CHECK(generate.error().field == name);
    }
}
