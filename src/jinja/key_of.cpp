#include "jinja/key_of.h"

#include <algorithm>
#include <charconv>

#include "jinja/access.h"
#include "jinja/text_tools.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

Value part_of_path(std::string_view word) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool digits = error == std::errc{} && end == word.data() + word.size() && word.front() != '-';
    return digits ? Value::integer(number) : Value::string(std::string(word));
}

}  // namespace

AttributePath::AttributePath(const Value* attribute) {
    if (!attribute || attribute->is_none()) return;
    if (!attribute->is_string()) {
        parts_.push_back(*attribute);
        return;
    }
    for (const auto word : split_at(attribute->as_string(), ".", -1, false)) parts_.push_back(part_of_path(word));
}

std::vector<AttributePath> AttributePath::list_of(const Value* attribute) {
    std::vector<AttributePath> paths;
    if (!attribute || !attribute->is_string()) {
        paths.emplace_back(attribute);
        return paths;
    }
    for (const auto name : split_at(attribute->as_string(), ",", -1, false)) {
        const Value one = Value::string(std::string(name));
        paths.emplace_back(&one);
    }
    return paths;
}

Outcome<Value> AttributePath::read(Render& render, Value item, const Value* fallback) const {
    for (const Value& part : parts_) {
        WEFT_TRY(item, get_item(render, item, part));
        if (fallback && item.is_undefined()) item = *fallback;
    }
    return item;
}

Value fold_case(const Value& value, bool case_sensitive) {
    if (case_sensitive || !value.is_string()) return value;
    return Value::string(to_lower(value.as_string()));
}

}  // namespace weft::jinja
