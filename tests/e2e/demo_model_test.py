"""The demo model gives the right answers: every case of models/demo/questions.json, greedily."""
import json, unittest

from server import ROOT, ServerTest

QUESTIONS = json.loads((ROOT / "models/demo/questions.json").read_text())


class DemoModel(ServerTest):
    def answer(self, request):
        """Content, thinking and calls of the answer."""
        if "fim" not in request:
            status, answer = self.server.post("/v1/chat/completions", {"model": "weft-demo"} | request)
            self.assertEqual(status, 200, answer)
            message = answer["choices"][0]["message"]
            calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", [])]
            return message["content"] or "", message.get("reasoning_content", ""), calls
        body = {"prompt": request["fim"]["prefix"], "suffix": request["fim"]["suffix"], "temperature": 0, "max_tokens": 40}
        status, answer = self.server.post("/v1/completions", {"model": "weft-demo"} | body)
        self.assertEqual(status, 200, answer)
        return answer["choices"][0]["text"], "", []

    def check(self, expect, content, thinking, found):
        if "content" in expect:
            self.assertEqual(content.strip(), expect["content"].strip())
        for part in [expect.get("contains", [])] if isinstance(expect.get("contains"), str) else expect.get("contains", []):
            self.assertIn(part, content)
        if expect.get("thinking"):
            self.assertEqual(thinking.strip(), expect["thinking"].strip())
        calls = expect.get("tool_calls") or ([expect["tool_call"]] if "tool_call" in expect else [])
        self.assertEqual(found, [(c["name"], c["arguments"]) for c in calls])

    def test_every_question_gets_its_right_answer(self):
        for question in QUESTIONS:
            with self.subTest(kind=question["kind"], request=str(question["request"])[:200]):
                self.check(question["expect"], *self.answer(question["request"]))

    def test_there_are_at_least_a_dozen_questions_of_many_kinds(self):
        self.assertGreaterEqual(len(QUESTIONS), 12)
        self.assertGreaterEqual(len({question["kind"] for question in QUESTIONS}), 10)


if __name__ == "__main__":
    unittest.main()
