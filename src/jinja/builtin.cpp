#include "jinja/builtin.h"

#include <algorithm>

#include "base/formatted.h"
#include "jinja/loop_state.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

namespace {

Outcome<void> bind_named(Call& call, const Builtin& builtin) {
    const auto names = std::span(builtin.parameters.names).first(builtin.parameters.count);
    for (const auto& [name, value] : call.given.named) {
        const auto found = std::ranges::find(names, name);
        if (found == names.end())
            return raise(formatted("{}() got an unexpected keyword argument '{}'", builtin.name, name));
        const Value*& place = call.bound[static_cast<std::size_t>(found - names.begin())];
        if (place) return raise(formatted("{}() got multiple values for argument '{}'", builtin.name, name));
        place = &value;
    }
    return {};
}

Outcome<void> bind(Call& call, const Builtin& builtin) {
    const ParameterList& parameters = builtin.parameters;
    const auto& positional = call.given.positional;
    if (parameters.variadic) return {};
    if (positional.size() > parameters.count)
        return raise(formatted("{}() takes at most {} arguments ({} given)", builtin.name, parameters.count,
                                 positional.size()));
    for (std::size_t i = 0; i < positional.size(); ++i) call.bound[i] = &positional[i];
    if (!call.given.named.empty()) WEFT_CHECK(bind_named(call, builtin));
    for (std::size_t i = 0; i < parameters.required; ++i)
        if (!call.bound[i])
            return raise(formatted("{}() missing required argument: '{}'", builtin.name, parameters.names[i]));
    return {};
}

const Builtin* find_in_any(std::initializer_list<BuiltinTable> tables, std::string_view name) {
    for (const BuiltinTable table : tables)
        if (const Builtin* found = find_in(table, name)) return found;
    return nullptr;
}

}  // namespace

Meter& Call::meter() const { return render.meter(); }

Outcome<std::int64_t> Call::integer(std::size_t parameter, std::int64_t fallback) const {
    if (!has(parameter)) return fallback;
    if (!at(parameter).is_integral())
        return raise(formatted("'{}' object cannot be interpreted as an integer", type_name(at(parameter))));
    return at(parameter).as_integer();
}

Outcome<std::string_view> Call::text(std::size_t parameter, std::string_view fallback) const {
    if (!has(parameter)) return fallback;
    if (!at(parameter).is_string()) return raise(formatted("expected str, got {}", type_name(at(parameter))));
    return at(parameter).as_string();
}

bool Call::flag(std::size_t parameter, bool fallback) const {
    return has(parameter) ? at(parameter).truthy() : fallback;
}

Outcome<Value> invoke(Render& render, const Builtin& builtin, const Value& subject, const Arguments& arguments) {
    Call call{render, subject, arguments};
    WEFT_CHECK(bind(call, builtin));
    return builtin.function(call);
}

const Builtin* find_in(BuiltinTable table, std::string_view name) {
    const auto found = std::ranges::find(table, name, &Builtin::name);
    return found == table.end() ? nullptr : &*found;
}

const Builtin* find_filter(std::string_view name) {
    return find_in_any({text_filters(), sequence_filters(), selection_filters(), number_filters()}, name);
}

const Builtin* find_test(std::string_view name) { return find_in(tests_table(), name); }
const Builtin* find_global(std::string_view name) { return find_in(globals_table(), name); }

const Builtin* find_method(const Value& object, std::string_view name) {
    switch (object.kind()) {
        case Kind::string: return find_in_any({string_methods(), string_search_methods()}, name);
        case Kind::dict: return find_in(dict_methods(), name);
        case Kind::sequence: return object.as_sequence().indexable() ? find_in(sequence_methods(), name) : nullptr;
        case Kind::boolean:
        case Kind::integer:
        case Kind::real: return find_in(number_methods(), name);
        case Kind::object:
            return dynamic_cast<const LoopState*>(object.as_object().get()) ? find_in(loop_methods(), name) : nullptr;
        default: return nullptr;
    }
}

std::string BuiltinObject::repr() const { return formatted("<built-in function {}>", builtin_.name); }

Outcome<Value> BuiltinObject::call(Render& render, const Arguments& arguments) {
    return invoke(render, builtin_, subject_, arguments);
}

}  // namespace weft::jinja
