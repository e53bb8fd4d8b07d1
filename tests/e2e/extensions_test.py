"""What other servers have beside the three APIs: tokens, templates, the middle of a text, ranking, adapters."""
import json, pathlib, subprocess, tempfile, unittest

import made_models
from server import BINARY, MODEL, Server, ServerTest, chat

TEXTS = ["", "Hello, world!", "  leading and trailing  ", "naïve café — 😀👩‍👩‍👧 done", "tabs\tand\nnew lines\n\n", "<|im_start|>user"]


class Tokens(ServerTest):
    def test_tokens_of_a_text_give_that_text(self):
        for text in TEXTS:
            status, answer = self.server.post("/tokenize", {"content": text, "model": "weft-demo"})
            self.assertEqual(status, 200, answer)
            self.assertEqual(self.server.post("/detokenize", answer)[1]["content"], text)

    def test_pieces_join_to_the_text(self):
        for text in TEXTS:
            answer = self.server.post("/v1/tokenize", {"content": text, "with_pieces": True})[1]["tokens"]
            pieces = [p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in answer]
            self.assertEqual(b"".join(pieces).decode(), text)

    def test_a_conversation_counts_as_many_tokens_as_it_costs(self):
        messages = [{"role": "user", "content": "What is the capital of France?"}]
        count = self.server.post("/tokenize", {"model": "weft-demo", "messages": messages})[1]["count"]
        usage = self.server.post("/v1/chat/completions", {"model": "weft-demo", "messages": messages, "max_tokens": 1})[1]["usage"]
        self.assertEqual(count, usage["prompt_tokens"])

    def test_a_count_is_exact_where_the_vocabulary_adds_an_end_to_texts(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "ends.gguf"
            made_models.tiny_qwen2(MODEL, model, adds_end=True)
            with Server("--model", str(model), models=[]) as server:
                plain = server.post("/tokenize", {"model": "ends", "content": "Hi"})[1]["tokens"]
                with_end = server.post("/tokenize", {"model": "ends", "content": "Hi", "add_special": True})[1]["tokens"]
                self.assertEqual(len(with_end), len(plain) + 1)
                body = {"model": "ends", "max_tokens": 1, "thinking": {"type": "disabled"}, "messages": [{"role": "user", "content": "Hi"}]}
                counted = server.post("/v1/messages/count_tokens", body)[1]["input_tokens"]
                usage = server.post("/v1/messages", body)[1]["usage"]
                self.assertEqual(counted, usage["input_tokens"] + usage["cache_read_input_tokens"])

    def test_the_template_of_the_model_is_applied(self):
        answer = self.server.post("/apply-template", {"messages": [{"role": "user", "content": "Hi"}]})[1]
        self.assertIn("<|im_start|>user\nHi<|im_end|>", answer["prompt"])

    def test_a_template_of_the_request_renders_instead_of_the_models(self):
        body = {"model": "weft-demo", "prompt": "Hi", "system": "Be brief.", "_debug_render_only": True,
                "template": "{{ if .System }}S={{ .System }};{{ end }}P={{ .Prompt }};R={{ .Response }} never shown"}
        self.assertEqual(self.server.post("/api/generate", body)[1]["_debug_info"]["rendered_template"], "S=Be brief.;P=Hi;R=")
        status, answer = self.server.post("/api/generate", body | {"template": "{{ if }}"})
        self.assertEqual(status, 400)
        self.assertIn("template error: line 1", answer["error"])
        status, answer = self.server.post("/api/generate", body | {"template": "{{ range 9000000000 }}{{ end }}"})
        self.assertEqual(status, 400)
        self.assertIn("steps", answer["error"])

    def test_a_template_of_the_request_is_generated_from(self):
        template = "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"
        body = {"model": "weft-demo", "prompt": "What is the capital of France?", "stream": False, "think": False,
                "options": {"temperature": 0, "num_predict": 20}}
        self.assertIn("Paris", self.server.post("/api/generate", body | {"template": template})[1]["response"])

    def test_the_middle_of_a_text_is_the_same_through_every_door(self):
        prefix, suffix, n = "The capital of France is ", ". The capital of Spain is Madrid.", 12
        options = {"temperature": 0, "num_predict": n}
        native = self.server.post("/infill", {"input_prefix": prefix, "input_suffix": suffix, "n_predict": n, "temperature": 0})[1]
        ollama = self.server.post("/api/generate", {"model": "weft-demo", "prompt": prefix, "suffix": suffix, "stream": False,
                                                    "options": options})[1]
        openai = self.server.post("/v1/completions", {"model": "weft-demo", "prompt": prefix, "suffix": suffix,
                                                      "max_tokens": n, "temperature": 0})[1]
        self.assertTrue(native["content"])
        self.assertEqual(native["content"], ollama["response"])
        self.assertEqual(native["content"], openai["choices"][0]["text"])
        lines = list(self.server.stream("/infill", {"input_prefix": prefix, "input_suffix": suffix, "n_predict": n,
                                                    "temperature": 0, "stream": True}))
        events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        self.assertEqual("".join(e["content"] for e in events), native["content"])
        self.assertEqual([e["stop"] for e in events], [False] * (len(events) - 1) + [True])

    def test_text_around_a_gap_that_is_too_long_is_cut_far_from_the_gap(self):
        body = {"input_prefix": "word " * 9000 + "The capital of France is ", "input_suffix": "." + " word" * 9000,
                "input_extra": [{"filename": "a", "text": "other " * 5000}], "n_predict": 4, "temperature": 0}
        status, answer = self.server.post("/infill", body)
        self.assertEqual(status, 200, answer)
        self.assertLess(answer["tokens_evaluated"], 4096)
        self.assertGreater(answer["tokens_evaluated"], 2000)
        self.assertTrue(answer["truncated"])
        self.assertFalse(self.server.post("/infill", body | {"input_prefix": "a", "input_suffix": "b", "input_extra": []})[1]["truncated"])

    def test_properties_tell_template_and_window_without_loading(self):
        with Server() as server:
            props = server.get("/props")[1]
            self.assertIn("im_start", props["chat_template"])
            self.assertGreater(props["default_generation_settings"]["n_ctx"], 0)
            self.assertEqual(server.engines(), [])

    def test_the_version_is_that_of_the_program(self):
        version = self.server.get("/version")[1]["version"]
        self.assertIn(version, subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout)

    def test_a_model_that_does_not_rank_says_so(self):
        status, answer = self.server.post("/v1/rerank", {"model": "weft-demo", "query": "q", "documents": ["a"]})
        self.assertEqual(status, 400)
        self.assertIn("does not support reranking", answer["error"]["message"])


class Ranking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(models=[])
        made_models.tiny_ranker(MODEL, cls.server.models_dir / "ranker.gguf")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def rank(self, **body):
        return self.server.post("/v1/rerank", {"model": "ranker", "query": "capital of France"} | body)

    def test_documents_are_scored_each_for_itself_and_sorted(self):
        documents = ["Paris", "A story about a fox.", "Two and two is four.", "Madrid is a city in Spain, and a large one."]
        status, answer = self.rank(documents=documents)
        self.assertEqual(status, 200, answer)
        scores = [r["relevance_score"] for r in answer["results"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(sorted(r["index"] for r in answer["results"]), [0, 1, 2, 3])
        self.assertGreater(len(set(scores)), 1)
        for result in answer["results"]:
            alone = self.rank(documents=[documents[result["index"]]])[1]["results"][0]["relevance_score"]
            self.assertAlmostEqual(alone, result["relevance_score"], places=3)
        self.assertEqual(self.rank(documents=documents, top_n=2)[1]["results"], answer["results"][:2])
        self.assertGreater(answer["usage"]["prompt_tokens"], 4)

    def test_the_query_matters(self):
        one, other = (self.rank(query=q, documents=["Paris"])[1]["results"][0]["relevance_score"] for q in ("fox", "a much longer question"))
        self.assertNotEqual(one, other)

    def test_long_documents_are_cut_unless_that_is_forbidden(self):
        self.assertEqual(self.rank(documents=["word " * 2000])[0], 200)
        status, answer = self.rank(documents=["word " * 2000], truncate=False)
        self.assertEqual(status, 400)
        self.assertEqual(answer["error"]["code"], "context_length_exceeded")

    def test_a_ranking_model_neither_embeds_nor_chats(self):
        self.assertEqual(self.server.post("/v1/embeddings", {"model": "ranker", "input": "a"})[0], 400)
        status, answer = chat(self.server, "Hello!", model="ranker")
        self.assertEqual(status, 400)
        self.assertIn("does not support chat", answer["error"])
        show = self.server.post("/api/show", {"model": "ranker"})[1]
        self.assertIn("rerank", show["capabilities"])


class Adapters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory(prefix="weft-test-")
        folder = pathlib.Path(cls.files.name)
        made_models.random_adapter(MODEL, folder / "fits.gguf")
        made_models.random_adapter(MODEL, folder / "other-model.gguf", architecture="qwen3")
        made_models.random_adapter(MODEL, folder / "other-shape.gguf", rows=3)
        (folder / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 64)
        models = {"plain": str(MODEL), "adapted": {"path": str(MODEL), "adapters": "fits.gguf"},
                  "weak": {"path": str(MODEL), "adapters": [{"path": "fits.gguf", "scale": 0}]}}
        for name in ("other-model", "other-shape", "broken", "missing"):
            models[name] = {"path": str(MODEL), "adapters": [f"{name}.gguf"]}
        (folder / "weft.json").write_text(json.dumps({"models": models}))
        cls.server = Server("--config", str(folder / "weft.json"), models=[])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.files.cleanup()

    def story(self, model):
        answer = self.server.post("/v1/completions", {"model": model, "prompt": "Once upon a time", "max_tokens": 16,
                                                      "temperature": 0, "logprobs": 0})[1]["choices"][0]
        return answer["logprobs"]["token_logprobs"], answer["text"]

    def test_an_adapter_changes_the_answer_and_one_of_no_strength_does_not(self):
        plain, adapted, weak = (self.story(name) for name in ("plain", "adapted", "weak"))
        self.assertEqual(plain[1], weak[1])
        self.assertNotEqual(plain, adapted)

    def test_an_adapter_means_the_same_with_the_kernels_and_without(self):
        if "ggml's own" in self.server.log_text():
            self.skipTest("the project's kernels do not run here")
        self.assertIn("cpu_kernels", self.server.log_text())
        with Server("--config", str(pathlib.Path(self.files.name) / "weft.json"), models=[], env={"WEFT_KERNELS": "off"}) as other:
            for model in ("adapted", "weak"):
                ask = {"model": model, "prompt": "Once upon a time", "max_tokens": 1, "temperature": 0, "logprobs": 20, "echo": True}
                mine, theirs = (s.post("/v1/completions", ask)[1]["choices"][0]["logprobs"] for s in (self.server, other))
                self.assertEqual(mine["tokens"][:-1], theirs["tokens"][:-1])
                # As far apart as without an adapter: products of eight bits.
                for a, b in zip(mine["token_logprobs"][1:-1], theirs["token_logprobs"][1:-1]):
                    self.assertAlmostEqual(a, b, delta=0.15)
            self.assertIn("ggml's own", other.log_text())

    def test_adapters_change_embeddings_too(self):
        vectors = [self.server.post("/api/embed", {"model": name, "input": "a fox"})[1]["embeddings"][0] for name in ("plain", "adapted")]
        self.assertNotEqual(*vectors)

    def test_adapters_are_shown(self):
        show = self.server.post("/api/show", {"model": "weak"})[1]
        self.assertEqual(show["adapters"], [{"name": "fits.gguf", "scale": 0}])
        self.assertIn("ADAPTER fits.gguf", show["modelfile"])

    def test_an_adapter_that_does_not_fit_is_told_about_and_loads_nothing(self):
        for name, words in (("other-model", "another architecture"), ("other-shape", "shape"), ("broken", "adapter"), ("missing", "adapter")):
            status, answer = chat(self.server, "Hello!", model=name)
            self.assertGreaterEqual(status, 400, name)
            self.assertIn(words, answer["error"])
            self.assertNotIn(self.files.name, answer["error"])


class Encoder(unittest.TestCase):
    def test_an_encoder_means_the_same_with_the_kernels_and_without(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "bert.gguf"
            made_models.tiny_bert(model)
            vectors = []
            for kernels in ("auto", "off"):
                with Server("--model", f"bert={model}", "--set", f"kernels={kernels}", models=[]) as server:
                    status, answer = server.post("/api/embed", {"model": "bert", "input": ["a b c", "xyz"]})
                    self.assertEqual(status, 200, answer)
                    vectors.append(answer["embeddings"])
            for mine, stock in zip(*vectors):
                self.assertGreater(sum(a * b for a, b in zip(mine, stock)), 0.999)


if __name__ == "__main__":
    unittest.main()
