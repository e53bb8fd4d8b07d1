#include "http/head_scanner.h"

#include <algorithm>

namespace weft::http {

HeadScanner::Verdict HeadScanner::scan(std::string_view received) {
    while (true) {
        const auto line_feed = received.find('\n', std::max(scanned_, seen_));
        if (line_feed == std::string_view::npos || line_feed >= limits_.head_bytes) {
            seen_ = received.size();
            return received.size() >= limits_.head_bytes || (lines_ == 0 && seen_ > limits_.target_bytes + 64)
                       ? too_long()
                       : Verdict::incomplete;
        }
        const auto line = received.substr(scanned_, line_feed + 1 - scanned_);
        scanned_ = line_feed + 1;
        if (line == "\r\n") return lines_ == 0 ? Verdict::malformed : Verdict::complete;
        if (const Verdict verdict = check_line(line); verdict != Verdict::incomplete) return verdict;
    }
}

HeadScanner::Verdict HeadScanner::check_line(std::string_view line) {
    if (!line.ends_with("\r\n") || line.front() == ' ' || line.front() == '\t') return Verdict::malformed;
    if (lines_ == 0) {
        const auto space = std::min(line.find(' '), line.size());
        if (line.find(' ', space + 1) - space - 1 > limits_.target_bytes && line.size() > limits_.target_bytes)
            return Verdict::target_too_long;
    }
    ++lines_;
    return lines_ > limits_.headers + 1 ? Verdict::head_too_large : Verdict::incomplete;
}

HeadScanner::Verdict HeadScanner::too_long() const {
    return lines_ == 0 ? Verdict::target_too_long : Verdict::head_too_large;
}

}  // namespace weft::http
