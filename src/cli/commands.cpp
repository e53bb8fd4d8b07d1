#include "cli/commands.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/formatted.h"
#include "cli/format.h"
#include "cli/text_width.h"

namespace weft::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

WallTime now() { return std::chrono::system_clock::now(); }

std::string short_id(const std::string& digest) { return without_controls(digest.substr(0, 12)); }

// Adds the missing line end.
Result<void> print_text(std::string text) {
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    print(text);
    return {};
}

std::string since(const std::string& time_text) {
    const auto time = parse_time(time_text);
    return time ? relative_time(*time, now()) : "-";
}

// A model that never unloads has a date decades ahead; one that is being unloaded has one in the past.
std::string until(const std::string& time_text) {
    const auto time = parse_time(time_text);
    if (!time) return "-";
    if (*time < now()) return "Stopping...";
    const auto years_left = (std::chrono::floor<std::chrono::days>(*time) - std::chrono::floor<std::chrono::days>(now())) /
                            std::chrono::days(365);
    return years_left >= 10 ? "Forever" : relative_time(*time, now());
}

std::string processor(std::uint64_t bytes, std::uint64_t gpu_bytes) {
    if (gpu_bytes == 0) return "100% CPU";
    if (gpu_bytes >= bytes) return "100% GPU";
    const auto gpu_percent = static_cast<double>(gpu_bytes) * 100 / static_cast<double>(bytes);
    return formatted("{:.0f}%/{:.0f}% CPU/GPU", 100 - gpu_percent, gpu_percent);
}

// "architecture      llama", each line indented under the section's title.
std::string section(const Terminal& terminal, std::string_view title, const Rows& rows) {
    std::size_t width = 0;
    for (const auto& row : rows)
        if (row.size() > 1) width = std::max(width, text_width(row[0]));
    std::string text = "  " + terminal.styled("1", title) + "\n";
    for (const auto& row : rows) {
        text += "    " + row[0];
        if (row.size() > 1) text += std::string(width - text_width(row[0]) + 4, ' ') + row[1];
        text += '\n';
    }
    return text + "\n";
}

Rows lines_of(const std::string& text, std::size_t at_most) {
    Rows rows;
    std::string_view rest = text;
    while (!rest.empty()) {
        if (rows.size() == at_most) {
            rows.push_back({"..."});
            break;
        }
        const auto end = rest.find('\n');
        const auto line = rest.substr(0, end);
        if (!line.empty()) rows.push_back({std::string(line)});
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    }
    return rows;
}

Rows model_rows(const ShownModel& model) {
    Rows rows;
    const auto add = [&rows](std::string name, std::string value) {
        if (!value.empty()) rows.push_back({std::move(name), std::move(value)});
    };
    add("architecture", model.info("general.architecture").empty() ? model.details.family
                                                                   : model.info("general.architecture"));
    add("parameters", model.details.parameter_size);
    add("context length", model.info("context_length"));
    add("embedding length", model.info("embedding_length"));
    add("quantization", model.details.quantization_level);
    return rows;
}

Rows metadata_rows(const ShownModel& model) {
    constexpr std::size_t shown_bytes = 80;  // long arrays and templates would bury the rest
    Rows rows;
    for (const auto& [key, value] : model.model_info) {
        std::string line = value.substr(0, value.find('\n'));
        if (line.size() > shown_bytes || line.size() < value.size()) {
            std::size_t end = std::min(line.size(), shown_bytes);
            while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80) --end;
            line = line.substr(0, end) + "...";
        }
        rows.push_back({key, std::move(line)});
    }
    return rows;
}

Rows tensor_rows(const ShownModel& model) {
    Rows rows;
    for (const auto& tensor : model.tensors) {
        std::string shape;
        for (const auto size : tensor.shape) shape += (shape.empty() ? "[" : " ") + std::to_string(size);
        rows.push_back({tensor.name, tensor.type + "    " + shape + "]"});
    }
    return rows;
}

}  // namespace

Result<void> list_models(const OllamaClient& client, const ListOptions& options) {
    if (options.json) {
        WEFT_TRY(auto json, client.get_json("/api/tags"));
        return print_text(std::move(json));
    }
    WEFT_TRY(const auto models, client.list());
    Rows rows;
    for (const auto& model : models)
        if (model.name.starts_with(options.prefix))
            rows.push_back({without_controls(model.name), short_id(model.digest), human_bytes(model.size),
                            since(model.modified_at)});
    return print_text(format_table({"NAME", "ID", "SIZE", "MODIFIED"}, rows));
}

Result<void> list_running(const OllamaClient& client, bool json) {
    if (json) {
        WEFT_TRY(auto text, client.get_json("/api/ps"));
        return print_text(std::move(text));
    }
    WEFT_TRY(const auto models, client.running());
    Rows rows;
    for (const auto& model : models)
        rows.push_back({without_controls(model.name), short_id(model.digest), human_bytes(model.size),
                        processor(model.size, model.size_vram), std::to_string(model.context_length),
                        until(model.expires_at)});
    return print_text(format_table({"NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"}, rows));
}

Result<void> show_model(const OllamaClient& client, const Terminal& terminal, const ShowOptions& options) {
    if (options.json) {
        WEFT_TRY(auto json, client.show_json(options.model, options.verbose));
        return print_text(std::move(json));
    }
    WEFT_TRY(const auto model, client.show(options.model, options.verbose));
    const auto part = [&](const std::string& text) {
        return print_text(terminal.output ? without_controls(text) : text);
    };
    if (options.modelfile) return part(model.modelfile);
    if (options.parameters) return part(model.parameters);
    if (options.template_text) return part(model.template_text);
    if (options.system) return part(model.system);
    if (options.license) return part(model.license);
    return print_text(describe(model, terminal, options.verbose));
}

std::string describe(const ShownModel& model, const Terminal& terminal, bool verbose) {
    constexpr std::size_t all = static_cast<std::size_t>(-1);
    ShownModel clean = model;  // what a model's author wrote must not command the terminal
    for (auto* text : {&clean.parameters, &clean.system, &clean.license}) *text = without_controls(*text);
    for (auto& [key, value] : clean.model_info) {
        key = without_controls(key);
        value = without_controls(value);
    }
    for (auto& tensor : clean.tensors) tensor.name = without_controls(tensor.name);

    std::string text = section(terminal, "Model", model_rows(clean));
    Rows capabilities;
    for (const auto& capability : clean.capabilities) capabilities.push_back({without_controls(capability)});
    if (!capabilities.empty()) text += section(terminal, "Capabilities", capabilities);
    if (!clean.parameters.empty()) text += section(terminal, "Parameters", lines_of(clean.parameters, all));
    if (verbose && !clean.model_info.empty()) text += section(terminal, "Metadata", metadata_rows(clean));
    if (verbose && !clean.tensors.empty()) text += section(terminal, "Tensors", tensor_rows(clean));
    if (!clean.system.empty()) text += section(terminal, "System", lines_of(clean.system, verbose ? all : 2));
    if (!clean.license.empty()) text += section(terminal, "License", lines_of(clean.license, verbose ? all : 2));
    return text;
}

Result<void> stop_model(const OllamaClient& client, const std::string& model) { return client.unload(model); }

Result<void> check_health(const OllamaClient& client) {
    WEFT_TRY(const auto body, client.get_json("/readyz"));
    return {};
}

Result<void> print_version(const OllamaClient& client, bool json) {
    const auto server = client.version();
    if (json)
        return print_text(formatted(R"({{"version":"{}","server":{}}})", WEFT_VERSION,
                                      server ? R"({"api_version":)" + json_string(*server) + "}" : "null"));
    std::string text = "weft version " WEFT_VERSION "\n";
    text += server ? formatted("server at {}: Ollama API {}\n", client.endpoint().url(), without_controls(*server))
                   : formatted("{}\n", server.error().message);
    return print_text(text);
}

}  // namespace weft::cli
