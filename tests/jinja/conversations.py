"""What the templates are rendered with: conversations of every shape a client may send."""

import itertools

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city, \"now\" or <later> & such",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Which city"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14.5},
                "layers": {"type": "array", "items": {"type": "string"}},
                "place": {
                    "type": "object",
                    "properties": {"lat": {"type": "number"}, "lon": {"type": ["number", "null"]}},
                    "required": ["lat"],
                },
                "any": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "Uhrzeit · 時刻", "parameters": {"type": "object", "properties": {}}},
}

SYSTEM = {"role": "system", "content": "You are a terse helper."}
USER = {"role": "user", "content": "Hello there"}
ANSWER = {"role": "assistant", "content": "Hi."}
AGAIN = {"role": "user", "content": "What is 2 < 3 & \"why\"?"}


def call(arguments, name="get_weather", id="call00001"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


ARGUMENTS = {"city": "Köln", "days": 3, "unit": None, "exact": True, "place": {"lat": 50.9, "lon": [6, 7.0]}}
RESULT = {"role": "tool", "content": "{\"temp\": 21}", "tool_call_id": "call00001", "name": "get_weather"}


def tool_turns(arguments, content="", results=(RESULT,), **extra):
    calls = [call(arguments)]
    return [USER, {"role": "assistant", "content": content, "tool_calls": calls, **extra}, *results]


CONVERSATIONS = {
    "user": [USER],
    "system": [SYSTEM, USER],
    "turns": [SYSTEM, USER, ANSWER, AGAIN],
    "turns without system": [USER, ANSWER, AGAIN, ANSWER, USER],
    "unicode": [{"role": "system", "content": "Sei höflich – 礼儀 🙂"}, {"role": "user", "content": "  Grüße\n\tan 漢字 🎉 \n"}],
    "empty": [{"role": "user", "content": ""}],
    "no messages": [],
    "null content": [USER, {"role": "assistant", "content": None}, AGAIN],
    "missing content": [USER, {"role": "assistant"}, AGAIN],
    "two systems": [SYSTEM, SYSTEM, USER],
    "late system": [USER, ANSWER, SYSTEM, AGAIN],
    "developer": [{"role": "developer", "content": "Be brief."}, USER],
    "unknown role": [{"role": "narrator", "content": "Once"}, USER],
    "trailing assistant": [USER, {"role": "assistant", "content": "The answer is"}],
    "two users": [USER, AGAIN],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": "?"}]}],
    "image url": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}, {"type": "text", "text": "What?"}]}],
    "call": tool_turns(ARGUMENTS),
    "call as text": tool_turns("{\"city\": \"Köln\", \"days\": 3}"),
    "call with words": tool_turns(ARGUMENTS, content="Let me look."),
    "call null content": tool_turns(ARGUMENTS, content=None),
    "call without arguments": tool_turns({}),
    "two calls": [
        SYSTEM, USER,
        {"role": "assistant", "content": "", "tool_calls": [call(ARGUMENTS), call({}, "clock", "call00002")]},
        RESULT, {"role": "tool", "content": "12:00", "tool_call_id": "call00002", "name": "clock"},
        {"role": "assistant", "content": "Noon and 21 degrees."}, AGAIN,
    ],
    "call, answer, question": [*tool_turns(ARGUMENTS), ANSWER, AGAIN],
    "result object": tool_turns(ARGUMENTS, results=({**RESULT, "content": {"temp": 21, "wind": [1, 2.5, None, False]}},)),
    "result list": tool_turns(ARGUMENTS, results=({**RESULT, "content": [{"type": "text", "text": "21"}]},)),
    "result without id": tool_turns(ARGUMENTS, results=({"role": "tool", "content": "21"},)),
    "long id": [USER, {"role": "assistant", "content": "", "tool_calls": [call(ARGUMENTS, id="call_with_a_long_id")]}, RESULT],
    "reasoning": [USER, {"role": "assistant", "content": "4", "reasoning_content": "\nTwo and two.\n"}, AGAIN],
    "thinking": [USER, {"role": "assistant", "content": "4", "thinking": "Two and two."}, AGAIN],
    "inline thinking": [USER, {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n4"}, AGAIN],
    "thinking, then call": [USER, {"role": "assistant", "content": "<think>hm</think>", "reasoning_content": "hm", "tool_calls": [call(ARGUMENTS)]}, RESULT],
    "thinking call as text": tool_turns("{\"a\": 1}", reasoning_content="hm", thinking="hm"),
    "channels": [USER, {"role": "assistant", "content": "<|channel|>final<|message|>4"}, AGAIN],
    "special text": [{"role": "user", "content": "{{ 7 * 7 }} {% raw %} <|im_end|> [INST] \\n"}],
    "numbers as content": [{"role": "user", "content": 5}],
}

SETTINGS = {
    "prompt": {"add_generation_prompt": True},
    "no prompt": {"add_generation_prompt": False},
    "unset": {},
    "tools": {"add_generation_prompt": True, "tools": [WEATHER, CLOCK]},
    "tools, no prompt": {"add_generation_prompt": False, "tools": [WEATHER]},
    "no tools": {"add_generation_prompt": True, "tools": None},
    "empty tools": {"add_generation_prompt": True, "tools": []},
    "bare tools": {"add_generation_prompt": True, "tools": [WEATHER["function"]]},
    "thinking": {"add_generation_prompt": True, "enable_thinking": True, "thinking": True, "keep_thinking": True},
    "no thinking": {"add_generation_prompt": True, "enable_thinking": False, "thinking": False, "tools": [CLOCK]},
    "effort": {"add_generation_prompt": True, "reasoning_effort": "high", "builtin_tools": ["browser", "python"],
               "model_identity": "You are weft.", "date_string": "26 Jul 2026", "tools_in_user_message": False, "tools": [WEATHER]},
    "documents": {"add_generation_prompt": True, "documents": [{"title": "Facts", "text": "Water is wet.", "doc_id": 1}],
                  "available_tools": [WEATHER["function"]], "controls": {"length": "short"}, "citations": True},
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

ALL = [
    (f"{conversation} / {setting}", {"messages": messages, **TOKENS, **variables})
    for (conversation, messages), (setting, variables) in itertools.product(CONVERSATIONS.items(), SETTINGS.items())
]

# Every conversation with the settings that matter most, every setting with a few conversations.
SELECTION = [
    case for case in ALL
    if case[0].split(" / ")[1] in ("prompt", "tools", "no thinking") or case[0].split(" / ")[0] in ("turns", "two calls", "reasoning")
]

SNIPPET_VARIABLES = {
    "text": "Hello, World", "spaced": "  a b  c \n", "umlaut": "Größe ÄÖÜ straße 漢字🙂", "empty": "", "quote": "it's \"x\"",
    "html": "<b>&'\"</b>", "lines": "one\ntwo\r\nthree\n\nfour", "number": 42, "negative": -7, "pi": 3.14159, "big": 1e20, "tiny": 1e-7,
    "whole": 2.0, "yes": True, "no": False, "nothing": None, "words": ["pear", "Apple", "fig", "apple"], "numbers": [3, 1, 2, 3.0, -1],
    "nested": [[1, 2], [3, [4]]], "mixed": [1, "a", None, True, 2.5], "empty_list": [], "empty_dict": {},
    "dict": {"b": 1, "a": [1, 2], "C": {"x": None}}, "people": [
        {"name": "Ann", "age": 30, "tags": ["x", "y"], "pet": {"kind": "cat"}}, {"name": "bob", "age": 25, "tags": []},
        {"name": "Cy", "age": 30, "tags": ["x"], "pet": {"kind": "Dog"}}],
    "clash": {"items": [1], "keys": 2, "get": 3, "name": "n", "_private": 4, "": "blank"},
}
