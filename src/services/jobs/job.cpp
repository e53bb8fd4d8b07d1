#include "services/jobs/job.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace weft {
namespace asio = boost::asio;

JobWatch::JobWatch(std::shared_ptr<Job> job, asio::any_io_executor io)
    : job_(std::move(job)),
      timer_(std::move(io)),
      place_(job_->watchers.insert(job_->watchers.end(), [this] { timer_.cancel(); })) {}

JobWatch::~JobWatch() { job_->watchers.erase(place_); }

asio::awaitable<void> JobWatch::changed(std::chrono::milliseconds patience) {
    timer_.expires_after(patience);
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace weft
