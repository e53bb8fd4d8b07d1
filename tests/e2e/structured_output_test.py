"""Formats, schemas and grammars through the real server, judged by an independent validator.

WEFT_SAMPLES: how many random schemas (default 150). The demo model knows little of JSON: what is valid here is so because it is enforced.
"""
import concurrent.futures, json, os, pathlib, random, re, sys, unittest

import jsonschema
import ollama
import openai
import pydantic

from server import Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "grammar"))
from random_schemas import RandomSchemas, has_draft7
from schema_samples import mixes_drafts, validator_for

SAMPLES = int(os.environ.get("WEFT_SAMPLES", "150"))
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                           "mood": {"enum": ["good", "bad"]}}, "required": ["name", "age", "mood"], "additionalProperties": False}
HI = [{"role": "user", "content": "Hello!"}]


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=120)
    tags: list[str] = pydantic.Field(max_length=2)


class StructuredOutput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.ollama = ollama.Client(host=cls.server.url)
        cls.openai = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def complete(self, **more):
        status, answer = self.server.post("/v1/completions", {"model": "weft-demo", "prompt": "Hello", "temperature": 1.5, "max_tokens": 600, **more})
        self.assertEqual(status, 200, answer)
        return [(choice["text"], choice["finish_reason"]) for choice in answer["choices"]]

    def refused(self, path, body):
        status, answer = self.server.post(path, {"model": "weft-demo", **body})
        self.assertEqual(status, 400, answer)
        return answer["error"]

    # ---- Ollama ----

    def test_ollama_chat_with_a_schema_whole_and_streamed(self):
        options = {"temperature": 1.5, "num_predict": 300}
        for think in (False, True):
            answer = self.ollama.chat("weft-demo", HI, format=PERSON, options=options, think=think)
            if answer.done_reason == "stop":
                jsonschema.validate(json.loads(answer.message.content), PERSON)
        pieces = list(self.ollama.chat("weft-demo", HI, format=PERSON, options=options, think=False, stream=True))
        self.assertEqual(pieces[-1].done_reason, "stop")
        jsonschema.validate(json.loads("".join(piece.message.content for piece in pieces)), PERSON)

    def test_ollama_json_mode_gives_an_object(self):
        answer = self.ollama.generate("weft-demo", "Hello!", format="json", options={"temperature": 0, "num_predict": 500}, raw=True)
        self.assertTrue(answer.response.startswith("{"), answer.response)
        if answer.done_reason == "stop":
            self.assertIsInstance(json.loads(answer.response), dict)

    def test_ollama_refuses_what_it_cannot_enforce(self):
        schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
        error = self.refused("/api/chat", {"messages": HI, "format": schema})
        self.assertEqual(error, "the keyword 'not' at $.properties.a cannot be enforced")

    # ---- OpenAI ----

    def test_openai_parse_helper_with_a_pydantic_model(self):
        # At this temperature an answer sometimes talks until max_tokens; the helper says so by an exception of its own.
        for _ in range(8):
            try:
                parsed = self.openai.chat.completions.parse(model="weft-demo", messages=HI, response_format=Person, temperature=1.5,
                                                            max_tokens=800, extra_body={"think": False})
            except openai.LengthFinishReasonError:
                continue
            return self.assertIsInstance(parsed.choices[0].message.parsed, Person)
        self.fail("no answer of eight came to its end")

    def test_openai_choices_are_held_to_the_form_one_by_one(self):
        answer = self.openai.chat.completions.create(model="weft-demo", messages=HI, n=4, temperature=1.5, max_tokens=300, seed=7,
                                                     response_format={"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": PERSON}})
        texts = [choice.message.content for choice in answer.choices if choice.finish_reason == "stop"]
        self.assertTrue(texts)
        for text in texts:
            jsonschema.validate(json.loads(text), PERSON)
        self.assertGreater(len(set(texts)), 1)

    def test_the_spellings_of_other_servers(self):
        expected = re.compile(r"(yes|no)-[0-9]{3}")
        grammar = 'root ::= ("yes" | "no") "-" [0-9]{3}'
        for more in ({"guided_regex": "(yes|no)-\\d{3}"}, {"grammar": grammar}, {"guided_grammar": grammar},
                     {"structured_outputs": {"regex": "(yes|no)-\\d{3}"}}, {"response_format": {"type": "grammar", "grammar": grammar}}):
            with self.subTest(more):
                self.assertTrue(expected.fullmatch(self.complete(**more)[0][0]))
        for more in ({"guided_choice": ["a.b", "c*"]}, {"structured_outputs": {"choice": ["a.b", "c*"]}}):
            with self.subTest(more):
                self.assertIn(self.complete(**more)[0], [("a.b", "stop"), ("c*", "stop")])
        for more in ({"guided_json": PERSON}, {"json_schema": PERSON}, {"guided_json": json.dumps(PERSON)}, {"format": PERSON},
                     {"response_format": {"type": "json_schema", "schema": PERSON}}, {"structured_outputs": {"json": PERSON}},
                     {"response_format": {"type": "json_object", "schema": PERSON}}):
            with self.subTest(more):
                text, reason = self.complete(**more)[0]
                self.assertEqual(reason, "stop")
                jsonschema.validate(json.loads(text), PERSON)

    def test_broken_wishes_are_refused_with_their_field(self):
        def refused(**more):
            error = self.refused("/v1/chat/completions", {"messages": HI, **more})
            return error["param"], error["code"]

        def format_of(schema, **more):
            return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **more}}}
        where = "response_format.json_schema.schema"
        self.assertEqual(refused(grammar="root ::= ("), ("grammar", "invalid_grammar"))
        self.assertEqual(refused(grammar="root ::= root"), ("grammar", "invalid_grammar"))
        self.assertEqual(refused(guided_regex="(?=a)"), ("guided_regex", "invalid_grammar"))
        self.assertEqual(refused(**format_of({"type": "wrong"})), (where, "invalid_json_schema"))
        self.assertEqual(refused(**format_of({"not": {}}, strict=True)), (where, "invalid_json_schema"))
        self.assertEqual(refused(grammar='root ::= "a"', guided_json=PERSON)[0], "guided_json")
        lenient = self.openai.chat.completions.create(model="weft-demo", messages=HI, max_tokens=300, **format_of({"type": "boolean", "not": {"const": 5}}))
        self.assertIn(lenient.choices[0].message.content, ["true", "false"])

    def test_streams_begin_with_the_error_too(self):
        status, _, text = self.server.request("POST", "/v1/chat/completions", {"model": "weft-demo", "messages": HI, "stream": True, "grammar": "root ::= ("})
        self.assertEqual(status, 400, text)

    def test_an_ambiguous_grammar_ends_no_other_answer(self):
        endless = self.server.stream("/v1/completions", {"model": "weft-demo", "prompt": "Hello", "max_tokens": 200, "ignore_eos": True, "stream": True})
        grammar = 'root ::= (' + " | ".join(f'"{"a" * n}"' for n in range(1, 60)) + '){1,100000} "!"'
        self.server.request("POST", "/v1/completions", {"model": "weft-demo", "prompt": "Hello", "max_tokens": 200, "grammar": grammar})
        self.assertIn("[DONE]", endless.read().decode())
        endless.connection.close()
        self.assertEqual(len(self.server.engines()), 1)

    def test_a_thinking_budget_closes_the_block(self):
        for budget in (0, 5):
            answer = self.openai.chat.completions.create(model="weft-demo", messages=[{"role": "user", "content": "What is the capital of France?"}],
                                                         max_tokens=200, temperature=0, extra_body={"think": True, "thinking_budget": budget})
            thinking = getattr(answer.choices[0].message, "reasoning_content", None) or ""
            self.assertTrue(answer.choices[0].message.content)
            self.assertLessEqual(len(thinking.split()), budget + 1)

    # ---- everything, at random ----

    def test_random_schemas_at_temperature_1_5(self):
        make = RandomSchemas(random.Random(5))
        schemas = []
        while len(schemas) < SAMPLES:
            schema = make.schema()
            if not mixes_drafts(schema):
                schemas.append(schema)

        def sample(item):
            seed, schema = item
            body = {"model": "weft-demo", "prompt": "Give me JSON: ", "temperature": 1.5, "max_tokens": 400, "seed": seed, "guided_json": schema}
            status, answer = self.server.post("/v1/completions", body)
            if status == 400:
                return "refused", schema, answer["error"]["message"]
            self.assertEqual(status, 200, answer)
            choice = answer["choices"][0]
            if choice["finish_reason"] != "stop":
                return "cut off", schema, choice["text"]
            try:
                validator_for(schema).validate(json.loads(choice["text"]))
            except (ValueError, jsonschema.ValidationError) as error:
                return "wrong", schema, f"{str(error).splitlines()[0]}: {choice['text']}"
            return "valid", schema, ""

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = list(pool.map(sample, enumerate(schemas)))
        count = {kind: sum(result[0] == kind for result in results) for kind in ("valid", "wrong", "refused", "cut off")}
        print(f"random schemas at temperature 1.5: {count}")
        for kind, schema, text in results:
            self.assertNotEqual(kind, "wrong", f"{text}\n{json.dumps(schema)}")
        self.assertGreater(count["valid"], SAMPLES // 2, count)


if __name__ == "__main__":
    unittest.main()
