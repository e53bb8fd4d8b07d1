// Families that write arguments as JSON.
#include <algorithm>
#include <array>

#include "services/chat/call_body.h"
#include "services/chat/json_scanner.h"
#include "services/chat/white_space.h"

namespace weft {
namespace {

using State = CallBody::State;

// What stands between the opening word and the JSON.
enum class Header : std::uint8_t {
    blank,       // nothing but white space
    name,        // the function's name and decoration
    name_or_list,  // the same, or nothing before a list
};

Header header_of(CallStyle style) {
    switch (style) {
        case CallStyle::mistral_list:
        case CallStyle::mistral_args: return Header::name_or_list;
        case CallStyle::deepseek_r1:
        case CallStyle::deepseek_v31:
        case CallStyle::kimi:
        case CallStyle::functionary_v31: return Header::name;
        default: return Header::blank;
    }
}

std::string_view before(std::string_view text, std::string_view word) { return text.substr(0, text.find(word)); }

std::string_view after(std::string_view text, std::string_view word) {
    const auto at = text.find(word);
    return at == std::string_view::npos ? text : text.substr(at + word.size());
}

// "functions.get_weather:0" -> "get_weather"
std::string_view kimi_name(std::string_view header) {
    auto name = trimmed(before(header, "<|tool_call_argument_begin|>"));
    if (name.starts_with("functions.")) name.remove_prefix(std::string_view("functions.").size());
    const auto colon = name.rfind(':');
    const bool numbered = colon != std::string_view::npos && colon + 1 < name.size() &&
                          name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
    return numbered ? name.substr(0, colon) : name;
}

std::string_view name_in(CallStyle style, std::string_view header) {
    switch (style) {
        case CallStyle::mistral_list:
        case CallStyle::mistral_args: return trimmed(before(before(header, "[ARGS]"), "[CALL_ID]"));
        case CallStyle::deepseek_r1: return trimmed(before(after(header, "<｜tool▁sep｜>"), "\n"));
        case CallStyle::deepseek_v31: return trimmed(before(header, "<｜tool▁sep｜>"));
        case CallStyle::kimi: return kimi_name(header);
        case CallStyle::functionary_v31: return trimmed(before(header, ">"));
        default: return trimmed(header);
    }
}

// Beginnings of an object that may be a call, where nothing but its look says so.
bool may_be_call(std::string_view json) {
    static constexpr std::array beginnings{"{\"name\":",        "{\"type\":\"function\"", "{\"function\":", "{\"parameters\":",
                                           "{\"arguments\":",   "{\"tool_name\":",        "{\"id\":"};
    if (json.starts_with('[')) json.remove_prefix(1);
    return std::ranges::any_of(beginnings, [json](std::string_view beginning) {
        return json.starts_with(beginning) || beginning.starts_with(json);
    });
}

class JsonBody final : public CallBody {
  public:
    JsonBody(CallStyle style, bool must_look_like_call) : style_(style), header_(header_of(style)), looks_(must_look_like_call) {}

    State feed(char c) override {
        if (raw_.size() >= max_call_bytes) return State::broken;
        if (!scanner_.started() && !begins_json(c)) {
            if (!fits_header(c)) return State::broken;
            head_ += c;
            raw_ += c;
            return State::more;
        }
        switch (scanner_.feed(c)) {
            case JsonScanner::State::broken: return State::broken;
            case JsonScanner::State::complete: raw_ += c; return State::complete;
            case JsonScanner::State::more: break;
        }
        raw_ += c;
        if (!looks_ || scanner_.text().size() > longest_beginning) return State::more;
        if (may_be_call(scanner_.text())) return State::more;
        raw_.pop_back();
        return State::broken;
    }

    [[nodiscard]] std::vector<ReadCall> calls() const override {
        if (named()) {
            auto arguments = arguments_of(scanner_.text());
            const auto name = name_in(style_, head_);
            if (arguments.empty() || name.empty()) return {};
            return {{std::string(name), std::move(arguments)}};
        }
        if (style_ == CallStyle::apertus) return mapped_calls();
        return calls_in_json(scanner_.text());
    }

  private:
    static constexpr std::size_t longest_beginning = 24;

    [[nodiscard]] bool named() const {
        return header_ != Header::blank && head_.find_first_not_of(white_space) != std::string::npos;
    }

    [[nodiscard]] bool begins_json(char c) const {
        if (c == '{') return header_ != Header::name || named();
        if (c != '[') return false;
        return header_ == Header::blank || (header_ == Header::name_or_list && !named());
    }

    [[nodiscard]] bool fits_header(char c) const {
        if (head_.size() >= max_call_header_bytes) return false;
        if (header_ == Header::blank) return white_space.find(c) != std::string_view::npos;
        return c != '{' && c != '}';
    }

    // [{"get_weather": {..}}, ..]
    [[nodiscard]] std::vector<ReadCall> mapped_calls() const {
        std::vector<ReadCall> calls;
        for (const auto element : elements_of(scanner_.text()))
            for (auto& [name, value] : members_of(element))
                if (auto arguments = arguments_of(value); !arguments.empty())
                    calls.push_back({std::move(name), std::move(arguments)});
        return calls;
    }

    CallStyle style_;
    Header header_;
    bool looks_;
    std::string head_;
    JsonScanner scanner_;
};

// name\n{..} or all\ntext
class RecipientBody final : public CallBody {
  public:
    explicit RecipientBody(const OfferedTools& tools) : tools_(tools) {}

    State feed(char c) override {
        if (raw_.size() >= max_call_bytes) return State::broken;
        if (!named_) return feed_name(c);
        const auto state = scanner_.feed(c);
        if (state != JsonScanner::State::broken) raw_ += c;
        if (state == JsonScanner::State::complete) return State::complete;
        return state == JsonScanner::State::more ? State::more : State::broken;
    }

    [[nodiscard]] std::vector<ReadCall> calls() const override { return {{name_, std::string(scanner_.text())}}; }
    [[nodiscard]] bool addresses_reader() const override { return name_ == "all"; }

  private:
    State feed_name(char c) {
        if (name_.size() >= max_call_header_bytes) return State::broken;
        if (c != '\n') {
            name_ += c;
            raw_ += c;
            return State::more;
        }
        named_ = true;
        if (!addresses_reader() && !tools_.knows(name_)) return State::broken;
        raw_ += c;
        return addresses_reader() ? State::complete : State::more;
    }

    const OfferedTools& tools_;
    std::string name_;
    bool named_ = false;
    JsonScanner scanner_;
};

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, key) != names.end();
}

void add_call(std::string_view object, std::vector<ReadCall>& calls) {
    ReadCall call;
    std::string_view arguments = "{}";
    for (const auto& [key, value] : members_of(object)) {
        if (key == "function" && value.starts_with('{')) return add_call(value, calls);
        if (is_one_of(key, {"name", "tool_name", "function"})) call.name = string_of(value);
        else if (is_one_of(key, {"arguments", "parameters", "args"})) arguments = value;
    }
    call.arguments_json = arguments_of(arguments);
    if (!call.name.empty() && !call.arguments_json.empty()) calls.push_back(std::move(call));
}

}  // namespace

std::string arguments_of(std::string_view value) {
    if (value.starts_with('{')) return std::string(value);
    if (value.empty() || value == "null") return "{}";
    if (!value.starts_with('"')) return {};
    auto inside = compact_json(string_of(value));
    return inside.starts_with('{') ? inside : std::string();
}

std::vector<ReadCall> calls_in_json(std::string_view json) {
    std::vector<ReadCall> calls;
    if (json.starts_with('{')) add_call(json, calls);
    for (const auto element : elements_of(json))
        if (element.starts_with('{')) add_call(element, calls);
    return calls;
}

std::unique_ptr<CallBody> make_recipient_body(const OfferedTools& tools) { return std::make_unique<RecipientBody>(tools); }

std::unique_ptr<CallBody> make_json_body(CallStyle style, std::string_view opener) {
    const bool bare = style == CallStyle::bare_json && opener != "<|python_tag|>";
    return std::make_unique<JsonBody>(style, bare);
}

}  // namespace weft
