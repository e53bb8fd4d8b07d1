#include "jinja/stateful.h"

#include <algorithm>

#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/render.h"

namespace weft::jinja {

std::optional<Value> Namespace::attribute(std::string_view name) {
    const auto found = std::ranges::find(attributes_, name, [](const auto& entry) { return std::string_view(entry.first); });
    return found == attributes_.end() ? std::nullopt : std::optional(found->second);
}

void Namespace::set(std::string_view name, Value value) {
    for (auto& [known, old] : attributes_)
        if (known == name) return void(old = std::move(value));
    attributes_.emplace_back(std::string(name), std::move(value));
}

std::optional<Value> Macro::attribute(std::string_view name) {
    if (name == "name") return Value::string(definition_->name);
    return std::nullopt;
}

bool Macro::has_parameter(std::string_view name) const {
    return std::ranges::contains(definition_->parameters, name, &Parameter::name);
}

Outcome<Value> Macro::call(Render& render, const Arguments& arguments) {
    const auto scope = scope_.lock();
    if (!scope) return raise("a macro was called after its rendering ended");
    const auto locals = std::make_shared<Scope>(scope);
    const auto in_locals = render.enter(locals);
    WEFT_CHECK(bind(render, arguments, *locals));
    WEFT_CHECK(bind_rest(render, arguments, *locals));
    return render.capture(*definition_->body);
}

Outcome<void> Macro::bind(Render& render, const Arguments& arguments, Scope& locals) const {
    const auto& parameters = definition_->parameters;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Parameter& parameter = parameters[i];
        const auto named = std::ranges::find(arguments.named, parameter.name, [](const auto& a) { return a.first; });
        if (i < arguments.positional.size()) {
            if (named != arguments.named.end() && !definition_->kwargs)
                return raise(formatted("macro '{}' takes no keyword argument '{}'", definition_->name, parameter.name));
            locals.set(parameter.symbol, arguments.positional[i]);
        } else if (named != arguments.named.end()) {
            locals.set(parameter.symbol, named->second);
        } else if (parameter.fallback) {
            WEFT_TRY(Value fallback, render.evaluate(*parameter.fallback));
            locals.set(parameter.symbol, std::move(fallback));
        } else {
            locals.set(parameter.symbol,
                       Value::undefined(formatted("parameter '{}' was not provided", parameter.name)));
        }
    }
    return {};
}

// What the parameters left over: caller, **kwargs and *varargs, or an error.
Outcome<void> Macro::bind_rest(Render& render, const Arguments& arguments, Scope& locals) const {
    const bool takes_caller = definition_->caller && !has_parameter("caller");
    if (takes_caller) locals.set(*definition_->caller, Value::undefined("No caller defined"));
    Dict rest;
    for (const auto& [name, value] : arguments.named) {
        if (has_parameter(name)) continue;
        if (takes_caller && name == "caller") locals.set(*definition_->caller, value);
        else if (definition_->kwargs) rest.set(name, value);
        else return raise(formatted("macro '{}' takes no keyword argument '{}'", definition_->name, name));
    }
    if (definition_->kwargs) {
        WEFT_TRY(Value entries, render.new_dict(std::move(rest)));
        locals.set(*definition_->kwargs, std::move(entries));
    }
    const std::size_t taken = std::min(definition_->parameters.size(), arguments.positional.size());
    if (definition_->varargs) {
        std::vector<Value> extra(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                 arguments.positional.end());
        WEFT_TRY(Value items, render.new_sequence({SequenceType::tuple, std::move(extra)}));
        locals.set(*definition_->varargs, std::move(items));
    } else if (arguments.positional.size() > taken) {
        return raise(formatted("macro '{}' takes not more than {} argument(s)", definition_->name,
                                 definition_->parameters.size()));
    }
    return {};
}

Iterator::Iterator(std::vector<Value> items, std::optional<Failure> failure)
    : items_(std::move(items)), failure_(std::move(failure)), depth_(1) {
    for (const Value& item : items_) depth_ = std::max(depth_, item.depth() + 1);
}

Outcome<std::shared_ptr<const Sequence>> Iterator::iterate() {
    if (failure_) return std::unexpected(std::move(*std::exchange(failure_, std::nullopt)));
    std::vector<Value> rest(items_.begin() + static_cast<std::ptrdiff_t>(at_), items_.end());
    at_ = items_.size();
    return Value::list(std::move(rest)).sequence_ref();
}

Outcome<std::optional<Value>> Iterator::next() {
    if (at_ < items_.size()) return items_[at_++];
    if (failure_) return std::unexpected(std::move(*std::exchange(failure_, std::nullopt)));
    return std::nullopt;
}

int Cycler::depth() const {
    int deepest = 0;
    for (const Value& item : items_) deepest = std::max(deepest, item.depth());
    return deepest + 1;
}

Value Cycler::next() { return items_[std::exchange(at_, (at_ + 1) % items_.size())]; }

namespace {

Cycler& cycler_of(const Call& call) { return static_cast<Cycler&>(*call.subject.as_object()); }

Outcome<Value> cycler_next(Call& call) { return cycler_of(call).next(); }

Outcome<Value> cycler_reset(Call& call) {
    cycler_of(call).reset();
    return Value::none();
}

constexpr Builtin next_method{"next", "", cycler_next};
constexpr Builtin reset_method{"reset", "", cycler_reset};

}  // namespace

std::optional<Value> Cycler::attribute(std::string_view name) {
    if (name == "current") return items_[at_];
    if (name == "next" || name == "reset")
        return Value::object(std::make_shared<BuiltinObject>(name == "next" ? next_method : reset_method,
                                                             Value::object(shared_from_this())));
    return std::nullopt;
}

Outcome<Value> Joiner::call(Render&, const Arguments&) {
    return std::exchange(used_, true) ? separator_ : Value::string("");
}

Outcome<Value> Object::call(Render&, const Arguments&) {
    return raise(formatted("'{}' object is not callable", type_name()));
}

std::optional<Value> Object::attribute(std::string_view) { return std::nullopt; }

}  // namespace weft::jinja
