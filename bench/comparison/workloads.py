"""What is measured. A workload starts one server, sends it load and returns a flat dictionary of numbers.

To add one: write a function (Context) -> dict and a row in WORKLOADS. Goals name a number and what it has to reach:
"ratio" goals compare weft with the better of llama-server's two configurations, "value" goals look at weft alone.
"""
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .servers import Server, Setup

# The same sampler for all: llama-server's own defaults would add min_p.
SAMPLER = '"top_k":40,"top_p":0.95,"min_p":0,"repeat_penalty":1.0'


@dataclass(frozen=True)
class Goal:
    metric: str
    kind: str              # ratio | value
    bound: float
    at_least: bool = True  # else: at most
    higher_is_better: bool = True


@dataclass(frozen=True)
class Context:
    """One workload on one server in one round."""
    kind: str
    program: str
    bench: str
    llama_bench: str
    model: Path
    threads: int
    quick: bool
    log_path: Path
    seed: int
    extra_env: dict = field(default_factory=dict)

    def server(self, parallel, context):
        return Server(self.kind, self.program,
                      Setup(self.model, self.threads, parallel, context, self.extra_env), self.log_path)

    def load(self, server, *options):
        """Runs weft-bench; returns its report."""
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            command = [self.bench, server.url, "--model", server.model_name, "--seed", str(self.seed), "--json", report.name,
                       "--server-pid", str(server.pid), *map(str, options)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
            with open(self.log_path, "a") as log:
                log.write(done.stdout)
            text = Path(report.name).read_text()
            if not text:
                raise RuntimeError(f"weft-bench failed: {done.stdout[-400:]}")
            return json.loads(text)

    def generate(self, server, clients, requests, prompt, tokens, *options):
        return self.load(server, "-c", clients, "-n", requests, "--prompt", "tokens", "--prompt-tokens", prompt,
                         "--max-tokens", tokens, "--ignore-eos", "--temperature", 0.8, "--body", SAMPLER,
                         "--timeout", 600, *options)


def numbers(report):
    """The numbers of a report that a table can show."""
    return {"tokens_per_s": report["tokens_per_s"], "requests_per_s": report["requests_per_s"],
            "ttft_p50_ms": report["ttft_ms"]["p50"], "itl_p99_ms": report["itl_ms"]["p99"],
            "itl_max_ms": report["itl_ms"]["max"], "e2e_p50_ms": report["e2e_ms"]["p50"],
            "e2e_p99_ms": report["e2e_ms"]["p99"], "elapsed_s": report["elapsed_s"],
            "completed": report["completed"], "failed": report["failed"], "cached_tokens": report["cached_tokens"],
            "peak_open_streams": report["peak_open_streams"], "peak_in_flight": report["peak_in_flight"]}


def single_stream(ctx):
    with ctx.server(parallel=1, context=2048) as server:
        n, tokens = (3, 32) if ctx.quick else (8, 128)
        return numbers(ctx.generate(server, 1, n, 64, tokens, "--warmup", 1))


def many_clients(clients):
    def run(ctx):
        with ctx.server(parallel=clients, context=512) as server:
            tokens = 32 if ctx.quick else 128
            requests = clients * (2 if ctx.quick else 6)
            return numbers(ctx.generate(server, clients, requests, 64, tokens, "--warmup", 1))
    return run


def get_requests(path):
    def run(ctx):
        with ctx.server(parallel=1, context=512) as server:
            seconds = 1 if ctx.quick else 5
            before, _ = server.cpu_seconds()
            report = ctx.load(server, "--api", "get", "--path", path, "-c", 64, "-d", seconds)
            after, _ = server.cpu_seconds()
            # Processor time says what a request costs also when the machine is busy with something else.
            return {"cpu_us_per_request": (after - before) * 1e6 / max(1, report["completed"]),
                    "requests_per_s": report["requests_per_s"], "p50_ms": report["e2e_ms"]["p50"],
                    "p99_ms": report["e2e_ms"]["p99"], "failed": report["failed"]}
    return run


def open_streams(ctx):
    streams = 200 if ctx.quick else 1000
    with ctx.server(parallel=64, context=256) as server:
        report = ctx.generate(server, streams, streams, 16, 8)
        return {**numbers(report), "served_fraction": report["completed"] / streams}


def idle_connections(ctx):
    connections = 200 if ctx.quick else 1000
    with ctx.server(parallel=1, context=512) as server:
        idle = ctx.load(server, "--idle-connections", connections, "--hold", 1 if ctx.quick else 3)["idle"]
        return {"kib_per_connection": idle["kib_per_connection"], "still_open": idle["still_open"]}


def overhead_per_token(ctx):
    """Two views of it. gateway_cpu_us: processor time of the process that speaks HTTP, per streamed token (llama-server
    is one process: no such number). over_llama_bench_us: time per token of a single stream beyond llama-bench's, which
    runs the same decode calls with no server around; the difference of two measurements, so it needs a quiet machine."""
    with ctx.server(parallel=16, context=512) as server:
        tokens = 64 if ctx.quick else 128
        ctx.generate(server, 16, 16, 16, 16)
        before = server.cpu_seconds()
        report = ctx.generate(server, 16, 32 if ctx.quick else 128, 16, tokens)
        after = server.cpu_seconds()
        single = ctx.generate(server, 1, 2 if ctx.quick else 6, 16, tokens, "--warmup", 1)
    result = {"all_cpu_us": (after[1] - before[1]) * 1e6 / max(1, report["completion_tokens"]),
              "over_llama_bench_us": single["tpot_ms"]["p50"] * 1000 - bare_us_per_token(ctx, tokens)}
    if ctx.kind == "weft":
        result["gateway_cpu_us"] = (after[0] - before[0]) * 1e6 / max(1, report["completion_tokens"])
    return result


def bare_us_per_token(ctx, tokens):
    command = [ctx.llama_bench, "-m", ctx.model, "-t", ctx.threads, "-p", 0, "-n", tokens, "-fa", 1, "-r", 3, "-o", "json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=600)
    return json.loads(done.stdout)[0]["avg_ns"] / 1000 / tokens


def memory_over_requests(ctx):
    with ctx.server(parallel=16, context=256) as server:
        few, many = (50, 500) if ctx.quick else (1000, 10_000)
        ctx.generate(server, 16, few, 16, 4)
        before = server.resident_kib()
        report = ctx.generate(server, 16, many, 16, 4)
        after = server.resident_kib()
        return {"rss_before_kib": before, "rss_after_kib": after, "rss_growth": after / before - 1,
                "requests_per_s": report["requests_per_s"], "failed": report["failed"]}


def shared_prefix(ctx):
    users, prefix = (4, 500) if ctx.quick else (16, 2000)
    with ctx.server(parallel=users, context=prefix + 512) as server:
        return numbers(ctx.generate(server, users, users, prefix + 32, 32, "--shared-prefix", prefix))


def long_prompt_beside_streams(ctx):
    """A long prompt arrives while four streams decode."""
    prompt = 1000 if ctx.quick else 8000
    with ctx.server(parallel=5, context=prompt + 1024) as server:
        streams = subprocess.Popen(
            [ctx.bench, server.url, "--model", server.model_name, "-c", "4", "-d", "12" if ctx.quick else "60", "--prompt", "tokens",
             "--max-tokens", "900", "--ignore-eos", "--body", SAMPLER, "--json", "-", "--label", "streams"],
            stdout=subprocess.PIPE, text=True)
        try:
            arriving = replace(ctx, seed=ctx.seed + 1)
            long = arriving.generate(server, 1, 1, prompt, 4)
        finally:
            output, _ = streams.communicate(timeout=120)
        beside = json.loads(output)
        return {"streams_itl_max_ms": beside["itl_ms"]["max"], "streams_itl_p99_ms": beside["itl_ms"]["p99"],
                "long_ttft_ms": long["ttft_ms"]["p50"], "streams_tokens_per_s": beside["tokens_per_s"]}


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    run: Callable
    goals: tuple = ()
    shape: str = "tiny"
    servers: tuple = ("weft", "llama-default", "llama-best")


WORKLOADS = (
    Workload("single", "one stream, no sharing", single_stream, shape="0.5B",
             goals=(Goal("tokens_per_s", "ratio", 0.98),)),
    Workload("clients16", "16 clients, closed loop", many_clients(16), goals=(Goal("tokens_per_s", "ratio", 1.3),)),
    Workload("clients64", "64 clients, closed loop", many_clients(64), goals=(Goal("tokens_per_s", "ratio", 1.3),)),
    Workload("health", "GET /health", get_requests("/health"),
             goals=(Goal("requests_per_s", "value", 50_000), Goal("p99_ms", "value", 5, at_least=False))),
    Workload("version", "GET /api/version", get_requests("/api/version"), servers=("weft",),
             goals=(Goal("requests_per_s", "value", 50_000), Goal("p99_ms", "value", 5, at_least=False))),
    Workload("open_streams", "1,000 streams at once", open_streams, goals=(Goal("served_fraction", "value", 1),)),
    Workload("idle", "1,000 idle connections", idle_connections,
             goals=(Goal("kib_per_connection", "value", 32, at_least=False),)),
    Workload("overhead", "server time per streamed token", overhead_per_token,
             goals=(Goal("gateway_cpu_us", "value", 30, at_least=False),)),
    Workload("memory", "10,000 requests", memory_over_requests,
             goals=(Goal("rss_growth", "value", 0.02, at_least=False),)),
    Workload("shared_prefix", "16 users, one 2,000-token prefix, at once", shared_prefix,
             goals=(Goal("ttft_p50_ms", "ratio", 4, higher_is_better=False),
                    Goal("elapsed_s", "ratio", 2, higher_is_better=False))),
    Workload("long_prompt", "8,000-token prompt beside 4 streams", long_prompt_beside_streams,
             goals=(Goal("streams_itl_max_ms", "ratio", 8, higher_is_better=False),
                    Goal("long_ttft_ms", "ratio", 0.91, higher_is_better=False))),
)
