#include "api/openai/completion_answer.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;
using namespace weft::api::openai;

namespace {

const AnswerHead head{.id = "cmpl-1", .created = 1, .model = "demo", .fingerprint = "fp_0"};

TokenLogprob token(std::string bytes, float logprob, std::vector<TokenAlternative> top = {}) {
    return {.chosen = {.token = 1, .logprob = logprob, .bytes = std::move(bytes)}, .top = std::move(top)};
}

TextPiece piece(std::uint32_t choice, std::string text, float logprob) {
    return {.choice = choice, .text = text, .n_tokens = 1, .logprobs = {token(text, logprob)}};
}

std::string json_of(LegacyLogprobs& logprobs) {
    std::string out;
    logprobs.append_and_clear(out);
    return out;
}

}  // namespace

TEST_CASE("of more candidates than choices those with the best mean log probability remain, best first") {
    CompletionAnswer answer({.choices = 2, .candidates = 3});
    answer.begin_prompt("");
    answer.add(piece(0, "bad", -3));
    answer.add(piece(1, "good", -1));
    answer.add(piece(1, " and long", -1));  // a longer text is not worse
    answer.add(piece(2, "best", -0.5F));
    answer.end_prompt();
    const auto body = answer.body(head);
    CHECK(body.contains(R"([{"text":"best","index":0,"logprobs":null,"finish_reason":"stop"},)"
                        R"({"text":"good and long","index":1,"logprobs":null,"finish_reason":"stop"}])"));
}

TEST_CASE("offsets count code points and go on from chunk to chunk") {
    LegacyLogprobs logprobs(false);
    logprobs.add(token("é", -1));
    logprobs.add(token("漢😀", -2));
    CHECK(json_of(logprobs) ==
          R"({"tokens":["é","漢😀"],"token_logprobs":[-1,-2],"top_logprobs":null,"text_offset":[0,1]})");
    logprobs.add(token("x", -3));
    CHECK(json_of(logprobs) == R"({"tokens":["x"],"token_logprobs":[-3],"top_logprobs":null,"text_offset":[3]})");
    CHECK(json_of(logprobs) == "null");
}

TEST_CASE("half characters are written as replacement characters, impossible ones as -9999") {
    LegacyLogprobs logprobs(false);
    logprobs.add(token("\xE6\xBC", -std::numeric_limits<float>::infinity()));
    CHECK(json_of(logprobs) ==
          "{\"tokens\":[\"\xEF\xBF\xBD\"],\"token_logprobs\":[-9999],\"top_logprobs\":null,\"text_offset\":[0]}");
}

TEST_CASE("the chosen token is always among the alternatives, equal texts appear once") {
    LegacyLogprobs logprobs(true);
    logprobs.add(
        token("c", -9, {{.token = 2, .logprob = -1, .bytes = "a"}, {.token = 3, .logprob = -2, .bytes = "a"}}));
    CHECK(json_of(logprobs) ==
          R"({"tokens":["c"],"token_logprobs":[-9],"top_logprobs":[{"a":-1,"c":-9}],"text_offset":[0]})");
}

TEST_CASE("the first token of an echoed prompt has no probability and what the others leave of the text") {
    LegacyLogprobs logprobs(true);
    add_prompt(logprobs, "Once upon", {token(" up", -1), token("on", -2)});
    CHECK(json_of(logprobs) == R"({"tokens":["Once"," up","on"],"token_logprobs":[null,-1,-2],)"
                               R"("top_logprobs":[null,{" up":-1},{"on":-2}],"text_offset":[0,4,7]})");
    LegacyLogprobs with_bos(false);
    add_prompt(with_bos, "Once", {token("On", -1), token("ce", -2)});
    CHECK(json_of(with_bos) ==
          R"({"tokens":["","On","ce"],"token_logprobs":[null,-1,-2],"top_logprobs":null,"text_offset":[0,0,2]})");
}
