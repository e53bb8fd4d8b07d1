"""What one API key may take of the job service, that others do not feel it, and what the metrics say about it."""
import asyncio, contextlib, json, os, shutil, subprocess, tempfile, time, unittest

import websockets

from jobs_client import Events, accepted, result, submit
from jobs_test import LONG
from server import BINARY, PATIENCE, Server, wait_until


def metrics(server):
    lines = server.request("GET", "/metrics")[2].splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


class Limits(unittest.TestCase):
    def assertLimited(self, answer, status=429, code="rate_limited"):
        got, headers, text = answer
        self.assertEqual((got, json.loads(text)["error"]["code"]), (status, code), text)
        self.assertGreaterEqual(int(headers["retry-after"]), 1)

    def test_a_key_that_submits_too_fast_is_told_when_to_come_back(self):
        with Server("--set", "jobs.rate_per_key=1", "--set", "jobs.burst_per_key=3") as server:
            greedy, modest = {"Authorization": "Bearer greedy"}, {"Authorization": "Bearer modest"}
            ask = lambda headers: server.request("POST", "/api/v1/infer", {"prompt": "Hello!"}, headers)
            answers = [ask(greedy) for _ in range(12)]
            limited = [answer for answer in answers if answer[0] != 202]
            self.assertGreaterEqual(len(limited), 1)
            self.assertEqual([answer[0] for answer in answers[:3]], [202] * 3)
            for answer in limited:
                self.assertLimited(answer)
            self.assertEqual(ask(modest)[0], 202)
            time.sleep(int(limited[-1][1]["retry-after"]))
            self.assertEqual(ask(greedy)[0], 202)
            self.assertEqual(metrics(server)['weft_jobs_refused_total{limit="key"}'], len(limited))

    def test_a_key_with_a_flood_of_jobs_does_not_hold_up_another(self):
        with Server("--set", "jobs.parallel=2") as server:
            flood = [accepted(server, f"Tell me about {i}.", key="flood", options={"num_predict": 60}) for i in range(60)]
            alone = accepted(server, key="modest", options={"num_predict": 10})
            modest = result(server, alone, key="modest")
            ends = [result(server, job, key="flood", patience=300)["finished_at"] for job in flood]
            self.assertLess(sum(end < modest["finished_at"] for end in ends), 20)

    def test_a_key_runs_no_more_than_its_share_at_once(self):
        with Server("--set", "jobs.parallel=8", "--set", "jobs.parallel_per_key=2") as server:
            flood = [accepted(server, key="flood", **LONG | {"prompt": f"Tell me a story. {i}"}) for i in range(5)]
            accepted(server, key="modest", **LONG | {"prompt": "Tell me a story. x"})
            wait_until(lambda: metrics(server)['weft_jobs{state="processing"}'] == 3, "three jobs run")
            headers = {"Authorization": "Bearer flood"}
            states = [json.loads(server.request("GET", f"/api/v1/status/{job}", headers=headers)[2])["status"] for job in flood]
            self.assertEqual(states, ["processing"] * 2 + ["pending"] * 3)

    def test_the_queue_is_bounded_in_tokens(self):
        with Server("--set", "jobs.parallel=1", "--set", "jobs.queue_tokens=4000") as server:
            accepted(server, **LONG)
            ask = lambda key, body: server.request("POST", "/api/v1/infer", body, {"Authorization": f"Bearer {key}"})
            accepted(server, key="first", options={"num_predict": 3000})
            self.assertLimited(ask("first", {"prompt": "a", "options": {"num_predict": 1}}))  # beyond half, a key waits alone
            self.assertLimited(ask("second", {"prompt": "a", "options": {"num_predict": 1500}}), 503, "overloaded")
            accepted(server, key="third", options={"num_predict": 100})
            self.assertLimited(ask("fourth", {"prompt": "word " * 2000, "options": {"num_predict": 1}}), 503, "overloaded")

    def test_a_key_that_asks_for_endless_answers_does_not_shut_out_others(self):
        with Server("--set", "jobs.parallel=1") as server:
            accepted(server, **LONG)
            for _ in range(3):
                accepted(server, key="greedy", options={"num_predict": 256_000_000})
            accepted(server, key="modest")

    def test_a_job_that_could_never_wait_is_refused_for_good(self):
        with Server("--set", "jobs.queue_tokens=100") as server:
            status, body = submit(server, options={"num_predict": 1000})
            self.assertEqual((status, body["error"]["code"]), (413, "too_large"))

    def test_what_was_acknowledged_is_told_again_whatever_is_full_or_gone(self):
        with Server("--set", "jobs.parallel=1", "--set", "jobs.queue=1", "--set", "jobs.rate_per_key=1", "--set", "jobs.burst_per_key=2") as server:
            headers = {"Idempotency-Key": "once"}
            submitted = submit(server, LONG["prompt"], headers=headers, options=LONG["options"])
            self.assertEqual(submitted[0], 202)
            accepted(server, key="other")
            replay = lambda: submit(server, LONG["prompt"], headers=headers, options=LONG["options"])
            for _ in range(10):  # a rate would be over
                status, job = replay()
                self.assertEqual((status, job["request_id"]), (200, submitted[1]["request_id"]))
            self.assertEqual(submit(server, key="third")[0], 503)
            self.assertEqual(submit(server, "Something else", headers=headers)[0], 422)
            (server.models_dir / "weft-demo.gguf").unlink()
            wait_until(lambda: server.get("/v1/models")[1]["data"] == [], "the model is gone")
            self.assertEqual(replay()[0], 200)

    def test_streams_and_sockets_of_a_key_are_bounded_and_counted(self):
        with Server("--set", "jobs.streams_per_key=2", "--set", "jobs.sockets_per_key=2") as server:
            job = accepted(server, **LONG)
            with contextlib.closing(Events(server, job)) as first, contextlib.closing(Events(server, job)):
                self.assertEqual(first.status, 200)
                self.assertLimited(server.request("GET", f"/api/v1/stream/{job}"))
                other = accepted(server, key="other")
                self.assertEqual(server.request("GET", f"/api/v1/stream/{other}", headers={"Authorization": "Bearer other"})[0], 200)
                self.assertEqual(metrics(server)['weft_job_readers{kind="stream"}'], 2)
            wait_until(lambda: metrics(server)['weft_job_readers{kind="stream"}'] == 0, "the readers are gone")

            async def sockets():
                url = f"ws://127.0.0.1:{server.port}/api/v1/ws"
                async with websockets.connect(url), websockets.connect(url):
                    with self.assertRaises(websockets.InvalidStatus) as refused:
                        await websockets.connect(url)
                    self.assertEqual(refused.exception.response.status_code, 429)
                    async with websockets.connect(url, additional_headers={"Authorization": "Bearer other"}):
                        self.assertEqual((await asyncio.to_thread(metrics, server))['weft_job_readers{kind="socket"}'], 3)
            asyncio.run(sockets())
            wait_until(lambda: metrics(server)['weft_job_readers{kind="socket"}'] == 0, "the sockets are gone")


class MissingModels(unittest.TestCase):
    """Models that the configuration names and nobody has (yet)."""
    settings = ("--set", "jobs.model=later", "--set", "documents.embedding_model=words")
    env = {"WEFT_PIPELINES": "{other: {infer: {model: absent}}, own: {infer: {model: weft-demo}}}"}

    def test_the_start_says_so_and_submissions_are_refused_until_they_come(self):
        with Server(*self.settings, env=self.env) as server:
            for key, model in [("jobs.model", "later"), ("documents.embedding_model", "words"), ("pipelines.other.infer.model", "absent")]:
                self.assertRegex(server.log_text(), rf"configured_model_missing.*{key}.*{model}")
            self.assertNotIn("pipelines.own", server.log_text())
            for fields in ({}, {"pipeline": "other"}, {"session_id": "no conversation"}):
                status, body = submit(server, **fields)
                self.assertEqual((status, body["error"]["code"], body["error"]["field"]), (404, "model_not_found", "model"), fields)
            self.assertEqual(result(server, accepted(server, pipeline="own"))["model"], "weft-demo")
            # A conversation may have a model of its own.
            session = server.post("/api/v1/sessions", {"model": "weft-demo"})[1]["session_id"]
            self.assertEqual(result(server, accepted(server, session_id=session))["model"], "weft-demo")
            shutil.copyfile(server.models_dir / "weft-demo.gguf", server.models_dir / "later.gguf")
            self.assertEqual(result(server, accepted(server))["model"], "later")

    def test_the_check_warns_of_them(self):
        with tempfile.TemporaryDirectory() as home:
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA_", "WEFT_"))}
            done = subprocess.run([BINARY, "serve", "--check", *self.settings], env=environment | self.env | {"WEFT_HOME": home}, cwd=home,
                                  capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        for warning in ("jobs.model: model 'later' not found", "documents.embedding_model: model 'words' not found", "pipelines.other.infer.model: model 'absent' not found"):
            self.assertIn(f"weft: warning: {warning}\n", done.stderr)


class Metrics(unittest.TestCase):
    def test_jobs_and_their_store_are_counted(self):
        with Server("--set", "jobs.parallel=1") as server:
            before = metrics(server)
            self.assertEqual((before["weft_jobs_submitted_total"], before['weft_jobs{state="pending"}']), (0, 0))
            done = accepted(server, options={"num_predict": 4})
            result(server, done)
            failed = accepted(server, "word " * 6000)
            result(server, failed)
            running, waiting = accepted(server, **LONG), accepted(server, options={"num_predict": 100})
            server.request("DELETE", f"/api/v1/jobs/{waiting}")
            waiting = accepted(server, options={"num_predict": 100})
            now = metrics(server)
            self.assertEqual(now["weft_jobs_submitted_total"], 5)
            self.assertEqual([now[f'weft_jobs_finished_total{{outcome="{outcome}"}}'] for outcome in ("completed", "failed", "cancelled")], [1, 1, 1])
            self.assertEqual((now['weft_jobs{state="pending"}'], now['weft_jobs{state="processing"}']), (1, 1))
            self.assertGreater(now["weft_jobs_waiting_tokens"], 100)
            self.assertEqual(now["weft_job_queue_seconds_count"], 3)
            self.assertEqual(now["weft_job_run_seconds_count"], 2)
            self.assertGreaterEqual(now["weft_store_commit_writes_sum"], 8)
            self.assertEqual(now["weft_store_commit_seconds_count"], now["weft_store_commit_writes_count"])
            server.request("DELETE", f"/api/v1/jobs/{running}")


if __name__ == "__main__":
    unittest.main()
