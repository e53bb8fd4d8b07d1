#include <algorithm>
#include <map>

#include "grammar/json_strings.h"
#include "grammar/matcher.h"
#include "grammar/regex_gbnf.h"
#include "grammar/schema_compiler.h"

namespace weft {
namespace {

// Keys that a schema does not spell out are no longer than this.
constexpr std::string_view longest_key = "{0,100}";

std::string key_literal(const std::string& name) {
    SchemaJson json;
    json.data = name;
    return GbnfBuilder::literal(compact_json(json) + ":");
}

// A trie of names, to say "any key but these".
struct KeyTrie {
    std::map<char32_t, KeyTrie> next;
    bool ends = false;

    void insert(std::u32string_view name) {
        auto* at = this;
        for (const char32_t c : name) at = &at->next[c];
        at->ends = true;
    }
};

std::u32string decoded(const std::string& text) {
    std::u32string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const std::size_t n = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        char32_t value = n == 1 ? byte : byte & (0x7FU >> n);
        for (std::size_t j = 1; j < n && i + j < text.size(); ++j) value = (value << 6U) | (static_cast<unsigned char>(text[i + j]) & 0x3FU);
        out += value;
        i += n;
    }
    return out;
}

// Characters that keys of unknown members are made of: written without escapes, so that no other spelling of a known
// name slips through.
CodePointSet key_characters() {
    CodePointSet set = CodePointSet::all();
    set.remove({0, 0x1F});
    set.remove({U'"', U'"'});
    set.remove({U'\\', U'\\'});
    set.remove({0x7F, 0x7F});
    return set;
}

std::string other_keys(GbnfBuilder& builder, const KeyTrie& trie, const std::string& any) {
    auto others = key_characters();
    std::string body;
    for (const auto& [c, inner] : trie.next) {
        if (!others.contains(c)) continue;
        others.remove({c, c});
        body += (body.empty() ? "" : " | ") + CodePointSet{{c, c}}.gbnf() + " " + other_keys(builder, inner, any);
    }
    body += (body.empty() ? "" : " | ") + others.gbnf() + " " + any;
    if (!trie.ends) body += " | \"\"";
    return builder.add_shared_rule("key", body);
}

const SchemaJson* list_member(const SchemaJson& schema, std::string_view key) {
    const auto* value = member(schema, key);
    return value && value->is_array() ? value : nullptr;
}

}  // namespace

// A declared property together with what patternProperties say about its name.
Result<SchemaJson> SchemaCompiler::property_schema(const SchemaJson& schema, const std::string& name,
                                                   const SchemaJson* declared, Path path) {
    SchemaJson all = declared ? *declared : json_of(true);
    bool matched = declared != nullptr;
    if (const auto* patterns = member(schema, "patternProperties"); patterns && patterns->is_object()) {
        for (const auto& [pattern, inner] : patterns->get_object()) {
            WEFT_TRY(const bool matches, matches_pattern(pattern, name, path));
            if (!matches) continue;
            matched = true;
            WEFT_TRY(all, merge(all, inner, path));
        }
    }
    if (matched) return all;
    const auto* additional = member(schema, "additionalProperties");
    return additional ? *additional : all;
}

// Nothing when a required one can have no value.
Result<std::optional<std::vector<SchemaCompiler::Property>>> SchemaCompiler::properties_of(const SchemaJson& schema, Path path) {
    const auto* declared = member(schema, "properties");
    if (declared && !declared->is_object()) return wrong(path, "has 'properties' that are not an object");
    if (member(schema, "required") && !list_member(schema, "required") && !member(schema, "required")->is_boolean())
        return wrong(path, "has a 'required' that is not a list");
    std::vector<std::pair<std::string, const SchemaJson*>> all;
    if (declared)
        for (const auto& [name, inner] : declared->get_object()) all.emplace_back(name, &inner);
    std::unordered_set<std::string> required;
    std::unordered_set<std::string> known;
    for (const auto& [name, inner] : all) known.insert(name);
    if (const auto* names = list_member(schema, "required"))
        for (const auto& name : names->get_array()) {
            if (!name.is_string()) return wrong(path, "has a 'required' that holds something else than names");
            required.insert(name.get<std::string>());
            if (known.insert(name.get<std::string>()).second) all.emplace_back(name.get<std::string>(), nullptr);
        }
    std::vector<Property> properties;
    const auto space = builder_.add_space();
    for (const auto& [name, inner] : all) {
        const auto where = path + ".properties." + name.substr(0, 64);
        WEFT_TRY(const auto value_schema, property_schema(schema, name, inner, where));
        WEFT_TRY(const auto value, rule_for(value_schema, where, name));
        const bool needed = required.contains(name);
        if (!value && needed) return std::nullopt;
        auto rule = value ? key_literal(name) + " " + space + " " + *value : std::string();
        properties.push_back({.name = name, .rule = std::move(rule), .required = needed});
    }
    return properties;
}

Result<bool> SchemaCompiler::matches_pattern(const std::string& pattern, const std::string& name, Path path) {
    const auto grammar = [&]() -> Result<std::shared_ptr<const Grammar>> {
        GbnfBuilder builder;
        WEFT_TRY(const auto rule, builder.add_regex(pattern, false));
        WEFT_TRY(const auto gbnf, std::move(builder).finish(rule));
        return Grammar::parse(gbnf);
    }();
    if (!grammar) {
        WEFT_CHECK(cannot("patternProperties", path, "(" + grammar.error().message + ")"));
        return false;
    }
    SchemaJson json;
    json.data = name;
    const auto quoted = compact_json(json);
    GrammarMatcher matcher(*grammar);
    return matcher.accept(std::string_view(quoted).substr(1, quoted.size() - 2)) && matcher.can_end();
}

// Keys of members that the schema does not declare, with their quotes and the colon.
Result<std::string> SchemaCompiler::member_key(const SchemaJson& schema, const std::vector<Property>& properties, Path path) {
    const auto* names = member(schema, "propertyNames");
    if (names && names->is_object() && !names->get_object().empty()) {
        if (properties.empty()) {
            SchemaJson key_schema = *names;
            key_schema["type"].data = std::string("string");
            WEFT_TRY(const auto rule, rule_for(key_schema, path + ".propertyNames", "key"));
            return rule ? *rule + " \":\"" : std::string();
        }
        WEFT_CHECK(cannot("propertyNames", path, "beside declared properties"));
    }
    if (names && names->is_boolean() && !names->get<bool>()) return std::string();
    KeyTrie trie;
    for (const auto& property : properties) trie.insert(decoded(property.name));
    const auto any = builder_.add_shared_rule("key-rest", key_characters().gbnf() + std::string(longest_key));
    return "\"\\\"\" " + other_keys(builder_, trie, any) + " \"\\\":\"";
}

// Members whose keys match one of patternProperties. With several patterns their values must suit all of them, because
// one key may match several.
Result<std::string> SchemaCompiler::pattern_member(const SchemaJson& schema, const std::vector<Property>& properties, Path path) {
    const auto& patterns = member(schema, "patternProperties")->get_object();
    SchemaJson all = json_of(true);
    std::string keys;
    for (const auto& [pattern, inner] : patterns) {
        // Such a key might come out as a declared name: then declared members have to do.
        for (const auto& property : properties) {
            WEFT_TRY(const bool matches, matches_pattern(pattern, property.name, path));
            if (matches) return std::string();
        }
        WEFT_TRY(all, merge(all, inner, path + ".patternProperties"));
        auto regex = Regex::parse(pattern);
        auto rule = regex ? regex->add_to(builder_, Regex::Writing::json_string) : Result<std::string>(std::unexpected(regex.error()));
        if (!rule) {
            WEFT_CHECK(cannot("patternProperties", path, "(" + rule.error().message + ")"));
            continue;
        }
        keys += (keys.empty() ? "" : " | ") + *rule;
    }
    WEFT_TRY(const auto value, rule_for(all, path + ".patternProperties", "member"));
    if (!value || keys.empty()) return std::string();
    return "\"\\\"\" (" + keys + ") \"\\\":\" " + builder_.add_space() + " " + *value;
}

Result<SchemaCompiler::Additional> SchemaCompiler::additional_of(const SchemaJson& schema, const std::vector<Property>& properties,
                                                                 Path path) {
    Additional additional;
    const auto* patterns = member(schema, "patternProperties");
    if (patterns && !patterns->is_object()) return wrong(path, "has 'patternProperties' that are not an object");
    if (patterns && !patterns->get_object().empty()) {
        // Other keys may be allowed beside them, but "matches no pattern" is beyond a grammar.
        WEFT_TRY(additional.rule, pattern_member(schema, properties, path));
    } else {
        const auto* inner = member(schema, "additionalProperties");
        // Where nothing at all is declared, an object without members is not what was meant.
        const bool open = inner || std::ranges::all_of(properties, [](const Property& property) { return property.rule.empty(); });
        if (!open || (inner && inner->is_boolean() && !inner->get<bool>())) return additional;
        WEFT_TRY(const auto value, rule_for(inner ? *inner : json_of(true), path + ".additionalProperties", "member"));
        WEFT_TRY(const auto key, member_key(schema, properties, path));
        if (value && !key.empty()) additional.rule = key + " " + builder_.add_space() + " " + *value;
    }
    if (!additional.rule.empty()) additional.rule = builder_.add_shared_rule("member", additional.rule);
    return additional;
}

// minProperties and maxProperties, as far as they can be counted.
Result<void> SchemaCompiler::check_counts(const SchemaJson& schema, const std::vector<Property>& properties,
                                          Additional& additional, bool& not_empty, Path path) {
    WEFT_TRY(const auto least, count_in(schema, "minProperties", path));
    WEFT_TRY(const auto most, count_in(schema, "maxProperties", path));
    const auto required = static_cast<std::uint64_t>(std::ranges::count_if(properties, &Property::required));
    const bool others = !additional.rule.empty();
    if (least && *least > required) {
        // Two members with one key would count once, so more than one cannot be promised.
        if (*least == 1) not_empty = true;
        else WEFT_CHECK(cannot("minProperties", path));
    }
    if (most && (others || *most < properties.size())) {
        if (required == properties.size() && *most >= required) additional.most = *most - required;
        else WEFT_CHECK(cannot("maxProperties", path));
    }
    return {};
}

// Optional members may be left out in any combination. After the first member each other one is a comma and itself; what
// the first one is must be chosen among the optional ones up to the first required one.
std::string SchemaCompiler::members(const std::vector<Property>& properties, const Additional& additional, bool not_empty,
                                    std::string_view name) {
    const auto space = builder_.add_space();
    const auto comma = "\",\" " + space + " ";
    std::string others;       // what follows the declared ones
    std::string only_others;  // the same where no declared one came before
    if (!additional.rule.empty() && additional.most != 0U) {
        const auto repeated = [&](std::optional<std::uint64_t> most) {
            return "(" + comma + additional.rule + ")" + (most ? "{0," + std::to_string(*most) + "}" : "*");
        };
        others = repeated(additional.most);
        only_others = additional.rule + " " + repeated(additional.most ? std::optional(*additional.most - 1) : std::nullopt);
    }
    const auto first_required = std::ranges::find_if(properties, &Property::required);
    std::vector<std::string> beginnings;
    // tail: a rule for all that may follow property i, shared by the beginnings before it.
    std::string tail = others;
    const auto leading = static_cast<std::size_t>(first_required - properties.begin());
    for (std::size_t i = properties.size(); i-- > 0;) {
        const auto& property = properties[i];
        if (i <= leading) {
            if (!tail.empty()) tail = builder_.add_shared_rule(std::string(name) + "-rest", tail);
            beginnings.push_back(property.rule + (tail.empty() ? "" : " " + tail));
        }
        const auto item = comma + property.rule;
        tail = (property.required ? item : "(" + item + ")?") + (tail.empty() ? "" : " " + tail);
    }
    std::ranges::reverse(beginnings);
    if (first_required == properties.end() && !only_others.empty()) beginnings.push_back(only_others);
    std::string body;
    for (const auto& beginning : beginnings) body += (body.empty() ? "" : " | ") + beginning;
    if (body.empty()) return "";
    const bool may_be_empty = first_required == properties.end() && !not_empty;
    return "(" + std::string(beginnings.size() > 1 ? "(" + body + ")" : body) + " " + space + ")" + (may_be_empty ? "?" : "");
}

Result<SchemaCompiler::Rule> SchemaCompiler::object(const SchemaJson& schema, Path path, std::string_view name) {
    WEFT_TRY(auto properties, properties_of(schema, path));
    if (!properties) return std::nullopt;
    WEFT_TRY(auto additional, additional_of(schema, *properties, path));
    std::erase_if(*properties, [](const Property& property) { return property.rule.empty(); });
    bool not_empty = false;
    WEFT_CHECK(check_counts(schema, *properties, additional, not_empty, path));
    const auto inside = members(*properties, additional, not_empty, name);
    if (inside.empty() && not_empty) return std::nullopt;
    return "\"{\" " + builder_.add_space() + " " + inside + (inside.empty() ? "" : " ") + "\"}\"";
}

}  // namespace weft
