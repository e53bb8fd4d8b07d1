#include "store/redis_address.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>

namespace weft {
namespace {

constexpr std::uint32_t largest_database = 1'000'000;  // servers have 16, and may be configured to have more

std::unexpected<Error> no_address(std::string what) {
    return fail(ErrorCode::invalid_request, "like redis://user:password@host:6379/0; " + std::move(what));
}

}  // namespace

std::string RedisAddress::text() const {
    const bool bare_ipv6 = host.find(':') != std::string::npos;
    return (tls ? "rediss://" : "redis://") + (bare_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" +
           std::to_string(database);
}

Result<RedisAddress> parse_redis_address(std::string_view text) {
    const auto url = boost::urls::parse_uri({text.data(), text.size()});
    if (!url) return no_address("this is no URL");
    RedisAddress address;
    if (url->scheme() == "rediss") address.tls = true;
    else if (url->scheme() != "redis") return no_address("it begins with redis:// or, with TLS, with rediss://");
    address.host = url->host_address();
    if (address.host.empty()) return no_address("the host is missing");
    if (url->has_port()) {
        if (url->port_number() == 0) return no_address("the port is a number from 1 to 65535");
        address.port = url->port_number();
    }
    address.user = url->user();
    address.password = url->password();
    if (!address.user.empty() && address.password.empty()) return no_address("a user has a password, or a password stands alone (:password@)");
    if (url->has_query() || url->has_fragment()) return no_address("nothing may follow the number of the database");
    std::string path = url->path();
    if (path.starts_with('/')) path.erase(0, 1);
    if (path.empty()) return address;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), address.database);
    if (error != std::errc{} || end != path.data() + path.size() || address.database > largest_database)
        return no_address("behind the host stands the number of the database");
    return address;
}

}  // namespace weft
