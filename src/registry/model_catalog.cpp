#include "registry/model_catalog.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <unordered_map>

#include "base/ascii.h"
#include "base/log.h"
#include "registry/gguf.h"
#include "registry/gguf_check.h"
#include "registry/model_name.h"

namespace weft {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t max_vocabulary_difference = 128;

ModelCatalog::Mark mark(const fs::path& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return {.path = path};
    return {.path = path,
            .modified_ns = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec,
            .bytes = static_cast<std::uint64_t>(info.st_size),
            .inode = static_cast<std::uint64_t>(info.st_ino)};
}

bool same(const std::vector<ModelCatalog::Mark>& marks) {
    return std::ranges::all_of(marks, [](const auto& before) { return mark(before.path) == before; });
}

bool is_gguf(const fs::path& path) {
    return equal_ignoring_case(path.extension().string(), ".gguf");
}

std::string name_from_file(const fs::path& path) {
    const std::string part = name_part_from_file(model_stem(path));
    return part.empty() ? "model" : part;
}

// ---- one scan -------------------------------------------------------------------------------------------------------

class Scan {
  public:
    Scan(const ModelSources& sources, const ModelCatalog& previous) : sources_(sources), previous_(previous) {
        // What is wrong with one name's adapter, projector or draft model says nothing about the file, which other names may have.
        for (const auto& [key, entry] : previous.entries)
            if (!entry.part_broken) by_path_.emplace(entry.files.front().path, &entry);
    }

    ModelCatalog run() {
        for (const auto& model : sources_.models)
            if (!model.path.empty()) add_configured(model);
        for (const auto& folder : sources_.folders) add_folder(folder);
        for (const auto& model : sources_.models)
            if (model.path.empty()) add_settings(model);
        return std::move(catalog_);
    }

  private:
    void add_configured(const ConfiguredModel& model) {
        if (auto* entry = add_file(name_of(model), model.path)) configure(*entry, model);
    }

    void add_settings(const ConfiguredModel& model) {
        const auto name = ModelName::parse(model.name);
        const auto entry = name ? catalog_.entries.find(name->key()) : catalog_.entries.end();
        if (entry != catalog_.entries.end()) configure(entry->second, model);
    }

    void configure(ModelCatalog::Entry& entry, const ConfiguredModel& model) {
        if (!entry.model) return;
        auto info = std::make_shared<ModelInfo>(*entry.model);
        info->system = model.system;
        info->parameters_text = model.parameters_text;
        info->context_tokens = model.context_tokens;
        info->keep_alive = model.keep_alive;
        add_adapters(entry, std::move(info), model.adapters);
        add_draft(entry, model.draft);
        if (entry.model) add_projector(entry, std::make_shared<ModelInfo>(*entry.model), model.projector);
    }

    // One that cannot be used makes its model one that cannot be loaded, too: somebody counts on its speed.
    void add_draft(ModelCatalog::Entry& entry, const fs::path& draft) {
        if (!entry.model || draft.empty()) return;
        std::erase_if(entry.files, [&](const Mark& file) { return file.path == draft; });
        entry.files.push_back(mark(draft));
        auto header = read_gguf(draft);
        const auto fits = header ? check_draft(*header, *entry.model->header) : Result<void>(std::unexpected(header.error()));
        if (!fits) {
            entry.part_broken = true;
            entry.error = fits.error();
            entry.error.message = "model '" + entry.model->name + "' cannot be loaded: draft model: " + fits.error().message;
            entry.model.reset();
            return note(draft, "draft_model_broken", fits.error().message + " " + fits.error().detail);
        }
        auto info = std::make_shared<ModelInfo>(*entry.model);
        info->draft = draft;
        info->digest = mixed(info->digest, header->digest, 0);
        info->draft_header = std::make_shared<const GgufHeader>(std::move(*header));
        entry.model = std::move(info);
    }

    static Result<void> check_draft(const GgufHeader& draft, const GgufHeader& model) {
        WEFT_CHECK(check_language_model(draft));
        const auto size = [](const GgufHeader& header) {
            const auto* tokens = header.array("tokenizer.ggml.tokens");
            return tokens == nullptr ? 0 : static_cast<std::int64_t>(tokens->count);
        };
        // A few more may be padding. Whether they mean the same is seen when both are loaded.
        if (std::abs(size(draft) - size(model)) > max_vocabulary_difference)
            return fail(ErrorCode::model_load_failed, "its vocabulary is another than the model's");
        return {};
    }

    // One that does not fit makes its model one that cannot be loaded: whoever configured it wants images to work.
    void add_projector(ModelCatalog::Entry& entry, std::shared_ptr<ModelInfo> info, const fs::path& projector) {
        forget_projector(entry, *info);
        if (!projector.empty()) {
            entry.files.push_back(mark(projector));
            const auto header = read_gguf(projector);
            const auto fits = header ? check_projector(*header) : Result<void>(std::unexpected(header.error()));
            if (!fits) {
                entry.model.reset();
                entry.part_broken = true;
                entry.error = fits.error();
                entry.error.message = "model '" + info->name + "' cannot be loaded: projector: " + fits.error().message;
                return note(projector, "projector_broken", fits.error().message + " " + fits.error().detail);
            }
            info->projector = projector;
            info->projector_bytes = header->file_bytes;
            if (projects_images(*header)) info->capabilities.emplace_back("vision");
            if (projects_audio(*header)) info->capabilities.emplace_back("audio");
            info->digest = mixed(info->digest, header->digest, 1);
        }
        entry.model = std::move(info);
    }

    static void forget_projector(ModelCatalog::Entry& entry, ModelInfo& info) {
        std::erase_if(entry.files, [&](const Mark& file) { return !info.projector.empty() && file.path == info.projector; });
        for (const auto* sense : {"vision", "audio"}) std::erase(info.capabilities, sense);
        info.projector.clear();
        info.projector_bytes = 0;
    }

    // An adapter that does not fit makes its model one that cannot be loaded: without it, it would be another model.
    void add_adapters(ModelCatalog::Entry& entry, std::shared_ptr<ModelInfo> info, const std::vector<ModelAdapter>& adapters) {
        info->adapters = adapters;
        info->digest = info->header->digest;
        std::erase_if(entry.files, [&](const Mark& file) { return std::ranges::contains(adapters, file.path, &ModelAdapter::path); });
        for (const auto& adapter : adapters) {
            entry.files.push_back(mark(adapter.path));
            const auto header = read_gguf(adapter.path);
            const auto fits = header ? check_adapter(*header, *info->header) : Result<void>(std::unexpected(header.error()));
            if (!fits) {
                entry.model.reset();
                entry.part_broken = true;
                entry.error = fits.error();
                entry.error.message = "model '" + info->name + "' cannot be loaded: adapter: " + fits.error().message;
                return note(adapter.path, "adapter_broken", fits.error().message + " " + fits.error().detail);
            }
            info->digest = mixed(info->digest, header->digest, adapter.scale);
        }
        entry.model = std::move(info);
    }

    // Another adapter or scale is another model.
    static std::string mixed(std::string digest, std::string_view other, float scale) {
        constexpr std::string_view digits = "0123456789abcdef";
        auto salt = std::bit_cast<std::uint32_t>(scale);
        for (std::size_t i = 0; i < digest.size() && i < other.size(); ++i, salt = std::rotl(salt, 4))
            digest[i] = digits[(digits.find(digest[i]) * 3 + digits.find(other[i]) + (salt & 15U)) % digits.size()];
        return digest;
    }

    void add_folder(const fs::path& folder) {
        std::size_t subfolders = 0;
        for (const auto& path : children(folder)) {
            std::error_code error;
            if (is_gguf(path)) {
                add_listed(name_from_file(path), path);
            } else if (fs::is_directory(path, error) && ++subfolders <= max_subfolders) {
                add_subfolder(path);
            }
        }
    }

    void add_subfolder(const fs::path& folder) {
        std::string space = name_part_from_file(folder.filename().string());
        std::ranges::replace(space, '.', '-');  // a namespace holds no dots
        if (space.empty()) return;
        for (const auto& path : children(folder))
            if (is_gguf(path)) add_listed(space + "/" + name_from_file(path), path);
    }

    void add_listed(const std::string& name, const fs::path& path) {
        std::error_code error;
        if (!is_later_shard(path) && !fs::is_directory(path, error)) add_file(name, path);
    }

    // In the order of their names, so that the same folder always gives the same models. The folder is watched.
    std::vector<fs::path> children(const fs::path& folder) {
        catalog_.folders.push_back(mark(folder));
        std::vector<fs::path> paths;
        std::error_code error;
        for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
             !error && it != end && paths.size() < max_files_per_folder; it.increment(error))
            if (!it->path().filename().string().starts_with('.')) paths.push_back(it->path());
        std::ranges::sort(paths);
        return paths;
    }

    // The entry that was made; nothing when the name is taken or is none.
    ModelCatalog::Entry* add_file(const std::string& name, const fs::path& path) {
        const auto parsed = ModelName::parse(name);
        if (!parsed) {
            note(path, "model_name_invalid", name);
            return nullptr;
        }
        auto [it, is_new] = catalog_.entries.try_emplace(parsed->key());
        if (!is_new) {
            const auto& by = it->second.files.front().path;
            if (by != path) hide(parsed->display(), path, by);
            return nullptr;
        }
        it->second = look_at(*parsed, path);
        return &it->second;
    }

    void hide(std::string name, const fs::path& path, const fs::path& by) {
        note(path, "model_name_taken", name + " is " + by.string());
        catalog_.hidden.push_back({.name = std::move(name), .path = path, .by = by});
    }

    ModelCatalog::Entry look_at(const ModelName& name, const fs::path& path) {
        const auto known = by_path_.find(path);
        if (known != by_path_.end() && same(known->second->files)) return renamed(*known->second, name);
        ModelCatalog::Entry entry{.key = name.key()};
        for (const auto& file : files_of_model(path)) entry.files.push_back(mark(file));
        auto header = read_gguf(path);
        const auto usable = header ? check_language_model(*header) : Result<void>(std::unexpected(header.error()));
        if (!usable) {
            entry.error = broken(name, usable.error());
            note(path, "model_broken", usable.error().message + " " + usable.error().detail);
            return entry;
        }
        entry.model = std::make_shared<const ModelInfo>(describe_model(name.display(), std::move(*header)));
        return entry;
    }

    static ModelCatalog::Entry renamed(ModelCatalog::Entry entry, const ModelName& name) {
        entry.key = name.key();
        if (entry.model && entry.model->name != name.display()) {
            auto info = std::make_shared<ModelInfo>(*entry.model);
            info->name = name.display();
            info->system.clear();  // the other name's configuration is not this one's
            info->parameters_text.clear();
            info->adapters.clear();
            info->draft.clear();
            info->draft_header.reset();
            forget_projector(entry, *info);
            if (info->header) info->digest = info->header->digest;
            info->context_tokens = 0;
            info->keep_alive.reset();
            entry.model = std::move(info);
        }
        return entry;
    }

    static Error broken(const ModelName& name, Error error) {
        error.message = "model '" + name.display() + "' cannot be loaded: " + error.message;
        return error;
    }

    // Once for each file and state of it: not again while the previous scan saw the same.
    void note(const fs::path& path, std::string_view event, const std::string& why) {
        const Mark now = mark(path);
        catalog_.noted.push_back(now);
        if (std::ranges::contains(previous_.noted, now)) return;
        log_warn(event, {{"file", path.string()}, {"why", why}});
    }

    using Mark = ModelCatalog::Mark;
    const ModelSources& sources_;
    const ModelCatalog& previous_;
    std::unordered_map<std::string, const ModelCatalog::Entry*> by_path_{};
    ModelCatalog catalog_{};
};

}  // namespace

std::string name_of(const ConfiguredModel& model) {
    return model.name.empty() ? name_from_file(model.path) : model.name;
}

// ---- what was found -------------------------------------------------------------------------------------------------

Result<std::shared_ptr<const ModelInfo>> ModelCatalog::find(const std::string& name) const {
    WEFT_TRY(const auto parsed, ModelName::parse(name));
    const auto it = entries.find(parsed.key());
    if (it == entries.end()) return fail(ErrorCode::not_found, "model '" + name + "' not found");
    if (!it->second.model) return std::unexpected(it->second.error);
    return it->second.model;
}

std::vector<std::shared_ptr<const ModelInfo>> ModelCatalog::list() const {
    std::vector<std::shared_ptr<const ModelInfo>> all;
    for (const auto& [key, entry] : entries)
        if (entry.model) all.push_back(entry.model);
    std::ranges::sort(all, [](const auto& a, const auto& b) {
        return a->modified_at != b->modified_at ? a->modified_at > b->modified_at : a->name < b->name;
    });
    return all;
}

bool ModelCatalog::is_current(const std::string& name) const {
    const auto parsed = ModelName::parse(name);
    const auto it = parsed ? entries.find(parsed->key()) : entries.end();
    return it != entries.end() && it->second.model && same(it->second.files);
}

bool ModelCatalog::changed() const {
    if (!same(folders)) return true;
    return !std::ranges::all_of(entries, [](const auto& entry) { return same(entry.second.files); });
}

ModelCatalog scan_models(const ModelSources& sources, const ModelCatalog& previous) {
    return Scan(sources, previous).run();
}

}  // namespace weft
