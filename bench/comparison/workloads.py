"""What is measured. A workload starts one server, sends it load and returns a flat dictionary of numbers.

To add one: write a function (Context) -> dict and a row in WORKLOADS. Goals name a number and what it has to reach:
"ratio" goals compare weft with the better of llama-server's two configurations, "value" goals look at weft alone.
"""
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from .client import ask, at_once
from .servers import Server, Setup

# The same sampler for all: llama-server's own defaults would add min_p.
SAMPLER = '"top_k":40,"top_p":0.95,"min_p":0,"repeat_penalty":1.0'


@dataclass(frozen=True)
class Goal:
    """What a number has to reach; a ratio is against the better of llama-server's configurations, or the one named."""
    metric: str
    kind: str              # ratio | value
    bound: float
    at_least: bool = True  # else: at most
    higher_is_better: bool = True
    against: str = ""      # of a ratio: one server


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

    def server(self, parallel, context, **more):
        return Server(self.kind, self.program,
                      Setup(self.model, self.threads, parallel, context, extra_env=self.extra_env, **more), self.log_path)

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
        n, tokens = (3, 32) if ctx.quick else (4, 128)
        work = Work(server)
        report = ctx.generate(server, 1, n, 64, tokens, "--warmup", 1)
        return {**work.done(), **numbers(report)}


def many_clients(clients):
    def run(ctx):
        with ctx.server(parallel=clients, context=512) as server:
            tokens = 32 if ctx.quick else 128
            requests = clients * (2 if ctx.quick else 4)
            work = Work(server)
            report = ctx.generate(server, clients, requests, 64, tokens, "--warmup", 1)
            return {**work.done(), **numbers(report)}
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


class Work:
    """What a server computes between two moments. A heartbeat is at most half a second old: wait for the last one."""

    def __init__(self, server):
        self.server = server
        time.sleep(1)
        self.before = server.work()

    def done(self):
        time.sleep(1)
        after = self.server.work()
        return {f"{name}_tokens" if name != "steps" else "decode_calls": after[name] - self.before[name] for name in after}


def shared_prefix(ctx):
    users, prefix = (4, 500) if ctx.quick else (16, 2000)
    with ctx.server(parallel=users, context=prefix + 512) as server:
        work = Work(server)
        report = ctx.generate(server, users, users, prefix + 32, 32, "--shared-prefix", prefix)
        return {**work.done(), **numbers(report)}


def turns(ctx):
    """Conversations that take turns: each turn sends all that was said and adds a question. KV for about ten of them."""
    conversations, rounds, first, later = (6, 2, 200, 40) if ctx.quick else (32, 4, 600, 100)
    window = first + rounds * (later + 40)
    chance = random.Random(ctx.seed)
    said = [[chance.randrange(1000, 30000) for _ in range(first)] for _ in range(conversations)]
    ttfts, sent = [], 0
    with ctx.server(parallel=10, context=window, cells=max(2, conversations // 3) * window) as server:
        work = Work(server)
        started = time.monotonic()
        for turn in range(rounds):
            for answer in at_once(server, [{"prompt": prompt, "max_tokens": 24} for prompt in said], most=4):
                if turn > 0:
                    ttfts.append(answer.ttft_ms)
            sent += sum(map(len, said)) if turn == rounds - 1 else 0
            # What was answered is not repeated word by word here, so that both servers see the same prompts.
            for prompt in said:
                prompt += [chance.randrange(1000, 30000) for _ in range(later)]
        elapsed = time.monotonic() - started
        done = work.done()
    return {"ttft_p50_ms": median(ttfts), "elapsed_s": elapsed, "distinct_prompt_tokens": sent, **done,
            "computed_twice": done["prefilled_tokens"] / sent - 1}


def burst(ctx):
    """Five times as many requests as places, all at once; the KV pool holds half of what the places could want."""
    places, tokens = (4, 24) if ctx.quick else (16, 128)
    window = 512
    with ctx.server(parallel=places, context=window, cells=places * window // 2) as server:
        requests = [{"prompt": [1000 + (i * 7919 + j) % 29000 for j in range(300)], "max_tokens": tokens} for i in range(5 * places)]
        work = Work(server)
        started = time.monotonic()
        answers = list(at_once(server, requests, most=len(requests)))
        elapsed = time.monotonic() - started
        done = work.done()
    good = [a for a in answers if a.status == 200 and a.tokens == tokens]
    busy = [a for a in answers if a.status == 503 and a.retry_after]
    return {**done, "completed_fraction": len(good) / max(1, len(answers) - len(busy)), "answered_503": len(busy),
            "other_failures": len(answers) - len(good) - len(busy), "goodput_tokens_per_s": len(good) * tokens / elapsed,
            "elapsed_s": elapsed}


def leave_midway(ctx):
    clients, requests, tokens = (4, 12, 48) if ctx.quick else (16, 160, 128)
    with ctx.server(parallel=clients, context=1024) as server:
        work = Work(server)
        report = ctx.generate(server, clients, requests, 200, tokens, "--leave-midway", 0.3)
        done = work.done()
    return {**done, **numbers(report), "wasted_tokens": max(0.0, done["generated_tokens"] - report["completion_tokens"])}


def restart(ctx):
    """The same prefixes before and after a restart."""
    prefixes, length = (2, 600) if ctx.quick else (4, 3000)
    prompts = [[1000 + (i * 104729 + j * 31) % 29000 for j in range(length)] for i in range(prefixes)]
    with tempfile.TemporaryDirectory() as folder:
        setup = {"parallel": 4, "context": length + 256, "cache_folder": Path(folder)}
        with ctx.server(**setup) as server:
            before = [ask(server, {"prompt": prompt, "max_tokens": 4}).ttft_ms for prompt in prompts]
        with ctx.server(**setup) as server:
            work = Work(server)
            after = [ask(server, {"prompt": prompt + [999], "max_tokens": 4}).ttft_ms for prompt in prompts]
            done = work.done()
    return {"ttft_p50_ms": median(after), "ttft_before_p50_ms": median(before), **done}


def flood(ctx):
    """One key keeps many requests in the queue; another one asks once a second."""
    clients, light, tokens = (12, 4, 32) if ctx.quick else (64, 20, 128)
    question = ["--prompt", "tokens", "--prompt-tokens", "100", "--max-tokens", "16", "--ignore-eos", "--body", SAMPLER]
    with ctx.server(parallel=8, context=512) as server:
        unloaded = ctx.load(server, "-c", 1, "-n", light, "--api-key", "light", *question)
        work = Work(server)
        heavy = subprocess.Popen(
            [ctx.bench, server.url, "--model", server.model_name, "-c", str(clients), "-d", str(light + 3), "--api-key", "heavy",
             "--prompt", "tokens", "--prompt-tokens", "200", "--max-tokens", str(tokens), "--ignore-eos", "--body", SAMPLER,
             "--json", "-", "--label", "flood"], stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(2)
            beside = replace(ctx, seed=ctx.seed + 1).load(server, "--rate", 1, "-n", light, "--api-key", "light", *question)
        finally:
            output, _ = heavy.communicate(timeout=300)
        done = work.done()
    busy = json.loads(output)
    return {**done, "light_ttft_p50_ms": beside["ttft_ms"]["p50"], "unloaded_ttft_p50_ms": unloaded["ttft_ms"]["p50"],
            "slowdown": beside["ttft_ms"]["p50"] / unloaded["ttft_ms"]["p50"], "light_failed": beside["failed"],
            "flood_tokens_per_s": busy["tokens_per_s"]}


def long_prompt_beside_streams(ctx):
    """A long prompt arrives while four streams decode."""
    prompt = 1000 if ctx.quick else 8000
    with ctx.server(parallel=5, context=prompt + 1024) as server:
        work = Work(server)
        streams = subprocess.Popen(
            [ctx.bench, server.url, "--model", server.model_name, "-c", "4", "-d", "12" if ctx.quick else "60", "--prompt", "tokens",
             "--max-tokens", "900", "--ignore-eos", "--body", SAMPLER, "--json", "-", "--label", "streams"],
            stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(3)  # until all four decode
            arriving = replace(ctx, seed=ctx.seed + 1)
            long = arriving.generate(server, 1, 1, prompt, 4)
        finally:
            output, _ = streams.communicate(timeout=240)
        beside = json.loads(output)
        return {**work.done(), "streams_itl_max_ms": beside["itl_ms"]["max"], "streams_itl_p99_ms": beside["itl_ms"]["p99"],
                "long_ttft_ms": long["ttft_ms"]["p50"], "streams_tokens_per_s": beside["tokens_per_s"]}


def choices(ctx):
    """Eight answers to one long question, while four others are being answered."""
    prompt, n, tokens = (300, 8, 24) if ctx.quick else (2000, 8, 96)
    question = {"prompt": [1000 + (j * 7919) % 29000 for j in range(prompt)], "max_tokens": tokens, "temperature": 0.8}
    others = [{"prompt": [2000 + (i * 104729 + j) % 28000 for j in range(100)], "max_tokens": 3 * tokens} for i in range(4)]
    with ctx.server(parallel=n + 4, context=prompt + 1024) as server:
        # A server that does not know n, or overlooks it, is asked eight times.
        known = ask(server, {"prompt": [5, 6, 7], "max_tokens": 2, "n": 2}).tokens == 4
        work = Work(server)
        with ThreadPoolExecutor(len(others)) as pool:
            running = [pool.submit(ask, server, other) for other in others]
            time.sleep(1)
            started = time.monotonic()
            answers = [ask(server, {**question, "n": n})] if known else at_once(server, [question] * n, most=n)
            elapsed = time.monotonic() - started
            beside = [one.result() for one in running]
        done = work.done()
    if any(a.status != 200 for a in [*answers, *beside]) or sum(a.tokens for a in answers) != n * tokens:
        raise RuntimeError(f"not all {n} choices were answered: {answers}")
    return {**done, "knows_n": int(known), "elapsed_s": elapsed, "tokens_per_s": n * tokens / elapsed}


ORDER_SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["title", "items", "note"],
    "properties": {
        "title": {"type": "string", "maxLength": 60},
        "items": {"type": "array", "minItems": 4, "maxItems": 4, "items": {
            "type": "object", "additionalProperties": False, "required": ["name", "price", "kind"],
            "properties": {"name": {"type": "string", "maxLength": 30}, "price": {"type": "integer"},
                           "kind": {"enum": ["bread", "milk", "fruit"]}}}},
        "note": {"type": "string", "maxLength": 100}}}


def is_json(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def structured(ctx):
    """Answers held to a JSON Schema: one user, then eight at once. A model with random weights hardly ever says by itself
    what the schema wants, so that nearly every token is a constrained one."""
    tokens, users = (64, 4) if ctx.quick else (256, 8)
    result = {}
    with ctx.server(parallel=users, context=1024) as server:
        for name, requests, most in (("one", 3, 1), ("many", 2 * users, users)):
            asked = [{"prompt": [1000 + (ctx.seed * 104729 + i * 7919 + j) % 29000 for j in range(64)], "max_tokens": tokens, "ignore_eos": False,
                      "temperature": 0.8, "seed": ctx.seed + i, "json_schema": ORDER_SCHEMA} for i in range(requests)]
            list(at_once(server, [{**asked[0], "max_tokens": 8}], most=1))  # the schema is compiled
            work = Work(server)
            started = time.monotonic()
            answers = at_once(server, asked, most=most)
            elapsed = time.monotonic() - started
            if any(a.status != 200 or a.tokens == 0 for a in answers):
                raise RuntimeError(f"not all were answered: {answers}")
            result |= {f"{name}_{what}": value for what, value in work.done().items()}
            result[f"{name}_tokens_per_s"] = sum(a.tokens for a in answers) / elapsed
            result[f"{name}_whole"] = sum(a.finish == "stop" for a in answers)
            result[f"{name}_invalid"] = sum(a.finish == "stop" and not is_json(a.text) for a in answers)
    return result


def repetitive_prompt(seed, length):
    """A text in which the same passages come again and again, as in code that is being edited."""
    chance = random.Random(seed)
    passages = [[chance.randrange(1000, 30000) for _ in range(24)] for _ in range(4)]
    text = []
    while len(text) < length:
        text += passages[chance.randrange(len(passages))]
    return text[:length]


def repeating(ctx):
    """Greedy answers of a model with random weights soon go in circles: what is said was said before. One user, then
    sixteen at once."""
    tokens, users = (64, 4) if ctx.quick else (256, 16)
    result = {}
    with ctx.server(parallel=users, context=1024, ngrams=True) as server:
        for name, requests, most in (("one", 3, 1), ("many", users, users)):
            prompts = [repetitive_prompt(ctx.seed + i + most, 256) for i in range(requests)]
            work = Work(server)
            started = time.monotonic()
            answers = at_once(server, [{"prompt": prompt, "max_tokens": tokens} for prompt in prompts], most=most)
            elapsed = time.monotonic() - started
            if any(a.tokens != tokens for a in answers):
                raise RuntimeError(f"not all answers are whole: {answers}")
            result |= {f"{name}_{what}": value for what, value in work.done().items()}
            result[f"{name}_tokens_per_s"] = requests * tokens / elapsed
    return result


def decode_batches(ctx):
    """Nothing but decoding, at three sizes of batch, beside libllama's own measuring program."""
    if ctx.kind != "weft":
        return bare_batches(ctx)
    tokens = 48 if ctx.quick else 192
    result = {}
    with ctx.server(parallel=32, context=512) as server:
        ctx.generate(server, 4, 4, 16, 16)
        for streams in (1, 8, 32):
            work = Work(server)
            report = ctx.generate(server, streams, streams, 16, tokens)
            result |= {f"decode_calls_{streams}": work.done()["decode_calls"],
                       f"batch{streams}_tokens_per_s": streams * 1000 / report["tpot_ms"]["p50"]}
    return result


def bare_batches(ctx):
    tokens = 48 if ctx.quick else 192
    command = [ctx.llama_bench.replace("llama-bench", "llama-batched-bench"), "-m", ctx.model, "-c", 32 * 256, "-b", 512, "-ub", 512,
               "-npp", 16, "-ntg", tokens, "-npl", "1,8,32", "-t", ctx.threads, "-fa", "on", "--output-format", "jsonl"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=600,
                          env={**os.environ, **ctx.extra_env})
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {f"batch{row['pl']}_tokens_per_s": row["speed_tg"] for row in rows}


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    run: Callable
    goals: tuple = ()
    shape: str = "tiny"
    servers: tuple = ("weft", "llama-default", "llama-best")
    row: int = 0           # of the table of goals; 0: not in it
    limit_s: int = 300     # for one server; who takes longer has failed


WORKLOADS = (
    Workload("single", "one stream, no sharing", single_stream, shape="0.5B", row=11,
             goals=(Goal("tokens_per_s", "ratio", 0.98),)),
    Workload("clients16", "16 clients, closed loop", many_clients(16), goals=(Goal("tokens_per_s", "ratio", 1.3),)),
    Workload("clients64", "64 clients, closed loop", many_clients(64), row=5, goals=(Goal("requests_per_s", "ratio", 1.3),)),
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
    Workload("shared_prefix", "16 users, one 2,000-token prefix, at once", shared_prefix, row=1,
             goals=(Goal("prefilled_tokens", "ratio", 8, higher_is_better=False),
                    Goal("ttft_p50_ms", "ratio", 4, higher_is_better=False),
                    Goal("elapsed_s", "ratio", 2, higher_is_better=False))),
    Workload("turns", "32 conversations taking turns, KV for about 10", turns, row=2,
             goals=(Goal("ttft_p50_ms", "ratio", 1.5, higher_is_better=False),
                    Goal("computed_twice", "value", 0.1, at_least=False))),
    Workload("burst", "5 times as many requests as places, half the KV pool", burst, row=4,
             goals=(Goal("completed_fraction", "value", 1), Goal("other_failures", "value", 0, at_least=False),
                    Goal("goodput_tokens_per_s", "ratio", 2))),
    Workload("leave_midway", "30 % of the clients leave midway", leave_midway, row=8,
             goals=(Goal("wasted_tokens", "ratio", 10, higher_is_better=False),)),
    Workload("restart", "a restart, then the same prefixes", restart, row=9,
             goals=(Goal("ttft_p50_ms", "ratio", 10, higher_is_better=False),)),
    Workload("flood", "one key floods, another asks once a second", flood, row=10,
             goals=(Goal("slowdown", "value", 1.3, at_least=False),)),
    Workload("long_prompt", "8,000-token prompt beside 4 streams", long_prompt_beside_streams, row=3, shape="0.5B",
             goals=(Goal("streams_itl_max_ms", "ratio", 8, higher_is_better=False),
                    Goal("long_ttft_ms", "ratio", 0.91, higher_is_better=False))),
    Workload("choices", "n = 8 choices while 4 others run", choices, row=6,
             goals=(Goal("elapsed_s", "ratio", 2, higher_is_better=False),)),
    Workload("repeating", "text that repeats itself: one user, then 16", repeating, row=7, shape="0.5B",
             goals=(Goal("one_tokens_per_s", "ratio", 1.5, against="llama-default"),
                    Goal("one_tokens_per_s", "ratio", 1.0, against="llama-best"),
                    Goal("many_tokens_per_s", "ratio", 1.0))),
    Workload("structured", "answers held to a JSON Schema: one user, then 8", structured, shape="0.5B",
             goals=(Goal("one_tokens_per_s", "ratio", 1.0), Goal("many_tokens_per_s", "ratio", 1.0),
                    Goal("one_invalid", "value", 0, at_least=False), Goal("many_invalid", "value", 0, at_least=False))),
    Workload("decode", "decoding alone, batches of 1, 8 and 32, beside llama-batched-bench", decode_batches, row=12,
             servers=("weft", "batched-bench"),
             goals=tuple(Goal(f"batch{n}_tokens_per_s", "ratio", 0.95) for n in (1, 8, 32))),
)
