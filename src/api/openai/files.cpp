#include <algorithm>
#include <array>
#include <charconv>

#include "api/caller.h"
#include "api/json_text.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/multipart.h"
#include "api/openai/pages.h"
#include "http/request_target.h"
#include "store/batch_store.h"

namespace weft::api::openai {
namespace {

constexpr std::array<std::string_view, 6> purposes{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"};
constexpr std::int64_t shortest_life_s = 3600;
constexpr std::int64_t longest_life_s = 2'592'000;
constexpr std::int64_t batch_life_s = 30LL * 24 * 3600;  // of files for batches, if nothing is said
constexpr std::size_t max_batch_file_bytes = 200 << 20;
constexpr std::size_t max_filename_bytes = 255;

std::string file_object(const FileRow& file) {
    std::string out = R"({"id":)";
    append_json_string(out, file.id);
    out += R"(,"object":"file","bytes":)" + std::to_string(file.bytes) + R"(,"created_at":)" + std::to_string(file.created_s);
    out += R"(,"expires_at":)" + (file.expires_s == 0 ? std::string("null") : std::to_string(file.expires_s)) + R"(,"filename":)";
    append_json_string(out, file.filename);
    out += R"(,"purpose":)";
    append_json_string(out, file.purpose);
    return out + R"(,"status":"processed","status_details":null})";
}

Error unknown_file(const std::string& id) {
    return {.code = ErrorCode::not_found, .message = "No such File object: " + id, .field = "id"};
}

const FormPart* part_named(const std::vector<FormPart>& parts, std::string_view name) {
    const auto found = std::ranges::find(parts, name, &FormPart::name);
    return found == parts.end() ? nullptr : &*found;
}

Result<std::int64_t> read_lifetime(const std::vector<FormPart>& parts, std::string_view purpose) {
    const auto* seconds = part_named(parts, "expires_after[seconds]");
    const auto* anchor = part_named(parts, "expires_after[anchor]");
    if (!seconds && !anchor) return purpose == "batch" ? batch_life_s : 0;
    if (!anchor || anchor->content != "created_at")
        return fail_field(ErrorCode::invalid_request, "expires_after[anchor]", "'expires_after[anchor]' must be created_at");
    std::int64_t life = 0;
    const auto text = seconds ? seconds->content : std::string_view();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), life);
    if (error != std::errc{} || end != text.data() + text.size() || life < shortest_life_s || life > longest_life_s)
        return fail_field(ErrorCode::invalid_request, "expires_after[seconds]",
                          "'expires_after[seconds]' must be a whole number from 3600 to 2592000");
    return life;
}

Result<NewFile> read_file_request(const http::Exchange& exchange, const Services& services) {
    const auto& request = exchange.request();
    WEFT_TRY(const auto parts, read_form(request.header("content-type"), request.body));
    const auto* purpose = part_named(parts, "purpose");
    if (!purpose) return fail_field(ErrorCode::missing_field, "purpose", "'purpose' is required");
    if (!std::ranges::contains(purposes, purpose->content))
        return fail_field(ErrorCode::invalid_request, "purpose", "'purpose' must be one of assistants, batch, fine-tune, vision, user_data, evals");
    const auto* file = part_named(parts, "file");
    if (!file) return fail_field(ErrorCode::missing_field, "file", "'file' is required");
    if (file->filename.empty() || file->filename.size() > max_filename_bytes)
        return fail_field(ErrorCode::invalid_request, "file", "'file' must have a filename of at most 255 bytes");
    if (purpose->content == "batch" && file->content.size() > max_batch_file_bytes)
        return fail_field(ErrorCode::too_large, "file", "a file for batches must have at most 200 MB");
    WEFT_TRY(const auto life, read_lifetime(parts, purpose->content));
    WEFT_TRY(auto tenant, caller_tenant(exchange));
    const auto now = services.unix_time();
    return NewFile{.row = {.id = services.new_id("file-"), .tenant = std::move(tenant), .filename = valid_utf8(file->filename),
                           .purpose = std::string(purpose->content), .bytes = static_cast<std::int64_t>(file->content.size()),
                           .created_s = now, .expires_s = life == 0 ? 0 : now + life},
                   .content = std::string(file->content)};
}

// Of a header: quotes and what is not ASCII would need an encoding that clients do not agree on.
std::string header_filename(std::string name) {
    for (char& c : name)
        if (c < ' ' || c == '"' || c == '\\' || static_cast<unsigned char>(c) >= 0x7f) c = '_';
    return name;
}

}  // namespace

Answered create_file(http::Exchange& exchange, const Services& services) {
    auto file = read_file_request(exchange, services);
    if (!file) co_return co_await reply_error(exchange, services, std::move(file).error());
    const std::string object = file_object(file->row);
    const Pending<bool> pending(exchange.executor());
    services.batch_store->add_file(std::move(*file), pending.setter());
    const auto added = co_await pending.wait();
    if (!added) co_return co_await reply_error(exchange, services, added.error());
    co_await reply_json(exchange, services, object);
}

Answered list_files(http::Exchange& exchange, const Services& services) {
    auto query = read_page_query(exchange, {.by_default = 10'000, .most = 10'000, .may_order = true});
    if (!query) co_return co_await reply_error(exchange, services, std::move(query).error());
    query->purpose = http::query_parameter(exchange.request().query, "purpose").value_or("");
    const std::size_t limit = query->limit++;
    const Pending<std::vector<FileRow>> pending(exchange.executor());
    services.batch_store->list_files(std::move(*query), pending.setter());
    const auto files = co_await pending.wait();
    if (!files) co_return co_await reply_error(exchange, services, files.error());
    std::vector<PageItem> items;
    for (const auto& file : *files) items.push_back({.id = file.id, .json = file_object(file)});
    co_await reply_json(exchange, services, page_json(std::move(items), limit));
}

Answered show_file(http::Exchange& exchange, const Services& services) {
    auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, std::move(tenant).error());
    const auto id = object_id(exchange);
    const Pending<FileRow> pending(exchange.executor());
    services.batch_store->find_file(std::move(*tenant), id, pending.setter());
    const auto file = co_await pending.wait();
    if (!file) co_return co_await reply_error(exchange, services, file.error().code == ErrorCode::not_found ? unknown_file(id) : file.error());
    co_await reply_json(exchange, services, file_object(*file));
}

Answered show_file_content(http::Exchange& exchange, const Services& services) {
    auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, std::move(tenant).error());
    const auto id = object_id(exchange);
    const Pending<FileRow> found(exchange.executor());
    services.batch_store->find_file(*tenant, id, found.setter());
    const auto file = co_await found.wait();
    const Pending<std::string> read(exchange.executor());
    services.batch_store->read_file(std::move(*tenant), id, read.setter());
    auto content = co_await read.wait();
    if (!file || !content) {
        const auto& error = file ? content.error() : file.error();
        co_return co_await reply_error(exchange, services, error.code == ErrorCode::not_found ? unknown_file(id) : error);
    }
    co_await exchange.reply({.content_type = "application/octet-stream", .body = std::move(*content),
                             .headers = {{"content-disposition", "attachment; filename=\"" + header_filename(file->filename) + "\""}}});
}

Answered delete_file(http::Exchange& exchange, const Services& services) {
    auto tenant = caller_tenant(exchange);
    if (!tenant) co_return co_await reply_error(exchange, services, std::move(tenant).error());
    const auto id = object_id(exchange);
    const Pending<bool> pending(exchange.executor());
    services.batch_store->remove_file(std::move(*tenant), id, pending.setter());
    const auto removed = co_await pending.wait();
    if (!removed) co_return co_await reply_error(exchange, services, removed.error());
    if (!*removed) co_return co_await reply_error(exchange, services, unknown_file(id));
    std::string out = R"({"id":)";
    append_json_string(out, id);
    co_await reply_json(exchange, services, out + R"(,"object":"file","deleted":true})");
}

}  // namespace weft::api::openai
