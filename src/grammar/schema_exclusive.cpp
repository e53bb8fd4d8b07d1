// oneOf: valid for one alternative and for no other. A grammar cannot say "and not that", so each alternative is cut down
// until none of its texts is valid for another one: to other types, values, bounds, or members.

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

#include "grammar/schema_compiler.h"

namespace weft {
namespace {

constexpr int max_exclusion_depth = 5;  // of members within members that tell alternatives apart
constexpr std::size_t steps_to_exclude = 4;  // beside those it takes: schemas are copied
constexpr std::size_t max_compared_names = 8, max_compared_values = 32;  // of two alternatives at a glance
constexpr std::size_t max_compared_alternatives = 65'536;                // pairs, of a whole document

SchemaJson with_member(const SchemaJson& schema, const std::string& key, SchemaJson value) {
    SchemaJson copy = schema;
    copy[key] = std::move(value);
    return copy;
}

SchemaJson without_member(const SchemaJson& schema, const std::string& key) {
    SchemaJson copy = schema;
    copy.get_object().erase(key);
    return copy;
}

SchemaJson json_text(const std::string& text) {
    SchemaJson value;
    value.data = text;
    return value;
}

SchemaJson json_count(std::uint64_t count) {
    SchemaJson value;
    value.data = count;
    return value;
}

// What is left of a schema: none of its texts, or those of one schema.
std::optional<std::vector<SchemaJson>> none_left() { return std::vector<SchemaJson>(); }
std::optional<std::vector<SchemaJson>> left_as(SchemaJson schema) {
    std::vector<SchemaJson> one;
    one.push_back(std::move(schema));
    return one;
}

SchemaJson any_of(std::vector<SchemaJson> branches) {
    if (branches.size() == 1) return std::move(branches.front());
    SchemaJson all = empty_object();
    all["anyOf"] = list_of(std::move(branches));
    return all;
}

// As JSON Schema compares: 1 is 1.0, the order of members does not matter.
bool same_value(const SchemaJson& a, const SchemaJson& b) {
    if (a.is_number() && b.is_number()) return a.as<double>() == b.as<double>();
    if (a.is_string() && b.is_string()) return a.get<std::string>() == b.get<std::string>();
    if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), same_value);
    if (!a.is_object() || !b.is_object()) return compact_json(a) == compact_json(b);
    if (a.get_object().size() != b.get_object().size()) return false;
    return std::ranges::all_of(a.get_object(), [&](const auto& entry) {
        const auto* other = member(b, entry.first);
        return other && same_value(entry.second, *other);
    });
}

// The values that a schema lists, its other keywords aside; nothing when they are not listed.
std::optional<std::vector<SchemaJson>> listed_values(const SchemaJson& schema) {
    if (const auto* single = member(schema, "const")) return std::vector{*single};
    if (const auto* list = member(schema, "enum"); list && list->is_array()) return list->get_array();
    const auto* type = member(schema, "type");
    if (!type || !type->is_string() || member(schema, "nullable")) return std::nullopt;
    if (type->get<std::string>() == "null") return std::vector<SchemaJson>{SchemaJson{}};
    if (type->get<std::string>() == "boolean") return std::vector{json_of(true), json_of(false)};
    return std::nullopt;
}

// Without what says nothing about values.
SchemaJson without_annotations(const SchemaJson& schema) {
    if (!schema.is_object()) return schema;
    SchemaJson bare = empty_object();
    for (const auto& [keyword, value] : schema.get_object())
        if (!is_annotation(keyword)) bare[keyword] = value;
    return bare;
}

std::vector<std::string> required_names(const SchemaJson& schema) {
    std::vector<std::string> names;
    const auto* list = member(schema, "required");
    if (!list || !list->is_array()) return names;
    for (const auto& name : list->get_array())
        if (name.is_string()) names.push_back(name.get<std::string>());
    return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

const SchemaJson* declared(const SchemaJson& schema, const std::string& name) {
    const auto* properties = member(schema, "properties");
    return properties ? member(*properties, name) : nullptr;
}

SchemaJson with_property(const SchemaJson& schema, const std::string& name, SchemaJson value) {
    const auto* properties = member(schema, "properties");
    return with_member(schema, "properties", with_member(properties ? *properties : empty_object(), name, std::move(value)));
}

SchemaJson with_required(const SchemaJson& schema, const std::string& name) {
    std::vector<SchemaJson> names;
    for (const auto& one : required_names(schema)) names.push_back(json_text(one));
    names.push_back(json_text(name));
    return with_member(schema, "required", list_of(std::move(names)));
}

bool is_constant(const SchemaJson* schema) { return schema && (member(*schema, "const") || member(*schema, "enum")); }

const SchemaJson* element_at(const SchemaJson& schema, std::size_t place) {
    const auto* items = member(schema, "items");
    const bool old_tuple = items && items->is_array();
    const auto* first = old_tuple ? items : member(schema, "prefixItems");
    if (first && first->is_array() && place < first->get_array().size()) return &first->get_array()[place];
    return old_tuple ? member(schema, "additionalItems") : items;
}

std::size_t tuple_size(const SchemaJson& schema) {
    const auto* items = member(schema, "items");
    const auto* first = items && items->is_array() ? items : member(schema, "prefixItems");
    return first && first->is_array() ? first->get_array().size() : 0;
}

// An array that has an element at `place`, which is one of these.
SchemaJson with_element(const SchemaJson& schema, std::size_t place, SchemaJson value, std::uint64_t least) {
    SchemaJson copy = with_member(schema, "minItems", json_count(std::max<std::uint64_t>(least, place + 1)));
    const auto* items = member(schema, "items");
    const std::string key = items && items->is_array() ? "items" : "prefixItems";
    if (!member(copy, key)) copy[key] = list_of({});
    auto& first = copy[key].get_array();
    while (first.size() <= place) first.push_back(*element_at(schema, place));
    first[place] = std::move(value);
    return copy;
}

bool apart(const NumberBounds& low, const NumberBounds& high) {
    if (!low.most || !high.least) return false;
    const int order = compare(*low.most, *high.least);
    return order < 0 || (order == 0 && (low.below_most || high.above_least));
}

}  // namespace

namespace {

// Only what is compared in no time.
std::vector<const SchemaJson*> constants_of(const SchemaJson& schema) {
    std::vector<const SchemaJson*> values;
    if (const auto* single = member(schema, "const")) values.push_back(single);
    else if (const auto* list = member(schema, "enum"); list && list->is_array() && list->get_array().size() <= max_compared_values)
        for (const auto& value : list->get_array()) values.push_back(&value);
    if (std::ranges::any_of(values, [](const SchemaJson* value) { return value->is_object() || value->is_array(); })) values.clear();
    return values;
}

// What most such schemas are told apart by, found quickly: a member that is always there and is never the same.
bool obviously_apart(const SchemaJson& a, const SchemaJson& b) {
    const auto* type = member(a, "type");
    const auto* required = member(a, "required");
    if (!type || !type->is_string() || type->get<std::string>() != "object" || !required || !required->is_array()) return false;
    const auto& names = required->get_array();
    for (std::size_t i = 0; i < std::min(names.size(), max_compared_names); ++i) {
        if (!names[i].is_string()) continue;
        const auto* mine = declared(a, names[i].get<std::string>());
        const auto* theirs = declared(b, names[i].get<std::string>());
        if (!mine || !theirs || !mine->is_object() || !theirs->is_object()) continue;
        const auto values = constants_of(*mine), others = constants_of(*theirs);
        const auto among_others = [&](const SchemaJson* value) {
            return std::ranges::any_of(others, [&](const SchemaJson* other) { return same_value(*value, *other); });
        };
        if (!values.empty() && !others.empty() && std::ranges::none_of(values, among_others)) return true;
    }
    return false;
}

}  // namespace

// ---- one alternative without the others -----------------------------------------------------------------------------

Result<std::vector<SchemaJson>> SchemaCompiler::exclusive(const std::vector<SchemaJson>& branches, std::size_t i, Path path) {
    std::vector<SchemaJson> left{branches[i]};
    for (std::size_t j = 0; j < branches.size() && !left.empty(); ++j) {
        if (j == i) continue;
        if (++compared_ > max_compared_alternatives)
            return wrong(path, "has a 'oneOf' of too many schemas to tell them apart");
        if (left.size() == 1 && obviously_apart(left.front(), branches[j])) continue;
        std::vector<SchemaJson> fewer;
        for (const auto& schema : left) {
            WEFT_TRY(auto rest, without(schema, branches[j], path));
            if (!rest)
                WEFT_CHECK(cannot("oneOf", path, "(alternatives " + std::to_string(std::min(i, j)) + " and " + std::to_string(std::max(i, j)) +
                                                     " may both be valid: tell them apart by type, by a constant member or by required members, or use anyOf)"));
            if (rest) std::ranges::move(*rest, std::back_inserter(fewer));
            else fewer.push_back(schema);
            if (fewer.size() > max_union_branches) return wrong(path, "combines more than " + std::to_string(max_union_branches) + " alternatives");
        }
        left = std::move(fewer);
    }
    return left;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::without(const SchemaJson& schema, const SchemaJson& other, Path path) {
    steps_ += steps_to_exclude;
    WEFT_CHECK(step(path));
    if (exclusion_depth_ >= max_exclusion_depth) return std::nullopt;
    ++exclusion_depth_;
    auto rest = without_flat(schema, other, path);
    --exclusion_depth_;
    return rest;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::without_flat(const SchemaJson& schema, const SchemaJson& other, Path path) {
    WEFT_TRY(const auto mine, flattened(schema, path));
    WEFT_TRY(const auto theirs, flattened(other, path));
    auto a = without_annotations(mine);
    const auto b = without_annotations(theirs);
    if (is_false(a) || is_true(b)) return none_left();
    if (is_false(b)) return left_as(a);
    if (is_true(a)) a = empty_object();
    if (!a.is_object() || !b.is_object()) return wrong(path, "must be an object, true or false");
    if (b.get_object().empty() || same_value(a, b)) return none_left();
    for (const std::string keyword : {"anyOf", "oneOf"})
        if (member(b, keyword)) return without_union(a, b, keyword, path);
    for (const std::string keyword : {"anyOf", "oneOf"})
        if (member(a, keyword)) return union_without(a, keyword, b, path);
    if (const auto values = listed_values(a)) return without_values(a, *values, b, path);
    WEFT_TRY(const auto types, types_of(a, path));
    auto all = none_left();
    for (const auto& type : types) {
        auto typed = with_member(a, "type", json_text(type));
        typed.get_object().erase("nullable");
        WEFT_TRY(auto rest, without_typed(typed, type, b, path));
        if (!rest) return std::nullopt;
        std::ranges::move(*rest, std::back_inserter(*all));
    }
    return all;
}

// Valid for none of the other's alternatives. A oneOf allows no more than the anyOf of the same schemas.
Result<SchemaCompiler::Alternatives> SchemaCompiler::without_union(const SchemaJson& a, const SchemaJson& b, const std::string& keyword, Path path) {
    WEFT_TRY(const auto branches, merged_branches(b, keyword, path));
    std::vector<SchemaJson> left{a};
    for (const auto& branch : branches) {
        std::vector<SchemaJson> fewer;
        for (const auto& schema : left) {
            WEFT_TRY(auto rest, without(schema, branch, path));
            if (!rest) return std::nullopt;
            std::ranges::move(*rest, std::back_inserter(fewer));
        }
        left = std::move(fewer);
        if (left.size() > max_union_branches) return std::nullopt;
    }
    return left;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::union_without(const SchemaJson& a, const std::string& keyword, const SchemaJson& b, Path path) {
    WEFT_TRY(const auto branches, merged_branches(a, keyword, path));
    auto all = none_left();
    for (std::size_t i = 0; i < branches.size(); ++i) {
        std::vector<SchemaJson> own{branches[i]};
        if (keyword == "oneOf") {
            WEFT_TRY(own, exclusive(branches, i, path));
        }
        for (const auto& schema : own) {
            WEFT_TRY(auto rest, without(schema, b, path));
            if (!rest) return std::nullopt;
            std::ranges::move(*rest, std::back_inserter(*all));
        }
        if (all->size() > max_union_branches) return std::nullopt;
    }
    return all;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::without_values(const SchemaJson& a, const std::vector<SchemaJson>& values, const SchemaJson& b,
                                                                    Path path) {
    std::vector<SchemaJson> left;
    for (const auto& value : values) {
        WEFT_TRY(const auto own, holds(value, a, path));
        if (own == Verdict::no) continue;
        WEFT_TRY(const auto verdict, holds(value, b, path));
        if (verdict == Verdict::yes) continue;
        if (verdict == Verdict::unknown) return std::nullopt;
        left.push_back(value);
    }
    if (left.empty()) return none_left();
    return left_as(with_member(without_member(a, "const"), "enum", list_of(std::move(left))));
}

// `a` has the one type.
Result<SchemaCompiler::Alternatives> SchemaCompiler::without_typed(const SchemaJson& a, std::string_view type, const SchemaJson& b, Path path) {
    if (const auto values = listed_values(a)) return without_values(a, *values, b, path);
    if (member(b, "type")) {
        WEFT_TRY(const auto types, types_of(b, path));
        const auto is_number = [](std::string_view one) { return one == "number" || one == "integer"; };
        if (std::ranges::none_of(types, [&](const std::string& one) { return one == type || (is_number(one) && is_number(type)); }))
            return left_as(a);
    }
    if (const auto values = listed_values(b)) {
        for (const auto& value : *values) {
            WEFT_TRY(const auto verdict, has_type(value, type) ? holds(value, a, path) : Result<Verdict>(Verdict::no));
            if (verdict != Verdict::no) return std::nullopt;
        }
        return left_as(a);
    }
    if (type == "object") return without_object(a, b, path);
    if (type == "array") return without_array(a, b, path);
    if (type == "string") {
        WEFT_TRY(const auto least, count_in(a, "minLength", path));
        WEFT_TRY(const auto most, count_in(a, "maxLength", path));
        WEFT_TRY(const auto other_least, count_in(b, "minLength", path));
        WEFT_TRY(const auto other_most, count_in(b, "maxLength", path));
        const bool shorter = most && other_least && *most < *other_least;
        const bool longer = least && other_most && *least > *other_most;
        return shorter || longer ? left_as(a) : std::nullopt;
    }
    WEFT_TRY(const auto mine, bounds_of(a, path));
    WEFT_TRY(const auto theirs, bounds_of(b, path));
    return apart(mine, theirs) || apart(theirs, mine) ? left_as(a) : std::nullopt;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::without_object(const SchemaJson& a, const SchemaJson& b, Path path) {
    const auto required = required_names(a);
    // `a` where that member, which is there, has no value that `b` takes; nothing if there is no such value, or no telling.
    const auto by_member = [&](const std::string& name) -> Result<Alternatives> {
        WEFT_TRY(const auto mine, property_schema(a, name, declared(a, name), path));
        WEFT_TRY(const auto theirs, property_schema(b, name, declared(b, name), path));
        if (is_true(theirs)) return std::nullopt;
        WEFT_TRY(auto rest, without(mine, theirs, path + ".properties." + name.substr(0, 64)));
        if (!rest || rest->empty()) return std::nullopt;
        return left_as(with_property(a, name, any_of(std::move(*rest))));
    };
    // Constants first: they are what such schemas are told apart by, and quick to compare.
    for (const bool constant : {true, false})
        for (const auto& name : required) {
            if (is_constant(declared(b, name)) != constant) continue;
            WEFT_TRY(auto rest, by_member(name));
            if (rest) return rest;
        }
    for (const auto& name : required_names(b))
        if (!contains(required, name)) return left_as(with_property(a, name, json_of(false)));
    if (const auto* properties = member(a, "properties"); properties && properties->is_object())
        for (const auto& [name, inner] : properties->get_object()) {
            if (contains(required, name) || is_false(inner)) continue;
            WEFT_TRY(auto rest, by_member(name));
            if (rest) return left_as(with_required(rest->front(), name));
        }
    return std::nullopt;
}

Result<SchemaCompiler::Alternatives> SchemaCompiler::without_array(const SchemaJson& a, const SchemaJson& b, Path path) {
    WEFT_TRY(const auto least, count_in(a, "minItems", path));
    WEFT_TRY(const auto most, count_in(a, "maxItems", path));
    WEFT_TRY(const auto other_least, count_in(b, "minItems", path));
    WEFT_TRY(const auto other_most, count_in(b, "maxItems", path));
    if ((most && other_least && *most < *other_least) || (least && other_most && *least > *other_most)) return left_as(a);
    const auto places = std::max<std::size_t>({tuple_size(a), tuple_size(b), 1});
    for (std::size_t place = 0; place < places && (!most || place < *most); ++place) {
        const auto* mine = element_at(a, place);
        const auto* theirs = element_at(b, place);
        if (!mine || !theirs) continue;
        WEFT_TRY(auto rest, without(*mine, *theirs, path + ".items"));
        if (rest && !rest->empty()) return left_as(with_element(a, place, any_of(std::move(*rest)), least.value_or(0)));
    }
    if (other_least && *other_least > least.value_or(0)) return left_as(with_member(a, "maxItems", json_count(*other_least - 1)));
    if (other_most && (!most || *most > *other_most)) return left_as(with_member(a, "minItems", json_count(*other_most + 1)));
    return std::nullopt;
}

// ---- one value ------------------------------------------------------------------------------------------------------

Result<SchemaCompiler::Verdict> SchemaCompiler::holds(const SchemaJson& value, const SchemaJson& schema, Path path) {
    WEFT_CHECK(step(path));
    WEFT_TRY(const auto flat, flattened(schema, path));
    if (flat.is_boolean()) return flat.get<bool>() ? Verdict::yes : Verdict::no;
    if (!flat.is_object()) return wrong(path, "must be an object, true or false");
    auto all = Verdict::yes;
    for (const auto& [keyword, expected] : flat.get_object()) {
        if (is_annotation(keyword)) continue;
        WEFT_TRY(const auto verdict, holds_keyword(value, flat, keyword, expected, path));
        if (verdict == Verdict::no) return Verdict::no;
        if (verdict == Verdict::unknown) all = Verdict::unknown;
    }
    return all;
}

Result<SchemaCompiler::Verdict> SchemaCompiler::holds_keyword(const SchemaJson& value, const SchemaJson& schema, const std::string& keyword,
                                                              const SchemaJson& expected, Path path) {
    const auto verdict_of = [](bool fits) { return fits ? Verdict::yes : Verdict::no; };
    const auto bounds = [&](auto within) -> Result<Verdict> {
        if (!value.is_number()) return Verdict::yes;
        if (!expected.is_number()) return Verdict::unknown;
        return verdict_of(within(value.as<double>(), expected.as<double>()));
    };
    const auto count = [&](bool applies, std::uint64_t n, bool at_least) -> Result<Verdict> {
        if (!applies) return Verdict::yes;
        WEFT_TRY(const auto bound, count_in(schema, keyword, path));
        return verdict_of(at_least ? n >= *bound : n <= *bound);
    };
    const bool text = value.is_string(), list = value.is_array(), object = value.is_object();
    if (keyword == "type") {
        WEFT_TRY(const auto types, types_of(schema, path));
        return verdict_of(std::ranges::any_of(types, [&](const std::string& type) { return has_type(value, type); }));
    }
    if (keyword == "const") return verdict_of(same_value(value, expected));
    if (keyword == "enum" && expected.is_array())
        return verdict_of(std::ranges::any_of(expected.get_array(), [&](const SchemaJson& one) { return same_value(value, one); }));
    if ((keyword == "anyOf" || keyword == "oneOf") && expected.is_array()) return holds_union(value, keyword, expected, path);
    if (keyword == "minimum") return bounds([](double v, double b) { return v >= b; });
    if (keyword == "maximum") return bounds([](double v, double b) { return v <= b; });
    if (keyword == "exclusiveMinimum") return bounds([](double v, double b) { return v > b; });
    if (keyword == "exclusiveMaximum") return bounds([](double v, double b) { return v < b; });
    if (keyword == "minLength" || keyword == "maxLength")
        return count(text, text ? code_points(value.get<std::string>()) : 0, keyword == "minLength");
    if (keyword == "minItems" || keyword == "maxItems") return count(list, list ? value.get_array().size() : 0, keyword == "minItems");
    if (keyword == "minProperties" || keyword == "maxProperties")
        return count(object, object ? value.get_object().size() : 0, keyword == "minProperties");
    if (keyword == "required" && expected.is_array())
        return verdict_of(!object || std::ranges::all_of(expected.get_array(), [&](const SchemaJson& name) {
            return !name.is_string() || member(value, name.get<std::string>());
        }));
    if (keyword == "properties" && expected.is_object()) return object ? holds_properties(value, expected, path) : Result<Verdict>(Verdict::yes);
    if (keyword == "additionalProperties" && object && is_false(expected) && !member(schema, "patternProperties"))
        return verdict_of(std::ranges::all_of(value.get_object(), [&](const auto& entry) { return declared(schema, entry.first) != nullptr; }));
    // What speaks of another type says nothing about this value.
    const auto about = type_of_keyword(keyword);
    return !about.empty() && !has_type(value, about) ? Verdict::yes : Verdict::unknown;
}

Result<SchemaCompiler::Verdict> SchemaCompiler::holds_properties(const SchemaJson& value, const SchemaJson& properties, Path path) {
    auto all = Verdict::yes;
    for (const auto& [name, inner] : value.get_object()) {
        const auto* schema = member(properties, name);
        if (!schema) continue;
        WEFT_TRY(const auto verdict, holds(inner, *schema, path));
        if (verdict == Verdict::no) return Verdict::no;
        if (verdict == Verdict::unknown) all = Verdict::unknown;
    }
    return all;
}

Result<SchemaCompiler::Verdict> SchemaCompiler::holds_union(const SchemaJson& value, const std::string& keyword, const SchemaJson& branches, Path path) {
    std::size_t yes = 0, unknown = 0;
    for (const auto& branch : branches.get_array()) {
        WEFT_TRY(const auto verdict, holds(value, branch, path));
        if (verdict == Verdict::yes) ++yes;
        if (verdict == Verdict::unknown) ++unknown;
    }
    if (yes + unknown == 0) return Verdict::no;
    if (keyword == "anyOf") return yes > 0 ? Verdict::yes : Verdict::unknown;
    if (yes > 1) return Verdict::no;
    return unknown == 0 ? Verdict::yes : Verdict::unknown;
}

}  // namespace weft
