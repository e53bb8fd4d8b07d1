"""The official Python clients, unmodified, against the real server."""
import json, unittest

import ollama
import openai
import pydantic

from server import Server

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
# What the demo model knows to do with a tool, and to say as JSON.
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city"}}, "required": ["city"]}}}]
WEATHER_RESULT = '{"temperature": 21, "sky": "sunny"}'
WEATHER_ANSWER = "It is 21 degrees and sunny in Paris."
ANA = [{"role": "user", "content": "Give me a JSON object for Ana, who is 30 years old and lives in Rome."}]
SUM = [{"role": "user", "content": "What is 5 + 5?"}]


class Person(pydantic.BaseModel):
    name: str
    age: int
    city: str


ANA_PERSON = Person(name="Ana", age=30, city="Rome")


class OllamaClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = ollama.Client(host=cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_list_show_and_ps(self):
        self.assertEqual(self.client.list().models[0].model, "weft-demo:latest")
        show = self.client.show("weft-demo")
        self.assertIn("completion", show.capabilities)
        self.assertEqual(show.modelinfo["general.architecture"], "llama")
        self.client.generate("weft-demo", "Hello!", options={"num_predict": 2})
        self.assertEqual(self.client.ps().models[0].model, "weft-demo:latest")

    def test_generate_whole_and_streamed(self):
        options = {"temperature": 0, "num_predict": 12}
        whole = self.client.generate("weft-demo", "Tell me a story.", options=options, think=False)
        self.assertTrue(whole.done)
        self.assertGreater(whole.eval_count, 0)
        pieces = list(self.client.generate("weft-demo", "Tell me a story.", options=options, think=False, stream=True))
        self.assertEqual("".join(p.response for p in pieces), whole.response)
        self.assertTrue(pieces[-1].done)

    def test_chat_whole_and_streamed(self):
        options = {"temperature": 0}
        whole = self.client.chat("weft-demo", QUESTION, options=options, think=False)
        self.assertIn("Paris", whole.message.content)
        streamed = "".join(p.message.content for p in self.client.chat("weft-demo", QUESTION, options=options, think=False, stream=True))
        self.assertEqual(streamed, whole.message.content)

    def test_a_tool_round_trip(self):
        ask = {"model": "weft-demo", "tools": TOOLS, "options": {"temperature": 0}, "think": False}
        call = self.client.chat(messages=WEATHER, **ask).message
        self.assertEqual(call.tool_calls[0].function.arguments, {"city": "Paris"})
        result = {"role": "tool", "tool_name": "get_weather", "content": WEATHER_RESULT}
        self.assertEqual(self.client.chat(messages=[*WEATHER, call, result], **ask).message.content, WEATHER_ANSWER)

    def test_a_streamed_tool_call_thinking_and_form(self):
        ask = {"model": "weft-demo", "options": {"temperature": 0}, "stream": True}
        calls = [call.function for piece in self.client.chat(messages=WEATHER, tools=TOOLS, think=False, **ask) for call in piece.message.tool_calls or []]
        self.assertEqual([(call.name, call.arguments) for call in calls], [("get_weather", {"city": "Paris"})])
        pieces = [piece.message for piece in self.client.chat(messages=SUM, think=True, **ask)]
        self.assertEqual("".join(p.thinking or "" for p in pieces), "5 plus 5 makes 10.")
        self.assertEqual("".join(p.content or "" for p in pieces), "5 + 5 = 10.")
        form = self.client.chat(messages=ANA, format=Person.model_json_schema(), think=False, **ask)
        self.assertEqual(Person.model_validate_json("".join(p.message.content or "" for p in form)), ANA_PERSON)

    def test_structured_output(self):
        answer = self.client.chat("weft-demo", ANA, format=Person.model_json_schema(), options={"temperature": 0}, think=False)
        self.assertEqual(Person.model_validate_json(answer.message.content), ANA_PERSON)

    def test_thinking(self):
        message = self.client.chat("weft-demo", SUM, options={"temperature": 0}, think=True).message
        self.assertEqual((message.thinking, message.content), ("5 plus 5 makes 10.", "5 + 5 = 10."))

    def test_embed_and_embeddings(self):
        both = self.client.embed("weft-demo", ["Hello!", "A fox."]).embeddings
        self.assertEqual(len(both), 2)
        self.assertAlmostEqual(sum(x * x for x in both[0]), 1, places=4)
        self.assertEqual(len(self.client.embeddings("weft-demo", "Hello!").embedding), len(both[0]))

    def test_an_unknown_model_is_a_404(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.client.chat("nobody", QUESTION)
        self.assertEqual(caught.exception.status_code, 404)
        self.assertIn("not found", caught.exception.error)


class OpenAIClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="unused", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["weft-demo:latest"])
        self.assertEqual(self.client.models.retrieve("weft-demo").object, "model")

    def test_chat_whole_and_streamed(self):
        whole = self.client.chat.completions.create(model="weft-demo", messages=QUESTION, temperature=0)
        self.assertIn("Paris", whole.choices[0].message.content)
        self.assertEqual(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens)
        chunks = list(self.client.chat.completions.create(model="weft-demo", messages=QUESTION, temperature=0, stream=True,
                                                          stream_options={"include_usage": True}))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), whole.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.total_tokens, whole.usage.total_tokens)

    def test_the_stream_helper(self):
        with self.client.chat.completions.stream(model="weft-demo", messages=QUESTION, temperature=0) as stream:
            events = list(stream)
            final = stream.get_final_completion()
        self.assertGreater(len(events), 3)
        self.assertIn("Paris", final.choices[0].message.content)

    def test_a_tool_round_trip(self):
        ask = {"model": "weft-demo", "tools": TOOLS, "temperature": 0}
        message = self.client.chat.completions.create(messages=WEATHER, **ask).choices[0].message
        self.assertEqual(json.loads(message.tool_calls[0].function.arguments), {"city": "Paris"})
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": WEATHER_RESULT}
        answer = self.client.chat.completions.create(messages=[*WEATHER, message, result], **ask)
        self.assertEqual(answer.choices[0].message.content, WEATHER_ANSWER)

    def test_a_streamed_tool_call(self):
        with self.client.chat.completions.stream(model="weft-demo", messages=WEATHER, tools=TOOLS, temperature=0) as stream:
            final = stream.get_final_completion().choices[0]
        self.assertEqual(final.finish_reason, "tool_calls")
        self.assertEqual(json.loads(final.message.tool_calls[0].function.arguments), {"city": "Paris"})

    def test_thinking_whole_and_streamed(self):
        ask = {"model": "weft-demo", "messages": SUM, "temperature": 0, "reasoning_effort": "low"}
        message = self.client.chat.completions.create(**ask).choices[0].message
        self.assertEqual((message.reasoning_content, message.content), ("5 plus 5 makes 10.", "5 + 5 = 10."))
        deltas = [chunk.choices[0].delta for chunk in self.client.chat.completions.create(stream=True, **ask) if chunk.choices]
        self.assertEqual("".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas), message.reasoning_content)
        self.assertEqual("".join(delta.content or "" for delta in deltas), message.content)

    def test_a_form_is_kept_in_a_stream(self):
        # Debian's client cannot parse as it goes: its helper wants a newer JSON library than is packaged beside it.
        form = {"type": "json_schema", "json_schema": {"name": "person", "schema": Person.model_json_schema() | {"additionalProperties": False}, "strict": True}}
        chunks = self.client.chat.completions.create(model="weft-demo", messages=ANA, temperature=0, response_format=form, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(Person.model_validate_json(text), ANA_PERSON)

    def test_responses_with_a_tool_and_thinking(self):
        ask = {"model": "weft-demo", "temperature": 0}
        tool = {"type": "function", **TOOLS[0]["function"], "strict": False}
        first = self.client.responses.create(input=WEATHER, tools=[tool], **ask)
        call = next(item for item in first.output if item.type == "function_call")
        self.assertEqual(json.loads(call.arguments), {"city": "Paris"})
        result = {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER_RESULT}
        self.assertEqual(self.client.responses.create(input=[result], previous_response_id=first.id, tools=[tool], **ask).output_text, WEATHER_ANSWER)
        thought = self.client.responses.create(input=SUM, reasoning={"effort": "low", "summary": "auto"}, **ask)
        reasoning = next(item for item in thought.output if item.type == "reasoning")
        self.assertEqual(reasoning.summary[0].text, "5 plus 5 makes 10.")

    def test_the_parse_helper(self):
        parsed = self.client.chat.completions.parse(model="weft-demo", messages=ANA, temperature=0, response_format=Person)
        self.assertEqual(parsed.choices[0].message.parsed, ANA_PERSON)

    def test_responses_whole_streamed_and_parsed(self):
        ask = {"model": "weft-demo", "temperature": 0}
        whole = self.client.responses.create(input="What is the capital of France?", **ask)
        self.assertEqual(whole.output_text, "The capital of France is Paris.")
        with self.client.responses.stream(input="What is the capital of France?", **ask) as stream:
            events = [event.type for event in stream]
            self.assertEqual(stream.get_final_response().output_text, whole.output_text)
        self.assertEqual((events[0], events[-1]), ("response.created", "response.completed"))
        parsed = self.client.responses.parse(input=ANA, text_format=Person, **ask)
        self.assertEqual(parsed.output_parsed, ANA_PERSON)

    def test_completions_with_choices_stop_and_logprobs(self):
        answer = self.client.completions.create(model="weft-demo", prompt="Once upon a time", max_tokens=8, n=2, seed=1, logprobs=2)
        self.assertEqual([c.index for c in answer.choices], [0, 1])
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual("".join(answer.choices[0].logprobs.tokens), answer.choices[0].text)

    def test_embeddings_in_both_encodings(self):
        decoded = self.client.embeddings.create(model="weft-demo", input=["Hello!", "A fox."])  # the client asks for base64
        plain = self.client.embeddings.create(model="weft-demo", input="Hello!", encoding_format="float")
        self.assertEqual(len(decoded.data), 2)
        self.assertGreater(sum(a * b for a, b in zip(decoded.data[0].embedding, plain.data[0].embedding)), 0.999)

    def test_errors_become_the_clients_classes(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="nobody", messages=QUESTION)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="weft-demo", messages=QUESTION, temperature=7)
        self.assertEqual(caught.exception.param, "temperature")


if __name__ == "__main__":
    unittest.main()
