#!/usr/bin/env python3
"""Ask the demo model, behind any OpenAI-compatible server, what it should know.

Usage: evaluate.py PORT | BASE_URL [--questions 20] [--model weft-demo] [--only KIND ...] [--file questions.json]
Greedy answers. Prints right answers per kind; exits with 1 when a kind is below nine of ten.
With --file it asks the questions of that file instead, and every one must be right.
Fill-in-the-middle is asked through /infill or, where that is missing, through /v1/completions.
"""
import argparse
import json
import random
import re
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass

import corpus
from corpus import assistant, system, user


@dataclass
class Reply:
    """What a server said, whichever way it reports thinking and tool calls."""
    text: str
    thinking: str
    calls: list  # of (name, arguments)


class Server:
    def __init__(self, address, model):
        self.base = f"http://127.0.0.1:{address}" if address.isdigit() else address.rstrip("/").removesuffix("/v1")
        self.model = model

    def post(self, path, body):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def chat(self, messages, thinking=False, tools=None):
        return self.chat_body({"messages": messages, "chat_template_kwargs": {"enable_thinking": thinking}}
                              | ({"tools": tools} if tools else {}))

    def chat_body(self, body):
        settings = {"model": self.model, "temperature": 0, "max_tokens": 200, "chat_template_kwargs": {"enable_thinking": False}}
        return reply_of(self.post("/v1/chat/completions", settings | body)["choices"][0]["message"])

    def infill(self, prefix, suffix):
        settings = {"model": self.model, "temperature": 0}
        try:
            return self.post("/infill", {"input_prefix": prefix, "input_suffix": suffix, "n_predict": 24, **settings})["content"]
        except urllib.error.HTTPError:
            body = {"prompt": prefix, "suffix": suffix, "max_tokens": 24, **settings}
            return self.post("/v1/completions", body)["choices"][0]["text"]


def reply_of(message):
    text = message.get("content") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning") or ""
    if "</think>" in text:
        thinking, text = text.split("</think>", 1)
    calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or []]
    for raw in re.findall(r"<tool_call>\s*(.*?)\s*</tool_call>", text, re.S):
        data = json.loads(raw)
        calls.append((data["name"], data["arguments"]))
    return Reply(text.strip(), thinking.strip(), calls)


# ---- one function per kind: asks one random question, returns (right, what was said) -----------

def asks(kind, with_system=False):
    """A plain question of the corpus whose answer must match word for word."""
    def ask(server, r):
        qa = kind(r)
        before = [system(r.choice(corpus.SYSTEMS))] if with_system else []
        said = server.chat(before + [user(qa.question)]).text
        return said == qa.answer, f"{qa.question!r} -> {said!r}"
    return ask


def thinks(server, r):
    qa = r.choice([corpus.capital, corpus.arithmetic, corpus.fact, corpus.json_object])(r)
    reply = server.chat([user(qa.question)], thinking=True)
    return reply.thinking == qa.thought and reply.text == qa.answer, f"{qa.question!r} -> {reply}"


def greets_despite_tools(server, r):
    qa = corpus.small_talk(r)
    reply = server.chat([user(qa.question)], tools=[corpus.tool_schema(r.choice(list(corpus.TOOLS)))])
    return reply.text == qa.answer and not reply.calls, f"{qa.question!r} -> {reply}"


def some_tool(r):
    name = r.choice(list(corpus.TOOLS))
    return name, corpus.USES[name](r)


def calls_tool(server, r, thinking=False):
    name, use = some_tool(r)
    others = corpus.other_tools(r, name)
    before = [system(r.choice(corpus.SYSTEMS))] * (r.random() < .5)
    tools = [corpus.tool_schema(t) for t in r.sample([name] + others, 1 + len(others))]
    reply = server.chat(before + [user(use.question)], tools=tools, thinking=thinking)
    return reply.calls == [(name, use.arguments)] and bool(reply.thinking) == thinking, f"{use.question!r} -> {reply}"


def thinks_then_calls_tool(server, r):
    return calls_tool(server, r, thinking=True)


def openai_call(number, name, arguments):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def calls_two_tools(server, r):
    cities = r.sample(corpus.CITIES, 2)
    reply = server.chat([user(f"What is the weather in {cities[0]} and {cities[1]}?")], tools=[corpus.tool_schema("get_weather")])
    return [c for _, c in reply.calls] == [{"city": c} for c in cities], f"{cities} -> {reply}"


def answers_from_tool_result(server, r):
    name, use = some_tool(r)
    asked = assistant("", calls=[openai_call(1, name, use.arguments)])
    result = {"role": "tool", "tool_call_id": "call_1", "content": use.result}
    said = server.chat([user(use.question), asked, result], tools=[corpus.tool_schema(name)]).text
    return said == use.answer, f"{use.question!r} {use.result!r} -> {said!r}"


def answers_from_text(server, r):
    messages = corpus.rag_chat(r)["messages"]
    said = server.chat(messages[:-1]).text
    return said == messages[-1]["content"], f"{messages[-2]['content']!r} -> {said!r}"


def remembers(server, r):
    messages = corpus.memory_chat(r)["messages"]
    said = server.chat(messages[:-1]).text
    return said == messages[-1]["content"], f"{messages[0]['content']!r} ... -> {said!r}"


def obeys_system_prompt(server, r):
    messages = corpus.persona_chat(r)["messages"]
    said = server.chat(messages[:-1]).text
    return said == messages[-1]["content"], f"{messages[0]['content']!r} {messages[1]['content']!r} -> {said!r}"


def tells_story(server, r):
    animal = r.choice(corpus.ANIMALS)
    said = server.chat([user(f"Tell me a story about {corpus.a_or_an(animal)}.")]).text
    return said.startswith("Once upon a time") and animal in said and 50 <= len(said.split()) <= 150 and said.endswith("."), repr(said)


def fills_in(server, r):
    prefix, middle, suffix = corpus.fill_in(r)["fim"]
    said = server.infill(prefix, suffix)
    return said == middle, f"{prefix!r} _ {suffix!r} -> {said!r}"


KINDS = {
    "small talk": asks(corpus.small_talk), "capitals": asks(corpus.capital), "capitals, system prompt": asks(corpus.capital, True),
    "facts": asks(corpus.fact), "facts, system prompt": asks(corpus.fact, True),
    "sums": asks(corpus.arithmetic), "sums, system prompt": asks(corpus.arithmetic, True),
    "repeating": asks(corpus.repeat), "lists": asks(corpus.listing), "counting": asks(corpus.counting), "JSON": asks(corpus.json_object),
    "code": asks(corpus.hello_world), "mood": asks(corpus.sentiment), "outside its world": asks(corpus.unknown),
    "thinking": thinks, "story": tells_story, "fill in the middle": fills_in, "given text": answers_from_text,
    "remembering": remembers, "obeying a system prompt": obeys_system_prompt,
    "tool call": calls_tool, "thinking, then tool call": thinks_then_calls_tool, "two calls at once": calls_two_tools,
    "tool result": answers_from_tool_result, "tools not needed": greets_despite_tools,
}


def ask_in_file(server, case):
    """One entry of questions.json: {"kind", "request", "expect"}."""
    request, expect = case["request"], case["expect"]
    if "fim" in request:
        said = server.infill(request["fim"]["prefix"], request["fim"]["suffix"])
        return said == expect["content"], repr(said)
    reply = server.chat_body(request)
    calls = expect.get("tool_calls", [expect["tool_call"]] if "tool_call" in expect else [])
    right = (reply.text == expect.get("content", reply.text) and reply.thinking == expect.get("thinking", reply.thinking)
             and all(words in reply.text for words in expect.get("contains", [])) and reply.calls == [(c["name"], c["arguments"]) for c in calls])
    return right, repr(reply)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("server", metavar="PORT|BASE_URL")
    ap.add_argument("--questions", type=int, default=20, help="per kind")
    ap.add_argument("--model", default="weft-demo", help="the model name to ask for")
    ap.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS), metavar="KIND")
    ap.add_argument("--file", help="ask the questions of this file")
    a = ap.parse_args()
    corpus.unseen_words = 0
    server, failed = Server(a.server, a.model), []
    if a.file:
        for case in json.load(open(a.file)):
            right, said = ask_in_file(server, case)
            print("right" if right else "WRONG", case["kind"], "" if right else said)
            failed += [case["kind"]] * (not right)
        sys.exit(bool(failed))
    for kind in a.only:
        r = random.Random("exam " + kind)
        results = [KINDS[kind](server, r) for _ in range(a.questions)]
        right = sum(ok for ok, _ in results)
        print(f"{kind:26} {right:3} of {a.questions}", flush=True)
        for _, said in [x for x in results if not x[0]][:2]:
            print("    missed:", said[:300])
        if right < .9 * a.questions:
            failed.append(kind)
    print("below nine of ten: " + ", ".join(failed) if failed else "every kind reaches nine of ten")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
