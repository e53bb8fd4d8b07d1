#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>

namespace weft::jinja {

// An error inside parser and evaluator, small because nearly every function returns one or a value.
// Template turns it into an Error at its border, adding the line.
class Failure {
  public:
    explicit Failure(std::string message, bool from_template = false)
        : detail_(std::make_shared<const Detail>(std::move(message), from_template)) {}

    [[nodiscard]] const std::string& message() const { return detail_->message; }
    // The template said so itself, with raise_exception: its words are for the client as they are.
    [[nodiscard]] bool from_template() const { return detail_->from_template; }

  private:
    struct Detail {
        std::string message;
        bool from_template;
    };
    std::shared_ptr<const Detail> detail_;
};

template <typename T>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> raise(std::string message) {
    return std::unexpected(Failure(std::move(message)));
}

}  // namespace weft::jinja
