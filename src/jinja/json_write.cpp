#include <algorithm>
#include <cmath>

#include "jinja/json.h"
#include "base/formatted.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

class JsonWriter {
  public:
    JsonWriter(std::string& out, const JsonStyle& style) : out_(out), style_(style) {}

    Outcome<void> write(const Value& value) {
        switch (value.kind()) {
            case Kind::none: return put("null");
            case Kind::boolean: return put(value.as_boolean() ? "true" : "false");
            case Kind::integer: return put(std::to_string(value.as_integer()));
            case Kind::real: return put(json_real(value.as_real()));
            case Kind::string: return put_string(value.as_string());
            case Kind::dict: return put_dict(value.as_dict());
            case Kind::sequence:
                if (value.as_sequence().type <= SequenceType::tuple) return put_list(value.as_sequence());
                [[fallthrough]];
            default: return put_unknown(value);
        }
    }

  private:
    Outcome<void> put(std::string_view text) {
        out_ += text;
        return {};
    }

    Outcome<void> put_unknown(const Value& value) {
        if (style_.unknown_as_null) return put("null");
        return raise(formatted("Object of type {} is not JSON serializable", type_name(value)));
    }

    static std::string json_real(double value) {
        if (std::isnan(value)) return "NaN";
        if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
        return real_repr(value);
    }

    Outcome<void> put_string(std::string_view text) {
        out_ += '"';
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t start = at;
            const char32_t character = decode_utf8(text, at);
            put_character(character, text.substr(start, at - start));
        }
        out_ += '"';
        return {};
    }

    void put_character(char32_t character, std::string_view bytes) {
        switch (character) {
            case '"': out_ += "\\\""; return;
            case '\\': out_ += "\\\\"; return;
            case '\n': out_ += "\\n"; return;
            case '\r': out_ += "\\r"; return;
            case '\t': out_ += "\\t"; return;
            case '\b': out_ += "\\b"; return;
            case '\f': out_ += "\\f"; return;
            default: break;
        }
        if (character < 0x20 || (style_.ensure_ascii && character > 0x7e)) return put_escape(character);
        out_ += bytes;
    }

    void put_escape(char32_t character) {
        if (character < 0x10000) {
            out_ += formatted("\\u{:04x}", static_cast<unsigned>(character));
            return;
        }
        const unsigned offset = static_cast<unsigned>(character) - 0x10000;
        out_ += formatted("\\u{:04x}\\u{:04x}", 0xd800 + (offset >> 10), 0xdc00 + (offset & 0x3ff));
    }

    void put_line_break() {
        if (!style_.multiline) return;
        out_ += '\n';
        for (int i = 0; i < level_; ++i) out_ += style_.indent;
    }

    Outcome<void> put_list(const Sequence& list) {
        if (list.items.empty()) return put("[]");
        out_ += '[';
        ++level_;
        for (bool first = true; const Value& item : list.items) {
            if (!std::exchange(first, false)) out_ += style_.item_separator;
            put_line_break();
            WEFT_CHECK(write(item));
        }
        --level_;
        put_line_break();
        return put("]");
    }

    Outcome<void> put_dict(const Dict& dict) {
        if (dict.size() == 0) return put("{}");
        if (style_.sort_keys) return put_sorted(dict);
        return put_entries(dict.entries());
    }

    Outcome<void> put_sorted(const Dict& dict) {
        auto entries = dict.entries();
        std::vector<Value> keys;
        for (const auto& entry : entries) keys.push_back(entry.first);
        WEFT_TRY(const auto order, sorted_order(keys, false));
        std::vector<Dict::Entry> sorted;
        for (const std::size_t at : order) sorted.push_back(entries[at]);
        return put_entries(sorted);
    }

    Outcome<void> put_entries(const std::vector<Dict::Entry>& entries) {
        out_ += '{';
        ++level_;
        for (bool first = true; const auto& [key, value] : entries) {
            if (!std::exchange(first, false)) out_ += style_.item_separator;
            put_line_break();
            WEFT_CHECK(put_key(key));
            out_ += style_.key_separator;
            WEFT_CHECK(write(value));
        }
        --level_;
        put_line_break();
        return put("}");
    }

    Outcome<void> put_key(const Value& key) {
        if (key.is_string()) return put_string(key.as_string());
        if (!key.is_number() && !key.is_none())
            return raise(formatted("keys must be str, int, float, bool or None, not {}", type_name(key)));
        out_ += '"';
        WEFT_CHECK(write(key));
        return put("\"");
    }

    std::string& out_;
    const JsonStyle& style_;
    int level_ = 0;
};

}  // namespace

Outcome<void> append_json(std::string& out, const Value& value, const JsonStyle& style) {
    return JsonWriter(out, style).write(value);
}

}  // namespace weft::jinja
