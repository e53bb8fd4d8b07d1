#include "runner/reply_format.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace weft;

namespace {

std::string summary(std::string_view chat_template) {
    const auto format = detect_reply_format(chat_template);
    return std::string(name_of(format.calls)) + " " + format.thinking_open + format.thinking_close;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Real models' templates, where this machine has them: $WEFT_MODEL_DATA/jinja, or beside the source tree.
std::filesystem::path real_templates() {
    if (const char* folder = std::getenv("WEFT_MODEL_DATA")) return std::filesystem::path(folder) / "jinja";
    return std::filesystem::path(WEFT_SOURCE_DIR).parent_path() / "shared/model-data/jinja";
}

}  // namespace

TEST_CASE("a template tells how calls and thinking are written") {
    CHECK(summary("{{ messages }}") == "none ");
    CHECK(summary("{% if tools %}{{ tools }}{% endif %}") == "bare_json ");
    CHECK(summary("{{ tools }} <tool_call>{}</tool_call>") == "hermes ");
    CHECK(summary("{{ tools }} <tool_call> {% if enable_thinking %}") == "hermes <think></think>");
    CHECK(summary("{{ tools }} <tool_call> <function=f> <parameter=p>") == "qwen_xml ");
    CHECK(summary("{{ tools }} <tool_call> <function=f>") == "functionary_v31 ");
    CHECK(summary("{{ tools }} [TOOL_CALLS] [THINK]") == "mistral_list [THINK][/THINK]");
    CHECK(summary("{{ tools }} [TOOL_CALLS] [ARGS]") == "mistral_args ");
    CHECK(summary("{{ tools }} <｜tool▁call▁begin｜>") == "deepseek_v31 ");
    CHECK(summary("{{ tools }} <｜tool▁call▁begin｜> ```json") == "deepseek_r1 ");
    CHECK(summary("{{ content.split('</think>') }}") == "none <think></think>");
    CHECK(summary("<tool_call> stands in a template that takes none") == "none ");
}

TEST_CASE("every style has a name, and markers that contain its opening words") {
    for (auto i = 0; i <= static_cast<int>(CallStyle::mcp); ++i) {
        const auto style = static_cast<CallStyle>(i);
        INFO(name_of(style));
        CHECK_FALSE(name_of(style).empty());
        for (const auto& opener : call_openers(style)) {
            bool covered = false;
            for (const auto& marker : call_markers(style)) covered = covered || opener.starts_with(marker);
            CHECK(covered);
        }
    }
}

TEST_CASE("real models' templates are recognised") {
    const std::map<std::string, std::string> expected{
        {"Apertus-8B-Instruct", "apertus <|inner_prefix|><|inner_suffix|>"},
        {"Apriel-1.6-15b-Thinker-fixed", "apriel Here are my reasoning steps:[BEGIN FINAL RESPONSE]"},
        {"ByteDance-Seed-OSS", "seed_xml <seed:think></seed:think>"},
        {"Cohere2MoE", "command_r <|START_THINKING|><|END_THINKING|>"},
        {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command_r <|START_THINKING|><|END_THINKING|>"},
        {"GLM-4.6", "glm <think></think>"},
        {"GLM-5.2", "glm <think></think>"},
        {"GigaChat3-10B-A1.8B", "gigachat "},
        {"HuggingFaceTB-SmolLM3-3B", "none <think></think>"},
        {"Kimi-K2-Instruct", "kimi "},
        {"LFM2-8B-A1B", "lfm2 "},
        {"LFM2.5-Instruct", "lfm2 <think></think>"},
        {"MiroThinker", "mcp <think></think>"},
        {"Mistral-Small-3.2-24B-Instruct-2506", "mistral_args "},
        {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes "},
        {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes "},
        {"Qwen-Qwen2.5-7B-Instruct", "hermes "},
        {"Qwen-Qwen3-0.6B", "hermes <think></think>"},
        {"Qwen3.5-4B", "qwen_xml <think></think>"},
        {"Reka-Edge", "hermes <think></think>"},
        {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek_r1 <think></think>"},
        {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek_r1 <think></think>"},
        {"deepseek-ai-DeepSeek-V3.2", "deepseek_dsml <think></think>"},
        {"deepseek-ai-DeepSeek-V4", "deepseek_dsml <think></think>"},
        {"google-gemma-2-2b-it", "none "},
        {"google-gemma-4-31B-it-interleaved", "gemma <|channel>thought<channel|>"},
        {"ibm-granite-granite-3.3-2B-Instruct", "granite <think></think>"},
        {"llama-cpp-deepseek-r1", "deepseek_r1 <think></think>"},
        {"meetkai-functionary-medium-v3.1", "functionary_v31 "},
        {"meetkai-functionary-medium-v3.2", "functionary_v32 "},
        {"meta-llama-Llama-3.2-3B-Instruct", "bare_json "},
        {"meta-llama-Llama-3.3-70B-Instruct", "bare_json "},
        {"mistralai-Ministral-3-14B-Reasoning-2512", "mistral_args [THINK][/THINK]"},
        {"mistralai-Mistral-Nemo-Instruct-2407", "mistral_list "},
        {"openai-gpt-oss-120b", "harmony <|channel|>analysis<|message|><|end|>"},
        {"stepfun-ai-Step-3.5-Flash", "qwen_xml <think></think>"},
        {"unsloth-mistral-Devstral-Small-2507", "mistral_args "},
    };
    const auto folder = real_templates();
    if (!std::filesystem::exists(folder)) SKIP("real models' templates are not on this machine");
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto name = entry.path().stem().string();
        INFO(name);
        const auto found = expected.find(name);
        if (found == expected.end()) continue;
        CHECK(summary(read(entry.path())) == found->second);
        ++seen;
    }
    CHECK(seen > 0);
}
