"""Servers that share their jobs on a Redis server: the same promises whoever is asked, and none broken by a death."""
import concurrent.futures, contextlib, http.client, json, os, random, shutil, subprocess, sys, tempfile, threading, time, unittest

import jobs_socket_test, jobs_test
from jobs_callback_test import OPTIONS as CALLBACKS, Receiver
from jobs_client import Events, accepted, full_crash_run, read_events, result, running, submit, text_of
from jobs_test import GREEDY, LONG
from redis_server import INSTALLED, AnyNode, Node, RedisServer, free_port
from server import BINARY, PATIENCE, Server, wait_until

NEEDS_REDIS = unittest.skipUnless(INSTALLED, "needs redis-server")


class OnRedis:
    """Runs the tests of one server on two that take requests in turn."""

    shared = True

    @classmethod
    def setUpClass(cls):
        cls.redis = RedisServer()
        cls.server = AnyNode(cls.redis, "--set", "defaults.deterministic=true")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.redis.__exit__()


@NEEDS_REDIS
class Jobs(OnRedis, jobs_test.Jobs):
    pass


@NEEDS_REDIS
class Sockets(OnRedis, jobs_socket_test.Sockets):
    pass


@NEEDS_REDIS
class Nodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.redis = RedisServer()
        cls.a, cls.b = Node(cls.redis, *CALLBACKS), Node(cls.redis, *CALLBACKS)

    @classmethod
    def tearDownClass(cls):
        cls.a.stop()
        cls.b.stop()
        cls.redis.__exit__()

    def test_a_stream_goes_on_at_another_node_behind_the_last_event(self):
        job = accepted(self.a, **LONG)
        seen = []
        with contextlib.closing(Events(self.a, job)) as events:
            for event in events:
                seen.append(event)
                if len(seen) == 20:
                    break
        rest = read_events(self.b, job, last=seen[-1][0])
        self.assertEqual(rest[-1][1], "complete")
        done = result(self.b, job)
        self.assertEqual(text_of(seen + rest), done["result"])
        self.assertEqual([data["chunk"] for _, event, data in seen + rest if event == "token"],
                         list(range(sum(event == "token" for _, event, _ in seen + rest))))
        with contextlib.closing(Events(self.b, job, rest[-1][0])) as events:
            self.assertEqual(events.status, 204)
        self.assertEqual(done, result(self.a, job))

    def test_one_node_runs_what_the_other_one_has_no_room_for(self):
        with Node(self.redis, "--set", "jobs.parallel=1") as small:
            jobs = [accepted(small, **LONG) for _ in range(6)]
            self.assertEqual({result(small, job)["status"] for job in jobs}, {"completed"})

    def test_a_key_names_one_job_whichever_node_is_asked(self):
        first = submit(self.a, "Hello!", headers={"Idempotency-Key": "k1"}, **GREEDY)
        second = submit(self.b, "Hello!", headers={"Idempotency-Key": "k1"}, **GREEDY)
        self.assertEqual((first[0], second[0], first[1]["request_id"]), (202, 200, second[1]["request_id"]))
        self.assertEqual(submit(self.b, "Other", headers={"Idempotency-Key": "k1"}, **GREEDY)[0], 422)

    def test_the_limit_of_a_key_holds_for_all_nodes_together(self):
        with RedisServer() as redis, Node(redis, "--set", "jobs.parallel=1", "--set", "jobs.queue_per_key=3") as a, \
                Node(redis, "--set", "jobs.parallel=1", "--set", "jobs.queue_per_key=3") as b:
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                answers = list(pool.map(lambda node: submit(node, **LONG, key="mine"), (a, b) * 32))
            refused = {body["error"]["code"] for status, body in answers if status != 202}
            self.assertEqual(refused, {"rate_limited"})
            self.assertEqual({result(b, body["request_id"], key="mine")["status"] for status, body in answers if status == 202}, {"completed"})
            self.assertEqual(submit(a, **LONG, key="other")[0], 202)

    def test_the_rate_of_a_key_holds_for_all_nodes_together(self):
        rate = ("--set", "jobs.rate_per_key=1", "--set", "jobs.burst_per_key=4")
        with RedisServer() as redis, Node(redis, *rate) as a, Node(redis, *rate) as b:
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(lambda node: node.request("POST", "/api/v1/infer", {"prompt": "Hello!"}), (a, b) * 20))
            refused = [(json.loads(text)["error"]["code"], headers["retry-after"]) for status, headers, text in answers if status == 429]
            self.assertEqual(set(refused), {("rate_limited", "1")})
            self.assertLess(len(answers) - len(refused), 20)
            self.assertEqual(submit(a, key="other", **GREEDY)[0], 202)

    def test_the_end_of_a_job_is_told_by_one_node_only(self):
        receiver = Receiver(500)
        self.addCleanup(receiver.close)
        job = result(self.b, accepted(self.a, callback_url=receiver.url, **GREEDY))
        wait_until(lambda: len(receiver.calls) == 2, "a try, and another one")
        time.sleep(3)  # all nodes have looked for callbacks meanwhile
        self.assertEqual([json.loads(body) for _, body in receiver.calls], [job, job])

    def test_documents_are_not_shared_and_say_so(self):
        for path, body in [("/api/v1/documents", {"name": "a", "text": "Bees make honey."}), ("/api/v1/search", {"query": "honey"})]:
            status, _, text = self.a.request("POST", path, body)
            self.assertEqual((status, json.loads(text)["error"]["code"]), (501, "not_implemented"))

    def test_a_job_whose_time_is_over_is_gone_on_all_nodes(self):
        with RedisServer() as redis, Node(redis, "--set", "jobs.ttl=1s") as a, Node(redis, "--set", "jobs.ttl=1s") as b:
            job = accepted(a, **GREEDY)
            wait_until(lambda: a.get(f"/api/v1/status/{job}")[0] == 410, "it expires")
            self.assertEqual(b.get(f"/api/v1/status/{job}")[0], 410)


@NEEDS_REDIS
class Deaths(unittest.TestCase):
    def test_a_node_that_was_stopped_for_longer_than_its_lease_is_not_heard(self):
        with RedisServer() as redis, Node(redis) as a, Node(redis) as b:
            accepted(b, **GREEDY)  # its model is loaded
            while True:
                job = running(a, **LONG)
                a.pause()
                if b.get(f"/api/v1/status/{job}")[1]["status"] == "processing":
                    break
                a.resume()  # on a busy machine the job may have ended before
            done = result(b, job)
            self.assertEqual((done["status"], done["attempt"]), ("completed", 2))
            a.resume()
            wait_until(lambda: "job_lost" in a.log_text() or "job_ended_elsewhere" in a.log_text(), "it learns that it comes too late")
            self.assertEqual(wait_until(lambda: a.get(f"/api/v1/status/{job}")[1].get("finished_at") and a.get(f"/api/v1/status/{job}")[1], "it knows"), done)
            self.assertEqual(b.get(f"/api/v1/status/{job}")[1], done)

    def test_without_its_redis_a_server_refuses_jobs_and_does_the_rest(self):
        with RedisServer() as redis, Node(redis) as node:
            job = running(node, **LONG)
            redis.kill()
            wait_until(lambda: "redis_down" in node.log_text(), "the server is missed")
            status, headers, text = node.request("POST", "/api/v1/infer", {"prompt": "Hello!"})
            self.assertEqual((status, json.loads(text)["error"]["code"]), (503, "overloaded"))
            self.assertGreater(int(headers["retry-after"]), 0)
            self.assertEqual(node.request("GET", "/readyz")[0], 200)
            self.assertEqual(node.post("/api/chat", {"model": "weft-demo", "messages": [{"role": "user", "content": "Hi"}], "stream": False})[0], 200)
            redis.start()
            wait_until(lambda: node.get("/api/v1/jobs")[0] == 200, "the server has found Redis again")
            done = result(node, job)
            self.assertEqual((done["status"], done["attempt"]), ("completed", 1))
            self.assertEqual(result(node, accepted(node, **GREEDY))["status"], "completed")

    def test_a_server_starts_without_its_redis_and_takes_jobs_when_it_is_there(self):
        with RedisServer() as redis:
            redis.kill()
            with Node(redis) as node:
                self.assertEqual(submit(node)[0], 503)
                redis.start()
                wait_until(lambda: submit(node, **GREEDY)[0] == 202, "jobs are taken")

    def test_no_acknowledged_job_is_lost_or_finished_twice(self):
        ids, ends = crash_run(n_jobs=240, n_rounds=2, seed=1)
        self.assertEqual(len(set(ids)), len(ids))
        self.assertGreaterEqual(len(ids), 240)
        self.assertEqual({job["status"] for job in ends.values()}, {"completed"})


@NEEDS_REDIS
@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Tls(unittest.TestCase):
    def test_jobs_go_over_tls_to_a_server_whose_certificate_is_trusted_and_to_no_other(self):
        with tempfile.TemporaryDirectory(prefix="weft-redis-") as folder:
            certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                            certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                           check=True, capture_output=True)
            port = free_port()
            with RedisServer("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate,
                             "--tls-auth-clients", "no"):
                with Server("--set", f"jobs.store=rediss://localhost:{port}", env={"SSL_CERT_FILE": certificate}) as server:
                    self.assertEqual(result(server, accepted(server, **GREEDY))["status"], "completed")
                for host, trusted in [("localhost", "/dev/null"), ("127.0.0.1", certificate)]:
                    with Server("--set", f"jobs.store=rediss://{host}:{port}", env={"SSL_CERT_FILE": trusted}) as server:
                        self.assertEqual(submit(server)[0], 503)
                        self.assertIn("certificate verify failed", server.log_text())


@NEEDS_REDIS
class Refusals(unittest.TestCase):
    def started(self, store):
        """Exit status and log of a server that is told to use that store."""
        with tempfile.TemporaryDirectory(prefix="weft-test-") as home:
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("OLLAMA_", "WEFT_"))} | {"WEFT_HOME": home, "WEFT_JOBS_STORE": store}
            done = subprocess.run([BINARY, "serve", "--port", "0"], env=environment, cwd=home, capture_output=True, text=True, timeout=PATIENCE)
            return done.returncode, done.stdout + done.stderr

    def test_a_server_does_not_start_on_a_redis_that_would_lose_jobs_and_names_the_setting(self):
        for setting, bad, good in [("maxmemory-policy", "volatile-ttl", "noeviction"), ("appendonly", "no", "yes"),
                                   ("appendfsync", "everysec", "always"), ("no-appendfsync-on-rewrite", "yes", "no")]:
            with self.subTest(setting), RedisServer(f"--{setting}", bad) as redis:
                status, log = self.started(redis.url)
                self.assertEqual(status, 1, log)
                self.assertIn(f"its setting {setting} is '{bad}' and must be '{good}'", log)

    def test_passwords_are_not_in_the_log(self):
        with RedisServer("--requirepass", "right") as redis:
            status, log = self.started(redis.url.replace("redis://", "redis://:s3cret@"))
            self.assertEqual(status, 1, log)
            self.assertIn("WRONGPASS", log)
            self.assertNotIn("s3cret", log)
        status, log = self.started("redis://:s3cret@/")
        self.assertEqual(status, 2, log)
        self.assertIn("jobs.store", log)
        self.assertNotIn("s3cret", log)


def crash_run(n_jobs, n_rounds, seed, clients=6):
    """Submits jobs to three nodes. In each round one is killed, one is stopped for longer than its lease, and Redis is
    killed. Gives the acknowledged ids and what became of each, which all nodes agree on."""
    random.seed(seed)
    with RedisServer() as redis, contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Node(redis, "--set", "jobs.parallel=16")) for _ in range(3)]
        ids, lock, stop = [], threading.Lock(), threading.Event()
        first_ends = {}

        def client(number):
            generator = random.Random(seed * 1000 + number)
            while not stop.is_set():
                with lock:
                    if len(ids) >= n_jobs and rounds_done.is_set():
                        return
                    seen = generator.choice(ids) if ids else None
                node = generator.choice(nodes)
                try:
                    status, _, text = node.request("POST", "/api/v1/infer", {"prompt": f"Hello {generator.random()}!",
                                                   "options": {"num_predict": generator.randint(1, 40)}}, timeout=2)
                    if status == 202:
                        with lock:
                            ids.append(json.loads(text)["request_id"])
                    if seen:
                        status, _, text = node.request("GET", f"/api/v1/status/{seen}", timeout=2)
                        if status == 200 and json.loads(text)["finished_at"]:
                            first_ends.setdefault(seen, json.loads(text))
                except (OSError, ValueError, http.client.HTTPException):
                    pass
                time.sleep(0.02)

        rounds_done = threading.Event()
        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        stack.callback(stop.set)  # whatever goes wrong
        for _ in range(n_rounds):
            killed, paused, _ = random.sample(nodes, 3)
            time.sleep(random.uniform(0.5, 1.5))
            paused.pause()
            time.sleep(random.uniform(0.2, 1))
            killed.kill()
            time.sleep(random.uniform(0.2, 1))
            redis.kill()
            time.sleep(random.uniform(0.2, 1))
            redis.start()
            killed.restart()
            time.sleep(random.uniform(3.5, 5))  # beyond the lease
            paused.resume()
        rounds_done.set()
        for thread in threads:
            thread.join()
        for node in nodes:
            wait_until(lambda: node.get("/api/v1/jobs")[0] == 200, "the node has found Redis again")
        ends = {id: result(random.choice(nodes), id, patience=300) for id in ids}
        for id, job in first_ends.items():
            assert ends[id] == job, (ends[id], job)
        for id in random.sample(ids, min(len(ids), 100)):
            for node in nodes:
                # One that stood still writes its own end again after a second, and hears then that it came too late.
                wait_until(lambda: node.get(f"/api/v1/status/{id}") == (200, ends[id]), f"{id} is as it ended: {ends[id]}", patience=20)
        return ids, ends


if __name__ == "__main__":
    if sys.argv[1:2] == ["full"]:
        full_crash_run(crash_run, n_rounds=25)
    unittest.main()
