"""Images through every door, with a model and a projector of random weights: what is said of one means nothing, but it
is always the same of the same image, and another of another one."""
import base64, ctypes, json, math, os, pathlib, shutil, struct, subprocess, tempfile, unittest, zlib

import made_models
from server import MODEL, Server

ROWS = 16  # tokens that the made projector gives for an image


def png(width, height, pixel):
    """An image whose pixel(x, y) is (red, green, blue)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(c for x in range(width) for c in pixel(x, y)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(width, height, pixel):
    rows = b"".join(bytes(c for x in range(width) for c in reversed(pixel(x, y))).ljust((3 * width + 3) // 4 * 4, b"\0")
                    for y in reversed(range(height)))
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54 + len(rows), 0, 0, 54, 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows


def webp(width, height, pixel):
    """Lossless, by the library's own encoder."""
    library = ctypes.CDLL("libwebp.so.7")
    out = ctypes.POINTER(ctypes.c_uint8)()
    library.WebPEncodeLosslessRGB.restype = ctypes.c_size_t
    rows = b"".join(bytes(pixel(x, y)) for y in range(height) for x in range(width))
    size = library.WebPEncodeLosslessRGB(rows, width, height, 3 * width, ctypes.byref(out))
    data = ctypes.string_at(out, size)
    library.WebPFree(out)
    return data


def tone(pitch, seconds=1, rate=16000):
    """A WAV file of one tone."""
    sound = b"".join(struct.pack("<h", int(12000 * math.sin(2 * math.pi * pitch * i / rate))) for i in range(int(seconds * rate)))
    return b"RIFF" + struct.pack("<I", 36 + len(sound)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + \
        b"data" + struct.pack("<I", len(sound)) + sound


def text(data):
    return base64.b64encode(data).decode()


STRIPES = png(40, 40, lambda x, y: (255, 0, 0) if x // 5 % 2 else (0, 0, 255))
DOTS = png(40, 40, lambda x, y: (0, 255, 0) if (x // 4 + y // 4) % 2 else (255, 255, 255))
QUESTION = "What do you see?"


class Vision(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        made_models.tiny_qwen2(MODEL, folder / "model.gguf")
        made_models.tiny_projector(folder / "model.gguf", folder / "eyes.gguf")
        made_models.tiny_listener(folder / "model.gguf", folder / "ears.gguf")
        config = folder / "weft.yaml"
        config.write_text(f"defaults: {{context: 2048}}\nmodels:\n  seer: {{path: model.gguf, projector: eyes.gguf}}\n"
                          f"  hearer: {{path: model.gguf, projector: ears.gguf}}\n"
                          f"  broken: {{path: {MODEL}, projector: {MODEL}}}\n")
        cls.server = Server("--config", str(config))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    # Each door: the text of the answer, tokens of the prompt, and those of them that were cached.
    def ollama(self, *images, question=QUESTION, **options):
        status, answer = self.server.post("/api/chat", {
            "model": "seer", "stream": False, "think": False, "options": {"temperature": 0, "num_predict": 24, **options},
            "messages": [{"role": "user", "content": question, "images": [text(i) for i in images]}]})
        self.assertEqual(status, 200, answer)
        return answer["message"]["content"], answer["prompt_eval_count"], 0

    def openai(self, *images, question=QUESTION):
        parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + text(i)}} for i in images]
        status, answer = self.server.post("/v1/chat/completions", {
            "model": "seer", "temperature": 0, "max_tokens": 24, "reasoning_effort": "none",
            "messages": [{"role": "user", "content": parts + [{"type": "text", "text": question}]}]})
        self.assertEqual(status, 200, answer)
        usage = answer["usage"]
        return answer["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    def responses(self, *images, question=QUESTION):
        parts = [{"type": "input_image", "image_url": "data:image/png;base64," + text(i)} for i in images]
        status, answer = self.server.post("/v1/responses", {
            "model": "seer", "temperature": 0, "max_output_tokens": 24, "reasoning": {"effort": "none"},
            "input": [{"role": "user", "content": parts + [{"type": "input_text", "text": question}]}]})
        self.assertEqual(status, 200, answer)
        said = "".join(p["text"] for item in answer["output"] if item["type"] == "message" for p in item["content"])
        return said, answer["usage"]["input_tokens"], answer["usage"]["input_tokens_details"]["cached_tokens"]

    def anthropic_body(self, images, question):
        blocks = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text(i)}} for i in images]
        return {"model": "seer", "temperature": 0, "max_tokens": 24, "thinking": {"type": "disabled"},
                "messages": [{"role": "user", "content": blocks + [{"type": "text", "text": question}]}]}

    def anthropic(self, *images, question=QUESTION):
        status, answer = self.server.post("/v1/messages", self.anthropic_body(images, question))
        self.assertEqual(status, 200, answer)
        usage = answer["usage"]
        cached = usage["cache_read_input_tokens"]
        return "".join(b["text"] for b in answer["content"] if b["type"] == "text"), usage["input_tokens"] + cached, cached

    def test_a_model_with_a_projector_says_that_it_sees(self):
        self.assertIn("vision", self.server.post("/api/show", {"model": "seer"})[1]["capabilities"])
        self.assertNotIn("vision", self.server.post("/api/show", {"model": "weft-demo"})[1]["capabilities"])
        models = {m["id"]: m for m in self.server.get("/v1/models")[1]["data"]}
        self.assertTrue(self.server.get("/props?model=seer")[1]["modalities"]["vision"])
        self.assertIn("image", models["seer:latest"]["architecture"]["input_modalities"])

    def test_equal_images_give_equal_answers_and_other_images_others(self):
        for door in (self.ollama, self.openai, self.responses, self.anthropic):
            with self.subTest(door.__name__):
                stripes, dots, none = door(STRIPES), door(DOTS), door()
                self.assertEqual(door(STRIPES)[0], stripes[0])
                self.assertEqual(len({stripes[0], dots[0], none[0]}), 3)
                self.assertEqual(stripes[1], none[1] + ROWS)
                self.assertEqual(door(STRIPES, DOTS)[1], none[1] + 2 * ROWS)
                self.assertNotEqual(door(STRIPES, DOTS)[0], door(DOTS, STRIPES)[0])

    def test_every_dialect_shows_the_same_image_in_the_same_place(self):
        said = {door(STRIPES)[0] for door in (self.ollama, self.openai, self.responses, self.anthropic)}
        self.assertEqual(len(said), 1, said)

    def hear(self, data, format="wav", model="hearer"):
        parts = [{"type": "input_audio", "input_audio": {"data": text(data), "format": format}}, {"type": "text", "text": "What do you hear?"}]
        return self.server.post("/v1/chat/completions", {"model": model, "temperature": 0, "max_tokens": 16, "reasoning_effort": "none",
                                                         "messages": [{"role": "user", "content": parts}]})

    def test_a_model_that_hears_is_told_recordings_apart(self):
        self.assertIn("audio", self.server.post("/api/show", {"model": "hearer"})[1]["capabilities"])
        self.assertTrue(self.server.get("/props?model=hearer")[1]["modalities"]["audio"])
        said, tokens = {}, {}
        for name, recording in {"low": tone(220), "high": tone(1760)}.items():
            status, answer = self.hear(recording)
            self.assertEqual(status, 200, answer)
            said[name], tokens[name] = answer["choices"][0]["message"]["content"], answer["usage"]["prompt_tokens"]
            again = self.hear(recording)[1]
            self.assertEqual(again["choices"][0]["message"]["content"], said[name])
            self.assertEqual(again["usage"]["prompt_tokens_details"]["cached_tokens"], tokens[name] - 1)
        self.assertNotEqual(said["low"], said["high"])
        self.assertEqual(tokens["low"], tokens["high"])
        self.assertGreater(tokens["low"], 700)

    def test_what_is_no_recording_or_not_for_this_model_is_refused(self):
        status, answer = self.hear(b"ID3" + b"\0" * 200, "mp3")
        self.assertEqual((status, answer["error"]["param"]), (400, "messages[0].content[0].input_audio.data"), answer)
        status, answer = self.hear(tone(220), model="seer")
        self.assertIn("does not support audio input", answer["error"]["message"])
        status, answer = self.server.post("/api/chat", {"model": "hearer", "messages": [{"role": "user", "content": "a", "images": [text(STRIPES)]}]})
        self.assertIn("does not support image input", answer["error"])
        self.assertEqual(self.hear(tone(220))[0], 200)

    def test_the_prefix_cache_knows_images_by_what_they_hold(self):
        question = "Tell me about this one, please."
        self.openai(DOTS, question=question)
        _, tokens, cached = self.openai(DOTS, question=question)
        self.assertEqual(cached, tokens - 1)
        _, _, cached = self.openai(DOTS, question="Is it blue?")
        self.assertGreaterEqual(cached, ROWS)
        red = png(40, 40, lambda x, y: (255, 0, 0))
        self.assertLess(self.openai(red, question=question)[2], ROWS)

    def test_tokens_are_counted_as_they_are_used(self):
        body = self.anthropic_body([STRIPES, DOTS], QUESTION)
        counted = self.server.post("/v1/messages/count_tokens", body)[1]["input_tokens"]
        self.assertEqual(counted, self.anthropic(STRIPES, DOTS)[1])

    def test_images_and_words_of_many_requests_share_the_model(self):
        import concurrent.futures
        expected = {i: self.openai(i)[0] for i in (STRIPES, DOTS)}
        words = self.openai()[0]
        with concurrent.futures.ThreadPoolExecutor(9) as pool:
            looks = [(i, pool.submit(self.openai, i)) for i in (STRIPES, DOTS) * 3]
            talks = [pool.submit(self.openai) for _ in range(3)]
            for image, look in looks:
                self.assertEqual(look.result()[0], expected[image])
            for talk in talks:
                self.assertEqual(talk.result()[0], words)

    def test_one_who_sends_many_images_keeps_no_other_waiting(self):
        """One image thread: whoever comes second is served when the first has had one image looked at."""
        import concurrent.futures, time
        ended = {}

        def ask(key, images):
            parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + text(i)}} for i in images]
            body = {"model": "seer", "temperature": 0, "max_tokens": 1, "messages": [{"role": "user", "content": parts}]}
            status, _, answer = self.server.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + key})
            ended[key] = time.monotonic()
            self.assertEqual(status, 200, answer)

        fresh = lambda seed: png(600, 600, lambda x, y: (seed * 7 % 256, x // 3 % 256, y // 3 % 256))
        many, one = [fresh(i) for i in range(24)], fresh(99)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            heavy = pool.submit(ask, "heavy", many)
            time.sleep(0.05)
            pool.submit(ask, "light", [one]).result()
            heavy.result()
        self.assertLess(ended["light"], ended["heavy"])

    def test_kinds_and_shapes_of_images(self):
        striped = lambda x, y: (255, 0, 0) if x // 5 % 2 else (0, 0, 255)
        for door in (self.ollama, self.openai, self.responses, self.anthropic):
            for kind in (bmp, webp):
                self.assertEqual(door(kind(40, 40, striped))[0], door(STRIPES)[0], (door, kind))
        for width, height in ((1, 1), (1, 400), (400, 1), (3, 1000), (1500, 1000)):
            self.assertEqual(self.openai(png(width, height, striped))[1], self.openai()[1] + ROWS)

    def test_a_stream_looks_at_images_too(self):
        stream = self.server.stream("/api/generate", {"model": "seer", "prompt": QUESTION, "images": [text(STRIPES)], "think": False,
                                                      "options": {"temperature": 0, "num_predict": 24}})
        lines = [json.loads(line) for line in stream]
        self.assertEqual("".join(line["response"] for line in lines), self.ollama(STRIPES)[0])

    def test_what_looks_like_an_image_and_is_none_is_the_clients_mistake(self):
        """Its header is fine: only the engine can tell. Nobody else notices."""
        broken = [STRIPES[:60], STRIPES[:-40], b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10\x03" + b"\0" * 40,
                  b"GIF89a" + struct.pack("<HH", 16, 16), b"BM" + b"\0" * 12 + struct.pack("<IiiHH", 40, 8, 8, 1, 24) + b"\0" * 60,
                  webp(40, 40, lambda x, y: (x, y, 0))[:-30], webp(9, 9, lambda x, y: (x, y, 0))[:26] + b"\xff" * 40]
        engines = self.server.engines()
        for data in broken * 2:
            body = {"model": "seer", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": text(data)}}]}], "max_tokens": 4}
            status, answer = self.server.post("/v1/chat/completions", body)
            # Decoders forgive files that are cut off.
            if status == 200:
                continue
            self.assertEqual(status, 400, answer)
            self.assertEqual(answer["error"]["code"], "invalid_image", answer)
            self.assertEqual(answer["error"]["param"], "messages[0].content[0].image_url.url")
        if engines:
            self.assertLessEqual(set(engines), set(self.server.engines()))

    def test_a_window_that_is_too_small_for_an_image_keeps_the_question(self):
        self.assertLess(self.ollama(*[STRIPES] * 10, num_ctx=128)[1], 128)

    def test_a_model_without_a_projector_refuses_images(self):
        status, answer = self.server.post("/api/chat", {"model": "weft-demo", "messages": [{"role": "user", "content": "a", "images": [text(STRIPES)]}]})
        self.assertEqual((status, answer["error"]), (400, '"weft-demo:latest" does not support image input'))

    def test_a_projector_that_is_none_makes_a_model_that_cannot_be_loaded(self):
        status, answer = self.server.post("/api/chat", {"model": "broken", "messages": [{"role": "user", "content": "a"}]})
        self.assertGreaterEqual(status, 400)
        self.assertIn("projector", answer["error"])


@unittest.skipUnless(shutil.which("llama-mtmd-cli"), "llama.cpp's own program is not here")
class BesideLlamaCpp(unittest.TestCase):
    """The same files and the same image give what llama.cpp's own program gives, also where positions have two dimensions."""

    def check_same(self, model, eyes, image, folder):
        picture = folder / "picture.png"
        picture.write_bytes(image)
        # That program sometimes ends before it has written all: what it says is a beginning.
        theirs = ""
        for _ in range(20):
            said = subprocess.run(["llama-mtmd-cli", "-m", model, "--mmproj", eyes, "--image", picture, "-p", QUESTION, "-n", "12", "--temp", "0",
                                   "-c", "1024", "--no-warmup"], capture_output=True, encoding="utf-8", errors="ignore", timeout=120).stdout.strip()
            theirs = max(theirs, said, key=len)
            if len(theirs) >= 20:
                break
        self.assertGreaterEqual(len(theirs), 7, theirs)
        with Server("--model", f"seer={model}", "--mmproj", str(eyes), "--context", "1024", models=[]) as server:
            for _ in range(2):  # computed, and from the cache
                status, answer = server.post("/v1/chat/completions", {
                    "model": "seer", "temperature": 0, "max_tokens": 12, "separate_reasoning": False,
                    "chat_template_kwargs": {"enable_thinking": False},
                    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": text(image)}}, {"type": "text", "text": QUESTION}]}]})
                self.assertEqual(status, 200, answer)
                message = answer["choices"][0]["message"]
                ours = (message.get("reasoning_content") or "") + (message["content"] or "")
                same = len(os.path.commonprefix([ours.strip(), theirs]))
                self.assertGreaterEqual(same, min(12, len(theirs)), (ours, theirs))

    def test_rows_one_after_the_other(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            made_models.tiny_qwen2(MODEL, folder / "model.gguf")
            made_models.tiny_projector(folder / "model.gguf", folder / "eyes.gguf")
            self.check_same(folder / "model.gguf", folder / "eyes.gguf", STRIPES, folder)

    def test_positions_in_two_dimensions(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            made_models.tiny_qwen2(MODEL, folder / "model.gguf", architecture="qwen2vl")
            made_models.tiny_qwen2vl_projector(folder / "eyes.gguf")
            self.check_same(folder / "model.gguf", folder / "eyes.gguf", png(200, 100, lambda x, y: (x, y, 0)), folder)


class CommandLine(unittest.TestCase):
    def test_the_projector_of_the_one_model_may_be_named(self):
        with tempfile.TemporaryDirectory() as folder:
            eyes = pathlib.Path(folder) / "eyes.gguf"
            made_models.tiny_projector(MODEL, eyes)
            with Server("--model", f"seer={MODEL}", "--mmproj", str(eyes), models=[]) as server:
                self.assertIn("vision", server.post("/api/show", {"model": "seer"})[1]["capabilities"])


if __name__ == "__main__":
    unittest.main()
