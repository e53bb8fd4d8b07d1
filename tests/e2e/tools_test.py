"""Tool round trips with the official Python clients, unmodified, against the real server: call, result, right answer."""
import json, unittest

import ollama
import openai

from server import Server


def tool(name, description, **properties):
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(properties)}}}


WEATHER = tool("get_weather", "Get the current weather of a city", city={"type": "string", "description": "Name of the city"})
ADD = tool("add", "Add two numbers", a={"type": "integer", "description": "First number"},
           b={"type": "integer", "description": "Second number"})
RESULT = json.dumps({"temperature": 21, "sky": "sunny"})
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
TWO_CITIES = [{"role": "user", "content": "What is the weather in Rome and Oslo?"}]
ANSWER = "It is 21 degrees and sunny in Paris."


class OpenAIClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="unused", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask(self, messages, **more):
        return self.client.chat.completions.create(
            **({"model": "weft-demo", "messages": messages, "tools": [WEATHER, ADD], "temperature": 0, "max_tokens": 200} | more))

    def test_call_result_and_answer(self):
        choice = self.ask(QUESTION).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertIsNone(choice.message.content)
        call, = choice.message.tool_calls
        self.assertEqual((call.type, call.function.name, json.loads(call.function.arguments)), ("function", "get_weather", {"city": "Paris"}))
        self.assertRegex(call.id, "^call_[A-Za-z0-9]{24}$")
        result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
        last = self.ask(QUESTION + [choice.message, result], tools=[WEATHER]).choices[0]
        self.assertEqual((last.message.content, last.finish_reason, last.message.tool_calls), (ANSWER, "stop", None))

    def test_a_call_that_the_limit_cuts_off_is_the_same_streamed_or_not_and_no_content(self):
        for limit in (8, 12, 14, 16, 18):
            whole = self.ask(QUESTION, max_tokens=limit).choices[0]
            self.assertEqual((whole.finish_reason, whole.message.content or ""), ("length", ""), limit)
            told = "".join(call.function.arguments for call in whole.message.tool_calls or [])
            streamed, content, reasons = "", "", []
            for chunk in self.ask(QUESTION, max_tokens=limit, stream=True):
                choice = chunk.choices[0]
                content += choice.delta.content or ""
                streamed += "".join(call.function.arguments or "" for call in choice.delta.tool_calls or [])
                reasons += [choice.finish_reason] if choice.finish_reason else []
            self.assertEqual((streamed, content, reasons), (told, "", ["length"]))

    def test_a_model_that_is_not_to_think_does_not_think_before_a_forced_call(self):
        for form in ({"tool_choice": "required"}, {"tools": [], "extra_body": {"guided_choice": ["seven", "nine"]}}):
            answer = self.ask(QUESTION, reasoning_effort="none", **form)
            self.assertEqual(answer.usage.completion_tokens_details.reasoning_tokens, 0)
            self.assertIsNone(getattr(answer.choices[0].message, "reasoning_content", None))

    def test_a_form_may_begin_with_white_space(self):
        answer = self.ask([{"role": "user", "content": "hello"}], tools=[], reasoning_effort="none",
                          extra_body={"grammar": 'root ::= " yes" | " no"'})
        self.assertIn(answer.choices[0].message.content, (" yes", " no"))

    def test_a_turn_that_stands_inside_its_thinking_is_gone_on_with_as_such(self):
        messages = [{"role": "user", "content": "What is 3 + 4?"}, {"role": "assistant", "content": "<think>\n3 plus"}]
        message = self.ask(messages, tools=[]).choices[0].message
        self.assertNotIn("think>", message.content)
        self.assertTrue(message.reasoning_content)

    def test_streamed_deltas_add_up_to_the_same_calls(self):
        whole = self.ask(TWO_CITIES, tools=[WEATHER]).choices[0].message.tool_calls
        calls, reasons = {}, []
        for chunk in self.ask(TWO_CITIES, tools=[WEATHER], stream=True):
            choice = chunk.choices[0]
            reasons += [choice.finish_reason] if choice.finish_reason else []
            for delta in choice.delta.tool_calls or []:
                if delta.id:
                    self.assertEqual(delta.index, len(calls))
                    calls[delta.index] = [delta.function.name, ""]
                calls[delta.index][1] += delta.function.arguments
        self.assertEqual(list(calls.values()), [[c.function.name, c.function.arguments] for c in whole])
        self.assertEqual([json.loads(arguments) for _, arguments in calls.values()], [{"city": "Rome"}, {"city": "Oslo"}])
        self.assertEqual(reasons, ["tool_calls"])

    def test_the_stream_helper_knows_the_calls(self):
        with self.client.chat.completions.stream(model="weft-demo", messages=QUESTION, tools=[WEATHER], temperature=0) as stream:
            events = [event.type for event in stream]
            final = stream.get_final_completion()
        self.assertIn("tool_calls.function.arguments.done", events)
        self.assertEqual(json.loads(final.choices[0].message.tool_calls[0].function.arguments), {"city": "Paris"})

    def test_a_tool_that_is_not_needed_is_not_called(self):
        choice = self.ask([{"role": "user", "content": "Hello!"}], tools=[WEATHER]).choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("Hello! How can I help you?", "stop"))

    def test_a_forced_call_comes_where_the_model_would_not_call(self):
        for choice in ("required", {"type": "function", "function": {"name": "add"}}):
            for text in ("Hello!", "Tell me a story about a fox."):
                with self.subTest(choice=choice, text=text):
                    answer = self.ask([{"role": "user", "content": text}], tool_choice=choice).choices[0]
                    self.assertEqual(answer.finish_reason, "tool_calls")
                    for call in answer.message.tool_calls:
                        arguments = json.loads(call.function.arguments)
                        if call.function.name == "add":
                            self.assertEqual({key: type(value) for key, value in arguments.items()}, {"a": int, "b": int})
                        else:
                            self.assertEqual({key: type(value) for key, value in arguments.items()}, {"city": str})
                    if choice != "required":
                        self.assertEqual([c.function.name for c in answer.message.tool_calls], ["add"])

    def test_calls_that_are_forbidden_do_not_come(self):
        message = self.ask(QUESTION, tool_choice="none").choices[0].message
        self.assertIsNone(message.tool_calls)
        self.assertNotIn("<tool_call>", message.content)

    def test_without_parallel_calls_there_is_one(self):
        calls = self.ask(TWO_CITIES, tools=[WEATHER], parallel_tool_calls=False).choices[0].message.tool_calls
        self.assertEqual([c.function.name for c in calls], ["get_weather"])

    def test_hot_sampling_keeps_arguments_valid(self):
        for seed in range(8):
            answer = self.ask(QUESTION, tool_choice="required", temperature=1.8, seed=seed, max_tokens=400).choices[0]
            if answer.finish_reason != "tool_calls":
                continue
            for call in answer.message.tool_calls:
                wanted = {"city": str} if call.function.name == "get_weather" else {"a": int, "b": int}
                self.assertEqual({k: type(v) for k, v in json.loads(call.function.arguments).items()}, wanted)

    def test_a_tool_that_is_not_there_cannot_be_forced(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(QUESTION, tool_choice={"type": "function", "function": {"name": "nobody"}})
        self.assertEqual(caught.exception.param, "tool_choice")

    def test_thinking_then_a_call(self):
        message = self.ask(QUESTION, tools=[WEATHER], reasoning_effort="high").choices[0].message
        self.assertEqual(message.reasoning_content, "I should call get_weather.")
        self.assertEqual(message.tool_calls[0].function.name, "get_weather")

    def test_functions_are_answered_as_functions(self):
        answer = self.client.chat.completions.create(model="weft-demo", messages=QUESTION, functions=[WEATHER["function"]], temperature=0)
        self.assertEqual(answer.choices[0].finish_reason, "function_call")
        self.assertEqual(json.loads(answer.choices[0].message.function_call.arguments), {"city": "Paris"})


class OllamaClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = ollama.Client(host=cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask(self, messages, **more):
        return self.client.chat("weft-demo", messages, tools=[WEATHER], options={"temperature": 0}, **({"think": False} | more))

    def test_the_model_says_that_it_can(self):
        self.assertIn("tools", self.client.show("weft-demo").capabilities)

    def test_call_result_and_answer(self):
        message = self.ask(QUESTION).message
        call, = message.tool_calls
        self.assertEqual((call.function.name, dict(call.function.arguments), message.content), ("get_weather", {"city": "Paris"}, ""))
        result = {"role": "tool", "tool_name": "get_weather", "content": RESULT}
        self.assertEqual(self.ask(QUESTION + [message, result]).message.content, ANSWER)

    def test_streamed_calls_come_whole(self):
        chunks = list(self.ask(TWO_CITIES, stream=True))
        calls = [call for chunk in chunks for call in chunk.message.tool_calls or []]
        self.assertEqual([dict(c.function.arguments) for c in calls], [{"city": "Rome"}, {"city": "Oslo"}])
        self.assertEqual("".join(c.message.content or "" for c in chunks), "")
        self.assertEqual(chunks[-1].done_reason, "stop")

    def test_thinking_then_a_call(self):
        message = self.ask(QUESTION, think=True).message
        self.assertEqual(message.thinking, "I should call get_weather.")
        self.assertEqual(message.tool_calls[0].function.name, "get_weather")


if __name__ == "__main__":
    unittest.main()
