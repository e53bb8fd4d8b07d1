#include "services/jobs/callback_sender.h"

#include <array>

namespace weft {

std::int64_t callback_delay_ms(std::uint32_t failed_tries) {
    constexpr std::array<std::int64_t, 10> seconds{1, 5, 15, 60, 300, 900, 3600, 3600, 10'800, 21'600};
    if (failed_tries == 0 || failed_tries > seconds.size()) return 0;
    return seconds[failed_tries - 1] * 1000;
}

}  // namespace weft
