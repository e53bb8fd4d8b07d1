#include "cli/slash_commands.h"

#include <utility>

#include "base/formatted.h"
#include "cli/commands.h"
#include "cli/session_parameters.h"
#include "cli/text_width.h"

namespace weft::cli {
namespace {

constexpr std::string_view help_text = R"(/set parameter NAME VALUE   a generation option (names: /? parameters)
/set system TEXT            the system message; """ begins and ends a text over several lines
/set think [LEVEL]          think before answering; /set nothink does not
/set format json            answers are JSON; /set noformat ends that
/set verbose                show durations and rates; /set quiet hides them
/set wordwrap               wrap at words; /set nowordwrap does not
/set history                remember what is typed; /set nohistory does not
/show info                  the model; also: license, modelfile, parameters, system, template
/load MODEL                 go on with another model, in a new conversation
/clear                      forget the conversation
/bye                        leave (also Ctrl-D)
""" begins and ends a question over several lines. Ctrl-C stops an answer.
)";

std::unexpected<Error> usage(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

// What follows the first n_words words, as typed.
std::string rest_of(const std::string& line, int n_words) {
    std::size_t at = 0;
    for (int i = 0; i < n_words; ++i) {
        at = line.find_first_not_of(" \t", at);
        at = at == line.npos ? at : line.find_first_of(" \t", at);
        if (at == line.npos) return {};
    }
    at = line.find_first_not_of(" \t", at);
    return at == line.npos ? std::string() : line.substr(at);
}

}  // namespace

std::vector<std::string> split_words(std::string_view line) {
    std::vector<std::string> words;
    bool in_word = false;
    bool in_quotes = false;
    for (const char c : line) {
        if (c == '"') {
            in_quotes = !in_quotes;
        } else if ((c == ' ' || c == '\t') && !in_quotes) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (c != '"') words.back() += c;
    }
    return words;
}

bool SlashCommands::is_command(std::string_view line) {
    if (!line.starts_with('/')) return false;
    const auto word = line.substr(1, line.find_first_of(" \t\n") - 1);
    return !word.contains('/');
}

SlashCommands::After SlashCommands::run(const std::string& line) {
    const Words words = split_words(line);
    const std::string& command = words.front();
    Result<void> result;
    if (command == "/bye" || command == "/exit") return After::leave;
    if (command == "/?" || command == "/help") help(words);
    else if (command == "/clear") session_.forget(), say("The conversation is forgotten.");
    else if (command == "/set") result = set(words, line);
    else if (command == "/show") result = show(words);
    else if (command == "/load") result = load(words);
    else if (command == "/save") result = fail(ErrorCode::not_implemented, "/save is not there yet");
    else result = usage("there is no command " + command + ": see /?");
    if (!result && result.error().code != ErrorCode::cancelled) print_error(result.error().message);
    return After::go_on;
}

Result<void> SlashCommands::set(const Words& words, const std::string& line) {
    if (words.size() < 2) return usage("/set what? See /?");
    const std::string& what = words[1];
    SessionSettings& settings = session_.settings();
    if (what == "parameter") return set_parameter(words);
    if (what == "system") {
        settings.system = rest_of(line, 2);
        if (settings.system->empty()) settings.system.reset();
        say(settings.system ? "The system message is set." : "The model's own system message is used.");
    } else if (what == "think") {
        WEFT_TRY(settings.think, parse_think(words.size() > 2 ? words[2] : "true"));
        settings.show_thinking = true;
        say("The model is told to think.");
    } else if (what == "nothink") {
        settings.think = JsonText{"false"};
        say("The model is told not to think.");
    } else if (what == "format") {
        WEFT_TRY(settings.format, parse_format(rest_of(line, 2)));
        say("The format of the answers is set.");
    } else if (what == "noformat") {
        settings.format.reset();
        say("Answers are free text.");
    } else if (what == "verbose" || what == "quiet") {
        settings.verbose = what == "verbose";
        say(settings.verbose ? "Durations and rates are shown." : "Durations and rates are hidden.");
    } else if (what == "wordwrap" || what == "nowordwrap") {
        settings.word_wrap = what == "wordwrap";
        say(settings.word_wrap ? "Answers are wrapped at words." : "Answers are not wrapped.");
    } else if (what == "history" || what == "nohistory") {
        editor_.keep_history(what == "history");
        say(what == "history" ? "What is typed is remembered." : "What is typed is not remembered.");
    } else {
        return usage("/set knows no " + what + ": see /?");
    }
    return {};
}

Result<void> SlashCommands::set_parameter(const Words& words) {
    if (words.size() < 3) return usage("/set parameter NAME VALUE");
    WEFT_TRY(auto value, parse_parameter(words[2], {words.begin() + 3, words.end()}));
    say(formatted("{} is {}.", words[2], value.text));
    session_.settings().options[words[2]] = std::move(value);
    return {};
}

Result<void> SlashCommands::show(const Words& words) {
    if (words.size() != 2) return usage("/show info, license, modelfile, parameters, system or template");
    const std::string& what = words[1];
    if (what == "system") return show_system();
    if (what == "parameters") return show_parameters();
    WEFT_TRY(const ShownModel model, client_.show(session_.settings().model));
    if (what == "info") say(describe(model, terminal_, false));
    else if (what == "license") say(model.license.empty() ? "The model names no license." : without_controls(model.license));
    else if (what == "modelfile") say(without_controls(model.modelfile));
    else if (what == "template") say(model.template_text.empty() ? "The model has no template." : without_controls(model.template_text));
    else return usage("/show knows no " + what + ": see /?");
    return {};
}

Result<void> SlashCommands::show_system() {
    WEFT_TRY(const ShownModel model, client_.show(session_.settings().model));
    const std::string text = session_.settings().system.value_or(model.system);
    say(text.empty() ? "There is no system message." : without_controls(text));
    return {};
}

Result<void> SlashCommands::show_parameters() {
    WEFT_TRY(const ShownModel model, client_.show(session_.settings().model));
    std::string text;
    if (!model.parameters.empty()) text += "Of the model:\n" + without_controls(model.parameters) + "\n";
    if (!session_.settings().options.empty()) text += "Of this conversation:\n";
    for (const auto& [name, value] : session_.settings().options) text += formatted("{:<30} {}\n", name, value.text);
    say(text.empty() ? "All parameters have their defaults." : text);
    return {};
}

Result<void> SlashCommands::load(const Words& words) {
    if (words.size() != 2) return usage("/load MODEL");
    WEFT_TRY(const ShownModel model, client_.show(words[1]));
    if (!model.can("completion")) return usage(words[1] + " makes embeddings and cannot hold a conversation");
    const std::string before = std::exchange(session_.settings().model, words[1]);
    if (auto loaded = session_.load(); !loaded) {
        session_.settings().model = before;
        return loaded;
    }
    session_.forget();
    say("This is a new conversation with " + words[1] + ".");
    return {};
}

void SlashCommands::help(const Words& words) {
    if (words.size() < 2 || words[1] != "parameters") return say(help_text);
    std::string names;
    for (const auto& name : parameter_names()) names += (names.empty() ? "" : " ") + name;
    say(names);
}

void SlashCommands::say(std::string_view text) {
    print(std::string(text) + (text.ends_with('\n') ? "" : "\n"));
}

const std::vector<std::string>& SlashCommands::completions() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> list{"/bye", "/clear", "/help", "/load ", "/?",
                                      "/set system ", "/set think", "/set nothink", "/set format json", "/set noformat",
                                      "/set verbose", "/set quiet", "/set wordwrap", "/set nowordwrap", "/set history",
                                      "/set nohistory", "/show info", "/show license", "/show modelfile",
                                      "/show parameters", "/show system", "/show template"};
        for (const auto& name : parameter_names()) list.push_back("/set parameter " + name + " ");
        return list;
    }();
    return all;
}

}  // namespace weft::cli
