#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/documents/document_limits.h"

namespace weft {

enum class DocumentType { plain, markdown, html, pdf };

// "text/html; charset=utf-8" is html; nothing for a type that cannot be read.
[[nodiscard]] std::optional<DocumentType> document_type(std::string_view content_type);
[[nodiscard]] std::string_view content_type_of(DocumentType type);

struct PreparedDocument {
    std::string title{};                 // as the document has it; empty: none
    std::size_t bytes = 0;               // of its text
    std::vector<NewPassage> passages{};  // without vectors; at least one
};

// The document's text in passages. invalid_request when it cannot be read or holds no text, and as html_text(),
// pdf_text() and split_text() say. Takes seconds. Thread: any.
[[nodiscard]] Result<PreparedDocument> prepare_document(DocumentType type, std::string_view bytes, const DocumentLimits& limits);

}  // namespace weft
