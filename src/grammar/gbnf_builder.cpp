#include "grammar/gbnf_builder.h"

#include <utility>

#include "base/assert.h"
#include "grammar/json_strings.h"
#include "grammar/number_ranges.h"
#include "grammar/regex_gbnf.h"
#include "grammar/schema_compiler.h"

namespace weft {
namespace {

constexpr std::size_t longest_wanted_name = 40;

bool is_made_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

std::string cleaned(std::string_view wanted) {
    std::string name;
    for (const char c : wanted.substr(0, longest_wanted_name)) name += is_made_name_char(c) ? c : '-';
    if (name.empty() || name == "root") name = "rule";
    return name;
}

}  // namespace

std::string GbnfBuilder::literal(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (c == '\n') out += "\\n";
        else if (c == '\r') out += "\\r";
        else if (c == '\t') out += "\\t";
        else if (byte < 0x20 || byte == 0x7F) ((out += "\\x") += digits[byte >> 4U]) += digits[byte & 15U];
        else out += c;
    }
    return out + '"';
}

std::string GbnfBuilder::reserve_rule(std::string_view wanted_name) {
    const auto wanted = cleaned(wanted_name);
    auto name = wanted;
    auto& next = next_suffix_[wanted];
    while (!names_.insert(name).second) name = wanted + "-" + std::to_string(++next);
    ++rules_;
    return name;
}

void GbnfBuilder::define_rule(const std::string& reserved_name, std::string body) {
    assert_that(names_.contains(reserved_name), "a rule is reserved before it is defined");
    text_ += reserved_name + " ::= " + body + "\n";
}

std::string GbnfBuilder::add_rule(std::string_view wanted_name, std::string body) {
    auto name = reserve_rule(wanted_name);
    define_rule(name, std::move(body));
    return name;
}

std::string GbnfBuilder::add_shared_rule(std::string_view wanted_name, const std::string& body) {
    if (const auto found = shared_.find(body); found != shared_.end()) return found->second;
    auto name = add_rule(wanted_name, body);
    shared_.emplace(body, name);
    return name;
}

std::string GbnfBuilder::add_space() { return add_shared_rule("space", R"(" "? | "\n" [ \t]{0,20})"); }

std::string GbnfBuilder::add_any_json() {
    if (!any_json_.empty()) return any_json_;
    any_json_ = reserve_rule("any");
    any_object_ = reserve_rule("any-object");
    const auto space = add_space();
    const auto string = add_shared_rule("string", "\"\\\"\" " + add_json_char(*this) + "* \"\\\"\"");
    const auto number = *add_number(*this, {});
    const auto entry = add_rule("any-member", string + " \":\" " + space + " " + any_json_);
    const auto list = [&](std::string_view open, const std::string& item, std::string_view close) {
        return literal(open) + " " + space + " (" + item + " (\",\" " + space + " " + item + ")* " + space + ")? " + literal(close);
    };
    define_rule(any_object_, list("{", entry, "}"));
    const auto array = add_rule("any-array", list("[", any_json_, "]"));
    define_rule(any_json_, any_object_ + " | " + array + " | " + string + " | " + number + R"( | "true" | "false" | "null")");
    return any_json_;
}

std::string GbnfBuilder::add_any_object() {
    add_any_json();
    return any_object_;
}

Result<std::string> GbnfBuilder::add_schema(std::string_view schema_json) {
    return SchemaCompiler::add(*this, schema_json);
}

Result<std::string> GbnfBuilder::add_regex(std::string_view pattern, bool raw) {
    WEFT_TRY(const auto regex, Regex::parse(pattern));
    return regex.add_to(*this, raw ? Regex::Writing::plain : Regex::Writing::json_string);
}

Result<std::string> GbnfBuilder::finish(const std::string& root_rule) && {
    assert_that(names_.contains(root_rule), "the root rule is one of the builder's");
    if (too_large())
        return fail(ErrorCode::invalid_request, "the grammar for this schema would be too large");
    return "root ::= " + root_rule + "\n" + text_;
}

}  // namespace weft
