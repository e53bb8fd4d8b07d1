"""What connections hear while nothing happens. Slow by nature: it waits for the intervals themselves."""
import base64, contextlib, os, signal, socket, threading, unittest

from jobs_client import Events, accepted
from jobs_test import LONG
from server import Server, wait_until

COMMENT_S, PING_S = 15, 30
PING_FRAME, TEXT_FRAME = 0x89, 0x81


class Silence(unittest.TestCase):
    def test_streams_get_comments_and_sockets_get_pings(self):
        with Server("--set", "jobs.parallel=1") as server:
            # The one place is taken by a job whose engine does not go on, so that the next one says nothing.
            running = accepted(server, **LONG | {"options": LONG["options"] | {"num_predict": 3500}})
            wait_until(lambda: server.get(f"/api/v1/status/{running}")[1]["usage"]["completion_tokens"] > 0, "it runs")
            waiting = accepted(server)
            for engine in server.engines():
                os.kill(engine, signal.SIGSTOP)
            heard = {}
            threads = [threading.Thread(target=self.comments, args=(server, waiting, heard)), threading.Thread(target=self.pings, args=(server, heard))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for engine in server.engines():
                os.kill(engine, signal.SIGCONT)
            self.assertEqual(heard, {"comments": 2, "ping": PING_FRAME})

    def comments(self, server, job, heard):
        with contextlib.closing(Events(server, job, timeout=3 * COMMENT_S)) as events:
            count = 0
            while count < 2:
                count += events.answer.readline().startswith(b":")
            heard["comments"] = count

    def pings(self, server, heard):
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=2 * PING_S)) as raw:
            key = base64.b64encode(os.urandom(16)).decode()
            raw.sendall((f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                         f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += raw.recv(4096)
            heard["ping"] = (head.split(b"\r\n\r\n", 1)[1] or raw.recv(2))[0]


if __name__ == "__main__":
    unittest.main()
