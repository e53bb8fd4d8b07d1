"""A redis-server for a test, that keeps what it acknowledges, and servers that share it."""
import contextlib, itertools, random, shutil, signal, socket, subprocess, tempfile

from jobs_crash_test import DurableServer
from server import Server, wait_until

INSTALLED = shutil.which("redis-server") is not None


def free_port():
    """Below those that the system gives to connections: one of them would keep a server from its port."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class RedisServer:
    def __init__(self, *settings):
        self.home = tempfile.TemporaryDirectory(prefix="weft-redis-")
        self.settings = settings
        self.port = free_port()
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.home.name, "--save", "", "--appendonly", "yes",
             "--appendfsync", "always", *self.settings], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(lambda: self.say("PING")[:1] in ("+", "-"), "redis-server answers")

    def say(self, command):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.recv(65536).decode()
        except OSError:
            return ""

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.home.cleanup()


class Node(DurableServer):
    def __init__(self, redis, *options):
        super().__init__("--set", f"jobs.store={redis.url}", "--set", "jobs.lease=3s", *options)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class AnyNode(Server):
    """Servers that take requests in turn, as behind a balancer."""

    def __init__(self, redis, *options, count=2):
        self.nodes = [Node(redis, *options) for _ in range(count)]
        self.turn = itertools.cycle(self.nodes)

    @property
    def port(self):
        return next(self.turn).port

    def log_text(self):
        return "".join(node.log_text() for node in self.nodes)

    def stop(self):
        for node in self.nodes:
            node.resume()
            node.stop()
