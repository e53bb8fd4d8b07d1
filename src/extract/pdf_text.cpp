#include "extract/pdf_text.h"

namespace weft {
namespace {

constexpr std::size_t header_within_bytes = 1024;  // readers look for it that far

std::unexpected<Error> in_words(Error error) {
    if (error.code == ErrorCode::timeout || error.code == ErrorCode::too_large) error.message = "the PDF " + error.message;
    if (error.code == ErrorCode::not_implemented) error.message = "PDF cannot be read here: " + error.message;
    // Not the request's deadline but the document's fault.
    if (error.code == ErrorCode::timeout) error.code = ErrorCode::invalid_request;
    return std::unexpected(std::move(error));
}

}  // namespace

Result<std::string> pdf_text(std::string_view pdf, const ChildLimits& limits) {
    if (!pdf.substr(0, header_within_bytes).contains("%PDF-")) return fail(ErrorCode::invalid_request, "this is no PDF file");
    auto output = run_child({"pdftotext", "-q", "-enc", "UTF-8", "-nopgbrk", "-l", std::to_string(max_pdf_pages), "-", "-"}, pdf, limits);
    if (!output) return in_words(std::move(output).error());
    constexpr int first_signal = 128;
    if (output->status >= first_signal) return fail(ErrorCode::invalid_request, "the PDF needs more memory or time than it may take");
    if (output->status != 0) return fail(ErrorCode::invalid_request, "the PDF is damaged or protected");
    return std::move(output->text);
}

}  // namespace weft
