"""Jobs over the real server: submitted, read while they run and afterwards, cancelled, bounded, private."""
import contextlib, json, os, re, shutil, sqlite3, threading, time, unittest, uuid

from jobs_client import Events, accepted, read_events, result, submit, text_of
from server import PATIENCE, Server, ServerTest, wait_until

GREEDY = {"options": {"temperature": 0}}
# Runs long enough to be met while it runs.
LONG = {"prompt": "Tell me a story.", "options": {"temperature": 8, "seed": 1, "top_k": 0, "top_p": 1, "num_predict": 1500}}


class Jobs(ServerTest):
    shared = False  # whether several servers share the store
    options = ("--set", "defaults.deterministic=true",)

    def error(self, status, path, method="GET", body=None, headers=None):
        got, _, text = self.server.request(method, path, body, headers)
        self.assertEqual(got, status, text)
        return json.loads(text)["error"]

    def chat(self, messages):
        """What a chat completion says to that."""
        answer = self.server.post("/v1/chat/completions", {"model": "weft-demo", "temperature": 0, "messages": messages})[1]
        return answer["choices"][0]["message"]["content"]

    def test_a_job_is_acknowledged_runs_and_keeps_its_answer(self):
        status, headers, text = self.server.request("POST", "/api/v1/infer", {
            "prompt": "Hello!", "metadata": {"customer": "42"}, **GREEDY})
        job = json.loads(text)
        self.assertEqual(status, 202)
        self.assertEqual(headers["location"], f"/api/v1/status/{job['request_id']}")
        self.assertEqual(uuid.UUID(job["request_id"]).version, 4)
        self.assertIn(job["status"], ("pending", "processing"))
        self.assertIsNone(job["result"])
        self.assertRegex(job["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        done = result(self.server, job["request_id"])
        self.assertEqual(done["status"], "completed")
        self.assertTrue(done["result"])
        self.assertIsNone(done["error"])
        self.assertEqual(done["metadata"], {"customer": "42"})
        self.assertGreater(done["usage"]["prompt_tokens"], 0)
        self.assertGreater(done["usage"]["completion_tokens"], 0)
        self.assertLessEqual(done["created_at"], done["started_at"])
        self.assertLessEqual(done["started_at"], done["finished_at"])
        self.assertEqual(self.server.get(f"/api/v1/status/{job['request_id']}"), (200, done))
        self.assertEqual(done["result"], self.chat([{"role": "user", "content": "Hello!"}]))

    def test_every_reader_sees_the_whole_text_once_whenever_it_comes(self):
        job = accepted(self.server, **LONG)
        streams = [None] * 3
        threads = [threading.Thread(target=lambda i=i: streams.__setitem__(i, read_events(self.server, job))) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        late = read_events(self.server, job)
        text = result(self.server, job)["result"]
        for events in [*streams, late]:
            self.assertEqual(events, late)
            self.assertEqual(events[0], ("1.start", "start", {"request_id": job, "attempt": 1}))
            self.assertEqual([data["chunk"] for _, event, data in events if event == "token"], list(range(len(events) - 2)))
            self.assertEqual(text_of(events), text)
            self.assertEqual(events[-1][1], "complete")
            self.assertEqual(events[-1][2]["status"], "done")

    def test_a_reader_that_comes_back_goes_on_after_the_last_event_it_saw(self):
        job = accepted(self.server, **LONG)
        seen = []
        with contextlib.closing(Events(self.server, job)) as events:
            for event in events:
                seen.append(event)
                if len(seen) == 5:
                    break
        seen += read_events(self.server, job, last=seen[-1][0])
        self.assertEqual(seen, read_events(self.server, job))
        for i in (0, 1, len(seen) - 2):
            self.assertEqual(read_events(self.server, job, last=seen[i][0]), seen[i + 1:])
        with contextlib.closing(Events(self.server, job, last=seen[-1][0])) as events:
            self.assertEqual(events.status, 204)

    def test_result_answers_202_until_the_end_and_can_wait(self):
        job = accepted(self.server, **LONG)
        self.assertEqual(self.server.request("GET", f"/api/v1/result/{job}")[0], 202)
        self.assertEqual(self.server.request("GET", f"/api/v1/result/{job}?wait=60")[0], 200)
        self.assertEqual(self.error(400, f"/api/v1/result/{job}?wait=61")["field"], "wait")

    def test_a_live_job_is_cancelled_and_a_finished_one_removed(self):
        job = accepted(self.server, **LONG)
        with contextlib.closing(Events(self.server, job)) as events:
            stream = iter(events)
            for _ in range(4):
                next(stream)
            status, _, text = self.server.request("DELETE", f"/api/v1/jobs/{job}")
            self.assertEqual(status, 200)
            cancelled = json.loads(text)
            self.assertEqual(cancelled["status"], "cancelled")
            self.assertEqual(cancelled["error"]["code"], "cancelled")
            self.assertTrue(cancelled["partial_result"])
            self.assertGreater(cancelled["usage"]["completion_tokens"], 0)
            self.assertIsNone(cancelled["result"])
            rest = list(stream)
            self.assertEqual(rest[-1][1:], ("error", cancelled["error"]))
        self.assertEqual(self.server.request("GET", f"/api/v1/result/{job}")[0], 200)
        self.assertEqual(self.server.request("DELETE", f"/api/v1/jobs/{job}")[0], 200)
        self.assertEqual(self.error(404, f"/api/v1/status/{job}")["code"], "not_found")
        self.assertEqual(self.error(404, f"/api/v1/jobs/{job}", "DELETE")["code"], "not_found")

    def test_who_only_wants_to_cancel_never_loses_a_result(self):
        job = accepted(self.server, **LONG)
        status, _, text = self.server.request("DELETE", f"/api/v1/jobs/{job}?only=live")
        self.assertEqual((status, json.loads(text)["status"]), (200, "cancelled"))
        done = result(self.server, accepted(self.server))
        path = f"/api/v1/jobs/{done['request_id']}"
        error = self.error(409, path + "?only=live", "DELETE")
        self.assertEqual((error["code"], error["message"]), ("conflict", "the job is completed already"))
        self.assertEqual(self.error(400, path + "?only=dead", "DELETE")["field"], "only")
        self.assertEqual(result(self.server, done["request_id"]), done)

    def test_the_id_of_a_session_is_counted_in_characters(self):
        job = accepted(self.server, session_id="ä" * 128)
        self.assertEqual(result(self.server, job)["session_id"], "ä" * 128)
        self.assertEqual(self.error(400, "/api/v1/infer", "POST", {"prompt": "a", "session_id": "ä" * 129})["message"],
                         "'session_id' must have at most 128 characters")

    def test_an_unknown_job_and_anothers_cannot_be_told_apart(self):
        job = accepted(self.server, key="one")
        done = result(self.server, job, key="one")
        other = {"Authorization": "Bearer two"}
        for method, path in [("GET", "status"), ("GET", "result"), ("GET", "stream"), ("DELETE", "jobs")]:
            bodies = [self.server.request(method, f"/api/v1/{path}/{id}", headers=other)[::2] for id in (job, str(uuid.uuid4()), "x")]
            self.assertEqual(bodies[0][0], 404)
            self.assertEqual(bodies[0], bodies[1])
            self.assertEqual(bodies[0], bodies[2])
        self.assertEqual(result(self.server, job, key="one"), done)
        self.assertEqual(json.loads(self.server.request("GET", "/api/v1/jobs", headers=other)[2])["data"], [])

    def test_a_key_makes_a_repeated_request_the_same_job(self):
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        status, job = submit(self.server, "Hello!", headers=headers)
        self.assertEqual(status, 202)
        again = submit(self.server, "Hello!", headers=headers)
        self.assertEqual((again[0], again[1]["request_id"]), (200, job["request_id"]))
        status, body = submit(self.server, "Goodbye!", headers=headers)
        self.assertEqual((status, body["error"]["field"]), (422, "Idempotency-Key"))
        self.assertEqual(submit(self.server, "Goodbye!", key="another", headers=headers)[0], 202)

    def test_equal_keys_at_the_same_time_make_one_job(self):
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(submit(self.server, "Hello!", headers=headers))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(status for status, _ in answers), [200] * 7 + [202])
        self.assertEqual(len({job["request_id"] for _, job in answers}), 1)

    def test_bad_requests_name_the_field(self):
        for body, status, code, field in [
            ("{", 400, "invalid_json", None),
            ("[]", 400, "invalid_request", None),
            ({}, 400, "missing_field", "prompt"),
            ({"prompt": ""}, 400, "invalid_request", "prompt"),
            ({"prompt": 1}, 400, "invalid_request", "prompt"),
            ({"prompt": "a", "messages": []}, 400, "invalid_request", "messages"),
            ({"messages": []}, 400, "invalid_request", "messages"),
            ({"messages": [{"role": "user", "content": 1}]}, 400, "invalid_request", "messages[0].content"),
            ({"prompt": "a", "model": "none"}, 404, "model_not_found", "model"),
            ({"prompt": "a", "session_id": "x" * 129}, 400, "invalid_request", "session_id"),
            ({"prompt": "a", "metadata": {"a": 1}}, 400, "invalid_request", "metadata.a"),
            ({"prompt": "a", "metadata": {"priority": "urgent"}}, 400, "invalid_request", "metadata.priority"),
            ({"prompt": "a", "metadata": {str(i): "" for i in range(17)}}, 400, "invalid_request", "metadata"),
            ({"prompt": "a", "deadline_ms": 0}, 400, "invalid_request", "deadline_ms"),
            ({"prompt": "a", "options": {"temperature": "hot"}}, 400, "invalid_request", "options.temperature"),
            ({"prompt": "a", "stream": "yes"}, 400, "invalid_request", "stream"),
            ({"prompt": "a", "pipeline": "rag"}, 400, "invalid_request", "pipeline"),
            ({"prompt": "a", "tools": [{"type": "function"}]}, 400, "missing_field", "tools[0].function"),
            ({"prompt": "a", "callback_url": "http://localhost/"}, 403, "forbidden", "callback_url"),
        ]:
            with self.subTest(body=body):
                error = self.error(status, "/api/v1/infer", "POST", body)
                self.assertEqual((error["code"], error["field"]), (code, field))
        if not self.shared:  # documents cannot be shared by several servers yet
            self.assertEqual(self.error(400, "/api/v1/documents", "POST", {})["field"], "text")
        self.assertEqual(self.error(405, "/api/v1/infer")["code"], "method_not_allowed")
        self.assertEqual(self.error(404, "/api/v1/none")["code"], "not_found")
        self.assertEqual(self.error(400, "/api/v1/jobs?limit=0")["field"], "limit")
        self.assertEqual(self.error(400, "/api/v1/jobs?status=odd")["field"], "status")
        self.assertEqual(self.error(400, "/api/v1/jobs?after=unknown")["field"], "after")
        if not self.shared:
            self.assertEqual(self.error(400, "/api/v1/documents?after=unknown")["field"], "after")

    def test_the_list_comes_in_pages_newest_first(self):
        ids = [accepted(self.server, key="lister", session_id="s%d" % (i % 2)) for i in range(5)]
        for id in ids:
            result(self.server, id, key="lister")
        headers = {"Authorization": "Bearer lister"}
        page = lambda query: json.loads(self.server.request("GET", "/api/v1/jobs" + query, headers=headers)[2])
        first = page("?limit=2")
        self.assertEqual([job["request_id"] for job in first["data"]], ids[:2:-1])
        self.assertTrue(first["has_more"])
        rest = page("?limit=3&after=" + first["last_id"])
        self.assertEqual([job["request_id"] for job in rest["data"]], ids[2::-1])
        self.assertFalse(rest["has_more"])
        self.assertEqual([job["request_id"] for job in page("?session_id=s0&status=completed")["data"]], ids[::-2])
        self.assertEqual(page("?status=failed"), {"data": [], "has_more": False, "last_id": None})
        self.assertEqual(page("?status=&session_id=&limit=&after="), page(""))
        self.assertEqual(json.loads(self.server.request("GET", f"/api/v1/result/{ids[0]}?wait=", headers=headers)[2])["status"], "completed")

    def test_a_deadline_ends_a_job_that_takes_longer_with_what_there_is(self):
        # Some end by themselves before that: what the model says at this temperature is noise.
        for seed in range(1, 6):
            options = LONG["options"] | {"seed": seed}
            job = result(self.server, accepted(self.server, prompt="Tell me a long story.", options=options, deadline_ms=10))
            if job["status"] != "completed":
                break
        self.assertEqual((job["status"], job["error"]["code"]), ("failed", "deadline_exceeded"))

    def test_a_failure_says_what_was_wrong(self):
        job = result(self.server, accepted(self.server, prompt="word " * 6000))
        self.assertEqual((job["status"], job["error"]["code"]), ("failed", "context_length_exceeded"))
        self.assertEqual(read_events(self.server, job["request_id"])[-1][1:], ("error", job["error"]))

    def test_a_conversation_that_the_server_keeps(self):
        status, _, text = self.server.request("POST", "/api/v1/sessions", {"system": "You are terse."})
        self.assertEqual(status, 201)
        session = json.loads(text)["session_id"]
        ids = [accepted(self.server, prompt, session_id=session, **GREEDY) for prompt in ("My name is Ada.", "What is my name?")]
        jobs = [result(self.server, id) for id in ids]
        kept = self.server.get(f"/api/v1/sessions/{session}")[1]
        self.assertEqual([(turn["role"], turn["content"]) for turn in kept["turns"]], [
            ("user", "My name is Ada."), ("assistant", jobs[0]["result"]),
            ("user", "What is my name?"), ("assistant", jobs[1]["result"])])
        self.assertEqual(jobs[1]["result"], self.chat([
            {"role": "system", "content": "You are terse."}, {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": jobs[0]["result"]}, {"role": "user", "content": "What is my name?"}]))
        other = self.server.request("GET", f"/api/v1/sessions/{session}", headers={"Authorization": "Bearer other"})
        self.assertEqual(other[0], 404)
        self.assertEqual(self.server.request("DELETE", f"/api/v1/sessions/{session}")[0], 200)
        self.assertEqual(self.server.request("GET", f"/api/v1/sessions/{session}")[0], 404)

    def test_health_speaks_plain_text_too(self):
        self.assertEqual(self.server.request("GET", "/health")[2], '{"status":"ok"}')
        self.assertEqual(self.server.request("GET", "/health", headers={"Accept": "text/plain"})[2], "OK")


class Ends(unittest.TestCase):
    def test_after_a_clean_stop_one_file_holds_everything(self):
        with Server() as server:
            ids = [accepted(server, f"Hello {i}!") for i in range(5)]
            for id in ids:
                result(server, id)
            server.process.terminate()
            self.assertEqual(server.process.wait(PATIENCE), 0)
            folder = server.folder / "home" / "jobs"
            self.assertFalse((folder / "jobs.db-wal").exists() and (folder / "jobs.db-wal").stat().st_size)
            copy = server.folder / "backup.db"
            shutil.copyfile(folder / "jobs.db", copy)
            with contextlib.closing(sqlite3.connect(copy)) as database:
                self.assertEqual({row[0] for row in database.execute("SELECT id FROM jobs WHERE status = 2")}, set(ids))

    def test_a_job_of_a_deleted_conversation_fails_and_one_whose_time_ran_out_meanwhile_goes_on(self):
        with Server("--set", "jobs.parallel=1") as server:
            deleted, short = (json.loads(server.request("POST", "/api/v1/sessions", {"ttl": ttl})[2])["session_id"] for ttl in (3600, 1))
            running = accepted(server, **LONG)
            orphan = accepted(server, "What is my name?", session_id=deleted)
            late = accepted(server, "What is my name?", session_id=short)
            self.assertEqual(server.request("DELETE", f"/api/v1/sessions/{deleted}")[0], 200)
            time.sleep(1.5)  # its time is over
            server.request("DELETE", f"/api/v1/jobs/{running}")
            job = result(server, orphan)
            self.assertEqual((job["status"], job["error"]["code"]), ("failed", "session_gone"))
            self.assertEqual(result(server, late)["status"], "completed")

    def test_a_model_whose_file_was_replaced_answers_anew(self):
        with Server("--set", "jobs.answer_cache=1MiB") as server:
            first = result(server, accepted(server, **GREEDY))
            self.assertTrue(result(server, accepted(server, **GREEDY))["cached"])
            model = server.models_dir / "weft-demo.gguf"
            replacement = model.with_suffix(".new")
            content = bytearray(model.read_bytes())
            content[-1] ^= 1
            replacement.write_bytes(content)
            os.replace(replacement, model)
            again = result(server, accepted(server, **GREEDY))
            self.assertNotIn("cached", again)
            self.assertNotEqual(first["request_id"], again["request_id"])


class Queue(unittest.TestCase):
    def test_urgent_jobs_go_first_and_positions_are_told(self):
        with Server("--set", "jobs.parallel=1") as server:
            running = accepted(server, **LONG)
            order = ["low", "normal", "high", "normal"]
            ids = [accepted(server, f"Hello {i}!", metadata={"priority": priority}) for i, priority in enumerate(order)]
            positions = [server.get(f"/api/v1/status/{id}")[1]["queue_position"] for id in ids]
            self.assertEqual(positions, [4, 2, 1, 3])
            listed = {job["request_id"]: job["queue_position"] for job in server.get("/api/v1/jobs")[1]["data"]}
            self.assertEqual([listed[id] for id in [*ids, running]], [4, 2, 1, 3, None])
            server.request("DELETE", f"/api/v1/jobs/{ids[3]}")
            self.assertEqual(server.get(f"/api/v1/status/{ids[0]}")[1]["queue_position"], 3)
            started = [result(server, id)["started_at"] for id in (running, ids[2], ids[1], ids[0])]
            self.assertEqual(started, sorted(started))

    def test_full_queues_answer_429_for_a_key_and_503_for_the_server(self):
        with Server("--set", "jobs.parallel=1", "--set", "jobs.queue=3", "--set", "jobs.queue_per_key=2") as server:
            running = accepted(server, **LONG)
            for _ in range(2):
                accepted(server, key="greedy")
            status, headers, text = server.request("POST", "/api/v1/infer", {"prompt": "a"}, {"Authorization": "Bearer greedy"})
            self.assertEqual((status, json.loads(text)["error"]["code"]), (429, "rate_limited"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            accepted(server, key="modest")
            status, headers, text = server.request("POST", "/api/v1/infer", {"prompt": "a"})
            self.assertEqual((status, json.loads(text)["error"]["code"]), (503, "overloaded"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            server.request("DELETE", f"/api/v1/jobs/{running}")

    def test_equal_deterministic_jobs_in_flight_share_one_generation(self):
        with Server() as server:
            jobs = [accepted(server, **LONG) for _ in range(6)]
            texts = {result(server, job)["result"] for job in jobs}
            self.assertEqual(len(texts), 1)
            generated = next(float(line.split()[-1]) for line in server.request("GET", "/metrics")[2].splitlines()
                             if line.startswith("weft_generation_tokens_total"))
            tokens = result(server, jobs[0])["usage"]["completion_tokens"]
            self.assertLess(generated, 2 * tokens)

    def test_a_shared_generation_goes_on_while_one_job_wants_it(self):
        with Server() as server:
            jobs = [accepted(server, **LONG) for _ in range(3)]
            for job in jobs[:2]:
                server.request("DELETE", f"/api/v1/jobs/{job}")
            self.assertEqual([result(server, job)["status"] for job in jobs], ["cancelled", "cancelled", "completed"])

    def test_the_answer_cache_is_off_unless_asked_for_and_shows_itself(self):
        with Server("--set", "jobs.answer_cache=1MiB") as server:
            first = result(server, accepted(server, **GREEDY))
            self.assertNotIn("cached", first)
            again = result(server, accepted(server, **GREEDY))
            self.assertTrue(again["cached"])
            self.assertEqual(again["result"], first["result"])
            self.assertEqual(text_of(read_events(server, again["request_id"])), first["result"])
            self.assertNotIn("cached", result(server, accepted(server, key="other", **GREEDY), key="other"))
            self.assertNotIn("cached", result(server, accepted(server, options={"temperature": 0, "num_predict": 3})))

    def test_finished_jobs_expire(self):
        with Server("--set", "jobs.ttl=1s") as server:
            job = accepted(server)
            wait_until(lambda: server.request("GET", f"/api/v1/status/{job}")[0] == 410, "the job expires")
            self.assertEqual(json.loads(server.request("GET", f"/api/v1/result/{job}")[2])["error"]["code"], "expired")


if __name__ == "__main__":
    unittest.main()
