"""The demo model gives the right answers: every case of models/demo/questions.json, greedily."""
import json, unittest

import jinja2.sandbox

from server import ROOT, Server

QUESTIONS = json.loads((ROOT / "models/demo/questions.json").read_text())


def rendered(request):
    """The prompt of a conversation with tools, as the model's template writes it."""
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    template = env.from_string((ROOT / "models/demo/chat_template.jinja").read_text())
    messages = [dict(message) for message in request["messages"]]
    for message in messages:
        for call in message.get("tool_calls") or []:
            if isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return template.render(messages=messages, tools=request.get("tools"), add_generation_prompt=True,
                           **request.get("chat_template_kwargs", {}))


class DemoModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def answer(self, request):
        """Content and thinking of the answer."""
        if "fim" in request:
            body = {"prompt": request["fim"]["prefix"], "suffix": request["fim"]["suffix"], "temperature": 0, "max_tokens": 40}
        elif request.get("tools"):
            body = {"prompt": rendered(request), "temperature": 0, "max_tokens": 200}
        else:
            status, answer = self.server.post("/v1/chat/completions", {"model": "weft-demo"} | request)
            self.assertEqual(status, 200, answer)
            message = answer["choices"][0]["message"]
            return message["content"] or "", message.get("reasoning_content", "")
        status, answer = self.server.post("/v1/completions", {"model": "weft-demo"} | body)
        self.assertEqual(status, 200, answer)
        thinking, tag, content = answer["choices"][0]["text"].rpartition("</think>")
        return content, thinking

    def check(self, expect, content, thinking):
        if "content" in expect:
            self.assertEqual(content.strip(), expect["content"].strip())
        for part in [expect.get("contains", [])] if isinstance(expect.get("contains"), str) else expect.get("contains", []):
            self.assertIn(part, content)
        if expect.get("thinking"):
            self.assertEqual(thinking.strip(), expect["thinking"].strip())
        calls = expect.get("tool_calls") or ([expect["tool_call"]] if "tool_call" in expect else [])
        found = [json.loads(part.split("</tool_call>")[0]) for part in content.split("<tool_call>")[1:]]
        if calls:
            self.assertEqual([(c["name"], c["arguments"]) for c in found], [(c["name"], c["arguments"]) for c in calls])

    def test_every_question_gets_its_right_answer(self):
        for question in QUESTIONS:
            with self.subTest(kind=question["kind"], request=str(question["request"])[:200]):
                self.check(question["expect"], *self.answer(question["request"]))

    def test_there_are_at_least_a_dozen_questions_of_many_kinds(self):
        self.assertGreaterEqual(len(QUESTIONS), 12)
        self.assertGreaterEqual(len({question["kind"] for question in QUESTIONS}), 10)


if __name__ == "__main__":
    unittest.main()
