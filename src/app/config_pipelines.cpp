#include "app/config_pipelines.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "app/config_values.h"

namespace weft {
namespace {

constexpr std::int64_t most_at_once = 4096;
constexpr std::int64_t longest_queue = 100'000;

// A key of a stage: what it must be, and how it is taken over; false: it is something else.
struct StageKey {
    std::string_view name;
    std::string_view rule;
    std::function<bool(const ConfigNode&)> take;
};
using StageKeys = std::vector<StageKey>;

bool is_pipeline_name(const std::string& name) {
    return !name.empty() && name.size() <= max_pipeline_name_bytes && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
}

std::function<bool(const ConfigNode&)> count_into(std::size_t& slot, std::int64_t least, std::int64_t most) {
    return [&slot, least, most](const ConfigNode& value) {
        const auto number = config_integer(value);
        if (!number || *number < least || *number > most) return false;
        slot = static_cast<std::size_t>(*number);
        return true;
    };
}

std::function<bool(const ConfigNode&)> number_into(double& slot, double least, double most) {
    return [&slot, least, most](const ConfigNode& value) {
        const auto number = config_number(value);
        if (!number || *number < least || *number > most) return false;
        slot = *number;
        return true;
    };
}

template <typename Slot>
std::function<bool(const ConfigNode&)> flag_into(Slot& slot) {
    return [&slot](const ConfigNode& value) {
        const auto flag = config_flag(value);
        if (flag) slot = *flag;
        return flag.has_value();
    };
}

std::function<bool(const ConfigNode&)> text_into(std::string& slot) {
    return [&slot](const ConfigNode& value) {
        auto text = config_text(value);
        if (text) slot = std::move(*text);
        return text.has_value();
    };
}

std::function<bool(const ConfigNode&)> texts_into(std::vector<std::string>& slot) {
    return [&slot](const ConfigNode& value) {
        auto texts = config_texts(value);
        if (texts) slot = std::move(*texts);
        return texts.has_value();
    };
}

std::function<bool(const ConfigNode&)> mode_into(SearchMode& slot) {
    return [&slot](const ConfigNode& value) {
        const auto word = config_text(value).value_or("");
        if (word != "hybrid" && word != "vector" && word != "keyword") return false;
        slot = word == "hybrid" ? SearchMode::hybrid : word == "vector" ? SearchMode::vector : SearchMode::keyword;
        return true;
    };
}

StageKeys with_bounds(StageKeys keys, StageBounds& bounds) {
    keys.push_back({"parallel", "a whole number from 1 to 4096", count_into(bounds.parallel, 1, most_at_once)});
    keys.push_back({"queue", "a whole number from 0 to 100000", count_into(bounds.queue, 0, longest_queue)});
    return keys;
}

class PipelineBinder {
  public:
    PipelineBinder(const ConfigFile& file, std::vector<ConfigProblem>& problems) : file_(file), problems_(problems) {}

    void bind(const std::string& name, const ConfigNode& value, PipelineMap& pipelines) {
        const std::string path = "pipelines." + name;
        if (!is_pipeline_name(name)) return problem(path, "must be named by up to 64 letters, digits, '-' and '_'");
        PipelineOptions options;
        const auto before = problems_.size();
        group(path, value, {
            {"retrieve", "", [&](const ConfigNode& stage) { return retrieve(path + ".retrieve", stage, options.retrieve.emplace()); }},
            {"assemble", "", [&](const ConfigNode& stage) { return assemble(path + ".assemble", stage, options.assemble.emplace()); }},
            {"infer", "", [&](const ConfigNode& stage) { return infer(path + ".infer", stage, options.infer); }},
            {"post", "", [&](const ConfigNode& stage) { return post(path + ".post", stage, options.post.emplace()); }},
            {"deliver", "", [&](const ConfigNode& stage) { return deliver(path + ".deliver", stage, options.deliver); }},
        });
        if (problems_.size() != before) return;
        if (const auto fine = check_pipeline(options); !fine) return problem(path + "." + fine.error().field, fine.error().message);
        pipelines[name] = std::move(options);
    }

    void problem(const std::string& key, std::string message) { problems_.push_back({key, std::move(message), file_.place_of(key)}); }

  private:
    // A stage without keys is there, with its defaults.
    bool group(const std::string& path, const ConfigNode& value, const StageKeys& keys) {
        if (value.is_null()) return true;
        const auto* object = std::get_if<ConfigNode::object_t>(&value.data);
        if (!object) {
            problem(path, "must be a group of keys");
            return true;
        }
        for (const auto& [name, inner] : *object) {
            const auto key = std::ranges::find(keys, name, &StageKey::name);
            if (key == keys.end()) unknown(path + "." + name, name, keys);
            else if (!key->take(inner)) problem(path + "." + name, "must be " + std::string(key->rule));
        }
        return true;
    }

    void unknown(const std::string& path, const std::string& name, const StageKeys& keys) {
        std::vector<std::string> names;
        for (const auto& key : keys) names.emplace_back(key.name);
        const auto guess = nearest(name, names);
        problem(path, guess.empty() ? "unknown key" : "unknown key, did you mean '" + guess + "'?");
    }

    bool retrieve(const std::string& path, const ConfigNode& value, RetrieveOptions& options) {
        return group(path, value, with_bounds({
            {"passages", "a whole number from 1 to 100", count_into(options.passages, 1, static_cast<std::int64_t>(max_found_passages))},
            {"mode", "one of 'hybrid', 'vector', 'keyword'", mode_into(options.mode)},
            {"min_score", "a number from 0 to 1", number_into(options.min_score, 0, 1)},
            {"min_similarity", "a number from -1 to 1", number_into(options.min_similarity, -1, 1)},
            {"documents", "an id or name, or a list of them", texts_into(options.documents)},
        }, options.bounds));
    }

    bool assemble(const std::string& path, const ConfigNode& value, AssembleOptions& options) {
        return group(path, value, with_bounds({{"template", "a text", text_into(options.prompt_template)}}, options.bounds));
    }

    bool infer(const std::string& path, const ConfigNode& value, InferOptions& options) {
        return group(path, value, with_bounds({{"model", "a text", text_into(options.model)}, {"system", "a text", text_into(options.system)}}, options.bounds));
    }

    bool post(const std::string& path, const ConfigNode& value, PostOptions& options) {
        return group(path, value, with_bounds({
            {"trim", "true or false", flag_into(options.trim)},
            {"json", "true or false", flag_into(options.json)},
            {"redact", "", [&](const ConfigNode& inner) { return redact(path + ".redact", inner, options.redact.emplace()); }},
        }, options.bounds));
    }

    bool redact(const std::string& path, const ConfigNode& value, RedactOptions& options) {
        return group(path, value, {
            {"words", "a text or a list of texts", texts_into(options.words)},
            {"patterns", "a regular expression or a list of them", texts_into(options.patterns)},
            {"ignore_case", "true or false", flag_into(options.ignore_case)},
            {"replacement", "a text", text_into(options.replacement)},
        });
    }

    bool deliver(const std::string& path, const ConfigNode& value, DeliverOptions& options) {
        return group(path, value, {{"stream", "true or false", flag_into(options.stream)}, {"callback", "a text", text_into(options.callback)}});
    }

    const ConfigFile& file_;
    std::vector<ConfigProblem>& problems_;
};

}  // namespace

void bind_pipelines(const ConfigFile& file, const ConfigNode& value, PipelineMap& pipelines, std::vector<ConfigProblem>& problems) {
    PipelineBinder binder(file, problems);
    if (value.is_null()) return;
    const auto* object = std::get_if<ConfigNode::object_t>(&value.data);
    if (!object) return binder.problem("pipelines", "must be a group of names");
    for (const auto& [name, inner] : *object) binder.bind(name, inner, pipelines);
    if (pipelines.size() > max_pipelines) binder.problem("pipelines", "must be at most " + std::to_string(max_pipelines));
}

}  // namespace weft
