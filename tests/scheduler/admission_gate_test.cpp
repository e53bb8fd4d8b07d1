#include <catch2/catch_test_macros.hpp>

#include "scheduler/admission_gate.h"

namespace weft::test {
namespace {

int entered(AdmissionGate& gate, const std::string& tenant, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += gate.try_enter(tenant) ? 1 : 0;
    return count;
}

}  // namespace

TEST_CASE("one tenant alone gets all of the queue and no more") {
    AdmissionGate gate(8);
    CHECK(entered(gate, "one", 20) == 8);
    gate.leave("one");
    CHECK(entered(gate, "one", 20) == 1);
    CHECK(gate.inside() == 8);
}

TEST_CASE("a queue that one tenant filled has room for others, up to a quarter more and their even share") {
    AdmissionGate gate(8);
    REQUIRE(entered(gate, "flood", 20) == 8);
    CHECK(entered(gate, "light", 1) == 1);
    CHECK(entered(gate, "flood", 1) == 0);
    CHECK(entered(gate, "light", 9) == 1);
    CHECK(entered(gate, "third", 1) == 0);
    CHECK(gate.inside() == 10);
    for (int i = 0; i < 6; ++i) gate.leave("flood");
    CHECK(entered(gate, "light", 9) == 4);  // to the capacity, whoever comes
    CHECK(entered(gate, "light", 9) == 0);
    CHECK(entered(gate, "flood", 9) == 2);  // it has less than a half now
}

TEST_CASE("prompt tokens are bounded alike, but a prompt alone may be larger than the bound") {
    AdmissionGate gate(100, 1000);
    for (const auto* tenant : {"flood", "flood", "light", "huge"}) REQUIRE(gate.try_enter(tenant));
    CHECK(gate.try_add_tokens("flood", 900));
    CHECK_FALSE(gate.try_add_tokens("flood", 200));
    CHECK(gate.try_add_tokens("light", 200));
    CHECK_FALSE(gate.try_add_tokens("light", 200));
    CHECK_FALSE(gate.try_add_tokens("huge", 5000));
    gate.remove_tokens("flood", 900);
    gate.remove_tokens("light", 200);
    CHECK(gate.try_add_tokens("huge", 5000));
    CHECK(gate.tokens() == 5000);
}

}  // namespace weft::test
