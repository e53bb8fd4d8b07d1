#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "idle_connections.h"
#include "measurement.h"
#include "options.h"

namespace weft::bench {

struct Quantiles {
    std::uint64_t count = 0;
    double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};

// A run as it is written down: the member names are those of the JSON.
struct Report {
    std::string label;
    std::string api;
    std::uint32_t clients = 0;
    std::optional<double> rate;
    double elapsed_s = 0;
    std::uint64_t completed = 0;
    std::uint64_t cut_off = 0;   // by --duration
    std::uint64_t left = 0;      // by --leave-midway
    std::uint64_t failed = 0;
    std::map<std::string, std::uint64_t> errors;  // failed, by kind
    std::string first_error;
    double requests_per_s = 0;
    double tokens_per_s = 0;
    std::uint64_t completion_tokens = 0;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t cached_tokens = 0;
    Quantiles ttft_ms;
    Quantiles itl_ms;   // gaps between pieces of text
    Quantiles tpot_ms;  // time per token after the first, one value a request
    Quantiles e2e_ms;
    double ttft_limit_ms = 0, itl_limit_ms = 0;
    double good_fraction = 0;      // of the requests that were not cut off or left
    double goodput_per_s = 0;
    std::uint32_t peak_in_flight = 0;
    std::uint32_t peak_open_streams = 0;
    std::uint64_t rss_before_kib = 0, rss_after_kib = 0;  // of --server-pid
    double client_cpu_s = 0;       // spent by the load generator itself
    std::optional<IdleResult> idle;
};

[[nodiscard]] Report make_report(const Options& options, const Measurement& measured);
void print_table(const Report& report);
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace weft::bench
