#include "registry/model_name.h"

#include <catch2/catch_test_macros.hpp>

namespace weft {
namespace {

std::string shown(std::string_view text) {
    const auto name = ModelName::parse(text);
    return name ? name->display() : "invalid";
}

bool same(std::string_view a, std::string_view b) { return ModelName::parse(a)->key() == ModelName::parse(b)->key(); }

}  // namespace

TEST_CASE("a name is shown with its tag and without default host and namespace") {
    CHECK(shown("llama3.2") == "llama3.2:latest");
    CHECK(shown("llama3.2:1b") == "llama3.2:1b");
    CHECK(shown("user/m:v1") == "user/m:v1");
    CHECK(shown("library/m") == "m:latest");
    CHECK(shown("registry.ollama.ai/library/m:t") == "m:t");
    CHECK(shown("registry.ollama.ai/user/m:t") == "user/m:t");
    CHECK(shown("hf.co/u/r:Q4_K_M") == "hf.co/u/r:Q4_K_M");
    CHECK(shown("host/library/m:t") == "host/library/m:t");
    CHECK(shown("https://localhost:5000/a/b") == "localhost:5000/a/b:latest");
}

TEST_CASE("a tag begins at the last colon behind the last slash") {
    const auto name = ModelName::parse("h:80/n/m");
    REQUIRE(name);
    CHECK(name->host == "h:80");
    CHECK(name->namespace_ == "n");
    CHECK(name->model == "m");
    CHECK(name->tag == "latest");
}

TEST_CASE("casing, default parts and the :local suffix do not tell names apart") {
    CHECK(same("Demo", "demo:latest"));
    CHECK(same("demo:LATEST", "registry.ollama.ai/Library/demo"));
    CHECK(same("demo:local", "demo"));
    CHECK(same("demo:7b:local", "demo:7b"));
    CHECK(same("http://host/n/m", "https://host/n/m"));
    CHECK_FALSE(same("demo:a", "demo:b"));
    CHECK_FALSE(same("a/m", "b/m"));
}

TEST_CASE("parts that are empty, too long or hold forbidden characters make a name invalid") {
    for (const std::string text : {"", ":", "m:", ":t", "/m", "/n/m", "n//m", "a/b/c/d", "m ", " m", ".m", "-m", "..", "../m",
                                   "a.b/m", "m:.t", "m:-t", "m@x", "m\nx", "n/..", "h/../m", "a:b:c", "m\xc3\xa4", "://m",
                                   ":local"})
        CHECK(shown(text) == "invalid");
    CHECK(shown(std::string(80, 'm')) != "invalid");
    CHECK(shown(std::string(81, 'm')) == "invalid");
    CHECK(shown(std::string(350, 'h') + "/n/m") != "invalid");
    CHECK(shown(std::string(351, 'h') + "/n/m") == "invalid");
    CHECK(shown(std::string("m\0x", 3)) == "invalid");
}

TEST_CASE("a file name becomes a valid name part") {
    CHECK(name_part_from_file("Llama-3.2-1B-Instruct-Q4_K_M") == "llama-3.2-1b-instruct-q4_k_m");
    CHECK(name_part_from_file("my model (v2)") == "my-model--v2-");
    CHECK(name_part_from_file("..hidden") == "hidden");
    CHECK(name_part_from_file("---").empty());
    CHECK(name_part_from_file(std::string(200, 'x')).size() == 80);
}

}  // namespace weft
