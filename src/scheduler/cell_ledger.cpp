#include "scheduler/cell_ledger.h"

#include "base/assert.h"

namespace weft {
namespace {

std::size_t index_of(SequenceId sequence) { return static_cast<std::size_t>(sequence); }

}  // namespace

CellLedger::Run::Run(std::shared_ptr<Run> p, std::int32_t n, std::shared_ptr<std::int32_t> u)
    : parent(std::move(p)), length(n), used(std::move(u)) {
    *used += length;
}

CellLedger::Run::~Run() {
    *used -= length;
    // A long chain of runs would otherwise be destroyed recursively.
    auto next = std::move(parent);
    while (next && next.use_count() == 1) next = std::move(next->parent);
}

CellLedger::CellLedger(std::int32_t kv_cells, std::int32_t max_sequences)
    : kv_cells_(kv_cells),
      paths_(static_cast<std::size_t>(max_sequences)),
      claimed_(static_cast<std::size_t>(max_sequences)) {}

const CellLedger::Path& CellLedger::path_of(SequenceId sequence) const {
    assert_that(index_of(sequence) < paths_.size(), "a known sequence id");
    return paths_[index_of(sequence)];
}

std::int32_t CellLedger::length(SequenceId sequence) const {
    std::int32_t cells = 0;
    for (const Run* run = path_of(sequence).get(); run != nullptr; run = run->parent.get()) cells += run->length;
    return cells;
}

std::int32_t CellLedger::exclusive_cells(SequenceId sequence) const {
    std::int32_t cells = 0;
    // A run is ours alone as long as nothing but the path below it refers to it.
    const Path* path = &path_of(sequence);
    for (; *path && path->use_count() == 1; path = &(*path)->parent) cells += (*path)->length;
    return cells;
}

std::int32_t CellLedger::held_by(const std::vector<SequenceId>& sequences) const {
    const auto walk = ++walks_;
    std::int32_t cells = 0;
    for (const auto sequence : sequences) {
        for (const Run* run = path_of(sequence).get(); run && run->visited != walk; run = run->parent.get()) {
            run->visited = walk;
            cells += run->length;
        }
    }
    return cells;
}

SequenceId CellLedger::claim() {
    for (std::size_t i = 0; i < claimed_.size(); ++i) {
        if (claimed_[i]) continue;
        claimed_[i] = true;
        return SequenceId{static_cast<std::int32_t>(i)};
    }
    return SequenceId{-1};
}

void CellLedger::release(SequenceId sequence) {
    assert_that(claimed_.at(index_of(sequence)), "only a claimed sequence id is released");
    paths_[index_of(sequence)].reset();
    claimed_[index_of(sequence)] = false;
}

void CellLedger::append(SequenceId sequence, std::int32_t cells) {
    if (cells == 0) return;
    assert_that(cells <= free_cells(), "cells are free before they are taken");
    Path& path = paths_.at(index_of(sequence));
    if (path && path.use_count() == 1) {
        path->length += cells;
        *used_ += cells;
    } else {
        path = std::make_shared<Run>(path, cells, used_);
    }
}

CellLedger::Path CellLedger::cut_at(const Path& path, std::int32_t cells) {
    if (cells == 0) return nullptr;
    std::int32_t end = 0;
    for (const Run* run = path.get(); run != nullptr; run = run->parent.get()) end += run->length;
    assert_that(cells <= end, "a prefix is not longer than its sequence");
    Path run = path;
    while (end - run->length >= cells) {
        end -= run->length;
        run = run->parent;
    }
    if (end == cells) return run;
    // The head becomes a run of its own; everybody who holds this run goes on holding head and tail.
    const std::int32_t tail = end - cells;
    const std::int32_t head_length = run->length - tail;
    *used_ -= head_length;  // moved, not taken: the head's constructor counts it again
    run->length = tail;
    auto head = std::make_shared<Run>(std::move(run->parent), head_length, used_);
    run->parent = head;
    return head;
}

void CellLedger::share_prefix(SequenceId from, SequenceId to, std::int32_t cells) {
    assert_that(!path_of(to), "the sequence that takes a prefix over is empty");
    paths_[index_of(to)] = cut_at(path_of(from), cells);
}

void CellLedger::truncate(SequenceId sequence, std::int32_t from) {
    Path& path = paths_.at(index_of(sequence));
    path = cut_at(path, from);
}

}  // namespace weft
