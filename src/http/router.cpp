#include "http/router.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/assert.h"

namespace weft::http {
namespace {

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        path.remove_prefix(path.front() == '/' ? 1 : 0);
        const auto end = std::min(path.find('/'), path.size());
        if (end > 0) parts.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return parts;
}

bool is_parameter(std::string_view part) { return part.starts_with(':') || part.starts_with('*'); }

// How well the pattern fits, part by part: literal 3, ":name" 2, "*name" 1, so that the first difference decides.
// Empty when it does not fit at all.
std::vector<int> fit(std::span<const std::string> pattern, const std::vector<std::string_view>& parts) {
    std::vector<int> score;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (i >= parts.size()) return {};
        if (pattern[i].starts_with('*')) {
            score.push_back(1);
            return score;
        }
        if (!pattern[i].starts_with(':') && pattern[i] != parts[i]) return {};
        score.push_back(pattern[i].starts_with(':') ? 2 : 3);
    }
    if (pattern.size() != parts.size()) return {};
    return score;
}

std::string_view rest_from(const std::vector<std::string_view>& parts, std::size_t first) {
    const char* begin = parts[first].data();
    const char* end = parts.back().data() + parts.back().size();
    return {begin, static_cast<std::size_t>(end - begin)};
}

std::string allow_header(const std::vector<std::string_view>& methods) {
    std::string header;
    const bool has_get = std::ranges::contains(methods, std::string_view("GET"));
    for (const std::string_view method : std::to_array<std::string_view>(
             {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})) {
        const bool implied = method == "OPTIONS" || (method == "HEAD" && has_get);
        if (!implied && !std::ranges::contains(methods, method)) continue;
        if (!header.empty()) header += ", ";
        header += method;
    }
    return header;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler, AccessLog access_log) {
    std::vector<std::string> parts;
    for (const auto part : split(pattern)) parts.emplace_back(part);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        assert_that(!parts[i].starts_with('*'), "a *name part is the last of its pattern");
    if (std::ranges::none_of(parts, [](const std::string& part) { return is_parameter(part); }))
        literal_[pattern].push_back(routes_.size());
    routes_.push_back({std::move(method), std::move(pattern), std::move(parts), std::move(handler), access_log});
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
    const std::string_view wanted = method == "HEAD" ? "GET" : method;
    if (const auto found = literal_.find(path); found != literal_.end()) {
        for (const std::size_t index : found->second) {
            const Route& route = routes_[index];
            if (route.method == wanted || route.method == method)
                return {.handler = &route.handler, .pattern = route.pattern, .access_log = route.access_log};
        }
    }
    const auto parts = split(path);
    const Route* route = best_route(method, parts);
    if (route == nullptr && wanted != method) route = best_route(wanted, parts);
    if (route == nullptr) return not_allowed(parts);
    Match match{.handler = &route->handler, .pattern = route->pattern, .access_log = route->access_log};
    for (std::size_t i = 0; i < route->parts.size(); ++i) {
        const std::string& part = route->parts[i];
        if (part.starts_with(':')) match.parameters.emplace(part.substr(1), parts[i]);
        if (part.starts_with('*')) match.parameters.emplace(part.substr(1), rest_from(parts, i));
    }
    return match;
}

const Router::Route* Router::best_route(std::string_view method, const std::vector<std::string_view>& parts) const {
    const Route* best = nullptr;
    std::vector<int> best_score;
    for (const Route& route : routes_) {
        if (route.method != method) continue;
        if (route.parts.empty() && parts.empty()) return &route;
        auto score = fit(route.parts, parts);
        if (score.empty() || score <= best_score) continue;
        best = &route;
        best_score = std::move(score);
    }
    return best;
}

Router::Match Router::not_allowed(const std::vector<std::string_view>& parts) const {
    std::vector<std::string_view> methods;
    Match match;
    for (const Route& route : routes_) {
        if (!(route.parts.empty() && parts.empty()) && fit(route.parts, parts).empty()) continue;
        methods.push_back(route.method);
        match.pattern = route.pattern;
    }
    if (!methods.empty()) match.allowed = allow_header(methods);
    return match;
}

}  // namespace weft::http
