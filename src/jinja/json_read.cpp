#include <charconv>
#include <cmath>

#include "jinja/unicode.h"
#include "base/formatted.h"
#include "jinja/value.h"

namespace weft::jinja {

namespace {

class JsonReader {
  public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    Result<Value> read_document() {
        WEFT_TRY(Value value, read_value(0));
        skip_space();
        if (at_ != text_.size()) return broken("text after the value");
        return value;
    }

  private:
    std::unexpected<Error> broken(std::string_view what) const {
        return fail(ErrorCode::invalid_request, formatted("malformed JSON at byte {}: {}", at_, what));
    }

    void skip_space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
    }

    bool take(char expected) {
        if (at_ >= text_.size() || text_[at_] != expected) return false;
        ++at_;
        return true;
    }

    bool take_word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    Result<Value> read_value(int depth) {
        if (depth > max_json_depth) return broken("nested too deeply");
        skip_space();
        if (at_ >= text_.size()) return broken("the text ends too early");
        switch (text_[at_]) {
            case '{': return read_object(depth);
            case '[': return read_array(depth);
            case '"': return read_string().transform(Value::string);
            case 't': return take_word("true") ? Result<Value>(Value::boolean(true)) : broken("unknown word");
            case 'f': return take_word("false") ? Result<Value>(Value::boolean(false)) : broken("unknown word");
            case 'n': return take_word("null") ? Result<Value>(Value::none()) : broken("unknown word");
            default: return read_number();
        }
    }

    Result<Value> read_object(int depth) {
        ++at_;
        Dict dict;
        skip_space();
        if (take('}')) return Value::dict(std::move(dict));
        do {
            skip_space();
            WEFT_TRY(std::string key, read_string());
            skip_space();
            if (!take(':')) return broken("expected ':'");
            WEFT_TRY(Value value, read_value(depth + 1));
            dict.set(std::move(key), std::move(value));
            skip_space();
        } while (take(','));
        if (!take('}')) return broken("expected ',' or '}'");
        return Value::dict(std::move(dict));
    }

    Result<Value> read_array(int depth) {
        ++at_;
        std::vector<Value> items;
        skip_space();
        if (take(']')) return Value::list(std::move(items));
        do {
            WEFT_TRY(Value item, read_value(depth + 1));
            items.push_back(std::move(item));
            skip_space();
        } while (take(','));
        if (!take(']')) return broken("expected ',' or ']'");
        return Value::list(std::move(items));
    }

    Result<std::string> read_string() {
        if (!take('"')) return broken("expected a string");
        std::string out;
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (c == '"') {
                if (!valid_utf8(out)) return broken("a string that is not UTF-8");
                return out;
            }
            if (static_cast<unsigned char>(c) < 0x20) return broken("a control character in a string");
            if (c != '\\') {
                out += c;
                continue;
            }
            if (!read_escape(out)) return broken("an unknown escape in a string");
        }
        return broken("a string without end");
    }

    bool read_escape(std::string& out) {
        if (at_ >= text_.size()) return false;
        const char c = text_[at_++];
        static constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        if (const auto i = names.find(c); i != names.npos) return out += meanings[i], true;
        char32_t unit = 0;
        if (c != 'u' || !read_hex4(unit)) return false;
        if (unit >= 0xd800 && unit < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
            const std::size_t back = at_;
            char32_t low = 0;
            at_ += 2;
            if (!read_hex4(low)) return false;
            if (low >= 0xdc00 && low < 0xe000) unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            else at_ = back;
        }
        append_utf8(out, unit >= 0xd800 && unit < 0xe000 ? U'\uFFFD' : unit);  // half a pair is no character
        return true;
    }

    bool read_hex4(char32_t& unit) {
        if (text_.size() - at_ < 4) return false;
        unsigned value = 0;
        const char* first = text_.data() + at_;
        const auto [end, error] = std::from_chars(first, first + 4, value, 16);
        if (error != std::errc{} || end != first + 4) return false;
        unit = value;
        at_ += 4;
        return true;
    }

    Result<Value> read_number() {
        const std::size_t start = at_;
        bool integral = true;
        if (take('-')) {}
        const std::size_t digits = at_;
        skip_digits();
        if (at_ == digits || (at_ - digits > 1 && text_[digits] == '0')) return broken("expected a value");
        if (take('.')) integral = false, skip_digits();
        if (at_ < text_.size() && (text_[at_] | 0x20) == 'e') {
            integral = false;
            ++at_;
            if (!take('-')) take('+');
            skip_digits();
        }
        return number_of(text_.substr(start, at_ - start), integral);
    }

    void skip_digits() {
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    }

    Result<Value> number_of(std::string_view literal, bool integral) {
        const char* end = literal.data() + literal.size();
        std::int64_t whole = 0;
        if (integral && std::from_chars(literal.data(), end, whole).ec == std::errc{}) return Value::integer(whole);
        double real = 0;
        const auto [stop, error] = std::from_chars(literal.data(), end, real);
        if (error == std::errc::result_out_of_range) return broken("a number out of range");
        if (error != std::errc{} || stop != end || !std::isdigit(literal.back())) return broken("a malformed number");
        return Value::real(real);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

Result<Value> Value::from_json(std::string_view text) { return JsonReader(text).read_document(); }

}  // namespace weft::jinja
