#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "jinja/template.h"
#include "runner/generation.h"
#include "runner/reply_format.h"

namespace weft {

// A model's own prompt template: conversation in, prompt text out. Constant; any thread.
class PromptTemplate {
  public:
    // bos and eos: the text of these special tokens, which templates print themselves.
    [[nodiscard]] static Result<PromptTemplate> parse(std::string_view source, std::string bos, std::string eos);

    // invalid_request with the template's own words when it refuses the conversation (raise_exception), when it exceeds
    // its budget, or when tools or variables are not JSON.
    [[nodiscard]] Result<std::string> render(const ChatPrompt& prompt) const;

    // What the template itself puts between thoughts and answer: the closing tag and the white space around it.
    [[nodiscard]] const std::string& thinking_end() const { return thinking_end_; }

    [[nodiscard]] bool takes_tools() const { return takes_tools_; }
    [[nodiscard]] bool thinks() const { return thinks_; }

  private:
    PromptTemplate(jinja::Template parsed, std::string bos, std::string eos);
    [[nodiscard]] Result<std::string> render_messages(const ChatPrompt& prompt, const std::vector<ChatMessage>& messages,
                                                      bool add_generation_prompt, std::optional<bool> thinking) const;

    // Whether a second system message gets lost or is refused: then all are joined into the first.
    [[nodiscard]] bool loses_system_messages() const;
    // Whether an earlier call's arguments must be JSON text: templates that glue them to other text fail on an object.
    [[nodiscard]] bool wants_text_arguments();
    // Whether offering a tool is an error of the template's own: then tools are explained in a system message.
    [[nodiscard]] bool fails_with_tools() const;
    [[nodiscard]] std::string find_thinking_end(const ReplyFormat& format) const;

    jinja::Template template_;
    std::string bos_;
    std::string eos_;
    bool takes_tools_;
    bool thinks_;
    bool one_system_message_ = false;
    CallStyle calls_ = CallStyle::none;
    std::string thinking_end_;
    bool knows_max_effort_ = false;
    bool short_call_ids_ = false;   // ids of calls must be nine letters or digits
    bool text_arguments_ = false;
};

}  // namespace weft
