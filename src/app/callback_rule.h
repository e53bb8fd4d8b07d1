#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

// Whom callbacks may be sent to, and what they are signed with: jobs.callback_hosts, jobs.callback_secret.
struct CallbackRule {
    std::vector<std::string> hosts{};  // "*.example.com" stands for all below it
    std::string secret{};
};

// Why that address may not be called, `field` being where it stands; empty: it may be.
[[nodiscard]] std::string callback_refusal(const CallbackRule& rule, const std::string& url, std::string_view field);

}  // namespace weft
