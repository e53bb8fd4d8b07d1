#include "report.h"

#include <cstdio>

#include <glaze/glaze.hpp>
#include <sys/resource.h>

namespace weft::bench {
namespace {

Quantiles in_ms(const Histogram& us) {
    const auto ms = [](double value) { return value / 1000; };
    return {.count = us.count(), .mean = ms(us.mean()), .p50 = ms(us.quantile(0.5)), .p90 = ms(us.quantile(0.9)),
            .p99 = ms(us.quantile(0.99)), .max = ms(us.max())};
}

std::string name_of(Api api) {
    switch (api) {
        case Api::openai_chat: return "openai-chat";
        case Api::openai_completions: return "openai-completions";
        case Api::ollama_chat: return "ollama-chat";
        case Api::ollama_generate: return "ollama-generate";
        case Api::get: return "get";
        case Api::post: return "post";
    }
    return "";
}

double own_cpu_s() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return s(usage.ru_utime) + s(usage.ru_stime);
}

void print_row(const char* name, const Quantiles& q) {
    if (q.count == 0) return;
    std::printf("  %-10s %10.3f %10.3f %10.3f %10.3f %10.3f\n", name, q.mean, q.p50, q.p90, q.p99, q.max);
}

void print_counts(const Report& report) {
    std::printf("  %llu requests in %.2f s = %.1f/s", static_cast<unsigned long long>(report.completed),
                report.elapsed_s, report.requests_per_s);
    if (report.completion_tokens > 0)
        std::printf(", %llu tokens = %.1f/s", static_cast<unsigned long long>(report.completion_tokens),
                    report.tokens_per_s);
    if (report.cut_off > 0) std::printf(", %llu cut off", static_cast<unsigned long long>(report.cut_off));
    if (report.left > 0) std::printf(", %llu left", static_cast<unsigned long long>(report.left));
    std::printf("\n");
    for (const auto& [kind, n] : report.errors)
        std::printf("  error %-24s %llu\n", kind.c_str(), static_cast<unsigned long long>(n));
    if (!report.first_error.empty()) std::printf("  first error: %.300s\n", report.first_error.c_str());
}

void print_idle(const IdleResult& idle) {
    std::printf("  idle connections: %u asked, %u opened, %u still open after the hold", idle.asked, idle.opened,
                idle.still_open);
    if (idle.rss_before_kib > 0) std::printf(", %.1f KiB each", idle.kib_per_connection);
    std::printf("\n");
}

}  // namespace

Report make_report(const Options& options, const Measurement& measured) {
    const double elapsed = measured.elapsed_s();
    const auto per_s = [&](std::uint64_t n) { return elapsed > 0 ? static_cast<double>(n) / elapsed : 0; };
    Report report{.label = options.label, .api = name_of(options.api), .clients = options.clients, .rate = options.rate};
    report.elapsed_s = elapsed;
    report.completed = measured.completed;
    report.cut_off = measured.cut_off;
    report.left = measured.left;
    report.errors = measured.errors();
    for (const auto& [kind, n] : report.errors) report.failed += n;
    report.first_error = measured.first_error();
    report.requests_per_s = per_s(measured.completed);
    report.tokens_per_s = per_s(measured.completion_tokens);
    report.completion_tokens = measured.completion_tokens;
    report.prompt_tokens = measured.prompt_tokens;
    report.cached_tokens = measured.cached_tokens;
    report.ttft_ms = in_ms(measured.ttft);
    report.itl_ms = in_ms(measured.itl);
    report.tpot_ms = in_ms(measured.tpot);
    report.e2e_ms = in_ms(measured.e2e);
    report.ttft_limit_ms = options.ttft_limit_ms;
    report.itl_limit_ms = options.itl_limit_ms;
    const auto judged = measured.completed + report.failed;
    report.good_fraction = judged > 0 ? static_cast<double>(measured.good) / static_cast<double>(judged) : 0;
    report.goodput_per_s = per_s(measured.good);
    report.peak_in_flight = measured.peak_in_flight;
    report.peak_open_streams = measured.peak_open_streams;
    report.client_cpu_s = own_cpu_s();
    return report;
}

void print_table(const Report& report) {
    if (report.idle) return print_idle(*report.idle);
    std::printf("%s%s%s", report.label.c_str(), report.label.empty() ? "" : ": ", report.api.c_str());
    if (report.rate)
        std::printf(", %.1f requests/s\n", *report.rate);
    else
        std::printf(", %u clients\n", report.clients);
    print_counts(report);
    if (report.e2e_ms.count > 0)
        std::printf("  %-10s %10s %10s %10s %10s %10s\n", "ms", "mean", "p50", "p90", "p99", "max");
    print_row("TTFT", report.ttft_ms);
    print_row("ITL", report.itl_ms);
    print_row("TPOT", report.tpot_ms);
    print_row("e2e", report.e2e_ms);
    if (report.ttft_ms.count > 0)
        std::printf("  goodput %.2f requests/s (%.1f %%) at TTFT <= %.0f ms, TPOT <= %.0f ms; at most %u streams at once\n",
                    report.goodput_per_s, 100 * report.good_fraction, report.ttft_limit_ms, report.itl_limit_ms,
                    report.peak_open_streams);
    if (report.rss_after_kib > 0)
        std::printf("  server memory: %llu -> %llu KiB\n", static_cast<unsigned long long>(report.rss_before_kib),
                    static_cast<unsigned long long>(report.rss_after_kib));
    std::printf("  load generator: %.2f s of processor time\n", report.client_cpu_s);
}

std::string to_json(const Report& report) {
    std::string json;
    if (glz::write<glz::opts{.prettify = true}>(report, json)) return "{}";
    return json + "\n";
}

}  // namespace weft::bench
