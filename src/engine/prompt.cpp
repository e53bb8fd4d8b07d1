#include "engine/prompt.h"

#include <algorithm>

#include "engine/go_prompt_template.h"

namespace weft {
namespace {

// How much of the window a prompt that must be cut leaves for the answer, at most.
constexpr std::int32_t room_for_answer = 256;

Error overflow(std::size_t prompt_tokens, std::int32_t window) {
    return {.code = ErrorCode::context_overflow,
            .message = "the prompt has " + std::to_string(prompt_tokens) +
                       " tokens, which exceeds the maximum context length of " + std::to_string(window) + " tokens",
            .prompt_tokens = static_cast<int>(prompt_tokens),
            .context_tokens = window};
}

Result<std::vector<Token>> chat_tokens(const LoadedModel& model, const ChatPrompt& prompt) {
    WEFT_TRY(const auto text, render_chat(model, prompt));
    return model.with_bos(model.tokenize(text, true));
}

bool fits(const std::vector<Token>& before, const std::vector<Token>& tokens, std::int32_t window) {
    return before.size() + tokens.size() < static_cast<std::size_t>(window);
}

// Drops the oldest message that is neither a system message nor the last one. False when there is none.
bool drop_oldest(std::vector<ChatMessage>& messages) {
    for (std::size_t i = 0; i + 1 < messages.size(); ++i) {
        if (messages[i].role == "system") continue;
        messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
    }
    return false;
}

Result<std::vector<Token>> fitting_chat_tokens(const LoadedModel& model, const GenerateRequest& request,
                                               ChatPrompt prompt, std::int32_t window) {
    WEFT_TRY(auto tokens, chat_tokens(model, prompt));
    if (!prompt.drop_oldest_to_fit) return tokens;
    // Conversations are long because of their many turns: halve the distance instead of rendering once per turn.
    while (!fits(request.context_before, tokens, window)) {
        const std::size_t excess = tokens.size() + request.context_before.size() - static_cast<std::size_t>(window) + 1;
        const std::size_t per_message = std::max<std::size_t>(tokens.size() / std::max<std::size_t>(prompt.messages.size(), 1), 1);
        bool dropped = false;
        for (std::size_t i = 0; i < std::max<std::size_t>(excess / per_message / 2, 1); ++i)
            dropped = drop_oldest(prompt.messages) || dropped;
        if (!dropped) return tokens;
        auto fewer = chat_tokens(model, prompt);
        // Some templates insist on a first user turn: then what is left cannot be shortened further.
        if (!fewer) return tokens;
        tokens = std::move(*fewer);
    }
    return tokens;
}

// Other files, as models are trained on repositories; as plain text for those that know no marks for it.
std::vector<Token> file_tokens(const LoadedModel& model, const LoadedModel::InfillTokens& marks, const InfillPrompt& prompt) {
    std::vector<Token> tokens;
    const auto append = [&](const std::vector<Token>& more) { tokens.insert(tokens.end(), more.begin(), more.end()); };
    if (prompt.files.empty()) return tokens;
    if (model.is_token(marks.repository)) {
        tokens.push_back(marks.repository);
        append(model.tokenize("project\n", false));
    }
    for (const auto& file : prompt.files) {
        if (model.is_token(marks.file)) {
            tokens.push_back(marks.file);
            append(model.tokenize(file.name + "\n", false));
        } else {
            append(model.tokenize("\n\n--- snippet ---\n\n", false));
        }
        append(model.tokenize(file.text, false));
    }
    if (model.is_token(marks.file)) {
        tokens.push_back(marks.file);
        append(model.tokenize("filename\n", false));
    }
    return tokens;
}

void keep_last(std::vector<Token>& tokens, std::size_t n) {
    if (tokens.size() > n) tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(n));
}

// What is far from the gap goes first: other files, then text before and after it, three parts to one.
void cut_infill(std::vector<Token>& files, std::vector<Token>& prefix, std::vector<Token>& suffix, std::size_t room) {
    const std::size_t near = prefix.size() + suffix.size();
    if (near <= room) return keep_last(files, room - near);
    files.clear();
    const std::size_t for_suffix = std::min(suffix.size(), std::max(room / 4, room - std::min(room, prefix.size())));
    suffix.resize(for_suffix);
    keep_last(prefix, room - for_suffix);
}

Result<std::vector<Token>> infill_tokens(const LoadedModel& model, const GenerateRequest& request, const InfillPrompt& prompt,
                                         std::int32_t window) {
    if (!model.infill()) return fail_field(ErrorCode::unsupported, "suffix", "the model does not support insert");
    const auto& marks = *model.infill();
    auto files = file_tokens(model, marks, prompt);
    auto prefix = model.tokenize(prompt.prefix, false);
    auto suffix = model.tokenize(prompt.suffix, false);
    constexpr std::size_t marks_and_bos = 4;
    const auto all = files.size() + prefix.size() + suffix.size() + marks_and_bos + request.context_before.size();
    if (request.truncate && all >= static_cast<std::size_t>(window)) {
        const auto taken = marks_and_bos + request.context_before.size() + static_cast<std::size_t>(std::clamp(window / 4, 1, room_for_answer));
        const auto whole = static_cast<std::size_t>(window);
        cut_infill(files, prefix, suffix, whole > taken ? whole - taken : 0);
    }
    std::vector<Token> tokens = std::move(files);
    const auto append = [&](const std::vector<Token>& more) { tokens.insert(tokens.end(), more.begin(), more.end()); };
    tokens.push_back(marks.prefix);
    append(prefix);
    tokens.push_back(marks.suffix);
    append(suffix);
    tokens.push_back(marks.middle);
    return model.with_bos(std::move(tokens));
}

Result<std::vector<Token>> all_tokens(const LoadedModel& model, const GenerateRequest& request, std::int32_t window) {
    if (const auto* chat = std::get_if<ChatPrompt>(&request.prompt))
        return fitting_chat_tokens(model, request, *chat, window);
    if (const auto* text = std::get_if<TextPrompt>(&request.prompt))
        return model.with_bos(model.tokenize(text->text, true));
    if (const auto* infill = std::get_if<InfillPrompt>(&request.prompt)) return infill_tokens(model, request, *infill, window);
    const auto& tokens = std::get<TokenPrompt>(request.prompt).tokens;
    for (const auto token : tokens)
        if (!model.is_token(token))
            return fail_field(ErrorCode::invalid_request, "prompt",
                              "'prompt' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    return tokens;
}

// Keeps the first keep_tokens and as many of the last as leave the answer some room.
std::vector<Token> cut(std::vector<Token> tokens, std::uint32_t keep_tokens, std::int32_t window) {
    const auto room = std::clamp(window / 4, 1, room_for_answer);
    const auto target = static_cast<std::size_t>(std::max(window - room, 1));
    const auto keep = std::min<std::size_t>(keep_tokens, target / 2);
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(keep),
                 tokens.end() - static_cast<std::ptrdiff_t>(target - keep));
    return tokens;
}

}  // namespace

Result<std::string> render_chat(const LoadedModel& model, const ChatPrompt& prompt) {
    if (!prompt.go_template.empty()) return render_go_template(prompt.go_template, prompt);
    if (const auto* prompt_template = model.prompt_template()) return prompt_template->render(prompt);
    if (!model.template_problem().empty())
        return fail_field(ErrorCode::unsupported, "messages",
                          "the model does not support chat: its prompt template cannot be used (" +
                              model.template_problem() + ")");
    std::string text;
    for (const auto& message : prompt.messages) text += (text.empty() ? "" : "\n") + message.content;
    return text;
}

Result<std::vector<Token>> prepare_prompt(const LoadedModel& model, const GenerateRequest& request,
                                          std::int32_t window) {
    for (const auto token : request.context_before)
        if (!model.is_token(token))
            return fail_field(ErrorCode::invalid_request, "context",
                              "'context' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    WEFT_TRY(auto tokens, all_tokens(model, request, window));
    if (!request.context_before.empty()) {
        // What came before has its BOS already.
        std::vector<Token> joined = request.context_before;
        const auto own = model.with_bos({});
        const bool doubled = !own.empty() && !tokens.empty() && tokens.front() == own.front();
        joined.insert(joined.end(), tokens.begin() + (doubled ? 1 : 0), tokens.end());
        tokens = std::move(joined);
    }
    if (tokens.empty()) tokens = model.with_bos({});
    if (tokens.empty()) return fail_field(ErrorCode::invalid_request, "prompt", "the prompt is empty");
    if (tokens.size() >= static_cast<std::size_t>(window)) {
        if (!request.truncate) return std::unexpected(overflow(tokens.size(), window));
        tokens = cut(std::move(tokens), request.keep_tokens, window);
    }
    return tokens;
}

}  // namespace weft
