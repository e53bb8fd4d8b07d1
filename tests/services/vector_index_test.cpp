#include "services/documents/vector_index.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>

namespace weft {
namespace {

constexpr std::size_t dimensions = 16;

std::vector<float> random_vector(std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> vector(dimensions);
    float sum = 0;
    for (auto& value : vector) {
        value = normal(random);
        sum += value * value;
    }
    for (auto& value : vector) value /= std::sqrt(sum);
    return vector;
}

std::vector<std::int64_t> passages_of(const std::vector<Neighbour>& found) {
    std::vector<std::int64_t> passages;
    for (const auto& one : found) passages.push_back(one.passage);
    return passages;
}

}  // namespace

TEST_CASE("the nearest vectors come first, of the documents that were asked for") {
    VectorIndex index(1000);
    index.add({.passage = 1, .document = 1, .vector = {1, 0}});
    index.add({.passage = 2, .document = 2, .vector = {0, 1}});
    index.add({.passage = 3, .document = 2, .vector = {0.8F, 0.6F}});
    CHECK(passages_of(index.nearest({1, 0}, 10, {})) == std::vector<std::int64_t>{1, 3, 2});
    CHECK(passages_of(index.nearest({1, 0}, 1, {2})) == std::vector<std::int64_t>{3});
    CHECK(index.nearest({1, 0}, 10, {})[1].similarity > 0.79F);
    CHECK(index.similarity({1, 0}, 2) == 0);
    CHECK_FALSE(index.similarity({1, 0}, 9));
}

TEST_CASE("vectors of another length, those that are known and those of erased documents are left out") {
    VectorIndex index(1000);
    index.add({.passage = 1, .document = 1, .vector = {1, 0}});
    index.add({.passage = 2, .document = 1, .vector = {1, 0, 0}});
    index.add({.passage = 1, .document = 1, .vector = {0, 1}});
    CHECK(index.size() == 1);
    CHECK(index.nearest({1, 0, 0}, 10, {}).empty());
    index.erase_document(1);
    index.add({.passage = 3, .document = 1, .vector = {1, 0}});
    CHECK(index.size() == 0);
    CHECK(index.nearest({1, 0}, 10, {}).empty());
}

TEST_CASE("a graph finds nearly all of what comparing one by one finds, also after vectors came and went") {
    std::mt19937 random(3);
    VectorIndex graph(100);
    VectorIndex flat(1'000'000);
    const auto add = [&](std::int64_t passage) {
        const PassageVector vector{.passage = passage, .document = passage / 10, .vector = random_vector(random)};
        graph.add(vector);
        flat.add(vector);
    };
    const auto erase = [&](std::int64_t document) {
        graph.erase_document(document);
        flat.erase_document(document);
    };
    const auto agreement = [&] {
        std::size_t same = 0, all = 0;
        for (int round = 0; round < 50; ++round) {
            const auto query = random_vector(random);
            const auto right = passages_of(flat.nearest(query, 10, {}));
            const auto found = passages_of(graph.nearest(query, 10, {}));
            all += right.size();
            for (const auto passage : right) same += static_cast<std::size_t>(std::ranges::count(found, passage));
        }
        return static_cast<double>(same) / static_cast<double>(all);
    };
    for (std::int64_t passage = 0; passage < 1000; ++passage) add(passage);
    CHECK(graph.build_some());
    for (std::int64_t document = 0; document < 20; ++document) erase(document);  // while it is being built
    while (graph.build_some()) {}
    CHECK(agreement() > 0.95);
    for (std::int64_t passage = 1000; passage < 1200; ++passage) add(passage);
    CHECK(agreement() == 1);  // not whole: compared one by one
    while (graph.build_some()) {}
    for (std::int64_t document = 50; document < 60; ++document) erase(document);
    CHECK(agreement() > 0.95);
    CHECK(graph.size() == 900);
}

}  // namespace weft
