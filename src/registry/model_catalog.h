#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "registry/model_info.h"

namespace weft {

// A model that somebody named: an entry of the configuration, or `--model FILE`.
struct ConfiguredModel {
    std::string name;                // empty: from the file's name
    std::filesystem::path path;      // empty: what follows is for the model of that name, wherever it comes from
    std::string system{};
    std::vector<std::pair<std::string, std::string>> parameters_text{};  // name, JSON value
    std::vector<ModelAdapter> adapters{};
    std::filesystem::path draft{};   // a smaller model that guesses for it; empty: none
    std::filesystem::path projector{};  // of images into embeddings; empty = none
    std::uint32_t context_tokens = 0;
    std::optional<std::chrono::nanoseconds> keep_alive{};
};

// Where models come from. Earlier ones win when two have the same name.
struct ModelSources {
    std::vector<ConfiguredModel> models{};
    std::vector<std::filesystem::path> folders{};  // FOLDER/model.gguf is "model", FOLDER/space/model.gguf "space/model"
};

// What a scan found. Immutable once made; shared between threads as const.
struct ModelCatalog {
    // Of a file or folder, to notice a change without reading it.
    struct Mark {
        std::filesystem::path path;
        std::int64_t modified_ns = 0;  // 0 when it is not there
        std::uint64_t bytes = 0;
        std::uint64_t inode = 0;
        bool operator==(const Mark&) const = default;
    };
    // A file that was looked at. Either a model or the reason why it is none.
    struct Entry {
        std::string key;               // ModelName::key()
        std::vector<Mark> files;
        std::shared_ptr<const ModelInfo> model{};
        Error error{};                 // when there is no model
        bool part_broken = false;      // not the file but an adapter, projector or draft model is what is wrong
    };

    // A file that is not served, because another one has its name.
    struct Hidden {
        std::string name;              // display form
        std::filesystem::path path;
        std::filesystem::path by;
    };

    std::map<std::string, Entry> entries{};  // by key
    std::vector<Hidden> hidden{};
    std::vector<Mark> folders{};
    std::vector<Mark> noted{};  // files that something was logged about

    // not_found, or what is wrong with the file, or invalid_request for a name that is none.
    [[nodiscard]] Result<std::shared_ptr<const ModelInfo>> find(const std::string& name) const;
    // All models, newest first, then by name.
    [[nodiscard]] std::vector<std::shared_ptr<const ModelInfo>> list() const;
    // Whether this very model is here and its files are as they were: then nothing else need be looked at.
    [[nodiscard]] bool is_current(const std::string& name) const;
    // Whether a folder or a file is not as it was. A few stat(2) calls.
    [[nodiscard]] bool changed() const;
};

inline constexpr std::size_t max_files_per_folder = 4096;
inline constexpr std::size_t max_subfolders = 1024;

// Looks at every source; files that are as they were in `previous` are not read again. What is broken, unreadable or
// hidden by an earlier name is logged once. Blocks on the disk. Thread: any (worker).
[[nodiscard]] ModelCatalog scan_models(const ModelSources& sources, const ModelCatalog& previous);

// The name that a configured model is served under: its own, or one from its file's name.
[[nodiscard]] std::string name_of(const ConfiguredModel& model);

// What a header says about its model; `name` in display form.
[[nodiscard]] ModelInfo describe_model(std::string name, GgufHeader header);

}  // namespace weft
