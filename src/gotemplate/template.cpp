#include "gotemplate/template.h"

#include <algorithm>

#include "gotemplate/parser.h"
#include "gotemplate/render.h"

namespace weft::gotemplate {
namespace {

constexpr auto nowhere = static_cast<std::size_t>(-1);

bool prints(const Pipe& pipe, std::string_view field) {
    return std::ranges::any_of(pipe.commands, [field](const Command& command) {
        return std::ranges::any_of(command.operands, [field](const Operand& operand) {
            return operand.kind == Operand::Kind::dot && !operand.fields.empty() && operand.fields.front() == field;
        });
    });
}

// Where the first action that prints the field begins, in the order of the source.
std::size_t first_print(const Nodes& nodes, std::string_view field) {
    for (const auto& node : nodes) {
        if (node.kind == Node::Kind::action && prints(*node.pipe, field)) return node.offset;
        if (const auto at = first_print(node.body, field); at != nowhere) return at;
        if (const auto at = first_print(node.otherwise, field); at != nowhere) return at;
    }
    return nowhere;
}

}  // namespace

Result<Template> Template::parse(std::string_view source) {
    if (source.size() > max_template_bytes)
        return fail(ErrorCode::invalid_request, "template error: it is longer than " + std::to_string(max_template_bytes) + " bytes");
    WEFT_TRY(auto syntax, gotemplate::parse(source));
    return Template(std::make_shared<const Syntax>(std::move(syntax)));
}

Result<std::string> Template::render(const Value& data, const Options& options) const {
    Meter own(options.budget);
    RenderOptions inner{.now = options.now.value_or(std::chrono::system_clock::now())};
    if (!options.cut_behind.empty()) inner.stop_after = first_print(syntax_->templates.at(""), options.cut_behind);
    return gotemplate::render(*syntax_, data, options.meter ? *options.meter : own, inner);
}

bool Template::mentions(std::string_view field) const { return std::ranges::binary_search(syntax_->names, field); }

}  // namespace weft::gotemplate
