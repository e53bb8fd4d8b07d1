#include "cli/chat_session.h"

#include "cli/answer_printer.h"
#include "cli/waiting.h"

namespace weft::cli {

Result<void> ChatSession::load() {
    ChatRequest request{.model = settings_.model, .keep_alive = settings_.keep_alive, .options = settings_.options};
    Waiting waiting(client_, terminal_);
    return client_.chat(request, [](const ChatPiece&) {});
}

ChatRequest ChatSession::request_for(const std::string& question) const {
    ChatRequest request{.model = settings_.model,
                        .think = settings_.think,
                        .format = settings_.format,
                        .keep_alive = settings_.keep_alive,
                        .options = settings_.options};
    if (settings_.system) request.messages.push_back({"system", *settings_.system});
    request.messages.append_range(messages_);
    request.messages.push_back({"user", question});
    return request;
}

Result<void> ChatSession::ask(const std::string& question) {
    AnswerPrinter printer(terminal_, {.word_wrap = settings_.word_wrap, .show_thinking = settings_.show_thinking});
    ChatPiece last;
    Result<void> result;
    {
        Waiting waiting(client_, terminal_);
        result = client_.chat(request_for(question), [&](const ChatPiece& piece) {
            waiting.something_came();
            printer.add(piece);
            if (piece.done) last = piece;
        });
    }
    printer.finish();
    if (result || (result.error().code == ErrorCode::cancelled && !printer.content().empty())) {
        messages_.push_back({"user", question});
        messages_.push_back({"assistant", printer.content()});
    }
    if (result && settings_.verbose) print_statistics(last);
    return result;
}

}  // namespace weft::cli
