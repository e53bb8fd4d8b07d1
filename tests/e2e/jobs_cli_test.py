"""weft jobs, against the real server."""
import json, subprocess, tempfile, unittest

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

    def test_wrong_usage_and_unknown_ids_are_told(self):
        self.assertIn("wants a PROMPT", self.weft("submit", status=2))
        self.assertIn("--priority", self.weft("submit", "a", "--priority", "urgent", status=2))
        self.assertIn("there is no such job", self.weft("watch", "none", status=1))
        self.assertIn("not the id", self.weft("watch", "../x", status=1))
        self.assertIn("No batch found", self.weft("watch", "batch_none", status=1))


if __name__ == "__main__":
    unittest.main()
