"""The servers that are compared: how each is started, watched and stopped."""
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 40


@dataclass(frozen=True)
class Setup:
    """What a workload needs of any server."""
    model: Path
    threads: int
    parallel: int            # requests that are to run at once
    context: int             # tokens of one request
    cells: int = 0           # tokens of all requests together; 0: whole windows for all requests at once
    cache_folder: Path | None = None  # where weft keeps prefixes on disk; none: it does not
    ngrams: bool = False     # the workload repeats its own text: the best flags guess
    extra_env: dict = field(default_factory=dict)


    @property
    def kv_cells(self):
        return self.cells or self.parallel * self.context


def weft_command(program, setup, port):
    # As many KV cells as llama-server gets.
    cells = setup.kv_cells
    cache = f"cache.folder={setup.cache_folder}" if setup.cache_folder else "cache.disk_bytes=0"
    return [program, "serve", "--host", "127.0.0.1", "--port", str(port), "--model", setup.model,
            "--threads", str(setup.threads), "--parallel", str(setup.parallel), "--context", str(setup.context),
            "--keep-alive", "-1", "--log-level", "warn", "--set", "limits.queue=4096",
            "--set", f"defaults.kv_cells={cells}", "--set", cache]


def llama_default_command(program, setup, port):
    """Nothing but what the task itself fixes: file, address, threads."""
    return [program, "-m", setup.model, "--host", "127.0.0.1", "--port", str(port), "-t", str(setup.threads), "--metrics"]


def llama_best_command(program, setup, port):
    """The flags someone would choose who knows llama-server and this workload."""
    # Slots have windows of equal size: when the pool is smaller than all of them, fewer slots keep whole ones.
    parallel = max(1, min(setup.parallel, setup.kv_cells // setup.context))
    return [*llama_default_command(program, setup, port), "-np", str(parallel), "-c", str(setup.kv_cells), "-fa", "on",
            "-cb", "--no-webui", "--no-slots", "-tb", str(setup.threads), "--cache-reuse", "256",
            *(["--spec-type", "ngram-simple"] if setup.ngrams else [])]


COMMANDS = {"weft": weft_command, "llama-default": llama_default_command, "llama-best": llama_best_command}


WORK_METRICS = {
    "weft": {"prefilled": "weft_prefilled_tokens_total", "generated": "weft_generation_tokens_total", "steps": "weft_steps_total"},
    "llama": {"prefilled": "llamacpp:prompt_tokens_total", "generated": "llamacpp:tokens_predicted_total",
              "steps": "llamacpp:n_decode_total"},
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server. Use as a context manager: it is stopped whatever happens."""

    def __init__(self, kind, program, setup, log_path):
        self.kind = kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [str(part) for part in COMMANDS[kind](program, setup, self.port)]
        self.env = {**os.environ, **setup.extra_env}
        self.log_path = log_path
        self.process = None
        self.model_name = ""

    def __enter__(self):
        with open(self.log_path, "ab") as log:
            log.write(f"\n# {' '.join(self.command)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env, stdin=subprocess.DEVNULL)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def _wait_until_ready(self):
        """Ready means that a token came out: weft loads a model on its first request."""
        deadline = time.monotonic() + START_TIMEOUT_S
        last = "no answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} ended with {self.process.returncode}; see {self.log_path}")
            try:
                self.model_name = self._ask("/v1/models")["data"][0]["id"]
                self._ask("/v1/completions", {"model": self.model_name, "prompt": "time", "max_tokens": 1})
                return
            except urllib.error.HTTPError as error:
                last = f"{error.code} {error.read()[:200]}"
                if error.code != 503:
                    break
            except (OSError, ValueError) as error:
                last = str(error)
            time.sleep(0.2)
        raise RuntimeError(f"{self.kind} did not become ready: {last}; see {self.log_path}")

    def _ask(self, path, body=None):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as answer:
            return json.loads(answer.read())

    def work(self):
        """What it computed since its start: prompt tokens, generated tokens, decode calls."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=START_TIMEOUT_S) as answer:
            lines = answer.read().decode().splitlines()
        values = {}
        for line in lines:
            name, _, value = line.rpartition(" ")
            if not line.startswith("#"):
                values[name.split("{")[0]] = values.get(name.split("{")[0], 0.0) + float(value)
        names = WORK_METRICS["weft" if self.kind == "weft" else "llama"]
        return {what: values.get(name, 0.0) for what, name in names.items()}

    def family(self):
        """This process and all below it: weft's engine processes are children."""
        return descendants(self.pid)

    def resident_kib(self):
        return sum(resident_kib(pid) for pid in self.family())

    def cpu_seconds(self):
        """Of the process that speaks HTTP alone, and of all processes together."""
        return cpu_seconds(self.pid), sum(cpu_seconds(pid) for pid in self.family())


def descendants(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += descendants(int(child))
        except OSError:
            pass
    return found


def resident_kib(pid):
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def cpu_seconds(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0
