#include "services/documents/fusion.h"

#include <catch2/catch_test_macros.hpp>

namespace weft {
namespace {

std::vector<std::int64_t> order_of(std::vector<std::vector<std::int64_t>> lists, std::size_t limit = 10) {
    std::vector<std::int64_t> numbers;
    std::vector<Ranking> rankings;
    for (auto& list : lists) rankings.push_back({.passages = std::move(list)});
    for (const auto& one : fuse(rankings, limit)) numbers.push_back(one.number);
    return numbers;
}

}  // namespace

TEST_CASE("what stands high in both lists comes before what is first in one") {
    CHECK(order_of({{1, 2, 3}, {4, 2, 5}}) == std::vector<std::int64_t>{2, 1, 4, 3, 5});
    CHECK(order_of({{1, 2, 3}}) == std::vector<std::int64_t>{1, 2, 3});
    CHECK(order_of({{}, {7}}) == std::vector<std::int64_t>{7});
    CHECK(order_of({}).empty());
    CHECK(order_of({{1, 2}, {3, 4}}, 1) == std::vector<std::int64_t>{1});
}

TEST_CASE("the first of every list has the score 1, and scores fall with the ranks") {
    const std::vector<Ranking> rankings{{{1, 2}}, {{1, 3}}};
    const auto fused = fuse(rankings, 10);
    CHECK(fused[0].score == 1);
    CHECK(fused[1].score < 0.5);
    CHECK(fused[1].score > 0.4);
}

TEST_CASE("a ranking of little weight decides between passages that are alike otherwise, and adds what others lack") {
    const std::vector<Ranking> rankings{{{1, 2, 3}}, {{4, 3, 2, 1}, 0.01}};
    std::vector<std::int64_t> order;
    for (const auto& one : fuse(rankings, 10)) order.push_back(one.number);
    CHECK(order == std::vector<std::int64_t>{1, 2, 3, 4});
    CHECK(fuse(rankings, 10).back().score < 0.02);
}

}  // namespace weft
