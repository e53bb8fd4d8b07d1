"""Documents and pipelines on the real server: added in every form, found, quoted in answers, kept over crashes."""
import base64, http.client, json, os, random, sys, tempfile, threading, time, unittest, urllib.parse, zlib

from jobs_client import accepted, result, submit
from jobs_crash_test import DurableServer
from server import ROOT, Server, wait_until

sys.path.insert(0, str(ROOT / "models/demo"))
import corpus

GREEDY = {"options": {"temperature": 0}}
PIPELINES = """
pipelines:
  ask:
    retrieve:
      passages: 2
  closest:
    retrieve: {passages: 1}
  strict:
    post:
      json: true
  discreet:
    retrieve: {passages: 1}
    post:
      trim: true
      redact:
        words: [kitchen]
        patterns: ["Os[a-z]+"]
  brief:
    assemble:
      template: "Repeat after me: {{ question }}"
"""


def json_call(server, method, path, body=None, key=None, headers=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}) | (headers or {})
    status, _, text = server.request(method, path, body, headers, timeout=180)
    return status, json.loads(text)


def add(server, text, key=None, **fields):
    status, document = json_call(server, "POST", "/api/v1/documents", {"text": text, **fields}, key)
    assert status == 201, (status, document)
    return document


def search(server, query, key=None, **fields):
    status, found = json_call(server, "POST", "/api/v1/search", {"query": query, **fields}, key)
    assert status == 200, (status, found)
    return found["results"]


def pdf_of(*lines, raw_stream=None):
    """A PDF file of one page with these lines; raw_stream: the deflated content of the page instead."""
    text = "BT /F1 12 Tf 72 720 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    stream = zlib.compress(text.encode()) if raw_stream is None else raw_stream
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
               b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        file = os.path.join(cls.folder.name, "weft.yaml")
        with open(file, "w") as out:
            out.write(PIPELINES)
        cls.server = Server("--config", file, "--set", "documents.max_bytes=1MiB", "--set", "documents.pdf_time=5")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def key(self):
        return self.id()

    def test_a_document_is_added_listed_found_and_removed(self):
        added = add(self.server, "The green book is in the kitchen.", self.key(), name="house", metadata={"floor": "1"})
        self.assertEqual((added["name"], added["content_type"], added["passages"], added["metadata"]), ("house", "text/plain", 1, {"floor": "1"}))
        self.assertEqual(added["embedding_model"], "weft-demo:latest")
        add(self.server, "Ana lives in Oslo.", self.key())
        # The vectors of a tiny chat model find little more than the text itself.
        for mode, query in [("hybrid", "Where is the green book?"), ("keyword", "Where is the green book?"), ("vector", "The green book is in the kitchen.")]:
            found = search(self.server, query, self.key(), mode=mode, limit=1)
            self.assertEqual(found[0]["text"], "The green book is in the kitchen.", mode)
            self.assertEqual(found[0]["document_id"], added["document_id"])
        path = f"/api/v1/documents/{added['document_id']}"
        self.assertEqual(json_call(self.server, "GET", path, key=self.key()), (200, added))
        status, page = json_call(self.server, "GET", "/api/v1/documents?limit=1", key=self.key())
        self.assertEqual((status, len(page["data"]), page["has_more"]), (200, 1, True))
        status, page = json_call(self.server, "GET", f"/api/v1/documents?after={page['last_id']}", key=self.key())
        self.assertEqual(([d["document_id"] for d in page["data"]], page["has_more"]), ([added["document_id"]], False))
        self.assertEqual(json_call(self.server, "DELETE", path, key=self.key()), (200, {"document_id": added["document_id"], "deleted": True}))
        self.assertEqual(json_call(self.server, "GET", path, key=self.key())[0], 404)
        self.assertNotIn(added["document_id"], [hit["document_id"] for hit in search(self.server, "green book", self.key())])

    def test_the_documents_of_a_key_are_nobody_elses(self):
        mine = add(self.server, "The secret word is swordfish.", self.key(), name="mine")["document_id"]
        other = self.key() + "other"
        for mode in ["hybrid", "vector", "keyword"]:
            self.assertEqual(search(self.server, "swordfish", other, mode=mode), [])
        unknown = json_call(self.server, "GET", "/api/v1/documents/7d8f0e5e-0000-4000-8000-000000000000", key=other)
        self.assertEqual(unknown[0], 404)
        self.assertEqual(json_call(self.server, "GET", f"/api/v1/documents/{mine}", key=other), unknown)
        self.assertEqual(json_call(self.server, "DELETE", f"/api/v1/documents/{mine}", key=other)[0], 404)
        status, error = json_call(self.server, "POST", "/api/v1/search", {"query": "x", "documents": [mine, "mine"]}, other)
        self.assertEqual((status, error["error"]["field"]), (404, "documents"))
        self.assertEqual(json_call(self.server, "GET", "/api/v1/documents", key=other)[1]["data"], [])
        self.assertEqual(result(self.server, accepted(self.server, "swordfish", other, pipeline="ask", **GREEDY), other)["sources"], [])

    def test_markdown_and_html_are_split_at_their_headings(self):
        markdown = add(self.server, "# House\nThe red key is in the hall.\n# People\nTom lives in Rome.", self.key(), content_type="text/markdown")
        self.assertEqual(markdown["passages"], 2)
        page = "<html><head><title>My page</title><script>var hidden = 1</script></head><body><h1>One</h1><p>The blue cup is in the attic.</p><h2>Two</h2><p>Zoe lives in Lima.</p></body></html>"
        status, html = json_call(self.server, "POST", "/api/v1/documents", page, self.key(), {"Content-Type": "text/html; charset=utf-8"})
        self.assertEqual((status, html["name"], html["passages"]), (201, "My page", 2))
        hit = search(self.server, "Where is the blue cup?", self.key(), limit=1)[0]
        self.assertEqual((hit["text"], hit["passage"]), ("# One\n\nThe blue cup is in the attic.", 0))
        self.assertEqual(search(self.server, "hidden", self.key(), mode="keyword"), [])

    def test_the_text_of_a_pdf_is_found(self):
        pdf = pdf_of("The white lamp is in the cellar.", "Emma lives in Cairo.")
        status, raw = json_call(self.server, "POST", "/api/v1/documents?name=" + urllib.parse.quote("a b.pdf"), pdf, self.key(), {"Content-Type": "application/pdf"})
        self.assertEqual((status, raw.get("name"), raw.get("content_type")), (201, "a b.pdf", "application/pdf"), raw)
        self.assertIn("The white lamp is in the cellar.", search(self.server, "white lamp", self.key(), limit=1)[0]["text"])
        encoded = {"content": base64.b64encode(pdf).decode(), "content_type": "application/pdf"}
        self.assertEqual(json_call(self.server, "POST", "/api/v1/documents", encoded, self.key())[0], 201)

    def test_what_cannot_be_a_document_is_refused_by_name(self):
        def refused(body, headers=None):
            status, answer = json_call(self.server, "POST", "/api/v1/documents", body, self.key(), headers)
            return status, answer["error"]["code"], answer["error"]["field"]
        self.assertEqual(refused({}), (400, "missing_field", "text"))
        self.assertEqual(refused({"text": "a", "content": "b"})[2], "content")
        self.assertEqual(refused({"text": " "}), (400, "invalid_request", "text"))
        self.assertEqual(refused({"content": ""}), (400, "invalid_request", "content"))
        self.assertEqual(refused({"text": "a", "content_type": "image/png"})[2], "content_type")
        self.assertEqual(refused({"text": "a", "name": "a\nb"})[2], "name")
        self.assertEqual(refused({"text": "a", "metadata": {"k": 1}})[2], "metadata.k")
        self.assertEqual(refused({"content": "%%%", "content_type": "application/pdf"})[2], "content")
        self.assertEqual(refused("no pdf", {"Content-Type": "application/pdf"}), (400, "invalid_request", "body"))
        self.assertEqual(refused({"content": base64.b64encode(b"%PDF-1.4 damaged").decode(), "content_type": "application/pdf"}), (400, "invalid_request", "content"))
        self.assertEqual(refused(b"\x89PNG\r\n", {"Content-Type": "image/png"}), (400, "unsupported", "content-type"))
        self.assertEqual(refused("{", {"Content-Type": "application/json; charset=utf-8"}), (400, "invalid_json", None))
        for text_type in ("text/plain", "text/markdown", "text/plain; charset=utf-8"):
            self.assertEqual(refused(b"caf\xe9", {"Content-Type": text_type}), (400, "invalid_request", "body"))
        self.assertEqual(refused("text", {"Content-Type": "text/plain; charset=latin-1"})[0], 400)
        self.assertEqual(refused({"text": "x" * (2 << 20)}), (413, "too_large", "text"))
        for body, field in [({}, "query"), ({"query": "x", "limit": 101}, "limit"), ({"query": "x", "mode": "odd"}, "mode"),
                            ({"query": "x", "documents": []}, "documents"), ({"query": "x" * 40000}, "query")]:
            status, answer = json_call(self.server, "POST", "/api/v1/search", body, self.key())
            self.assertEqual((status, answer["error"]["field"]), (400, field))

    def test_hostile_documents_end_in_an_error_and_the_server_goes_on(self):
        def refused(body, content_type):
            status, answer = json_call(self.server, "POST", "/api/v1/documents", body, self.key(), {"Content-Type": content_type})
            self.assertGreaterEqual(status, 400, answer)
            return answer["error"]["message"]
        self.assertIn("nested deeper", refused("<div>" * 200_000, "text/html"))
        bomb = zlib.compressobj(9)
        packed = b"".join(bomb.compress(b"(aaaaaaaaaaaaaaaa) Tj " * 50_000) for _ in range(200)) + bomb.flush()
        self.assertLess(len(packed), 1 << 20)
        self.assertTrue(refused(pdf_of(raw_stream=packed), "application/pdf"))
        self.assertTrue(refused(pdf_of("x")[:300], "application/pdf"))
        self.assertTrue(refused(b"%PDF-1.4\n" + random.Random(1).randbytes(100_000), "application/pdf"))
        status, _, _ = self.server.request("POST", "/api/v1/documents", b"a. " * (21 << 20), {"Content-Type": "text/plain"}, timeout=180)
        self.assertEqual(status, 413)
        self.assertEqual(add(self.server, "still here", self.key())["passages"], 1)

    def test_the_demo_model_answers_questions_about_documents_with_their_sources(self):
        random_facts = random.Random(11)
        corpus.unseen_words = 0
        facts = {}
        for _ in range(40):
            for fact in corpus.notes(random_facts, 3):
                facts.setdefault(fact.question, fact.answer)
        ids = {answer: add(self.server, answer, self.key(), name=f"note {i}")["document_id"] for i, answer in enumerate(sorted(set(facts.values())))}
        self.assertGreater(len(ids), 60)
        asked = random_facts.sample(sorted(facts), 20)
        right = 0
        for question in asked:
            job = result(self.server, accepted(self.server, question, self.key(), pipeline="closest", **GREEDY), self.key())
            self.assertEqual(job["status"], "completed", job)
            self.assertEqual([ids[facts[question]]], [source["document_id"] for source in job["sources"]], (question, job["sources"]))
            self.assertEqual([entry["stage"] for entry in job["trace"]], ["retrieve", "assemble", "infer", "deliver"])
            right += job["result"].strip() == facts[question]
        # Two notes about books of two colours are more than it has learnt to tell apart; one note it quotes.
        self.assertGreaterEqual(right, 18, f"{right} of {len(asked)}")

    def test_sources_are_in_every_form_of_the_answer(self):
        add(self.server, "The black hat is in the office.", self.key())
        fields = {"pipeline": "ask", **GREEDY}
        job = accepted(self.server, "Where is the black hat?", self.key(), **fields)
        done = result(self.server, job, self.key())
        self.assertEqual(done["result"].strip(), "The black hat is in the office.")
        self.assertEqual((done["sources"][0]["text"], done["pipeline"]), ("The black hat is in the office.", "ask"))
        events = self.server.request("GET", f"/api/v1/stream/{job}", headers={"Authorization": f"Bearer {self.key()}"})[2]
        complete = json.loads(events.split("event: complete\ndata: ")[1].split("\n")[0])
        self.assertEqual(complete["sources"], done["sources"])
        from websockets.sync.client import connect
        with connect(f"ws://127.0.0.1:{self.server.port}/api/v1/ws", additional_headers={"Authorization": f"Bearer {self.key()}"}) as socket:
            socket.send(json.dumps({"prompt": "Where is the black hat?", **fields}))
            while (message := json.loads(socket.recv(60)))["type"] != "result":
                self.assertEqual(message["type"], "ack")
        self.assertEqual(message["sources"][0]["text"], "The black hat is in the office.")

    def test_stages_change_check_and_name_what_went_wrong(self):
        add(self.server, "The black hat is in the kitchen.", self.key())
        job = accepted(self.server, "Where is the black hat?", self.key(), pipeline="discreet", **GREEDY)
        self.assertEqual(result(self.server, job, self.key())["result"], "The black hat is in the [redacted].")
        events = self.server.request("GET", f"/api/v1/stream/{job}", headers={"Authorization": f"Bearer {self.key()}"})[2]
        self.assertNotIn("kitchen", events.split("sources")[0])
        failed = result(self.server, accepted(self.server, "Hello!", pipeline="strict", **GREEDY))
        self.assertEqual((failed["status"], failed["error"]["code"], failed["error"]["stage"]), ("failed", "invalid_json", "post"))
        self.assertEqual(failed["trace"][-1]["error"], "invalid_json")
        self.assertEqual(result(self.server, accepted(self.server, "red fox bell", pipeline="brief", **GREEDY))["result"].strip(), "red fox bell")
        status, error = submit(self.server, "Hi", pipeline="asks")
        self.assertEqual((status, error["error"]["field"]), (400, "pipeline"))
        for name in ["default", "ask", "closest", "strict", "discreet", "brief"]:
            self.assertIn(f'"{name}"', error["error"]["message"])
        status, error = submit(self.server, "Hi", documents=["x"])
        self.assertEqual((status, error["error"]["field"]), (400, "documents"))

    def test_a_job_may_be_kept_to_documents_that_it_names(self):
        add(self.server, "The red bell is in the hall.", self.key(), name="old")
        add(self.server, "The red bell is in the attic.", self.key(), name="new")
        job = result(self.server, accepted(self.server, "Where is the red bell?", self.key(), pipeline="ask", documents=["new"], **GREEDY), self.key())
        self.assertEqual([source["name"] for source in job["sources"]], ["new"])
        self.assertEqual(job["result"].strip(), "The red bell is in the attic.")
        missing = result(self.server, accepted(self.server, "Where?", self.key(), pipeline="ask", documents=["none"]), self.key())
        self.assertEqual((missing["error"]["code"], missing["error"]["stage"]), ("documents_not_found", "retrieve"))

    def test_a_session_keeps_its_pipeline(self):
        add(self.server, "Victor lives in Vienna.", self.key())
        status, session = json_call(self.server, "POST", "/api/v1/sessions", {"pipeline": "ask"}, self.key())
        self.assertEqual((status, session["pipeline"]), (201, "ask"))
        job = result(self.server, accepted(self.server, "Where does Victor live?", self.key(), session_id=session["session_id"], **GREEDY), self.key())
        self.assertEqual((job["result"].strip(), job["sources"][0]["text"]), ("Victor lives in Vienna.", "Victor lives in Vienna."))
        turns = json_call(self.server, "GET", f"/api/v1/sessions/{session['session_id']}", key=self.key())[1]["turns"]
        self.assertEqual(turns[0]["content"], "Where does Victor live?")
        self.assertEqual(json_call(self.server, "POST", "/api/v1/sessions", {"pipeline": "odd"})[0], 400)

    def test_stages_are_counted(self):
        result(self.server, accepted(self.server, "Hello!", pipeline="brief", **GREEDY))
        metrics = self.server.request("GET", "/metrics")[2]
        self.assertRegex(metrics, r'weft_pipeline_stage_seconds_count\{pipeline="brief",stage="infer"\} [1-9]')
        self.assertRegex(metrics, r'weft_pipeline_stage_errors_total\{pipeline="strict",stage="post"\} \d')
        self.assertIn('weft_pipeline_stage_waiting{pipeline="ask",stage="retrieve"} 0', metrics)


class Durability(unittest.TestCase):
    def test_bounds_of_a_key_are_told_apart_from_those_of_one_document(self):
        with Server("--set", "documents.per_key=2", "--set", "documents.passages=3", "--set", "documents.passage_bytes=64", "--set", "documents.passage_overlap=0") as server:
            long = "A sentence of some length stands here. " * 20
            self.assertEqual(json_call(server, "POST", "/api/v1/documents", {"text": long})[0], 413)
            add(server, "one")
            add(server, "two")
            status, error = json_call(server, "POST", "/api/v1/documents", {"text": "three"})
            self.assertEqual((status, error["error"]["code"]), (429, "rate_limited"))
            add(server, "three", key="somebody")

    def test_what_was_acknowledged_is_found_after_kills_in_the_middle_of_adding(self):
        with DurableServer() as server:
            words, lock, stop = [], threading.Lock(), threading.Event()

            def client(number):
                for i in range(10_000):
                    word = f"word{number}x{i}"
                    if stop.is_set():
                        return
                    try:
                        status, _ = json_call(server, "POST", "/api/v1/documents", {"text": f"The {word} is in the garden.", "name": word})
                        if status == 201:
                            with lock:
                                words.append(word)
                    except (OSError, http.client.HTTPException, json.JSONDecodeError):
                        time.sleep(0.05)

            threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for kill in range(3):
                wait_until(lambda: len(words) >= 30 * (kill + 1), "documents are added")
                server.kill()
                server.restart()
            stop.set()
            for thread in threads:
                thread.join()
            for word in random.Random(2).sample(words, 60):
                for mode in ["keyword", "hybrid"]:
                    self.assertEqual(search(server, f"The {word} is in the garden.", mode=mode, limit=1)[0]["name"], word)

    def test_documents_and_pipelines_outlive_a_restart(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "weft.yaml")
            with open(file, "w") as out:
                out.write(PIPELINES)
            with DurableServer("--config", file) as server:
                add(server, "The green map is in the library.")
                before = search(server, "Where is the green map?")
                job = accepted(server, "Where is the green map?", pipeline="ask", **GREEDY)
                done = result(server, job)
                server.kill()
                server.restart()
                self.assertEqual(search(server, "Where is the green map?"), before)
                self.assertEqual(result(server, job), done)
                again = result(server, accepted(server, "Where is the green map?", pipeline="ask", **GREEDY))
                self.assertEqual(again["result"], done["result"])


if __name__ == "__main__":
    unittest.main()
