"""Starts the real server for a test, on a free port, with a home of its own."""
import contextlib, http.client, json, os, pathlib, shutil, signal, subprocess, tempfile, time, unittest, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("WEFT_BINARY", str(ROOT / "build/release/weft"))
MODEL = ROOT / "models/weft-demo.gguf"
# A generation that only ends by its length.
ENDLESS = {"model": "weft-demo", "prompt": "Tell me a story.", "max_tokens": 3500, "ignore_eos": True}
PATIENCE = 60  # seconds; generous, because machines are shared: nothing here measures time


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {patience} s: {what}")


class Server:
    def __init__(self, *options, models=None, env=None, wrapper=()):
        self.home = tempfile.TemporaryDirectory(prefix="weft-test-")
        self.folder = pathlib.Path(self.home.name)
        models_dir = self.folder / "models"
        models_dir.mkdir()
        for name in models if models is not None else ["weft-demo"]:
            shutil.copyfile(MODEL, models_dir / f"{name}.gguf")
        self.models_dir = models_dir
        self.log = open(self.folder / "log", "w+")
        port_file = self.folder / "port"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OLLAMA_", "WEFT_")) or k == "WEFT_KERNELS"}
        environment |= {"WEFT_HOME": str(self.folder / "home"), **(env or {})}
        self.process = subprocess.Popen(
            [*wrapper, BINARY, "serve", "--models-dir", str(models_dir), "--port", "0", "--port-file", str(port_file), *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, cwd=self.folder)
        self.port = int(wait_until(lambda: self._port(port_file), "the server listens"))
        self.url = f"http://127.0.0.1:{self.port}"

    def _port(self, file):
        if self.process.poll() is not None:
            raise AssertionError("the server ended: " + self.log_text())
        return file.exists() and file.read_text().strip()

    def log_text(self):
        return (self.folder / "log").read_text()

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        """Status, headers and text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def post(self, path, body):
        status, _, text = self.request("POST", path, body)
        return status, json.loads(text)

    def get(self, path):
        status, _, text = self.request("GET", path)
        return status, json.loads(text)

    def stream(self, path, body):
        """An open streaming answer; iterate its lines, close it to leave."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        answer.connection = connection
        return answer

    def engines(self):
        """Process ids of the engine processes."""
        found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(line.split()[0]) for line in found.stdout.splitlines() if " engine --fd" in line]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def chat(server, text, model="weft-demo", **more):
    return server.post("/api/chat", {"model": model, "messages": [{"role": "user", "content": text}], "stream": False,
                                     "think": False, "options": {"temperature": 0}, **more})


class ServerTest(unittest.TestCase):
    """Tests that share one server."""

    options = ()  # of its command line

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
