#include <algorithm>

#include "grammar/schema_compiler.h"

namespace weft {
namespace {

std::string braces(std::uint64_t least, std::optional<std::uint64_t> most) {
    if (least == 0 && !most) return "*";
    return "{" + std::to_string(least) + "," + (most ? std::to_string(*most) : "") + "}";
}

}  // namespace

// prefixItems (2020-12) or a list in items (draft 7): the first ones; then any number that suits items/additionalItems.
// A tuple is written whole unless minItems asks for less: that is what everybody means by one.
Result<SchemaCompiler::Rule> SchemaCompiler::array(const SchemaJson& schema, Path path, std::string_view name) {
    WEFT_TRY(const auto least, count_in(schema, "minItems", path));
    WEFT_TRY(const auto most, count_in(schema, "maxItems", path));
    if (most && least && *most < *least) return std::nullopt;
    const auto* items = member(schema, "items");
    const bool old_tuple = items && items->is_array();
    const auto* prefix = old_tuple ? items : member(schema, "prefixItems");
    const auto* rest = old_tuple ? member(schema, "additionalItems") : items;
    if (prefix && !prefix->is_array()) return wrong(path, "has 'prefixItems' that are not a list");

    std::vector<std::string> first;
    bool ends_early = false;  // a place that nothing suits: the array ends before it
    for (std::size_t i = 0; prefix && i < prefix->get_array().size() && !ends_early; ++i) {
        if (most && first.size() >= *most) break;
        WEFT_TRY(auto rule, rule_for(prefix->get_array()[i], path + ".prefixItems[" + std::to_string(i) + "]", name));
        if (rule) first.push_back(*std::move(rule));
        else ends_early = true;
    }
    const std::uint64_t wanted = least.value_or(0);
    std::string more;  // rule of further items
    const bool needs_more = wanted > first.size();
    const bool may_have_more = !ends_early && (!most || *most > first.size()) && (rest || !prefix || needs_more);
    if (may_have_more) {
        if (rest) {
            WEFT_TRY(const auto rule, rule_for(*rest, path + ".items", std::string(name) + "-item"));
            more = rule.value_or("");
        } else {
            more = builder_.add_any_json();
        }
    }
    if (needs_more && more.empty()) return std::nullopt;

    const auto space = builder_.add_space();
    const auto comma = "\",\" " + space + " ";
    // From the last to the first: each place may be the end once minItems are there.
    const std::uint64_t must = least ? wanted : first.size();
    std::string tail;
    if (!more.empty()) {
        const auto n = first.size();
        const auto further_least = wanted > n ? wanted - n : 0;
        const auto further_most = most ? std::optional(*most - n) : std::nullopt;
        if (n > 0) {
            tail = " (" + comma + more + ")" + braces(further_least, further_most);
        } else if (further_most != 0U) {
            const auto after = further_most ? std::optional(*further_most - 1) : std::nullopt;
            tail = more + " (" + comma + more + ")" + braces(further_least > 0 ? further_least - 1 : 0, after);
            if (further_least == 0) tail = "(" + tail + " " + space + ")?";
            else tail += " " + space;
            return "\"[\" " + space + " " + tail + " \"]\"";
        }
    }
    for (std::size_t i = first.size(); i-- > 0;) {
        tail = (i > 0 ? " " + comma : "") + first[i] + tail;
        if (i >= must) tail = i > 0 ? " (" + tail + ")?" : "(" + tail + " " + space + ")?";
        else if (i == 0) tail += " " + space;
        if (tail.size() > 2000) tail = " " + builder_.add_rule(name, tail);
    }
    return "\"[\" " + space + " " + tail + " \"]\"";
}

}  // namespace weft
