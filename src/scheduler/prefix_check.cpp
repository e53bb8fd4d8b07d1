#include "scheduler/prefix_check.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"

namespace weft {
namespace {

Result<void> compute(Engine& engine, KvPool& kv, SequenceId id, std::span<const Token> tokens) {
    const auto most = static_cast<std::size_t>(engine.limits().max_batch_rows);
    for (std::size_t begin = 0; begin < tokens.size(); begin += most) {
        std::vector<BatchRow> rows;
        for (auto i = begin; i < std::min(begin + most, tokens.size()); ++i)
            rows.push_back({.token = tokens[i], .position = static_cast<std::int32_t>(i), .sequence = id,
                            .wants_logits = i + 1 == tokens.size()});
        if (!kv.make_room(static_cast<std::int32_t>(rows.size()))) return fail(ErrorCode::overloaded, "no cells");
        WEFT_CHECK(engine.decode(rows));
        kv.append(id, static_cast<std::int32_t>(rows.size()));
    }
    return {};
}

PrefixVerdict compare(std::span<const float> a, std::span<const float> b) {
    PrefixVerdict verdict;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i] != b[i]) verdict.largest_difference = std::max(verdict.largest_difference, std::abs(a[i] - b[i]));
    verdict.same_choice = std::ranges::max_element(a) - a.begin() == std::ranges::max_element(b) - b.begin();
    return verdict;
}

}  // namespace

std::optional<PrefixVerdict> check_prefix(Engine& engine, KvPool& kv, const PrefixSuspect& suspect) {
    PrefixMatch nothing;
    const auto id = kv.start(nothing);
    if (id == SequenceId{-1}) return std::nullopt;
    std::optional<PrefixVerdict> verdict;
    if (compute(engine, kv, id, suspect.tokens)) {
        const auto last = (suspect.tokens.size() - 1) % static_cast<std::size_t>(engine.limits().max_batch_rows);
        verdict = compare(suspect.logits, engine.logits(last));
    }
    kv.release(id);
    return verdict;
}

void check_and_tell(Engine& engine, KvPool& kv, const PrefixSuspect& suspect) {
    const auto verdict = check_prefix(engine, kv, suspect);
    log(verdict && !verdict->same_choice ? LogLevel::warn : LogLevel::info, "prefix_checked",
        {{"request", suspect.request},
         {"tokens", suspect.tokens.size()},
         {"reused", suspect.reused_tokens},
         {"result", !verdict ? "no room" : verdict->same_choice ? "same" : "different"},
         {"largest_difference", verdict ? std::to_string(verdict->largest_difference) : "-"}});
}

}  // namespace weft
