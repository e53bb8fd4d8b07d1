"""What happens when an engine process dies: its requests are told, others do not notice, it comes back."""
import json, os, pathlib, shutil, signal, struct, tempfile, threading, time, unittest

from server import BINARY, ENDLESS, Server, chat, wait_until

LONG = {"model": "weft-demo", "prompt": "Tell me a story.", "raw": True, "options": {"num_predict": 100000, "temperature": 1, "seed": 1},
        "shift": True}


def engine_of(server, n=1):
    return wait_until(lambda: server.engines() if len(server.engines()) == n else None, f"{n} engines run")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def sockets_of(pid):
    """Numbers of the sockets that a process has open."""
    links = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    return {link for link in links if link.startswith("socket:")}


def loaded_bytes(library):
    """How much of an ELF file (64 bits) is mapped when it is loaded: debug information is not."""
    data = library.read_bytes()
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    return max(offset + length for kind, _, offset, _, _, length in segments if kind == 1)


class EngineDeath(unittest.TestCase):
    def kill_while_streaming(self, server, sig):
        """Kills the engine in the middle of a stream; the stream's lines after that."""
        engine = engine_of(server)[0]
        stream = server.stream("/api/generate", LONG)
        self.assertEqual(stream.status, 200)
        stream.readline()
        os.kill(engine, sig)
        return [json.loads(line) for line in stream]

    def test_every_deadly_signal_ends_its_stream_with_an_error_line_and_the_engine_comes_back(self):
        for sig in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            with self.subTest(signal=sig.name), Server() as server:
                self.assertEqual(chat(server, "Hello!")[0], 200)
                lines = self.kill_while_streaming(server, sig)
                self.assertIn("error", lines[-1])
                self.assertNotIn("done", lines[-1])
                status, answer = chat(server, "What is the capital of France?")
                self.assertEqual(status, 200, answer)
                self.assertIn("Paris", answer["message"]["content"])

    def test_openai_clients_get_an_error_object_and_no_done(self):
        with Server() as server:
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            os.kill(engine_of(server)[0], signal.SIGKILL)
            events = [line[6:].strip() for line in stream if line.startswith(b"data: ")]
            last = json.loads(events[-1])
            self.assertIn("error", last)
            self.assertNotIn("choices", last)
            self.assertNotIn(b"[DONE]", events)

    def test_a_slow_reader_still_gets_the_error_event_and_an_orderly_end(self):
        with Server() as server:
            chat(server, "Hello!")
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            os.kill(engine_of(server)[0], signal.SIGKILL)
            time.sleep(0.5)
            rest = stream.read()  # raises IncompleteRead for a transfer that breaks off
            self.assertIn(b'data: {"error"', rest)

    def test_a_request_without_streaming_gets_a_status_of_its_own(self):
        with Server() as server:
            chat(server, "Hello!")
            engine = engine_of(server)[0]
            answers = []
            request = threading.Thread(target=lambda: answers.append(server.post("/v1/completions", ENDLESS)))
            request.start()
            time.sleep(0.1)  # far less than the answer takes; were it too little, the answer would be 200
            os.kill(engine, signal.SIGKILL)
            request.join()
            self.assertEqual(answers[0][0], 500)
            self.assertEqual(answers[0][1]["error"]["code"], "internal_error")

    def test_other_models_do_not_notice(self):
        with Server(models=["weft-demo", "other"]) as server:
            chat(server, "Hello!")
            first = engine_of(server)[0]
            chat(server, "Hello!", model="other")
            engine_of(server, 2)
            stream = server.stream("/v1/completions", ENDLESS | {"model": "other", "stream": True, "max_tokens": 1000})
            stream.readline()
            os.kill(first, signal.SIGKILL)
            self.assertIn(b"data: [DONE]\n", list(stream))

    def test_three_crashes_in_a_row_quarantine_the_model_and_unloading_it_lifts_that(self):
        with Server(models=["weft-demo", "other"]) as server:
            chat(server, "Hello!")
            for _ in range(3):
                pid = engine_of(server)[0]
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: pid not in server.engines(), "it is gone")
            wait_until(lambda: not server.engines(), "nothing is started again")
            status, answer = chat(server, "Hello!")
            self.assertEqual(status, 500)
            self.assertIn("quarantine", answer["error"])
            time.sleep(6)  # longer than any other failed load is remembered
            self.assertIn("quarantine", chat(server, "Hello!")[1]["error"])
            self.assertEqual(server.get("/api/version")[0], 200)
            status, ready = server.get("/readyz")
            self.assertEqual(status, 503)
            self.assertIn("'weft-demo:latest' crashed", ready["error"]["message"])
            self.assertEqual(chat(server, "Hello!", model="other")[0], 200)
            status, ready = server.get("/readyz")
            self.assertEqual((status, ready["loaded_models"], ready["quarantined"]), (200, 1, ["weft-demo:latest"]))
            self.assertEqual(server.post("/api/generate", {"model": "weft-demo", "keep_alive": 0})[0], 200)
            self.assertEqual(chat(server, "Hello!")[0], 200)
            self.assertEqual(server.get("/readyz")[1]["quarantined"], [])

    def test_a_scheduler_that_hangs_is_started_again_and_its_requests_are_told(self):
        with Server("--set", "limits.hang_timeout=1s") as server:
            chat(server, "Hello!")
            engine = engine_of(server)[0]
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            os.kill(engine, signal.SIGSTOP)
            self.assertIn(b'"error"', list(stream)[-2])
            self.assertNotIn(engine, server.engines())
            self.assertIn("engine_hangs", server.log_text())
            self.assertEqual(chat(server, "Hello!")[0], 200)

    def test_weights_truncated_while_mapped_kill_only_the_engine(self):
        # Weights are mapped only where ggml's kernels compute; the project's own read them.
        with Server("--set", "kernels=off") as server:
            chat(server, "Hello!")
            engine = engine_of(server)[0]
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})
            stream.readline()
            os.truncate(server.models_dir / "weft-demo.gguf", 4096)  # the next token's embedding lies beyond its end
            self.assertIn(b'"error"', list(stream)[-2])
            wait_until(lambda: engine not in server.engines(), "the engine died")
            self.assertIn("signal 7", server.log_text())
            status, answer = chat(server, "Hello!")
            self.assertGreaterEqual(status, 400, answer)
            self.assertEqual(server.get("/api/version")[0], 200)

    def test_a_damaged_library_of_kernels_costs_speed_and_nothing_else(self):
        library = pathlib.Path("lib", "weft", "libweft-kernels.so")
        whole = pathlib.Path(BINARY).resolve().parent / library
        if not whole.exists():
            self.skipTest("built without kernels")
        for share in (0.3, 0.7):
            with tempfile.TemporaryDirectory() as folder:
                binary, damaged = pathlib.Path(folder, "weft"), pathlib.Path(folder) / library
                shutil.copy(BINARY, binary)
                damaged.parent.mkdir(parents=True)
                damaged.write_bytes(whole.read_bytes()[:int(loaded_bytes(whole) * share)])
                with Server(wrapper=["sh", "-c", f'exec "{binary}" "$@"']) as server:
                    self.assertEqual(chat(server, "Hello!")[0], 200)
                    self.assertIn("ggml's own", server.log_text())

    def test_engines_end_with_the_gateway_even_when_it_is_killed(self):
        server = Server()
        try:
            chat(server, "Hello!")
            pid = engine_of(server)[0]
            server.process.kill()
            server.process.wait()
            wait_until(lambda: not is_running(pid), "the engine ended")
        finally:
            server.stop()

    def test_an_engine_has_no_socket_but_its_own(self):
        with Server() as server:
            stream = server.stream("/v1/completions", ENDLESS | {"stream": True})  # its connection is open while the engine starts
            stream.readline()
            engine = engine_of(server)[0]
            self.assertEqual(len(sockets_of(engine)), 1)
            self.assertFalse(sockets_of(engine) & sockets_of(server.process.pid))

    def test_a_new_gateway_gets_the_port_of_one_that_was_killed_while_a_model_loaded(self):
        server = Server()
        try:
            server.post("/api/v1/infer", {"prompt": "Hello!"})
            engine_of(server)
            server.process.kill()
            server.process.wait()
            with Server("--set", f"server.port={server.port}") as second:
                self.assertEqual(second.port, server.port)
                self.assertEqual(chat(second, "Hello!")[0], 200)
        finally:
            server.stop()


class EngineThreads(unittest.TestCase):
    @unittest.skipIf(os.environ.get("WEFT_KERNELS") == "off", "without kernels no threads are needed to load")
    def test_the_threads_that_load_a_model_are_those_that_compute(self):
        # With a second team there would be more threads than processors, and libgomp would have them sleep at every barrier.
        with Server() as server:
            status, answer = server.post("/api/generate", {"model": "weft-demo"})
            self.assertEqual(status, 200, answer)
            engine = engine_of(server)[0]
            loaded = len(os.listdir(f"/proc/{engine}/task"))
            self.assertEqual(chat(server, "Hello!")[0], 200)
            self.assertEqual(len(os.listdir(f"/proc/{engine}/task")), loaded)


if __name__ == "__main__":
    unittest.main()
