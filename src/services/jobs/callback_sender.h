#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "store/job_row.h"

namespace weft {

inline constexpr std::size_t callbacks_at_once = 8;
inline constexpr std::size_t callbacks_of_tenant = 2;  // of these: a receiver that does not answer takes its time

// Tells somebody else's server that a job is finished.
class CallbackSender {
  public:
    virtual ~CallbackSender() = default;

    // Empty when jobs may name that address, else what is wrong with it.
    [[nodiscard]] virtual std::string refusal(const std::string& url) const = 0;

    // One try, at most callbacks_at_once at one time. delivered is called later, on io: the other side answered with 2xx. Thread: io.
    virtual void send(const JobRow& job, std::function<void(bool delivered)> done) = 0;
};

// How long after the given number of failed tries the next one follows; 0: no more. Seconds at first, hours at last.
[[nodiscard]] std::int64_t callback_delay_ms(std::uint32_t failed_tries);

}  // namespace weft
