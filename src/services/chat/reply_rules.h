#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runner/generation.h"
#include "runner/model_description.h"
#include "services/chat/offered_tools.h"

namespace weft {

// How the text of one request's replies is told apart. ChatService makes them (Reply::rules); a dialect may switch
// separate_thinking off, and makes one ReplyParser per choice: ReplyParser(reply.rules, accepted.thinking_open).
struct ReplyRules {
    ReplyFormat format{};                         // of the model; only chat prompts have one
    std::shared_ptr<const OfferedTools> tools{};  // null: none were offered, and nothing is taken for a call
    bool parallel_calls = true;                   // false: at most one call
    bool early_arguments = false;                 // a grammar holds calls to their notation: their arguments are told while
                                                  // they are written, see CallParser
    bool separate_thinking = true;                // false: the thinking block stays in the content, with its tags
    std::function<std::string()> new_call_id{};   // of each call; random_call_id when empty
};

// 24 random letters and digits.
[[nodiscard]] std::string random_call_id();

[[nodiscard]] ReplyRules reply_rules(const ModelDescription& model, const Prompt& prompt);

}  // namespace weft
