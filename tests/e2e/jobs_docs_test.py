"""The examples of docs/jobs.md, run as they stand but for the address."""
import http.server, json, os, pathlib, re, shutil, signal, subprocess, tempfile, threading, unittest

from jobs_client import accepted, result
from jobs_test import LONG
from server import BINARY, PATIENCE, ROOT, Server, ServerTest

PAGE = (ROOT / "docs/jobs.md").read_text()
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")


def example(language, server):
    """The one example of that language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(found) == 1, language
    return found[0].replace("127.0.0.1:11434", f"127.0.0.1:{server.port}")


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Pages:
    """Serves a page to a browser, and takes what it reports."""

    def __init__(self, html):
        self.reported = threading.Event()
        pages = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = html.encode()
                self.send_response(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                pages.report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                pages.reported.set()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self):
        """What the page reports once a browser has opened it."""
        with tempfile.TemporaryDirectory() as profile:
            browser = subprocess.Popen([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                                        "--remote-debugging-port=0", f"http://127.0.0.1:{self.server.server_address[1]}/"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                assert self.reported.wait(2 * PATIENCE), "the page reports nothing"
                return self.report
            finally:
                os.killpg(browser.pid, signal.SIGTERM)  # what is in the PATH may be a script
                browser.wait()
                self.server.shutdown()


class Examples(ServerTest):
    def test_curl(self):
        out = run("bash", "-c", example("sh", self.server))
        self.assertIn("event: complete", out)
        self.assertIn('"status":"completed"', out)
        self.assertIn('"deleted":true', out)

    def test_python(self):
        self.assertRegex(run("python3", "-c", example("python", self.server)), r"^completed \S")

    def test_node(self):
        self.assertEqual(sorted(run("node", "--input-type=module", "-e", example("js", self.server)).split("\n")), ["", "Ada true", "Grace true"])

    def test_command_line(self):
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
                "body": {"model": "weft-demo", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello!"}]}}
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "requests.jsonl").write_text(json.dumps(line))
            pathlib.Path(folder, "weft").symlink_to(BINARY)
            done = subprocess.run(["bash", "-c", example("console", self.server)], capture_output=True, text=True, cwd=folder, timeout=2 * PATIENCE,
                                  env=os.environ | {"WEFT_HOST": self.server.url, "PATH": f"{folder}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?s)^\S.*\nID +STATUS.*\n\S+ +completed.*\ncompleted: 1 completed, 0 failed\n")
        self.assertIn("the job is completed already", done.stderr)

    def test_documents(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "weft.yaml")
            with open(file, "w") as out:
                out.write(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)[0])
            with Server("--config", file) as server:
                answers = [json.loads(part) for part in run("bash", "-c", example("bash", server)).replace("}{", "}\n{").split("\n") if part]
        house, people, found, job = answers
        self.assertEqual((house["name"], people["passages"]), ("house", 1))
        self.assertEqual(found["results"][0]["text"], "The green book is in the kitchen.")
        self.assertEqual(job["result"].strip(), "The green book is in the kitchen.")
        self.assertEqual(job["sources"][0]["document_id"], house["document_id"])

    @unittest.skipUnless(CHROMIUM, "needs Chromium")
    def test_browser(self):
        report = """<script type="module">
          new MutationObserver(() => fetch("/", {method: "POST", body: JSON.stringify(document.querySelector("#answer").textContent)}))
            .observe(document.querySelector("title") ?? document.head, {childList: true, subtree: true, characterData: true});
        </script>"""
        self.assertTrue(Pages("<title>waiting</title>" + example("html", self.server) + report).show())

    @unittest.skipUnless(CHROMIUM, "needs Chromium")
    def test_an_event_source_stops_at_the_end_and_a_socket_follows_the_same_job(self):
        job = accepted(self.server, **LONG)
        page = """<script type="module">
          const id = "%s", server = "127.0.0.1:%d";
          let text = "", opened = 0, socketText = "";
          const events = new EventSource(`http://${server}/api/v1/stream/${id}`);
          events.onopen = () => ++opened;
          events.addEventListener("token", (event) => (text += JSON.parse(event.data).data));
          const complete = new Promise((resolve) => events.addEventListener("complete", resolve));
          // Reconnects after the server has closed, is answered 204, and gives up.
          const stopped = complete.then(() => new Promise((resolve) => (events.onerror = () => events.readyState === 2 && resolve())));
          const socket = new WebSocket(`ws://${server}/api/v1/ws`);
          socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", request_id: id }));
          const answered = new Promise((resolve) => (socket.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            if (message.type === "token") socketText += message.data;
            if (message.type === "result") resolve(message.result);
          }));
          const result = await answered;
          await stopped;
          await fetch("/", { method: "POST", body: JSON.stringify({ text, opened, socketText, result }) });
        </script>""" % (job, self.server.port)
        report = Pages(page).show()
        text = result(self.server, job)["result"]
        self.assertEqual(report, {"text": text, "opened": 1, "socketText": text, "result": text})


if __name__ == "__main__":
    unittest.main()
