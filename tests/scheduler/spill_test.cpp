#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <numeric>

#include "scheduler/spill_store.h"
#include "temporary_folder.h"

using namespace weft;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::vector<Token> some_tokens(std::size_t n, Token first = 0) {
    std::vector<Token> tokens(n);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
}

std::vector<BlockKey> keys_of(std::size_t blocks, std::string_view scope = "", std::string_view identity = "model") {
    BlockChain chain(identity, scope);
    const auto keys = chain.keys(some_tokens(blocks * block_tokens));
    return {keys.begin(), keys.end()};
}

BlockBytes bytes_of(std::uint8_t value, std::size_t n = 100) { return BlockBytes(n, value); }

std::vector<fs::path> files_below(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path());
    return files;
}

}  // namespace

TEST_CASE("a block's name depends on every token before it, on the model and on the scope") {
    const auto keys = keys_of(3);
    CHECK(keys.size() == 3);
    CHECK(keys == keys_of(3));
    CHECK_FALSE(keys[0] == keys_of(1, "other")[0]);
    CHECK_FALSE(keys[0] == keys_of(1, "", "another model")[0]);
    // The parts cannot be confused by moving text from one to the other.
    CHECK_FALSE(keys_of(1, "b", "a")[0] == keys_of(1, "", "ab")[0]);
    auto tokens = some_tokens(3 * block_tokens);
    tokens[5] = 1'000;
    BlockChain chain("model", "");
    const auto changed = chain.keys(tokens);
    for (std::size_t i = 0; i < 3; ++i) CHECK_FALSE(changed[i] == keys[i]);
}

TEST_CASE("a chain goes on where it was, and leaves half a block out") {
    BlockChain chain("model", "");
    CHECK(chain.keys(some_tokens(block_tokens - 1)).empty());
    CHECK(chain.keys(some_tokens(block_tokens + 1)).size() == 1);
    const auto keys = chain.keys(some_tokens(2 * block_tokens));
    CHECK(std::vector(keys.begin(), keys.end()) == keys_of(2));
}

TEST_CASE("what was written is read again, also by the next process") {
    const test::TemporaryFolder folder;
    const auto keys = keys_of(2);
    {
        auto files = BlockFiles::open(folder.path(), "model", 1 << 20);
        REQUIRE(files);
        CHECK((*files)->write(keys[0], bytes_of(7)));
        CHECK((*files)->read(keys[0]) == bytes_of(7));
        CHECK_FALSE((*files)->read(keys[1]).has_value());
    }
    auto files = BlockFiles::open(folder.path(), "model", 1 << 20);
    CHECK((*files)->read(keys[0]) == bytes_of(7));
    auto others = BlockFiles::open(folder.path(), "another model", 1 << 20);
    CHECK_FALSE((*others)->contains(keys[0]));
    for (const auto& file : files_below(folder.path()))
        CHECK((fs::status(file).permissions() & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
}

TEST_CASE("a damaged file is deleted, wherever the damage is") {
    const auto key = keys_of(1)[0];
    for (const std::streamoff at : {0, 9, 45, 73, 81, 97, 150}) {
        const test::TemporaryFolder folder;
        auto files = BlockFiles::open(folder.path(), "model", 1 << 20);
        REQUIRE((*files)->write(key, bytes_of(7)));
        const auto file = files_below(folder.path()).at(0);
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(at);
        const int old = stream.get();
        stream.seekp(at);
        stream.put(static_cast<char>(old ^ 1));
        stream.close();
        INFO("byte " << at);
        CHECK_FALSE((*files)->read(key).has_value());
        CHECK_FALSE((*files)->contains(key));
        CHECK(files_below(folder.path()).empty());
    }
}

TEST_CASE("a shortened file, one of another name and what is not ours are deleted") {
    const test::TemporaryFolder folder;
    const auto keys = keys_of(3);
    {
        auto files = BlockFiles::open(folder.path(), "model", 1 << 20);
        for (const auto& key : keys) REQUIRE((*files)->write(key, bytes_of(7)));
    }
    const auto place = files_below(folder.path()).at(0).parent_path();
    fs::resize_file(place / (keys[0].hex() + ".kv"), 120);
    fs::rename(place / (keys[1].hex() + ".kv"), place / (std::string(64, 'a') + ".kv"));
    std::ofstream(place / "new-1-2") << "half a file";
    std::ofstream(place / "notes.txt") << "something else";
    auto files = BlockFiles::open(folder.path(), "model", 1 << 20);
    CHECK(files_below(folder.path()).size() == 3);
    CHECK_FALSE((*files)->read(keys[0]).has_value());
    BlockKey renamed;
    renamed.bytes.fill(0xaa);
    CHECK((*files)->contains(renamed));
    CHECK_FALSE((*files)->read(renamed).has_value());
    CHECK((*files)->read(keys[2]) == bytes_of(7));
    CHECK(files_below(folder.path()).size() == 1);
}

TEST_CASE("files stay within their bound, the least recently used goes first") {
    const test::TemporaryFolder folder;
    const auto keys = keys_of(4);
    auto files = BlockFiles::open(folder.path(), "model", 3 * 196);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE((*files)->write(keys[i], bytes_of(static_cast<std::uint8_t>(i))));
    REQUIRE((*files)->read(keys[0]).has_value());
    REQUIRE((*files)->write(keys[3], bytes_of(3)));
    CHECK((*files)->contains(keys[0]));
    CHECK_FALSE((*files)->contains(keys[1]));
    CHECK((*files)->bytes() == 3 * 196);
    CHECK(files_below(folder.path()).size() == 3);
    CHECK_FALSE((*files)->write(keys[1], bytes_of(1, 10'000)));
}

TEST_CASE("what other models left behind counts, too") {
    const test::TemporaryFolder folder;
    {
        auto old = BlockFiles::open(folder.path(), "an old model", 10'000);
        for (const auto& key : keys_of(10)) REQUIRE((*old)->write(key, bytes_of(1, 900)));
    }
    auto files = BlockFiles::open(folder.path(), "model", 3'000);
    CHECK(files_below(folder.path()).size() == 3);
}

TEST_CASE("memory holds what was used last; the rest goes to disk and comes back") {
    const test::TemporaryFolder folder;
    const auto keys = keys_of(4);
    int fetched = 0;
    SpillStore store(250, std::move(*BlockFiles::open(folder.path(), "model", 1 << 20)), [&] { ++fetched; });
    for (std::size_t i = 0; i < 4; ++i) store.put(keys[i], bytes_of(static_cast<std::uint8_t>(i)));
    store.settle(10s);
    CHECK(store.available(keys) == 4);
    CHECK(store.get(keys[0]) == nullptr);
    REQUIRE(store.get(keys[3]) != nullptr);
    const auto ticket = store.fetch(std::span(keys).first(1));
    REQUIRE(ticket);
    store.settle(10s);
    CHECK(*ticket);
    CHECK(fetched == 1);
    REQUIRE(store.get(keys[0]) != nullptr);
    CHECK(*store.get(keys[0]) == bytes_of(0));
    CHECK(store.fetch(std::span(keys).first(1)) == nullptr);
    CHECK(store.totals().host_bytes <= 250);
}

TEST_CASE("without a disk what memory cannot hold is gone, ends of prefixes first") {
    const auto keys = keys_of(3);
    SpillStore store(250, nullptr);
    for (std::size_t i = 0; i < 3; ++i) {
        store.put(keys[i], bytes_of(static_cast<std::uint8_t>(i)));
        store.touch(std::span(keys).first(i + 1));
    }
    CHECK(store.available(keys) == 1);
    CHECK(store.fetch(keys) == nullptr);
}

TEST_CASE("however many copies wait to be written, one on disk is fetched before them") {
    const test::TemporaryFolder folder;
    constexpr std::size_t many = 3'000;
    const auto keys = keys_of(many + 1);
    auto files = BlockFiles::open(folder.path(), "model", 1 << 24);
    REQUIRE((*files)->write(keys[many], bytes_of(7)));
    SpillStore store(1 << 20, std::move(*files));
    for (std::size_t i = 0; i < many; ++i) store.put(keys[i], bytes_of(1));
    store.persist_all();
    const auto ticket = store.fetch(std::span(keys).last(1));
    REQUIRE(ticket);
    store.settle(60s);
    CHECK(ticket->load());
    REQUIRE(store.get(keys[many]));
    CHECK(*store.get(keys[many]) == bytes_of(7));
}
