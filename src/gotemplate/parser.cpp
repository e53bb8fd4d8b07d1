#include "gotemplate/parser.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/formatted.h"
#include "gotemplate/function.h"
#include "gotemplate/lexer.h"

namespace weft::gotemplate {
namespace {

class Parser {
  public:
    explicit Parser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

    Result<Syntax> run() {
        WEFT_TRY(auto list, read_nodes(true));
        if (list.end != "EOF") return fail_here("unexpected {{" + list.end + "}}");
        syntax_.templates[""] = std::move(list.nodes);
        syntax_.names.assign(names_.begin(), names_.end());
        return std::move(syntax_);
    }

  private:
    struct NodeList {
        Nodes nodes;
        std::string end;  // the word that ended it: end, else, EOF
    };

    // ---- tokens ----
    [[nodiscard]] const Lexeme& peek() const { return lexemes_[at_]; }
    const Lexeme& take() {
        const auto& lexeme = lexemes_[at_];
        if (lexeme.kind != TokenKind::end) ++at_;
        return lexeme;
    }
    bool take_if(TokenKind kind) {
        if (peek().kind != kind) return false;
        take();
        return true;
    }
    bool take_word(std::string_view word) {
        if (peek().kind != TokenKind::word || peek().text != word) return false;
        take();
        return true;
    }
    std::unexpected<Error> fail_here(std::string_view message) const { return fail_at(peek().line, message); }
    Result<void> close(std::string_view what) {
        if (!take_if(TokenKind::close)) return fail_here(formatted("unexpected text in {}", what));
        return {};
    }

    class Level {
      public:
        explicit Level(int& depth) : depth_(depth) { ++depth_; }
        ~Level() { --depth_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

      private:
        int& depth_;
    };

    // ---- statements ----
    // Up to {{end}}, {{else}} or the end of the source; of these the opening braces and the word are taken.
    Result<NodeList> read_nodes(bool top_level = false) {
        const Level level(depth_);
        if (depth_ > max_nesting) return fail_here("nested too deeply");
        NodeList list;
        for (;;) {
            const auto& lexeme = take();
            if (lexeme.kind == TokenKind::end) {
                list.end = "EOF";
                return list;
            }
            if (lexeme.kind == TokenKind::text) {
                list.nodes.push_back({.kind = Node::Kind::text, .text = lexeme.text, .offset = lexeme.offset, .line = lexeme.line});
                continue;
            }
            if (const auto& word = peek(); word.kind == TokenKind::word && (word.text == "end" || word.text == "else")) {
                list.end = take().text;
                return list;
            }
            WEFT_CHECK(read_action(list.nodes, lexeme, top_level));
        }
    }

    Result<void> read_action(Nodes& nodes, const Lexeme& open, bool top_level) {
        Node node{.kind = Node::Kind::action, .offset = open.offset, .line = open.line};
        if (peek().kind == TokenKind::word) {
            if (take_word("if")) return read_branch(nodes, std::move(node), Node::Kind::if_);
            if (take_word("with")) return read_branch(nodes, std::move(node), Node::Kind::with);
            if (take_word("range")) return read_branch(nodes, std::move(node), Node::Kind::range);
            if (take_word("break")) return read_jump(nodes, std::move(node), Node::Kind::break_);
            if (take_word("continue")) return read_jump(nodes, std::move(node), Node::Kind::continue_);
            if (take_word("define")) return top_level ? read_define() : fail_here("unexpected {{define}}");
            if (take_word("template")) return read_call(nodes, std::move(node), false);
            if (take_word("block")) return read_call(nodes, std::move(node), true);
        }
        WEFT_TRY(node.pipe, read_pipe(1));
        WEFT_CHECK(close("action"));
        nodes.push_back(std::move(node));
        return {};
    }

    Result<void> read_branch(Nodes& nodes, Node node, Node::Kind kind) {
        node.kind = kind;
        const auto scope = variables_.size();
        WEFT_TRY(node.pipe, read_pipe(kind == Node::Kind::range ? 2 : 1));
        WEFT_CHECK(close("block"));
        loops_ += kind == Node::Kind::range ? 1 : 0;
        auto body = read_nodes();
        loops_ -= kind == Node::Kind::range ? 1 : 0;
        WEFT_TRY(auto list, std::move(body));
        node.body = std::move(list.nodes);
        if (list.end == "EOF") return fail_here("unexpected end of the template: {{end}} is missing");
        WEFT_CHECK(list.end == "else" ? read_else(node) : close("{{end}}"));
        variables_.resize(scope);
        nodes.push_back(std::move(node));
        return {};
    }

    // Behind {{else. An else-if is a block of its own in the else, which both share their {{end}} with.
    Result<void> read_else(Node& node) {
        const auto& word = peek();
        if (node.kind == Node::Kind::if_ && take_word("if"))
            return read_chained(node, word, Node::Kind::if_);
        if (node.kind == Node::Kind::with && take_word("with"))
            return read_chained(node, word, Node::Kind::with);
        WEFT_CHECK(close("{{else}}"));
        WEFT_TRY(auto list, read_nodes());
        if (list.end != "end") return fail_here(list.end == "else" ? "expected {{end}}, found {{else}}" : "{{end}} is missing");
        node.otherwise = std::move(list.nodes);
        return close("{{end}}");
    }

    Result<void> read_chained(Node& node, const Lexeme& word, Node::Kind kind) {
        const Level level(depth_);
        if (depth_ > max_nesting) return fail_here("nested too deeply");
        return read_branch(node.otherwise, {.offset = word.offset, .line = word.line}, kind);
    }

    Result<void> read_jump(Nodes& nodes, Node node, Node::Kind kind) {
        node.kind = kind;
        if (loops_ == 0) return fail_here(kind == Node::Kind::break_ ? "{{break}} outside {{range}}" : "{{continue}} outside {{range}}");
        nodes.push_back(std::move(node));
        return close("action");
    }

    Result<std::string> read_name() {
        if (peek().kind != TokenKind::string) return fail_here("the name of a template must be quoted text");
        return take().text;
    }

    Result<Nodes> read_definition() {
        const auto outer_loops = std::exchange(loops_, 0);
        auto outer_variables = std::exchange(variables_, {});
        WEFT_TRY(auto list, read_nodes());
        if (list.end != "end") return fail_here("{{end}} is missing");
        loops_ = outer_loops;
        variables_ = std::move(outer_variables);
        return std::move(list.nodes);
    }

    Result<void> read_define() {
        WEFT_TRY(const auto name, read_name());
        WEFT_CHECK(close("{{define}}"));
        WEFT_TRY(syntax_.templates[name], read_definition());
        return close("{{end}}");
    }

    Result<void> read_call(Nodes& nodes, Node node, bool defines) {
        node.kind = Node::Kind::call;
        WEFT_TRY(node.text, read_name());
        if (peek().kind != TokenKind::close) {
            WEFT_TRY(node.pipe, read_pipe(1));
        }
        WEFT_CHECK(close("{{template}}"));
        if (defines) {
            WEFT_TRY(syntax_.templates[node.text], read_definition());
            WEFT_CHECK(close("{{end}}"));
        }
        nodes.push_back(std::move(node));
        return {};
    }

    // ---- pipelines ----
    Result<std::shared_ptr<const Pipe>> read_pipe(std::size_t most_variables) {
        const Level level(depth_);
        if (depth_ > max_nesting) return fail_here("nested too deeply");
        Pipe pipe;
        pipe.line = peek().line;
        WEFT_CHECK(read_variables(pipe, most_variables));
        do {
            WEFT_TRY(auto command, read_command());
            pipe.commands.push_back(std::move(command));
        } while (take_if(TokenKind::pipe));
        for (std::size_t i = 1; i < pipe.commands.size(); ++i)
            if (pipe.commands[i].operands.front().kind != Operand::Kind::function)
                return fail_here("what stands behind | must be a function");
        // Known from here on, also in the block that this pipe opens.
        if (!pipe.assigns) variables_.insert(variables_.end(), pipe.variables.begin(), pipe.variables.end());
        return std::make_shared<const Pipe>(std::move(pipe));
    }

    Result<void> read_variables(Pipe& pipe, std::size_t most) {
        if (most == 0) return {};
        const auto begin = at_;
        while (peek().kind == TokenKind::variable && !peek().text.empty()) {
            pipe.variables.push_back(take().text);
            if (take_if(TokenKind::comma) && pipe.variables.size() < most) continue;
            if (take_if(TokenKind::declare)) return {};
            if (take_if(TokenKind::assign)) {
                pipe.assigns = true;
                for (const auto& name : pipe.variables) WEFT_CHECK(check_variable(name));
                return {};
            }
            break;
        }
        if (pipe.variables.size() > 1) return fail_here("too many variables in a pipeline");
        // A variable that is read, then.
        pipe.variables.clear();
        at_ = begin;
        return {};
    }

    Result<Command> read_command() {
        Command command;
        for (;;) {
            const auto kind = peek().kind;
            if (kind == TokenKind::close || kind == TokenKind::right || kind == TokenKind::pipe || kind == TokenKind::end) break;
            if (!command.operands.empty() && !peek().after_space && kind != TokenKind::left)
                return fail_here("operands must be separated by spaces");
            WEFT_TRY(auto operand, read_operand());
            command.operands.push_back(std::move(operand));
        }
        if (command.operands.empty()) return fail_here("missing value for command");
        const auto& head = command.operands.front();
        if (command.operands.size() > 1 && head.kind != Operand::Kind::function)
            return fail_here("what is not a function cannot have arguments");
        return command;
    }

    Result<Operand> read_operand() {
        const auto& lexeme = take();
        Operand operand;
        switch (lexeme.kind) {
            case TokenKind::string: operand.constant = Value::string(lexeme.text); break;
            case TokenKind::integer: operand.constant = Value::integer(lexeme.integer); break;
            case TokenKind::real: operand.constant = Value::real(lexeme.real); break;
            case TokenKind::dot: operand.kind = Operand::Kind::dot; break;
            case TokenKind::field:
                operand.kind = Operand::Kind::dot;
                add_field(operand, lexeme.text);
                break;
            case TokenKind::variable:
                operand.kind = Operand::Kind::variable;
                operand.name = lexeme.text;
                if (!lexeme.text.empty()) WEFT_CHECK(check_variable(lexeme.text));
                break;
            case TokenKind::word: WEFT_CHECK(read_word(operand, lexeme)); break;
            case TokenKind::left: {
                operand.kind = Operand::Kind::pipe;
                WEFT_TRY(operand.pipe, read_pipe(0));
                if (!take_if(TokenKind::right)) return fail_here("unclosed left parenthesis");
                break;
            }
            default: return fail_at(lexeme.line, "unexpected token in an action");
        }
        while (peek().kind == TokenKind::field && !peek().after_space) {
            if (operand.kind == Operand::Kind::constant || operand.kind == Operand::Kind::function)
                return fail_here("a field of something that has none");
            add_field(operand, take().text);
        }
        return operand;
    }

    Result<void> read_word(Operand& operand, const Lexeme& lexeme) {
        const auto& word = lexeme.text;
        if (word == "true" || word == "false") {
            operand.constant = Value::boolean(word == "true");
            return {};
        }
        if (word == "nil") return {};
        operand.kind = Operand::Kind::function;
        operand.function = find_function(word);
        if (operand.function == nullptr) return fail_at(lexeme.line, formatted("function \"{}\" not defined", word));
        return {};
    }

    void add_field(Operand& operand, const std::string& name) {
        operand.fields.push_back(name);
        names_.insert(name);
    }

    Result<void> check_variable(const std::string& name) {
        if (std::ranges::find(variables_, name) == variables_.end())
            return fail_here(formatted("undefined variable \"${}\"", name));
        return {};
    }

    std::vector<Lexeme> lexemes_;
    std::size_t at_ = 0;
    int depth_ = 0;
    int loops_ = 0;
    std::vector<std::string> variables_;  // in scope
    std::set<std::string> names_;
    Syntax syntax_;
};

}  // namespace

Result<Syntax> parse(std::string_view source) {
    WEFT_TRY(auto lexemes, lex(source));
    return Parser(std::move(lexemes)).run();
}

}  // namespace weft::gotemplate
