#include "api/openai/multipart.h"

#include <catch2/catch_test_macros.hpp>

#include "api/batch_input.h"

namespace weft::api::openai {
namespace {

constexpr const char* form_type = "multipart/form-data; boundary=b";

std::string good_form() {
    return "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
           "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".jsonl\"\r\nContent-Type: text/plain\r\n\r\n"
           "line\r\n--c\r\n\r\n--b--\r\n";
}

}  // namespace

TEST_CASE("the parts of a form keep their bytes, whatever looks like a border in them") {
    const auto form = good_form();
    const auto parts = read_form(form_type, form).value();
    REQUIRE(parts.size() == 2);
    CHECK(parts[0].name == "purpose");
    CHECK(parts[0].content == "batch");
    CHECK(parts[1].filename == "a \"b\".jsonl");
    CHECK(parts[1].content == "line\r\n--c\r\n");
    CHECK(read_form("Multipart/Form-Data; charset=x; boundary=\"b\"", form));
}

TEST_CASE("a form that is cut off anywhere is refused") {
    const auto form = good_form();
    for (std::size_t length = 0; length < form.size() - 4; ++length) {
        INFO(length);
        CHECK_FALSE(read_form(form_type, form.substr(0, length)));
    }
    CHECK_FALSE(read_form("application/json", form));
    CHECK_FALSE(read_form("multipart/form-data", form));
    CHECK_FALSE(read_form("multipart/form-data; boundary=" + std::string(71, 'b'), form));
}

TEST_CASE("a form with too many or nameless parts is refused") {
    std::string many;
    for (std::size_t i = 0; i <= max_form_parts; ++i) many += "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n";
    CHECK_FALSE(read_form(form_type, many + "--b--\r\n"));
    CHECK_FALSE(read_form(form_type, "--b\r\nX: y\r\n\r\nz\r\n--b--\r\n"));
    CHECK_FALSE(read_form(form_type, "--b\r\n\r\nz\r\n--b--\r\n"));
}

TEST_CASE("lines of a batch are found where they are, empty ones counted") {
    const std::string line = R"({"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m"}})";
    const std::string content = "\n" + line + "\r\n\n";
    const auto input = read_batch_input(content, "/v1/embeddings");
    CHECK(input.errors.empty());
    REQUIRE(input.lines.size() == 1);
    CHECK(input.lines[0].number == 2);
    CHECK(input.model == "m");
    CHECK(batch_line_body(std::string_view(content).substr(input.lines[0].begin, input.lines[0].length)) == R"({"model":"m"})");
}

TEST_CASE("a batch of too many lines and one with none are errors") {
    std::string content;
    for (std::size_t i = 0; i <= max_batch_lines; ++i)
        content += R"({"custom_id":")" + std::to_string(i) + R"(","method":"POST","url":"/v1/embeddings","body":{}})" + "\n";
    CHECK(read_batch_input(content, "/v1/embeddings").errors.at(0).code == "too_many_tasks");
    CHECK(read_batch_input(" \n\n", "/v1/embeddings").errors.at(0).code == "empty_file");
    const auto all_wrong = read_batch_input(content, "/v1/completions");
    CHECK(all_wrong.errors.size() == max_batch_errors);
    CHECK(all_wrong.lines.empty());
}

}  // namespace weft::api::openai
