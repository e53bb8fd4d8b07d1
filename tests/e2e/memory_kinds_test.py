"""Models whose memory is not a plain KV cache: prefixes are shared as far as it allows, and never wrongly. Draft models."""
import json, pathlib, subprocess, tempfile, unittest

import made_models
from server import MODEL, Server, wait_until

SYSTEM = "You tell short stories to children, never longer than a few words, about animals and the sea. " * 6


def chat(server, model, question, system=SYSTEM, history=(), n=12):
    messages = [{"role": "system", "content": system}, *history, {"role": "user", "content": question}]
    body = {"model": model, "messages": messages, "max_tokens": n, "temperature": 0, "logprobs": True, "ignore_eos": True}
    status, _, text = server.request("POST", "/v1/chat/completions", body)
    assert status == 200, text
    answer = json.loads(text)
    return answer, answer["usage"].get("prompt_tokens_details", {}).get("cached_tokens", 0)


def checks(server):
    """What the debug mode found: (same choice, largest difference of a logit) of each prompt that began with a prefix."""
    found = []
    for line in server.log_text().splitlines():
        if "prefix_checked" in line:
            fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
            found.append((fields["result"], float(fields["largest_difference"])))
    return found


class Kinds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weft-kinds-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        for name, make in (("mamba", made_models.tiny_mamba), ("hybrid", made_models.tiny_hybrid), ("sliding", made_models.tiny_sliding)):
            make(MODEL, cls.folder / f"{name}.gguf")

    def server(self, model, *options):
        server = Server("--set", f"models.{model}={self.folder / model}.gguf", "--context", "2048", "--set", "cache.check=true",
                        "--set", f"cache.folder={self.folder / 'cache'}", "--log-level", "info", *options, models=[])
        self.addCleanup(server.stop)
        return server

    def share(self, model, kind):
        server = self.server(model)
        first, cached = chat(server, model, "A whale?")
        self.assertEqual(cached, 0)
        self.assertIn(f"memory_probed kind={kind}", server.log_text())
        prompt = first["usage"]["prompt_tokens"]
        again, cached = chat(server, model, "A whale?")
        self.assertGreaterEqual(cached, prompt - 8)
        self.assertGreater(prompt, 150)  # more than the sliding window
        self.assertEqual(again["choices"][0]["message"], first["choices"][0]["message"])
        _, cached = chat(server, model, "A hedgehog in the garden?")
        self.assertGreater(cached, 100, "the system prompt is shared")
        said = [{"role": "user", "content": "A whale?"}, {"role": "assistant", "content": first["choices"][0]["message"]["content"]}]
        _, cached = chat(server, model, "And then?", history=said)
        self.assertGreater(cached, prompt - 16, "a conversation goes on where it was")
        wait_until(lambda: len(checks(server)) >= 3, "prompts were computed twice")
        for result, difference in checks(server):
            self.assertEqual(result, "same")
            self.assertLess(difference, 0.05)
        server.stop()
        restarted = self.server(model)
        again, cached = chat(restarted, model, "A whale?")
        self.assertGreater(cached, 100, "a restart finds it again")
        self.assertEqual(again["choices"][0]["message"], first["choices"][0]["message"])

    def test_a_recurrent_model_goes_on_from_copies_of_its_state(self):
        self.share("mamba", "states")

    def test_so_does_one_of_states_and_attention(self):
        self.share("hybrid", "states")

    def test_a_sliding_window_keeps_all_cells_and_shares_them(self):
        self.share("sliding", "tree")

    def test_a_very_small_window_is_shared_but_outlives_nothing(self):
        made_models.tiny_sliding(MODEL, self.folder / "narrow.gguf", window=32)
        server = self.server("narrow")
        first, _ = chat(server, "narrow", "A whale?")
        again, cached = chat(server, "narrow", "A whale?")
        self.assertGreater(cached, 100)
        self.assertEqual(again["choices"][0]["message"], first["choices"][0]["message"])
        server.stop()
        again, cached = chat(self.server("narrow"), "narrow", "A whale?")
        self.assertEqual(cached, 0)
        self.assertEqual(again["choices"][0]["message"], first["choices"][0]["message"])


class Drafts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weft-draft-")
        cls.addClassCleanup(folder.cleanup)
        cls.small = pathlib.Path(folder.name) / "small.gguf"
        subprocess.run(["llama-quantize", "--allow-requantize", MODEL, cls.small, "Q4_0"], check=True, capture_output=True)
        cls.stranger = pathlib.Path(folder.name) / "stranger.gguf"
        made_models.tiny_hybrid(MODEL, cls.stranger)

    def ask(self, *options, n=100, **more):
        server = Server("--set", f"models.big.path={MODEL}", "--set", "defaults.speculation=false", *options, models=[])
        self.addCleanup(server.stop)
        body = {"model": "big", "prompt": "Once upon a time", "max_tokens": n, "temperature": 0, "ignore_eos": True} | more
        status, _, text = server.request("POST", "/v1/completions", body)
        return server, status, text

    def test_a_draft_model_changes_the_number_of_steps_and_nothing_else(self):
        plain, _, without = self.ask()
        drafted, _, with_draft = self.ask("--set", f"models.big.draft={self.small}")
        self.assertEqual(json.loads(with_draft)["choices"], json.loads(without)["choices"])

        def metric(server, name):
            _, _, text = server.request("GET", "/metrics")
            return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{"))
        wait_until(lambda: metric(drafted, "weft_generation_tokens_total") >= 100, "the metric tells")
        self.assertGreater(metric(drafted, "weft_speculation_accepted_tokens_total"), 0)
        self.assertGreater(metric(drafted, "weft_speculation_draft_steps_total"), 0)
        self.assertLess(metric(drafted, "weft_steps_total"), metric(plain, "weft_steps_total"))

    def test_a_draft_model_that_cannot_take_guesses_back_is_refused(self):
        _, status, text = self.ask("--set", f"models.big.draft={self.stranger}")
        self.assertEqual(status, 500)
        self.assertIn("draft model", text)


if __name__ == "__main__":
    unittest.main()
