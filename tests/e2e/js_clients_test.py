"""Runs the official JavaScript clients (tests/e2e/js) against the real server."""
import os, pathlib, subprocess, unittest

from server import MODEL, Server

FOLDER = pathlib.Path(__file__).parent / "js"


class JavaScriptClients(unittest.TestCase):
    def test_every_client_against_one_server(self):
        lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules/.package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True, timeout=300)
        # Some clients leave the temperature away when a model thinks; top_k 1 is greedy whatever it is.
        with Server("--set", f"models.weft-demo.path={MODEL}", "--set", "models.weft-demo.parameters.top_k=1") as server:
            done = subprocess.run(["node", "--test"], cwd=FOLDER, capture_output=True, text=True, timeout=600,
                                  env=os.environ | {"WEFT_URL": server.url})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
