#include "scheduler/intake.h"

#include <algorithm>

#include "engine/output_format.h"
#include "engine/prompt.h"
#include "grammar/tool_call_grammar.h"

namespace weft {
namespace {

// Requests are bounded by the gate; this bounds the questions (tokenize, render) beside them.
constexpr std::size_t max_queued = 4096;

// Whether a rendered chat prompt has opened a thinking block that the answer will continue.
bool ends_thinking(const LoadedModel& model, const std::vector<Token>& prompt) {
    constexpr std::size_t looked_at = 32;  // the tag may be several tokens, white space may follow
    if (!model.reply_format().thinks()) return false;
    const auto n = std::min(prompt.size(), looked_at);
    auto text = model.detokenize({prompt.end() - static_cast<std::ptrdiff_t>(n), prompt.end()}, true);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) text.pop_back();
    return text.ends_with(model.reply_format().thinking_open);
}

// Before which tokens messages begin or end: every template marks them by control tokens.
std::vector<std::int32_t> message_borders(const LoadedModel& model, const std::vector<Token>& prompt) {
    std::vector<std::int32_t> borders;
    for (std::size_t i = 1; i < prompt.size(); ++i)
        if (model.is_control(prompt[i]) && !model.is_control(prompt[i - 1])) borders.push_back(static_cast<std::int32_t>(i));
    return borders;
}

bool offers_tools(const Prompt& prompt) {
    const auto* chat = std::get_if<ChatPrompt>(&prompt);
    return chat != nullptr && !chat->tools_json.empty() && chat->tool_choice != ToolChoice::none;
}

}  // namespace

Intake::Intake(Parts parts, std::size_t threads) : parts_(std::move(parts)), constraints_(*parts_.model), queue_(max_queued) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Intake::~Intake() { queue_.close(); }

void Intake::submit(ToEngine message) {
    const bool generates = std::holds_alternative<GenerateMessage>(message);
    if (generates && !parts_.gate.try_enter())
        return refuse(message, {.code = ErrorCode::overloaded, .message = "the model's queue is full, please try again"});
    if (queue_.try_push(std::move(message))) return;
    if (generates) parts_.gate.leave();
    refuse(message, {.code = ErrorCode::overloaded, .message = "the model is busy, please try again"});
}

void Intake::work() {
    while (auto message = queue_.pop()) {
        if (auto* generate = std::get_if<GenerateMessage>(&*message)) prepare(*generate);
        else if (const auto* tokenize = std::get_if<TokenizeMessage>(&*message)) answer(*tokenize);
        else if (const auto* detokenize = std::get_if<DetokenizeMessage>(&*message)) answer(*detokenize);
        else if (const auto* render = std::get_if<RenderMessage>(&*message)) answer(*render);
        else if (const auto* pieces = std::get_if<PiecesMessage>(&*message)) answer(*pieces);
    }
}

void Intake::prepare(GenerateMessage& message) {
    const auto accepted_at = std::chrono::steady_clock::now();
    auto& request = message.request;
    const auto refuse_it = [&](const Error& error) {
        parts_.gate.leave();
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
    auto prompt = prepare_prompt(*parts_.model, request, window);
    if (!prompt) return refuse_it(prompt.error());
    if (!parts_.gate.try_add_tokens(prompt->size()))
        return refuse_it({.code = ErrorCode::overloaded,
                          .message = "the prompts that wait for this model are too many tokens, please try again"});
    const bool is_chat = std::holds_alternative<ChatPrompt>(request.prompt);
    // A raw prompt gets all that the model writes.
    const bool shows_calls = !is_chat || offers_tools(request.prompt);
    const bool thinking_open = is_chat && ends_thinking(*parts_.model, *prompt);
    std::vector<Token> closing;
    if (const auto& format = parts_.model->reply_format(); is_chat && request.thinking_budget && format.thinks())
        closing = parts_.model->tokenize("\n" + format.thinking_close + "\n\n", true);
    auto borders = parts_.marks_messages ? message_borders(*parts_.model, *prompt) : std::vector<std::int32_t>{};
    request.prompt = TokenPrompt{};
    request.shared_cache = request.shared_cache || parts_.shared_cache;
    // Prompt scores are only known after the prefill: the scheduler tells them together with the acceptance.
    if (!request.prompt_logprobs) {
        EventFrame frame;
        frame.events.push_back({.id = message.id,
                                .event = PromptAccepted{.prompt_tokens = static_cast<std::uint32_t>(prompt->size()),
                                                        .tokens = request.want_prompt_tokens ? *prompt : std::vector<Token>{},
                                                        .thinking_open = thinking_open}});
        parts_.sink.send(std::move(frame));
    }
    parts_.inbox.push(std::make_shared<PreparedRequest>(PreparedRequest{.id = message.id,
                                                                        .prompt = std::move(*prompt),
                                                                        .request = std::move(request),
                                                                        .window = window,
                                                                        .reply_format = is_chat ? parts_.model->reply_format() : ReplyFormat{},
                                                                        .thinking_open = thinking_open,
                                                                        .offers_tools = shows_calls,
                                                                        .constraint = std::move(*constraint),
                                                                        .message_borders = std::move(borders),
                                                                        .thinking_closing = std::move(closing),
                                                                        .accepted_at = accepted_at}));
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
    }
}

void Intake::answer(const TokenizeMessage& message) {
    auto tokens = parts_.model->tokenize(message.text, message.parse_special);
    if (message.add_special) tokens = parts_.model->with_specials(std::move(tokens));
    (void)parts_.link.write(encode(FromEngine(TokenizeReply{message.id, std::move(tokens)})));
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

void Intake::answer(const RenderMessage& message) {
    TextReply reply{.id = message.id, .result = {}};
    auto text = render_chat(*parts_.model, message.prompt);
    if (text) reply.result = std::move(*text);
    else reply.result = text.error();
    (void)parts_.link.write(encode(FromEngine(std::move(reply))));
}

}  // namespace weft
