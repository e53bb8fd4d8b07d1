#include "app/config.h"

#include <catch2/catch_test_macros.hpp>

#include "app/config_file.h"
#include "app/config_keys.h"
#include "support/gguf_writer.h"

namespace weft::test {
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// A working folder, a home and an environment of their own.
struct Scene {
    TemporaryFolder folder;
    ConfigSources sources{.environment = {{"WEFT_HOME", (folder.path() / "home").string()}},
                          .working_folder = folder.path() / "work"};

    Scene() {
        fs::create_directories(folder.path() / "work");
        fs::create_directories(folder.path() / "home");
    }
    LoadedConfig load() const { return load_config(sources); }
    LoadedConfig load(const std::string& name, std::string_view text) {
        sources.file = folder.write("work/" + name, text);
        return load();
    }
};

std::vector<std::string> texts(const std::vector<ConfigProblem>& problems) {
    std::vector<std::string> out;
    for (const auto& problem : problems) out.push_back(problem.text());
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("without any source the defaults hold") {
    const auto loaded = Scene().load();
    CHECK(loaded.problems.empty());
    CHECK_FALSE(loaded.file);
    CHECK(loaded.config.server.host == "127.0.0.1");
    CHECK(loaded.config.server.port == 11434);
    CHECK(loaded.config.defaults.keep_alive == KeepAlive(5min));
    CHECK(loaded.config.models_dir == Texts{(loaded.home / "models").string()});
}

constexpr std::string_view yaml = R"(# weft
server:
  host: 0.0.0.0        # everybody
  port: 8080
  origins: ["https://a.example", 'https://b.example']
  max_body_bytes: 1MiB
models_dir:
  - shelf
  - /srv/models
defaults:
  keep_alive: -1
  context: 8192
  flash_attention: off
limits:
  memory: 50%
log:
  level: debug
models:
  demo:
    path: ~/models/demo.gguf
    system: "You are terse."
    keep_alive: 1h30m
    context: 512
    parameters:
      temperature: 0.2
      top_k: 10
      stop:
        - "END"
        - "a\"b"
  hf.co/x/y:Q4: plain.gguf
)";

constexpr std::string_view toml = R"(# weft
models_dir = ["shelf", "/srv/models"]
[server]
host = "0.0.0.0"
port = 8080
origins = ["https://a.example", 'https://b.example']
max_body_bytes = "1MiB"
[defaults]
keep_alive = -1
context = 8192
flash_attention = false
[limits]
memory = "50%"
[log]
level = "debug"
[models]
"hf.co/x/y:Q4" = "plain.gguf"
[models.demo]
path = "~/models/demo.gguf"
system = "You are terse."
keep_alive = "1h30m"
context = 512
[models.demo.parameters]
temperature = 0.2
top_k = 10
stop = ["END", "a\"b"]
)";

constexpr std::string_view json = R"({
"models_dir": ["shelf", "/srv/models"],
"server": {"host": "0.0.0.0", "port": 8080, "origins": ["https://a.example", "https://b.example"], "max_body_bytes": "1MiB"},
"defaults": {"keep_alive": -1, "context": 8192, "flash_attention": false},
"limits": {"memory": "50%"}, "log": {"level": "debug"},
"models": {
  "demo": {"path": "~/models/demo.gguf", "system": "You are terse.", "keep_alive": "1h30m", "context": 512,
           "parameters": {"temperature": 0.2, "top_k": 10, "stop": ["END", "a\"b"]}},
  "hf.co/x/y:Q4": "plain.gguf"}
})";

TEST_CASE("YAML, TOML and JSON say the same things") {
    for (const auto& [name, text] : {std::pair{"weft.yaml", yaml}, {"weft.toml", toml}, {"weft.json", json}}) {
        INFO(name);
        Scene scene;
        const auto loaded = scene.load(name, text);
        CHECK(texts(loaded.problems) == Texts{});
        const Config& config = loaded.config;
        CHECK(config.server.host == "0.0.0.0");
        CHECK(config.server.port == 8080);
        CHECK(config.server.origins == Texts{"https://a.example", "https://b.example"});
        CHECK(config.server.max_body_bytes.bytes == 1 << 20);
        CHECK(config.defaults.keep_alive < KeepAlive{0});
        CHECK(config.defaults.context == 8192);
        CHECK_FALSE(config.defaults.flash_attention);
        CHECK(config.limits.memory.resolve(1000) == 500);
        CHECK(config.log.level == "debug");
        CHECK(config.models_dir == Texts{(scene.folder.path() / "work/shelf").string(), "/srv/models"});

        REQUIRE(config.models.size() == 2);  // in the order of the file
        const bool demo_first = config.models[0].name == "demo";
        const auto& demo = config.models[demo_first ? 0 : 1];
        const auto& plain = config.models[demo_first ? 1 : 0];
        CHECK(demo.name == "demo");
        CHECK(demo.path == fs::path(getenv("HOME")) / "models/demo.gguf");
        CHECK(demo.system == "You are terse.");
        CHECK(demo.keep_alive == KeepAlive(90min));
        CHECK(demo.context_tokens == 512);
        std::map<std::string, std::string> parameters(demo.parameters_text.begin(), demo.parameters_text.end());
        CHECK(parameters == std::map<std::string, std::string>{
                                {"temperature", "0.2"}, {"top_k", "10"}, {"stop", R"(["END","a\"b"])"}});
        CHECK(plain.name == "hf.co/x/y:Q4");
        CHECK(plain.path == scene.folder.path() / "work/plain.gguf");
    }
}

TEST_CASE("everything that is wrong in a file is reported at once, with its line and what was meant") {
    const Texts wanted{
        "color: unknown key (weft.yaml line 1)",
        "defaults.context: must be a whole number from 4 to 16777216 (weft.yaml line 7)",
        "defaults.keep_alive: must be a time like 10m or 1h30m, a number of seconds, or -1 for ever (weft.yaml line 8)",
        "defaults.kv_cache_type: must be one of 'f16', 'q8_0', 'q4_0' (weft.yaml line 9)",
        "limits: must be a group of keys (weft.yaml line 10)",
        "models.demo.parameters.temprature: unknown parameter, did you mean 'temperature'? (weft.yaml line 16)",
        "models.demo.parameters.top_p: must be a number from 0 to 1 (weft.yaml line 17)",
        "models.demo.pth: unknown key, did you mean 'path'? (weft.yaml line 14)",
        "models.no/such/good/name: is not a valid model name (weft.yaml line 12)",
        "port: unknown key, did you mean 'server.port'? (weft.yaml line 2)",
        "server.port: must be a whole number from 0 to 65535 (weft.yaml line 4)",
        "server.prot: unknown key, did you mean 'port'? (weft.yaml line 5)",
    };
    auto found = texts(Scene().load("weft.yaml", R"(color: red
port: 1
server:
  port: 80000
  prot: 8080
defaults:
  context: many
  keep_alive: soon
  kv_cache_type: q3
limits: 5
models:
  no/such/good/name: x.gguf
  demo:
    pth: demo.gguf
    parameters:
      temprature: 0.1
      top_p: 2
)").problems);
    std::ranges::sort(found);
    CHECK(found == wanted);
}

TEST_CASE("problems in TOML and JSON carry their lines, too") {
    CHECK(texts(Scene().load("weft.toml", "[server]\nhost = \"x\"\nprot = 1\n\n[log]\nlevel = \"loud\"\n").problems) ==
          Texts{"log.level: must be one of 'trace', 'debug', 'info', 'warn', 'error' (weft.toml line 6)",
                "server.prot: unknown key, did you mean 'port'? (weft.toml line 3)"});
    CHECK(texts(Scene().load("weft.json", "{\n  \"server\": {\n    \"prot\": 1,\n    \"port\": \"x\"\n  }\n}\n").problems) ==
          Texts{"server.prot: unknown key, did you mean 'port'? (weft.json line 3)",
                "server.port: must be a whole number from 0 to 65535 (weft.json line 4)"});
}

TEST_CASE("a key that stands twice is a problem: which one is meant is not clear") {
    CHECK(texts(Scene().load("weft.yaml", "server:\n  port: 1\n  host: x\n  port: 2\n").problems) ==
          Texts{"server.port: stands here a second time (weft.yaml line 4)"});
    CHECK(texts(Scene().load("weft.json", "{\"server\": {\"port\": 1,\n\"port\": 2}}").problems) ==
          Texts{"server.port: stands here a second time (weft.json line 2)"});
    CHECK(Scene().load("weft.toml", "[server]\nport = 1\nport = 2\n").problems.size() == 1);
}

TEST_CASE("a file that cannot be parsed is reported with the line") {
    for (const auto& [name, text, line] : std::initializer_list<std::tuple<const char*, const char*, const char*>>{
             {"weft.yaml", "server:\n  port: 8080\n   host: x\n", "line 3"},
             {"weft.yaml", "server:\n\tport: 8080\n", "line 2"},
             {"weft.json", "{\"server\": {\n\"port\": }}", "line 2"},
             {"weft.toml", "[server]\nport == 1\n", "line 2"}}) {
        INFO(text);
        const auto loaded = Scene().load(name, text);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems[0].place == std::string(name) + " " + line);
    }
    CHECK(Scene().load("weft.toml", "[server]\nport = \n").problems.size() == 1);
    CHECK(Scene().load("weft.json", std::string(100'000, '[')).problems.size() == 1);
    CHECK(Scene().load("weft.ini", "port = 1").problems.size() == 1);
}

TEST_CASE("a plain text may begin with a number") {
    const auto loaded = Scene().load("weft.yaml", "models:\n  demo:\n    path: ~/a b.gguf\n    system: 2 sentences, \"please\" # or 3\n"
                                                  "  other:\n    path: x.gguf\n    system: |\n      rule: 2 sentences\n      - 3 words\n");
    REQUIRE(texts(loaded.problems) == Texts{});
    CHECK(loaded.config.models.at(0).system == "2 sentences, \"please\"");
    CHECK(loaded.config.models.at(1).system == "rule: 2 sentences\n- 3 words\n");
    CHECK(texts(Scene().load("weft.yaml", "models:\n  demo:\n    path: a.gguf\n    keep_alive: 5 minutes\n").problems).size() == 1);
}

TEST_CASE("a list is no configuration") {
    CHECK(texts(Scene().load("weft.yaml", "# models\n- a\n- b\n").problems) == Texts{"weft.yaml: must be keys with values, not a list"});
}

TEST_CASE("a small KV cache needs flash attention") {
    CHECK(Scene().load("weft.yaml", "defaults: {kv_cache_type: q8_0, flash_attention: false}\n").problems.size() == 1);
    CHECK(Scene().load("weft.yaml", "defaults: {kv_cache_type: q8_0}\n").problems.empty());
}

TEST_CASE("empty files and empty groups change nothing") {
    for (const char* text : {"", "\n", "# nothing\n", "server:\nmodels:\nlog:\n  level:\n"}) {
        INFO(text);
        const auto loaded = Scene().load("weft.yaml", text);
        CHECK(texts(loaded.problems) == Texts{});
        CHECK(loaded.config.server.port == 11434);
    }
}

TEST_CASE("the file that is asked for must exist; the others are looked for") {
    Scene scene;
    scene.folder.write("home/weft.yaml", "server:\n  port: 1\n");
    CHECK(scene.load().config.server.port == 1);
    scene.folder.write("work/weft.toml", "server.port = 2\n");
    CHECK(scene.load().config.server.port == 2);
    CHECK(scene.load().file == scene.folder.path() / "work/weft.toml");
    scene.sources.file = scene.folder.path() / "missing.yaml";
    CHECK(scene.load().problems.size() == 1);
}

TEST_CASE("file, Ollama's variables, ours, command line: what comes later wins") {
    Scene scene;
    auto& environment = scene.sources.environment;
    const std::string file = "server:\n  port: 1\ndefaults:\n  keep_alive: 1m\n";
    CHECK(scene.load("weft.yaml", file).config.server.port == 1);
    environment["OLLAMA_HOST"] = "0.0.0.0:2";
    CHECK(scene.load("weft.yaml", file).config.server.port == 2);
    environment["WEFT_SERVER_PORT"] = "3";
    CHECK(scene.load("weft.yaml", file).config.server.port == 3);
    scene.sources.command_line = {{"server.port", "4"}};
    const auto loaded = scene.load("weft.yaml", file);
    CHECK(loaded.config.server.port == 4);
    CHECK(loaded.config.server.host == "0.0.0.0");
    CHECK(loaded.config.defaults.keep_alive == KeepAlive(1min));
}

TEST_CASE("every key can be set by its environment variable") {
    for (const auto& key : config_keys()) {
        INFO(key.name);
        Scene scene;
        scene.sources.environment["WEFT_JOBS_CALLBACK_SECRET"] = "s";  // which some other key needs
        scene.sources.environment[environment_name(key)] = "\x01";  // a text no number, size or choice accepts
        Config scratch;
        const bool any_text = key.choices.empty() && key.name != "jobs.store" && (std::holds_alternative<std::string*>(key.slot(scratch)) ||
                                                      std::holds_alternative<std::vector<std::string>*>(key.slot(scratch)));
        const auto loaded = scene.load();
        CHECK(loaded.problems.size() == (any_text ? 0 : 1));
        CHECK(loaded.warnings.empty());
    }
    Scene scene;
    scene.sources.environment["WEFT_MODELS_DIR"] = "/a, /b";
    scene.sources.environment["WEFT_DEFAULTS_KEEP_ALIVE"] = "3600";
    scene.sources.environment["WEFT_DEFAULTS_MMAP"] = "no";
    scene.sources.environment["WEFT_LIMITS_MEMORY"] = "2GiB";
    const auto config = scene.load().config;
    CHECK(config.models_dir == Texts{"/a", "/b"});
    CHECK(config.defaults.keep_alive == KeepAlive(1h));
    CHECK_FALSE(config.defaults.mmap);
    CHECK(config.limits.memory.bytes == 2ULL << 30);
}

TEST_CASE("a bad variable of ours is a problem, a misspelt one a warning") {
    Scene scene;
    scene.sources.environment["WEFT_SERVER_PORT"] = "eighty";
    scene.sources.environment["WEFT_SERVER_PROT"] = "80";
    scene.sources.environment["WEFT_SERVR_HOST"] = "x";
    scene.sources.environment["WEFT_SOMEBODY_ELSES"] = "x";
    const auto loaded = scene.load();
    CHECK(texts(loaded.problems) ==
          Texts{"server.port: must be a whole number from 0 to 65535 (environment variable WEFT_SERVER_PORT)"});
    CHECK(texts(loaded.warnings) == Texts{"environment variable WEFT_SERVER_PROT: unknown variable, did you mean WEFT_SERVER_PORT?",
                                            "environment variable WEFT_SERVR_HOST: unknown variable, did you mean WEFT_SERVER_HOST?"});
}

TEST_CASE("Ollama's variables are honoured where they have a meaning") {
    Scene scene;
    auto& environment = scene.sources.environment;
    scene.folder.write("gguf/m.gguf", "x");
    environment["OLLAMA_MODELS"] = (scene.folder.path() / "gguf").string();
    environment["OLLAMA_KEEP_ALIVE"] = "-1";
    environment["OLLAMA_CONTEXT_LENGTH"] = " \"2048\" ";
    environment["OLLAMA_NUM_PARALLEL"] = "8";
    environment["OLLAMA_MAX_LOADED_MODELS"] = "2";
    environment["OLLAMA_MAX_QUEUE"] = "7";
    environment["OLLAMA_ORIGINS"] = "https://a,chrome-extension://*";
    environment["OLLAMA_LOAD_TIMEOUT"] = "90s";
    environment["OLLAMA_FLASH_ATTENTION"] = "1";
    environment["OLLAMA_KV_CACHE_TYPE"] = "q8_0";
    environment["OLLAMA_DEBUG"] = "1";
    environment["OLLAMA_NOPRUNE"] = "1";
    const auto loaded = scene.load();
    const Config& config = loaded.config;
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.empty());
    CHECK(config.models_dir == Texts{(scene.folder.path() / "gguf").string()});
    CHECK(config.defaults.keep_alive < KeepAlive{0});
    CHECK(config.defaults.context == 2048);
    CHECK(config.defaults.parallel == 8);
    CHECK(config.limits.loaded_models == 2);
    CHECK(config.limits.queue == 7);
    CHECK(config.server.origins == Texts{"https://a", "chrome-extension://*"});
    CHECK(config.limits.load_timeout == 90s);
    CHECK(config.defaults.flash_attention);
    CHECK(config.defaults.kv_cache_type == "q8_0");
    CHECK(config.log.level == "debug");
    environment["OLLAMA_FLASH_ATTENTION"] = "0";
    const auto without = scene.load();
    CHECK_FALSE(without.config.defaults.flash_attention);
    CHECK(without.config.defaults.kv_cache_type == "f16");
    CHECK(texts(without.warnings) == Texts{"environment variable OLLAMA_KV_CACHE_TYPE: needs flash attention; it is ignored"});
}

TEST_CASE("a bad Ollama variable leaves the default and warns") {
    Scene scene;
    scene.sources.environment["OLLAMA_NUM_PARALLEL"] = "many";
    scene.sources.environment["OLLAMA_KEEP_ALIVE"] = "soon";
    scene.sources.environment["OLLAMA_CONTEXT_LENGTH"] = "0";
    scene.sources.environment["OLLAMA_MODELS"] = "/no/such/folder";
    const auto loaded = scene.load();
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.size() == 2);
    CHECK(loaded.config.defaults.parallel == DefaultsConfig{}.parallel);
    CHECK(loaded.config.defaults.keep_alive == DefaultsConfig{}.keep_alive);
    CHECK(loaded.config.defaults.context == DefaultsConfig{}.context);
    CHECK(loaded.config.models_dir.size() == 1);
}

TEST_CASE("OLLAMA_HOST is an address in any of its shapes") {
    const auto address = [](const std::string& value) {
        Scene scene;
        scene.sources.environment["OLLAMA_HOST"] = value;
        const auto config = scene.load().config;
        return config.server.host + " " + std::to_string(config.server.port);
    };
    CHECK(address("1.2.3.4") == "1.2.3.4 11434");
    CHECK(address("1.2.3.4:80") == "1.2.3.4 80");
    CHECK(address(":8080") == "127.0.0.1 8080");
    CHECK(address("[::1]:9") == "::1 9");
    CHECK(address("[::1]") == "::1 11434");
    CHECK(address("::1") == "::1 11434");
    CHECK(address("http://example.com") == "example.com 80");
    CHECK(address("https://example.com/path") == "example.com 443");
    CHECK(address("http://example.com:1234/") == "example.com 1234");
    CHECK(address("host:99999") == "host 11434");
    CHECK(address("host:abc") == "host 11434");
    CHECK(address("  \"host:1\" ") == "host 1");
    CHECK(address("") == "127.0.0.1 11434");
}

TEST_CASE("unknown keys and bad values on the command line are problems") {
    Scene scene;
    scene.sources.command_line = {{"server.prot", "1"}, {"server.port", "-1"}};
    scene.sources.models = {"/a/b.gguf", "Nice:v1=/a/c.gguf", "/a=b/c.gguf"};
    scene.sources.folders = {"/shelf"};
    const auto loaded = scene.load();
    CHECK(texts(loaded.problems) == Texts{"server.prot: unknown key, did you mean 'port'? (command line)",
                                          "server.port: must be a whole number from 0 to 65535 (command line)"});
    const auto& models = loaded.config.models;
    REQUIRE(models.size() == 3);
    CHECK((models[0].name.empty() && models[0].path == "/a/b.gguf"));
    CHECK((models[1].name == "Nice:v1" && models[1].path == "/a/c.gguf"));
    CHECK((models[2].name.empty() && models[2].path == "/a=b/c.gguf"));
    CHECK(loaded.config.models_dir == Texts{"/shelf"});
}

TEST_CASE("keys are found in YAML as people write it") {
    const auto places = find_config_places(ConfigFormat::yaml, R"(# c
"a": 1
'b' :
    c: "x: y"   # no: key
    d: |
      not: a key
    e: [1, 2]
f:
- g: 1
h: http://x
)");
    std::vector<std::pair<std::string, int>> found;
    for (const auto& place : places) found.emplace_back(place.path, place.line);
    CHECK(found == std::vector<std::pair<std::string, int>>{
                       {"a", 2}, {"b", 3}, {"b.c", 4}, {"b.d", 5}, {"b.e", 7}, {"f", 8}, {"h", 10}});
}

TEST_CASE("every key has a meaning and a name that belongs to one variable only") {
    std::map<std::string, int> names;
    for (const auto& key : config_keys()) {
        CHECK(key.meaning.ends_with('.'));
        CHECK(++names[environment_name(key)] == 1);
    }
}

TEST_CASE("models can be given by WEFT_MODELS and by --set, which add to what the file says of them") {
    Scene scene;
    scene.sources.environment["WEFT_MODELS"] = R"({demo: {context: 512, parameters: {top_k: 3}}, "other:1.5b": /srv/other.gguf})";
    scene.sources.command_line = {{"models.demo.parameters.top_k", "5"},
                                  {"models.demo.system", "Be brief."},
                                  {"models.llama3.2.path", "/srv/l.gguf"},
                                  {"models.plain", "/srv/p.gguf"}};
    const auto loaded = scene.load("weft.yaml", "models:\n  demo:\n    path: /srv/demo.gguf\n    context: 64\n    parameters:\n      top_p: 0.5\n");
    CHECK(texts(loaded.problems) == Texts{});
    const auto& models = loaded.config.models;
    REQUIRE(models.size() == 4);
    CHECK(models[0].name == "demo");
    CHECK(models[0].path == "/srv/demo.gguf");
    CHECK(models[0].context_tokens == 512);
    CHECK(models[0].system == "Be brief.");
    CHECK(models[0].parameters_text == std::vector<std::pair<std::string, std::string>>{{"top_p", "0.5"}, {"top_k", "5"}});
    CHECK(models[1].name == "other:1.5b");
    CHECK(models[1].path == "/srv/other.gguf");
    CHECK(models[2].name == "llama3.2");
    CHECK(models[2].path == "/srv/l.gguf");
    CHECK(models[3].path == "/srv/p.gguf");
}

TEST_CASE("wrong keys and values of models in the environment and on the command line are told with their place") {
    Scene scene;
    scene.sources.environment["WEFT_MODELS"] = R"({demo: {path: /a.gguf, contxt: 5}})";
    scene.sources.command_line = {{"models.demo.context", "few"}, {"models.demo.parameters.top_q", "1"}, {"server.prot", "80"}};
    CHECK(texts(scene.load().problems) ==
          Texts{"models.demo.contxt: unknown key, did you mean 'context'? (environment variable WEFT_MODELS)",
                "models.demo.context: must be a whole number from 4 to 16777216 (command line)",
                "models.demo.parameters.top_q: unknown parameter, did you mean 'top_k'? (command line)",
                "server.prot: unknown key, did you mean 'port'? (command line)"});
}

TEST_CASE("adapters of a model are files, or files with a scale") {
    Scene scene;
    scene.sources.command_line = {{"models.set.path", "/m.gguf"}, {"models.set.adapters", "/a.gguf"}};
    const auto loaded = scene.load("weft.yaml", "models:\n  one:\n    path: /m.gguf\n    adapters: /a.gguf\n  many:\n    path: /m.gguf\n    adapters:\n"
                                                "      - /a.gguf\n      - path: /b.gguf\n        scale: -0.5\n");
    CHECK(texts(loaded.problems) == Texts{});
    REQUIRE(loaded.config.models.size() == 3);
    const auto adapters = [&](std::string_view name) {
        return std::ranges::find(loaded.config.models, name, &ConfiguredModel::name)->adapters;
    };
    CHECK(adapters("one") == std::vector<ModelAdapter>{{.path = "/a.gguf"}});
    CHECK(adapters("many") == std::vector<ModelAdapter>{{.path = "/a.gguf"}, {.path = "/b.gguf", .scale = -0.5F}});
    CHECK(adapters("set") == std::vector<ModelAdapter>{{.path = "/a.gguf"}});
}

TEST_CASE("a draft model is a file beside the configuration, or is told to be none") {
    Scene scene;
    const auto loaded = scene.load("weft.yaml", "models:\n  m:\n    path: /m.gguf\n    draft: /small.gguf\n");
    CHECK(texts(loaded.problems) == Texts{});
    CHECK(loaded.config.models.at(0).draft == "/small.gguf");
    CHECK(texts(scene.load("weft.yaml", "models:\n  m:\n    path: /m.gguf\n    draft: [1]\n").problems) ==
          Texts{"models.m.draft: must be a file's path (weft.yaml line 4)"});
}

TEST_CASE("adapters that are none are told with their key") {
    Scene scene;
    const auto problems = [&](const std::string& adapters) {
        return texts(scene.load("weft.yaml", "models:\n  m:\n    path: /m.gguf\n    adapters: " + adapters + "\n").problems);
    };
    CHECK(problems("5") == Texts{"models.m.adapters: must be a file's path, a group of keys with a path, or a list of these (weft.yaml line 4)"});
    CHECK(problems("{scale: 1}") == Texts{"models.m.adapters: must be a file's path, a group of keys with a path, or a list of these (weft.yaml line 4)"});
    CHECK(problems("{path: /a, scale: big}") == Texts{"models.m.adapters.scale: must be a number from -1000 to 1000 (weft.yaml line 4)"});
    CHECK(problems("{path: /a, weight: 1}") == Texts{"models.m.adapters.weight: unknown key, expected 'path' or 'scale' (weft.yaml line 4)"});
}

TEST_CASE("a model's projector is a file beside the configuration, or the command line's for its one model") {
    Scene scene;
    const auto loaded = scene.load("weft.yaml", "models:\n  seer: {path: a.gguf, projector: eyes.gguf}\n");
    REQUIRE(loaded.config.models.size() == 1);
    CHECK(loaded.config.models[0].projector == scene.folder.path() / "work" / "eyes.gguf");
    CHECK(scene.load("weft.yaml", "models:\n  seer: {path: a.gguf, projector: [eyes.gguf]}\n").problems.size() == 1);

    Scene line;
    line.sources.projector = "/eyes.gguf";
    CHECK(texts(line.load().problems) == Texts{"--mmproj: needs exactly one --model whose images it is for (command line)"});
    line.sources.models = {"seer=/a.gguf"};
    CHECK(line.load().config.models.at(0).projector == "/eyes.gguf");
    line.sources.models = {"seer=/a.gguf", "/b.gguf"};
    CHECK(line.load().problems.size() == 1);
}

TEST_CASE("pipelines are declared with their stages, and everything that is wrong with them is told with its place") {
    Scene scene;
    const auto loaded = scene.load("weft.yaml", "pipelines:\n  ask:\n    retrieve:\n      passages: 2\n      mode: keyword\n      documents: [a, b]\n    assemble:\n"
                                                "      template: |\n        {{ question }}\n    post:\n      trim: true\n      redact: {words: [x], ignore_case: false}\n"
                                                "    deliver: {stream: false}\n  plain:\n");
    CHECK(texts(loaded.problems) == Texts{});
    const auto& ask = loaded.config.pipelines.at("ask");
    CHECK(ask.retrieve->passages == 2);
    CHECK(ask.retrieve->mode == SearchMode::keyword);
    CHECK(ask.retrieve->documents == std::vector<std::string>{"a", "b"});
    CHECK(ask.assemble->prompt_template == "{{ question }}\n");
    CHECK(ask.post->trim);
    CHECK_FALSE(ask.post->redact->ignore_case);
    CHECK(ask.deliver.stream == false);
    CHECK_FALSE(loaded.config.pipelines.at("plain").retrieve);

    const auto wrong = scene.load("weft.yaml", "pipelines:\n  a b:\n  one:\n    retrive:\n    retrieve:\n      passages: 0\n      mode: fuzzy\n  two:\n    assemble:\n"
                                               "      template: '{% if %}'\n  three:\n    post:\n      trim: true\n    deliver:\n      stream: true\n");
    const Texts expected{"pipelines.a b: must be named by up to 64 letters, digits, '-' and '_' (weft.yaml line 2)",
                         "pipelines.one.retrieve.mode: must be one of 'hybrid', 'vector', 'keyword' (weft.yaml line 7)",
                         "pipelines.one.retrieve.passages: must be a whole number from 1 to 100 (weft.yaml line 6)",
                         "pipelines.one.retrive: unknown key, did you mean 'retrieve'? (weft.yaml line 4)"};
    auto found = texts(wrong.problems);
    std::ranges::sort(found);
    for (const auto& problem : expected) CHECK(std::ranges::contains(found, problem));
    CHECK(found.size() == 6);
    CHECK(std::ranges::any_of(found, [](const auto& text) { return text.starts_with("pipelines.two.assemble.template: ") && text.ends_with("(weft.yaml line 10)"); }));
    CHECK(std::ranges::any_of(found, [](const auto& text) { return text.starts_with("pipelines.three.deliver.stream: "); }));
    CHECK(wrong.config.pipelines.empty());
}

TEST_CASE("pipelines call only whom the server may call, callbacks are signed, and servers that share jobs retrieve nothing") {
    Scene scene;
    const auto wrong = scene.load("weft.yaml", "jobs:\n  callback_hosts: [hooks.example.com]\n  callback_secret: s\n  store: redis://127.0.0.1/0\npipelines:\n  good:\n    deliver: {callback: 'https://hooks.example.com/x'}\n"
                                               "  bad:\n    deliver: {callback: 'https://evil.example/'}\n  odd:\n    deliver: {callback: 'ftp://hooks.example.com/'}\n  ask:\n    retrieve:\n");
    auto found = texts(wrong.problems);
    std::ranges::sort(found);
    CHECK(found == Texts{"pipelines.ask.retrieve: needs documents, which servers that share their jobs (jobs.store) do not have (all sources together)",
                         "pipelines.bad.deliver.callback: the host of 'deliver.callback' is not one that this server may call (all sources together)",
                         "pipelines.odd.deliver.callback: 'deliver.callback' must be an http or https address (all sources together)"});
    CHECK(texts(scene.load("weft.yaml", "jobs: {callback_hosts: [a]}\npipelines: {p: {deliver: {callback: 'http://a/'}}}\n").problems) ==
          Texts{"jobs.callback_secret: must be set when there are jobs.callback_hosts: callbacks are signed (all sources together)"});
    CHECK(texts(scene.load("weft.yaml", "pipelines: {p: {deliver: {callback: 'http://a/'}}}\n").problems) ==
          Texts{"pipelines.p.deliver.callback: this server sends no callbacks: jobs.callback_hosts is empty (all sources together)"});
    CHECK(texts(scene.load("weft.yaml", "jobs: {callback_hosts: [a], callback_secret: s}\npipelines: {p: {deliver: {callback: 'http://a/'}, retrieve: {}}}\n").problems).empty());
}

TEST_CASE("the models that jobs, documents and pipelines are told to use are known with their keys") {
    Scene scene;
    const auto loaded = scene.load("weft.yaml", "jobs: {model: a}\ndocuments: {embedding_model: b}\npipelines: {p: {infer: {model: c}}, q: {infer: {system: s}}}\n");
    CHECK(named_models(loaded.config) == std::vector<std::pair<std::string, std::string>>{{"jobs.model", "a"}, {"documents.embedding_model", "b"}, {"pipelines.p.infer.model", "c"}});
}

TEST_CASE("settings of a model without a file are for one that is found elsewhere, and what is kept is kept for a second at least") {
    Scene scene;
    const auto loaded = scene.load("weft.yaml", "models: {found: {context: 32}}\njobs: {ttl: 0s, session_ttl: 1s}\n");
    CHECK(loaded.config.models.front().path.empty());
    CHECK(named_models(loaded.config).front() == std::pair<std::string, std::string>("models.found", "found"));
    CHECK(texts(loaded.problems) == Texts{"jobs.ttl: must be at least 1s (all sources together)"});
}

TEST_CASE("two files with one name are refused, but those of the command line win over the others'") {
    Scene scene;
    scene.sources.models = {"/x/a.gguf"};
    CHECK(texts(scene.load("weft.yaml", "models: {a: {path: /y/b.gguf}}\n").problems).empty());
    CHECK(texts(scene.load("weft.yaml", "models: {b: {path: /y/b.gguf}, 'B:latest': {path: /z/b.gguf}}\n").problems) ==
          Texts{"models: two are called B:latest: /y/b.gguf and /z/b.gguf (all sources together)"});
    scene.sources.models = {"/x/a.gguf", "/x/a.gguf", "/y/A.gguf"};
    CHECK(texts(scene.load("weft.yaml", "").problems) == Texts{"models: two are called a:latest: /x/a.gguf and /y/A.gguf (all sources together)"});
}

TEST_CASE("pipelines can be given by WEFT_PIPELINES, and passages must overlap by less than half") {
    Scene scene;
    scene.sources.environment["WEFT_PIPELINES"] = "{ask: {retrieve: {passages: 3}}}";
    CHECK(scene.load().config.pipelines.at("ask").retrieve->passages == 3);
    CHECK(scene.load().warnings.empty());
    scene.sources.command_line = {{"documents.passage_bytes", "100"}, {"documents.passage_overlap", "50"}};
    CHECK(texts(scene.load().problems) == Texts{"documents.passage_overlap: must be less than half of documents.passage_bytes (all sources together)"});
}

}  // namespace weft::test
