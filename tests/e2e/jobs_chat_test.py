"""Jobs that ask for more than text: tools, formats, thinking and images, also in a conversation that the server keeps."""
import asyncio, json, pathlib, tempfile, unittest

import websockets

import made_models
from jobs_client import read_events, result
from server import MODEL, PATIENCE, Server, ServerTest
from tools_test import ANSWER, QUESTION, RESULT, WEATHER
from vision_test import DOTS, STRIPES, text

GREEDY = {"temperature": 0, "num_predict": 300}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
          "required": ["name", "age", "city"], "additionalProperties": False}
ANA = "Give me a JSON object for Ana, who is 30 years old and lives in Rome."


class JobServer(ServerTest):
    def infer(self, **body):
        status, _, answer = self.server.request("POST", "/api/v1/infer", {"options": GREEDY, **body})
        self.assertEqual(status, 202, answer)
        return json.loads(answer)["request_id"]

    def ask(self, **body):
        return result(self.server, self.infer(**body))

    def refused(self, status, field, **body):
        got, _, answer = self.server.request("POST", "/api/v1/infer", {"options": GREEDY, **body})
        self.assertEqual((got, json.loads(answer)["error"]["field"]), (status, field), answer)


class Chat(JobServer):
    def test_a_tool_round_trip(self):
        called = self.ask(messages=QUESTION, tools=[WEATHER])
        self.assertEqual((called["status"], called["result"]), ("completed", ""))
        call, = called["tool_calls"]
        self.assertEqual((call["type"], call["function"]["name"], json.loads(call["function"]["arguments"])), ("function", "get_weather", {"city": "Paris"}))
        self.assertRegex(call["id"], "^call_[A-Za-z0-9]{24}$")
        last = self.ask(tools=[WEATHER], messages=[*QUESTION, {"role": "assistant", "content": None, "tool_calls": called["tool_calls"]},
                                                   {"role": "tool", "tool_call_id": call["id"], "content": RESULT}])
        self.assertEqual(last["result"], ANSWER)
        self.assertNotIn("tool_calls", last)

    def test_a_conversation_keeps_calls_and_results(self):
        session = json.loads(self.server.request("POST", "/api/v1/sessions", {})[2])["session_id"]
        called = self.ask(prompt=QUESTION[0]["content"], tools=[WEATHER], session_id=session)
        answer = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": RESULT}
        last = self.ask(messages=[answer], tools=[WEATHER], session_id=session)
        self.assertEqual(last["result"], ANSWER)
        turns = self.server.get(f"/api/v1/sessions/{session}")[1]["turns"]
        self.assertEqual(turns, [QUESTION[0], {"role": "assistant", "content": "", "tool_calls": called["tool_calls"]}, answer,
                                 {"role": "assistant", "content": ANSWER}])

    def test_a_call_can_be_forced_and_forbidden(self):
        forced = self.ask(prompt="Hello!", tools=[WEATHER], tool_choice="required")
        self.assertEqual(forced["tool_calls"][0]["function"]["name"], "get_weather")
        self.assertNotIn("tool_calls", self.ask(messages=QUESTION, tools=[WEATHER], tool_choice="none"))

    def test_readers_are_told_of_calls_with_the_end(self):
        job = self.infer(messages=QUESTION, tools=[WEATHER])
        calls = result(self.server, job)["tool_calls"]
        self.assertEqual(read_events(self.server, job)[-1][2]["tool_calls"], calls)

        async def over_a_socket():
            async with websockets.connect(f"ws://127.0.0.1:{self.server.port}/api/v1/ws") as socket:
                await socket.send(json.dumps({"messages": QUESTION, "tools": [WEATHER], "options": GREEDY}))
                while (message := json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))["type"] != "result":
                    pass
                return message
        self.assertEqual(asyncio.run(over_a_socket())["tool_calls"][0]["function"], calls[0]["function"])

    def test_answers_have_the_format_that_was_asked_for(self):
        wish = {"name": "Ana", "age": 30, "city": "Rome"}
        self.assertEqual(json.loads(self.ask(prompt=ANA, format=PERSON)["result"]), wish)
        self.assertEqual(json.loads(self.ask(prompt=ANA, response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}})["result"]), wish)
        hot = self.ask(prompt="Hello!", format="json", options={"temperature": 1.5, "seed": 3, "num_predict": 2000})
        if hot["result"].endswith("}"):  # not cut off by the limit
            json.loads(hot["result"])

    def test_thinking_is_told_apart(self):
        thought = self.ask(prompt="What is 5 + 5?", think=True)
        self.assertEqual((thought["thinking"], thought["result"]), ("5 plus 5 makes 10.", "5 + 5 = 10."))
        self.assertNotIn("thinking", self.ask(prompt="What is 5 + 5?", think=False))

    def test_what_it_depends_on_makes_jobs_different(self):
        first, second = self.infer(prompt=ANA, format=PERSON), self.infer(prompt=ANA, format="json")
        self.assertNotEqual(first, second)
        self.assertEqual(json.loads(result(self.server, first)["result"])["name"], "Ana")

    def test_bad_fields_are_named(self):
        self.refused(400, "tools[0].function", prompt="a", tools=[{"type": "function"}])
        self.refused(400, "tool_choice", prompt="a", tool_choice="required")
        self.refused(400, "format", prompt="a", format="yaml")
        self.refused(400, "format", prompt="a", format="json", response_format={"type": "json_object"})
        self.refused(400, "think", prompt="a", think="very")
        self.refused(400, "images[0]", prompt="a", images=["AAAA"])
        self.refused(400, "images", messages=[{"role": "user", "content": "a"}], images=[text(STRIPES)])
        self.refused(400, "messages[0].content[0].image_url.url",
                     messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://somewhere/a.png"}}]}])

    def test_a_model_that_sees_nothing_says_so(self):
        job = self.ask(prompt="What do you see?", images=[text(STRIPES)])
        self.assertEqual((job["status"], job["error"]["code"]), ("failed", "unsupported"))


class Images(JobServer):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        made_models.tiny_qwen2(MODEL, folder / "model.gguf")
        made_models.tiny_projector(folder / "model.gguf", folder / "eyes.gguf")
        config = folder / "weft.yaml"
        config.write_text("defaults: {context: 2048}\nmodels:\n  seer: {path: model.gguf, projector: eyes.gguf}\n")
        cls.server = Server("--config", str(config))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def see(self, **body):
        done = self.ask(model="seer", options={"temperature": 0, "num_predict": 24}, **body)
        self.assertEqual(done["status"], "completed", done)
        return done["result"], done["usage"]["prompt_tokens"]

    def test_a_job_sees_what_a_chat_completion_sees(self):
        def parts(image):
            return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + text(image)}},
                                                 {"type": "text", "text": "What do you see?"}]}]
        status, chat = self.server.post("/v1/chat/completions", {"model": "seer", "temperature": 0, "max_tokens": 24, "messages": parts(STRIPES)})
        self.assertEqual(status, 200, chat)
        stripes = self.see(messages=parts(STRIPES))
        self.assertEqual(stripes[1], chat["usage"]["prompt_tokens"])
        self.assertEqual(self.see(prompt="What do you see?", images=[text(STRIPES)]), stripes)
        self.assertNotEqual(self.see(messages=parts(DOTS))[0], stripes[0])

    def test_a_conversation_keeps_its_images(self):
        session = json.loads(self.server.request("POST", "/api/v1/sessions", {"model": "seer"})[2])["session_id"]
        first = self.see(prompt="What do you see?", images=[text(STRIPES)], session_id=session)
        second = self.see(prompt="And now?", session_id=session)
        self.assertGreater(second[1], first[1])
        turns = self.server.get(f"/api/v1/sessions/{session}")[1]["turns"]
        self.assertEqual([part["type"] for part in turns[0]["content"]], ["image_url", "text"])


if __name__ == "__main__":
    unittest.main()
