// find_config_places(): the parsers keep no positions, so keys are looked for in the text once more.
#include <algorithm>

#include "app/config_file.h"
#include "app/config_values.h"

namespace weft {
namespace {

std::string joined(const std::string& above, std::string_view key) {
    return above.empty() ? std::string(key) : above + "." + std::string(key);
}

// Calls with each line, from 1.
template <typename F>
void for_each_line(std::string_view text, F take) {
    int number = 1;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        take(text.substr(0, end), number++);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

// The position of the first of `stops` outside quotes, before any comment.
std::size_t find_outside_quotes(std::string_view line, std::string_view stops) {
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (quote) {
            if (line[i] == quote) quote = 0;
        } else if (line[i] == '"' || line[i] == '\'') {
            quote = line[i];
        } else if (line[i] == '#') {
            return std::string_view::npos;
        } else if (stops.contains(line[i])) {
            return i;
        }
    }
    return std::string_view::npos;
}

// ---- JSON, and YAML's {a: b} ----------------------------------------------------------------------------------------

// A key is a text before a colon; braces say what it belongs to.
std::vector<ConfigPlace> places_in_json(std::string_view text) {
    std::vector<ConfigPlace> places;
    std::vector<std::string> above{""};
    std::string current;
    std::string last;
    int line = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\n') ++line;
        if (c == '"') {
            last.clear();
            for (++i; i < text.size() && text[i] != '"'; ++i) {
                if (text[i] == '\\') ++i;
                if (i < text.size()) last += text[i];
            }
        } else if (c == ':') {
            current = joined(above.back(), last);
            places.push_back({current, line});
        } else if (c == '{' || c == '[') {
            // Elements of a list have no name of their own; what is in them is not told apart.
            above.push_back(c == '{' ? current : current + "[]");
            if (c == '[') current += "[]";
        } else if ((c == '}' || c == ']') && above.size() > 1) {
            above.pop_back();
        }
    }
    return places;
}

// ---- YAML -----------------------------------------------------------------------------------------------------------

std::vector<ConfigPlace> places_in_yaml(std::string_view text) {
    struct Level {
        std::size_t indent;
        std::string path;
    };
    std::vector<ConfigPlace> places;
    std::vector<Level> levels;
    std::size_t block_indent = std::string_view::npos;  // inside a | or > text: of the key that holds it
    for_each_line(text, [&](std::string_view line, int number) {
        const auto indent = line.find_first_not_of(' ');
        if (indent == std::string_view::npos || line[indent] == '#') return;
        if (block_indent != std::string_view::npos && indent > block_indent) return;
        block_indent = std::string_view::npos;
        const std::string_view rest = line.substr(indent);
        const auto colon = [&] {  // the one that ends a key: before a blank or the line's end
            for (std::size_t from = 0; from < rest.size();) {
                const auto at = find_outside_quotes(rest.substr(from), ":");
                if (at == std::string_view::npos) return at;
                if (from + at + 1 == rest.size() || rest[from + at + 1] == ' ' || rest[from + at + 1] == '\r') return from + at;
                from += at + 1;
            }
            return std::string_view::npos;
        }();
        if (colon == std::string_view::npos || rest.starts_with("- ")) return;
        while (!levels.empty() && levels.back().indent >= indent) levels.pop_back();
        const std::string path = joined(levels.empty() ? "" : levels.back().path, trimmed(rest.substr(0, colon)));
        places.push_back({path, number});
        levels.push_back({indent, path});
        const std::string_view value = trimmed(rest.substr(colon + 1));
        if (value.starts_with('|') || value.starts_with('>')) block_indent = indent;
    });
    return places;
}

// ---- TOML -----------------------------------------------------------------------------------------------------------

// "a.'b.c'" without its quotes: a.b.c
std::string toml_path(std::string_view text) {
    std::string path;
    while (!text.empty()) {
        const auto dot = std::min(find_outside_quotes(text, "."), text.size());
        path = joined(path, trimmed(text.substr(0, dot)));
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    return path;
}

std::vector<ConfigPlace> places_in_toml(std::string_view text) {
    std::vector<ConfigPlace> places;
    std::string table;
    for_each_line(text, [&](std::string_view line, int number) {
        const auto first = line.find_first_not_of(" \t");
        if (first == std::string_view::npos) return;
        line.remove_prefix(first);
        if (line.starts_with('[')) {
            const auto begin = line.find_first_not_of('[');
            const auto end = find_outside_quotes(line, "]");
            if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return;
            table = toml_path(line.substr(begin, end - begin));
            places.push_back({table, number});
        } else if (const auto equals = find_outside_quotes(line, "="); equals != std::string_view::npos) {
            places.push_back({joined(table, toml_path(line.substr(0, equals))), number});
        }
    });
    return places;
}

}  // namespace

std::vector<ConfigPlace> find_config_places(ConfigFormat format, std::string_view text) {
    switch (format) {
        case ConfigFormat::yaml: return places_in_yaml(text);
        case ConfigFormat::toml: return places_in_toml(text);
        case ConfigFormat::json: return places_in_json(text);
    }
    return {};
}

}  // namespace weft
