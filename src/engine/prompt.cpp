#include "engine/prompt.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "engine/go_prompt_template.h"
#include "engine/special_texts.h"

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

// No more of a text than could fill several windows, whatever its tokens: its beginning and its end, which is what a cut
// keeps of it. A text of many megabytes would take minutes to tokenize; its overflow tells fewer tokens than it has.
std::string within_reach(const LoadedModel& model, std::string text, std::int32_t window) {
    constexpr std::size_t windows = 4;
    const auto most = windows * static_cast<std::size_t>(window) * std::max<std::size_t>(model.longest_token(), 1);
    if (text.size() <= most) return text;
    const auto from = cut_before_character(text, most / 2);
    auto to = text.size() - most / 2;
    while (to < text.size() && continues_character(text[to])) ++to;
    text.erase(from, to - from);
    return text;
}

Result<std::string> render_marked(const LoadedModel& model, const ChatPrompt& prompt) {
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

ChatPrompt marked_for(const LoadedModel& model, const ChatPrompt& prompt) {
    const auto& format = model.reply_format();
    return marked(prompt, model.special_texts(), {format.thinking_open, format.thinking_close});
}

std::vector<const ChatImage*> images_of(const ChatPrompt& prompt) {
    std::vector<const ChatImage*> images;
    for (const auto& message : prompt.messages)
        for (const auto& image : message.images) images.push_back(&image);
    return images;
}

// Text between marks to tokens, marks of images to their rows.
class PromptAssembly {
  public:
    PromptAssembly(const LoadedModel& model, std::vector<const ChatImage*> images, const ImageEyes& eyes)
        : model_(model), images_(std::move(images)), eyes_(eyes) {}

    Result<PreparedPrompt> assemble(std::string_view text) {
        prompt_.tokens = model_.with_bos({});
        while (!text.empty()) {
            const auto mark = std::min(text.find(special_break), text.find(image_mark));
            add(text.substr(0, mark));
            if (mark == std::string_view::npos) break;
            const bool is_break = text.substr(mark).starts_with(special_break);
            text.remove_prefix(mark + special_break.size());
            if (!is_break) WEFT_CHECK(add_image(text));
        }
        return std::move(prompt_);
    }

  private:
    void add(std::string_view text) {
        auto tokens = model_.tokenize(text, true);
        // Templates print the BOS themselves, or leave it to us.
        const bool first = prompt_.tokens.size() == 1 && !tokens.empty() && model_.with_bos({}) == prompt_.tokens;
        if (first && tokens.front() == prompt_.tokens.front()) prompt_.tokens.clear();
        prompt_.tokens.insert(prompt_.tokens.end(), tokens.begin(), tokens.end());
    }

    // `text` begins with the image's number and the second mark; a template that took them apart shows no image.
    Result<void> add_image(std::string_view& text) {
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        const auto digits = static_cast<std::size_t>(end - text.data());
        if (error != std::errc() || !text.substr(digits).starts_with(image_mark) || number >= images_.size()) return {};
        text.remove_prefix(digits + image_mark.size());
        const auto& image = *images_[number];
        if (eyes_.projector == nullptr) return fail_field(ErrorCode::unsupported, image.field, "the model does not support image input");
        WEFT_TRY(const auto encoded, eyes_.projector->encode(image, eyes_.most_rows));
        for (const auto& piece : encoded->pieces) {
            if (const auto* tokens = std::get_if<std::vector<Token>>(&piece)) {
                prompt_.tokens.insert(prompt_.tokens.end(), tokens->begin(), tokens->end());
                continue;
            }
            const auto& run = std::get<std::shared_ptr<const ImageRun>>(piece);
            const auto begin = static_cast<std::int32_t>(prompt_.tokens.size());
            const auto position = position_of(begin, prompt_.images);
            prompt_.images.push_back({.begin = begin, .position = position, .run = run});
            prompt_.tokens.insert(prompt_.tokens.end(), run->names.begin(), run->names.end());
        }
        return {};
    }

    const LoadedModel& model_;
    std::vector<const ChatImage*> images_;
    const ImageEyes& eyes_;
    PreparedPrompt prompt_{};
};

bool fits(const std::vector<Token>& before, const std::vector<Token>& tokens, std::int32_t window) {
    return before.size() + tokens.size() < static_cast<std::size_t>(window);
}

// Messages that may go: neither system messages nor the last one.
std::size_t droppable(const std::vector<ChatMessage>& messages) {
    if (messages.empty()) return 0;
    return static_cast<std::size_t>(std::count_if(messages.begin(), messages.end() - 1, [](const ChatMessage& m) { return m.role != "system"; }));
}

// Without the oldest `count` of them.
ChatPrompt without_oldest(const ChatPrompt& prompt, std::size_t count) {
    ChatPrompt fewer = prompt;
    std::erase_if(fewer.messages, [&](const ChatMessage& m) { return m.role != "system" && count > 0 && count-- > 0; });
    return fewer;
}

// The conversation with as few of its oldest messages dropped as make it fit; by halves, because each try renders it.
Result<PreparedPrompt> fitting_chat_tokens(const LoadedModel& model, const GenerateRequest& request, const ChatPrompt& prompt,
                                           std::int32_t window, const ImageEyes& eyes) {
    WEFT_TRY(auto whole, chat_tokens(model, prompt, eyes, window));
    if (!prompt.drop_oldest_to_fit || fits(request.context_before, whole.tokens, window)) return whole;
    const auto most = droppable(prompt.messages);
    // Some templates insist on a first turn by the user: then one more goes.
    const auto dropped = [&](std::size_t count) {
        auto fewer = chat_tokens(model, without_oldest(prompt, count), eyes, window);
        return fewer || count == most ? fewer : chat_tokens(model, without_oldest(prompt, count + 1), eyes, window);
    };
    auto best = std::move(whole);
    std::size_t too_few = 0;
    for (std::size_t enough = most + 1; too_few + 1 < enough;) {
        const auto count = too_few + (enough - too_few) / 2;
        auto fewer = dropped(count);
        const bool fit = fewer && fits(request.context_before, fewer->tokens, window);
        // Where nothing fits, the shortest is cut.
        if (fewer && (fit || fewer->tokens.size() < best.tokens.size())) {
            best = std::move(*fewer);
            best.truncated = true;
        }
        (fit ? enough : too_few) = count;
    }
    return best;
}

// Other files, as models are trained on repositories; as plain text for those that know no marks for it.
std::vector<Token> file_tokens(const LoadedModel& model, const LoadedModel::InfillTokens& marks, const InfillPrompt& prompt,
                               std::int32_t window) {
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
        append(model.tokenize(within_reach(model, file.text, window), false));
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

Result<PreparedPrompt> infill_tokens(const LoadedModel& model, const GenerateRequest& request, const InfillPrompt& prompt,
                                     std::int32_t window) {
    if (!model.infill()) return fail_field(ErrorCode::unsupported, "suffix", "the model does not support insert");
    const auto& marks = *model.infill();
    auto files = file_tokens(model, marks, prompt, window);
    auto prefix = model.tokenize(within_reach(model, prompt.prefix, window), false);
    auto suffix = model.tokenize(within_reach(model, prompt.suffix, window), false);
    constexpr std::size_t marks_and_bos = 4;
    const auto all = files.size() + prefix.size() + suffix.size() + marks_and_bos + request.context_before.size();
    const bool too_long = request.truncate && all >= static_cast<std::size_t>(window);
    if (too_long) {
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
    return PreparedPrompt{.tokens = model.with_bos(std::move(tokens)), .truncated = too_long};
}

// Of a prompt without images.
Result<PreparedPrompt> text_tokens(const LoadedModel& model, const GenerateRequest& request, std::int32_t window) {
    if (const auto* text = std::get_if<TextPrompt>(&request.prompt))
        return PreparedPrompt{.tokens = model.with_bos(model.tokenize(within_reach(model, text->text, window), true))};
    if (const auto* infill = std::get_if<InfillPrompt>(&request.prompt)) return infill_tokens(model, request, *infill, window);
    const auto& tokens = std::get<TokenPrompt>(request.prompt).tokens;
    for (const auto token : tokens)
        if (!model.is_token(token))
            return fail_field(ErrorCode::invalid_request, "prompt",
                              "'prompt' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    return PreparedPrompt{.tokens = tokens};
}

// Images are cut whole or not at all: the first border at or behind this one that is inside none.
std::int32_t outside_images(std::int32_t border, const std::vector<ImageSpan>& images) {
    const auto* image = image_at(border, images);
    return image == nullptr || image->begin == border ? border : image->end();
}

// Keeps the first keep_tokens and as many of the last as leave the answer some room.
void cut(PreparedPrompt& prompt, std::uint32_t keep_tokens, std::int32_t window) {
    const auto room = std::clamp(window / 4, 1, room_for_answer);
    const auto target = std::max(window - room, 1);
    const auto size = static_cast<std::int32_t>(prompt.tokens.size());
    auto keep = std::min(static_cast<std::int32_t>(std::min<std::uint32_t>(keep_tokens, INT32_MAX)), target / 2);
    if (const auto* image = image_at(keep, prompt.images)) keep = image->begin;
    const auto from = outside_images(size - (target - keep), prompt.images);
    prompt.tokens.erase(prompt.tokens.begin() + keep, prompt.tokens.begin() + from);
    std::erase_if(prompt.images, [&](const ImageSpan& image) { return image.begin >= keep && image.begin < from; });
    for (auto& image : prompt.images)
        if (image.begin >= from) image.begin -= from - keep;
    for (auto& image : prompt.images) image.position = position_of(image.begin, prompt.images);
}

// What came before has its BOS already.
PreparedPrompt joined(const LoadedModel& model, const std::vector<Token>& before, PreparedPrompt prompt) {
    const auto own = model.with_bos({});
    const bool doubled = !own.empty() && !prompt.tokens.empty() && prompt.tokens.front() == own.front();
    if (doubled) prompt.tokens.erase(prompt.tokens.begin());
    prompt.tokens.insert(prompt.tokens.begin(), before.begin(), before.end());
    const auto moved = static_cast<std::int32_t>(before.size()) - (doubled ? 1 : 0);
    for (auto& image : prompt.images) image.begin += moved, image.position += moved;
    return prompt;
}

}  // namespace

Result<std::string> render_chat(const LoadedModel& model, const ChatPrompt& prompt) {
    WEFT_TRY(const auto text, render_marked(model, marked_for(model, prompt)));
    return unmarked(text);
}

Result<PreparedPrompt> chat_tokens(const LoadedModel& model, const ChatPrompt& prompt, const ImageEyes& eyes, std::int32_t window) {
    WEFT_TRY(auto text, render_marked(model, marked_for(model, prompt)));
    return PromptAssembly(model, images_of(prompt), eyes).assemble(window == 0 ? text : within_reach(model, std::move(text), window));
}

Result<PreparedPrompt> prepare_prompt(const LoadedModel& model, const GenerateRequest& request, std::int32_t window,
                                      const ImageEyes& eyes) {
    for (const auto token : request.context_before)
        if (!model.is_token(token))
            return fail_field(ErrorCode::invalid_request, "context",
                              "'context' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    PreparedPrompt prompt;
    if (const auto* chat = std::get_if<ChatPrompt>(&request.prompt)) {
        WEFT_TRY(prompt, fitting_chat_tokens(model, request, *chat, window, eyes));
    } else {
        WEFT_TRY(prompt, text_tokens(model, request, window));
    }
    if (!request.context_before.empty()) prompt = joined(model, request.context_before, std::move(prompt));
    if (prompt.tokens.empty()) prompt.tokens = model.beginning();
    if (prompt.tokens.empty()) return fail_field(ErrorCode::invalid_request, "prompt", "the prompt is empty");
    if (prompt.tokens.size() >= static_cast<std::size_t>(window)) {
        const auto size = prompt.tokens.size();
        if (!request.truncate) return std::unexpected(overflow(size, window));
        cut(prompt, request.keep_tokens, window);
        prompt.truncated = true;
        // Nothing but an image that is larger than the window.
        if (prompt.tokens.empty()) return std::unexpected(overflow(size, window));
    }
    return prompt;
}

}  // namespace weft
