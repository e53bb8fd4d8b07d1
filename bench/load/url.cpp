#include "url.h"

#include <algorithm>

namespace weft::bench {

Result<Url> parse_url(std::string text) {
    if (text.starts_with("https://")) return fail(ErrorCode::unsupported, "https is not supported: measure without TLS");
    if (text.starts_with("http://")) text.erase(0, 7);
    Url url;
    const auto slash = text.find('/');
    if (slash != std::string::npos) {
        url.prefix = text.substr(slash);
        while (url.prefix.ends_with('/')) url.prefix.pop_back();
        text.resize(slash);
    }
    const auto colon = text.rfind(':');
    if (colon != std::string::npos && !text.ends_with(']')) {
        url.port = text.substr(colon + 1);
        text.resize(colon);
    }
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    url.host = text;
    const bool digits = !url.port.empty() && std::ranges::all_of(url.port, [](char c) { return c >= '0' && c <= '9'; });
    if (url.host.empty() || !digits) return fail(ErrorCode::invalid_request, "a URL looks like http://127.0.0.1:11434");
    return url;
}

}  // namespace weft::bench
