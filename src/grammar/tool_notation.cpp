#include "grammar/tool_notation.h"

#include <functional>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "grammar/json_strings.h"

namespace weft {
namespace {

std::string lit(std::string_view text) { return " " + GbnfBuilder::literal(text) + " "; }

std::vector<std::string> characters_of(std::string_view text) {
    std::vector<std::string> characters;
    for (const char c : text) {
        if (continues_character(c) && !characters.empty()) characters.back() += c;
        else characters.emplace_back(1, c);
    }
    return characters;
}

std::string in_class(const std::string& character) {
    return std::string_view("\\]^-[").contains(character) ? "\\" + character : character;
}

// Text up to a word, the word excluded, as a machine with a rule per state: how much of the word has been seen. No
// character but the first may be the beginning of the word anew.
std::string add_text_until(GbnfBuilder& builder, std::string_view word) {
    const auto characters = characters_of(word);
    std::vector<std::string> states;
    for (std::size_t i = 0; i < characters.size(); ++i) states.push_back(builder.reserve_rule("until"));
    const auto& first = characters.front();
    for (std::size_t i = 0; i < characters.size(); ++i) {
        const auto& wanted = characters[i];
        std::string body = "(";
        if (i + 1 < characters.size()) body += lit(wanted) + states[i + 1] + " | ";
        if (wanted != first) body += lit(first) + states[1] + " | ";
        body += "[^" + in_class(first) + (wanted != first ? in_class(wanted) : "") + "] " + states[0] + ")?";
        builder.define_rule(states[i], body);
    }
    return states[0];
}

// Writes the grammar of one family's calls.
class Notation {
  public:
    Notation(GbnfBuilder& builder, CallStyle style, const std::vector<GrammarTool>& tools)
        : builder_(builder), style_(style), tools_(tools), space_(builder.add_space()) {}

    Result<std::string> calls(CallLimits limits) {
        WEFT_TRY(const auto one, one_call());
        return wrapped(one, limits);
    }

  private:
    Result<std::string> arguments_of(const GrammarTool& tool) {
        auto rule = tool.strict ? strict_arguments(tool) : builder_.add_schema(tool.schema);
        if (rule) return rule;
        if (!tool.strict) return builder_.add_any_object();
        auto error = std::move(rule).error();
        error.field = tool.field;
        error.reason = ErrorReason::invalid_schema;
        return std::unexpected(std::move(error));
    }

    // Whether everything in the schema can be enforced is found out beside the grammar that is being written.
    Result<std::string> strict_arguments(const GrammarTool& tool) {
        GbnfBuilder exact(Unenforceable::refuse);
        WEFT_CHECK(exact.add_schema(tool.schema));
        return builder_.add_schema(tool.schema);
    }

    // The tools' alternatives, each made of what `write` says.
    Result<std::string> each(const std::function<Result<std::string>(const GrammarTool&)>& write) {
        std::string body;
        for (const auto& tool : tools_) {
            WEFT_TRY(const auto text, write(tool));
            body += (body.empty() ? "" : " | ") + builder_.add_rule("tool-" + tool.name, text);
        }
        return builder_.add_rule("call", body);
    }

    // {"name": "f", "arguments": {..}} with the family's own words for the two.
    Result<std::string> json_object(std::string_view name_key, std::string_view arguments_key, const std::string& before = "",
                                    const std::string& behind = "") {
        return each([&, this](const GrammarTool& tool) -> Result<std::string> {
            WEFT_TRY(const auto arguments, arguments_of(tool));
            const auto gap = " " + space_ + " ";
            const auto key = [&gap](std::string_view word) {
                return lit("\"" + std::string(word) + "\"") + gap + lit(":") + gap;
            };
            return lit("{") + gap + before + key(name_key) + lit(quoted(tool.name)) + gap + lit(",") + gap +
                   key(arguments_key) + arguments + gap + behind + lit("}");
        });
    }

    // PREFIX name MIDDLE {..} SUFFIX; the parts but the arguments are GBNF.
    Result<std::string> named_json(const std::string& prefix, const std::string& middle, const std::string& suffix) {
        return each([&, this](const GrammarTool& tool) -> Result<std::string> {
            WEFT_TRY(const auto arguments, arguments_of(tool));
            return prefix + lit(tool.name) + middle + arguments + suffix;
        });
    }

    static std::string quoted(std::string_view name) {
        std::string out = "\"";
        for (const char c : name) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out + "\"";
    }

    // Of a string that the schema says more of; empty when it does not, or not so that it could be held to. Every closing
    // tag begins with "<": these texts are without it, which is less than the schema allows.
    std::string bounded_text(const ToolParameter& parameter) {
        if (!parameter.pattern.empty()) {
            std::string_view inner = parameter.pattern;
            const bool begins = inner.starts_with('^'), ends = inner.ends_with('$') && !inner.ends_with("\\$");
            auto pattern = parameter.pattern;
            if (!inner.contains('|') || (!begins && !ends)) {
                if (begins) inner.remove_prefix(1);
                if (ends) inner.remove_suffix(1);
                pattern = (begins ? "(?:" : "[^<]*(?:") + std::string(inner) + (ends ? ")" : ")[^<]*");
            }
            const auto rule = builder_.add_regex(pattern, true);
            return rule ? *rule : std::string();
        }
        if (const auto* known = find_format(parameter.format)) return builder_.add_shared_rule(known->name, std::string(known->gbnf));
        if (!parameter.least && !parameter.most) return {};
        return builder_.add_shared_rule("text", "[^<]{" + std::to_string(parameter.least.value_or(0)) + "," +
                                                    (parameter.most ? std::to_string(*parameter.most) : "") + "}");
    }

    // A value in text between tags: bare for strings, JSON for everything else.
    std::string bare_value(const ToolParameter& parameter, std::string_view closing_tag) {
        if (!parameter.choices.empty()) {
            std::string body;
            for (const auto& choice : parameter.choices) body += (body.empty() ? "" : " | ") + GbnfBuilder::literal(choice);
            return builder_.add_shared_rule("choice", body);
        }
        if (!parameter.is_string)
            if (auto rule = builder_.add_schema(parameter.schema)) return *rule;
        if (auto rule = bounded_text(parameter); !rule.empty()) return rule;
        auto& until = until_[std::string(closing_tag)];
        if (until.empty()) until = add_text_until(builder_, closing_tag);
        return until;
    }

    using WriteParameter = std::function<std::string(const ToolParameter&)>;

    // All parameters in the order of the schema, those that are not required optional.
    static std::string sequence(const GrammarTool& tool, const WriteParameter& write) {
        std::string body;
        for (const auto& parameter : tool.parameters)
            body += parameter.required ? write(parameter) : " (" + write(parameter) + ")?";
        return body;
    }

    Result<std::string> qwen_xml() {
        return each([this](const GrammarTool& tool) -> Result<std::string> {
            const auto parameters = sequence(tool, [this](const ToolParameter& parameter) {
                return lit("<parameter=" + parameter.name + ">") + "\"\\n\"? " + bare_value(parameter, "</parameter>") +
                       " \"\\n\"? " + lit("</parameter>") + "\"\\n\"?";
            });
            return lit("<function=" + tool.name + ">") + "\"\\n\"? " + parameters + lit("</function>");
        });
    }

    Result<std::string> glm() {
        return each([this](const GrammarTool& tool) -> Result<std::string> {
            const auto parameters = sequence(tool, [this](const ToolParameter& parameter) {
                return lit("<arg_key>" + parameter.name + "</arg_key>") + "\"\\n\"? " + lit("<arg_value>") +
                       bare_value(parameter, "</arg_value>") + lit("</arg_value>") + "\"\\n\"?";
            });
            return lit("<tool_call>" + tool.name) + "\"\\n\"? " + parameters + lit("</tool_call>");
        });
    }

    Result<std::string> dsml() {
        return each([this](const GrammarTool& tool) -> Result<std::string> {
            const auto parameters = sequence(tool, [this](const ToolParameter& parameter) {
                const std::string kind = parameter.is_string ? "true" : "false";
                return lit("<｜DSML｜parameter name=\"" + parameter.name + "\" string=\"" + kind + "\">") +
                       bare_value(parameter, "</｜DSML｜parameter>") + lit("</｜DSML｜parameter>") + "\"\\n\"?";
            });
            return lit("<｜DSML｜invoke name=\"" + tool.name + "\">") + "\"\\n\"? " + parameters + lit("</｜DSML｜invoke>");
        });
    }

    // name(key=value, ..), values as JSON.
    Result<std::string> python() {
        return each([this](const GrammarTool& tool) -> Result<std::string> {
            return lit(tool.name + "(") + members(tool, "=", [this](const ToolParameter& parameter) {
                       auto rule = builder_.add_schema(parameter.schema);
                       return rule ? *rule : builder_.add_any_json();
                   }) + lit(")");
        });
    }

    // call:name{key:value,..}
    Result<std::string> gemma() {
        return each([this](const GrammarTool& tool) -> Result<std::string> {
            return lit("call:" + tool.name + "{") + members(tool, ":", [this](const ToolParameter& parameter) {
                       return gemma_value(parameter);
                   }) + lit("}");
        });
    }

    std::string gemma_value(const ToolParameter& parameter) {
        const auto quote = lit("<|\"|>");
        if (parameter.is_string) return quote + bare_value(parameter, "<|\"|>") + quote;
        if (gemma_any_.empty()) {
            gemma_any_ = builder_.reserve_rule("gemma-value");
            const auto text = quote + add_text_until(builder_, "<|\"|>") + quote;
            const auto pair = builder_.add_rule("gemma-pair", "[a-zA-Z0-9_.-]+ \":\" " + gemma_any_);
            builder_.define_rule(gemma_any_, text + " | \"-\"? [0-9]+ (\".\" [0-9]+)? | \"true\" | \"false\" | \"null\" | \"[\" (" +
                                                 gemma_any_ + " (\",\" " + gemma_any_ + ")*)? \"]\" | \"{\" (" + pair + " (\",\" " +
                                                 pair + ")*)? \"}\"");
        }
        const bool scalar = parameter.schema.contains("\"integer\"") || parameter.schema.contains("\"number\"") ||
                            parameter.schema.contains("\"boolean\"");
        if (scalar && !parameter.schema.contains("\"array\"") && !parameter.schema.contains("\"object\""))
            if (auto rule = builder_.add_schema(parameter.schema)) return *rule;
        return gemma_any_;
    }

    // key SIGN value, separated by commas, in the order of the schema. From every parameter on: a rule for the rest.
    std::string members(const GrammarTool& tool, std::string_view sign, const WriteParameter& value) {
        std::string first_rest = "\"\"";  // what may follow when nothing was written yet ...
        std::string later_rest = "\"\"";  // ... and when something was
        for (auto i = tool.parameters.size(); i-- > 0;) {
            const auto& parameter = tool.parameters[i];
            const auto one = lit(parameter.name + std::string(sign)) + value(parameter);
            const auto first = one + " " + later_rest;
            const auto later = "\",\" \" \"? " + one + " " + later_rest;
            first_rest = builder_.add_rule("first", parameter.required ? first : first + " | " + first_rest);
            later_rest = builder_.add_rule("later", parameter.required ? later : later + " | " + later_rest);
        }
        return " " + first_rest + " ";
    }

    Result<std::string> one_call() {
        switch (style_) {
            case CallStyle::hermes:
            case CallStyle::mistral_list:
            case CallStyle::granite:
            case CallStyle::apriel:
            case CallStyle::gigachat: return json_object("name", "arguments", "", mistral_id());
            case CallStyle::bare_json: return json_object("name", "parameters");
            case CallStyle::command_r:
                return json_object("tool_name", "parameters",
                                   lit("\"tool_call_id\"") + space_ + lit(":") + space_ + " \"\\\"\" [0-9]{1,3} \"\\\"\" " +
                                       space_ + lit(",") + space_ + " ");
            case CallStyle::apertus:
                return each([this](const GrammarTool& tool) -> Result<std::string> {
                    WEFT_TRY(const auto arguments, arguments_of(tool));
                    return lit("{" + quoted(tool.name)) + space_ + lit(":") + space_ + " " + arguments + " " + space_ + lit("}");
                });
            case CallStyle::mistral_args:
                return named_json(lit("[TOOL_CALLS]"), " (\"[CALL_ID]\" [a-zA-Z0-9]{9})? \"[ARGS]\" ", "");
            case CallStyle::deepseek_r1:
                return named_json(lit("<｜tool▁call▁begin｜>function<｜tool▁sep｜>"), lit("\n```json\n"),
                                  lit("\n```<｜tool▁call▁end｜>"));
            case CallStyle::deepseek_v31:
                return named_json(lit("<｜tool▁call▁begin｜>"), lit("<｜tool▁sep｜>"), lit("<｜tool▁call▁end｜>"));
            case CallStyle::kimi:
                return named_json(lit("<|tool_call_begin|>functions."), " \":\" [0-9]{1,3} \"<|tool_call_argument_begin|>\" ",
                                  lit("<|tool_call_end|>"));
            case CallStyle::functionary_v31: return named_json(lit("<function="), lit(">"), lit("</function>"));
            case CallStyle::functionary_v32: return named_json("", lit("\n"), "");
            case CallStyle::harmony:
                return named_json(lit("to=functions."),
                                  " (\"<|channel|>commentary\")? (\" \"? \"<|constrain|>\" \"json\" | \" json\" | \" \")? \"<|message|>\" ", "");
            case CallStyle::mcp:
                return named_json(lit("<use_mcp_tool>\n<server_name>") + "[^<\\n]{1,64} " + lit("</server_name>\n<tool_name>"),
                                  lit("</tool_name>\n<arguments>\n"), lit("\n</arguments>\n</use_mcp_tool>"));
            case CallStyle::qwen_xml:
            case CallStyle::seed_xml: return qwen_xml();
            case CallStyle::glm: return glm();
            case CallStyle::deepseek_dsml: return dsml();
            case CallStyle::lfm2: return python();
            case CallStyle::gemma: return gemma();
            case CallStyle::none: break;
        }
        return fail_field(ErrorCode::unsupported, "tools", "the model does not support tools");
    }

    // Mistral's lists carry ids of nine letters or digits.
    [[nodiscard]] std::string mistral_id() const {
        if (style_ != CallStyle::mistral_list) return "";
        return " (\",\" " + space_ + " " + GbnfBuilder::literal("\"id\"") + " " + space_ + " \":\" " + space_ +
               " \"\\\"\" [a-zA-Z0-9]{9} \"\\\"\" " + space_ + ")? ";
    }

    // What stands around one call, and between several.
    std::string wrapped(const std::string& one, CallLimits limits) {
        const auto gap = " " + space_ + " ";
        const auto repeated = [&](const std::string& call, const std::string& between) {
            return limits.parallel ? call + " (" + between + " " + call + ")*" : call;
        };
        const auto list = [&](std::string_view open, std::string_view close) {
            auto body = lit(open) + gap + lit("[") + gap + repeated(one, gap + lit(",") + gap) + gap + lit("]");
            return close.empty() ? body : body + gap + lit(close);
        };
        const auto tagged = [&](std::string_view open, std::string_view close) {
            return repeated(builder_.add_rule("tagged", lit(open) + gap + one + gap + lit(close)), gap);
        };
        const auto section = [&](std::string_view open, const std::string& between, std::string_view close) {
            return "(" + lit(open) + gap + repeated(one, between) + gap + lit(close) + ")";
        };
        std::string body;
        switch (style_) {
            case CallStyle::hermes: body = tagged("<tool_call>", "</tool_call>"); break;
            case CallStyle::qwen_xml: body = tagged("<tool_call>", "</tool_call>"); break;
            case CallStyle::seed_xml: body = tagged("<seed:tool_call>", "</seed:tool_call>"); break;
            case CallStyle::lfm2:
                body = lit("<|tool_call_start|>") + lit("[") + repeated(one, lit(",") + "\" \"?") + lit("]") + lit("<|tool_call_end|>");
                break;
            case CallStyle::gemma: {
                const auto call = builder_.add_rule("tagged", lit("<|tool_call>") + one + lit("<tool_call|>"));
                body = repeated(call, "");
                break;
            }
            case CallStyle::bare_json: body = "\"<|python_tag|>\"? " + repeated(one, "\";\" " + gap); break;
            case CallStyle::gigachat: body = lit("function call<|role_sep|>") + gap + one; break;
            case CallStyle::mistral_list: body = list("[TOOL_CALLS]", ""); break;
            case CallStyle::granite: body = list("<|tool_call|>", "") + " \"<|/tool_call|>\"?"; break;
            case CallStyle::command_r: body = list("<|START_ACTION|>", "<|END_ACTION|>"); break;
            case CallStyle::apriel: body = list("<tool_calls>", "</tool_calls>"); break;
            case CallStyle::apertus: body = list("<|tools_prefix|>", "<|tools_suffix|>"); break;
            case CallStyle::deepseek_r1:
            case CallStyle::deepseek_v31: body = section("<｜tool▁calls▁begin｜>", "\"\\n\"?", "<｜tool▁calls▁end｜>"); break;
            case CallStyle::kimi: body = section("<|tool_calls_section_begin|>", "", "<|tool_calls_section_end|>"); break;
            case CallStyle::deepseek_dsml:
                body = section("<｜DSML｜function_calls>", gap, "</｜DSML｜function_calls>") + " | " +
                       section("<｜DSML｜tool_calls>", gap, "</｜DSML｜tool_calls>");
                break;
            // The first word of the message's head, after the analysis.
            case CallStyle::harmony:
                body = limits.forced ? "(\"<|start|>assistant\")? (\"<|channel|>commentary\")? \" \"? " + one : one;
                break;
            case CallStyle::functionary_v32: body = repeated(one, lit(">>>")); break;
            case CallStyle::mcp: body = one; break;
            case CallStyle::mistral_args:
            case CallStyle::functionary_v31:
            case CallStyle::glm:
            case CallStyle::none: body = repeated(one, gap); break;
        }
        return builder_.add_rule("calls", body);
    }

    GbnfBuilder& builder_;
    CallStyle style_;
    const std::vector<GrammarTool>& tools_;
    std::string space_;
    std::unordered_map<std::string, std::string> until_;  // closing tag -> rule
    std::string gemma_any_;
};

}  // namespace

std::vector<std::string> call_triggers(CallStyle style) {
    switch (style) {
        case CallStyle::bare_json: return {"<|python_tag|>"};
        case CallStyle::qwen_xml: return {"<tool_call>"};
        case CallStyle::seed_xml: return {"<seed:tool_call>"};
        case CallStyle::deepseek_r1:
        case CallStyle::deepseek_v31: return {"<｜tool▁calls▁begin｜>"};
        case CallStyle::deepseek_dsml: return {"<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"};
        case CallStyle::kimi: return {"<|tool_calls_section_begin|>"};
        case CallStyle::granite: return {"<|tool_call|>"};
        case CallStyle::harmony: return {"to=functions."};
        // What opens these may be ordinary text: Python's prompt.
        case CallStyle::functionary_v32: return {};
        default: return call_openers(style);
    }
}

Result<std::string> add_calls(GbnfBuilder& builder, CallStyle style, const std::vector<GrammarTool>& tools,
                              CallLimits limits) {
    return Notation(builder, style, tools).calls(limits);
}

}  // namespace weft
