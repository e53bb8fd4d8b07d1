#include "http/server_core.h"

#include <array>
#include <ctime>

namespace weft::http {

std::string ServerCore::new_request_id() {
    std::string id = "req_";
    id.reserve(28);
    std::uint64_t bits = 0;
    for (int digit = 0; digit < 24; ++digit) {
        if (digit % 16 == 0) bits = random_();
        id.push_back("0123456789abcdef"[bits & 15]);
        bits >>= 4;
    }
    return id;
}

std::string_view ServerCore::date() {
    const std::time_t now = std::time(nullptr);
    if (now != date_second_) {
        date_second_ = now;
        std::tm utc{};
        gmtime_r(&now, &utc);
        std::array<char, 64> text{};
        date_.assign(text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc));
    }
    return date_;
}

}  // namespace weft::http
