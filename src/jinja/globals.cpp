#include <time.h>


#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

namespace {

constexpr std::uint64_t longest_range = 100'000;  // the sandbox's own bound
constexpr std::size_t longest_date = 4096;

Outcome<Value> range(Call& call) {
    WEFT_TRY(const std::int64_t first, call.integer(0, 0));
    WEFT_TRY(const std::int64_t second, call.integer(1, 0));
    WEFT_TRY(const std::int64_t step, call.integer(2, 1));
    if (step == 0) return raise("range() arg 3 must not be zero");
    const std::int64_t start = call.has(1) ? first : 0, stop = call.has(1) ? second : first;
    const bool any = step > 0 ? start < stop : start > stop;
    const std::uint64_t distance = step > 0 ? static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start)
                                            : static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop);
    const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
    const std::uint64_t count = any ? (distance - 1) / stride + 1 : 0;
    if (count > longest_range)
        return raise(formatted("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", longest_range));
    Sequence numbers{SequenceType::range, {}};
    numbers.items.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i)
        numbers.items.push_back(Value::integer(start + static_cast<std::int64_t>(i) * step));
    return call.render.new_sequence(std::move(numbers));
}

// dict(pairs or mapping, name=value ...), of which namespace() is the mutable twin.
Outcome<Dict> entries_of(const Call& call) {
    if (call.given.positional.size() > 1) return raise("expected at most 1 positional argument");
    Dict dict;
    if (!call.given.positional.empty()) {
        const Value& source = call.given.positional.front();
        if (source.is_dict()) {
            dict = source.as_dict();
        } else {
            WEFT_TRY(const auto pairs, iterate(call.render, source));
            for (const Value& pair : pairs->items) {
                WEFT_TRY(const auto parts, iterate(call.render, pair));
                if (parts->items.size() != 2) return raise("dictionary update sequence element is not a pair");
                WEFT_CHECK(call.meter().work(parts->items[0].weight()));
                WEFT_CHECK(require_hashable(parts->items[0]));
                dict.set(parts->items[0], parts->items[1]);
            }
        }
    }
    for (const auto& [name, value] : call.given.named) dict.set(name, value);
    return dict;
}

Outcome<Value> make_dict(Call& call) {
    WEFT_TRY(Dict dict, entries_of(call));
    return call.render.new_dict(std::move(dict));
}

Outcome<Value> make_namespace(Call& call) {
    WEFT_TRY(const Dict dict, entries_of(call));
    WEFT_CHECK(call.meter().work(dict.size() * 4 * sizeof(Value)));
    auto made = std::make_shared<Namespace>();
    for (const auto& [name, value] : dict.entries())
        if (name.is_string()) made->set(name.as_string(), value);
    return call.render.new_namespace(std::move(made));
}

Outcome<Value> cycler(Call& call) {
    if (call.given.positional.empty()) return raise("at least one item has to be provided");
    return call.render.new_object(std::make_shared<Cycler>(call.given.positional));
}

Outcome<Value> joiner(Call& call) {
    return call.render.new_object(std::make_shared<Joiner>(call.has(0) ? call.at(0) : Value::string(", ")));
}

Outcome<Value> raise_exception(Call& call) {
    WEFT_TRY(std::string message, to_str(call.meter(), call.at(0)));
    return std::unexpected(Failure(std::move(message), true));
}

Outcome<Value> strftime_now(Call& call) {
    WEFT_TRY(const auto format, call.text(0));
    const time_t now = std::chrono::system_clock::to_time_t(call.render.now());
    tm local{};
    localtime_r(&now, &local);
    if (format.size() > longest_date / 4) return raise("strftime_now with a format that is too long");
    // A mark keeps an empty result apart from one that did not fit.
    char text[longest_date];
    const std::size_t length = strftime(text, sizeof text, (std::string(format) + "!").c_str(), &local);
    if (length == 0) return raise("strftime_now with a format that is too long");
    return call.render.new_text(std::string(text, length - 1));
}

constexpr Builtin globals[] = {
    {"range", "start stop? step?", range},
    {"dict", "*", make_dict},
    {"namespace", "*", make_namespace},
    {"cycler", "*", cycler},
    {"joiner", "sep?", joiner},
    {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
};

}  // namespace

BuiltinTable globals_table() { return globals; }

}  // namespace weft::jinja
