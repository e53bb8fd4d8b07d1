#include "cli/shell_completion.h"

namespace weft::cli {
namespace {

constexpr std::string_view bash_script = R"script(# weft completion for bash:  source <(weft completion bash)
_weft_models() { weft ${1:+--server "$1"} list 2>/dev/null | awk 'NR > 1 {print $1}'; }

_weft() {
    # Addresses and model names hold colons, which bash takes for word breaks: the words are read from the line itself.
    local words current previous command= server= word before= candidates=
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    case ${COMP_LINE:0:COMP_POINT} in *[[:space:]]) words+=("") ;; esac
    current=${words[${#words[@]}-1]}
    previous=${words[${#words[@]}-2]}
    for word in "${words[@]:1:${#words[@]}-2}"; do
        case $before in --server) server=$word before=; continue ;; esac
        case $word in -*) before=$word ;; *) command=$word; break ;; esac
    done
    case $previous in
        --models-dir) COMPREPLY=($(compgen -d -- "$current")); return ;;
        --model | --mmproj | --config | --port-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --log-level) COMPREPLY=($(compgen -W "trace debug info warn error" -- "$current")); return ;;
        --log-format) COMPREPLY=($(compgen -W "text json" -- "$current")); return ;;
        --format) COMPREPLY=($(compgen -W "json" -- "$current")); return ;;
    esac
    case $command in
        "") candidates="serve run jobs list ps top show stop health version completion help --server --version --help" ;;
        serve) candidates="--model --mmproj --models-dir --config --host --port --port-file --context --parallel --threads --keep-alive --log-level --log-format --set --check --help" ;;
        run) candidates="--format --think --hidethinking --keepalive --system --temperature --parameter --verbose --nowordwrap --json --truncate --dimensions --help" ;;
        show) candidates="--modelfile --parameters --template --system --license --verbose --json --help" ;;
        jobs) candidates="submit list watch cancel --json --batch --endpoint --model --priority --pipeline --session --wait --status --limit --help" ;;
        list | ls | ps | top | version) candidates="--json --help" ;;
        completion) candidates="bash zsh fish" ;;
        help) candidates="serve run jobs list ps top show stop health version completion" ;;
    esac
    case $command,$current in run,-* | show,-* | stop,-*) ;; run,* | show,* | stop,*) candidates=$(_weft_models "$server") ;; esac
    COMPREPLY=($(compgen -W "$candidates" -- "$current"))
    # What stands before the last colon is on the line already.
    case $current,$COMP_WORDBREAKS in *:*,*:*) COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}") ;; esac
}
complete -F _weft weft
)script";

constexpr std::string_view zsh_script = R"script(#compdef weft
# weft completion for zsh:  weft completion zsh > "${fpath[1]}/_weft", or: source <(weft completion zsh)
_weft_models() {
    local -a models
    models=(${(f)"$(weft list 2>/dev/null | awk 'NR > 1 {print $1}')"})
    models=(${models//:/\\:})
    _describe model models
}

_weft() {
    local -a commands
    commands=('serve:run the server' 'run:talk to a model' 'jobs:requests that outlive their connection' 'list:models that could be served' 'ps:models that are loaded' 'top:who runs and who waits'
        'show:what a model is' 'stop:unload a model' 'health:whether the server is ready' 'version:of client and server' 'completion:a script for a shell'
        'help:how to use a command')
    _arguments -C '--server[address of the server]:address:_hosts' '--version[print versions]' '--help[print help]' \
        '1:command:{_describe command commands}' '*::argument:->argument'
    [[ $state == argument ]] || return
    case $words[1] in
        serve) _arguments '*--model[a GGUF file]:file:_files' '*--models-dir[a folder of models]:folder:_files -/' \
            '--config[configuration]:file:_files' '--host[address to listen on]:host:' '--port[port to listen on]:port:' \
            '--port-file[where to write the port]:file:_files' '--context[context window]:tokens:' \
            '--parallel[sequences of a model]:number:' '--threads[threads]:number:' '--keep-alive[idle time]:duration:' \
            '--log-level[how much to log]:level:(trace debug info warn error)' '--log-format[log format]:format:(text json)' \
            '*--set[any configuration key]:key=value:' '--check[only check the configuration]' ;;
        run) _arguments '--format[format of the answer]:format:(json)' '--think[think first]' '--hidethinking[hide thinking]' \
            '--keepalive[idle time]:duration:' '--system[system message]:text:' '--temperature[randomness]:number:' \
            '*--parameter[generation option]:name=value:' '--verbose[show durations]' '--nowordwrap[do not wrap]' \
            '--json[print JSON]' '--dimensions[of an embedding]:number:' '1:model:_weft_models' '*:prompt:' ;;
        show) _arguments '--modelfile' '--parameters' '--template' '--system' '--license' '--verbose' '--json' '1:model:_weft_models' ;;
        stop) _arguments '1:model:_weft_models' ;;
        list | ls | ps | top | version) _arguments '--json[print JSON]' ;;
        jobs) _arguments '1:action:(submit list watch cancel)' '--json[print JSON]' '--batch[requests for a batch]:file:_files' '--wait[go on as watch does]' \
            '--model[model]:model:_weft_models' '--priority[urgency]:priority:(high normal low)' '--pipeline[stages to pass]:pipeline:' '--session[conversation]:session:' '--status[only those]:status:(pending processing completed failed cancelled)' ;;
        completion) _arguments '1:shell:(bash zsh fish)' ;;
    esac
}
if [ "$funcstack[1]" = "_weft" ]; then _weft "$@"; else compdef _weft weft; fi
)script";

constexpr std::string_view fish_script = R"script(# weft completion for fish:  weft completion fish | source
function __weft_models
    weft list 2>/dev/null | awk 'NR > 1 {print $1}'
end
complete -c weft -f
complete -c weft -n __fish_use_subcommand -l server -x -d 'address of the server'
complete -c weft -n __fish_use_subcommand -l version -d 'print versions'
complete -c weft -n __fish_use_subcommand -a serve -d 'run the server'
complete -c weft -n __fish_use_subcommand -a run -d 'talk to a model'
complete -c weft -n __fish_use_subcommand -a list -d 'models that could be served'
complete -c weft -n __fish_use_subcommand -a ps -d 'models that are loaded'
complete -c weft -n __fish_use_subcommand -a top -d 'who runs and who waits'
complete -c weft -n __fish_use_subcommand -a show -d 'what a model is'
complete -c weft -n __fish_use_subcommand -a stop -d 'unload a model'
complete -c weft -n __fish_use_subcommand -a health -d 'whether the server is ready'
complete -c weft -n __fish_use_subcommand -a version -d 'of client and server'
complete -c weft -n __fish_use_subcommand -a completion -d 'a script for a shell'
complete -c weft -n __fish_use_subcommand -a help -d 'how to use a command'
complete -c weft -n '__fish_seen_subcommand_from run show stop' -a '(__weft_models)'
complete -c weft -n __fish_use_subcommand -a jobs -d 'requests that outlive their connection'
complete -c weft -n '__fish_seen_subcommand_from jobs' -a 'submit list watch cancel'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l json -d 'print JSON'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l batch -r -F -d 'requests for a batch'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l priority -x -a 'high normal low'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l pipeline -x -d 'stages to pass'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l session -x -d 'conversation'
complete -c weft -n '__fish_seen_subcommand_from jobs' -l wait -d 'go on as watch does'
complete -c weft -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c weft -n '__fish_seen_subcommand_from list ls ps top show run version' -l json -d 'print JSON'
complete -c weft -n '__fish_seen_subcommand_from serve' -l model -r -F -d 'a GGUF file'
complete -c weft -n '__fish_seen_subcommand_from serve' -l models-dir -r -F -d 'a folder of models'
complete -c weft -n '__fish_seen_subcommand_from serve' -l config -r -F -d 'configuration'
complete -c weft -n '__fish_seen_subcommand_from serve' -l host -x -d 'address to listen on'
complete -c weft -n '__fish_seen_subcommand_from serve' -l port -x -d 'port to listen on'
complete -c weft -n '__fish_seen_subcommand_from serve' -l port-file -r -F -d 'where to write the port'
complete -c weft -n '__fish_seen_subcommand_from serve' -l context -x -d 'context window in tokens'
complete -c weft -n '__fish_seen_subcommand_from serve' -l parallel -x -d 'sequences of a model'
complete -c weft -n '__fish_seen_subcommand_from serve' -l threads -x
complete -c weft -n '__fish_seen_subcommand_from serve' -l keep-alive -x -d 'idle time before unloading'
complete -c weft -n '__fish_seen_subcommand_from serve' -l log-level -x -a 'trace debug info warn error'
complete -c weft -n '__fish_seen_subcommand_from serve' -l log-format -x -a 'text json'
complete -c weft -n '__fish_seen_subcommand_from serve' -l set -x -d 'any configuration key'
complete -c weft -n '__fish_seen_subcommand_from serve' -l check -d 'only check the configuration'
complete -c weft -n '__fish_seen_subcommand_from run' -l format -x -a json
complete -c weft -n '__fish_seen_subcommand_from run' -l think -d 'think first'
complete -c weft -n '__fish_seen_subcommand_from run' -l hidethinking
complete -c weft -n '__fish_seen_subcommand_from run' -l keepalive -x -d 'idle time before unloading'
complete -c weft -n '__fish_seen_subcommand_from run' -l system -x -d 'system message'
complete -c weft -n '__fish_seen_subcommand_from run' -l temperature -x
complete -c weft -n '__fish_seen_subcommand_from run' -l parameter -x -d 'NAME=VALUE'
complete -c weft -n '__fish_seen_subcommand_from run' -l dimensions -x -d 'of an embedding'
complete -c weft -n '__fish_seen_subcommand_from run show' -l verbose
complete -c weft -n '__fish_seen_subcommand_from run' -l nowordwrap
complete -c weft -n '__fish_seen_subcommand_from show' -l modelfile
complete -c weft -n '__fish_seen_subcommand_from show' -l parameters
complete -c weft -n '__fish_seen_subcommand_from show' -l template
complete -c weft -n '__fish_seen_subcommand_from show' -l system
complete -c weft -n '__fish_seen_subcommand_from show' -l license
)script";

}  // namespace

std::optional<std::string> completion_script(std::string_view shell) {
    if (shell == "bash") return std::string(bash_script);
    if (shell == "zsh") return std::string(zsh_script);
    if (shell == "fish") return std::string(fish_script);
    return std::nullopt;
}

}  // namespace weft::cli
