#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <string>

#include "app/callback_rule.h"
#include "services/jobs/callback_sender.h"

namespace weft {

// Sends the final object of a job to the address that its client gave, signed, on threads of its own.
//   weft-delivery-id   the same for every try of one delivery
//   weft-signature     "t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" with the secret>"
class JobCallbacks final : public CallbackSender {
  public:
    using JobObject = std::function<std::string(const JobRow& row)>;

    JobCallbacks(boost::asio::any_io_executor io, CallbackRule rule, JobObject job_object);
    // Tries that are under way are given up.
    ~JobCallbacks() override;

    [[nodiscard]] std::string refusal(const std::string& url) const override;
    void send(const JobRow& job, std::function<void(bool delivered)> done) override;

  private:
    boost::asio::any_io_executor io_;
    CallbackRule rule_;
    JobObject job_object_;
    std::atomic<bool> give_up_ = false;
    boost::asio::thread_pool senders_;
};

[[nodiscard]] std::string hmac_sha256_hex(const std::string& secret, const std::string& text);

}  // namespace weft
