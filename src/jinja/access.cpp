#include "jinja/access.h"

#include <algorithm>

#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/python_text.h"
#include "jinja/render.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

bool would_change(const Value& object, std::string_view name) {
    static constexpr std::string_view of_list[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
    static constexpr std::string_view of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    if (object.is_dict()) return std::ranges::contains(of_dict, name);
    return object.is_sequence() && object.as_sequence().type == SequenceType::list && std::ranges::contains(of_list, name);
}

Value unsafe(const Value& object, std::string_view name) {
    return Value::undefined(formatted("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
}

Value missing_attribute(const Value& object, std::string_view name) {
    return Value::undefined(formatted("'{} object' has no attribute '{}'", type_name(object), name));
}

std::optional<std::size_t> position(std::int64_t index, std::size_t size) {
    if (index < 0) index += static_cast<std::int64_t>(size);
    if (index < 0 || index >= static_cast<std::int64_t>(size)) return std::nullopt;
    return static_cast<std::size_t>(index);
}

Value part_of(const Value& text, std::string_view part) {
    return text.is_markup() ? Value::markup(std::string(part)) : Value::string(std::string(part));
}

std::optional<Value> character_at(const Value& text, std::int64_t index) {
    const auto bytes = text.as_string();
    const auto at = position(index, count_characters(bytes));
    if (!at) return std::nullopt;
    std::size_t end = offset_of_character(bytes, *at);
    const std::size_t start = end;
    (void)decode_utf8(bytes, end);
    return part_of(text, bytes.substr(start, end - start));
}

// The entry or element; nothing when absent or of the wrong type.
Outcome<std::optional<Value>> find_item(Render& render, const Value& object, const Value& key) {
    if (object.is_dict()) {
        WEFT_CHECK(render.meter().work(key.weight()));
        if (!require_hashable(key)) return std::nullopt;
        const Value* found = object.as_dict().find(key);
        return found ? std::optional(*found) : std::nullopt;
    }
    if (!key.is_integral()) return std::nullopt;
    if (object.is_string()) {
        WEFT_CHECK(render.meter().work(object.weight()));
        return character_at(object, key.as_integer());
    }
    if (!object.is_sequence() || !object.as_sequence().indexable()) return std::nullopt;
    const auto& items = object.as_sequence().items;
    const auto at = position(key.as_integer(), items.size());
    return at ? std::optional(items[*at]) : std::nullopt;
}

struct ResolvedSlice {
    std::int64_t start, step;
    std::size_t count;
};

Outcome<std::int64_t> bound(const Value& given, std::int64_t fallback) {
    if (given.is_none()) return fallback;
    if (given.is_integral()) return given.as_integer();
    return raise("slice indices must be integers or None or have an __index__ method");
}

Outcome<ResolvedSlice> resolve(const SliceBounds& bounds, std::size_t length) {
    const auto size = static_cast<std::int64_t>(length);
    WEFT_TRY(const std::int64_t given_step, bound(bounds.step, 1));
    if (given_step == 0) return raise("slice step cannot be zero");
    const std::int64_t step = std::clamp(given_step, -size - 1, size + 1);
    const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    const auto limited = [&](std::int64_t index) {
        if (index < 0) index = index < -size ? lowest : index + size;
        return std::clamp(index, lowest, highest);
    };
    WEFT_TRY(const std::int64_t start, bounds.start.is_none() ? Outcome<std::int64_t>(step > 0 ? lowest : highest)
                                                              : bound(bounds.start, 0).transform(limited));
    WEFT_TRY(const std::int64_t stop, bounds.stop.is_none() ? Outcome<std::int64_t>(step > 0 ? highest : lowest)
                                                            : bound(bounds.stop, 0).transform(limited));
    const std::int64_t distance = step > 0 ? stop - start : start - stop;
    const std::int64_t stride = step > 0 ? step : -step;
    return ResolvedSlice{start, step, distance > 0 ? static_cast<std::size_t>((distance + stride - 1) / stride) : 0};
}

std::vector<std::string_view> characters_of(std::string_view text) {
    std::vector<std::string_view> characters;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        (void)decode_utf8(text, at);
        characters.push_back(text.substr(start, at - start));
    }
    return characters;
}

Outcome<Value> slice_text(Render& render, const Value& object, const SliceBounds& bounds) {
    const auto text = object.as_string();
    WEFT_CHECK(render.meter().work(text.size()));
    WEFT_TRY(const ResolvedSlice slice, resolve(bounds, count_characters(text)));
    if (slice.step == 1) {
        const auto from = text.substr(offset_of_character(text, static_cast<std::size_t>(slice.start)));
        return part_of(object, from.substr(0, offset_of_character(from, slice.count)));
    }
    WEFT_CHECK(render.meter().work(text.size() * sizeof(std::string_view)));
    const auto characters = characters_of(text);
    std::string out;
    for (std::size_t i = 0; i < slice.count; ++i)
        out += characters[static_cast<std::size_t>(slice.start + static_cast<std::int64_t>(i) * slice.step)];
    return render.new_text(std::move(out), object.is_markup());
}

Outcome<std::shared_ptr<const Sequence>> sequence_of(Render& render, std::vector<Value> items) {
    return render.new_list(std::move(items)).transform([](const Value& list) { return list.sequence_ref(); });
}

Outcome<std::shared_ptr<const Sequence>> iterate_text(Render& render, const Value& text) {
    WEFT_CHECK(render.meter().work(text.as_string().size() * 2 * sizeof(Value)));
    std::vector<Value> items;
    for (const std::string_view character : characters_of(text.as_string()))
        items.push_back(Value::string(std::string(character)));
    return sequence_of(render, std::move(items));
}

}  // namespace

std::optional<Value> find_attribute(const Value& object, std::string_view name) {
    if (would_change(object, name)) return unsafe(object, name);
    if (const Builtin* method = find_method(object, name))
        return Value::object(std::make_shared<BuiltinObject>(*method, object));
    if (object.kind() == Kind::object) return object.as_object()->attribute(name);
    return std::nullopt;
}

Outcome<Value> get_attribute(Render& render, const Value& object, std::string_view name) {
    if (object.is_undefined()) return raise(object.undefined_hint());
    if (auto attribute = find_attribute(object, name)) return std::move(*attribute);
    if (object.is_dict()) {
        if (const Value* entry = object.as_dict().find(name)) return *entry;
    }
    (void)render;
    return missing_attribute(object, name);
}

Outcome<Value> get_item(Render& render, const Value& object, const Value& key) {
    if (object.is_undefined()) return raise(object.undefined_hint());
    WEFT_TRY(auto item, find_item(render, object, key));
    if (item) return std::move(*item);
    if (key.is_string()) {
        if (auto attribute = find_attribute(object, key.as_string())) return std::move(*attribute);
        return missing_attribute(object, key.as_string());
    }
    WEFT_TRY(const std::string shown, to_repr(render.meter(), key));
    return Value::undefined(formatted("{} object has no element {}", type_name(object), shown));
}

Outcome<Value> get_slice(Render& render, const Value& object, const SliceBounds& bounds) {
    if (object.is_undefined()) return raise(object.undefined_hint());
    if (object.is_string()) return slice_text(render, object, bounds);
    if (!object.is_sequence() || !object.as_sequence().indexable())
        return raise(formatted("'{}' object cannot be sliced", type_name(object)));
    const Sequence& source = object.as_sequence();
    WEFT_TRY(const ResolvedSlice slice, resolve(bounds, source.items.size()));
    WEFT_CHECK(render.meter().work(slice.count * sizeof(Value)));
    Sequence out{source.type, {}};
    out.items.reserve(slice.count);
    for (std::size_t i = 0; i < slice.count; ++i)
        out.items.push_back(source.items[static_cast<std::size_t>(slice.start + static_cast<std::int64_t>(i) * slice.step)]);
    return Value::sequence(std::move(out));
}

Outcome<std::shared_ptr<const Sequence>> iterate(Render& render, const Value& value) {
    switch (value.kind()) {
        case Kind::sequence: return value.sequence_ref();
        case Kind::undefined: return std::make_shared<const Sequence>();
        case Kind::string: return iterate_text(render, value);
        case Kind::dict: {
            std::vector<Value> keys;
            for (const auto& [key, unused] : value.as_dict().entries()) keys.push_back(key);
            return sequence_of(render, std::move(keys));
        }
        case Kind::object: {
            WEFT_TRY(auto items, value.as_object()->iterate());
            if (!items) break;
            WEFT_CHECK(render.meter().work(items->items.size() * sizeof(Value)));
            return items;
        }
        default: break;
    }
    return raise(formatted("'{}' object is not iterable", type_name(value)));
}

Outcome<std::int64_t> length_of(const Value& value) {
    switch (value.kind()) {
        case Kind::undefined: return 0;
        case Kind::string: return static_cast<std::int64_t>(count_characters(value.as_string()));
        case Kind::sequence: return static_cast<std::int64_t>(value.as_sequence().items.size());
        case Kind::dict: return static_cast<std::int64_t>(value.as_dict().size());
        case Kind::object:
            if (const auto length = value.as_object()->length(); length >= 0) return length;
            break;
        default: break;
    }
    return raise(formatted("object of type '{}' has no len()", type_name(value)));
}

}  // namespace weft::jinja
