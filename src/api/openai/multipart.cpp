#include "api/openai/multipart.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"

namespace weft::api::openai {
namespace {

constexpr std::size_t max_boundary_bytes = 70;  // RFC 2046, section 5.1.1

std::unexpected<Error> broken_form(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

// A parameter of a header: name="value" or name=value.
std::optional<std::string> header_parameter(std::string_view header, std::string_view name) {
    for (auto at = header.find(';'); at != header.npos; at = header.find(';', at)) {
        ++at;
        while (at < header.size() && header[at] == ' ') ++at;
        const auto rest = header.substr(at);
        if (!starts_with_ignoring_case(rest, name) || rest.size() <= name.size() || rest[name.size()] != '=') continue;
        std::string value;
        auto text = rest.substr(name.size() + 1);
        if (!text.starts_with('"')) return std::string(text.substr(0, text.find_first_of("; ")));
        for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) ++i;
            value += text[i];
        }
        return value;
    }
    return std::nullopt;
}

Result<FormPart> read_form_part(std::string_view head, std::string_view content) {
    while (!head.empty()) {
        const auto end = std::min(head.find("\r\n"), head.size());
        const auto line = head.substr(0, end);
        head.remove_prefix(std::min(end + 2, head.size()));
        if (!starts_with_ignoring_case(line, "content-disposition:")) continue;
        auto name = header_parameter(line, "name");
        if (!name) break;
        return FormPart{.name = std::move(*name), .filename = header_parameter(line, "filename").value_or(""), .content = content};
    }
    return broken_form("a part of the form has no name");
}

}  // namespace

Result<std::vector<FormPart>> read_form(std::string_view content_type, std::string_view body) {
    const auto boundary = header_parameter(content_type, "boundary");
    if (!starts_with_ignoring_case(content_type, "multipart/form-data") || !boundary || boundary->empty() || boundary->size() > max_boundary_bytes)
        return broken_form("the body must be multipart/form-data with a boundary");
    const std::string delimiter = "\r\n--" + *boundary;
    std::vector<FormPart> parts;
    if (!body.starts_with(delimiter.substr(2))) return broken_form("the form does not begin with its boundary");
    body.remove_prefix(delimiter.size() - 2);
    while (!body.starts_with("--")) {
        if (!body.starts_with("\r\n")) return broken_form("the form is malformed");
        body.remove_prefix(2);
        // A part without headers begins with the empty line at once.
        const auto head_end = body.starts_with("\r\n") ? 0 : body.find("\r\n\r\n");
        if (head_end == body.npos || head_end > max_part_head_bytes) return broken_form("a part of the form has no end of its headers");
        const auto head = body.substr(0, head_end);
        body.remove_prefix(head_end + (head_end == 0 ? 2 : 4));
        const auto content_end = body.find(delimiter);
        if (content_end == body.npos) return broken_form("the form does not end with its boundary");
        if (parts.size() >= max_form_parts) return broken_form("the form has more than " + std::to_string(max_form_parts) + " parts");
        auto part = read_form_part(head, body.substr(0, content_end));
        if (!part) return std::unexpected(std::move(part).error());
        parts.push_back(std::move(*part));
        body.remove_prefix(content_end + delimiter.size());
    }
    return parts;
}

}  // namespace weft::api::openai
