#include "app/job_callbacks.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>

#include "base/log.h"
#include "http/outbound_post.h"

namespace weft {
namespace asio = boost::asio;

std::string hmac_sha256_hex(const std::string& secret, const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         digest.data(), &length);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < length; ++i) {
        out += digits[digest[i] >> 4U];
        out += digits[digest[i] & 15U];
    }
    return out;
}

JobCallbacks::JobCallbacks(asio::any_io_executor io, CallbackRule rule, JobObject job_object)
    : io_(std::move(io)), rule_(std::move(rule)), job_object_(std::move(job_object)), senders_(callbacks_at_once) {}

JobCallbacks::~JobCallbacks() {
    give_up_ = true;
    senders_.stop();
    senders_.join();
}

std::string JobCallbacks::refusal(const std::string& url) const { return callback_refusal(rule_, url, "callback_url"); }

void JobCallbacks::send(const JobRow& job, std::function<void(bool)> done) {
    http::OutboundPost request{.url = job.callback_url, .body = job_object_(job), .give_up = &give_up_};
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto time = std::to_string(now);
    request.headers = {{"content-type", "application/json"},
                       {"weft-delivery-id", "dlv-" + job.id},
                       {"weft-signature", "t=" + time + ",v1=" + hmac_sha256_hex(rule_.secret, time + "." + request.body)}};
    // The list may have become shorter since the job was accepted.
    const bool allowed = refusal(job.callback_url).empty();
    asio::post(senders_, [io = io_, request = std::move(request), done = std::move(done), allowed, id = job.id] {
        const auto status = allowed ? http::post(request) : fail(ErrorCode::forbidden, "the host is not allowed any more");
        const bool delivered = status && *status >= 200 && *status < 300;
        if (!delivered)
            log_warn("callback_failed", {{"job", id}, {"reason", status ? "status " + std::to_string(*status) : status.error().message + " " + status.error().detail}});
        asio::post(io, [done, delivered] { done(delivered); });
    });
}

}  // namespace weft
