#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"

namespace weft::test {

// Tokens 0..255 are the bytes themselves; 256 ends the generation.
class ByteVocabulary final : public Vocabulary {
  public:
    static constexpr Token end = 256;
    ByteVocabulary() {
        for (int b = 0; b < 256; ++b) bytes_.push_back(std::string(1, static_cast<char>(b)));
        bytes_.emplace_back();
    }
    [[nodiscard]] std::int32_t size() const override { return 257; }
    [[nodiscard]] std::string_view bytes_of(Token token) const override { return bytes_.at(static_cast<std::size_t>(token)); }
    [[nodiscard]] bool ends_generation(Token token) const override { return token == end; }

  private:
    std::vector<std::string> bytes_;
};

inline std::vector<Token> tokens_of(std::string_view text) {
    std::vector<Token> tokens;
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
}

// A model whose next token is a function of all tokens before it, computed from what really lies in its KV cells: if the
// scheduler shares, truncates or positions wrongly, the answer changes. Counts cells as libllama's unified pool does and
// aborts when it is asked for more than it has.
class FakeEngine final : public Engine {
  public:
    explicit FakeEngine(EngineLimits limits) : limits_(limits) {}

    // The token that follows these.
    std::function<Token(const std::vector<Token>&)> next = [](const std::vector<Token>& tokens) {
        std::uint32_t hash = 2166136261U;
        for (const auto token : tokens) hash = (hash ^ static_cast<std::uint32_t>(token)) * 16777619U;
        return static_cast<Token>('a' + hash % 26);
    };
    bool fail_next = false;
    float softness = 0;  // from 0 (the next token is certain) to 20 (all are alike)
    std::function<void()> during_decode = [] {};  // what happens elsewhere while a call runs
    int saves = 0, restores = 0;
    std::vector<std::vector<BatchRow>> calls;

    [[nodiscard]] const EngineLimits& limits() const override { return limits_; }

    Result<void> decode(std::span<const BatchRow> rows) override {
        assert_that(rows.size() <= static_cast<std::size_t>(limits_.max_batch_rows), "a batch fits");
        calls.emplace_back(rows.begin(), rows.end());
        interrupted_ = false;
        during_decode();
        if (interrupted_) return fail(ErrorCode::cancelled, "interrupted");
        if (std::exchange(fail_next, false)) return fail(ErrorCode::engine_failed, "scripted failure");
        logits_.assign(rows.size(), {});
        std::int32_t outputs = 0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto& row = rows[i];
            auto& sequence = sequences_[row.sequence];
            assert_that(static_cast<std::size_t>(row.position) == sequence.size(), "positions follow each other");
            sequence.push_back(next_cell_);
            cells_[next_cell_] = {row.token, 1};
            ++next_cell_;
            assert_that(cells_.size() <= static_cast<std::size_t>(limits_.kv_cells), "the pool has that many cells");
            if (!row.wants_logits) continue;
            ++outputs;
            std::vector<Token> tokens;
            for (const auto cell : sequence) tokens.push_back(cells_.at(cell).token);
            logits_[i].assign(257, -10.0F + softness);
            logits_[i].at(static_cast<std::size_t>(next(tokens))) = 10.0F;
        }
        assert_that(outputs <= limits_.max_outputs, "no more outputs than there is room for");
        return {};
    }
    [[nodiscard]] std::span<const float> logits(std::size_t row) const override {
        assert_that(!logits_.at(row).empty(), "logits that were asked for");
        return logits_[row];
    }
    void share_prefix(SequenceId from, SequenceId to, std::int32_t tokens) override {
        assert_that(limits_.memory == MemoryKind::tree, "only cells are shared");
        auto& target = sequences_[to];
        assert_that(target.empty(), "the target is empty");
        const auto& source = sequences_.at(from);
        assert_that(static_cast<std::size_t>(tokens) <= source.size(), "the source has that many");
        target.assign(source.begin(), source.begin() + tokens);
        for (const auto cell : target) ++cells_.at(cell).owners;
    }
    bool truncate(SequenceId sequence, std::int32_t from) override {
        assert_that(limits_.memory == MemoryKind::tree, "a state cannot be cut");
        cut(sequence, from);
        return true;
    }
    void cut(SequenceId sequence, std::int32_t from) {
        auto& cells = sequences_[sequence];
        while (cells.size() > static_cast<std::size_t>(from)) {
            if (--cells_.at(cells.back()).owners == 0) cells_.erase(cells.back());
            cells.pop_back();
        }
    }
    void remove(SequenceId sequence) override {
        cut(sequence, 0);
        sequences_.erase(sequence);
    }

    std::vector<std::uint8_t> save(SequenceId sequence, std::int32_t from, std::int32_t to) override {
        ++saves;
        const auto& cells = sequences_.at(sequence);
        assert_that(static_cast<std::size_t>(to) <= cells.size(), "only what is there is saved");
        if (limits_.memory == MemoryKind::states)
            assert_that(from == 0 && static_cast<std::size_t>(to) == cells.size(), "a state is all or nothing");
        std::vector<std::uint8_t> bytes;
        for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i) {
            const auto token = static_cast<std::uint32_t>(cells_.at(cells[i]).token);
            for (unsigned b = 0; b < 4; ++b) bytes.push_back(static_cast<std::uint8_t>(token >> (8 * b)));
        }
        return bytes;
    }
    bool restore(SequenceId sequence, std::int32_t from, std::int32_t to, std::span<const std::uint8_t> bytes) override {
        auto& cells = sequences_[sequence];
        assert_that(static_cast<std::size_t>(from) == cells.size(), "restored behind what is there");
        if (bytes.size() != 4 * static_cast<std::size_t>(to - from)) return false;
        ++restores;
        for (std::size_t i = 0; i < bytes.size(); i += 4) {
            std::uint32_t token = 0;
            for (unsigned b = 0; b < 4; ++b) token |= static_cast<std::uint32_t>(bytes[i + b]) << (8 * b);
            cells_[next_cell_] = {static_cast<Token>(token), 1};
            cells.push_back(next_cell_++);
        }
        assert_that(cells_.size() <= static_cast<std::size_t>(limits_.kv_cells), "the pool has that many cells");
        return true;
    }
    void interrupt() override {
        assert_that(limits_.memory == MemoryKind::tree, "what a call left in a state cannot be taken back");
        interrupted_ = true;
    }

    [[nodiscard]] std::int32_t used_cells() const { return static_cast<std::int32_t>(cells_.size()); }
    [[nodiscard]] std::int32_t length(SequenceId sequence) const {
        const auto place = sequences_.find(sequence);
        return place == sequences_.end() ? 0 : static_cast<std::int32_t>(place->second.size());
    }
    [[nodiscard]] std::size_t rows_computed() const {
        std::size_t rows = 0;
        for (const auto& call : calls) rows += call.size();
        return rows;
    }

  private:
    struct Cell {
        Token token;
        int owners;
    };
    EngineLimits limits_;
    bool interrupted_ = false;
    std::map<SequenceId, std::vector<std::uint64_t>> sequences_;
    std::map<std::uint64_t, Cell> cells_;
    std::uint64_t next_cell_ = 0;
    std::vector<std::vector<float>> logits_;
};

class HandClock final : public Clock {
  public:
    TimePoint time{std::chrono::hours(1)};
    [[nodiscard]] TimePoint now() const override { return time; }
};

}  // namespace weft::test
