#include "http/outbound_post.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "base/ascii.h"

namespace weft::http {
namespace {

struct Cleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
    void operator()(char* text) const { curl_free(text); }
};

// Once, before other threads use the library.
void start_library() {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)started;
}

std::size_t throw_away(char*, std::size_t size, std::size_t n, void* received) {
    auto& bytes = *static_cast<std::size_t*>(received);
    bytes += size * n;
    return bytes > max_outbound_answer_bytes ? 0 : size * n;
}

// Other than 0: the transfer ends.
int is_given_up(void* give_up, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return static_cast<const std::atomic<bool>*>(give_up)->load() ? 1 : 0; }

std::string part_of(CURLU* url, CURLUPart part) {
    char* text = nullptr;
    if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
    const std::unique_ptr<char, Cleanup> owned(text);
    return text;
}

}  // namespace

Result<int> post(const OutboundPost& request) {
    start_library();
    const std::unique_ptr<CURL, Cleanup> handle(curl_easy_init());
    if (!handle) return fail(ErrorCode::internal, "no HTTP client could be made");
    std::unique_ptr<curl_slist, Cleanup> headers;
    for (const auto& [name, value] : request.headers) {
        const std::string line = name + ": " + value;
        headers.reset(curl_slist_append(headers.release(), line.c_str()));
    }
    std::size_t received = 0;
    const auto set = [&handle](CURLoption option, auto value) { curl_easy_setopt(handle.get(), option, value); };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_WRITEFUNCTION, throw_away);
    set(CURLOPT_WRITEDATA, &received);
    if (request.give_up != nullptr) {
        set(CURLOPT_NOPROGRESS, 0L);
        set(CURLOPT_XFERINFOFUNCTION, is_given_up);
        set(CURLOPT_XFERINFODATA, request.give_up);
    }
    const CURLcode code = curl_easy_perform(handle.get());
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    // An answer that is too long is an answer.
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && status != 0)) return static_cast<int>(status);
    return std::unexpected(Error{.code = code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::timeout : ErrorCode::internal,
                                 .message = "the other server could not be reached",
                                 .detail = curl_easy_strerror(code)});
}

std::string host_of_url(const std::string& url) {
    start_library();
    if (std::ranges::any_of(url, [](unsigned char c) { return c <= ' ' || c == '\\' || c >= 0x7f; })) return {};
    const std::unique_ptr<CURLU, Cleanup> parsed(curl_url());
    if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) return {};
    const auto scheme = part_of(parsed.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") return {};
    return lower_case(part_of(parsed.get(), CURLUPART_HOST));
}

}  // namespace weft::http
