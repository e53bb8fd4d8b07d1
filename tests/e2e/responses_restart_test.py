"""Stored responses outlive the process, whether it ends in order or not."""
import unittest

import openai

from jobs_crash_test import DurableServer

ASK = {"model": "weft-demo", "temperature": 0}


class Restart(unittest.TestCase):
    def client(self, server, key="one"):
        return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)

    def test_a_conversation_goes_on_after_a_crash(self):
        with DurableServer() as server:
            mine = self.client(server)
            first = mine.responses.create(input="My name is Ben.", **ASK)
            with mine.responses.stream(input="What is 3 + 4?", previous_response_id=first.id, **ASK) as stream:
                second = stream.get_final_response()
            dropped = mine.responses.create(input="Hello!", **ASK)
            unstored = mine.responses.create(input="Hello!", store=False, **ASK)
            mine.responses.delete(dropped.id)
            expected = mine.responses.create(input="What is my name?", previous_response_id=second.id, store=False, **ASK)
            server.kill()
            server.restart()

            mine = self.client(server)
            self.assertEqual(mine.responses.retrieve(first.id).output_text, first.output_text)
            again = mine.responses.create(input="What is my name?", previous_response_id=second.id, **ASK)
            self.assertEqual((again.output_text, again.usage.input_tokens), (expected.output_text, expected.usage.input_tokens))
            for gone in (dropped.id, unstored.id):
                with self.assertRaises(openai.NotFoundError):
                    mine.responses.retrieve(gone)
            with self.assertRaises(openai.NotFoundError):
                self.client(server, "another").responses.retrieve(first.id)
            with self.assertRaises(openai.BadRequestError):
                self.client(server, "another").responses.create(input="?", previous_response_id=second.id, **ASK)


if __name__ == "__main__":
    unittest.main()
