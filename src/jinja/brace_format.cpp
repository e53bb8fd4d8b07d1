#include <charconv>

#include "jinja/format_spec.h"
#include "base/formatted.h"
#include "jinja/python_text.h"
#include "jinja/text_format.h"

namespace weft::jinja {

namespace {

class BraceFormatter {
  public:
    BraceFormatter(Meter& meter, const Value& text, const Arguments& arguments)
        : meter_(meter), text_(text.as_string()), markup_(text.is_markup()), arguments_(arguments) {}

    Outcome<Value> run() {
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (c != '{' && c != '}') {
                out_ += c;
            } else if (at_ < text_.size() && text_[at_] == c) {
                out_ += text_[at_++];
            } else if (c == '}') {
                return raise("Single '}' encountered in format string");
            } else {
                WEFT_CHECK(put_field());
            }
        }
        return markup_ ? Value::markup(std::move(out_)) : Value::string(std::move(out_));
    }

  private:
    Outcome<void> put_field() {
        const std::size_t end = text_.find('}', at_);
        if (end == text_.npos) return raise("expected '}' before end of string");
        std::string_view field = text_.substr(at_, end - at_);
        at_ = end + 1;
        if (field.contains('{')) return raise("fields within fields are not supported");
        std::string_view spec_text;
        if (const auto colon = field.find(':'); colon != field.npos) {
            spec_text = field.substr(colon + 1);
            field = field.substr(0, colon);
        }
        char conversion = '\0';
        if (const auto mark = field.find('!'); mark != field.npos) {
            if (mark + 2 != field.size()) return raise("expected ':' after conversion specifier");
            conversion = field[mark + 1];
            field = field.substr(0, mark);
        }
        WEFT_TRY(const Value value, resolve(field));
        WEFT_TRY(const FormatSpec spec, parse_format_spec(spec_text));
        WEFT_TRY(const std::string piece, show(value, conversion, spec));
        WEFT_CHECK(meter_.work(piece.size()));
        out_ += piece;
        return {};
    }

    Outcome<Value> resolve(std::string_view field) {
        const std::size_t end = std::min(field.find_first_of(".["), field.size());
        WEFT_TRY(Value value, argument(field.substr(0, end)));
        field.remove_prefix(end);
        while (!field.empty()) {
            // Attributes of plain values are methods, which nobody formats; entries are what is asked for.
            if (field.front() != '[') return raise("attributes in format fields are not supported");
            const auto close = field.find(']');
            if (close == field.npos) return raise("Missing ']' in format string");
            WEFT_TRY(value, element(value, field.substr(1, close - 1)));
            field.remove_prefix(close + 1);
        }
        return value;
    }

    Outcome<Value> argument(std::string_view name) {
        if (name.empty()) return positional(next_++);
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc{} && end == name.data() + name.size()) return positional(number);
        for (const auto& [given, value] : arguments_.named)
            if (given == name) return value;
        return raise(string_repr(name));
    }

    Outcome<Value> positional(std::size_t number) {
        if (number >= arguments_.positional.size())
            return raise(formatted("Replacement index {} out of range for positional args tuple", number));
        return arguments_.positional[number];
    }

    static Outcome<Value> element(const Value& container, std::string_view key) {
        if (container.is_dict()) {
            if (const Value* found = container.as_dict().find(key)) return *found;
            return raise(string_repr(key));
        }
        std::size_t number = 0;
        const auto error = std::from_chars(key.data(), key.data() + key.size(), number).ec;
        if (!container.is_sequence() || error != std::errc{}) return raise("a format field that cannot be indexed");
        const auto& items = container.as_sequence().items;
        if (number >= items.size()) return raise("list index out of range");
        return items[number];
    }

    Outcome<std::string> show(const Value& value, char conversion, const FormatSpec& spec) {
        if (conversion == 'r' || conversion == 'a') {
            WEFT_TRY(const std::string repr, to_repr(meter_, value));
            return format_text(meter_, spec, markup_ ? escape_html(repr) : repr);
        }
        const bool plain_number = value.is_number() && !value.is_boolean() && conversion == '\0';
        if (plain_number) return format_number(meter_, spec, value);
        WEFT_TRY(const std::string text, markup_ ? escaped(meter_, value) : to_str(meter_, value));
        return format_text(meter_, spec, text);
    }

    Meter& meter_;
    std::string_view text_;
    bool markup_;
    const Arguments& arguments_;
    std::size_t at_ = 0, next_ = 0;
    std::string out_;
};

}  // namespace

Outcome<Value> brace_format(Meter& meter, const Value& text, const Arguments& arguments) {
    WEFT_CHECK(meter.work(text.weight()));
    return BraceFormatter(meter, text, arguments).run();
}

}  // namespace weft::jinja
