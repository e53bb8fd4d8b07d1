#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"

namespace weft::http {

// Method and path to handler. A pattern is a path whose parts may be ":name" (one part) or, last, "*name" (all the
// rest, slashes included). GET routes answer HEAD too. Filled before the server starts, constant afterwards.
class Router {
  public:
    void add(std::string method, std::string pattern, Handler handler);

    struct Match {
        const Handler* handler = nullptr;               // null: see allowed
        std::map<std::string, std::string, std::less<>> parameters{};
        std::string allowed{};                          // not empty: the path exists, with these methods ("GET, HEAD, OPTIONS")
    };
    [[nodiscard]] Match find(std::string_view method, std::string_view path) const;

  private:
    struct Route {
        std::string method;
        std::vector<std::string> parts;
        Handler handler;
    };
    std::vector<Route> routes_;
};

}  // namespace weft::http
