#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "connection.h"
#include "measurement.h"
#include "options.h"
#include "prompts.h"

namespace weft::bench {

// Drives one run from warm-up to the last answer. Everything happens on the thread that calls run().
class LoadRun {
  public:
    LoadRun(const Options& options, Endpoint server);
    const Measurement& run();

  private:
    using Task = boost::asio::awaitable<void>;

    Task drive();
    Task warm_up();
    Task closed_loop_client();
    Task plain_client();
    // Sends so many requests at once; returns how many were answered before the server closed the connection.
    [[nodiscard]] boost::asio::awaitable<Result<std::uint32_t>> get_several(Connection& connection,
                                                                            const std::string& request,
                                                                            std::uint32_t wanted,
                                                                            Clock::time_point due);
    Task open_loop();
    Task pooled_request(Clock::time_point due);
    Task end_after_duration();
    Task close_overdue();

    // Takes the next of the requests that are to be sent; false: that was all.
    [[nodiscard]] bool take_request();
    Task one_request(Connection& connection, Clock::time_point due, Measurement& into);
    [[nodiscard]] boost::asio::awaitable<Result<void>> exchange(Connection& connection, const std::string& request,
                                                                Observation& seen, Measurement& into, bool& opened);
    [[nodiscard]] boost::asio::awaitable<Result<void>> read_answer(Connection& connection, Observation& seen,
                                                                   Measurement& into);
    [[nodiscard]] Ending ending_of(Connection& connection, const Observation& seen, Result<void>& result);
    void client_done();

    const Options& options_;
    Endpoint server_;
    boost::asio::io_context io_{1};
    Prompts prompts_;
    Random random_;
    Measurement measurement_;
    std::uint64_t taken_ = 0;
    std::uint32_t clients_left_ = 0;
    bool stopping_ = false;
    std::unordered_map<Connection*, Clock::time_point> deadlines_;
    std::vector<std::unique_ptr<Connection>> idle_;  // open loop
};

}  // namespace weft::bench
