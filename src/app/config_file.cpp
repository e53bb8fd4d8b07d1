#include "app/config_file.h"

#include <algorithm>
#include <fstream>
#include <glaze/json.hpp>
#include <glaze/toml.hpp>
#include <glaze/yaml.hpp>
#include <optional>
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

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

// Where the value of "key: value" or "- value" begins; npos when the line has none.
std::size_t value_in(std::string_view line) {
    std::size_t at = indent_of(line);
    while (line.substr(at).starts_with("- ")) at = std::min(line.find_first_not_of(' ', at + 1), line.size());
    const bool in_list = at > indent_of(line);
    const auto colon = line.find(": ", at);
    if (colon == line.npos || line.substr(at, colon - at).find_first_of(" \"'#{[") != line.npos) return in_list ? at : line.npos;
    return line.find_first_not_of(' ', colon + 1);
}

std::string_view plain_value(std::string_view line, std::size_t at) {
    auto end = std::min(line.find(" #", at), line.size());
    while (end > at && (line[end - 1] == ' ' || line[end - 1] == '\r')) --end;
    return line.substr(at, end - at);
}

// glaze 9 takes a plain "~/models" for null followed by junk, and "2 sentences at most" for a number followed by it.
bool is_misread(std::string_view value) {
    if (value.starts_with("~/")) return true;
    const auto digit = value.find_first_not_of("+-.");
    return digit < 3 && digit < value.size() && value[digit] >= '0' && value[digit] <= '9' && value.contains(' ');
}

std::string in_quotes(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

// In quotes such values are read as the text they are. Lines stay; the text of block scalars is left alone.
std::string with_quoted_texts(const std::string& text) {
    std::string out;
    std::istringstream in(text);
    std::optional<std::size_t> block;  // indentation of the key whose block of text is being read
    for (std::string line; std::getline(in, line); out += '\n') {
        const bool blank = plain_value(line, indent_of(line)).empty();
        if (block && (blank || indent_of(line) > *block)) {
            out += line;
            continue;
        }
        block.reset();
        const auto at = value_in(line);
        const auto value = at == std::string::npos ? std::string_view() : plain_value(line, at);
        if (value.starts_with('|') || value.starts_with('>')) block = indent_of(line);
        if (is_misread(value)) out += line.substr(0, at) + in_quotes(value) + line.substr(at + value.size());
        else out += line;
    }
    return out;
}

bool is_list(const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        const auto content = std::string_view(line).substr(indent_of(line));
        if (content.empty() || content.starts_with('#') || content.starts_with("---") || content == "\r") continue;
        return content.starts_with("- ") || content == "-";
    }
    return false;
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
        case ConfigFormat::yaml: return glz::read_yaml(root, with_quoted_texts(text));
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
    if (format == ConfigFormat::yaml && is_list(text)) {
        problems.push_back({"", "must be keys with values, not a list", file.name});
        return std::nullopt;
    }
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
