"""weft jobs, against the real server."""
import json, os, subprocess, tempfile, unittest

from jobs_client import accepted, result
from jobs_test import LONG
from server import BINARY, PATIENCE, Server, ServerTest


class Cli(ServerTest):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("pipelines: {short: {post: {trim: true}}}\n")
            file.flush()
            cls.server = Server("--config", file.name)

    def weft(self, *arguments, status=0, input=None):
        done = subprocess.run([BINARY, "--server", self.server.url, "jobs", *arguments], capture_output=True, text=True, timeout=2 * PATIENCE, input=input)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_a_job_is_submitted_watched_and_listed(self):
        id = self.weft("submit", "Hello!", "--priority", "high").strip()
        job = result(self.server, id)
        self.assertEqual(job["metadata"], {"priority": "high"})
        self.assertEqual(self.weft("watch", id), job["result"] + "\n")
        self.assertEqual(json.loads(self.weft("watch", id, "--json")), job)
        self.assertRegex(self.weft("list", "--status", "completed"), rf"(?m)^ID +STATUS +MODEL +TOKENS +CREATED\n(.*\n)*{id} +completed")
        self.assertEqual(json.loads(self.weft("list", "--limit", "1", "--json"))["data"][0]["request_id"], id)

    def test_submit_can_wait_and_read_standard_input(self):
        self.assertTrue(self.weft("submit", "-", "--wait", input="Hello!").strip())

    def test_a_job_goes_on_with_a_session_through_a_pipeline(self):
        session = self.server.post("/api/v1/sessions", {})[1]["session_id"]
        self.weft("submit", "Hello!", "--session", session, "--pipeline", "short", "--wait")
        turns = self.server.get(f"/api/v1/sessions/{session}")[1]["turns"]
        self.assertEqual([turn["role"] for turn in turns], ["user", "assistant"])
        job = json.loads(self.weft("submit", "Hello!", "--pipeline", "short", "--wait", "--json"))
        self.assertEqual([stage["stage"] for stage in job["trace"]], ["infer", "post", "deliver"])
        self.assertIn("\"short\"", self.weft("submit", "Hello!", "--pipeline", "none", status=1))

    def test_a_live_job_is_cancelled_and_a_finished_one_is_left_alone(self):
        id = accepted(self.server, **LONG)
        self.weft("cancel", id)
        self.assertEqual(result(self.server, id)["status"], "cancelled")
        self.assertIn("is cancelled already", self.weft("cancel", id, status=1))
        self.assertEqual(result(self.server, id)["status"], "cancelled")
        self.assertIn("cancelled: the job was cancelled", self.weft("watch", id, status=1))

    def test_a_batch_is_submitted_and_watched(self):
        file = self.server.folder / "requests.jsonl"
        file.write_text("\n".join(json.dumps({"custom_id": f"r{i}", "method": "POST", "url": "/v1/chat/completions", "body": {
            "model": "weft-demo", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello!"}]}}) for i in range(5)))
        out = self.weft("submit", "--batch", str(file), "--wait")
        self.assertRegex(out, r"^completed: 5 completed, 0 failed\noutput file: file-\w+\nerror file: none\n$")
        id = self.weft("submit", "--batch", str(file)).strip()
        self.assertTrue(id.startswith("batch_"))
        self.assertEqual(json.loads(self.weft("watch", id, "--json"))["status"], "completed")

    def test_a_batch_that_is_refused_says_which_lines_are_wrong(self):
        file = self.server.folder / "wrong.jsonl"
        file.write_text('{"custom_id": "a"}\nnonsense\n')
        done = subprocess.run([BINARY, "--server", self.server.url, "jobs", "submit", "--batch", str(file), "--wait"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"^line 1: .*method.*\nline 2: .*\nfailed: ")
        file.write_text("nonsense\n" * 100)
        out = subprocess.run([BINARY, "--server", self.server.url, "jobs", "submit", "--batch", str(file), "--wait"], capture_output=True, text=True, timeout=PATIENCE).stdout
        self.assertRegex(out, r"(?s)line 20: .*\nand \d+ more\nfailed: ")

    def test_what_cannot_be_read_is_told(self):
        self.assertIn("cannot read /etc: it is neither a file nor a pipe", self.weft("submit", "--batch", "/etc", status=1))
        self.assertIn("cannot read /dev/zero: it is neither", self.weft("submit", "--batch", "/dev/zero", status=1))
        self.assertIn("cannot read /none: No such file", self.weft("submit", "--batch", "/none", status=1))
        self.assertIn("cannot read /proc/self/mem: ", self.weft("submit", "--batch", "/proc/self/mem", status=1))
        folder = os.open("/etc", os.O_RDONLY)
        done = subprocess.run([BINARY, "--server", self.server.url, "jobs", "submit", "-"], stdin=folder, capture_output=True, text=True, timeout=PATIENCE)
        os.close(folder)
        self.assertEqual((done.returncode, done.stderr), (1, "weft: cannot read standard input: Is a directory\n"))

    def test_wrong_usage_and_unknown_ids_are_told(self):
        self.assertIn("wants a PROMPT", self.weft("submit", status=2))
        self.assertIn("--priority", self.weft("submit", "a", "--priority", "urgent", status=2))
        self.assertIn("there is no such job - see: weft jobs list\n", self.weft("watch", "none", status=1))
        self.assertIn("see: weft list\n", self.weft("submit", "a", "--model", "none", status=1))
        self.assertNotIn("see:", self.weft("watch", "batch_none", status=1))
        self.assertIn("not the id", self.weft("watch", "../x", status=1))
        self.assertIn("No batch found", self.weft("watch", "batch_none", status=1))


if __name__ == "__main__":
    unittest.main()
