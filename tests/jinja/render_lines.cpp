// Reads one JSON object {"template", "variables", "now"} per line and answers one per line: {"text"} or {"error"}.
// The other half of differential.py.

#include <iostream>
#include <string>

#include "jinja/template.h"

namespace {

using weft::Result;
using namespace weft::jinja;

// Many lines in a row carry the same template.
const Result<Template>& parsed_template(std::string_view source) {
    static std::string last_source;
    static Result<Template> last = Template::parse("");
    if (source == last_source) return last;
    last_source = source;
    last = Template::parse(source);
    return last;
}

Result<std::string> render_line(const std::string& line) {
    WEFT_TRY(const Value request, Value::from_json(line));
    const Value* source = request.as_dict().find("template");
    const Value* variables = request.as_dict().find("variables");
    const Value* now = request.as_dict().find("now");
    const auto& parsed = parsed_template(source->as_string());
    if (!parsed) return std::unexpected(parsed.error());
    const auto seconds = std::chrono::seconds(now ? now->as_integer() : 0);
    return parsed->render(*variables, {.now = std::chrono::system_clock::time_point(seconds)});
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    for (std::string line; std::getline(std::cin, line);) {
        const auto result = render_line(line);
        const Value answer = result ? Value::dict({{"text", Value::string(*result)}})
                                    : Value::dict({{"error", Value::string(result.error().message)}});
        std::cout << answer.to_json() << '\n';
    }
}
