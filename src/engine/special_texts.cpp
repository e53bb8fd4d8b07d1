#include "engine/special_texts.h"

#include <algorithm>

#include "base/utf8.h"
#include "jinja/value.h"

namespace weft {
namespace {

using jinja::Value;

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view shown_image = "<__media__>";

std::uint64_t step_key(std::uint32_t node, char c) { return std::uint64_t{node} << 8U | static_cast<unsigned char>(c); }

bool is_mark(std::string_view text) { return text.starts_with(special_break) || text.starts_with(image_mark); }

// Characters of several bytes are not taken apart.
std::size_t first_character(std::string_view text) {
    std::size_t n = 1;
    while (n < text.size() && continues_character(text[n])) ++n;
    return n;
}

// Depth is bounded by that of the JSON.
Value broken_value(const Value& value, const SpecialTexts& specials, bool& changed) {
    const auto text_of = [&](std::string_view text) {
        auto out = specials.broken(text);
        changed = changed || out != text;
        return Value::string(std::move(out));
    };
    if (value.is_string()) return text_of(value.as_string());
    if (value.is_sequence()) {
        std::vector<Value> items;
        for (const auto& item : value.as_sequence().items) items.push_back(broken_value(item, specials, changed));
        return Value::list(std::move(items));
    }
    if (!value.is_dict()) return value;
    jinja::Dict dict;
    for (const auto& [key, inner] : value.as_dict().entries())
        dict.set(key.is_string() ? text_of(key.as_string()) : key, broken_value(inner, specials, changed));
    return Value::dict(std::move(dict));
}

// The text of one message with its images' marks, numbered from `first_image` on.
std::string marked_content(const ChatMessage& message, const SpecialTexts& specials, const std::vector<std::string>& harmless,
                           std::size_t first_image) {
    std::string out;
    std::size_t from = 0;
    for (std::size_t i = 0; i < message.images.size(); ++i) {
        const auto at = std::clamp(message.images[i].at, from, std::max(from, message.content.size()));
        out += specials.broken(std::string_view(message.content).substr(from, at - from), harmless);
        out += image_mark;
        out += std::to_string(first_image + i);
        out += image_mark;
        from = at;
    }
    return out + specials.broken(std::string_view(message.content).substr(from), harmless);
}

}  // namespace

SpecialTexts::SpecialTexts(const std::vector<std::string>& texts) : ends_(1, false) {
    for (const auto& text : texts) {
        std::uint32_t node = 0;
        for (const char c : text) {
            const auto [step, fresh] = steps_.try_emplace(step_key(node, c), static_cast<std::uint32_t>(ends_.size()));
            if (fresh) ends_.push_back(false);
            node = step->second;
        }
        if (node != 0) ends_[node] = true;
    }
}

std::size_t SpecialTexts::match(std::string_view text) const {
    std::uint32_t node = 0;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto step = steps_.find(step_key(node, text[i]));
        if (step == steps_.end()) break;
        node = step->second;
        if (ends_[node]) longest = i + 1;
    }
    return longest;
}

std::string SpecialTexts::broken(std::string_view text, const std::vector<std::string>& harmless) const {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto rest = text.substr(i);
        if (is_mark(rest)) {
            out += replacement;
            i += special_break.size();
            continue;
        }
        const auto length = match(rest);
        const auto kept = length != 0 && std::ranges::contains(harmless, rest.substr(0, length));
        const auto n = kept ? length : first_character(rest);
        out += rest.substr(0, n);
        // What follows the break is looked at again: the rest of a special text may be one, too.
        if (length != 0 && !kept) out += special_break;
        i += n;
    }
    return out;
}

std::string SpecialTexts::broken_json(const std::string& json) const {
    const auto value = Value::from_json(json);
    if (!value) return broken(json);
    bool changed = false;
    const auto fresh = broken_value(*value, *this, changed);
    return changed ? fresh.to_json() : json;
}

ChatPrompt marked(ChatPrompt prompt, const SpecialTexts& specials, const std::vector<std::string>& thinking_tags) {
    static const std::vector<std::string> nothing;
    std::size_t images = 0;
    for (auto& message : prompt.messages) {
        const auto& harmless = message.role == "assistant" ? thinking_tags : nothing;
        message.content = marked_content(message, specials, harmless, images);
        images += message.images.size();
        message.role = specials.broken(message.role);
        message.thinking = specials.broken(message.thinking);
        message.tool_name = specials.broken(message.tool_name);
        message.tool_call_id = specials.broken(message.tool_call_id);
        for (auto& call : message.tool_calls) {
            call.id = specials.broken(call.id);
            call.name = specials.broken(call.name);
            call.arguments_json = specials.broken_json(call.arguments_json);
        }
    }
    for (auto& tool : prompt.tools_json) tool = specials.broken_json(tool);
    if (!prompt.template_variables_json.empty())
        prompt.template_variables_json = specials.broken_json(prompt.template_variables_json);
    prompt.suffix = specials.broken(prompt.suffix);
    return prompt;
}

std::string unmarked(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto rest = text.substr(i);
        if (rest.starts_with(special_break)) {
            i += special_break.size();
        } else if (rest.starts_with(image_mark)) {
            const auto end = rest.find(image_mark, image_mark.size());
            out += shown_image;
            i += end == std::string_view::npos ? image_mark.size() : end + image_mark.size();
        } else {
            out += rest.front();
            ++i;
        }
    }
    return out;
}

}  // namespace weft
