#include "jinja/render.h"

#include "jinja/python_text.h"

namespace weft::jinja {

Render::Render(const Syntax& syntax, const Value& variables, const Budget& budget, WallTime now)
    : syntax_(syntax),
      variables_(variables),
      now_(now),
      meter_(budget),
      globals_(syntax.names.size()),
      scope_(std::make_shared<Scope>(nullptr)) {}

Render::~Render() {
    for (const auto& space : namespaces_) space->clear();
    for (const auto& scope : captured_scopes_) scope->clear();
}

Outcome<std::string> Render::run() {
    WEFT_TRY(const Flow flow, execute(syntax_.body));
    (void)flow;
    return std::move(output_);
}

Outcome<Value> Render::new_text(std::string text, bool markup) {
    WEFT_CHECK(meter_.work(text.size()));
    return markup ? Value::markup(std::move(text)) : Value::string(std::move(text));
}

namespace {

Outcome<Value> bounded(Value value) {
    if (value.depth() > max_value_depth) return raise("the prompt template nests values too deeply");
    return value;
}

}  // namespace

Outcome<Value> Render::new_sequence(Sequence sequence) {
    WEFT_CHECK(meter_.work(sizeof(Sequence) + sequence.items.size() * sizeof(Value)));
    return bounded(Value::sequence(std::move(sequence)));
}

Outcome<Value> Render::new_dict(Dict dict) {
    WEFT_CHECK(meter_.work(sizeof(Dict) + dict.size() * 4 * sizeof(Value)));
    return bounded(Value::dict(std::move(dict)));
}

Outcome<Value> Render::new_iterator(std::vector<Value> items) {
    WEFT_CHECK(meter_.work(items.size() * sizeof(Value)));
    return new_object(std::make_shared<Iterator>(std::move(items)));
}

Outcome<Value> Render::new_object(std::shared_ptr<Object> object) {
    WEFT_CHECK(meter_.work(sizeof(Iterator)));
    return bounded(Value::object(std::move(object)));
}

Outcome<Value> Render::new_namespace(std::shared_ptr<Namespace> made) {
    namespaces_.push_back(made);
    return new_object(std::move(made));
}

}  // namespace weft::jinja
