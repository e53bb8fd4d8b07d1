#include "registry/model_name.h"

#include <algorithm>

#include "base/ascii.h"

namespace weft {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool valid_part(std::string_view part, std::string_view punctuation, std::size_t max_bytes) {
    if (part.empty() || part.size() > max_bytes) return false;
    if (!is_alphanumeric(part.front()) && part.front() != '_') return false;
    return std::ranges::all_of(part, [&](char c) { return is_alphanumeric(c) || punctuation.contains(c); });
}

bool valid(const ModelName& name) {
    return valid_part(name.host, "_.:-", ModelName::max_host_bytes) &&
           valid_part(name.namespace_, "_-", ModelName::max_part_bytes) &&
           valid_part(name.model, "_.-", ModelName::max_part_bytes) &&
           valid_part(name.tag, "_.-", ModelName::max_part_bytes);
}

std::string_view without_scheme(std::string_view text) {
    const auto end = text.find("://");
    if (end == std::string_view::npos || end == 0) return text;
    const bool word = std::ranges::all_of(text.substr(0, end), is_alphanumeric);
    return word ? text.substr(end + 3) : text;
}

std::string_view without_local_suffix(std::string_view text) {
    constexpr std::string_view suffix = ":local";
    if (text.size() <= suffix.size() || !equal_ignoring_case(text.substr(text.size() - suffix.size()), suffix)) return text;
    return text.substr(0, text.size() - suffix.size());
}

// Takes the part behind the last '/' away from text; the default when there is no part left.
std::string take_last(std::string_view& text, bool& left, std::string_view fallback) {
    if (!left) return std::string(fallback);
    const auto slash = text.rfind('/');
    left = slash != std::string_view::npos;
    std::string part(left ? text.substr(slash + 1) : text);
    text = left ? text.substr(0, slash) : std::string_view{};
    return part;
}

}  // namespace

Result<ModelName> ModelName::parse(std::string_view text) {
    text = without_local_suffix(without_scheme(text));
    ModelName name{.tag = std::string(default_tag)};
    const auto colon = text.rfind(':');
    const auto slash = text.rfind('/');
    if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        name.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    bool left = true;
    name.model = take_last(text, left, {});
    name.namespace_ = take_last(text, left, default_namespace);
    name.host = take_last(text, left, default_host);
    if (left || !valid(name)) return fail(ErrorCode::invalid_request, "invalid model name");
    return name;
}

std::string ModelName::display() const {
    std::string out;
    const bool plain_host = lower_case(host) == default_host;
    if (!plain_host) out += host + "/";
    if (!plain_host || lower_case(namespace_) != default_namespace) out += namespace_ + "/";
    return out + model + ":" + tag;
}

std::string ModelName::key() const { return lower_case(host + "/" + namespace_ + "/" + model + ":" + tag); }

std::string name_part_from_file(std::string_view stem) {
    std::string part = lower_case(stem);
    for (char& c : part)
        if (!is_alphanumeric(c) && !std::string_view("_.-").contains(c)) c = '-';
    part.erase(0, part.find_first_not_of(".-"));
    part.resize(std::min(part.size(), ModelName::max_part_bytes));
    return part;
}

}  // namespace weft
