#include "services/documents/prepared_document.h"

#include <algorithm>

#include "base/ascii.h"
#include "extract/pdf_text.h"
#include "registry/utf8.h"
#include "store/search_words.h"

namespace weft {
namespace {

constexpr std::pair<std::string_view, DocumentType> types[] = {
    {"text/plain", DocumentType::plain}, {"text/markdown", DocumentType::markdown}, {"text/html", DocumentType::html},
    {"application/pdf", DocumentType::pdf}, {"application/xhtml+xml", DocumentType::html}, {"text/x-markdown", DocumentType::markdown}};

struct DocumentText {
    std::string title{};
    std::string text{};
    TextKind kind = TextKind::plain;
};

Result<DocumentText> text_of(DocumentType type, std::string_view bytes, const DocumentLimits& limits) {
    switch (type) {
        case DocumentType::plain:
        case DocumentType::markdown: {
            const auto kind = type == DocumentType::markdown ? TextKind::markdown : TextKind::plain;
            auto text = valid_utf8(std::string(bytes));
            if (text != bytes) return fail(ErrorCode::invalid_request, "the text is not valid UTF-8");
            return DocumentText{.text = std::move(text), .kind = kind};
        }
        case DocumentType::html: {
            const bool utf8 = valid_utf8(std::string(bytes)) == bytes;
            WEFT_TRY(auto page, html_text(bytes, utf8, limits.html));
            return DocumentText{.title = std::move(page.title), .text = std::move(page.text), .kind = TextKind::markdown};
        }
        case DocumentType::pdf: {
            WEFT_TRY(auto text, pdf_text(bytes, limits.pdf));
            return DocumentText{.text = std::move(text)};
        }
    }
    return fail(ErrorCode::internal, "a document of no type");
}

// What no text has, and what SQLite's text functions would stop at.
void blank_out_controls(std::string& text) {
    std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\t' && c != '\r'; }, ' ');
}

}  // namespace

std::optional<DocumentType> document_type(std::string_view content_type) {
    std::string name = lower_case(content_type.substr(0, content_type.find(';')));
    while (name.ends_with(' ')) name.pop_back();
    const auto* found = std::ranges::find(types, name, &std::pair<std::string_view, DocumentType>::first);
    return found == std::end(types) ? std::nullopt : std::optional(found->second);
}

std::string_view content_type_of(DocumentType type) {
    return std::ranges::find(types, type, &std::pair<std::string_view, DocumentType>::second)->first;
}

Result<PreparedDocument> prepare_document(DocumentType type, std::string_view bytes, const DocumentLimits& limits) {
    WEFT_TRY(auto document, text_of(type, bytes, limits));
    auto text = valid_utf8(std::move(document.text));
    blank_out_controls(text);
    WEFT_TRY(const auto passages, split_text(text, document.kind, limits.passages));
    if (passages.empty()) return fail(ErrorCode::invalid_request, "the document holds no text");
    PreparedDocument prepared{.title = valid_utf8(std::move(document.title)), .bytes = text.size()};
    std::ranges::replace_if(prepared.title, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
    for (const auto& passage : passages)
        prepared.passages.push_back({.start = static_cast<std::int64_t>(passage.start), .text = std::string(passage.text),
                                     .words = search_words(passage.text), .vector = {}});
    return prepared;
}

}  // namespace weft
