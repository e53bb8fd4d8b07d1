#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "cli/commands.h"
#include "cli/jobs_command.h"
#include "cli/run_command.h"
#include "cli/server_address.h"
#include "cli/shell_completion.h"
#include "cli/terminal.h"
#include "cli/top_command.h"

namespace weft::cli {
namespace {

constexpr auto summary = "Serves GGUF language models over the Ollama, OpenAI and Anthropic APIs, and talks to a running server.";

constexpr int exit_fine = 0;
constexpr int exit_error = 1;
constexpr int exit_usage = 2;
constexpr int exit_interrupted = 130;

// The whole command line once it is parsed. A subcommand's options live here, because CLI11 writes into them by reference.
struct CommandLine {
    std::optional<std::string> server;
    bool version = false;
    ServeOptions serve;
    std::vector<std::string> settings;  // of serve, as KEY=VALUE
    EngineOptions engine;
    RunOptions run;
    std::optional<std::string> temperature;
    ListOptions list;
    ShowOptions show;
    JobsOptions jobs;
    std::string stopped_model;
    std::string shell;
    std::vector<std::string> help_about;
    bool json = false;
};

void add_serve(CLI::App& app, CommandLine& line) {
    CLI::App* serve = app.add_subcommand("serve", "Run the server")->alias("start");
    ServeOptions& options = line.serve;
    serve->add_option("--model", options.models, "A GGUF file to serve; may be repeated")->allow_extra_args(false);
    serve->add_option("--mmproj", options.projector, "A GGUF file with which the --model sees images");
    serve->add_option("--models-dir", options.models_dirs, "A folder of GGUF files; may be repeated")->allow_extra_args(false);
    serve->add_option("--config", options.config, "Configuration file (default: weft.yaml if it is there)");
    serve->add_option("--host", options.host, "Address to listen on (default 127.0.0.1)");
    serve->add_option("--port", options.port, "Port to listen on (default 11434); 0 takes a free one")->check(CLI::Range(0, 65535));
    serve->add_option("--port-file", options.port_file, "File to write the port to once the server listens");
    serve->add_option("--context", options.context_tokens, "Context window of a sequence, in tokens");
    serve->add_option("--parallel", options.parallel, "Sequences that a model works on at the same time");
    serve->add_option("--threads", options.threads, "Threads of a model");
    serve->add_option("--keep-alive", options.keep_alive, "How long an idle model stays loaded: 5m, -1 for ever");
    serve->add_option("--log-level", options.log_level, "trace, debug, info, warn or error");
    serve->add_option("--log-format", options.log_format, "text or json");
    serve->add_flag("--check", options.check, "Check the configuration, say what is wrong with it, and do not start");
    serve->add_option("--set", line.settings, "KEY=VALUE: any key of the configuration; may be repeated")->allow_extra_args(false);
}

void add_engine(CLI::App& app, CommandLine& line) {
    CLI::App* engine = app.add_subcommand("engine", "The process that runs one model; started by serve");
    engine->group("");
    engine->add_option("--fd", line.engine.fd, "Socket to the gateway")->required();
}

void add_run(CLI::App& app, CommandLine& line) {
    CLI::App* run = app.add_subcommand("run", "Talk to a model, or get one answer to a prompt");
    RunOptions& options = line.run;
    run->add_option("MODEL", options.model, "Name of the model")->required();
    run->add_option("PROMPT", options.prompt, "Question; without one a conversation begins");
    run->add_option("--format", options.format, "Form of the answer: json, or a JSON Schema");
    run->add_flag("--think{true}", options.think, "Think before answering: --think=true|false|low|medium|high|max");
    run->add_flag("--hidethinking", options.hide_thinking, "Do not show the thinking");
    run->add_option("--keepalive", options.keep_alive, "How long the model stays loaded afterwards: 5m, -1 for ever");
    run->add_option("--system", options.system, "System message");
    run->add_option("--temperature", line.temperature, "Randomness; 0 always takes the most likely token");
    run->add_option("--parameter", options.parameters, "NAME=VALUE: any generation option; may be repeated")->allow_extra_args(false);
    run->add_flag("--verbose", options.verbose, "Show durations and rates on standard error");
    run->add_flag("--nowordwrap", options.no_word_wrap, "Do not wrap at words");
    run->add_flag("--json", options.json, "Print the server's final JSON object");
    run->add_flag("--truncate,!--no-truncate", options.truncate, "Shorten a text that is too long (embedding models)");
    run->add_option("--dimensions", options.dimensions, "Length of the vector (embedding models)");
}

void add_information(CLI::App& app, CommandLine& line) {
    const auto json = [&line](CLI::App* command) {
        command->add_flag("--json", line.json, "Print the server's JSON");
        return command;
    };
    CLI::App* list = json(app.add_subcommand("list", "List the models that could be served")->alias("ls"));
    list->add_option("PREFIX", line.list.prefix, "Only names that begin with it");
    json(app.add_subcommand("ps", "List the models that are loaded"));
    json(app.add_subcommand("top", "Show live who runs and who waits, once a second"));
    CLI::App* show = json(app.add_subcommand("show", "Show what a model is"));
    show->add_option("MODEL", line.show.model, "Name of the model")->required();
    auto* part = show->add_option_group("part", "One of them");
    part->add_flag("--modelfile", line.show.modelfile, "Only its Modelfile");
    part->add_flag("--parameters", line.show.parameters, "Only its parameters");
    part->add_flag("--template", line.show.template_text, "Only its prompt template");
    part->add_flag("--system", line.show.system, "Only its system message");
    part->add_flag("--license", line.show.license, "Only its license");
    part->require_option(0, 1);
    show->add_flag("-v,--verbose", line.show.verbose, "All metadata and tensors");
    CLI::App* stop = app.add_subcommand("stop", "Unload a model");
    stop->add_option("MODEL", line.stopped_model, "Name of the model")->required();
    app.add_subcommand("health", "Ask whether the server is ready: for health checks");
    json(app.add_subcommand("version", "Print the versions of client and server"));
}

void add_jobs(CLI::App& app, CommandLine& line) {
    CLI::App* jobs = app.add_subcommand("jobs", "Requests that outlive their connection: submit, list, watch, cancel");
    jobs->require_subcommand(1);
    JobsOptions& options = line.jobs;
    const auto action = [&](const char* name, const char* what) {
        CLI::App* command = jobs->add_subcommand(name, what);
        command->add_flag("--json", line.json, "Print the server's JSON");
        command->callback([&options, name] { options.action = name; });
        return command;
    };
    CLI::App* submit = action("submit", "Store a request and print its id");
    auto* prompt = submit->add_option("PROMPT", options.prompt, "Question; - reads standard input");
    auto* batch = submit->add_option("--batch", options.batch_file, "A file with one request a line, as in OpenAI's Batch API");
    batch->excludes(prompt);
    submit->add_option("--endpoint", options.endpoint, "Of the requests of a batch")->needs(batch)->capture_default_str();
    submit->add_option("--model", options.model, "Name of the model (default: the server's)")->excludes(batch);
    submit->add_option("--priority", options.priority, "high, normal or low")->excludes(batch)->check(CLI::IsMember({"high", "normal", "low"}));
    submit->add_option("--pipeline", options.pipeline, "One of the server's pipelines")->excludes(batch);
    submit->add_option("--session", options.session, "Id of a conversation that goes on, or of anything to list jobs by")->excludes(batch);
    submit->add_flag("--wait", options.wait, "Go on as watch does");
    CLI::App* list = action("list", "List jobs, newest first");
    list->add_option("--status", options.status, "Only those")->check(CLI::IsMember({"pending", "processing", "completed", "failed", "cancelled"}));
    list->add_option("--limit", options.limit, "How many")->check(CLI::Range(1, 100))->capture_default_str();
    action("watch", "Print a job's answer as it comes, or a batch's progress")->add_option("ID", options.id, "Of the job or batch")->required();
    action("cancel", "Cancel a job or a batch")->add_option("ID", options.id, "Of the job or batch")->required();
}

void build(CLI::App& app, CommandLine& line) {
    app.require_subcommand(0, 1);
    app.fallthrough();
    app.add_option("--server", line.server, "Address of the server (default $WEFT_HOST, $OLLAMA_HOST, http://127.0.0.1:11434)");
    app.add_flag("--version", line.version, "Print the versions of client and server");
    add_serve(app, line);
    add_run(app, line);
    add_information(app, line);
    add_jobs(app, line);
    add_engine(app, line);
    CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
    completion->add_option("SHELL", line.shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    CLI::App* help = app.add_subcommand("help", "Print help, also about one command");
    help->add_option("COMMAND", line.help_about, "Name of the command")->expected(0, 1);
    app.footer("Exit status: 0 fine, 1 an error, 2 wrong usage, 130 interrupted. Manual: weft(1).");
}

int usage_error(const std::string& message) {
    print_error(message);
    return exit_usage;
}

// See `list` for what is not there, if there is a list of that.
int report(const Error& error, std::string_view list) {
    if (error.code == ErrorCode::cancelled) return exit_interrupted;
    // not_found is either nobody listening or, in the words of the server, something that is not there.
    std::string advice;
    if (error.message.starts_with("no server at ")) advice = " - start one with: weft serve";
    else if (error.code == ErrorCode::not_found && !list.empty()) advice = " - see: " + std::string(list);
    print_error(error.message + advice);
    return error.field.starts_with("--") ? exit_usage : exit_error;
}

int status_of(const Result<void>& result, std::string_view list = "weft list") { return result ? exit_fine : report(result.error(), list); }

// Batches and conversations are not listed.
int status_of_jobs(const Result<void>& result, const JobsOptions& options) {
    if (!result && result.error().field == "model") return status_of(result);
    const bool about_a_job = !options.id.empty() && !options.id.starts_with("batch_");
    return status_of(result, about_a_job ? "weft jobs list" : "");
}

int serve(CommandLine& line, const Hooks& hooks) {
    if (line.server) return usage_error("--server is for clients; the server listens where --host and --port say");
    for (const auto& setting : line.settings) {
        const auto equals = setting.find('=');
        if (equals == setting.npos || equals == 0) return usage_error("--set wants KEY=VALUE, not " + setting);
        line.serve.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    }
    return hooks.serve(std::move(line.serve));
}

// Of a fresh app: help() of one that has parsed something speaks of the chosen subcommand.
int print_help(const std::vector<std::string>& about) {
    CLI::App app(summary, "weft");
    CommandLine unused;
    build(app, unused);
    if (about.empty()) {
        print(app.help());
        return exit_fine;
    }
    const CLI::App* command = app.get_subcommand_no_throw(about.front());
    if (command == nullptr) return usage_error("there is no command " + about.front() + ": see weft help");
    print(command->help("weft"));
    return exit_fine;
}

int run_client(CommandLine& line, const std::string& command) {
    const auto environment = [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    auto server = find_server(line.server, environment);
    if (!server) return usage_error(server.error().message);
    if (command == "jobs") {
        if (line.jobs.action == "submit" && line.jobs.prompt.empty() && !line.jobs.batch_file)
            return usage_error("jobs submit wants a PROMPT or --batch FILE");
        line.jobs.json = line.json;
        return status_of_jobs(run_jobs(*server, Terminal::detect(), line.jobs), line.jobs);
    }
    OllamaClient client(std::move(*server));
    const Terminal terminal = Terminal::detect();

    line.list.json = line.show.json = line.json;
    if (command == "run") return status_of(run_model(client, terminal, line.run));
    if (command == "list") return status_of(list_models(client, line.list));
    if (command == "ps") return status_of(list_running(client, line.json));
    if (command == "top") return status_of(show_top(client, terminal, line.json));
    if (command == "show") return status_of(show_model(client, terminal, line.show));
    if (command == "stop") return status_of(stop_model(client, line.stopped_model));
    if (command == "health") return status_of(check_health(client));
    return status_of(print_version(client, line.json));
}

int dispatch(CLI::App& app, CommandLine& line, const Hooks& hooks) {
    const auto chosen = app.get_subcommands();
    if (line.version) return run_client(line, "version");
    if (chosen.empty()) {
        print(app.help());
        return exit_usage;
    }
    const std::string command = chosen.front()->get_name();
    if (command == "serve") return serve(line, hooks);
    if (command == "engine") return hooks.engine(line.engine);
    if (command == "help") return print_help(line.help_about);
    if (command == "completion") {
        print(completion_script(line.shell).value_or(""));
        return exit_fine;
    }
    if (line.temperature) line.run.parameters.push_back("temperature=" + *line.temperature);
    return run_client(line, command);
}

// What could not be printed was not done. Who stopped reading knows that.
int unless_lost(int status) {
    const int error = output_error();
    if (error == 0 || error == EPIPE || status != exit_fine) return status;
    print_error("standard output: " + std::generic_category().message(error));
    return exit_error;
}

}  // namespace

int run_cli(int argc, char** argv, const Hooks& hooks) {
    CLI::App app(summary, "weft");
    CommandLine line;
    build(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success&) {
        print(app.help());  // of the subcommand that --help followed, if any
        return unless_lost(exit_fine);
    } catch (const CLI::Error& error) {
        return usage_error(std::string(error.what()) + ": see weft help");
    }
    return unless_lost(dispatch(app, line, hooks));
}

}  // namespace weft::cli
