#include "http/response_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"

namespace weft::http {
namespace {

bool adds_up(std::string_view name) { return equal_ignoring_case(name, "vary") || equal_ignoring_case(name, "set-cookie"); }

void append_number(std::string& out, std::uint64_t number) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ");
    const std::size_t start = out.size();
    out.append(value).append("\r\n");
    std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(start), out.end() - 2,
                    [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
}

bool replaced_in(const Headers& later, std::string_view name) {
    return !adds_up(name) &&
           std::ranges::any_of(later, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
}

void append_framing(std::string& out, const ResponseHead& head) {
    if (head.framing == Framing::content_length) {
        out.append("Content-Length: ");
        append_number(out, head.content_length);
        out.append("\r\n");
    }
    if (head.framing == Framing::chunked) out.append("Transfer-Encoding: chunked\r\n");
    if (!head.keep_alive) out.append("Connection: close\r\n");
    if (head.keep_alive && !head.http_1_1) out.append("Connection: keep-alive\r\n");
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head, const Headers& first, const Headers& second) {
    out.append("HTTP/1.1 ");
    append_number(out, static_cast<std::uint64_t>(head.status));
    out.append(" ").append(reason_phrase(head.status)).append("\r\n");
    if (!head.content_type.empty()) append_header(out, "Content-Type", head.content_type);
    append_framing(out, head);
    out.append("Date: ").append(head.date).append("\r\nx-request-id: ").append(head.request_id).append("\r\n");
    for (const auto& [name, value] : first)
        if (!replaced_in(second, name)) append_header(out, name, value);
    for (const auto& [name, value] : second) append_header(out, name, value);
    out.append("\r\n");
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Payload Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 425: return "Too Early";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 499: return "Client Closed Request";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 507: return "Insufficient Storage";
        default: return "Status";
    }
}

}  // namespace weft::http
