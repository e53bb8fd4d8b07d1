#include "registry/model_catalog.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "base/log.h"
#include "registry/gguf.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> logged;

struct Scene {
    TemporaryFolder folder;
    ModelSources sources{.folders = {folder.path()}};
    ModelCatalog catalog{};

    Scene() {
        logged.clear();
        set_log_sink([](LogLevel, std::string_view event, const LogField* fields, std::size_t n_fields) {
            std::string line(event);
            for (std::size_t i = 0; i < n_fields; ++i)
                if (fields[i].key != "file") line += " " + fields[i].value;
            logged.push_back(line);
        });
    }

    fs::path put(const std::string& name, const GgufWriter& model = small_model()) {
        const fs::path path = folder.path() / name;
        fs::create_directories(path.parent_path());
        model.write(path);
        return path;
    }
    void scan() { catalog = scan_models(sources, catalog); }
    std::vector<std::string> names() {
        scan();
        std::vector<std::string> all;
        for (const auto& model : catalog.list()) all.push_back(model->name);
        std::ranges::sort(all);
        return all;
    }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("files of a folder and of its subfolders are models named after them") {
    Scene scene;
    scene.put("Llama-3.2-1B-Instruct-Q4_K_M.gguf");
    scene.put("weft-demo.gguf");
    scene.put("some.space/My Model.GGUF");
    scene.put("a/b/too-deep.gguf");
    scene.put(".hidden.gguf");
    scene.folder.write("notes.txt", "no model");
    fs::create_directory(scene.folder.path() / "folder.gguf");
    CHECK(scene.names() == Names{"llama-3.2-1b-instruct-q4_k_m:latest", "some-space/my-model:latest", "weft-demo:latest"});
    CHECK(logged.empty());
}

TEST_CASE("a configured model has its own name and settings, beside the file's own name in a folder") {
    Scene scene;
    const auto path = scene.put("file.gguf");
    scene.sources.models = {{.name = "Nice:v1", .path = path, .system = "Be nice.", .parameters_text = {{"top_k", "3"}},
                             .context_tokens = 32, .keep_alive = std::chrono::seconds{9}},
                            {.name = "", .path = path}};
    for (int again = 0; again < 2; ++again) {  // also when the second scan takes over what the first one read
        CHECK(scene.names() == Names{"Nice:v1", "file:latest"});
        const auto nice = scene.catalog.find("nice:V1");
        REQUIRE(nice);
        CHECK((*nice)->system == "Be nice.");
        CHECK((*nice)->context_tokens == 32);
        CHECK((*nice)->keep_alive == std::chrono::seconds{9});
        const auto plain = scene.catalog.find("file");
        REQUIRE(plain);
        CHECK((*plain)->system.empty());
        CHECK((*plain)->parameters_text.empty());
        CHECK_FALSE((*plain)->keep_alive);
    }
}

TEST_CASE("settings without a file are for the model of that name, wherever it comes from") {
    Scene scene;
    scene.put("listed.gguf");
    TemporaryFolder elsewhere;
    const auto named = elsewhere.path() / "named.gguf";
    small_model().write(named);
    scene.sources.models = {{.name = "", .path = named},
                            {.name = "Listed", .path = {}, .system = "Be nice.", .parameters_text = {{"top_k", "3"}}},
                            {.name = "named", .path = {}, .context_tokens = 32},
                            {.name = "nobody", .path = {}, .system = "?"}};
    for (int again = 0; again < 2; ++again) {
        CHECK(scene.names() == Names{"listed:latest", "named:latest"});
        CHECK((*scene.catalog.find("listed"))->system == "Be nice.");
        CHECK((*scene.catalog.find("listed"))->parameters_text.size() == 1);
        CHECK((*scene.catalog.find("named"))->context_tokens == 32);
    }
    CHECK(logged.empty());
}

TEST_CASE("of two files with one name the first source wins, and that is said once") {
    Scene scene;
    TemporaryFolder other;
    const auto first = scene.put("m.gguf");
    small_model().write(other.path() / "M.gguf");
    scene.sources.folders.push_back(other.path());
    CHECK(scene.names() == Names{"m:latest"});
    CHECK(scene.catalog.find("m").value()->path == first);
    CHECK(logged == Names{"model_name_taken m:latest is " + first.string()});
    scene.scan();
    CHECK(logged.size() == 1);
    REQUIRE(scene.catalog.hidden.size() == 1);
    CHECK(scene.catalog.hidden.front().path == other.path() / "M.gguf");
    CHECK(scene.catalog.hidden.front().by == first);
}

TEST_CASE("a broken file is listed nowhere, told about when asked for, and logged once") {
    Scene scene;
    scene.put("good.gguf");
    scene.put("bad.gguf", small_model().remove("llama.block_count"));
    CHECK(scene.names() == Names{"good:latest"});
    const auto bad = scene.catalog.find("bad");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == ErrorCode::model_load_failed);
    CHECK(bad.error().message == "model 'bad:latest' cannot be loaded: key 'llama.block_count': missing, or not a whole number");
    scene.put("other.gguf");
    scene.scan();
    CHECK(logged.size() == 1);
    scene.put("bad.gguf", small_model().u32("llama.block_count", 0));
    scene.scan();
    CHECK(logged.size() == 2);  // it changed, and is broken in another way
    scene.put("bad.gguf");
    CHECK(scene.names() == Names{"bad:latest", "good:latest", "other:latest"});
}

TEST_CASE("a configured file that is not there is an error by name, until it is there") {
    Scene scene;
    scene.sources = {.models = {{.name = "late", .path = scene.folder.path() / "x" / "late.gguf"}}};
    scene.scan();
    CHECK(scene.catalog.find("late").error().message == "model 'late:latest' cannot be loaded: the model file is missing");
    CHECK_FALSE(scene.catalog.changed());
    scene.put("x/late.gguf");
    CHECK(scene.catalog.changed());
    CHECK(scene.names() == Names{"late:latest"});
}

TEST_CASE("changes of folders and files are noticed without reading them") {
    Scene scene;
    const auto path = scene.put("a.gguf");
    scene.put("space/b.gguf");
    scene.scan();
    CHECK_FALSE(scene.catalog.changed());
    CHECK(scene.catalog.is_current("A"));
    scene.put("space/c.gguf");
    CHECK(scene.catalog.changed());
    scene.scan();
    CHECK_FALSE(scene.catalog.changed());
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds{1});
    CHECK(scene.catalog.changed());
    CHECK_FALSE(scene.catalog.is_current("a"));
    CHECK(scene.catalog.is_current("space/b"));
    scene.scan();
    fs::remove(path);
    CHECK(scene.catalog.changed());
    CHECK(scene.names() == Names{"space/b:latest", "space/c:latest"});
}

TEST_CASE("a scan does not read again what has not changed") {
    Scene scene;
    scene.put("a.gguf");
    scene.scan();
    const auto before = scene.catalog.find("a").value();
    scene.put("b.gguf");
    scene.scan();
    CHECK(scene.catalog.find("a").value() == before);
}

TEST_CASE("a split model is one model, watched in all its files") {
    Scene scene;
    GgufWriter second;
    second.tensor("blk.2.a", {32});
    scene.put("big-00001-of-00002.gguf");
    CHECK(scene.names().empty());
    CHECK(scene.catalog.find("big").error().message.ends_with("file 2 of 2: the model file is missing"));
    const auto path = scene.put("big-00002-of-00002.gguf", second);
    CHECK(scene.names() == Names{"big:latest"});
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds{1});
    CHECK(scene.catalog.changed());
}

TEST_CASE("models are listed newest first") {
    Scene scene;
    const auto now = fs::file_time_type::clock::now();
    for (const auto& [name, age] : {std::pair{"old.gguf", 3}, {"new.gguf", 1}, {"middle.gguf", 2}})
        fs::last_write_time(scene.put(name), now - std::chrono::hours{age});
    scene.scan();
    Names order;
    for (const auto& model : scene.catalog.list()) order.push_back(model->name);
    CHECK(order == Names{"new:latest", "middle:latest", "old:latest"});
}

TEST_CASE("a folder that does not exist yet is watched") {
    Scene scene;
    scene.sources.folders = {scene.folder.path() / "later"};
    scene.scan();
    CHECK(scene.catalog.list().empty());
    CHECK_FALSE(scene.catalog.changed());
    scene.put("later/a.gguf");
    CHECK(scene.names() == Names{"a:latest"});
}

TEST_CASE("a model's description comes from its header") {
    Scene scene;
    auto model = small_model().u32("general.file_type", 15);
    model.string("tokenizer.chat_template", "{% if tools %}<think></think>{% endif %}");
    model.u32("tokenizer.ggml.fim_pre_token_id", 3).u32("tokenizer.ggml.fim_suf_token_id", 4);
    scene.put("m.gguf", model);
    scene.put("e.gguf", small_model().u32("llama.pooling_type", 1));
    scene.scan();
    const auto info = scene.catalog.find("m").value();
    CHECK(info->architecture == "llama");
    CHECK(info->quantization == "Q4_K_M");
    CHECK(info->parameter_size == "16K");
    CHECK(info->trained_context == 64);
    CHECK(info->embedding_length == 32);
    CHECK(info->vocabulary == 8);
    CHECK(info->chat_template.starts_with("{% if tools"));
    CHECK(info->capabilities == Names{"completion", "tools", "insert", "thinking"});
    CHECK(info->size_bytes == fs::file_size(info->path));
    CHECK(info->digest.size() == 64);
    CHECK(scene.catalog.find("e").value()->capabilities == Names{"embedding"});
}

TEST_CASE("a draft model that speaks another vocabulary, or is none, makes its model one that cannot be loaded") {
    Scene scene;
    const auto file = scene.put("elsewhere/base/m.gguf", small_model().tensor("blk.9.x.weight", {32, 16}));
    const auto small = scene.put("elsewhere/base/small.gguf", small_model());
    scene.sources.folders.clear();
    scene.sources.models = {{.name = "plain", .path = file}, {.name = "drafted", .path = file, .draft = small},
                            {.name = "absent", .path = file, .draft = "/nowhere.gguf"}};
    scene.scan();
    const auto drafted = scene.catalog.find("drafted").value();
    CHECK(drafted->draft == small);
    CHECK(drafted->draft_header);
    CHECK(drafted->digest != scene.catalog.find("plain").value()->digest);
    CHECK(scene.catalog.find("plain").value()->draft.empty());
    CHECK(scene.catalog.find("absent").error().message.starts_with("model 'absent:latest' cannot be loaded: draft model: "));
    scene.scan();
    CHECK(scene.catalog.find("plain"));  // its file is in order
    CHECK(scene.catalog.find("drafted").value()->digest == drafted->digest);
    small_model().f32("llama.rope.freq_base", 3).write(small);
    CHECK(scene.catalog.changed());
}

TEST_CASE("adapters make another model of a file, and one that does not fit makes it none") {
    Scene scene;
    const auto base = small_model().tensor("blk.9.x.weight", {32, 16});
    const auto adapter = GgufWriter().string("general.type", "adapter").string("general.architecture", "llama").string("adapter.type", "lora")
                             .tensor("blk.9.x.weight.lora_a", {32, 4}).tensor("blk.9.x.weight.lora_b", {4, 16});
    const auto file = scene.put("elsewhere/base/m.gguf", base);
    const auto fits = scene.put("elsewhere/base/fits.gguf", adapter);
    scene.sources.folders.clear();
    scene.sources.models = {{.name = "plain", .path = file}, {.name = "adapted", .path = file, .adapters = {{.path = fits, .scale = 0.5F}}},
                            {.name = "wrong", .path = file, .adapters = {{.path = file}}},
                            {.name = "missing", .path = file, .adapters = {{.path = "/nowhere.gguf"}}}};
    scene.scan();
    const auto digest = [&](const std::string& name) { return scene.catalog.find(name).value()->digest; };
    CHECK(digest("plain") != digest("adapted"));
    CHECK(digest("adapted").size() == digest("plain").size());
    CHECK(scene.catalog.find("adapted").value()->adapters.at(0).scale == 0.5F);
    CHECK(scene.catalog.find("plain").value()->adapters.empty());
    CHECK(scene.catalog.find("wrong").error().message == "model 'wrong:latest' cannot be loaded: adapter: key 'general.type': this is no adapter");
    CHECK(scene.catalog.find("missing").error().code == ErrorCode::model_load_failed);
    const auto before = digest("adapted");
    scene.scan();
    CHECK(digest("adapted") == before);
    auto changed = adapter;
    changed.f32("adapter.lora.alpha", 3).write(fits);
    CHECK(scene.catalog.changed());
    scene.scan();
    CHECK(digest("adapted") != before);
}

TEST_CASE("a projector makes a model that sees or hears, and what is none makes it one that cannot be loaded") {
    Scene scene;
    const auto file = scene.put("elsewhere/base/base.gguf");
    const auto eyes = GgufWriter().string("general.type", "mmproj").string("general.architecture", "clip").boolean("clip.has_vision_encoder", 1).tensor("v.a", {4});
    const auto ears = GgufWriter().string("general.architecture", "clip").boolean("clip.has_audio_encoder", 1).tensor("a.a", {4});
    const auto nothing = GgufWriter().string("general.architecture", "clip").tensor("x.a", {4});
    const auto projector = scene.put("elsewhere/base/eyes.gguf", eyes);
    scene.sources.models = {{.name = "plain", .path = file}, {.name = "seer", .path = file, .projector = projector},
                            {.name = "hearer", .path = file, .projector = scene.put("elsewhere/base/ears.gguf", ears)},
                            {.name = "numb", .path = file, .projector = scene.put("elsewhere/base/nothing.gguf", nothing)},
                            {.name = "wrong", .path = file, .projector = file},
                            {.name = "missing", .path = file, .projector = "/nowhere.gguf"}};
    scene.scan();
    const auto seer = scene.catalog.find("seer").value();
    CHECK(seer->can("vision"));
    CHECK(seer->projector == projector);
    CHECK(seer->projector_bytes > 0);
    const auto plain = scene.catalog.find("plain").value();
    CHECK_FALSE(plain->can("vision"));
    CHECK(plain->digest != seer->digest);
    CHECK_FALSE(seer->can("audio"));
    CHECK(scene.catalog.find("hearer").value()->can("audio"));
    CHECK_FALSE(scene.catalog.find("hearer").value()->can("vision"));
    CHECK(scene.catalog.find("numb").error().message ==
          "model 'numb:latest' cannot be loaded: projector: key 'clip.has_vision_encoder': this projector is neither for images nor for audio");
    CHECK(scene.catalog.find("wrong").error().message == "model 'wrong:latest' cannot be loaded: projector: key 'general.architecture': this is no projector");
    CHECK_FALSE(scene.catalog.find("missing"));

    // Scanned again it is the same; a changed projector is noticed, and is another model.
    scene.scan();
    CHECK(scene.catalog.find("seer").value()->digest == seer->digest);
    CHECK(std::ranges::count(scene.catalog.find("seer").value()->capabilities, "vision") == 1);
    auto changed = eyes;
    scene.put("elsewhere/base/eyes.gguf", changed.string("general.name", "other"));
    CHECK(scene.catalog.changed());
    scene.scan();
    CHECK(scene.catalog.find("seer").value()->digest != seer->digest);
}

}  // namespace weft::test
