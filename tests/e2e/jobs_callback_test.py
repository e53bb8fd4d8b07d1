"""Callbacks: only where they may go, signed, tried again with the same delivery id, over a restart too."""
import hashlib, hmac, http.server, json, signal, socket, subprocess, threading, time, unittest

from jobs_client import accepted, result, submit
from jobs_crash_test import DurableServer
from jobs_test import GREEDY
from server import BINARY, PATIENCE, Server, wait_until

SECRET = "a secret of the test"
OPTIONS = ("--set", "jobs.callback_hosts=localhost,*.example.com", "--set", f"jobs.callback_secret={SECRET}")


class Receiver:
    """Somebody else's server, which answers with the given statuses first and with 200 then."""

    def __init__(self, *statuses):
        self.calls = []
        statuses = list(statuses)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((dict(self.headers), body))
                status = statuses.pop(0) if statuses else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_address[1]}/done"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Callbacks(unittest.TestCase):
    def check(self, call, job):
        headers, body = {name.lower(): value for name, value in call[0].items()}, call[1]
        self.assertEqual(json.loads(body), job)
        time, signature = (part.partition("=")[2] for part in headers["weft-signature"].split(","))
        self.assertEqual(signature, hmac.new(SECRET.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest())
        self.assertEqual(headers["weft-delivery-id"], "dlv-" + job["request_id"])

    def test_the_end_of_a_job_is_told_until_somebody_hears_it(self):
        receiver = Receiver(500, 302)
        self.addCleanup(receiver.close)
        with Server(*OPTIONS) as server:
            job = result(server, accepted(server, callback_url=receiver.url, **GREEDY))
            wait_until(lambda: len(receiver.calls) == 3, "three tries")
            for call in receiver.calls:
                self.check(call, job)
            # Heard: nothing more comes, and nothing went where the redirect pointed.
            other = result(server, accepted(server, "Goodbye!", callback_url=receiver.url, **GREEDY))
            wait_until(lambda: len(receiver.calls) == 4, "the next job's")
            self.check(receiver.calls[3], other)

    def test_a_callback_that_was_due_is_sent_after_a_crash(self):
        receiver = Receiver(503)
        self.addCleanup(receiver.close)
        with DurableServer(*OPTIONS) as server:
            job = result(server, accepted(server, callback_url=receiver.url, **GREEDY))
            wait_until(lambda: receiver.calls, "the first try")
            server.kill()
            server.restart()
            wait_until(lambda: len(receiver.calls) >= 2, "another try")
            self.check(receiver.calls[-1], job)

    def test_a_receiver_that_does_not_answer_does_not_hold_up_the_end_of_the_server(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, DurableServer(*OPTIONS) as server:
            result(server, accepted(server, callback_url=f"http://localhost:{silent.getsockname()[1]}/", **GREEDY))
            with silent.accept()[0]:
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.process.wait(PATIENCE), 0)
                self.assertRegex(server.log_text(), "callback_failed.*aborted")

    def test_only_listed_hosts_may_be_called(self):
        with Server(*OPTIONS) as server:
            for url in ("http://127.0.0.1/", "http://example.com/", "http://localhost.evil.net/", "ftp://localhost/", "file:///etc/passwd",
                        "http://user@localhost/", "http://evil.net\\@localhost/", "localhost", "http://localhost\n/"):
                status, body = submit(server, callback_url=url)
                self.assertEqual((status, body["error"]["field"]), (403, "callback_url"), url)
            self.assertEqual(submit(server, callback_url="https://hooks.example.com/x")[0], 202)

    def test_nothing_is_sent_unsigned(self):
        done = subprocess.run([BINARY, "serve", "--port", "0", "--set", "jobs.callback_hosts=localhost"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("jobs.callback_secret: must be set", done.stderr)


if __name__ == "__main__":
    unittest.main()
