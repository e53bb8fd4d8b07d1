#include "jinja/value.h"

#include <algorithm>

#include "base/assert.h"
#include "jinja/json.h"
#include "jinja/object.h"
#include "jinja/operators.h"

namespace weft::jinja {

namespace {
constexpr std::size_t entries_searched_without_index = 8;
constexpr std::size_t scalar_weight = 8;
constexpr std::size_t heaviest = std::size_t{1} << 62;

// Values share their parts, so a small one can be astronomically long when written out.
std::size_t sum_of_weights(std::size_t a, std::size_t b) { return std::min(a + b, heaviest); }

// Equal keys hash alike; what is neither text nor number shares one hash and is told apart by comparing.
std::size_t hash_of(const Value& key) {
    if (key.is_string()) return std::hash<std::string_view>{}(key.as_string());
    return key.is_number() ? std::hash<double>{}(key.as_real()) : 0;
}
}  // namespace

Value Value::undefined(std::string hint) {
    return Value(Data(Undefined{std::make_shared<const std::string>(std::move(hint))}));
}

Value Value::none() { return Value(Data(None{})); }
Value Value::boolean(bool value) { return Value(Data(value)); }
Value Value::integer(std::int64_t value) { return Value(Data(value)); }
Value Value::real(double value) { return Value(Data(value)); }
Value Value::string(std::string value) { return Value(Data(std::make_shared<const Text>(std::move(value), false))); }
Value Value::markup(std::string value) { return Value(Data(std::make_shared<const Text>(std::move(value), true))); }
Value Value::list(std::vector<Value> items) { return sequence({SequenceType::list, std::move(items)}); }
Value Value::tuple(std::vector<Value> items) { return sequence({SequenceType::tuple, std::move(items)}); }
Value Value::dict(Dict entries) { return Value(Data(std::make_shared<const Dict>(std::move(entries)))); }
Value Value::object(std::shared_ptr<Object> object) { return Value(Data(std::move(object))); }

Value Value::sequence(Sequence sequence) {
    sequence.depth = 1;
    sequence.weight = 2;
    for (const Value& item : sequence.items) {
        sequence.depth = std::max(sequence.depth, item.depth() + 1);
        sequence.weight = sum_of_weights(sequence.weight, item.weight());
    }
    return Value(Data(std::make_shared<const Sequence>(std::move(sequence))));
}

Value Value::dict(std::initializer_list<std::pair<std::string, Value>> entries) {
    Dict made;
    for (const auto& [key, value] : entries) made.set(key, value);
    return dict(std::move(made));
}

bool Value::is_markup() const { return is_string() && std::get<TextRef>(data_)->markup; }

std::int64_t Value::as_integer() const {
    if (is_boolean()) return as_boolean() ? 1 : 0;
    assert_that(kind() == Kind::integer, "as_integer of an integral value");
    return std::get<std::int64_t>(data_);
}

double Value::as_real() const {
    if (kind() == Kind::real) return std::get<double>(data_);
    return static_cast<double>(as_integer());
}

std::string_view Value::as_string() const {
    assert_that(is_string(), "as_string of text");
    return std::get<TextRef>(data_)->bytes;
}

std::string Value::undefined_hint() const {
    const auto& hint = std::get<Undefined>(data_).hint;
    return hint ? *hint : "the value is undefined";
}

bool Value::truthy() const {
    switch (kind()) {
        case Kind::undefined:
        case Kind::none: return false;
        case Kind::boolean: return as_boolean();
        case Kind::integer: return as_integer() != 0;
        case Kind::real: return as_real() != 0;
        case Kind::string: return !as_string().empty();
        case Kind::sequence: return !as_sequence().items.empty();
        case Kind::dict: return as_dict().size() != 0;
        case Kind::object: return true;
    }
    return false;
}

int Value::depth() const {
    switch (kind()) {
        case Kind::sequence: return as_sequence().depth;
        case Kind::dict: return as_dict().depth();
        case Kind::object: return as_object()->depth();
        default: return 0;
    }
}

std::size_t Value::weight() const {
    switch (kind()) {
        case Kind::string: return as_string().size() + 2;
        case Kind::sequence: return as_sequence().weight;
        case Kind::dict: return as_dict().weight();
        default: return scalar_weight;
    }
}

bool Value::same_as(const Value& other) const {
    if (kind() != other.kind()) return false;
    switch (kind()) {
        case Kind::string: return std::get<TextRef>(data_) == std::get<TextRef>(other.data_) || equal(*this, other);
        case Kind::sequence: return sequence_ref() == other.sequence_ref();
        case Kind::dict: return std::get<DictRef>(data_) == std::get<DictRef>(other.data_);
        case Kind::object: return as_object() == other.as_object();
        default: return equal(*this, other);
    }
}

std::string Value::to_json() const {
    std::string text;
    JsonStyle style;
    style.unknown_as_null = true;
    // Cannot fail: what JSON does not know becomes null, and nesting is bounded by construction.
    (void)append_json(text, *this, style);
    return text;
}

template <typename Matches>
const Value* Dict::find_hashed(std::size_t hash, Matches matches) const {
    if (index_.empty()) {
        const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return matches(entry.first); });
        return found == entries_.end() ? nullptr : &found->second;
    }
    const auto [first, last] = index_.equal_range(hash);
    for (auto candidate = first; candidate != last; ++candidate)
        if (const Entry& entry = entries_[candidate->second]; matches(entry.first)) return &entry.second;
    return nullptr;
}

const Value* Dict::find(std::string_view key) const {
    const std::size_t hash = index_.empty() ? 0 : std::hash<std::string_view>{}(key);
    return find_hashed(hash, [&](const Value& other) { return other.is_string() && other.as_string() == key; });
}

const Value* Dict::find(const Value& key) const {
    if (key.is_string()) return find(key.as_string());
    return find_hashed(hash_of(key), [&](const Value& other) { return equal(other, key); });
}

void Dict::set(Value key, Value value) {
    depth_ = std::max({depth_, key.depth() + 1, value.depth() + 1});
    weight_ = sum_of_weights(weight_, sum_of_weights(key.weight(), value.weight()));
    if (const Value* existing = find(key)) {
        const_cast<Value&>(*existing) = std::move(value);
        return;
    }
    entries_.emplace_back(std::move(key), std::move(value));
    add_to_index();
}

void Dict::add_to_index() {
    if (entries_.size() < entries_searched_without_index) return;
    const std::size_t first_missing = index_.empty() ? 0 : entries_.size() - 1;
    for (std::size_t i = first_missing; i < entries_.size(); ++i) index_.emplace(hash_of(entries_[i].first), i);
}

}  // namespace weft::jinja
