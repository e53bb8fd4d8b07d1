#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "ollama_server.h"

using namespace weft;
using namespace weft::test;

namespace {

double length_of(const Answer& answer, const std::string& path, int dimensions) {
    double squares = 0;
    for (int i = 0; i < dimensions; ++i) squares += std::pow(std::stod(answer.at(path + "." + std::to_string(i))), 2);
    return std::sqrt(squares);
}

}  // namespace

TEST_CASE("vectors have length 1, cut ones too, and do not depend on their neighbours") {
    OllamaServer server;
    server.has_model("m", {"embedding"});
    const auto one = server.post("/api/embed", R"({"model":"m","input":"b"})");
    const auto many = server.post("/api/embed", R"({"model":"m","input":["a","b","c"]})");
    CHECK(length_of(one, "embeddings.0", 4) == Catch::Approx(1).margin(1e-5));
    CHECK(one.at("embeddings.0") == many.at("embeddings.1"));
    CHECK(many.at("embeddings.3") == "absent");
    CHECK(many.at("prompt_eval_count") == "3");
    const auto cut = server.post("/api/embed", R"({"model":"m","input":"b","dimensions":2})");
    CHECK(cut.at("embeddings.0.2") == "absent");
    CHECK(length_of(cut, "embeddings.0", 2) == Catch::Approx(1).margin(1e-5));
}

TEST_CASE("the older route gives the plain vector of a BERT model and a normalised one of others") {
    OllamaServer server;
    auto& plain = server.has_model("old", {"embedding"});
    server.registry.info("old").architecture = "nomic-bert";
    auto& other = server.has_model("new", {"embedding"});
    CHECK(server.post("/api/embeddings", R"({"model":"old","prompt":"a"})").status == 200);
    CHECK(server.post("/api/embeddings", R"({"model":"new","prompt":"a"})").status == 200);
    CHECK_FALSE(plain.embed_requests.at(0).normalize);
    CHECK(other.embed_requests.at(0).normalize);
}

TEST_CASE("more inputs than the named bound are refused") {
    OllamaServer server;
    server.has_model("m", {"embedding"});
    std::string inputs = "\"a\"";
    for (int i = 0; i < 1 << 14; ++i) inputs += ",\"a\"";
    const auto answer = server.post("/api/embed", R"({"model":"m","input":[)" + inputs + "]}");
    CHECK(answer.status == 413);
    CHECK(answer.error() == "at most 16384 inputs are possible");
}
