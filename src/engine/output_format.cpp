#include "engine/output_format.h"

#include "grammar/gbnf_builder.h"

namespace weft {
namespace {

Result<std::string> gbnf_of(const GenerateRequest& request) {
    GbnfBuilder builder(request.format_lenient ? Unenforceable::ignore : Unenforceable::refuse);
    Result<std::string> root = std::string();
    switch (request.format) {
        case OutputFormat::text: return std::string();
        case OutputFormat::gbnf: return request.format_definition;
        case OutputFormat::json: root = builder.add_any_object(); break;
        case OutputFormat::json_schema: root = builder.add_schema(request.format_definition); break;
        case OutputFormat::regex: root = builder.add_regex(request.format_definition, true); break;
    }
    if (!root) return root;
    return std::move(builder).finish(*root);
}

}  // namespace

Result<ConstraintPlan> output_format_plan(const GenerateRequest& request) {
    auto gbnf = gbnf_of(request);
    if (gbnf) return ConstraintPlan{.gbnf = std::move(*gbnf), .after_thinking = true};
    auto error = std::move(gbnf).error();
    error.field = request.format_field;
    error.reason = request.format == OutputFormat::json_schema ? ErrorReason::invalid_schema : ErrorReason::invalid_grammar;
    return std::unexpected(std::move(error));
}

}  // namespace weft
