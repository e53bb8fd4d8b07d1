// Families that write each argument as bare text between tags.
#include "services/chat/call_body.h"
#include "services/chat/json_scanner.h"
#include "services/chat/white_space.h"

namespace weft {
namespace {

using State = CallBody::State;

// The line feeds that templates put around a value.
std::string_view without_frame(std::string_view value) {
    if (value.starts_with('\n')) value.remove_prefix(1);
    if (value.ends_with('\n')) value.remove_suffix(1);
    return value;
}

// Walks over text from word to word.
class Words {
  public:
    explicit Words(std::string_view text) : rest_(text) {}
    // What stands before the next `word`, which is then skipped. Nothing when there is none.
    bool take_until(std::string_view word, std::string_view& before) {
        const auto at = rest_.find(word);
        if (at == std::string_view::npos) return false;
        before = rest_.substr(0, at);
        rest_.remove_prefix(at + word.size());
        return true;
    }
    void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(white_space), rest_.size())); }
    bool skip(std::string_view word) {
        skip_space();
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }
    [[nodiscard]] bool at_end() {
        skip_space();
        return rest_.empty();
    }

  private:
    std::string_view rest_;
};

class Arguments {
  public:
    Arguments(const OfferedTools& tools, std::string_view tool) : tools_(tools), tool_(tool) {}
    void add_json(std::string_view key, std::string_view json) {
        text_ += text_.empty() ? "{" : ",";
        text_ += json_string(key);
        text_ += ':';
        text_ += json;
    }
    void add_text(std::string_view key, std::string_view value) { add_json(key, tools_.value_of(tool_, key, value)); }
    [[nodiscard]] std::string text() const { return text_.empty() ? "{}" : text_ + "}"; }

  private:
    const OfferedTools& tools_;
    std::string_view tool_;
    std::string text_;
};

// The tags of a family. A value ends at its own closing tag, whatever else stands in it.
struct Tags {
    std::string_view value_begins;  // a tag with this beginning ...
    std::string_view value_ends;    // ... starts text in which nothing but this tag counts
    std::string_view call_ends;
};

Tags tags_of(CallStyle style) {
    switch (style) {
        case CallStyle::glm: return {"<arg_value", "</arg_value>", "</tool_call>"};
        case CallStyle::deepseek_dsml: return {"<｜DSML｜parameter ", "</｜DSML｜parameter>", "</｜DSML｜invoke>"};
        case CallStyle::mcp: return {"<arguments", "</arguments>", "</use_mcp_tool>"};
        default: return {"<parameter=", "</parameter>", "</function>"};
    }
}

class TaggedBody final : public CallBody {
  public:
    TaggedBody(CallStyle style, const OfferedTools& tools) : style_(style), tags_(tags_of(style)), tools_(tools) {}

    State feed(char c) override {
        if (raw_.size() >= max_call_bytes) return State::broken;
        if (values_ == 0 && !in_value_ && raw_.size() >= max_call_header_bytes) return State::broken;
        raw_ += c;
        if (c == '<' && !in_value_) tag_begin_ = raw_.size() - 1;
        if (c != '>') return State::more;
        const std::string_view text = raw_;
        if (in_value_) {
            if (text.ends_with(tags_.value_ends)) in_value_ = false;
            return State::more;
        }
        if (text.ends_with(tags_.call_ends)) return State::complete;
        if (tag_begin_ != std::string::npos && text.substr(tag_begin_).starts_with(tags_.value_begins)) {
            in_value_ = true;
            ++values_;
        }
        return State::more;
    }

    // Some models leave the last tag to the end of the turn.
    bool finish() override {
        if (in_value_ || (values_ == 0 && style_ != CallStyle::glm)) return false;
        raw_ += tags_.call_ends;
        return true;
    }

    [[nodiscard]] std::vector<ReadCall> calls() const override {
        ReadCall call;
        bool read = false;
        switch (style_) {
            case CallStyle::glm: read = read_glm(call); break;
            case CallStyle::deepseek_dsml: read = read_dsml(call); break;
            case CallStyle::mcp: return read_mcp();
            default: read = read_qwen(call); break;
        }
        return read ? std::vector<ReadCall>{std::move(call)} : std::vector<ReadCall>{};
    }

  private:
    // name><parameter=key>value</parameter>..</function>
    bool read_qwen(ReadCall& call) const {
        Words words(raw_);
        std::string_view name, key, value;
        if (!words.take_until(">", name)) return false;
        call.name = trimmed(name);
        Arguments arguments(tools_, call.name);
        while (words.skip("<parameter=")) {
            if (!words.take_until(">", key) || !words.take_until("</parameter>", value)) return false;
            arguments.add_text(trimmed(key), without_frame(value));
        }
        call.arguments_json = arguments.text();
        return words.skip("</function>");
    }

    // name<arg_key>key</arg_key><arg_value>value</arg_value>..</tool_call>
    bool read_glm(ReadCall& call) const {
        const std::string_view text = raw_;
        const auto name_end = std::min(text.find("<arg_key>"), text.find("</tool_call>"));
        call.name = trimmed(text.substr(0, name_end));
        Words words(text.substr(std::min(name_end, text.size())));
        Arguments arguments(tools_, call.name);
        std::string_view key, between, value;
        while (words.skip("<arg_key>")) {
            if (!words.take_until("</arg_key>", key) || !words.take_until("<arg_value>", between) ||
                !words.take_until("</arg_value>", value))
                return false;
            arguments.add_text(trimmed(key), value);
        }
        call.arguments_json = arguments.text();
        return !call.name.empty() && words.skip("</tool_call>");
    }

    // name"><｜DSML｜parameter name="key" string="true">value</｜DSML｜parameter>..</｜DSML｜invoke>
    bool read_dsml(ReadCall& call) const {
        Words words(raw_);
        std::string_view name, between, key, kind, value;
        if (!words.take_until("\"", name) || !words.take_until(">", between)) return false;
        call.name = name;
        Arguments arguments(tools_, call.name);
        while (words.skip("<｜DSML｜parameter name=\"")) {
            if (!words.take_until("\"", key) || !words.take_until(">", kind) ||
                !words.take_until("</｜DSML｜parameter>", value))
                return false;
            const bool is_string = !kind.contains("string=\"false\"");
            const auto json = is_string ? std::string() : compact_json(value);
            arguments.add_json(key, json.empty() ? json_string(value) : json);
        }
        call.arguments_json = arguments.text();
        return words.skip("</｜DSML｜invoke>");
    }

    // <server_name>..</server_name><tool_name>name</tool_name><arguments>{..}</arguments>, once or several times
    [[nodiscard]] std::vector<ReadCall> read_mcp() const {
        std::vector<ReadCall> calls;
        Words words(raw_);
        std::string_view before, name, json;
        while (words.take_until("<tool_name>", before)) {
            if (!words.take_until("</tool_name>", name) || !words.take_until("<arguments>", before) ||
                !words.take_until("</arguments>", json))
                return {};
            auto arguments = compact_json(trimmed(json));
            if (!arguments.starts_with('{')) return {};
            calls.push_back({std::string(trimmed(name)), std::move(arguments)});
        }
        return calls;
    }

    CallStyle style_;
    Tags tags_;
    const OfferedTools& tools_;
    bool in_value_ = false;
    std::size_t values_ = 0;
    std::size_t tag_begin_ = std::string::npos;  // of the last '<' outside values
};

}  // namespace

std::unique_ptr<CallBody> make_tagged_body(CallStyle style, const OfferedTools& tools) {
    return std::make_unique<TaggedBody>(style, tools);
}

}  // namespace weft
