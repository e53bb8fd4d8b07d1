#include "jinja/template.h"

#include <algorithm>

#include "base/formatted.h"
#include "jinja/parser.h"
#include "jinja/render.h"
#include "jinja/token.h"

namespace weft::jinja {

namespace {

std::unexpected<Error> syntax_error(const SyntaxError& error) {
    return fail(ErrorCode::invalid_request, formatted("prompt template, line {}: {}", error.line, error.message));
}

std::unexpected<Error> render_error(const Failure& failure, int line) {
    if (failure.from_template()) return fail(ErrorCode::invalid_request, failure.message());
    return fail(ErrorCode::invalid_request, formatted("prompt template, line {}: {}", line, failure.message()));
}

}  // namespace

Result<Template> Template::parse(std::string_view source) {
    if (source.size() > max_template_bytes)
        return fail(ErrorCode::invalid_request,
                    formatted("the prompt template is longer than {} bytes", max_template_bytes));
    auto tokens = tokenize(source);
    if (!tokens) return syntax_error(tokens.error());
    auto syntax = Parser(std::move(*tokens)).parse_template();
    if (!syntax) return syntax_error(syntax.error());
    return Template(std::make_shared<const Syntax>(std::move(*syntax)));
}

Result<std::string> Template::render(const Value& variables, const Options& options) const {
    Render render(*syntax_, variables, options.budget, options.now.value_or(std::chrono::system_clock::now()));
    auto text = render.run();
    if (!text) return render_error(text.error(), render.line());
    return std::move(*text);
}

Result<std::string> Template::render(const Value& variables, const Budget& budget) const {
    return render(variables, Options{.budget = budget});
}

bool Template::mentions(std::string_view name) const {
    return std::ranges::binary_search(syntax_->mentions, name, std::less<>{});
}

const std::vector<std::string>& Template::mentioned_names() const { return syntax_->mentions; }

}  // namespace weft::jinja
