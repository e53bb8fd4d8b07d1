#include "scheduler/intake.h"

#include <algorithm>

#include "engine/output_format.h"
#include "grammar/tool_call_grammar.h"

namespace weft {
namespace {

// Requests are bounded by the gate; this bounds the questions (tokenize, render) beside them.
constexpr std::size_t max_queued = 4096;
// Of the files of images that wait to be looked at, of all requests together, and of those of one tenant.
constexpr std::size_t max_waiting_image_bytes = 512U << 20;
constexpr std::size_t max_waiting_image_bytes_of_one = max_waiting_image_bytes / 2;
// More work than this is done on the thread for long ones: most requests are far below, and none of them waits for those.
constexpr std::size_t most_quick_work = std::size_t{256} << 10;  // bytes to render and to tokenize
constexpr std::size_t work_of_message = 256;                    // what the template writes around one, in the same measure
// Of one question; some seconds of work.
constexpr std::size_t max_tokenized_bytes = std::size_t{4} << 20;

// Whether the turn that the answer goes on with is a thinking block that is not closed.
bool continues_thinking(const ReplyFormat& format, const ChatPrompt& chat) {
    if (!chat.continue_final_message || chat.messages.empty() || chat.messages.back().role != "assistant") return false;
    const std::string_view turn = chat.messages.back().content;
    const auto begin = turn.find_first_not_of(" \n\t\r");
    return begin != std::string_view::npos && turn.substr(begin).starts_with(format.thinking_open) && !turn.contains(format.thinking_close);
}

// Whether a rendered chat prompt has opened a thinking block that the answer will continue.
bool ends_thinking(const LoadedModel& model, const ChatPrompt& chat, const std::vector<Token>& prompt) {
    constexpr std::size_t looked_at = 32;  // the tag may be several tokens, white space may follow
    if (!model.reply_format().thinks()) return false;
    if (continues_thinking(model.reply_format(), chat)) return true;
    const auto n = std::min(prompt.size(), looked_at);
    auto text = model.detokenize({prompt.end() - static_cast<std::ptrdiff_t>(n), prompt.end()}, true);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) text.pop_back();
    return text.ends_with(model.reply_format().thinking_open);
}

// What closes a thinking block. Where a call may follow, nothing is begun behind the tag: a call has a beginning of its own.
std::string end_of_thinking(const LoadedModel& model, bool may_call) {
    const auto& end = model.prompt_template()->thinking_end();
    const auto& tag = model.reply_format().thinking_close;
    const auto at = end.find(tag);
    if (!may_call || at == std::string::npos) return end;
    return end.substr(0, std::min(end.find_first_not_of(" \n\t\r", at + tag.size()), end.size()));
}

// Before which tokens messages begin or end: every template marks them by control tokens. Only in front of the first
// image: states are not kept behind one.
std::vector<std::int32_t> message_borders(const LoadedModel& model, const std::vector<Token>& prompt) {
    std::vector<std::int32_t> borders;
    const auto words = words_in_front(prompt);
    for (std::size_t i = 1; i < words; ++i)
        if (model.is_control(prompt[i]) && !model.is_control(prompt[i - 1])) borders.push_back(static_cast<std::int32_t>(i));
    return borders;
}

// The images in a message to the engine, in their order.
std::vector<const ChatImage*> images_in(const ToEngine& message) {
    const auto* count = std::get_if<CountMessage>(&message);
    const auto* generate = std::get_if<GenerateMessage>(&message);
    const auto* chat = count != nullptr ? &count->prompt : generate != nullptr ? std::get_if<ChatPrompt>(&generate->request.prompt) : nullptr;
    std::vector<const ChatImage*> images;
    if (chat != nullptr)
        for (const auto& turn : chat->messages)
            for (const auto& image : turn.images) images.push_back(&image);
    return images;
}

std::size_t image_bytes(const ToEngine& message) {
    std::size_t bytes = 0;
    for (const auto* image : images_in(message)) bytes += image->bytes.size();
    return bytes;
}

std::size_t work_of(const ChatPrompt& chat) {
    std::size_t work = 0;
    for (const auto& turn : chat.messages) work += work_of_message + turn.content.size() + turn.thinking.size();
    for (const auto& tool : chat.tools_json) work += tool.size();
    return work;
}

std::size_t work_of(const Prompt& prompt) {
    if (const auto* chat = std::get_if<ChatPrompt>(&prompt)) return work_of(*chat);
    if (const auto* text = std::get_if<TextPrompt>(&prompt)) return text->text.size();
    const auto* infill = std::get_if<InfillPrompt>(&prompt);
    if (infill == nullptr) return 0;
    std::size_t work = infill->prefix.size() + infill->suffix.size();
    for (const auto& file : infill->files) work += file.text.size();
    return work;
}

std::size_t work_of(const ToEngine& message) {
    if (const auto* generate = std::get_if<GenerateMessage>(&message)) return work_of(generate->request.prompt);
    if (const auto* count = std::get_if<CountMessage>(&message)) return work_of(count->prompt);
    if (const auto* render = std::get_if<RenderMessage>(&message)) return work_of(render->prompt);
    const auto* tokenize = std::get_if<TokenizeMessage>(&message);
    if (tokenize == nullptr) return 0;
    return tokenize->chat ? work_of(*tokenize->chat) : tokenize->text.size();
}

// Who takes turns with whom. Nobody's name is that of those who only count.
std::string owner_of(const ToEngine& message) {
    const auto* generate = std::get_if<GenerateMessage>(&message);
    return generate != nullptr ? "tenant " + generate->request.tenant : "count";
}

// What is behind an image would move to other positions.
void settle_images(GenerateRequest& request) { request.shift = false; }

bool offers_tools(const Prompt& prompt) {
    const auto* chat = std::get_if<ChatPrompt>(&prompt);
    return chat != nullptr && !chat->tools_json.empty() && chat->tool_choice != ToolChoice::none;
}

}  // namespace

Intake::Intake(Parts parts, std::size_t threads)
    : parts_(std::move(parts)), constraints_(*parts_.model), queue_(max_queued), long_queue_(max_queued), image_queue_(max_queued) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    threads_.emplace_back([this] { work_on_long(); });
    if (parts_.eyes.projector != nullptr) threads_.emplace_back([this] { work_on_images(); });
}

Intake::~Intake() {
    queue_.close();
    long_queue_.close();
    image_queue_.close();
}

void Intake::submit(ToEngine message) {
    const auto* generates = std::get_if<GenerateMessage>(&message);
    const auto id = generates == nullptr ? 0 : generates->id;
    const auto tenant = generates == nullptr ? std::string() : generates->request.tenant;
    if (generates != nullptr && !parts_.gate.try_enter(generates->request.tenant))
        return refuse(message, {.code = ErrorCode::overloaded, .message = "the model's queue is full, please try again"});
    if (generates != nullptr) board_.enter(id);
    Arrived arrived{.message = std::move(message), .at = std::chrono::steady_clock::now()};
    const auto bytes = image_bytes(arrived.message);
    const auto owner = owner_of(arrived.message);
    if (bytes == 0 && submit_text(owner, arrived)) return;
    if (bytes > 0 && fits(owner, bytes)) {
        auto& queue = parts_.eyes.projector == nullptr ? queue_ : image_queue_;
        if (queue.try_push(owner, std::move(arrived))) return;
        release(owner, bytes);
    }
    if (generates != nullptr) forget(id, tenant);
    refuse(arrived.message, {.code = ErrorCode::overloaded, .message = "the model is busy, please try again"});
}

bool Intake::submit_text(const std::string& owner, Arrived& arrived) {
    auto& queue = work_of(arrived.message) <= most_quick_work ? queue_ : long_queue_;
    return queue.try_push(owner, std::move(arrived));
}

// Counted at once, so that what is refused is refused before it waits.
bool Intake::fits(const std::string& owner, std::size_t bytes) {
    const std::lock_guard lock(bytes_mutex_);
    const auto own = image_bytes_.find(owner);
    if (own != image_bytes_.end() && own->second + bytes > max_waiting_image_bytes_of_one) return false;
    if (image_bytes_[""] + bytes > max_waiting_image_bytes) return false;
    image_bytes_[""] += bytes;
    image_bytes_[owner] += bytes;
    return true;
}

void Intake::release(const std::string& owner, std::size_t bytes) {
    const std::lock_guard lock(bytes_mutex_);
    image_bytes_[""] -= bytes;
    const auto own = image_bytes_.find(owner);
    if ((own->second -= bytes) == 0) image_bytes_.erase(own);
}

void Intake::work() {
    while (auto next = queue_.pop()) {
        const auto bytes = image_bytes(next->second.message);
        handle(next->second);
        if (bytes > 0) release(next->first, bytes);
    }
}

void Intake::work_on_long() {
    while (auto next = long_queue_.pop()) handle(next->second);
}

void Intake::work_on_images() {
    while (auto next = image_queue_.pop()) look_at(next->first, std::move(next->second));
}

// One image, which the projector keeps; when it has seen all of them, the message itself.
void Intake::look_at(const std::string& owner, Arrived look) {
    const auto images = images_in(look.message);
    const auto* generate = std::get_if<GenerateMessage>(&look.message);
    const bool cancelled = generate != nullptr && board_.cancelled(generate->id);
    if (!cancelled && look.images_seen + 1 < images.size()) {
        // What is wrong with it is told when the prompt is put together.
        if (parts_.eyes.projector->encode(*images[look.images_seen], parts_.eyes.most_rows)) {
            ++look.images_seen;
            return image_queue_.put_back(owner, std::move(look));
        }
    }
    const auto bytes = image_bytes(look.message);
    handle(look);
    release(owner, bytes);
}

void Intake::handle(Arrived& arrived) {
    auto& message = arrived.message;
    if (auto* generate = std::get_if<GenerateMessage>(&message)) prepare(*generate, arrived.at);
    else if (const auto* tokenize = std::get_if<TokenizeMessage>(&message)) answer(*tokenize);
    else if (const auto* detokenize = std::get_if<DetokenizeMessage>(&message)) answer(*detokenize);
    else if (const auto* render = std::get_if<RenderMessage>(&message)) answer(*render);
    else if (const auto* pieces = std::get_if<PiecesMessage>(&message)) answer(*pieces);
    else if (const auto* count = std::get_if<CountMessage>(&message)) answer(*count);
}

void Intake::prepare(GenerateMessage& message, std::chrono::steady_clock::time_point accepted_at) {
    auto& request = message.request;
    const auto tenant = request.tenant;
    if (board_.cancelled(message.id)) return forget(message.id, tenant);
    const auto refuse_it = [&](const Error& error) {
        forget(message.id, tenant);
        refuse(ToEngine(GenerateMessage{.id = message.id, .request = {}}), error);
    };
    if (!parts_.model->generates())
        return refuse_it({.code = ErrorCode::unsupported, .message = "the model does not support generation", .field = "model"});
    auto window = parts_.window;
    if (request.context_tokens > 0)
        window = static_cast<std::int32_t>(std::min<std::uint32_t>(request.context_tokens, static_cast<std::uint32_t>(window)));
    window = std::max(window, 4);
    auto constraint = constraint_of(request);
    if (!constraint) return refuse_it(constraint.error());
    auto prepared = prepare_prompt(*parts_.model, request, window, parts_.eyes);
    if (!prepared) return refuse_it(prepared.error());
    auto* prompt = &prepared->tokens;
    if (!prepared->images.empty()) settle_images(request);
    // From here on the scheduler is who cancels.
    if (board_.leave(message.id)) return parts_.gate.leave(tenant);
    if (!parts_.gate.try_add_tokens(tenant, prompt->size()))
        return refuse_it({.code = ErrorCode::overloaded,
                          .message = "the prompts that wait for this model are too many tokens, please try again"});
    const bool is_chat = std::holds_alternative<ChatPrompt>(request.prompt);
    // A raw prompt gets all that the model writes.
    const bool shows_calls = !is_chat || offers_tools(request.prompt);
    const bool thinking_open = is_chat && ends_thinking(*parts_.model, std::get<ChatPrompt>(request.prompt), *prompt);
    const bool may_think = thinking_open || !is_chat || std::get<ChatPrompt>(request.prompt).thinking != false;
    std::vector<Token> closing;
    if (is_chat && request.thinking_budget && parts_.model->reply_format().thinks() && parts_.model->prompt_template() != nullptr)
        closing = parts_.model->tokenize(end_of_thinking(*parts_.model, shows_calls), true);
    auto borders = parts_.marks_messages ? message_borders(*parts_.model, *prompt) : std::vector<std::int32_t>{};
    request.prompt = TokenPrompt{};
    request.shared_cache = request.shared_cache || parts_.shared_cache;
    const auto ready = std::make_shared<PreparedRequest>(PreparedRequest{.id = message.id,
                                                                         .prompt = std::move(*prompt),
                                                                         .images = std::move(prepared->images),
                                                                         .truncated = prepared->truncated,
                                                                         .request = std::move(request),
                                                                         .window = window,
                                                                         .reply_format = is_chat ? parts_.model->reply_format() : ReplyFormat{},
                                                                         .thinking_open = thinking_open,
                                                                         .may_think = may_think,
                                                                         .offers_tools = shows_calls,
                                                                         .constraint = std::move(*constraint),
                                                                         .message_borders = std::move(borders),
                                                                         .thinking_closing = std::move(closing),
                                                                         .accepted_at = accepted_at});
    // Prompt scores are only known after the prefill, and the scheduler judges deadlines: it tells the acceptance then.
    if (!ready->request.prompt_logprobs && ready->request.deadline_ms == 0) {
        EventFrame frame;
        frame.events.push_back({.id = ready->id, .event = acceptance_of(*ready)});
        parts_.sink.send(std::move(frame));
    }
    parts_.inbox.push(ready);
}

void Intake::forget(std::uint64_t id, const std::string& tenant) {
    board_.leave(id);
    parts_.gate.leave(tenant);
}

// Calls of tools and the form of the text are one grammar where both are asked for.
Result<ConstraintPlan> Intake::plan_of(const GenerateRequest& request) const {
    if (!offers_tools(request.prompt)) return output_format_plan(request);
    WEFT_TRY(auto calls, tool_call_plan(parts_.model->reply_format(), request, std::get<ChatPrompt>(request.prompt)));
    return calls.enforces() ? std::move(calls) : output_format_plan(request);
}

Result<std::shared_ptr<const CompiledConstraint>> Intake::constraint_of(const GenerateRequest& request) {
    WEFT_TRY(const auto plan, plan_of(request));
    if (!plan.enforces()) return nullptr;
    auto compiled = constraints_.compile(plan);
    if (compiled) return compiled;
    auto error = std::move(compiled).error();
    if (request.format == OutputFormat::text) {
        error.field = "tools";
        error.reason = ErrorReason::invalid_schema;
        return std::unexpected(std::move(error));
    }
    error.field = request.format_field;
    error.reason = request.format == OutputFormat::json_schema ? ErrorReason::invalid_schema : ErrorReason::invalid_grammar;
    return std::unexpected(std::move(error));
}

void Intake::refuse(const ToEngine& message, const Error& error) {
    if (const auto* generate = std::get_if<GenerateMessage>(&message)) {
        EventFrame frame;
        frame.events.push_back({.id = generate->id, .event = error});
        parts_.sink.send(std::move(frame));
    } else if (const auto* tokenize = std::get_if<TokenizeMessage>(&message)) {
        (void)parts_.link.write(encode(FromEngine(TokenizeReply{tokenize->id, error})));
    } else if (const auto* detokenize = std::get_if<DetokenizeMessage>(&message)) {
        (void)parts_.link.write(encode(FromEngine(TextReply{detokenize->id, error})));
    } else if (const auto* render = std::get_if<RenderMessage>(&message)) {
        (void)parts_.link.write(encode(FromEngine(TextReply{render->id, error})));
    } else if (const auto* pieces = std::get_if<PiecesMessage>(&message)) {
        (void)parts_.link.write(encode(FromEngine(PiecesReply{pieces->id, error})));
    } else if (const auto* count = std::get_if<CountMessage>(&message)) {
        (void)parts_.link.write(encode(FromEngine(CountReply{count->id, error})));
    }
}

void Intake::answer(const TokenizeMessage& message) {
    auto tokens = tokens_of(message);
    if (!tokens) return refuse(ToEngine(TokenizeMessage{.id = message.id, .text = {}}), tokens.error());
    (void)parts_.link.write(encode(FromEngine(TokenizeReply{message.id, std::move(*tokens)})));
}

Result<std::vector<Token>> Intake::tokens_of(const TokenizeMessage& message) const {
    std::vector<Token> tokens;
    const auto too_long = [] { return fail_field(ErrorCode::too_large, "content", "the text is longer than " + std::to_string(max_tokenized_bytes) + " bytes"); };
    if (message.chat) {
        std::size_t bytes = 0;
        for (const auto& turn : message.chat->messages) {
            bytes += turn.content.size() + turn.thinking.size();
            if (bytes > max_tokenized_bytes) return too_long();
            if (!turn.images.empty())
                return fail_field(ErrorCode::unsupported, turn.images.front().field, "an image is no tokens of the vocabulary: only text can be tokenized");
        }
        // As a generation puts it together, so that what a client wrote counts as text here, too.
        WEFT_TRY(auto prepared, chat_tokens(*parts_.model, *message.chat, parts_.eyes));
        tokens = std::move(prepared.tokens);
    } else if (message.text.size() > max_tokenized_bytes) {
        return too_long();
    } else {
        tokens = parts_.model->tokenize(message.text, message.parse_special);
    }
    return message.add_special ? parts_.model->with_specials(std::move(tokens)) : tokens;
}

void Intake::answer(const DetokenizeMessage& message) {
    (void)parts_.link.write(encode(FromEngine(TextReply{message.id, parts_.model->text_of(message.tokens)})));
}

void Intake::answer(const PiecesMessage& message) {
    std::vector<std::string> pieces;
    pieces.reserve(message.tokens.size());
    for (const auto token : message.tokens) pieces.push_back(parts_.model->detokenize({token}, true));
    (void)parts_.link.write(encode(FromEngine(PiecesReply{message.id, std::move(pieces)})));
}

void Intake::answer(const CountMessage& message) {
    CountReply reply{.id = message.id, .result = {}};
    const auto prepared = chat_tokens(*parts_.model, message.prompt, parts_.eyes);
    if (prepared) reply.result = static_cast<std::uint32_t>(prepared->tokens.size());
    else reply.result = prepared.error();
    (void)parts_.link.write(encode(FromEngine(std::move(reply))));
}

void Intake::answer(const RenderMessage& message) {
    TextReply reply{.id = message.id, .result = {}};
    auto text = render_chat(*parts_.model, message.prompt);
    if (text) reply.result = std::move(*text);
    else reply.result = text.error();
    (void)parts_.link.write(encode(FromEngine(std::move(reply))));
}

}  // namespace weft
