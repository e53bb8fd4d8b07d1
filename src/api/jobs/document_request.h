#pragma once

#include <string>

#include "api/json_reader.h"
#include "http/exchange.h"
#include "services/documents/document_service.h"

namespace weft::api::jobs {

// A document: the body itself when its Content-Type is one that documents may have (its name is the query's `name`), JSON
// otherwise. An error names the field or header.
[[nodiscard]] Result<GivenDocument> read_document(const http::Request& request, std::string tenant);
[[nodiscard]] Result<DocumentSearch> read_search(const JsonReader& body, std::string tenant);

[[nodiscard]] std::string document_object(const DocumentRow& row);
[[nodiscard]] std::string search_answer(const SearchResult& result);

}  // namespace weft::api::jobs
