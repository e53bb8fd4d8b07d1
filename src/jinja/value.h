#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace weft::jinja {

class Dict;
class Object;
struct Sequence;
struct Text;

// Nesting that from_json accepts.
inline constexpr int max_json_depth = 128;
// Nesting of lists and dicts that a template may build. Bounds every recursive walk over a value, its destruction too.
inline constexpr int max_value_depth = 256;

enum class Kind : std::uint8_t { undefined, none, boolean, integer, real, string, sequence, dict, object };

// What a template computes with: Python's values as far as Jinja shows them. Immutable, a copy costs a reference count,
// so one value may be used by several threads. (Objects, which have state, exist only inside one rendering.)
class Value {
  public:
    Value() = default;  // undefined

    [[nodiscard]] static Value undefined(std::string hint);  // hint: the message when the value is used as more than ""
    [[nodiscard]] static Value none();
    [[nodiscard]] static Value boolean(bool value);
    [[nodiscard]] static Value integer(std::int64_t value);
    [[nodiscard]] static Value real(double value);
    [[nodiscard]] static Value string(std::string value);
    [[nodiscard]] static Value markup(std::string value);  // marked safe: + with other text escapes that for HTML
    [[nodiscard]] static Value list(std::vector<Value> items);
    [[nodiscard]] static Value tuple(std::vector<Value> items);
    [[nodiscard]] static Value sequence(Sequence sequence);
    [[nodiscard]] static Value dict(Dict entries);
    [[nodiscard]] static Value dict(std::initializer_list<std::pair<std::string, Value>> entries);
    [[nodiscard]] static Value object(std::shared_ptr<Object> object);

    // Strict JSON, key order kept, the last of equal keys wins. An integer beyond 64 bits becomes a real.
    // Fails with invalid_request.
    [[nodiscard]] static Result<Value> from_json(std::string_view text);
    // Compact separators as json.dumps has them (", " and ": "); undefined and objects become null.
    [[nodiscard]] std::string to_json() const;

    [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }
    [[nodiscard]] bool is_undefined() const { return kind() == Kind::undefined; }
    [[nodiscard]] bool is_none() const { return kind() == Kind::none; }
    [[nodiscard]] bool is_boolean() const { return kind() == Kind::boolean; }
    [[nodiscard]] bool is_string() const { return kind() == Kind::string; }
    [[nodiscard]] bool is_dict() const { return kind() == Kind::dict; }
    [[nodiscard]] bool is_sequence() const { return kind() == Kind::sequence; }
    [[nodiscard]] bool is_integral() const { return kind() == Kind::integer || kind() == Kind::boolean; }
    [[nodiscard]] bool is_number() const { return is_integral() || kind() == Kind::real; }
    [[nodiscard]] bool is_markup() const;

    // Each asks for the kind it names (asserted); as_integer also takes a boolean, as_real any number.
    [[nodiscard]] bool as_boolean() const { return std::get<bool>(data_); }
    [[nodiscard]] std::int64_t as_integer() const;
    [[nodiscard]] double as_real() const;
    [[nodiscard]] std::string_view as_string() const;
    [[nodiscard]] const Sequence& as_sequence() const { return *std::get<SequenceRef>(data_); }
    [[nodiscard]] const std::shared_ptr<const Sequence>& sequence_ref() const { return std::get<SequenceRef>(data_); }
    [[nodiscard]] const Dict& as_dict() const { return *std::get<DictRef>(data_); }
    [[nodiscard]] const std::shared_ptr<Object>& as_object() const { return std::get<ObjectRef>(data_); }
    [[nodiscard]] std::string undefined_hint() const;

    // Python's truth: empty text, containers, zero, None and undefined are false.
    [[nodiscard]] bool truthy() const;
    // Levels of containers, 0 for a scalar. O(1).
    [[nodiscard]] int depth() const;
    // About how many bytes it is when written out, known without a walk: what comparing or printing it may cost. O(1).
    [[nodiscard]] std::size_t weight() const;
    // The same value in memory, as Python's `is`; scalars compare by value.
    [[nodiscard]] bool same_as(const Value& other) const;

  private:
    struct Undefined {
        std::shared_ptr<const std::string> hint;
    };
    struct None {};
    using TextRef = std::shared_ptr<const Text>;
    using SequenceRef = std::shared_ptr<const Sequence>;
    using DictRef = std::shared_ptr<const Dict>;
    using ObjectRef = std::shared_ptr<Object>;
    // In the order of Kind.
    using Data = std::variant<Undefined, None, bool, std::int64_t, double, TextRef, SequenceRef, DictRef, ObjectRef>;

    explicit Value(Data data) : data_(std::move(data)) {}

    Data data_;
};

struct Text {
    std::string bytes;  // UTF-8
    bool markup = false;
};

enum class SequenceType : std::uint8_t { list, tuple, range, dict_keys, dict_values, dict_items };

struct Sequence {
    SequenceType type = SequenceType::list;
    std::vector<Value> items;
    int depth = 1;           // both set by Value::sequence
    std::size_t weight = 2;

    // A list, tuple or range: can be indexed. The views of a dict cannot.
    [[nodiscard]] bool indexable() const { return type <= SequenceType::range; }
};

// Entries in the order of insertion. Keys are any hashable value, text in nearly every case.
class Dict {
  public:
    using Entry = std::pair<Value, Value>;

    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] const Value* find(std::string_view key) const;  // null when absent
    [[nodiscard]] const Value* find(const Value& key) const;
    [[nodiscard]] int depth() const { return depth_; }
    [[nodiscard]] std::size_t weight() const { return weight_; }

    void set(Value key, Value value);
    void set(std::string key, Value value) { set(Value::string(std::move(key)), std::move(value)); }
    void reserve(std::size_t entries) { entries_.reserve(entries); }

  private:
    template <typename Matches>
    [[nodiscard]] const Value* find_hashed(std::size_t hash, Matches matches) const;
    void add_to_index();

    std::vector<Entry> entries_;
    std::unordered_multimap<std::size_t, std::size_t> index_;  // hash of key -> place in entries_, once there are many
    int depth_ = 1;
    std::size_t weight_ = 2;
};

}  // namespace weft::jinja
