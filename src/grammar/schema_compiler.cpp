#include "grammar/schema_compiler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <unordered_set>
#include <utility>

#include "grammar/json_strings.h"

namespace weft {
namespace {

// Words that are not here are annotations of somebody's own ("x-order"): no schema language gives them a meaning.
constexpr std::array<std::string_view, 13> unenforceable_keywords{
    "not",           "if",          "then",        "else",         "contains",    "minContains",     "maxContains",
    "uniqueItems",   "dependentRequired", "dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef",
};

constexpr std::array<std::string_view, 7> all_types{"object", "array", "string", "number", "integer", "boolean", "null"};

// Reads "#/a~1b/c%20d" backwards into its steps.
std::string unescaped(std::string_view part) {
    std::string text;
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
            text += part[++i] == '0' ? '~' : '/';
        } else if (part[i] == '%' && i + 2 < part.size()) {
            text += static_cast<char>(std::strtol(std::string(part.substr(i + 1, 2)).c_str(), nullptr, 16));
            i += 2;
        } else {
            text += part[i];
        }
    }
    return text;
}

const SchemaJson* follow(const SchemaJson& value, const std::string& part) {
    if (value.is_object()) return member(value, part);
    if (!value.is_array() || part.empty() || part.size() > 6 || !std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; }))
        return nullptr;
    const auto index = std::stoul(part);
    const auto& elements = value.get_array();
    return index < elements.size() ? &elements[index] : nullptr;
}

const SchemaJson* find_anchor(const SchemaJson& value, const std::string& name, int depth = 0) {
    if (depth > max_schema_depth) return nullptr;
    if (value.is_array()) {
        for (const auto& element : value.get_array())
            if (const auto* found = find_anchor(element, name, depth + 1)) return found;
        return nullptr;
    }
    if (!value.is_object()) return nullptr;
    if (const auto* anchor = member(value, "$anchor"); anchor && anchor->is_string() && anchor->get<std::string>() == name)
        return &value;
    for (const auto& [key, inner] : value.get_object())
        if (const auto* found = find_anchor(inner, name, depth + 1)) return found;
    return nullptr;
}

}  // namespace

Result<std::string> SchemaCompiler::add(GbnfBuilder& builder, std::string_view schema_json) {
    WEFT_TRY(auto root, parse_schema_json(schema_json));
    drop_null_keywords(root, builder.unenforceable() == Unenforceable::ignore);
    SchemaCompiler compiler(builder, root);
    WEFT_TRY(auto rule, compiler.rule_for(root, "$", "value"));
    if (!rule) return fail(ErrorCode::invalid_request, "the schema allows no value at all");
    if (builder.too_large()) return fail(ErrorCode::invalid_request, "the grammar for this schema would be too large");
    return *std::move(rule);
}

std::unexpected<Error> SchemaCompiler::wrong(Path path, std::string message) {
    return fail(ErrorCode::invalid_request, "the schema at " + path + " " + std::move(message));
}

Result<void> SchemaCompiler::cannot(std::string_view keyword, Path path, std::string_view why) const {
    if (builder_.unenforceable() == Unenforceable::ignore) return {};
    return fail(ErrorCode::invalid_request, "the keyword '" + std::string(keyword) + "' at " + path + " cannot be enforced" +
                                                (why.empty() ? "" : " ") + std::string(why));
}

bool SchemaCompiler::too_much() const { return steps_ > max_schema_steps || builder_.too_large(); }

Result<void> SchemaCompiler::step(Path path) {
    ++steps_;
    if (too_much())
        return fail(ErrorCode::invalid_request, "the schema is too large: it holds too many schemas, references followed");
    if (depth_ > max_schema_nesting || merge_depth_ > max_schema_nesting)
        return wrong(path.substr(0, 200), "is nested too deeply, references followed");
    return {};
}

Result<std::optional<std::uint64_t>> SchemaCompiler::count_in(const SchemaJson& schema, std::string_view key, Path path) const {
    const auto* value = member(schema, key);
    if (!value) return std::nullopt;
    constexpr double most = 4e9;
    const double number = value->is_number() ? value->as<double>() : -1;
    if (number < 0 || std::floor(number) != number)
        return wrong(path, "has a '" + std::string(key) + "' that is not a whole number from 0 on");
    return static_cast<std::uint64_t>(std::min(number, most));
}

Result<const SchemaJson*> SchemaCompiler::resolve(const SchemaJson& reference, Path path) const {
    if (!reference.is_string()) return wrong(path, "has a '$ref' that is not a string");
    const auto& text = reference.get<std::string>();
    const auto unknown = [&] { return wrong(path, "refers to '" + text.substr(0, 200) + "', which is not in it"); };
    if (!text.starts_with('#')) {
        if (const auto* id = member(root_, "$id"); id && id->is_string() && id->get<std::string>() == text) return &root_;
        return wrong(path, "refers to '" + text.substr(0, 200) + "': only references within the schema (#/...) are followed");
    }
    if (text.size() == 1) return &root_;
    if (text[1] != '/') {
        const auto* found = find_anchor(root_, text.substr(1));
        if (!found) return unknown();
        return found;
    }
    const SchemaJson* at = &root_;
    for (std::size_t begin = 2; begin <= text.size();) {
        const auto end = std::min(text.find('/', begin), text.size());
        at = follow(*at, unescaped(std::string_view(text).substr(begin, end - begin)));
        if (!at) return unknown();
        begin = end + 1;
    }
    return at;
}

Result<void> SchemaCompiler::check_keywords(const SchemaJson& schema, Path path) {
    for (const auto keyword : unenforceable_keywords) {
        const auto* value = member(schema, keyword);
        if (!value) continue;
        // uniqueItems: false, an empty not-list and the like ask for nothing.
        if (value->is_boolean() && !value->get<bool>() && keyword != "contains" && keyword != "if") continue;
        if (value->is_object() && value->get_object().empty() && keyword.starts_with("depend")) continue;
        // Without an `if` the others mean nothing.
        if ((keyword == "then" || keyword == "else") && !member(schema, "if")) continue;
        if ((keyword == "minContains" || keyword == "maxContains") && !member(schema, "contains")) continue;
        if (keyword == "uniqueItems") {
            WEFT_TRY(const auto most, count_in(schema, "maxItems", path));
            if (most && *most <= 1) continue;
        }
        WEFT_CHECK(cannot(keyword, path));
    }
    return {};
}

// Equal schemas share one rule, which is also what makes recursion end.
Result<SchemaCompiler::Rule> SchemaCompiler::rule_for(const SchemaJson& schema, Path path, std::string_view name) {
    WEFT_CHECK(step(path));
    auto key = compact_json(schema);
    if (const auto known = rules_.find(key); known != rules_.end()) {
        if (open_.contains(key)) return wrong(path, "refers to itself without an end");
        return known->second;
    }
    const auto rule = builder_.reserve_rule(name);
    rules_.emplace(key, rule);
    open_.insert(key);
    ++depth_;
    auto body = body_of(schema, path, name);
    --depth_;
    if (!body) {
        // What is not understood costs this place only, where not everything has to be enforced.
        if (path == "$" || too_much() || builder_.unenforceable() == Unenforceable::refuse) return std::unexpected(std::move(body).error());
        body = Rule(builder_.add_any_json());
    }
    open_.erase(key);
    if (!*body) {
        // Whoever met it in the meantime refers to a rule without an end; nobody else will.
        builder_.define_rule(rule, rule);
        rules_[key] = std::nullopt;
        return std::nullopt;
    }
    builder_.define_rule(rule, **body);
    return rule;
}

Result<SchemaCompiler::Rule> SchemaCompiler::body_of(const SchemaJson& schema, Path path, std::string_view name) {
    if (schema.is_boolean()) return schema.get<bool>() ? Rule(builder_.add_any_json()) : std::nullopt;
    if (!schema.is_object()) return wrong(path, "must be an object, true or false");
    if (member(schema, "$ref") || member(schema, "allOf")) {
        WEFT_TRY(const auto flat, flattened(schema, path));
        return rule_for(flat, path, name);
    }
    WEFT_CHECK(check_keywords(schema, path));
    for (const std::string keyword : {"anyOf", "oneOf"})
        if (member(schema, keyword)) return union_of(schema, keyword, path, name);
    if (member(schema, "enum") || member(schema, "const")) return listed(schema, path);
    return typed(schema, path, name);
}

Result<std::vector<SchemaJson>> SchemaCompiler::merged_branches(const SchemaJson& schema, const std::string& keyword, Path path) {
    const auto& branches = *member(schema, keyword);
    if (!branches.is_array() || branches.get_array().empty())
        return wrong(path, "has an '" + keyword + "' that is not a list of schemas");
    if (branches.get_array().size() > max_union_branches)
        return wrong(path, "has an '" + keyword + "' of more than " + std::to_string(max_union_branches) + " schemas");
    SchemaJson rest = schema;
    rest.get_object().erase(keyword);
    std::vector<SchemaJson> merged;
    for (std::size_t i = 0; i < branches.get_array().size(); ++i) {
        WEFT_TRY(auto branch, merge(rest, branches.get_array()[i], path + "." + keyword + "[" + std::to_string(i) + "]"));
        merged.push_back(std::move(branch));
    }
    return merged;
}

Result<SchemaCompiler::Rule> SchemaCompiler::union_of(const SchemaJson& schema, const std::string& keyword, Path path,
                                                      std::string_view name) {
    WEFT_TRY(const auto branches, merged_branches(schema, keyword, path));
    std::string body;
    std::unordered_set<std::string> rules;
    for (std::size_t i = 0; i < branches.size(); ++i) {
        std::vector<SchemaJson> alternatives{branches[i]};
        if (keyword == "oneOf") {
            WEFT_TRY(alternatives, exclusive(branches, i, path));
        }
        for (const auto& alternative : alternatives) {
            WEFT_TRY(auto rule, rule_for(alternative, path + "." + keyword + "[" + std::to_string(i) + "]", name));
            if (rule && rules.insert(*rule).second) body += (body.empty() ? "" : " | ") + *rule;
        }
    }
    if (body.empty()) return std::nullopt;
    return body;
}

// enum and const: the values themselves, as far as the rest of the schema allows them.
Result<SchemaCompiler::Rule> SchemaCompiler::listed(const SchemaJson& schema, Path path) {
    std::vector<SchemaJson> values;
    const auto* list = member(schema, "enum");
    const auto* single = member(schema, "const");
    if (list && !list->is_array()) return wrong(path, "has an 'enum' that is not a list");
    if (single) values.push_back(*single);
    else values = list->get_array();
    if (single && list) {
        const auto same = [&](const SchemaJson& value) { return compact_json(value) == compact_json(*single); };
        if (std::ranges::none_of(list->get_array(), same)) return std::nullopt;
    }
    WEFT_TRY(const auto types, types_of(schema, path));
    std::string body;
    for (const auto& value : values) {
        if (std::ranges::none_of(types, [&](const std::string& type) { return has_type(value, type); })) continue;
        WEFT_TRY(const bool allowed, allows(schema, value, path));
        if (allowed) body += (body.empty() ? "" : " | ") + GbnfBuilder::literal(compact_json(value));
    }
    if (body.empty()) return std::nullopt;
    return body;
}

Result<std::vector<std::string>> SchemaCompiler::types_of(const SchemaJson& schema, Path path) const {
    std::vector<std::string> types;
    const auto add = [&](const SchemaJson& type) -> Result<void> {
        if (!type.is_string() || std::ranges::find(all_types, type.get<std::string>()) == all_types.end())
            return wrong(path, "has an unknown 'type'");
        if (std::ranges::find(types, type.get<std::string>()) == types.end()) types.push_back(type.get<std::string>());
        return {};
    };
    const auto* type = member(schema, "type");
    if (type && type->is_array()) {
        for (const auto& element : type->get_array()) WEFT_CHECK(add(element));
    } else if (type) {
        WEFT_CHECK(add(*type));
    } else {
        for (const auto& [keyword, implied] : schema.get_object()) {
            const auto speaks_of = type_of_keyword(keyword);
            if (!speaks_of.empty() && std::ranges::find(types, speaks_of) == types.end()) types.emplace_back(speaks_of);
        }
        const auto* format = member(schema, "format");
        const bool enforced = format && format->is_string() && find_format(format->get<std::string>());
        if (types.empty() && enforced) types.emplace_back("string");
        if (types.empty() || member(schema, "enum") || member(schema, "const")) types.assign(all_types.begin(), all_types.end());
    }
    if (const auto* nullable = member(schema, "nullable"); nullable && is_true(*nullable) && std::ranges::find(types, "null") == types.end()) types.emplace_back("null");
    if (std::ranges::find(types, "number") != types.end()) std::erase(types, "integer");
    return types;
}

Result<SchemaCompiler::Rule> SchemaCompiler::typed(const SchemaJson& schema, Path path, std::string_view name) {
    WEFT_TRY(const auto types, types_of(schema, path));
    if (!member(schema, "type") && types.size() >= all_types.size() - 1) return builder_.add_any_json();
    std::string body;
    for (const auto& type : types) {
        WEFT_TRY(const auto rule, of_type(schema, type, path, name));
        if (rule) body += (body.empty() ? "" : " | ") + *rule;
    }
    if (body.empty()) return std::nullopt;
    return body;
}

Result<SchemaCompiler::Rule> SchemaCompiler::of_type(const SchemaJson& schema, std::string_view type, Path path,
                                                     std::string_view name) {
    if (type == "null") return R"("null")";
    if (type == "boolean") return R"("true" | "false")";
    if (type == "string") return string(schema, path, name);
    if (type == "number" || type == "integer") return number(schema, type == "integer", path);
    // What stands inside is behind a bracket: meeting an open schema there is recursion, not a loop.
    auto outside = std::exchange(open_, {});
    auto rule = type == "object" ? object(schema, path, name) : array(schema, path, name);
    open_ = std::move(outside);
    return rule;
}

}  // namespace weft
