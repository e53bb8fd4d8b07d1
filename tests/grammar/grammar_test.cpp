#include "matching.h"

using namespace weft;
using namespace weft::test;

TEST_CASE("the notation is read as libllama reads it") {
    CHECK(takes(R"(root ::= "a" "b"+ [0-9]? # a remark
other ::= "unused")", "abb7"));
    CHECK(takes("root ::= (\n  \"x\" |\n  \"y\"\n)*\n", "xyyx"));
    CHECK(takes("root ::= [^a-c\\x5D]", "d"));
    CHECK_FALSE(takes("root ::= [^a-c\\x5D]", "]"));
    CHECK(takes("root ::= \"\\u00e4\\n\" .", "ä\n€"));
    CHECK(takes("root ::= [a-]", "-"));
    CHECK(takes("root ::= item{2,3}\nitem ::= \"a\" | \"bc\"", "abca"));
    CHECK_FALSE(takes("root ::= item{2,3}\nitem ::= \"a\" | \"bc\"", "a"));
    CHECK_FALSE(takes("root ::= item{2,3}\nitem ::= \"a\" | \"bc\"", "aaaa"));
    CHECK(takes("root ::= \"a\"{2,}", "aaaaa"));
    CHECK(takes("root ::= \"ab\"{2}", "abab"));
    CHECK(takes("root ::= \"\" | \"x\"", ""));
}

TEST_CASE("a broken grammar is refused with the place") {
    CHECK(why_not("root ::= \"a") == "the grammar is not valid: a '\"' is missing (line 1, column 12)");
    CHECK(why_not("root ::= [a").starts_with("the grammar is not valid: a ']' is missing"));
    CHECK(why_not("root ::= (\"a\"").starts_with("the grammar is not valid: a ')' is missing"));
    CHECK(why_not("root ::= *").starts_with("the grammar is not valid: there is nothing before a repetition"));
    CHECK(why_not("root ::= \"a\"{3,2}").starts_with("the grammar is not valid: a repetition ends before it begins"));
    CHECK(why_not("root ::= \"a\"{99999999999}").starts_with("the grammar is not valid: a repetition count is too large"));
    CHECK(why_not("root = \"a\"").starts_with("the grammar is not valid: '::=' is expected"));
    CHECK(why_not("root ::= \"\\q\"").starts_with("the grammar is not valid: an escape is not known"));
    CHECK(why_not("root ::= <think>").starts_with("the grammar is not valid: token references are not supported"));
    CHECK(why_not("root ::= \"a\"\nroot ::= \"b\"").starts_with("the grammar is not valid: the rule 'root' is defined twice"));
    CHECK(why_not("root ::= \"\xff\"").starts_with("the grammar is not valid: it is not valid UTF-8"));
    CHECK(why_not("a ::= \"x\"") == "the grammar has no rule 'root'");
    CHECK(why_not("") == "the grammar has no rule 'root'");
    CHECK(why_not("root ::= b") == "the grammar's rule 'b' is not defined");
    CHECK(why_not("root ::= " + std::string(100, '(') + "\"a\"" + std::string(100, ')')).starts_with("the grammar is not valid: it is nested too deeply"));
    CHECK(why_not(std::string(max_grammar_bytes + 1, ' ')).starts_with("the grammar has more than"));
}

TEST_CASE("rules that begin with themselves are refused, however well it is hidden") {
    CHECK(why_not("root ::= root \"a\" | \"b\"") == "the grammar's rule 'root' begins with itself (left recursion)");
    CHECK(why_not("root ::= x \"a\"\nx ::= y\ny ::= x | \"b\"").ends_with("begins with itself (left recursion)"));
    CHECK(why_not("root ::= maybe root \"a\" | \"b\"\nmaybe ::= \"x\"*").ends_with("begins with itself (left recursion)"));
    CHECK(why_not("root ::= (\"x\"? root)+ | \"b\"").ends_with("begins with itself (left recursion)"));
    CHECK(why_not("root ::= \"a\" root | \"b\"").empty());
}

TEST_CASE("rules that never end are refused") {
    CHECK(why_not("root ::= \"a\" root") == "the grammar's rule 'root' can never end");
    CHECK(why_not("root ::= \"a\" b\nb ::= \"(\" b \")\"") == "the grammar's rule 'root' can never end");
    CHECK(why_not("root ::= \"a\" b?\nb ::= \"(\" b \")\"") == "the grammar's rule 'b' can never end");
    CHECK(why_not("root ::= \"a\"\nb ::= b").empty());  // nobody calls b
}

TEST_CASE("a long chain of rules is checked without recursion") {
    std::string text = "root ::= r0\n";
    constexpr int n = 20'000;
    for (int i = 0; i < n; ++i) text += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
    text += "r" + std::to_string(n) + " ::= \"x\"\n";
    CHECK(takes(text, "x"));
}
