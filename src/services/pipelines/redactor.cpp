#include "services/pipelines/redactor.h"

namespace weft {
namespace {

std::unexpected<Error> at(std::string field, Error error) {
    error.field = std::move(field);
    return std::unexpected(std::move(error));
}

}  // namespace

Result<Redactor> Redactor::make(const RedactOptions& options) {
    Redactor redactor;
    redactor.replacement_ = options.replacement;
    if (options.words.size() + options.patterns.size() > max_redactions)
        return fail_field(ErrorCode::invalid_request, "post.redact", "must have at most " + std::to_string(max_redactions) + " words and patterns");
    for (const auto& word : options.words)
        if (auto added = redactor.finder_.add_literal(word, options.ignore_case); !added) return at("post.redact.words", std::move(added).error());
    for (const auto& pattern : options.patterns)
        if (auto added = redactor.finder_.add_pattern(pattern, options.ignore_case); !added)
            return at("post.redact.patterns", std::move(added).error());
    return redactor;
}

std::string Redactor::apply(std::string_view text) const {
    std::string out;
    std::size_t from = 0;
    for (const auto& span : finder_.find(text)) {
        out += text.substr(from, span.begin - from);
        out += replacement_;
        from = span.end;
    }
    return out += text.substr(from);
}

}  // namespace weft
