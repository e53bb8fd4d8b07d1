// Families that write calls like source code: name(key="value") and name{key:<|"|>value<|"|>}.
#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"
#include "services/chat/call_body.h"
#include "services/chat/json_scanner.h"

namespace weft {
namespace {

using State = CallBody::State;

constexpr std::string_view gemma_quote = "<|\"|>";
constexpr std::size_t max_literal_depth = 64;

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

// Reads literals of Python, JSON and Gemma's own kind, and writes them as JSON. Every reader says false at the first
// thing that it does not understand.
class LiteralReader {
  public:
    explicit LiteralReader(std::string_view text) : rest_(text) {}

    bool skip(std::string_view word) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    // Up to the sign behind it, without the white space around it: names are whatever their tools call them.
    bool name(std::string_view sign, std::string& out) {
        (void)skip("");
        const auto end = rest_.substr(0, max_call_header_bytes).find(sign);
        if (end == std::string_view::npos) return false;
        const auto text = rest_.substr(0, end);
        out = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
        rest_.remove_prefix(end);
        return !out.empty() && out.find_first_of("\"'()[]{}=,") == std::string::npos;
    }

    // key SIGN value, .. until CLOSE, as a JSON object.
    bool members(std::string_view sign, std::string_view close, std::string& json) {
        if (++depth_ > max_literal_depth) return false;
        json += '{';
        for (bool first = true; !skip(close); first = false) {
            if (!first && !skip(",")) return false;
            if (!first && skip(close)) break;
            std::string key;
            if (!this->key(sign, key) || !skip(sign)) return false;
            json += (json.ends_with('{') ? "" : ",") + json_string(key) + ":";
            if (!value(json)) return false;
        }
        json += '}';
        --depth_;
        return true;
    }

    [[nodiscard]] bool at_end() { return skip("") && rest_.empty(); }

  private:
    bool key(std::string_view sign, std::string& out) {
        (void)skip("");
        return begins_string() ? string(out) : name(sign, out);
    }

    [[nodiscard]] bool begins_string() const {
        return rest_.starts_with('"') || rest_.starts_with('\'') || rest_.starts_with(gemma_quote);
    }

    bool value(std::string& json) {
        (void)skip("");
        if (begins_string()) {
            std::string text;
            if (!string(text)) return false;
            json += json_string(text);
            return true;
        }
        if (skip("{")) return members(":", "}", json);
        if (skip("[")) return elements(json);
        return scalar(json);
    }

    bool elements(std::string& json) {
        if (++depth_ > max_literal_depth) return false;
        json += '[';
        for (bool first = true; !skip("]"); first = false) {
            if (!first && !skip(",")) return false;
            if (!first && skip("]")) break;
            if (!first) json += ',';
            if (!value(json)) return false;
        }
        json += ']';
        --depth_;
        return true;
    }

    bool scalar(std::string& json) {
        static constexpr std::array words{std::pair<std::string_view, std::string_view>{"True", "true"},
                                          std::pair<std::string_view, std::string_view>{"False", "false"},
                                          std::pair<std::string_view, std::string_view>{"None", "null"}};
        std::size_t n = 0;
        while (n < rest_.size() && (is_word_character(rest_[n]) || rest_[n] == '+')) ++n;
        std::string_view text = rest_.substr(0, n);
        rest_.remove_prefix(n);
        for (const auto& [python, plain] : words)
            if (text == python) text = plain;
        const auto compact = compact_json(text);
        json += compact;
        return !compact.empty();
    }

    bool string(std::string& out) {
        if (rest_.starts_with(gemma_quote)) {
            rest_.remove_prefix(gemma_quote.size());
            const auto end = rest_.find(gemma_quote);
            if (end == std::string_view::npos) return false;
            out = rest_.substr(0, end);
            rest_.remove_prefix(end + gemma_quote.size());
            return true;
        }
        const char quote = rest_.front();
        rest_.remove_prefix(1);
        while (!rest_.empty() && rest_.front() != quote)
            if (!character(out)) return false;
        if (rest_.empty()) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool character(std::string& out) {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (c != '\\') {
            out += c;
            return true;
        }
        if (rest_.empty()) return false;
        const char escaped = rest_.front();
        rest_.remove_prefix(1);
        switch (escaped) {
            case 'n': out += '\n'; return true;
            case 't': out += '\t'; return true;
            case 'r': out += '\r'; return true;
            case 'u': return code_unit(out);
            case '\\': case '\'': case '"': case '/': out += escaped; return true;
            default: out += '\\'; out += escaped; return true;  // as Python does
        }
    }

    bool code_unit(std::string& out) {
        if (rest_.size() < 4) return false;
        const auto json = compact_json("\"\\u" + std::string(rest_.substr(0, 4)) + "\"");
        if (json.empty()) return false;
        std::uint32_t code = 0;
        for (const char c : rest_.substr(0, 4))
            code = code * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        append_utf8(out, code);
        rest_.remove_prefix(4);
        return true;
    }

    std::string_view rest_;
    std::size_t depth_ = 0;
};

// Everything up to the closing word.
class LiteralBody final : public CallBody {
  public:
    explicit LiteralBody(CallStyle style)
        : style_(style), close_(style == CallStyle::gemma ? "<tool_call|>" : "<|tool_call_end|>") {}

    State feed(char c) override {
        if (raw_.size() >= max_call_bytes) return State::broken;
        raw_ += c;
        return c == '>' && raw_.ends_with(close_) ? State::complete : State::more;
    }

    bool finish() override {
        raw_ += close_;
        return true;
    }

    [[nodiscard]] std::vector<ReadCall> calls() const override {
        const auto text = std::string_view(raw_).substr(0, raw_.size() - close_.size());
        if (style_ == CallStyle::gemma) return read_gemma(text);
        if (auto json = compact_json(text); !json.empty()) return calls_in_json(json);
        return read_python(text);
    }

  private:
    // call:name{key:value,..}
    [[nodiscard]] static std::vector<ReadCall> read_gemma(std::string_view text) {
        LiteralReader reader(text);
        ReadCall call;
        const bool read = reader.skip("call:") && reader.name("{", call.name) && reader.skip("{") &&
                          reader.members(":", "}", call.arguments_json) && reader.at_end();
        return read ? std::vector<ReadCall>{std::move(call)} : std::vector<ReadCall>{};
    }

    // [name(key=value, ..), ..]
    [[nodiscard]] static std::vector<ReadCall> read_python(std::string_view text) {
        LiteralReader reader(text);
        std::vector<ReadCall> calls;
        const bool listed = reader.skip("[");
        do {
            ReadCall call;
            if (!reader.name("(", call.name) || !reader.skip("(") || !reader.members("=", ")", call.arguments_json)) return {};
            calls.push_back(std::move(call));
        } while (reader.skip(","));
        if (listed && !reader.skip("]")) return {};
        return reader.at_end() ? calls : std::vector<ReadCall>{};
    }

    CallStyle style_;
    std::string_view close_;
};

}  // namespace

std::unique_ptr<CallBody> make_literal_body(CallStyle style) { return std::make_unique<LiteralBody>(style); }

}  // namespace weft
