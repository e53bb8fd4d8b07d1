"""The real server as a user meets it: readiness, draining, limits, leaving early, several models."""
import http.client, json, signal, socket, threading, time, unittest

from server import BINARY, ENDLESS, ROOT, Server, ServerTest, chat, wait_until

# Too long for any window: a generation that ends by its length alone, in a dialect that cannot be told to go on.
LONG_TEXT = {"type": "array", "items": {"type": "string", "minLength": 200}, "minItems": 1000}


class Lifecycle(unittest.TestCase):
    def test_json_logs_are_one_object_a_line_with_numbers_as_numbers(self):
        with Server("--log-format", "json") as server:
            server.request("GET", "/api/tags", headers={"X-Request-Id": "1234"})
            wait_until(lambda: '"/api/tags"' in server.log_text(), "the request is logged")
            lines = [json.loads(line) for line in server.log_text().splitlines()]
            request = next(line for line in lines if line.get("route") == "/api/tags")
            self.assertEqual((request["status"], request["event"]), (200, "http_request"))
            self.assertIsInstance(request["ms"], int)
            self.assertIsInstance(request["request_id"], str)
            self.assertEqual(next(line for line in lines if line["event"] == "listening")["port"], server.port)

    def test_a_client_that_leaves_in_prefill_is_no_warning(self):
        with Server("--context", "8192") as server:
            chat(server, "Hello!")
            body = json.dumps({"model": "weft-demo", "prompt": "one two three " * 2000, "max_tokens": 5})
            for wait in (0.01, 0.05, 0.1):
                connection = http.client.HTTPConnection("127.0.0.1", server.port)
                connection.request("POST", "/v1/completions", body)
                time.sleep(wait)
                connection.close()
            self.assertEqual(chat(server, "Hello!")[0], 200)
            self.assertNotRegex(server.log_text(), r"Z (warn|error) ")

    def test_readyz_counts_the_loaded_schedulers(self):
        with Server() as server:
            self.assertEqual(server.get("/readyz")[0], 200)
            chat(server, "Hello!")
            self.assertEqual(server.get("/readyz")[1]["loaded_models"], 1)

    def test_readyz_says_503_when_a_scheduler_stands_still(self):
        import os
        with Server() as server:
            chat(server, "Hello!")
            engine = server.engines()[0]
            os.kill(engine, signal.SIGSTOP)
            try:
                wait_until(lambda: server.get("/readyz")[0] == 503, "the heartbeat is missed")
                self.assertEqual(server.get("/health")[0], 200)
            finally:
                os.kill(engine, signal.SIGCONT)
            wait_until(lambda: server.get("/readyz")[0] == 200, "it beats again")

    def test_sigterm_turns_readyz_503_lets_streams_end_and_exits_0(self):
        with Server("--set", "server.drain_seconds=300") as server:
            chat(server, "Hello!")
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True, "max_tokens": 1500})
            stream.readline()
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in server.log_text(), "it drains")
            self.assertEqual(server.get("/readyz")[0], 503)
            self.assertEqual(chat(server, "Hello!")[0], 503)
            self.assertIn(b"data: [DONE]\n", list(stream))
            self.assertEqual(server.process.wait(60), 0)

    def test_streams_that_outlast_the_drain_end_with_an_error_event(self):
        with Server("--set", "server.drain_seconds=1") as server:
            chat(server, "Hello!")
            lines = server.stream("/api/generate", {"model": "weft-demo", "prompt": "Once", "raw": True, "format": LONG_TEXT,
                                                    "options": {"num_predict": -1, "temperature": 1}})
            events = server.stream("/v1/completions", {"model": "weft-demo", "prompt": "Once", "stream": True, "ignore_eos": True, "max_tokens": 100_000})
            lines.readline(), events.readline()
            server.process.send_signal(signal.SIGTERM)
            self.assertIn("error", json.loads(list(lines)[-1]))
            last = [line for line in events if line.startswith(b"data: {")][-1]
            self.assertIn("error", json.loads(last.removeprefix(b"data: ")))
            self.assertEqual(server.process.wait(20), 0)

    def test_a_second_signal_ends_at_once(self):
        with Server() as server:
            chat(server, "Hello!")
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in server.log_text(), "it drains")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(20), 1)

    def assert_idle_soon(self, server, left_at):
        """The one slot is free again long before the story of the client that left would have ended."""
        self.assertEqual(chat(server, "Hello!")[0], 200)
        self.assertLess(time.monotonic() - left_at, self.whole_story / 2)

    def measure_whole_story(self, server):
        started = time.monotonic()
        self.assertEqual(server.post("/v1/completions", ENDLESS)[0], 200)
        self.whole_story = time.monotonic() - started

    def test_a_client_that_leaves_frees_its_slot(self):
        with Server("--parallel", "1") as server:
            self.measure_whole_story(server)
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            stream.connection.close()
            stream.close()
            self.assert_idle_soon(server, time.monotonic())

    def test_a_client_without_streaming_that_leaves_frees_its_slot(self):
        import socket
        with Server("--parallel", "1") as server:
            self.measure_whole_story(server)
            body = json.dumps(ENDLESS).encode()
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                time.sleep(0.1)
            self.assert_idle_soon(server, time.monotonic())

    def test_a_full_queue_answers_503_with_retry_after_and_the_accepted_finish(self):
        with Server("--parallel", "1", env={"OLLAMA_MAX_QUEUE": "2"}) as server:
            chat(server, "Hello!")
            statuses, bodies = [], []
            def one():
                status, headers, text = server.request("POST", "/api/generate", {
                    "model": "weft-demo", "prompt": "Tell me a story.", "raw": True, "stream": False,
                    "options": {"num_predict": 200, "temperature": 1}})
                statuses.append((status, {k.lower(): v for k, v in headers.items()}))
                bodies.append(text)
            threads = [threading.Thread(target=one) for _ in range(12)]
            for t in threads: t.start()
            for t in threads: t.join()
            refused = [h for s, h in statuses if s == 503]
            self.assertEqual(sum(s == 200 for s, _ in statuses) + len(refused), 12, statuses)
            self.assertGreaterEqual(len(refused), 1)
            self.assertTrue(all(int(h["retry-after"]) >= 1 for h in refused))
            self.assertTrue(any("busy" in b for b in bodies))

    def test_models_unload_when_their_time_is_over_and_on_request(self):
        with Server() as server:
            chat(server, "Hello!", keep_alive="300ms")
            wait_until(lambda: not server.get("/api/ps")[1]["models"], "it is unloaded")
            wait_until(lambda: not server.engines(), "its process ended")
            chat(server, "Hello!", keep_alive=-1)
            self.assertEqual(len(server.get("/api/ps")[1]["models"]), 1)
            self.assertEqual(server.post("/api/generate", {"model": "weft-demo", "keep_alive": 0})[1]["done_reason"], "unload")
            wait_until(lambda: not server.get("/api/ps")[1]["models"], "it is unloaded")

    def test_the_model_that_was_used_least_recently_makes_room(self):
        with Server(models=["a", "b", "c"], env={"OLLAMA_MAX_LOADED_MODELS": "2"}) as server:
            for name in ("a", "b", "c"):
                self.assertEqual(chat(server, "Hello!", model=name)[0], 200)
                self.assertLessEqual(len(server.get("/api/ps")[1]["models"]), 2)
            resident = {m["name"] for m in server.get("/api/ps")[1]["models"]}
            self.assertEqual(resident, {"b:latest", "c:latest"})

    def test_many_first_requests_share_one_load(self):
        with Server() as server:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(chat(server, "Hello!")[0])) for _ in range(8)]
            for t in threads: t.start()
            for t in threads: t.join()
            self.assertEqual(answers, [200] * 8)
            self.assertEqual(server.log_text().count("engine_started"), 1)

    def test_a_broken_model_file_is_told_about_and_serves_nobody(self):
        with Server(models=[]) as server:
            (server.models_dir / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 64)
            status, answer = chat(server, "Hello!", model="broken")
            self.assertGreaterEqual(status, 400)
            self.assertNotIn(str(server.folder), json.dumps(answer))

    def test_a_template_that_cannot_be_used_is_told_to_who_chats_and_raw_prompts_go_on(self):
        data = (ROOT / "models/weft-demo.gguf").read_bytes()
        broken = data.replace(b"{%- if tools %}", b"{%- if tools (}", 1)
        self.assertNotEqual(data, broken)
        with Server(models=[]) as server:
            (server.models_dir / "weft-demo.gguf").write_bytes(broken)
            status, answer = chat(server, "Hello!")
            self.assertEqual(status, 400, answer)
            self.assertIn("template", answer["error"])
            self.assertEqual(server.post("/v1/completions", {"model": "weft-demo", "prompt": "Once", "max_tokens": 3})[0], 200)

    def test_a_longer_window_loads_the_model_anew(self):
        with Server("--context", "512") as server:
            chat(server, "Hello!")
            self.assertEqual(server.get("/api/ps")[1]["models"][0]["context_length"], 512)
            chat(server, "Hello!", options={"num_ctx": 2048, "temperature": 0})
            self.assertEqual(server.get("/api/ps")[1]["models"][0]["context_length"], 2048)

    def test_wrong_configuration_is_told_with_line_and_suggestion(self):
        import pathlib, subprocess, tempfile
        from server import BINARY
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "weft.yaml"
            file.write_text("server:\n  host: 127.0.0.1\n  prot: 1234\n")
            done = subprocess.run([BINARY, "serve", "--config", str(file)], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("did you mean 'port'", done.stderr)
            self.assertIn("line 3", done.stderr)


class Generation(ServerTest):
    def generate(self, **body):
        options = {"temperature": 0, "num_predict": 30} | body.pop("options", {})
        return self.server.post("/api/generate", {"model": "weft-demo", "prompt": "Tell me a story.", "stream": False,
                                                  "think": False, "options": options} | body)[1]

    def test_the_same_seed_gives_the_same_text_and_another_seed_another(self):
        # Beside others and from the cache numbers are rounded otherwise, which can turn a near tie: without
        # deterministic mode a seed promises nothing more.
        with Server("--set", "defaults.deterministic=true") as server:
            texts = [server.post("/api/generate", {"model": "weft-demo", "prompt": "Tell me a story.", "stream": False, "think": False,
                                                   "options": {"temperature": 2, "top_k": 0, "top_p": 1, "seed": seed,
                                                               "num_predict": 30}})[1]["response"] for seed in (5, 5, 5, 6)]
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(texts[0], texts[2])
        self.assertNotEqual(texts[0], texts[3])

    def test_a_second_identical_prompt_comes_from_the_cache(self):
        body = {"model": "weft-demo", "messages": [{"role": "user", "content": "Tell me a story about a brave fox."}],
                "max_tokens": 5, "temperature": 0}
        first = self.server.post("/v1/chat/completions", body)[1]
        second = self.server.post("/v1/chat/completions", body)[1]
        self.assertGreater(second["usage"]["prompt_tokens_details"]["cached_tokens"], 0)
        self.assertEqual(first["choices"][0]["message"]["content"], second["choices"][0]["message"]["content"])

    def test_streamed_and_whole_answers_are_the_same(self):
        whole = self.generate()["response"]
        stream = self.server.stream("/api/generate", {"model": "weft-demo", "prompt": "Tell me a story.", "think": False,
                                                      "options": {"temperature": 0, "num_predict": 30}})
        self.assertEqual("".join(json.loads(line)["response"] for line in stream), whole)

    def test_num_predict_and_logprobs_count_exactly(self):
        answer = self.generate(options={"num_predict": 10}, logprobs=True, top_logprobs=3)
        self.assertEqual(answer["eval_count"], 10)
        self.assertEqual(answer["done_reason"], "length")
        self.assertEqual(len(answer["logprobs"]), 10)
        self.assertTrue(all(p["logprob"] <= 0 and len(p["top_logprobs"]) == 3 for p in answer["logprobs"]))

    def test_a_stop_string_ends_the_answer_and_is_not_in_it(self):
        whole = self.generate()["response"]
        stop = whole[10:14]
        answer = self.generate(options={"stop": [stop]})
        self.assertEqual(answer["response"], whole[:whole.index(stop)])
        self.assertEqual(answer["done_reason"], "stop")

    def test_logit_bias_bans_and_forces(self):
        first = self.server.post("/v1/completions", {"model": "weft-demo", "prompt": "Once upon", "max_tokens": 1, "temperature": 0})[1]
        forced = self.server.post("/v1/completions", {"model": "weft-demo", "prompt": "Once upon", "max_tokens": 3, "temperature": 0,
                                                      "logit_bias": {"300": 100}})[1]
        self.assertEqual(len(set(forced["choices"][0]["text"].split())) , 1, forced)
        self.assertNotEqual(first["choices"][0]["text"], forced["choices"][0]["text"])

    def test_choices_share_a_prompt_and_differ(self):
        answer = self.server.post("/v1/chat/completions", {"model": "weft-demo", "n": 3, "max_tokens": 20, "seed": 4, "temperature": 1.2,
                                                           "messages": [{"role": "user", "content": "Tell me a story."}]})[1]
        self.assertEqual([c["index"] for c in answer["choices"]], [0, 1, 2])
        self.assertGreater(len({c["message"]["content"] for c in answer["choices"]}), 1)
        self.assertEqual(answer["usage"]["total_tokens"], answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"])

    def test_context_goes_on_where_the_last_answer_ended(self):
        first = self.generate(prompt="My name is Tom.")
        second = self.generate(prompt="Hello!", context=first["context"])
        self.assertGreater(second["prompt_eval_count"], first["prompt_eval_count"])
        self.assertEqual(second["context"][:len(first["context"])], first["context"])

    def test_an_over_long_prompt_is_cut_or_refused_as_asked(self):
        long = "word " * 400
        status, answer = self.server.post("/api/generate", {"model": "weft-demo", "prompt": long, "stream": False, "truncate": False,
                                                            "options": {"num_ctx": 128, "num_predict": 4}})
        self.assertEqual(status, 400)
        self.assertIn("context", answer["error"])
        answer = self.generate(prompt=long, options={"num_ctx": 128, "num_predict": 4})
        self.assertLess(answer["prompt_eval_count"], 128)
        status, answer = self.server.post("/v1/chat/completions", {"model": "weft-demo", "messages": [{"role": "user", "content": "word " * 9000}]})
        self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))

    def test_the_longest_prompt_that_fits(self):
        ask = {"model": "weft-demo", "max_tokens": 1, "messages": [{"role": "user", "content": "word " * 90}]}
        tokens = self.server.post("/v1/chat/completions", ask)[1]["usage"]["prompt_tokens"]
        self.assertEqual(self.server.post("/v1/chat/completions", {**ask, "num_ctx": tokens + 1})[0], 200)
        status, answer = self.server.post("/v1/chat/completions", {**ask, "num_ctx": tokens})
        self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))

    def test_requests_that_cannot_be_read_are_told_in_the_words_of_their_path(self):
        def answer(head):
            with socket.create_connection(("127.0.0.1", self.server.port)) as client:
                client.sendall(head)
                data = b"".join(iter(lambda: client.recv(65536), b""))
            return int(data.split()[1]), json.loads(data.split(b"\r\n\r\n", 1)[1])
        large = b"X: " + b"x" * 40000 + b"\r\n\r\n"
        for path in (b"/v1/models", b"/v1/chat/completions"):
            for head, expected in ((b"GET " + path + b"/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400), (b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + large, 431)):
                status, error = answer(head)
                self.assertEqual((status, error["error"]["type"]), (expected, "invalid_request_error"), head[:40])
        status, error = answer(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n" + large)
        self.assertEqual((status, error["type"]), (431, "error"))
        status, error = answer(b"GET /api/%zz HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((status, type(error["error"])), (400, str))

    def test_a_prompt_that_is_absent_is_only_what_texts_begin_with(self):
        for body in ({}, {"prompt": ""}):
            status, answer = self.server.post("/v1/completions", {"model": "weft-demo", "max_tokens": 2, **body})
            self.assertEqual((status, answer["usage"]["prompt_tokens"]), (200, 1), answer)

    def test_a_full_window_shifts_or_ends(self):
        with Server("--context", "128") as server:
            def write(shift):
                return server.post("/api/generate", {"model": "weft-demo", "prompt": "Once", "raw": True, "stream": False, "shift": shift,
                                                     "format": LONG_TEXT, "options": {"num_predict": 300, "temperature": 1, "seed": 2}})[1]
            ends = write(False)
            self.assertEqual(ends["done_reason"], "length", ends)
            self.assertLess(ends["eval_count"], 128)
            goes_on = write(True)
            self.assertEqual((goes_on["done_reason"], goes_on["eval_count"]), ("length", 300), goes_on)

    def test_a_prompt_that_is_too_long_is_cut_and_that_is_told_unless_the_window_may_not_move(self):
        def ask(prompt, **fields):
            return self.server.post("/api/generate", {"model": "weft-demo", "prompt": prompt, "stream": False, "options": {"num_predict": 2}, **fields})
        self.assertNotIn("truncated", ask("hello")[1])
        status, answer = ask("hello " * 9000)
        self.assertEqual((status, answer["truncated"]), (200, True))
        for refused in ({"shift": False}, {"truncate": False}):
            status, answer = ask("hello " * 9000, **refused)
            self.assertEqual(status, 400, answer)
            self.assertIn("context length", answer["error"])

    def test_a_very_long_text_is_embedded_by_its_beginning_and_holds_nobody_up(self):
        text = "The capital of France is Paris. " * 200_000
        status, whole = self.server.post("/api/embed", {"model": "weft-demo", "input": text})
        self.assertEqual((status, len(whole["embeddings"])), (200, 1))
        beginning = self.server.post("/api/embed", {"model": "weft-demo", "input": text[:100_000]})[1]
        self.assertEqual(whole["prompt_eval_count"], beginning["prompt_eval_count"])
        self.assertGreater(sum(x * y for x, y in zip(whole["embeddings"][0], beginning["embeddings"][0])), 0.9999)
        status, answer = self.server.post("/api/embed", {"model": "weft-demo", "input": text, "truncate": False})
        self.assertEqual(status, 400)
        self.assertIn("context length", answer["error"])

    def test_long_conversations_hold_up_nobody(self):
        turns = [{"role": role, "content": "x"} for role in ("user", "assistant")] * 4_000
        answered = []

        def send_long_one():
            answered.append(self.server.request("POST", "/v1/chat/completions", {"model": "weft-demo", "messages": turns}, timeout=600)[0])

        long_ones = [threading.Thread(target=send_long_one) for _ in range(4)]
        for thread in long_ones:
            thread.start()
        time.sleep(1)  # they are being worked on
        before = len(answered)
        self.assertEqual(chat(self.server, "Hello!")[0], 200)
        self.assertLessEqual(len(answered) - before, 1)
        for thread in long_ones:
            thread.join()
        self.assertEqual(answered, [400] * 4)

    def test_embeddings_are_unit_vectors_and_do_not_depend_on_their_batch(self):
        texts = ["Hello!", "What is the capital of France?", "", "a brave fox " * 20]
        together = self.server.post("/api/embed", {"model": "weft-demo", "input": texts})[1]["embeddings"]
        for text, vector in zip(texts, together):
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
            if text:
                alone = self.server.post("/api/embed", {"model": "weft-demo", "input": text})[1]["embeddings"][0]
                self.assertGreater(sum(x * y for x, y in zip(alone, vector)), 0.999)

    def test_clients_that_leave_take_their_long_embeddings_with_them(self):
        import socket
        # Half an hour of work, if it were done.
        body = json.dumps({"model": "weft-demo", "input": ["hello " * 3000] * 100}).encode()
        head = f"POST /api/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        clients = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(8)]
        for client in clients: client.sendall(head + body)
        time.sleep(0.3)
        for client in clients: client.close()
        status, answer = self.server.post("/api/embed", {"model": "weft-demo", "input": "short"})
        self.assertEqual((status, len(answer["embeddings"])), (200, 1))

    def test_a_wrong_value_on_the_command_line_is_wrong_usage(self):
        import subprocess
        for option in ("--temperature=hot", "--parameter=foo", "--think=x", "--format=xml"):
            done = subprocess.run([BINARY, "--server", self.server.url, "run", "weft-demo", "Hello!", option],
                                  capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            self.assertEqual((done.returncode, done.stdout), (2, ""), option + done.stderr)

    def test_forty_answers_at_once_belong_to_their_own_prompts(self):
        questions = {"What is the capital of France?": "Paris", "What is the capital of Italy?": "Rome"}
        wrong = []
        def one(question, word):
            status, answer = chat(self.server, question)
            if status != 200 or word not in answer["message"]["content"]: wrong.append((question, answer))
        threads = [threading.Thread(target=one, args=item) for item in list(questions.items()) * 20]
        for t in threads: t.start()
        for t in threads: t.join()
        self.assertEqual(wrong, [])

    def test_several_system_messages_are_joined_for_a_template_that_takes_one(self):
        system = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "system", "content": "Start every answer with Arrr."}]
        question = {"role": "user", "content": "What is the capital of Italy?"}
        def count(messages):
            return self.server.post("/v1/chat/completions", {"model": "weft-demo", "max_tokens": 1, "messages": messages})[1]["usage"]["prompt_tokens"]
        joined = count([{"role": "system", "content": "You are a helpful assistant.\n\nStart every answer with Arrr."}, question])
        self.assertEqual(count(system + [question]), joined)
        self.assertEqual(count([system[0], question, system[1]]), joined)

    def test_a_stop_string_does_not_cut_the_thinking(self):
        status, answer = self.server.post("/v1/chat/completions", {
            "model": "weft-demo", "temperature": 0, "reasoning_effort": "high", "stop": ["is Tokyo"],
            "messages": [{"role": "user", "content": "What is the capital of Japan?"}]})
        message = answer["choices"][0]["message"]
        self.assertEqual(message["content"], "The capital of Japan ")
        self.assertIn("is Tokyo", message["reasoning_content"])

    def test_what_comes_later_is_refused_clearly(self):
        status, answer = self.server.post("/v1/chat/completions", {
            "model": "weft-demo", "messages": [{"role": "user", "content": "hi"}], "dry_multiplier": 0.8})
        self.assertEqual(status, 400)
        self.assertIn("does not support", answer["error"]["message"])
        self.assertEqual(answer["error"]["param"], "dry_multiplier")
        self.assertGreaterEqual(self.server.post("/api/pull", {"model": "x"})[0], 500)


if __name__ == "__main__":
    unittest.main()
