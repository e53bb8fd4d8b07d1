#include <algorithm>

#include "jinja/format_spec.h"
#include "base/formatted.h"
#include "jinja/python_text.h"
#include "jinja/text_format.h"

namespace weft::jinja {

namespace {

// Hands out the values for the conversions one by one, or by name from a dict.
class Operands {
  public:
    explicit Operands(const Value& values) : values_(values) {}

    Outcome<Value> next() {
        if (values_.is_sequence() && values_.as_sequence().type == SequenceType::tuple) {
            const auto& items = values_.as_sequence().items;
            if (used_ >= items.size()) return raise("not enough arguments for format string");
            return items[used_++];
        }
        if (used_++ > 0) return raise("not enough arguments for format string");
        return values_;
    }

    Outcome<Value> named(std::string_view name) {
        used_ = 1;
        if (!values_.is_dict()) return raise("format requires a mapping");
        const Value* found = values_.as_dict().find(name);
        if (!found) return raise(string_repr(name));
        return *found;
    }

    [[nodiscard]] bool all_used() const {
        if (values_.is_dict()) return true;
        const bool tuple = values_.is_sequence() && values_.as_sequence().type == SequenceType::tuple;
        return tuple ? used_ == values_.as_sequence().items.size() : used_ == 1 || values_.is_sequence();
    }

  private:
    const Value& values_;
    std::size_t used_ = 0;
};

class PrintfFormatter {
  public:
    PrintfFormatter(Meter& meter, const Value& text, const Value& values)
        : meter_(meter), text_(text.as_string()), markup_(text.is_markup()), operands_(values) {}

    Outcome<Value> run() {
        while (at_ < text_.size()) {
            const std::size_t percent = std::min(text_.find('%', at_), text_.size());
            out_ += text_.substr(at_, percent - at_);
            at_ = percent;
            if (at_ < text_.size()) WEFT_CHECK(convert());
        }
        if (!operands_.all_used()) return raise("not all arguments converted during string formatting");
        return markup_ ? Value::markup(std::move(out_)) : Value::string(std::move(out_));
    }

  private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    Outcome<void> convert() {
        ++at_;
        if (peek() == '%') return out_ += text_[at_++], Outcome<void>();
        std::optional<std::string_view> name;
        if (peek() == '(') {
            const std::size_t close = text_.find(')', at_);
            if (close == text_.npos) return raise("incomplete format key");
            name = text_.substr(at_ + 1, close - at_ - 1);
            at_ = close + 1;
        }
        FormatSpec spec;
        spec.align = '>';
        for (; std::string_view("-+ #0").contains(peek()) && peek() != '\0'; ++at_) {
            if (peek() == '-') spec.align = '<';
            if (peek() == '+' || peek() == ' ') spec.sign = peek();
            if (peek() == '0') spec.zero_padded = true;
            if (peek() == '#') spec.alternate = true;
        }
        WEFT_TRY(spec.width, number());
        if (peek() == '.') {
            ++at_;
            WEFT_TRY(spec.precision, number());
        }
        while (peek() == 'l' || peek() == 'h') ++at_;
        if (at_ >= text_.size()) return raise("incomplete format");
        const char conversion = text_[at_++];
        WEFT_TRY(const Value value, name ? operands_.named(*name) : operands_.next());
        return put(spec, conversion, value);
    }

    Outcome<int> number() {
        if (peek() == '*') return raise("widths from arguments are not supported");
        return read_format_number(text_, at_);
    }

    Outcome<void> put(FormatSpec spec, char conversion, const Value& value) {
        std::string piece;
        if (conversion == 's' || conversion == 'r' || conversion == 'a') {
            WEFT_TRY(std::string shown, conversion != 's' ? to_repr(meter_, value)
                                        : markup_         ? escaped(meter_, value)
                                                          : to_str(meter_, value));
            spec.zero_padded = false;
            WEFT_TRY(piece, format_text(meter_, spec, shown));
        } else if (conversion == 'c' && value.is_string()) {
            WEFT_TRY(piece, format_text(meter_, spec, value.as_string()));
        } else {
            if (!value.is_number()) return raise(formatted("%{} format: a real number is required, not {}", conversion, type_name(value)));
            if (!std::string_view("diuxXofFeEgGc").contains(conversion)) return raise(formatted("unsupported format character '{}'", conversion));
            spec.type = conversion == 'i' || conversion == 'u' ? 'd' : conversion;
            const bool wants_whole = std::string_view("dxXoc").contains(spec.type);
            const bool cut = spec.type == 'd' && value.kind() == Kind::real;
            WEFT_TRY(piece, format_number(meter_, spec, wants_whole && cut ? Value::integer(static_cast<std::int64_t>(
                                                                                 std::clamp(value.as_real(), -9e18, 9e18)))
                                                                           : value));
        }
        out_ += piece;
        return meter_.work(piece.size());
    }

    Meter& meter_;
    std::string_view text_;
    bool markup_;
    Operands operands_;
    std::size_t at_ = 0;
    std::string out_;
};

}  // namespace

Outcome<Value> printf_format(Meter& meter, const Value& text, const Value& values) {
    WEFT_CHECK(meter.work(text.weight()));
    return PrintfFormatter(meter, text, values).run();
}

}  // namespace weft::jinja
