#include <algorithm>

#include "base/formatted.h"
#include "base/utf8.h"
#include "gotemplate/function.h"
#include "gotemplate/literal.h"

namespace weft::gotemplate {
namespace {

// Go refuses larger widths too.
constexpr int max_width = 1'000'000;

struct Verb {
    bool minus = false, plus = false, sharp = false, space = false, zero = false;
    int width = -1;
    int precision = -1;
    char letter = 'v';
};

class Formatter {
  public:
    Formatter(const CallContext& context, std::string_view format, std::span<const Value> arguments)
        : context_(context), format_(format), arguments_(arguments) {}

    Result<Value> run() {
        while (at_ < format_.size()) {
            if (format_[at_] != '%') {
                out_ += format_[at_++];
                continue;
            }
            ++at_;
            WEFT_CHECK(verb());
            WEFT_CHECK(context_.meter.output(out_.size()));
        }
        add_extra();
        WEFT_CHECK(context_.meter.work(out_.size()));
        return Value::string(std::move(out_));
    }

  private:
    Result<void> verb() {
        const auto verb = read();
        if (!verb) {
            out_ += "%!(NOVERB)";
            return {};
        }
        if (verb->letter == '%') {
            out_ += '%';
            return {};
        }
        if (next_ >= arguments_.size()) {
            out_ += formatted("%!{}(MISSING)", verb->letter);
            return {};
        }
        const auto text = shown(*verb, arguments_[next_++]);
        WEFT_CHECK(context_.meter.work(text.size() + static_cast<std::size_t>(std::max(verb->width, 0))));
        pad(*verb, text);
        return {};
    }

    std::optional<Verb> read() {
        Verb verb;
        for (; at_ < format_.size(); ++at_) {
            const char c = format_[at_];
            if (c == '-') verb.minus = true;
            else if (c == '+') verb.plus = true;
            else if (c == '#') verb.sharp = true;
            else if (c == ' ') verb.space = true;
            else if (c == '0') verb.zero = true;
            else break;
        }
        verb.width = count(verb.minus);
        if (at_ < format_.size() && format_[at_] == '.') {
            ++at_;
            bool ignored = false;
            verb.precision = std::max(count(ignored), 0);
        }
        if (at_ >= format_.size()) return std::nullopt;
        verb.letter = format_[at_++];
        return verb;
    }

    int count(bool& minus) {
        if (at_ < format_.size() && format_[at_] == '*') {
            ++at_;
            if (next_ >= arguments_.size() || arguments_[next_].kind() != Kind::integer) return -1;
            const auto n = arguments_[next_++].as_integer();
            if (n < 0) minus = true;
            return static_cast<int>(std::min<std::int64_t>(n < 0 ? -std::max<std::int64_t>(n, -max_width) : n, max_width));
        }
        int n = -1;
        for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_)
            n = std::min((std::max(n, 0) * 10) + (format_[at_] - '0'), max_width);
        return n;
    }

    [[nodiscard]] static std::string shown(const Verb& verb, const Value& value) {
        switch (verb.letter) {
            case 'v': return plain(value);
            case 's': return value.kind() == Kind::integer || value.kind() == Kind::real || value.kind() == Kind::boolean
                                 ? wrong(verb, value) : cut(verb, plain(value));
            case 'q': return value.is_string() ? quoted(cut(verb, plain(value))) : quoted(plain(value));
            case 't': return value.kind() == Kind::boolean ? plain(value) : wrong(verb, value);
            case 'd': case 'x': case 'X': case 'o': case 'b': case 'c': case 'U': return whole(verb, value);
            case 'f': case 'F': case 'e': case 'g': return real(verb, value);
            default: return wrong(verb, value);
        }
    }

    [[nodiscard]] static std::string plain(const Value& value) {
        std::string text;
        value.print(text);
        return text;
    }

    // Precision counts characters.
    [[nodiscard]] static std::string cut(const Verb& verb, std::string text) {
        if (verb.precision < 0) return text;
        std::size_t at = 0;
        for (int n = verb.precision; at < text.size(); ++at)
            if ((static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80 && n-- == 0) break;
        text.resize(at);
        return text;
    }

    [[nodiscard]] static std::string quoted(const std::string& text) {
        std::string out = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') (out += '\\') += c;
            else if (c == '\n') out += "\\n";
            else if (c == '\t') out += "\\t";
            else if (c == '\r') out += "\\r";
            else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) out += formatted("\\x{:02x}", static_cast<unsigned char>(c));
            else out += c;
        }
        return out + '"';
    }

    [[nodiscard]] static std::string whole(const Verb& verb, const Value& value) {
        if (value.is_string() && (verb.letter == 'x' || verb.letter == 'X')) return hexadecimal(verb, value.as_string());
        if (value.kind() != Kind::integer) return wrong(verb, value);
        const auto n = value.as_integer();
        switch (verb.letter) {
            case 'x': return formatted("{:x}", n);
            case 'X': return formatted("{:X}", n);
            case 'o': return formatted("{:o}", n);
            case 'b': return formatted("{:b}", n);
            case 'U': return formatted("U+{:04X}", n);
            case 'c': {
                std::string text;
                append_utf8(text, n < 0 || n > 0x10FFFF ? 0xFFFD : static_cast<char32_t>(n));
                return text;
            }
            default: return (n >= 0 && verb.plus ? "+" : n >= 0 && verb.space ? " " : "") + std::to_string(n);
        }
    }

    [[nodiscard]] static std::string hexadecimal(const Verb& verb, std::string_view bytes) {
        std::string out;
        for (const char c : bytes)
            out += verb.letter == 'x' ? formatted("{:02x}", static_cast<unsigned char>(c)) : formatted("{:02X}", static_cast<unsigned char>(c));
        return out;
    }

    [[nodiscard]] static std::string real(const Verb& verb, const Value& value) {
        if (value.kind() != Kind::real) return wrong(verb, value);
        const int precision = std::min(verb.precision < 0 ? 6 : verb.precision, 100);
        std::string text;
        if (verb.letter == 'e') text = formatted("{:.{}e}", value.as_real(), precision);
        else if (verb.letter == 'g') text = verb.precision < 0 ? real_text(value.as_real()) : formatted("{:.{}g}", value.as_real(), precision);
        else text = formatted("{:.{}f}", value.as_real(), precision);
        return verb.plus && value.as_real() >= 0 ? "+" + text : text;
    }

    [[nodiscard]] static std::string wrong(const Verb& verb, const Value& value) {
        constexpr std::string_view types[] = {"<nil>", "bool", "int", "float64", "string", "[]interface {}", "map[string]interface {}", "struct"};
        if (value.is_nil()) return formatted("%!{}(<nil>)", verb.letter);
        return formatted("%!{}({}={})", verb.letter, types[static_cast<std::size_t>(value.kind())], plain(value));
    }

    void pad(const Verb& verb, const std::string& text) {
        const auto characters = static_cast<int>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
        const auto missing = static_cast<std::size_t>(std::max(verb.width - characters, 0));
        if (verb.minus) out_ += text + std::string(missing, ' ');
        else if (verb.zero && !text.empty() && (text[0] == '-' || text[0] == '+')) out_ += text[0] + std::string(missing, '0') + text.substr(1);
        else out_ += std::string(missing, verb.zero ? '0' : ' ') + text;
    }

    void add_extra() {
        if (next_ >= arguments_.size()) return;
        constexpr std::string_view types[] = {"<nil>", "bool", "int", "float64", "string", "[]interface {}", "map[string]interface {}", "struct"};
        out_ += "%!(EXTRA ";
        for (auto i = next_; i < arguments_.size(); ++i) {
            if (i > next_) out_ += ", ";
            out_ += types[static_cast<std::size_t>(arguments_[i].kind())];
            if (!arguments_[i].is_nil()) out_ += "=" + plain(arguments_[i]);
        }
        out_ += ')';
    }

    const CallContext& context_;
    std::string_view format_;
    std::span<const Value> arguments_;
    std::size_t at_ = 0;
    std::size_t next_ = 0;
    std::string out_;
};

}  // namespace

Result<Value> print_formatted(const CallContext& context, std::span<const Value> arguments) {
    if (!arguments[0].is_string()) return fail(ErrorCode::invalid_request, "printf wants text as its first argument");
    return Formatter(context, arguments[0].as_string(), arguments.subspan(1)).run();
}

}  // namespace weft::gotemplate
