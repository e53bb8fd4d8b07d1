#include "gotemplate/template.h"

#include <catch2/catch_test_macros.hpp>

namespace weft::gotemplate {
namespace {

Value text(std::string value) { return Value::string(std::move(value)); }

Value list_of(std::vector<Value> items) {
    List list;
    list.items = std::move(items);
    return Value::list(std::move(list));
}

Value map_of(std::initializer_list<std::pair<const std::string, Value>> entries) {
    Map map;
    map.entries = entries;
    return Value::map(std::move(map));
}

// The data that most tests look at.
Value data() {
    return map_of({{"Name", text("Ada")},
                   {"Empty", text("")},
                   {"N", Value::integer(3)},
                   {"Half", Value::real(0.5)},
                   {"Yes", Value::boolean(true)},
                   {"Items", list_of({text("a"), text("b"), text("c")})},
                   {"None", list_of({})},
                   {"Ages", map_of({{"zoe", Value::integer(1)}, {"bob", Value::integer(2)}})},
                   {"Person", Value::record({{{"Role", "role", text("user")}, {"Secret", "", text("x")}, {"Age", "age", Value::integer(7)}}})}});
}

std::string render(std::string_view source) {
    const auto parsed = Template::parse(source);
    if (!parsed) return "parse: " + parsed.error().message;
    const auto text = parsed->render(data());
    return text ? *text : "render: " + text.error().message;
}

}  // namespace

TEST_CASE("text outside of actions stays as it is") {
    CHECK(render("a } b {x}\n") == "a } b {x}\n");
    CHECK(render("") == "");
}

TEST_CASE("trim markers take the white space of their side") {
    CHECK(render("a \n {{- .Name -}} \n b") == "aAdab");
    CHECK(render("a {{- .Name }} b") == "aAda b");
    CHECK(render("a {{ .Name -}}\n\tb") == "a Adab");
    CHECK(render("{{ 3 -}} x {{- -3 }}") == "3x-3");
}

TEST_CASE("comments print nothing and trim like actions") {
    CHECK(render("a{{/* no {{ matter */}}b") == "ab");
    CHECK(render("a {{- /* two\nlines */ -}} b") == "ab");
    CHECK(render("a{{/* open").starts_with("parse: template error: line 1: unclosed comment"));
    CHECK(render("a{{/* x */ .Name}}").starts_with("parse:"));
}

TEST_CASE("fields, and what a missing one prints") {
    CHECK(render("{{ .Name }} {{ .Person.Role }} {{ .Ages.bob }}") == "Ada user 2");
    CHECK(render("[{{ .Nothing }}][{{ .Nothing.At.All }}]") == "[][]");
    CHECK(render("{{ (.Person).Role }}{{ $.Name }}") == "userAda");
    CHECK(render("{{ .Name.First }}") == "render: template error: line 1: can't evaluate field First of a value without fields");
    CHECK(render("\n{{ .Person.Gone }}") == "render: template error: line 2: can't evaluate field Gone");
}

TEST_CASE("values print as Go prints them") {
    CHECK(render("{{ .N }} {{ .Half }} {{ .Yes }} {{ 1e3 }} {{ 1e21 }} {{ 0.00001 }}") == "3 0.5 true 1000 1e+21 1e-05");
    CHECK(render("{{ .Items }} {{ .Ages }} {{ .None }}") == "[a b c] map[bob:2 zoe:1] []");
    CHECK(render("{{ .Person }}") == R"({"role":"user","age":7})");
}

TEST_CASE("literals are Go's") {
    CHECK(render(R"({{ "a\tb\"\u00e9\x41\101" }}|{{ `raw\n` }}|{{ 'A' }}|{{ 0x1F }}|{{ 1_000 }}|{{ -7 }})") == "a\tb\"éAA|raw\\n|65|31|1000|-7");
    CHECK(render(R"({{ "open }})").starts_with("parse: template error: line 1: unterminated quoted text"));
    CHECK(render(R"({{ "\q" }})").starts_with("parse: template error: line 1: malformed escape"));
    CHECK(render("{{ 99999999999999999999 }}").starts_with("parse: template error: line 1: bad number syntax"));
}

TEST_CASE("if takes the first branch that holds") {
    CHECK(render("{{ if .Empty }}1{{ else if .None }}2{{ else if eq .N 3 }}3{{ else }}4{{ end }}") == "3");
    CHECK(render("{{ if .Nothing }}1{{ else }}2{{ end }}{{ if 0 }}1{{ end }}{{ if .Person }}3{{ end }}") == "23");
}

TEST_CASE("with moves the dot and leaves it in its else") {
    CHECK(render("{{ with .Person }}{{ .Role }}{{ $.Name }}{{ end }}") == "userAda");
    CHECK(render("{{ with .Empty }}x{{ else }}{{ .Name }}{{ end }}") == "Ada");
    CHECK(render("{{ with .Empty }}x{{ else with .N }}{{ . }}{{ end }}") == "3");
    CHECK(render("{{ with $p := .Person }}{{ $p.Role }}{{ end }}") == "user");
}

TEST_CASE("range visits lists, maps by key, and whole numbers") {
    CHECK(render("{{ range .Items }}<{{ . }}>{{ end }}") == "<a><b><c>");
    CHECK(render("{{ range $i, $v := .Items }}{{ $i }}{{ $v }}{{ . }} {{ end }}") == "0aa 1bb 2cc ");
    CHECK(render("{{ range $v := .Items }}{{ $v }}{{ end }}") == "abc");
    CHECK(render("{{ range $k, $v := .Ages }}{{ $k }}={{ $v }};{{ end }}") == "bob=2;zoe=1;");
    CHECK(render("{{ range 3 }}{{ . }}{{ end }}") == "012");
    CHECK(render("{{ range .None }}x{{ else }}nobody{{ end }}{{ range .Nothing }}x{{ else }}!{{ end }}") == "nobody!");
    CHECK(render("{{ range .Name }}x{{ end }}") == "render: template error: line 1: range can't iterate over this value");
}

TEST_CASE("break and continue belong to the innermost range") {
    CHECK(render("{{ range .Items }}{{ if eq . \"b\" }}{{ continue }}{{ end }}{{ . }}{{ end }}") == "ac");
    CHECK(render("{{ range .Items }}{{ if eq . \"b\" }}{{ break }}{{ end }}{{ . }}{{ end }}") == "a");
    CHECK(render("{{ range .Items }}{{ range 5 }}{{ break }}{{ end }}{{ . }}{{ end }}") == "abc");
    CHECK(render("{{ break }}") == "parse: template error: line 1: {{break}} outside {{range}}");
    CHECK(render("{{ range .Items }}{{ else }}{{ continue }}{{ end }}").starts_with("parse:"));
}

TEST_CASE("variables live until the end of their block, and assignments outlive it") {
    CHECK(render("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}") == "21");
    CHECK(render("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x }}{{ end }}{{ $x }}") == "22");
    CHECK(render("{{ $x := 0 }}{{ range $i, $_ := .Items }}{{ $x = $i }}{{ end }}{{ $x }}") == "2");
    CHECK(render("{{ if $p := .Name }}{{ $p }}{{ end }}") == "Ada");
    CHECK(render("{{ $y }}") == "parse: template error: line 1: undefined variable \"$y\"");
    CHECK(render("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}") == "parse: template error: line 1: undefined variable \"$x\"");
    CHECK(render("{{ $x = 1 }}") == "parse: template error: line 1: undefined variable \"$x\"");
}

TEST_CASE("and and or give the value that decided and evaluate no further") {
    CHECK(render("{{ and .Name .N }}|{{ and .Empty .N }}|{{ or .Empty .N }}|{{ or .Empty .None }}") == "3||3|[]");
    CHECK(render("{{ if and .Nothing (index .Items 9) }}x{{ else }}y{{ end }}") == "y");
    CHECK(render("{{ if or .Name (index .Items 9) }}x{{ end }}") == "x");
    CHECK(render("{{ not .Empty }} {{ not .Name }}") == "true false");
}

TEST_CASE("comparisons know text and numbers, and eq takes several") {
    CHECK(render("{{ eq .Name \"x\" \"Ada\" }} {{ ne .N 4 }} {{ lt .N 4 }} {{ le .N 3 }} {{ gt .N 3 }} {{ ge .N 3 }}") == "true true true true false true");
    CHECK(render("{{ lt \"a\" \"b\" }} {{ eq .Nothing nil }} {{ eq .Nothing \"\" }} {{ eq .Half 0.5 }}") == "true true false true");
    CHECK(render("{{ eq .Name 3 }}") == "render: template error: line 1: incompatible types for comparison");
    CHECK(render("{{ eq .Items .Items }}").starts_with("render:"));
}

TEST_CASE("len, index and slice") {
    CHECK(render("{{ len .Name }}{{ len .Items }}{{ len .Ages }}") == "332");
    CHECK(render("{{ index .Items 1 }} {{ index .Ages \"bob\" }} [{{ index .Ages \"eve\" }}] {{ index .Name 0 }}") == "b 2 [] 65");
    CHECK(render("{{ slice .Items 1 }} {{ slice .Items 0 2 }} {{ slice .Name 1 3 }}") == "[b c] [a b] da");
    CHECK(render("{{ index .Items 3 }}") == "render: template error: line 1: index out of range: 3");
    CHECK(render("{{ slice .Name 2 1 }}").starts_with("render:"));
    CHECK(render("{{ $last := slice .Items (len (slice .Items 1)) }}{{ $last }}") == "[c]");
}

TEST_CASE("pipes hand their value on as the last argument") {
    CHECK(render("{{ .Name | printf \"%s-%s\" \"x\" }} {{ .Items | len | printf \"%03d\" }}") == "x-Ada 003");
    CHECK(render("{{ .Name|len }}") == "3");
    CHECK(render("{{ .Name | .N }}").starts_with("parse:"));
    CHECK(render("{{ .Name .N }}") == "parse: template error: line 1: what is not a function cannot have arguments");
    CHECK(render("{{ nosuch 1 }}") == "parse: template error: line 1: function \"nosuch\" not defined");
    CHECK(render("{{ len }}") == "render: template error: line 1: wrong number of arguments for len: 0");
}

TEST_CASE("print, println and printf follow fmt") {
    CHECK(render("{{ print 1 2 \"a\" \"b\" 3 }}|{{ println 1 \"a\" }}|") == "1 2ab3|1 a\n|");
    CHECK(render("{{ printf \"%s %d %v %q %t %5d|%-5s|%05.1f %x %%\" .Name .N .Items .Name .Yes 42 \"ab\" .Half 255 }}") ==
          "Ada 3 [a b c] \"Ada\" true    42|ab   |000.5 ff %");
    CHECK(render("{{ printf \"%d\" \"x\" }} {{ printf \"%s\" }} {{ printf \"a\" 1 }}") == "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)");
}

TEST_CASE("json is compact, sorted and escapes what could end a script") {
    CHECK(render("{{ json .Ages }} {{ json .Items }} {{ .Person | json }} {{ json .Nothing }}") ==
          R"({"bob":2,"zoe":1} ["a","b","c"] {"role":"user","age":7} null)");
    CHECK(render("{{ json \"<a> & \\\"\\n\" }}") == R"("\u003ca\u003e \u0026 \"\n")");
    CHECK(render("{{ json 0.5 }} {{ json 1e21 }} {{ json 0.0000001 }}") == "0.5 1e+21 1e-7");
}

TEST_CASE("templates can be defined, called and given a default") {
    CHECK(render("{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" .Name }}{{ template \"t\" }}") == "<Ada><>");
    CHECK(render("{{ block \"b\" .Person }}{{ .Role }}{{ end }}") == "user");
    CHECK(render("{{ define \"t\" }}{{ $.Role }}{{ end }}{{ $x := 1 }}{{ template \"t\" .Person }}{{ $x }}") == "user1");
    CHECK(render("{{ template \"gone\" . }}") == "render: template error: line 1: template \"gone\" not defined");
    CHECK(render("{{ if true }}{{ define \"t\" }}{{ end }}{{ end }}").starts_with("parse:"));
}

TEST_CASE("a rendering can be cut behind the first action that prints a field") {
    const auto parsed = Template::parse("{{ if .A }}a{{ end }}{{ .Prompt }}|{{ if true }}{{ .Response }}!{{ end }} end {{ .Response }}");
    REQUIRE(parsed);
    CHECK(parsed->render(map_of({{"Prompt", text("p")}, {"Response", text("r")}}), {.cut_behind = "Response"}) == "p|r");
    CHECK(parsed->render(map_of({{"Prompt", text("p")}, {"Response", text("r")}})) == "p|r! end r");
    CHECK(parsed->mentions("Response"));
    CHECK_FALSE(parsed->mentions("Messages"));
}

TEST_CASE("dates are those of the given day") {
    const auto parsed = Template::parse("{{ currentDate }} {{ yesterdayDate }}");
    REQUIRE(parsed);
    const auto now = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + std::chrono::hours(5);
    CHECK(parsed->render({}, {.now = now}) == "2026-03-01 2026-02-28");
}

TEST_CASE("what does not parse says where") {
    CHECK(render("a\n{{ if .Name }}") == "parse: template error: line 2: unexpected end of the template: {{end}} is missing");
    CHECK(render("{{ end }}") == "parse: template error: line 1: unexpected {{end}}");
    CHECK(render("{{ .Name") == "parse: template error: line 1: unclosed action");
    CHECK(render("{{ }}") == "parse: template error: line 1: missing value for command");
    CHECK(render("{{ (.Name }}") == "parse: template error: line 1: unclosed left parenthesis");
    CHECK(render("{{ if .A }}{{ else }}{{ else }}{{ end }}").starts_with("parse:"));
    CHECK(render("{{ .Name | }}").starts_with("parse:"));
    CHECK(render("{{ ! }}").starts_with("parse:"));
}

}  // namespace weft::gotemplate
