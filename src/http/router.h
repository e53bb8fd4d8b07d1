#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/exchange.h"

namespace weft::http {

// Probes that arrive every few seconds would drown the access log: quiet routes are logged at debug unless they fail.
enum class AccessLog { normal, quiet };

// Method and path to handler. A pattern is a path whose parts may be ":name" (one part) or, last, "*name" (all the
// rest, slashes included, at least one part). A literal part wins over ":name", which wins over "*name"; of equal
// routes the one that was added first. GET routes answer HEAD too. Filled before the server starts, constant afterwards.
class Router {
  public:
    void add(std::string method, std::string pattern, Handler handler, AccessLog access_log = AccessLog::normal);

    struct Match {
        const Handler* handler = nullptr;  // null: see allowed
        std::map<std::string, std::string, std::less<>> parameters{};
        std::string allowed{};       // not empty: the path exists, with these methods ("GET, HEAD, OPTIONS")
        std::string_view pattern{};  // of the route, for the log; empty when no route has that path
        AccessLog access_log = AccessLog::normal;
    };
    [[nodiscard]] Match find(std::string_view method, std::string_view path) const;

  private:
    struct Route {
        std::string method;
        std::string pattern;
        std::vector<std::string> parts;
        Handler handler;
        AccessLog access_log;
    };
    struct StringHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    [[nodiscard]] const Route* best_route(std::string_view method, const std::vector<std::string_view>& parts) const;
    [[nodiscard]] Match not_allowed(const std::vector<std::string_view>& parts) const;

    std::vector<Route> routes_;
    // Routes without parameters, which are most of them: pattern -> indices into routes_.
    std::unordered_map<std::string, std::vector<std::size_t>, StringHash, std::equal_to<>> literal_;
};

}  // namespace weft::http
