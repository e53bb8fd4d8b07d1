#include "extract/html_text.h"

#include <libxml/HTMLparser.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>

#include <algorithm>
#include <memory>

namespace weft {
namespace {

constexpr std::size_t html_bytes_per_turn = 64 * 1024;
constexpr std::size_t max_title_bytes = 200;

constexpr std::string_view unseen[] = {"script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object", "select", "textarea"};
constexpr std::string_view blocks[] = {"p",     "div",  "section", "article", "main",  "header", "footer",     "aside",      "nav",    "ul",
                                       "ol",    "dl",   "table",   "pre",     "form",  "figure", "blockquote", "figcaption", "body",   "html",
                                       "thead", "tbody", "details", "summary", "dd",   "dt",     "hr",         "address",    "caption"};

bool is_heading(std::string_view name) { return name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

// Takes the parser's events and writes text. Blanks collapse as a browser collapses them, but in <pre>.
class TextWriter {
  public:
    explicit TextWriter(const HtmlLimits& limits) : limits_(limits) {}

    HtmlText result{};
    bool too_deep = false;
    bool too_long = false;

    void open(std::string_view name) {
        if (++depth_ > limits_.depth) too_deep = true;
        if (name == "title" && result.title.empty()) in_title_ = true;
        if (unseen_depth_ == 0 && std::ranges::contains(unseen, name)) unseen_depth_ = depth_;
        if (unseen_depth_ != 0) return;
        if (is_heading(name)) {
            part("\n\n");
            result.text.append(static_cast<std::size_t>(name[1] - '0'), '#');
            space_due_ = true;
        } else if (std::ranges::contains(blocks, name)) {
            part("\n\n");
        } else if (name == "li") {
            part("\n");
            result.text += "- ";
        } else if (name == "br" || name == "tr") {
            part("\n");
        } else if (name == "td" || name == "th") {
            space_due_ = true;
        }
        if (name == "pre") ++pre_;
    }

    void close(std::string_view name) {
        if (name == "title") in_title_ = false;
        if (unseen_depth_ == 0 && (is_heading(name) || std::ranges::contains(blocks, name))) part("\n\n");
        if (unseen_depth_ == 0 && name == "pre" && pre_ > 0) --pre_;
        if (unseen_depth_ == depth_) unseen_depth_ = 0;
        if (depth_ > 0) --depth_;
    }

    void text(std::string_view text) {
        if (in_title_) {
            result.title += text.substr(0, max_title_bytes - std::min(max_title_bytes, result.title.size()));
            return;
        }
        if (unseen_depth_ != 0) return;
        if (pre_ > 0) {
            flush_space();
            result.text += text;
        } else {
            for (const char c : text) {
                if (is_blank(c)) {
                    space_due_ = true;
                    continue;
                }
                flush_space();
                result.text += c;
            }
        }
        if (result.text.size() > limits_.output_bytes) too_long = true;
    }

  private:
    void flush_space() {
        if (space_due_ && !result.text.empty() && !is_blank(result.text.back())) result.text += ' ';
        space_due_ = false;
    }
    // Ends the line or the paragraph, once.
    void part(std::string_view end) {
        space_due_ = false;
        auto& text = result.text;
        while (text.ends_with(' ')) text.pop_back();
        if (text.empty()) return;
        std::size_t there = 0;
        while (there < end.size() && there < text.size() && text[text.size() - 1 - there] == '\n') ++there;
        text.append(end.size() - there, '\n');
    }

    const HtmlLimits& limits_;
    std::size_t depth_ = 0;
    std::size_t unseen_depth_ = 0;  // of the element that hides everything inside; 0: nothing is hidden
    std::size_t pre_ = 0;
    bool in_title_ = false;
    bool space_due_ = false;
};

std::string_view as_text(const xmlChar* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }
TextWriter& writer_of(void* context) { return *static_cast<TextWriter*>(context); }

void on_open(void* context, const xmlChar* name, const xmlChar**) { writer_of(context).open(as_text(name)); }
void on_close(void* context, const xmlChar* name) { writer_of(context).close(as_text(name)); }
void on_text(void* context, const xmlChar* text, int length) {
    writer_of(context).text({reinterpret_cast<const char*>(text), static_cast<std::size_t>(std::max(length, 0))});
}

struct FreeParser {
    void operator()(htmlParserCtxtPtr parser) const { htmlFreeParserCtxt(parser); }
};

}  // namespace

Result<HtmlText> html_text(std::string_view html, bool utf8, const HtmlLimits& limits) {
    // Parsers of several threads must find the library set up.
    static const bool ready = [] {
        xmlInitParser();
        return true;
    }();
    (void)ready;
    TextWriter writer(limits);
    xmlSAXHandler events{};  // no other events, so no tree, and no file is ever asked for
    events.startElement = on_open;
    events.endElement = on_close;
    events.characters = on_text;
    events.cdataBlock = on_text;
    events.ignorableWhitespace = on_text;
    const std::unique_ptr<xmlParserCtxt, FreeParser> parser(
        htmlCreatePushParserCtxt(&events, &writer, nullptr, 0, nullptr, utf8 ? XML_CHAR_ENCODING_UTF8 : XML_CHAR_ENCODING_NONE));
    if (!parser) return fail(ErrorCode::internal, "the HTML parser could not be made");
    htmlCtxtUseOptions(parser.get(), HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET | HTML_PARSE_NODEFDTD);
    const auto deadline = std::chrono::steady_clock::now() + limits.time;
    while (!html.empty()) {
        const auto turn = html.substr(0, html_bytes_per_turn);
        htmlParseChunk(parser.get(), turn.data(), static_cast<int>(turn.size()), 0);
        html.remove_prefix(turn.size());
        if (writer.too_deep) return fail(ErrorCode::invalid_request, "the HTML is nested deeper than " + std::to_string(limits.depth) + " elements");
        if (writer.too_long) return fail(ErrorCode::too_large, "the HTML holds too much text");
        if (std::chrono::steady_clock::now() > deadline) return fail(ErrorCode::invalid_request, "the HTML takes too long to read");
    }
    htmlParseChunk(parser.get(), nullptr, 0, 1);
    return std::move(writer.result);
}

}  // namespace weft
