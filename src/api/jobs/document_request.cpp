#include "api/jobs/document_request.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "api/base64.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/json_text.h"
#include "api/request_fields.h"
#include "base/ascii.h"
#include "http/request_target.h"

namespace weft::api::jobs {
namespace {

constexpr std::string_view known_types = "text/plain, text/markdown, text/html or application/pdf";
constexpr std::size_t default_results = 5;

bool is_name(std::string_view name) {
    return name.size() <= max_document_name_bytes && std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

std::string name_rule() { return "must have at most " + std::to_string(max_document_name_bytes) + " bytes and no control characters"; }

// Of a Content-Type, in lower case; empty: it names none.
std::string charset_of(std::string_view content_type) {
    const auto lower = lower_case(content_type);
    constexpr std::string_view key = "charset=";
    const auto at = lower.find(key);
    if (at == std::string::npos) return {};
    std::string charset = lower.substr(at + key.size(), lower.find_first_of("; ", at) - at - key.size());
    std::erase(charset, '"');
    return charset;
}

Result<GivenDocument> read_raw(const http::Request& request, DocumentType type) {
    GivenDocument document{.name = http::query_parameter(request.query, "name").value_or(""), .type = type, .bytes = request.body, .field = "body"};
    if (!is_name(document.name) || valid_utf8(document.name) != document.name)
        return fail_field(ErrorCode::invalid_request, "name", "'name' " + name_rule());
    const auto charset = charset_of(request.header("content-type"));
    const bool text = type == DocumentType::plain || type == DocumentType::markdown;
    if (text && !charset.empty() && charset != "utf-8" && charset != "utf8" && charset != "us-ascii")
        return fail_field(ErrorCode::unsupported, "content-type", "text must be UTF-8");
    return document;
}

Result<std::string> read_content(const JsonReader& body, DocumentType type) {
    const auto content = body.first_of({"text", "content"});
    if (content.absent()) return fail_field(ErrorCode::missing_field, "text", "one of 'text' and 'content' is required");
    if (!body["text"].absent() && !body["content"].absent()) return body["content"].invalid("must not be given together with 'text'");
    WEFT_TRY(auto text, required_string(content));
    if (type != DocumentType::pdf) return text;
    auto bytes = decode_base64(text);
    if (!bytes) return content.invalid("must be the PDF file in base64");
    return std::move(*bytes);
}

// JSON, or what clients that think no further about it call a body.
bool may_be_json(std::string_view content_type) {
    auto name = lower_case(content_type.substr(0, content_type.find(';')));
    std::erase(name, ' ');
    return name.empty() || name.ends_with("json") || name == "application/x-www-form-urlencoded";
}

Result<GivenDocument> read_json(const http::Request& request) {
    auto parsed = body_of(request);
    if (!parsed && !may_be_json(request.header("content-type")))
        return fail_field(ErrorCode::unsupported, "content-type", "the Content-Type must be application/json, " + std::string(known_types));
    WEFT_TRY(const auto json, std::move(parsed));
    const JsonReader body(json);
    GivenDocument document;
    WEFT_TRY(auto name, body["name"].string());
    document.name = std::move(name).value_or("");
    if (!is_name(document.name)) return body["name"].invalid(name_rule());
    WEFT_TRY(const auto type_name, body["content_type"].string());
    const auto type = document_type(type_name.value_or("text/plain"));
    if (!type) return body["content_type"].invalid("must be " + std::string(known_types));
    document.type = *type;
    WEFT_TRY(document.bytes, read_content(body, *type));
    document.field = body.first_of({"text", "content"}).path();
    WEFT_TRY(document.metadata, read_strings(body["metadata"]));
    return document;
}

Result<SearchMode> read_mode(const JsonReader& value) {
    WEFT_TRY(const auto mode, value.string());
    if (!mode || *mode == "hybrid") return SearchMode::hybrid;
    if (*mode == "vector") return SearchMode::vector;
    if (*mode == "keyword") return SearchMode::keyword;
    return value.invalid("must be hybrid, vector or keyword");
}

// Of numbers from -1 to 1.
std::string short_number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4f", value);
    return text.data();
}

void append_text_member(std::string& out, std::string_view key, std::string_view text) {
    out.append(",\"").append(key).append("\":");
    append_json_string(out, text);
}

}  // namespace

Result<GivenDocument> read_document(const http::Request& request, std::string tenant) {
    const auto type = document_type(request.header("content-type"));
    WEFT_TRY(auto document, type ? read_raw(request, *type) : read_json(request));
    document.tenant = std::move(tenant);
    return document;
}

Result<DocumentSearch> read_search(const JsonReader& body, std::string tenant) {
    DocumentSearch search{.tenant = std::move(tenant)};
    const auto query = body["query"];
    if (query.absent()) return query.missing();
    WEFT_TRY(search.query, required_string(query));
    if (search.query.empty() || search.query.size() > max_search_bytes)
        return query.invalid("must have 1 to " + std::to_string(max_search_bytes) + " bytes");
    WEFT_TRY(const auto limit, body["limit"].integer(1, static_cast<std::int64_t>(max_found_passages)));
    search.limit = static_cast<std::size_t>(limit.value_or(default_results));
    WEFT_TRY(search.mode, read_mode(body["mode"]));
    WEFT_TRY(search.documents, read_documents(body["documents"]));
    WEFT_TRY(const auto score, body["min_score"].number(0, 1));
    WEFT_TRY(const auto similarity, body["min_similarity"].number(-1, 1));
    search.min_score = score.value_or(0);
    search.min_similarity = similarity.value_or(-1);
    return search;
}

std::string document_object(const DocumentRow& row) {
    std::string out = R"({"document_id":)";
    append_json_string(out, row.id);
    append_text_member(out, "name", row.name);
    append_text_member(out, "content_type", row.content_type);
    out += R"(,"bytes":)" + std::to_string(row.bytes) + R"(,"passages":)" + std::to_string(row.passages);
    append_text_member(out, "embedding_model", row.embedding.substr(0, row.embedding.rfind('@')));
    return out + R"(,"created_at":)" + time_json(row.created_ms) + R"(,"metadata":)" + row.metadata + "}";
}

std::string search_answer(const SearchResult& result) {
    std::string out = R"({"results":[)";
    for (const auto& hit : result.hits) {
        out += out.ends_with('[') ? R"({"document_id":)" : R"(,{"document_id":)";
        append_json_string(out, hit.passage.document_id);
        append_text_member(out, "name", hit.passage.document_name);
        out += R"(,"passage":)" + std::to_string(hit.passage.place) + R"(,"start":)" + std::to_string(hit.passage.start);
        append_text_member(out, "text", hit.passage.text);
        out += R"(,"score":)" + short_number(hit.score);
        out += R"(,"similarity":)" + (hit.similarity ? short_number(*hit.similarity) : std::string("null"));
        out += R"(,"metadata":)" + hit.passage.document_metadata + "}";
    }
    return out + R"(],"stale_documents":)" + std::to_string(result.stale_documents) + "}";
}

}  // namespace weft::api::jobs
