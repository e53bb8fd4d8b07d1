#include "cli/top_command.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <glaze/json.hpp>

#include "base/formatted.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/text_width.h"

namespace weft::cli {
namespace {

constexpr auto refresh = std::chrono::seconds(1);
constexpr std::size_t rows_of_sequences = 20;
constexpr std::string_view clear_screen = "\x1b[H\x1b[J";

struct Answer {
    std::vector<TopModel> models;
};

const TopModel* find(const std::vector<TopModel>& models, const std::string& name) {
    const auto it = std::ranges::find(models, name, &TopModel::model);
    return it == models.end() ? nullptr : &*it;
}

std::string rate(std::uint64_t now, std::uint64_t before, double seconds) {
    return now < before ? "-" : formatted("{:.0f}/s", static_cast<double>(now - before) / seconds);
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? "-" : formatted("{:.0f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::vector<std::string> row_of(const TopModel& model, const TopModel* before, double seconds) {
    const bool rates = before != nullptr && seconds > 0;
    const auto known = model.cached_tokens + model.prefilled_tokens;
    return {without_controls(model.model),
            model.ready ? formatted("{}/{}", model.running, model.slots) : model.resident ? "loading" : "no room",
            std::to_string(model.waiting + model.awaiting_model),
            std::to_string(model.parked),
            percent(model.kv_cells_used, model.kv_cells),
            percent(model.cached_tokens, known),
            rates ? rate(model.prefilled_tokens, before->prefilled_tokens, seconds) : "-",
            rates ? rate(model.completion_tokens, before->completion_tokens, seconds) : "-",
            human_bytes(model.cache_host_bytes),
            human_bytes(model.cache_disk_bytes)};
}

std::vector<std::string> row_of(const TopSequence& one) {
    return {formatted("{}.{}", one.request, one.choice),
            without_controls(one.state),
            one.position == 0 ? "" : std::to_string(one.position),
            std::to_string(one.priority),
            one.tenant.empty() ? "-" : without_controls(one.tenant),
            formatted("{}/{}", one.computed_tokens, one.prompt_tokens + one.generated_tokens),
            std::to_string(one.generated_tokens),
            human_duration(std::chrono::milliseconds(one.age_ms))};
}

// True when Ctrl-C came meanwhile.
bool wait(const Interrupt& interrupt) {
    pollfd watched{.fd = interrupt.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, static_cast<int>(std::chrono::milliseconds(refresh).count())) > 0 || interrupt.happened();
}

}  // namespace

Result<std::vector<TopModel>> parse_queue(const std::string& json) {
    Answer answer;
    constexpr glz::opts options{.error_on_unknown_keys = false};
    if (glz::read<options>(answer, json)) return fail(ErrorCode::internal, "the server's answer is not understood");
    return std::move(answer.models);
}

std::string top_table(const std::vector<TopModel>& now, const std::vector<TopModel>& before, double seconds, std::size_t rows) {
    std::vector<std::vector<std::string>> models, sequences;
    for (const auto& model : now) {
        models.push_back(row_of(model, find(before, model.model), seconds));
        for (const auto& one : model.sequences)
            if (sequences.size() < rows) sequences.push_back(row_of(one));
    }
    auto text = format_table({"MODEL", "RUNNING", "WAITING", "PARKED", "KV", "CACHED", "PREFILL", "GENERATED", "IN MEMORY", "ON DISK"},
                             models);
    if (!sequences.empty())
        text += "\n" + format_table({"REQUEST", "STATE", "PLACE", "PRIORITY", "TENANT", "COMPUTED", "GENERATED", "AGE"}, sequences);
    return text;
}

Result<void> show_top(OllamaClient& client, const Terminal& terminal, bool json) {
    WEFT_TRY(auto text, client.get_json("/api/v1/queue"));
    if (json) {
        print(text + "\n");
        return {};
    }
    const Interrupt interrupt;
    std::vector<TopModel> before;
    auto asked_at = std::chrono::steady_clock::now();
    for (;;) {
        WEFT_TRY(auto models, parse_queue(text));
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - asked_at).count();
        asked_at = now;
        const auto table = top_table(models, before, seconds, rows_of_sequences);
        if (!terminal.output) {
            print(table);
            return {};
        }
        if (!print(std::string(clear_screen) + table) || wait(interrupt)) return {};
        before = std::move(models);
        WEFT_TRY(text, client.get_json("/api/v1/queue"));
    }
}

}  // namespace weft::cli
