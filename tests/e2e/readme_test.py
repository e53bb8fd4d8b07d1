"""The README's first command and first requests, run as they are typed but for the port."""
import os, pathlib, re, shutil, signal, subprocess, tempfile, unittest

from server import BINARY, PATIENCE, ROOT, wait_until

BLOCKS = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
REQUESTS = [block for block in BLOCKS if block.startswith("curl ")]


@unittest.skipUnless(pathlib.Path(BINARY).resolve() == (ROOT / "build/release/weft").resolve(), "./dev serve runs the release build")
class Readme(unittest.TestCase):
    def test_dev_serve_starts_the_server_that_answers_the_first_requests_of_every_dialect(self):
        command = next(line.split("#")[0].strip() for line in BLOCKS[0].splitlines() if " serve" in line)
        with tempfile.TemporaryDirectory(prefix="weft-readme-") as folder:
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("OLLAMA_", "WEFT_")) or k in ("WEFT_INSIDE", "WEFT_CACHE")}
            models = pathlib.Path(folder) / "own"
            models.mkdir()
            shutil.copyfile(ROOT / "models/weft-demo.gguf", models / "mine.gguf")
            environment |= {"WEFT_HOME": folder, "WEFT_SERVER_PORT": "0", "WEFT_MODELS_DIR": str(models)}
            log = pathlib.Path(folder) / "log"
            with open(log, "w") as output:
                server = subprocess.Popen(["bash", "-c", "exec " + command], cwd=ROOT, env=environment, stdout=output, stderr=output)
            try:
                def listening():
                    self.assertIsNone(server.poll(), log.read_text())
                    return re.search(r"listening address=127\.0\.0\.1 port=(\d+)", log.read_text())
                url = "http://127.0.0.1:" + wait_until(listening, "it says where it listens").group(1)
                self.assertEqual(len(REQUESTS), 3)
                tags = subprocess.run(["curl", "-sS", url + "/api/tags"], capture_output=True, text=True, timeout=PATIENCE).stdout
                for name in ("weft-demo:latest", "mine:latest"):  # what was configured, and the demo model beside it
                    self.assertIn(name, tags)
                for request in REQUESTS:
                    answer = subprocess.run(["bash", "-c", request.replace("http://127.0.0.1:11434", url).replace("curl ", "curl -sS ", 1)],
                                            capture_output=True, text=True, timeout=PATIENCE)
                    self.assertEqual(answer.returncode, 0, answer.stderr)
                    text = "".join(re.findall(r'"(?:content|text)":"([^"]*)"', answer.stdout))
                    self.assertIn("Paris", text, answer.stdout)
            finally:
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
