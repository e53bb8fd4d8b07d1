"""OpenAI's files and batches with the official client, over a restart, cancelled, and beside interactive users."""
import json, time, unittest

import openai

from jobs_crash_test import DurableServer
from server import Server, chat, wait_until

CHAT = "/v1/chat/completions"


def line(custom_id, text="Hello!", url=CHAT, **body):
    messages = {"messages": [{"role": "user", "content": text}]} if url == CHAT else {}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "weft-demo", "temperature": 0, **messages, **body}}


def jsonl(lines):
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines).encode()


class Batches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = cls.client_of(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @staticmethod
    def client_of(server, key="test"):
        return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)

    def upload(self, lines, client=None):
        return (client or self.client).files.create(file=("requests.jsonl", jsonl(lines)), purpose="batch")

    def start(self, lines, endpoint=CHAT, client=None, **more):
        client = client or self.client
        return client.batches.create(input_file_id=self.upload(lines, client).id, endpoint=endpoint, completion_window="24h", **more)

    def ended(self, batch, client=None):
        def look():
            now = (client or self.client).batches.retrieve(batch.id)
            return now if now.status in ("completed", "failed", "expired", "cancelled") else None
        return wait_until(look, "the batch ends", patience=300)

    def lines_of(self, file_id, client=None):
        if file_id is None:
            return []
        return [json.loads(text) for text in (client or self.client).files.content(file_id).text.splitlines()]

    def test_a_file_is_kept_listed_read_and_deleted(self):
        file = self.upload(["{}"])
        self.assertEqual((file.object, file.bytes, file.filename, file.purpose, file.status), ("file", 2, "requests.jsonl", "batch", "processed"))
        self.assertEqual(file.expires_at, file.created_at + 30 * 24 * 3600)
        self.assertEqual(self.client.files.retrieve(file.id), file)
        self.assertEqual(self.client.files.content(file.id).text, "{}")
        self.assertIn(file.id, [one.id for one in self.client.files.list(purpose="batch")])
        self.assertEqual(list(self.client.files.list(purpose="vision")), [])
        self.assertTrue(self.client.files.delete(file.id).deleted)
        with self.assertRaises(openai.NotFoundError):
            self.client.files.retrieve(file.id)

    def test_lists_of_files_page_both_ways(self):
        client = self.client_of(self.server, "pager")
        ids = [self.upload([str(i)], client).id for i in range(5)]
        self.assertEqual([file.id for file in client.files.list(limit=2)], ids[::-1])
        self.assertEqual([file.id for file in client.files.list(limit=2, order="asc")], ids)
        self.assertEqual(list(self.client_of(self.server, "stranger").files.list()), [])

    def test_a_page_after_what_is_not_there_is_refused_in_the_dialects_shape(self):
        for path in ("/v1/files", "/v1/batches"):
            status, _, text = self.server.request("GET", f"{path}?after=nothing-of-yours")
            self.assertEqual((status, json.loads(text)["error"]["param"]), (400, "after"), text)
        for cursor in ("after_id", "before_id"):
            status, _, text = self.server.request("GET", f"/v1/messages/batches?{cursor}=nothing-of-yours", headers={"anthropic-version": "2023-06-01"})
            self.assertEqual(status, 400)
            self.assertTrue(json.loads(text)["error"]["message"].startswith(cursor), text)

    def test_bad_uploads_are_refused(self):
        for purpose, name in [("dance", "a"), ("batch", "")]:
            with self.assertRaises(openai.BadRequestError):
                self.client.files.create(file=(name, b"x"), purpose=purpose)
        for body, kind in [(b"", "multipart/form-data"), (b"--b\r\nx", "multipart/form-data; boundary=b"), (b"{}", "application/json")]:
            self.assertEqual(self.server.request("POST", "/v1/files", body, {"Content-Type": kind})[0], 400)

    def test_a_batch_answers_every_line_once(self):
        lines = [line(f"request-{i}", f"Hello {i}!", max_tokens=8) for i in range(30)]
        lines += [line("wrong-model", model="none"), line("streaming", stream=True), line("bad", temperature=9), ""]
        batch = self.start(lines, metadata={"for": "a test"})
        self.assertEqual((batch.object, batch.status, batch.endpoint), ("batch", "validating", CHAT))
        done = self.ended(batch)
        self.assertEqual(done.status, "completed")
        self.assertEqual((done.request_counts.total, done.request_counts.completed, done.request_counts.failed), (33, 30, 3))
        self.assertEqual(done.metadata, {"for": "a test"})
        self.assertEqual(done.model, "weft-demo")
        self.assertGreater(done.usage.total_tokens, 30)
        good, bad = self.lines_of(done.output_file_id), self.lines_of(done.error_file_id)
        self.assertEqual(sorted(one["custom_id"] for one in good), sorted(f"request-{i}" for i in range(30)))
        self.assertEqual({one["custom_id"]: one["response"]["status_code"] for one in bad}, {"wrong-model": 404, "streaming": 400, "bad": 400})
        for one in good:
            self.assertTrue(one["id"].startswith("batch_req_"))
            self.assertIsNone(one["error"])
            self.assertEqual(one["response"]["status_code"], 200)
            self.assertEqual(one["response"]["body"]["object"], "chat.completion")
        direct = self.client.chat.completions.create(**lines[3]["body"])
        self.assertEqual(next(one for one in good if one["custom_id"] == "request-3")["response"]["body"]["choices"][0]["message"]["content"],
                         direct.choices[0].message.content)
        self.assertEqual(self.client.files.retrieve(done.output_file_id).purpose, "batch_output")
        self.assertIn(done.id, [one.id for one in self.client.batches.list()])

    def test_the_other_endpoints_work_too(self):
        for endpoint, body, object in [("/v1/completions", {"prompt": "Hello", "max_tokens": 4}, "text_completion"),
                                       ("/v1/embeddings", {"input": "Hello"}, "list"),
                                       ("/v1/responses", {"input": "Hello", "max_output_tokens": 8}, "response")]:
            request = {"custom_id": "one", "method": "POST", "url": endpoint, "body": {"model": "weft-demo", **body}}
            done = self.ended(self.start([request], endpoint))
            self.assertEqual(done.request_counts.completed, 1, self.lines_of(done.error_file_id))
            self.assertEqual(self.lines_of(done.output_file_id)[0]["response"]["body"]["object"], object)
            self.assertIsNone(done.error_file_id)

    def test_bad_input_fails_and_names_the_lines(self):
        for lines, codes in [
            (["{", line("a")], [("invalid_json_line", 1)]),
            ([line("a"), "", line("a")], [("duplicate_custom_id", 3)]),
            ([line("a", url="/v1/embeddings")], [("mismatched_endpoint", 1)]),
            ([{"method": "POST", "url": CHAT, "body": {}}], [("missing_required_parameter", 1)]),
            ([""], [("empty_file", None)]),
        ]:
            done = self.ended(self.start(lines))
            self.assertEqual(done.status, "failed")
            self.assertEqual([(error.code, error.line) for error in done.errors.data], codes)
            self.assertIsNone(done.output_file_id)

    def test_bad_batches_are_refused(self):
        file = self.upload([line("a")]).id
        other = self.client.files.create(file=("a", b"x"), purpose="assistants").id
        good = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        for change in [{"input_file_id": "file-none"}, {"input_file_id": other}, {"endpoint": "/v1/models"}, {"completion_window": "1h"}]:
            with self.assertRaises(openai.BadRequestError) as refused:
                self.client.batches.create(**good | change)
            self.assertEqual(refused.exception.body["param"], list(change)[0])
        with self.assertRaises(openai.NotFoundError):
            self.client.batches.retrieve("batch_none")
        with self.assertRaises(openai.NotFoundError):
            self.client.batches.cancel("batch_none")

    def test_a_cancelled_batch_keeps_what_it_has(self):
        batch = self.start([line(f"r{i}", f"Tell me a story about {i}.", max_tokens=200) for i in range(200)])
        wait_until(lambda: self.client.batches.retrieve(batch.id).request_counts.completed >= 3, "some lines are done", patience=300)
        self.assertIn(self.client.batches.cancel(batch.id).status, ("cancelling", "cancelled"))
        done = self.ended(batch)
        self.assertEqual(done.status, "cancelled")
        good, bad = self.lines_of(done.output_file_id), self.lines_of(done.error_file_id)
        self.assertEqual(sorted(one["custom_id"] for one in good + bad), sorted(f"r{i}" for i in range(200)))
        self.assertGreaterEqual(len(good), 3)
        self.assertEqual({one["error"]["code"] for one in bad}, {"batch_cancelled"})
        self.assertEqual(done.request_counts.completed + done.request_counts.failed, 200)
        with self.assertRaises(openai.ConflictError):
            self.client.batches.cancel(batch.id)

    def test_anothers_batch_is_unknown(self):
        batch = self.start([line("a")])
        stranger = self.client_of(self.server, "stranger")
        for look in (stranger.batches.retrieve, stranger.batches.cancel):
            with self.assertRaises(openai.NotFoundError):
                look(batch.id)
        self.ended(batch)


class Restart(unittest.TestCase):
    def test_a_batch_goes_on_after_a_crash_without_asking_again_what_was_answered(self):
        with DurableServer("--set", "jobs.parallel_low=4") as server:
            client = Batches.client_of(server)
            cases = Batches()
            batch = cases.start([line(f"r{i}", f"Tell me about {i}.", max_tokens=60) for i in range(60)], client=client)
            counts = lambda: client.batches.retrieve(batch.id).request_counts.completed
            wait_until(lambda: counts() >= 10, "some lines are done", patience=300)
            before = counts()
            server.kill()
            server.restart()
            client = Batches.client_of(server)
            wait_until(lambda: client.batches.retrieve(batch.id).request_counts.total == 60, "it is taken up", patience=300)
            self.assertGreaterEqual(client.batches.retrieve(batch.id).request_counts.completed, before)
            done = cases.ended(batch, client)
            self.assertEqual((done.status, done.request_counts.completed), ("completed", 60))
            self.assertEqual(sorted(one["custom_id"] for one in cases.lines_of(done.output_file_id, client)), sorted(f"r{i}" for i in range(60)))


if __name__ == "__main__":
    unittest.main()
