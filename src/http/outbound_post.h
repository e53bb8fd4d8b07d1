#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::http {

struct OutboundPost {
    std::string url;  // http or https
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds timeout{15'000};
    const std::atomic<bool>* give_up = nullptr;  // true: it ends within a second
};

inline constexpr std::size_t max_outbound_answer_bytes = 64 * 1024;  // that are read and thrown away

// One POST to somebody else's server, which is waited for. Redirects are not followed: they could lead anywhere. The
// status of the answer; timeout or internal, with a detail, when there was none. Thread: any.
[[nodiscard]] Result<int> post(const OutboundPost& request);

// The host of an http or https address, in lower case, without its port; empty for anything else, for addresses with a
// name and password, and for what two parsers could read in two ways.
[[nodiscard]] std::string host_of_url(const std::string& url);

}  // namespace weft::http
