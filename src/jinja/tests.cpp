
#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/meter.h"
#include "jinja/object.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"

namespace weft::jinja {

// What stands behind `is`.
namespace {

template <bool (*predicate)(const Value&)>
Outcome<Value> check(Call& call) {
    return Value::boolean(predicate(call.subject));
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is_boolean(); }
bool is_true(const Value& value) { return value.is_boolean() && value.as_boolean(); }
bool is_false(const Value& value) { return value.is_boolean() && !value.as_boolean(); }
bool is_integer(const Value& value) { return value.kind() == Kind::integer; }
bool is_float(const Value& value) { return value.kind() == Kind::real; }
bool is_number(const Value& value) { return value.is_number(); }
bool is_string(const Value& value) { return value.is_string(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_escaped(const Value& value) { return value.is_markup(); }
bool is_callable(const Value& value) {
    // Undefined has a __call__, which fails.
    return value.is_undefined() || (value.kind() == Kind::object && value.as_object()->callable());
}

bool is_iterable(const Value& value) {
    switch (value.kind()) {
        case Kind::undefined:
        case Kind::string:
        case Kind::sequence:
        case Kind::dict: return true;
        case Kind::object: {
            const auto type = value.as_object()->type_name();
            return type == "generator" || type == "_GroupTuple" || type == "LoopContext";
        }
        default: return false;
    }
}

bool is_sequence(const Value& value) {
    if (value.is_sequence()) return value.as_sequence().indexable();
    if (value.kind() == Kind::object) return value.as_object()->type_name() == "_GroupTuple";
    return value.is_string() || value.is_dict() || value.is_undefined();
}

bool is_filter(const Value& value) { return value.is_string() && find_filter(value.as_string()); }
bool is_test(const Value& value) { return value.is_string() && find_test(value.as_string()); }

template <Comparison comparison>
Outcome<Value> compared(Call& call) {
    return compare(call.meter(), comparison, call.subject, call.at(0)).transform(Value::boolean);
}

Outcome<Value> sameas(Call& call) { return Value::boolean(call.subject.same_as(call.at(0))); }

Outcome<bool> remainder_is(Call& call, std::int64_t divisor, std::int64_t wanted) {
    WEFT_TRY(const Value rest, apply(call.meter(), BinaryOperator::modulo, call.subject, Value::integer(divisor)));
    return equal(rest, Value::integer(wanted));
}

Outcome<Value> odd(Call& call) { return remainder_is(call, 2, 1).transform(Value::boolean); }
Outcome<Value> even(Call& call) { return remainder_is(call, 2, 0).transform(Value::boolean); }

Outcome<Value> divisibleby(Call& call) {
    WEFT_TRY(const Value rest, apply(call.meter(), BinaryOperator::modulo, call.subject, call.at(0)));
    return Value::boolean(equal(rest, Value::integer(0)));
}

Outcome<Value> has_case(Call& call, std::string_view method) {
    WEFT_TRY(std::string text, to_str(call.meter(), call.subject));
    const Value subject = Value::string(std::move(text));
    return invoke(call.render, *find_method(subject, method), subject, {});
}

Outcome<Value> is_lower(Call& call) { return has_case(call, "islower"); }
Outcome<Value> is_upper(Call& call) { return has_case(call, "isupper"); }

constexpr Builtin tests[] = {
    {"defined", "", check<is_defined>},
    {"undefined", "", check<is_undefined>},
    {"none", "", check<is_none>},
    {"boolean", "", check<is_boolean>},
    {"true", "", check<is_true>},
    {"false", "", check<is_false>},
    {"integer", "", check<is_integer>},
    {"float", "", check<is_float>},
    {"number", "", check<is_number>},
    {"string", "", check<is_string>},
    {"mapping", "", check<is_mapping>},
    {"iterable", "", check<is_iterable>},
    {"sequence", "", check<is_sequence>},
    {"callable", "", check<is_callable>},
    {"escaped", "", check<is_escaped>},
    {"filter", "", check<is_filter>},
    {"test", "", check<is_test>},
    {"odd", "", odd},
    {"even", "", even},
    {"divisibleby", "num", divisibleby},
    {"lower", "", is_lower},
    {"upper", "", is_upper},
    {"sameas", "other", sameas},
    {"in", "seq", compared<Comparison::in>},
    {"eq", "other", compared<Comparison::equal>},
    {"==", "other", compared<Comparison::equal>},
    {"equalto", "other", compared<Comparison::equal>},
    {"ne", "other", compared<Comparison::not_equal>},
    {"!=", "other", compared<Comparison::not_equal>},
    {"gt", "other", compared<Comparison::greater>},
    {">", "other", compared<Comparison::greater>},
    {"greaterthan", "other", compared<Comparison::greater>},
    {"ge", "other", compared<Comparison::greater_equal>},
    {">=", "other", compared<Comparison::greater_equal>},
    {"lt", "other", compared<Comparison::less>},
    {"<", "other", compared<Comparison::less>},
    {"lessthan", "other", compared<Comparison::less>},
    {"le", "other", compared<Comparison::less_equal>},
    {"<=", "other", compared<Comparison::less_equal>},
};

}  // namespace

BuiltinTable tests_table() { return tests; }

}  // namespace weft::jinja
