#include "jinja/text_format.h"

#include "jinja/python_text.h"

namespace weft::jinja {

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '\'': out += "&#39;"; break;
            case '"': out += "&#34;"; break;
            default: out += c;
        }
    }
    return out;
}

Outcome<std::string> escaped(Meter& meter, const Value& value) {
    WEFT_TRY(std::string text, to_str(meter, value));
    WEFT_CHECK(meter.work(text.size() * 4));
    return value.is_markup() ? std::move(text) : escape_html(text);
}

}  // namespace weft::jinja
