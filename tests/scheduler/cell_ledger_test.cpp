#include "scheduler/cell_ledger.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>

using namespace weft;

TEST_CASE("cells of a shared prefix count once and are free when the last holder is gone") {
    CellLedger ledger(100, 4);
    const auto a = ledger.claim();
    ledger.append(a, 40);
    const auto b = ledger.claim();
    ledger.share_prefix(a, b, 30);
    ledger.append(b, 5);
    CHECK(ledger.used_cells() == 45);
    CHECK(ledger.exclusive_cells(a) == 10);
    CHECK(ledger.exclusive_cells(b) == 5);
    ledger.release(a);
    CHECK(ledger.used_cells() == 35);
    CHECK(ledger.exclusive_cells(b) == 35);
    ledger.release(b);
    CHECK(ledger.free_cells() == 100);
}

TEST_CASE("a sequence that shared its tail grows in a run of its own") {
    CellLedger ledger(100, 4);
    const auto a = ledger.claim(), b = ledger.claim();
    ledger.append(a, 10);
    ledger.share_prefix(a, b, 10);
    ledger.append(a, 3);
    ledger.append(b, 4);
    CHECK(ledger.used_cells() == 17);
    CHECK(ledger.length(a) == 13);
    CHECK(ledger.length(b) == 14);
    CHECK(ledger.held_by({a, b}) == 17);
    CHECK(ledger.held_by({a}) == 13);
}

TEST_CASE("ids are given lowest first") {
    CellLedger ledger(10, 2);
    CHECK(ledger.claim() == SequenceId{0});
    CHECK(ledger.claim() == SequenceId{1});
    CHECK(ledger.claim() == SequenceId{-1});
    ledger.release(SequenceId{0});
    CHECK(ledger.claim() == SequenceId{0});
}

// The ledger beside the plainest model of a pool: every cell with the set of its owners.
TEST_CASE("the ledger agrees with a pool that knows every cell's owners, whatever happens") {
    std::mt19937 random(7);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    CellLedger ledger(500, 12);
    std::map<SequenceId, std::vector<int>> sequences;
    std::map<int, std::set<SequenceId>> owners;
    int next_cell = 0;
    const auto drop = [&](SequenceId id, std::size_t from) {
        auto& cells = sequences[id];
        for (std::size_t i = from; i < cells.size(); ++i) {
            owners[cells[i]].erase(id);
            if (owners[cells[i]].empty()) owners.erase(cells[i]);
        }
        cells.resize(std::min(cells.size(), from));
    };
    for (int i = 0; i < 20'000; ++i) {
        const auto pick = [&] { return std::next(sequences.begin(), below(static_cast<int>(sequences.size())))->first; };
        switch (sequences.empty() ? 0 : below(5)) {
            case 0:
                if (const auto id = ledger.claim(); id != SequenceId{-1}) sequences[id] = {};
                break;
            case 1: {
                const auto id = pick();
                const int n = below(std::min(20, ledger.free_cells() + 1));
                ledger.append(id, n);
                for (int c = 0; c < n; ++c) {
                    owners[next_cell].insert(id);
                    sequences[id].push_back(next_cell++);
                }
                break;
            }
            case 2: {
                const auto from = pick();
                const auto to = ledger.claim();
                if (to == SequenceId{-1}) break;
                const int n = below(static_cast<int>(sequences[from].size()) + 1);
                ledger.share_prefix(from, to, n);
                sequences[to].assign(sequences[from].begin(), sequences[from].begin() + n);
                for (const int cell : sequences[to]) owners[cell].insert(to);
                break;
            }
            case 3: {
                const auto id = pick();
                const int n = below(static_cast<int>(sequences[id].size()) + 1);
                ledger.truncate(id, n);
                drop(id, static_cast<std::size_t>(n));
                break;
            }
            default: {
                const auto id = pick();
                ledger.release(id);
                drop(id, 0);
                sequences.erase(id);
            }
        }
        REQUIRE(ledger.used_cells() == static_cast<int>(owners.size()));
        for (const auto& [id, cells] : sequences) {
            REQUIRE(ledger.length(id) == static_cast<int>(cells.size()));
            int alone = 0;
            for (const int cell : cells) alone += owners[cell].size() == 1 ? 1 : 0;
            REQUIRE(ledger.exclusive_cells(id) == alone);
        }
    }
}
