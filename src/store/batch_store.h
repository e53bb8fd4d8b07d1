#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft {

// Times are Unix seconds, 0 for none.
struct FileRow {
    std::int64_t number = 0;  // given by the store
    std::string id;
    std::string tenant;
    std::string filename;
    std::string purpose;
    std::int64_t bytes = 0;
    std::int64_t created_s = 0;
    std::int64_t expires_s = 0;
};

struct NewFile {
    FileRow row;
    std::string content;
};

// A batch of requests; its state is text that only its dialect reads.
struct BatchRecord {
    std::int64_t number = 0;  // given by the store
    std::string id;
    std::string tenant;
    std::string state;
    bool running = true;      // to be taken up again after a restart
    std::int64_t expires_s = 0;  // once it has ended
};

// The answer to one line of a batch's input.
struct BatchAnswer {
    std::int64_t line = 0;
    bool failed = false;
    std::string text;
};

struct PageQuery {
    std::string tenant;
    std::string after_id{};
    std::string purpose{};  // of files; empty: any
    std::size_t limit = 20;
    bool oldest_first = false;
};

// Files that clients gave, and batches of requests over them. What is written is durable when `done` is called. Errors:
// storage_full, overloaded, internal, and not_found for what is not there. Thread: io.
class BatchStore {
  public:
    template <typename T>
    using Done = std::function<void(Result<T>)>;

    virtual ~BatchStore() = default;

    virtual void add_file(NewFile file, Done<bool> done) = 0;
    virtual void find_file(std::string tenant, std::string id, Done<FileRow> done) = 0;
    virtual void read_file(std::string tenant, std::string id, Done<std::string> done) = 0;
    virtual void list_files(PageQuery query, Done<std::vector<FileRow>> done) = 0;
    virtual void remove_file(std::string tenant, std::string id, Done<bool> done) = 0;  // false: there is none
    // Forgets files and batches past their time. How many files.
    virtual void expire(std::int64_t now_s, Done<std::size_t> done) = 0;

    virtual void add_batch(BatchRecord batch, Done<std::int64_t> done) = 0;  // its number
    virtual void update_batch(BatchRecord batch, Done<bool> done) = 0;
    virtual void find_batch(std::string tenant, std::string id, Done<BatchRecord> done) = 0;
    virtual void list_batches(PageQuery query, Done<std::vector<BatchRecord>> done) = 0;
    // Before anything else is asked.
    [[nodiscard]] virtual Result<std::vector<BatchRecord>> running_batches() = 0;

    // A line is answered once; a second answer changes nothing.
    virtual void add_answer(std::int64_t batch_number, BatchAnswer answer, Done<bool> done) = 0;
    virtual void answers(std::int64_t batch_number, Done<std::vector<BatchAnswer>> done) = 0;
    // The batch's last state and its result files, in one step; the answers are in those from then on.
    virtual void finish_batch(BatchRecord batch, std::vector<NewFile> results, Done<bool> done) = 0;
};

}  // namespace weft
