"""Prefixes outlive the process that computed them; tenants do not see each other's; what runs is told outside."""
import json, pathlib, subprocess, tempfile, unittest
from concurrent.futures import ThreadPoolExecutor, as_completed

from server import BINARY, ENDLESS, MODEL, Server, wait_until

STORY = "Once upon a time there was a server that served many stories to many people. " * 40


def complete(server, prompt, headers=None, **more):
    body = {"model": "weft-demo", "prompt": prompt, "max_tokens": 24, "temperature": 0, "logprobs": 1} | more
    status, _, text = server.request("POST", "/v1/completions", body, headers)
    assert status == 200, text
    answer = json.loads(text)
    return answer, answer["usage"].get("prompt_tokens_details", {}).get("cached_tokens", 0)


def metric(server, name):
    """The value of the only series of that name."""
    _, _, text = server.request("GET", "/metrics")
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name + "{")]
    assert len(values) == 1, (name, text)
    return float(values[0])


class Restart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-cache-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def server(self, *options, context=4096):
        # The same file each time: a copy is another model.
        server = Server("--set", f"cache.folder={self.folder}", "--context", str(context), "--model", f"weft-demo={MODEL}",
                        *options, models=[])
        self.addCleanup(server.stop)
        return server

    def assert_alike(self, a, b):
        """The first tokens are as likely. The cells are the same bits, but what is behind the last whole block is computed
        in a chunk of another size, which rounds differently, and one token's rounding changes all that follow."""
        first = [answer["choices"][0]["logprobs"] for answer in (a, b)]
        self.assertEqual(first[0]["tokens"][0], first[1]["tokens"][0])
        self.assertAlmostEqual(first[0]["token_logprobs"][0], first[1]["token_logprobs"][0], delta=0.05)

    def test_a_restart_finds_its_prefixes_and_gives_the_very_same_numbers(self):
        first = self.server()
        fresh, cached = complete(first, STORY)
        self.assertEqual(cached, 0)
        first.stop()
        files = list(self.folder.rglob("*.kv"))
        self.assertGreater(len(files), 3)
        self.assertTrue(all(file.stat().st_mode & 0o077 == 0 for file in files))
        second = self.server()
        again, cached = complete(second, STORY)
        tokens = fresh["usage"]["prompt_tokens"]
        self.assertGreater(cached, tokens - 130)
        self.assert_alike(again, fresh)
        wait_until(lambda: metric(second, "weft_prefix_cache_restored_tokens_total") == cached, "the metric tells")

    def test_damaged_files_cost_time_and_nothing_else(self):
        first = self.server()
        fresh, _ = complete(first, STORY)
        first.stop()
        for file in self.folder.rglob("*.kv"):
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 0xFF
            file.write_bytes(data)
        second = self.server()
        again, cached = complete(second, STORY)
        self.assertEqual(cached, 0)
        self.assert_alike(again, fresh)
        self.assertIn("prefix_cache_file_deleted", second.log_text())

    def test_what_leaves_a_small_pool_comes_back_from_memory(self):
        server = self.server("--set", "defaults.kv_cells=1024", "--set", "cache.disk_bytes=0", context=1024)
        story = STORY[:1600]
        fresh, _ = complete(server, story)
        for i in range(3):
            complete(server, f"{i}. " + STORY[40:1800])
        again, cached = complete(server, story)
        self.assertGreater(cached, 100)
        self.assert_alike(again, fresh)
        # Metrics are at most a heartbeat old.
        wait_until(lambda: metric(server, "weft_prefix_cache_spilled_blocks_total") > 0, "blocks are told to have been copied")
        self.assertEqual(list(self.folder.rglob("*.kv")), [])

    def test_deterministic_answers_do_not_depend_on_company(self):
        server = self.server("--set", "defaults.deterministic=true")
        alone, _ = complete(server, STORY[:700], temperature=1, seed=5, max_tokens=40)
        streams = [server.stream("/v1/completions", {**ENDLESS, "prompt": f"{i} story", "stream": True}) for i in range(3)]
        for stream in streams:
            stream.readline()
        among, _ = complete(server, STORY[:700], temperature=1, seed=5, max_tokens=40)
        for stream in streams:
            stream.connection.close()
        self.assertEqual(among["choices"], alone["choices"])  # logprobs, too: bit by bit


class Tenants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--set", "defaults.parallel=2", "--set", "cache.disk_bytes=0")
        cls.addClassCleanup(cls.server.stop)

    def test_keys_do_not_share_unless_they_say_so(self):
        keys = [{"Authorization": "Bearer one"}, {"x-api-key": "two"}]
        self.assertEqual(complete(self.server, STORY[:800], keys[0])[1], 0)
        self.assertEqual(complete(self.server, STORY[:800], keys[1])[1], 0)
        self.assertGreater(complete(self.server, STORY[:800], keys[0])[1], 100)
        shared = [{**key, "x-weft-cache": "shared"} for key in keys]
        self.assertEqual(complete(self.server, STORY[:800], shared[0])[1], 0)
        self.assertGreater(complete(self.server, STORY[:800], shared[1])[1], 100)

    def test_a_flood_of_one_key_does_not_keep_another_waiting(self):
        # A stream that waits for a slot has no head yet, so each is opened by a thread of its own.
        opening = ThreadPoolExecutor(6)
        flood = [opening.submit(self.server.stream, "/v1/completions", {**ENDLESS, "stream": True}) for _ in range(6)]
        try:
            wait_until(lambda: metric(self.server, "weft_requests_waiting") >= 4, "the flood waits")
            answer, _ = complete(self.server, "A question", {"Authorization": "Bearer light"}, max_tokens=4)
            self.assertEqual(answer["usage"]["completion_tokens"], 4)
            self.assertGreaterEqual(metric(self.server, "weft_requests_running") + metric(self.server, "weft_requests_waiting"), 5)
        finally:
            for stream in as_completed(flood):
                stream.result().connection.close()

    def test_a_key_that_fills_the_queue_keeps_no_other_out(self):
        with Server("--set", "defaults.parallel=2", "--set", "limits.queue=2") as server:
            opening = ThreadPoolExecutor(8)
            flood = [opening.submit(server.stream, "/v1/completions", {**ENDLESS, "stream": True}) for _ in range(8)]
            try:
                wait_until(lambda: sum(stream.done() and stream.result().status == 503 for stream in flood) >= 4, "the flood is refused")
                answer, _ = complete(server, "A question", {"Authorization": "Bearer light"}, max_tokens=4)
                self.assertEqual(answer["usage"]["completion_tokens"], 4)
            finally:
                for stream in as_completed(flood):
                    stream.result().connection.close()

    def test_a_deadline_that_cannot_be_met_is_no_200_streamed_or_not(self):
        complete(self.server, STORY)  # from here on it is known how long prompts take
        for stream in (False, True):
            for path, body in [("/v1/completions", {"prompt": ""}), ("/api/generate", {"prompt": ""}), ("/v1/messages", {"messages": []}),
                               ("/v1/chat/completions", {"messages": []}), ("/api/chat", {"messages": []})]:
                text = f"{path} {stream} " + STORY * 3
                body = {"prompt": text} if "prompt" in body else {"messages": [{"role": "user", "content": text}]}
                status, headers, told = self.server.request("POST", path, {"model": "weft-demo", "max_tokens": 1, "stream": stream, **body},
                                                            {"x-weft-deadline-ms": "20"})
                self.assertIn(status, (503, 504, 529), told)
                self.assertIn("deadline", told)

    def test_a_header_that_makes_no_sense_is_refused_in_every_dialect(self):
        bad = {"x-weft-deadline-ms": "soon"}
        for path, body in [("/v1/completions", {"prompt": "x"}), ("/api/generate", {"prompt": "x"}),
                           ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
                           ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}),
                           ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1})]:
            status, _, text = self.server.request("POST", path, {"model": "weft-demo", **body}, bad)
            self.assertEqual(status, 400, path)
            self.assertIn("x-weft-deadline-ms", text)

    def test_top_and_queue_tell_who_runs(self):
        stream = self.server.stream("/v1/completions", {**ENDLESS, "stream": True})
        try:
            def running():
                _, queue = self.server.get("/api/v1/queue")
                return [s for model in queue["models"] for s in model["sequences"]
                        if s["state"] == "decode" and s["request_id"] == stream.getheader("x-request-id")]
            found = wait_until(running, "the queue tells of it")
            self.assertEqual(found[0]["position"], 0)
            shown = subprocess.run([BINARY, "top", "--server", self.server.url], capture_output=True, text=True, timeout=30)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("decode", shown.stdout)
            told = subprocess.run([BINARY, "top", "--json", "--server", self.server.url], capture_output=True, text=True, timeout=30)
            self.assertIn("models", json.loads(told.stdout))
        finally:
            stream.connection.close()


if __name__ == "__main__":
    unittest.main()
