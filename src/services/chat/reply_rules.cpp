#include "services/chat/reply_rules.h"

#include <random>

namespace weft {

std::string random_call_id() {
    static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static constexpr std::size_t length = 24;
    static thread_local std::mt19937_64 generator{std::random_device{}()};
    std::uniform_int_distribution<std::size_t> any(0, alphabet.size() - 1);
    std::string id(length, ' ');
    for (char& c : id) c = alphabet[any(generator)];
    return id;
}

ReplyRules reply_rules(const ModelDescription& model, const Prompt& prompt) {
    ReplyRules rules;
    const auto* chat = std::get_if<ChatPrompt>(&prompt);
    if (chat == nullptr) return rules;
    rules.format = model.reply_format;
    // Templates of this family refuse a turn with several calls: it could not be sent back.
    rules.parallel_calls = chat->parallel_tool_calls && rules.format.calls != CallStyle::bare_json;
    // Where calls are forbidden no function is known: what a model writes all the same is text, without markers.
    const bool forbidden = chat->tool_choice == ToolChoice::none;
    rules.early_arguments = !chat->tools_json.empty() && !forbidden;
    if (!chat->tools_json.empty())
        rules.tools = OfferedTools::read(forbidden ? std::vector<std::string>{} : chat->tools_json);
    return rules;
}

}  // namespace weft
