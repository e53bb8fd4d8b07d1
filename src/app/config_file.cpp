#include "app/config_file.h"

#include <algorithm>
#include <fstream>
#include <glaze/json.hpp>
#include <glaze/toml.hpp>
#include <glaze/yaml.hpp>
#include <set>
#include <sstream>

namespace weft {
namespace fs = std::filesystem;

namespace {

using Root = std::map<std::string, ConfigNode>;

int line_of(std::string_view text, std::size_t position) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(position, text.size()));
    return 1 + static_cast<int>(std::count(text.begin(), end, '\n'));
}

bool only_comments(std::string_view text) {
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
        const auto first = line.find_first_not_of(" \t\r");
        if (first != std::string::npos && line[first] != '#') return false;
    }
    return true;
}

// glaze 9 takes a plain "~/models" for null followed by junk. In quotes it is read as the text it is. Lines stay.
std::string with_quoted_home_paths(const std::string& text) {
    std::string out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line); out += '\n') {
        const auto tilde = line.find("~/");
        const bool value = tilde != std::string::npos && tilde >= 2 && line[tilde - 1] == ' ' &&
                           (line[tilde - 2] == ':' || line[tilde - 2] == '-');
        if (!value) {
            out += line;
            continue;
        }
        auto end = std::min(line.find(" #", tilde), line.size());
        while (end > tilde && (line[end - 1] == ' ' || line[end - 1] == '\r')) --end;
        out += line.substr(0, tilde) + '"' + line.substr(tilde, end - tilde) + '"' + line.substr(end);
    }
    return out;
}

int depth_of(const ConfigNode& node) {
    int deepest = 0;
    if (const auto* object = std::get_if<ConfigNode::object_t>(&node.data))
        for (const auto& [key, value] : *object) deepest = std::max(deepest, 1 + depth_of(value));
    if (const auto* list = std::get_if<ConfigNode::array_t>(&node.data))
        for (const auto& value : *list) deepest = std::max(deepest, 1 + depth_of(value));
    return deepest;
}

glz::error_ctx parse(ConfigFormat format, const std::string& text, Root& root) {
    switch (format) {
        case ConfigFormat::yaml: return glz::read_yaml(root, with_quoted_home_paths(text));
        case ConfigFormat::toml: return glz::read_toml(root, text);
        case ConfigFormat::json:
            // Only the validator knows the place: reading tries one type after the other.
            if (const auto error = glz::validate_jsonc(text)) return error;
            return glz::read<glz::opts{.comments = true}>(root, text);
    }
    return {};
}

// Of a glaze error code: "syntax_error" is said in words, others are put as they are.
std::string in_words(const std::string& formatted) {
    const auto code = formatted.find(": ");
    const auto end = formatted.find('\n');
    std::string word = code == std::string::npos ? formatted.substr(0, end) : formatted.substr(code + 2, end - code - 2);
    std::ranges::replace(word, '_', ' ');
    return word;
}

void report_duplicates(const ConfigFile& file, std::vector<ConfigProblem>& problems) {
    std::set<std::string> seen;
    for (const auto& place : file.places) {
        const bool in_list = place.path.contains("[]");
        if (seen.insert(place.path).second || in_list) continue;
        problems.push_back({place.path, "stands here a second time", file.name + " line " + std::to_string(place.line)});
    }
}

}  // namespace

std::string ConfigFile::place_of(std::string path) const {
    for (;;) {
        const auto it = std::ranges::find(places, path, &ConfigPlace::path);
        if (it != places.end()) return name + " line " + std::to_string(it->line);
        const auto dot = path.rfind('.');
        if (dot == std::string::npos) return name;
        path.resize(dot);
    }
}

std::optional<ConfigFormat> config_format(const fs::path& path) {
    const auto extension = path.extension();
    if (extension == ".yaml" || extension == ".yml") return ConfigFormat::yaml;
    if (extension == ".toml") return ConfigFormat::toml;
    if (extension == ".json") return ConfigFormat::json;
    return std::nullopt;
}

std::optional<ConfigFile> parse_config(std::string name, ConfigFormat format, const std::string& text,
                                       std::vector<ConfigProblem>& problems) {
    ConfigFile file{.name = std::move(name), .format = format};
    if (only_comments(text)) return file;
    if (const auto error = parse(format, text, file.root)) {
        const std::string why = in_words(glz::format_error(error, text));
        problems.push_back({"", "cannot be read: " + why, file.name + " line " + std::to_string(line_of(text, error.count))});
        return std::nullopt;
    }
    for (const auto& [key, value] : file.root) {
        if (depth_of(value) < max_config_depth) continue;
        problems.push_back({key, "nested too deeply", file.name});
        return std::nullopt;
    }
    file.places = find_config_places(format, text);
    report_duplicates(file, problems);
    return file;
}

std::optional<ConfigFile> read_config_file(const fs::path& path, std::vector<ConfigProblem>& problems) {
    const auto format = config_format(path);
    const std::string name = path.filename().string();
    if (!format) {
        problems.push_back({"", "must end in .yaml, .yml, .toml or .json", name});
        return std::nullopt;
    }
    std::error_code error;
    const auto bytes = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
    std::ifstream in(path, std::ios::binary);
    if (error || !fs::is_regular_file(path, error) || !in || bytes > max_config_bytes) {
        problems.push_back({"", bytes > max_config_bytes ? "is too large" : "cannot be opened", path.string()});
        return std::nullopt;
    }
    std::string text((std::istreambuf_iterator<char>(in)), {});
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    return parse_config(name, *format, text, problems);
}

}  // namespace weft
