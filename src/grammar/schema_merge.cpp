#include <algorithm>

#include "grammar/schema_compiler.h"

namespace weft {
namespace {

bool contains(const std::vector<SchemaJson>& list, const SchemaJson& value) {
    const auto text = compact_json(value);
    return std::ranges::any_of(list, [&](const SchemaJson& other) { return compact_json(other) == text; });
}

std::vector<SchemaJson> as_list(const SchemaJson& value) {
    if (value.is_array()) return value.get_array();
    return {value};
}

// type: what both allow; "number" allows "integer".
std::vector<SchemaJson> common_types(const SchemaJson& a, const SchemaJson& b) {
    std::vector<SchemaJson> both;
    const auto is = [](const SchemaJson& type, std::string_view name) {
        return type.is_string() && type.get<std::string>() == name;
    };
    const auto add = [&](const SchemaJson& type) {
        if (!contains(both, type)) both.push_back(type);
    };
    const auto list_a = as_list(a);
    const auto list_b = as_list(b);
    for (const auto& x : list_a)
        for (const auto& y : list_b) {
            if (compact_json(x) == compact_json(y)) add(x);
            else if (is(x, "integer") && is(y, "number")) add(x);
            else if (is(x, "number") && is(y, "integer")) add(y);
        }
    return both;
}

bool takes_smaller(std::string_view key) { return key.starts_with("max") || key == "exclusiveMaximum"; }
bool takes_larger(std::string_view key) { return key.starts_with("min") || key == "exclusiveMinimum"; }

}  // namespace

// Without $ref and allOf at its top.
Result<SchemaJson> SchemaCompiler::flattened(const SchemaJson& schema, Path path) {
    WEFT_CHECK(step(path));
    if (!schema.is_object()) return schema;
    const auto* reference = member(schema, "$ref");
    const auto* all = member(schema, "allOf");
    if (!reference && !all) return schema;
    ++merge_depth_;
    SchemaJson flat = empty_object();
    for (const auto& [key, value] : schema.get_object())
        if (key != "$ref" && key != "allOf" && !is_annotation(key)) flat[key] = value;
    if (reference) {
        WEFT_TRY(const auto* target, resolve(*reference, path));
        WEFT_TRY(flat, merge(flat, *target, path));
    }
    if (all) {
        if (!all->is_array()) return wrong(path, "has an 'allOf' that is not a list of schemas");
        for (std::size_t i = 0; i < all->get_array().size(); ++i) {
            WEFT_TRY(flat, merge(flat, all->get_array()[i], path + ".allOf[" + std::to_string(i) + "]"));
        }
    }
    --merge_depth_;
    return flat;
}

Result<SchemaJson> SchemaCompiler::merge(const SchemaJson& first, const SchemaJson& second, Path path) {
    WEFT_CHECK(step(path));
    ++merge_depth_;
    WEFT_TRY(const auto a, flattened(first, path));
    WEFT_TRY(const auto b, flattened(second, path));
    --merge_depth_;
    if (is_false(a) || is_false(b)) return json_of(false);
    if (is_true(a)) return b;
    if (is_true(b)) return a;
    if (!a.is_object() || !b.is_object()) return wrong(path, "must be an object, true or false");
    SchemaJson merged = empty_object();
    for (const auto& [key, value] : a.get_object())
        if (!is_annotation(key)) merged[key] = value;
    for (const auto& [key, value] : b.get_object()) {
        if (is_annotation(key) || key == "properties" || key == "items" || key == "prefixItems" || key == "additionalItems") continue;
        if (!merged.get_object().contains(key)) merged[key] = value;
        else WEFT_CHECK(merge_keyword(merged, key, value, path));
        if (is_false(merged)) return merged;
    }
    WEFT_CHECK(merge_properties(merged, a, b, path));
    WEFT_CHECK(merge_items(merged, a, b, path));
    return merged;
}

// Makes `into` false when nothing is valid for both.
Result<void> SchemaCompiler::merge_keyword(SchemaJson& into, const std::string& key, const SchemaJson& value, Path path) {
    auto& mine = into[key];
    const bool equal = compact_json(mine) == compact_json(value);
    if (equal) return {};
    if (key == "type") {
        auto types = common_types(mine, value);
        if (types.empty()) into = json_of(false);
        else into[key] = list_of(std::move(types));
    } else if (key == "required" && mine.is_array() && value.is_array()) {
        for (const auto& name : value.get_array())
            if (!contains(mine.get_array(), name)) mine.get_array().push_back(name);
    } else if (key == "enum" && mine.is_array() && value.is_array()) {
        std::erase_if(mine.get_array(), [&](const SchemaJson& one) { return !contains(value.get_array(), one); });
        if (mine.get_array().empty()) into = json_of(false);
    } else if (key == "const") {
        into = json_of(false);
    } else if (key == "anyOf" || key == "oneOf") {
        WEFT_TRY(auto branches, merge_branches(mine, value, path));
        into[key] = std::move(branches);
    } else if (key == "additionalProperties" || key == "propertyNames" || key == "unevaluatedProperties") {
        WEFT_TRY(auto both, merge(mine, value, path + "." + key));
        into[key] = std::move(both);
    } else if (key == "patternProperties" && mine.is_object() && value.is_object()) {
        for (const auto& [pattern, schema] : value.get_object()) {
            if (!mine.get_object().contains(pattern)) {
                mine[pattern] = schema;
                continue;
            }
            WEFT_TRY(auto both, merge(mine[pattern], schema, path + ".patternProperties"));
            mine[pattern] = std::move(both);
        }
    } else if (takes_smaller(key) && mine.is_number() && value.is_number()) {
        if (value.as<double>() < mine.as<double>()) mine = value;
    } else if (takes_larger(key) && mine.is_number() && value.is_number()) {
        if (value.as<double>() > mine.as<double>()) mine = value;
    } else if (key == "nullable") {
        into[key].data = false;
    } else {
        return cannot(key, path, "together with another one of its kind");
    }
    return {};
}

// A property that only one of them declares must also suit what the other says about additional ones.
Result<void> SchemaCompiler::merge_properties(SchemaJson& into, const SchemaJson& a, const SchemaJson& b, Path path) {
    const auto* mine = member(a, "properties");
    const auto* theirs = member(b, "properties");
    if (!mine && !theirs) return {};
    for (const auto* side : {mine, theirs})
        if (side && !side->is_object()) return wrong(path, "has 'properties' that are not an object");
    SchemaJson all = empty_object();
    const auto add = [&](const SchemaJson* from, const SchemaJson& other) -> Result<void> {
        if (!from) return {};
        const auto* others = member(other, "properties");
        for (const auto& [name, schema] : from->get_object()) {
            if (all.get_object().contains(name)) continue;
            const auto* partner = others ? member(*others, name) : nullptr;
            if (!partner && !member(other, "patternProperties")) partner = member(other, "additionalProperties");
            if (!partner) {
                all[name] = schema;
                continue;
            }
            WEFT_TRY(auto both, merge(schema, *partner, path + ".properties." + name));
            all[name] = std::move(both);
        }
        return {};
    };
    WEFT_CHECK(add(mine, b));
    WEFT_CHECK(add(theirs, a));
    into["properties"] = std::move(all);
    return {};
}

Result<void> SchemaCompiler::merge_items(SchemaJson& into, const SchemaJson& a, const SchemaJson& b, Path path) {
    const auto has_tuple = [](const SchemaJson& schema) {
        const auto* items = member(schema, "items");
        return member(schema, "prefixItems") || (items && items->is_array());
    };
    for (const std::string key : {"items", "prefixItems", "additionalItems"}) {
        const auto* mine = member(a, key);
        const auto* theirs = member(b, key);
        if (!theirs || (mine && compact_json(*mine) == compact_json(*theirs))) continue;
        if (!mine && !has_tuple(a)) {
            into[key] = *theirs;
        } else if (key == "items" && mine && !has_tuple(a) && !has_tuple(b)) {
            WEFT_TRY(auto both, merge(*mine, *theirs, path + ".items"));
            into[key] = std::move(both);
        } else {
            WEFT_CHECK(cannot(key, path, "together with another one of its kind"));
        }
    }
    if (has_tuple(b) && member(a, "items") && !has_tuple(a)) return cannot("items", path, "together with another one of its kind");
    return {};
}

Result<SchemaJson> SchemaCompiler::merge_branches(const SchemaJson& a, const SchemaJson& b, Path path) {
    if (!a.is_array() || !b.is_array()) return wrong(path, "has an 'anyOf' that is not a list of schemas");
    if (a.get_array().size() * b.get_array().size() > max_union_branches)
        return wrong(path, "combines more than " + std::to_string(max_union_branches) + " alternatives");
    std::vector<SchemaJson> branches;
    for (const auto& x : a.get_array())
        for (const auto& y : b.get_array()) {
            WEFT_TRY(auto both, merge(x, y, path));
            if (!is_false(both)) branches.push_back(std::move(both));
        }
    if (branches.empty()) branches.push_back(json_of(false));
    return list_of(std::move(branches));
}

}  // namespace weft
