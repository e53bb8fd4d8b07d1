"""Jobs that are never lost: kill -9 at random moments, a full disk, a shutdown, and what is on disk before the 202."""
import contextlib, http.client, json, os, random, re, shutil, signal, subprocess, sys, threading, time, unittest

from jobs_client import Events, accepted, full_crash_run, read_events, result, submit, text_of
from jobs_test import GREEDY, LONG
from server import BINARY, Server, wait_until


class DurableServer(Server):
    """A server that can be killed and started again in the same home."""

    def __init__(self, *options, wrapper=(), **more):
        self.options, self.wrapper = options, wrapper
        super().__init__(*options, wrapper=wrapper, **more)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OLLAMA_", "WEFT_"))}
        environment |= {"WEFT_HOME": str(self.folder / "home")}
        self.process = subprocess.Popen(
            [*self.wrapper, BINARY, "serve", "--models-dir", str(self.models_dir), "--port", "0", "--port-file", str(port_file), *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, cwd=self.folder)
        self.port = int(wait_until(lambda: self._port(port_file), "the server listens again"))
        self.url = f"http://127.0.0.1:{self.port}"


def crash_run(n_jobs, n_kills, seed, clients=8):
    """Submits jobs while the server is killed again and again. Gives the acknowledged ids and what became of each."""
    random.seed(seed)
    with DurableServer("--set", "jobs.parallel=32") as server:
        ids, lock, stop = [], threading.Lock(), threading.Event()
        first_ends = {}  # what was seen as final before a kill must stay so

        def client(number):
            generator = random.Random(seed * 1000 + number)
            while not stop.is_set():
                with lock:
                    if len(ids) >= n_jobs:
                        return
                    seen = generator.choice(ids) if ids else None
                try:
                    body = {"prompt": f"Hello {generator.random()}!", "options": {"num_predict": generator.randint(1, 40)}}
                    status, job = submit(server, **body)
                    if status == 202:
                        with lock:
                            ids.append(job["request_id"])
                    if seen:
                        status, job = server.get(f"/api/v1/status/{seen}")
                        if status == 200 and job["finished_at"]:
                            first_ends.setdefault(seen, job)
                except (OSError, http.client.HTTPException, json.JSONDecodeError):
                    time.sleep(0.05)

        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for _ in range(n_kills):
            time.sleep(random.uniform(0.3, 1.5))
            server.kill()
            server.restart()
        for thread in threads:
            thread.join()
        ends = {id: result(server, id, patience=600) for id in ids}
        for id, job in first_ends.items():
            assert ends[id] == job, (ends[id], job)
        return ids, ends


class Crash(unittest.TestCase):
    def test_no_acknowledged_job_is_lost_or_finished_twice_over_kills_at_random_moments(self):
        ids, ends = crash_run(n_jobs=1000, n_kills=10, seed=1)
        self.assertEqual(len(set(ids)), len(ids))
        self.assertGreaterEqual(len(ids), 1000)
        self.assertEqual({job["status"] for job in ends.values()}, {"completed"})

    def test_an_unfinished_job_runs_again_and_its_readers_are_told(self):
        with DurableServer() as server:
            job = accepted(server, **LONG)
            seen = []
            with contextlib.closing(Events(server, job)) as events:
                for event in events:
                    seen.append(event)
                    if len(seen) == 10:
                        break
            server.kill()
            server.restart()
            again = read_events(server, job, last=seen[-1][0])
            self.assertEqual(again[0], ("2.start", "start", {"request_id": job, "attempt": 2}))
            self.assertEqual(text_of(again), result(server, job)["result"])
            self.assertEqual(result(server, job)["attempt"], 2)

    def test_a_job_survives_the_death_of_its_engine(self):
        with Server() as server:
            job = accepted(server, **LONG)
            with contextlib.closing(Events(server, job)) as events:
                stream = iter(events)
                for _ in range(10):
                    next(stream)
                for engine in server.engines():
                    os.kill(engine, signal.SIGKILL)
                rest = list(stream)
            restart = next(i for i, event in enumerate(rest) if event[1] == "start")
            self.assertEqual(rest[restart][0], "2.start")
            done = result(server, job)
            self.assertEqual((done["status"], done["attempt"], text_of(rest[restart:])), ("completed", 2, done["result"]))

    def test_a_shutdown_keeps_what_waits_for_the_next_start(self):
        with DurableServer("--set", "jobs.parallel=1", "--set", "server.drain_seconds=1") as server:
            jobs = [accepted(server, **LONG)] + [accepted(server, f"Hello {i}!", **GREEDY) for i in range(5)]
            with contextlib.closing(Events(server, jobs[-1])) as stream:
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(list(stream), [])  # ended, so that the reader comes back
            self.assertEqual(server.process.wait(60), 0)
            server.restart()
            self.assertEqual({result(server, job)["status"] for job in jobs}, {"completed"})

    def test_a_second_server_leaves_the_store_to_the_first(self):
        with Server() as first:
            with Server("--set", f"jobs.folder={first.folder}/home/jobs") as second:
                status, body = submit(second)
                self.assertEqual((status, body["error"]["code"]), (503, "overloaded"))
                self.assertIn("another server uses the job store", second.log_text())
            accepted(first)


class Disk(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_a_sync_returns_before_the_202_is_sent(self):
        with DurableServer() as server:
            result(server, accepted(server, **GREEDY))  # everything is loaded
            trace = server.folder / "trace"
            tracer = subprocess.Popen(["strace", "-f", "-tt", "-s", "64", "-e", "trace=fdatasync,fsync,sendmsg,pwrite64", "-o", str(trace),
                                       "-p", str(server.process.pid)], stderr=subprocess.PIPE, text=True)
            tracer.stderr.readline()  # attached
            accepted(server, **GREEDY)
            wait_until(lambda: "202 Accepted" in trace.read_text(), "the answer is traced")
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
            lines = trace.read_text().splitlines()
            sent = next(i for i, line in enumerate(lines) if "HTTP/1.1 202" in line)
            synced = [i for i, line in enumerate(lines) if re.search(r"f(data)?sync.*= 0", line)]
            written = [i for i, line in enumerate(lines) if "pwrite64" in line]
            self.assertTrue(synced and written)
            self.assertLess(synced[0], sent)
            self.assertLess(written[0], synced[0])

    def test_a_full_store_answers_507_while_accepted_jobs_end(self):
        with DurableServer("--set", "jobs.store_bytes=2MiB", "--set", "jobs.reserved_bytes=1MiB", "--set", "jobs.parallel=1") as server:
            ids = [accepted(server, **LONG)]
            while True:
                # Requests that are refused by their model only when they run, so that the store fills up quickly.
                status, body = submit(server, "word " * 8000)
                if status != 202:
                    break
                ids.append(body["request_id"])
                self.assertLess(len(ids), 1000)
            self.assertEqual((status, body["error"]["code"]), (507, "storage_full"))
            ends = [result(server, id) for id in ids]
            self.assertEqual(ends[0]["status"], "completed")
            self.assertEqual({job["error"]["code"] for job in ends[1:]}, {"context_length_exceeded"})
            self.assertEqual(result(server, accepted(server, **GREEDY))["status"], "completed")
            server.kill()
            server.restart()
            self.assertEqual(server.get(f"/api/v1/status/{ids[0]}")[1], ends[0])


if __name__ == "__main__":
    if sys.argv[1:2] == ["full"]:
        full_crash_run(crash_run, n_kills=50)
    unittest.main()
