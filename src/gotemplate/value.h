#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::gotemplate {

struct List;
struct Map;
struct Record;

enum class Kind : std::uint8_t { none, boolean, integer, real, string, list, map, record };

// What a template computes with: Go's values as far as templates see them. Immutable, a copy costs a reference count.
// Templates build text only, so how deep a value nests is up to whoever makes it; every walk is as deep.
class Value {
  public:
    Value() = default;  // nil, and what a missing key gives

    [[nodiscard]] static Value boolean(bool value) { return Value(Data(value)); }
    [[nodiscard]] static Value integer(std::int64_t value) { return Value(Data(value)); }
    [[nodiscard]] static Value real(double value) { return Value(Data(value)); }
    [[nodiscard]] static Value string(std::string value);
    [[nodiscard]] static Value list(List list);
    [[nodiscard]] static Value map(Map map);
    [[nodiscard]] static Value record(Record record);

    [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }
    [[nodiscard]] bool is_nil() const { return kind() == Kind::none; }
    [[nodiscard]] bool is_string() const { return kind() == Kind::string; }

    // Each asks for the kind it names.
    [[nodiscard]] bool as_boolean() const { return std::get<bool>(data_); }
    [[nodiscard]] std::int64_t as_integer() const { return std::get<std::int64_t>(data_); }
    [[nodiscard]] double as_real() const { return std::get<double>(data_); }
    [[nodiscard]] std::string_view as_string() const { return *std::get<TextRef>(data_); }
    [[nodiscard]] const List& as_list() const { return *std::get<ListRef>(data_); }
    [[nodiscard]] const Map& as_map() const { return *std::get<MapRef>(data_); }
    [[nodiscard]] const Record& as_record() const { return *std::get<RecordRef>(data_); }

    // Go's truth: false, zero, empty text and containers and nil are false; a record is true.
    [[nodiscard]] bool truthy() const;
    // Of text in bytes, of containers in elements; 0 for the rest.
    [[nodiscard]] std::size_t length() const;

    // As fmt.Print writes it; nil is empty. Appends.
    void print(std::string& out) const;
    // As encoding/json writes it: compact, keys of maps sorted, <, > and & escaped. Appends.
    void json(std::string& out) const;

  private:
    using TextRef = std::shared_ptr<const std::string>;
    using ListRef = std::shared_ptr<const List>;
    using MapRef = std::shared_ptr<const Map>;
    using RecordRef = std::shared_ptr<const Record>;
    // In the order of Kind.
    using Data = std::variant<std::monostate, bool, std::int64_t, double, TextRef, ListRef, MapRef, RecordRef>;

    explicit Value(Data data) : data_(std::move(data)) {}

    Data data_;
};

// Whether a container that is printed bare shows as JSON or as Go shows it ("[a b]", "map[k:v]").
enum class Shown : bool { as_go, as_json };

struct List {
    std::vector<Value> items;
    Shown shown = Shown::as_go;
};

// Keys in order, as Go's templates visit them.
struct Map {
    std::map<std::string, Value, std::less<>> entries;
    Shown shown = Shown::as_go;
};

// A struct: fixed fields, which a template reads by `name`. Printed bare it is JSON, of the fields that have a json_name.
struct Record {
    struct Field {
        std::string name;
        std::string json_name;
        Value value;
    };
    std::vector<Field> fields;

    [[nodiscard]] const Value* find(std::string_view name) const;  // null when there is no such field
};

// A number as fmt.Print and encoding/json write it.
[[nodiscard]] std::string real_text(double value);
[[nodiscard]] std::string real_json(double value);
void append_json_text(std::string& out, std::string_view text);

}  // namespace weft::gotemplate
