#include <catch2/catch_test_macros.hpp>

#include "ollama_server.h"
#include "registry/gguf.h"
#include "support/gguf_writer.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

// A model whose description comes from a file that was really written and read.
void give_header(OllamaServer& server, const std::string& name, const TemporaryFolder& folder) {
    std::vector<std::string> vocabulary(2000, "word");
    small_model()
        .string("general.name", "Secret name")
        .string("general.basename", "demo")
        .string("tokenizer.chat_template", "{{ messages }}")
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
        .strings("tokenizer.ggml.tokens", vocabulary)
        .i32s("llama.rope.sections", {1, 2, 3})
        .write(folder.path() / "m.gguf");
    auto header = read_gguf(folder.path() / "m.gguf");
    REQUIRE(header.has_value());
    server.registry.info(name).header = std::make_shared<const GgufHeader>(std::move(*header));
}

}  // namespace

TEST_CASE("models are listed newest first, loaded ones longest first") {
    OllamaServer server;
    server.has_model("old");
    server.has_model("new");
    server.registry.info("old").modified_at -= 1h;
    const auto tags = server.get("/api/tags");
    CHECK(tags.at("models.0.name") == "\"new:latest\"");
    CHECK(tags.at("models.1.name") == "\"old:latest\"");
    CHECK(tags.at("models.0.digest").size() == 66);

    server.post("/api/generate", R"({"model":"old","keep_alive":-1})");
    server.post("/api/generate", R"({"model":"new","keep_alive":60})");
    const auto loaded = server.get("/api/ps");
    CHECK(loaded.at("models.0.name") == "\"old:latest\"");
    CHECK(loaded.at("models.0.expires_at") > "\"2046");
    CHECK(loaded.at("models.1.name") == "\"new:latest\"");
    CHECK(loaded.at("models.1.size") == "5000");
    CHECK(loaded.at("models.1.size_vram") == "0");
    CHECK(loaded.at("models.1.context_length") == "4096");
}

TEST_CASE("show tells the file's metadata without its name, template and vocabulary") {
    OllamaServer server;
    const TemporaryFolder folder;
    server.has_model("m");
    give_header(server, "m", folder);
    const auto answer = server.post("/api/show", R"({"model":"m"})");
    REQUIRE(answer.status == 200);
    const auto body = answer.json();
    const auto& info = body.get_object().find("model_info")->second.get_object();
    CHECK(api::write_json(info.find("general.architecture")->second) == "\"llama\"");
    CHECK(api::write_json(info.find("general.basename")->second) == "\"demo\"");
    CHECK(api::write_json(info.find("llama.block_count")->second) == "2");
    CHECK(api::write_json(info.find("llama.attention.layer_norm_rms_epsilon")->second) == "1E-5");
    CHECK(api::write_json(info.find("llama.rope.sections")->second) == "[1,2,3]");
    CHECK(info.contains("general.parameter_count"));
    REQUIRE(info.contains("tokenizer.ggml.tokens"));
    CHECK(info.find("tokenizer.ggml.tokens")->second.is_null());
    CHECK_FALSE(info.contains("general.name"));
    CHECK_FALSE(info.contains("tokenizer.chat_template"));
    CHECK(answer.at("tensors") == "absent");
    CHECK_FALSE(answer.body.contains(folder.path().string()));
}

TEST_CASE("a verbose show tells the vocabulary and the tensors too") {
    OllamaServer server;
    const TemporaryFolder folder;
    server.has_model("m");
    give_header(server, "m", folder);
    const auto answer = server.post("/api/show", R"({"model":"m","verbose":true})");
    REQUIRE(answer.status == 200);
    const auto body = answer.json();
    const auto& info = body.get_object().find("model_info")->second.get_object();
    CHECK(info.find("tokenizer.ggml.tokens")->second.get_array().size() == 2000);
    CHECK(answer.at("tensors.0.name") != "absent");
    CHECK(answer.at("tensors.0.type") == "\"F32\"");
    CHECK(answer.at("tensors.0.shape") != "[]");
}

TEST_CASE("each path knows its methods") {
    const OllamaServer server;
    CHECK(server.methods_of("/") == "GET, HEAD, OPTIONS");
    CHECK(server.methods_of("/api/version") == "GET, HEAD, OPTIONS");
    CHECK(server.methods_of("/api/tags") == "GET, HEAD, OPTIONS");
    CHECK(server.methods_of("/api/show") == "POST, OPTIONS");
    CHECK(server.methods_of("/api/chat") == "POST, OPTIONS");
    CHECK(server.methods_of("/api/delete") == "DELETE, OPTIONS");
    CHECK(server.methods_of("/api/blobs/sha256:00") == "HEAD, POST, OPTIONS");
    CHECK(server.methods_of("/nope").empty());
    CHECK(server.router.find("GET", "/api/show").handler == nullptr);
}

// What editors and chat programs ask for, in that order, before and while they chat.
TEST_CASE("the probes of JetBrains AI Assistant and VS Code find what they look for") {
    OllamaServer server;
    server.has_model("demo", {"completion", "tools"}).answers("Hello there!");
    const http::Headers editor{{"user-agent", "GitHubCopilotChat/0.30"}, {"authorization", "Bearer none"}};

    CHECK(server.ask("HEAD", "/", "", editor).status == 200);
    CHECK(server.ask("GET", "/", "", editor).body == "Ollama is running");
    CHECK(server.ask("GET", "/api/version", "", editor).body == R"({"version":"0.33.0"})");
    const auto tags = server.ask("GET", "/api/tags", "", editor);
    CHECK(tags.at("models.0.model") == "\"demo:latest\"");
    CHECK(tags.at("models.0.details.family") == "\"fake\"");
    const auto shown = server.ask("POST", "/api/show", R"({"model":"demo:latest"})", editor);
    CHECK(shown.at("capabilities") == R"(["completion","tools"])");
    CHECK(shown.at("model_info") == "{}");
    CHECK(shown.at("details.quantization_level") == "\"Q8_0\"");
    const auto chat = server.ask(
        "POST", "/api/chat",
        R"({"model":"demo:latest","messages":[{"role":"system","content":"You help."},{"role":"user","content":"hi"}],
            "stream":true,"options":{"temperature":0.1,"num_ctx":4096,"mirostat":0},"keep_alive":"5m"})",
        editor);
    CHECK(chat.status == 200);
    CHECK(at(chat.lines().back(), "done") == "true");
    const auto loaded = server.ask("GET", "/api/ps", "", editor);
    CHECK(loaded.at("models.0.name") == "\"demo:latest\"");
}
