#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "api/batch_object.h"

namespace weft::api {

inline constexpr std::size_t max_batch_lines = 50'000;
inline constexpr std::size_t max_batch_errors = 100;  // that are told
inline constexpr std::size_t max_custom_id_bytes = 512;

// One request of a batch's input, where it is in the file: [begin, begin + length).
struct BatchLine {
    std::int64_t number = 0;  // from 1, empty lines counted
    std::size_t begin = 0;
    std::size_t length = 0;
    std::string custom_id;
};

struct BatchInput {
    std::vector<BatchLine> lines{};
    std::vector<BatchError> errors{};  // any: nothing is run
    std::string model{};               // of the first line
};

// Reads an input file in pieces, so that others have their turn in between. content and endpoint outlive it.
class BatchInputReader {
  public:
    BatchInputReader(std::string_view content, std::string_view endpoint) : content_(content), endpoint_(endpoint) {}

    // Reads at most that many lines. False at the end.
    [[nodiscard]] bool read(std::size_t lines);
    // Once all of it is read.
    [[nodiscard]] BatchInput take();

  private:
    void add(std::string_view line);
    void tell(BatchError error);

    std::string_view content_;
    std::string_view endpoint_;
    std::size_t begin_ = 0;
    std::int64_t number_ = 0;
    std::unordered_set<std::string> custom_ids_{};
    BatchInput input_{};
};

[[nodiscard]] BatchInput read_batch_input(std::string_view content, std::string_view endpoint);

// The body of a line that was found to be fine.
[[nodiscard]] std::string batch_line_body(std::string_view line);

}  // namespace weft::api
