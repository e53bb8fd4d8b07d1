#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// What a schema lets a parameter be; several bits for several types. Zero: it does not say.
enum JsonTypes : std::uint8_t {
    unsaid = 0,
    json_null = 1,
    json_boolean = 2,
    json_integer = 4,
    json_number = 8,
    json_string_type = 16,
    json_array = 32,
    json_object = 64,
};

// The tools of one request, as far as a reader of the answer needs them: which names may be called, and what type the
// parameters have, for formats that write every value as bare text. Immutable.
class OfferedTools {
  public:
    // From OpenAI-style tool objects, as JSON text. What cannot be understood counts as unsaid.
    [[nodiscard]] static std::shared_ptr<const OfferedTools> read(const std::vector<std::string>& tools_json);

    [[nodiscard]] bool knows(std::string_view name) const { return tools_.contains(name); }
    [[nodiscard]] bool empty() const { return tools_.empty(); }

    // A value that was written as bare text, as JSON: of a type that the schema names if the text reads as one, else a
    // string. "5" is 5 for an integer and "5" for a string; where the schema says nothing, JSON is taken as JSON.
    [[nodiscard]] std::string value_of(std::string_view tool, std::string_view parameter, std::string_view text) const;

  private:
    using Parameters = std::map<std::string, std::uint8_t, std::less<>>;
    std::map<std::string, Parameters, std::less<>> tools_;
};

}  // namespace weft
