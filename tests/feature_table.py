"""Which feature holds in which dialect, read from the dialect tests: a feature is there when a case asks for it and is
answered 200. Writes docs/features.md; with --check says whether it is what would be written."""
import json, pathlib, sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs/features.md"
DOORS = {"Ollama chat": ("/api/chat",), "Ollama generate": ("/api/generate",), "OpenAI chat": ("/v1/chat/completions",),
         "OpenAI completions": ("/v1/completions",), "OpenAI responses": ("/v1/responses",),
         "Anthropic messages": ("/v1/messages", "/v1/v1/messages")}
OTHERS = {"Ollama embeddings": ("/api/embed", "/api/embeddings"), "OpenAI embeddings": ("/v1/embeddings",),
          "Ollama model details": ("/api/show",), "OpenAI stored responses": ("/v1/responses/",),
          "OpenAI input tokens": ("/v1/responses/input_tokens",), "Anthropic token counting": ("/v1/messages/count_tokens",),
          "models": ("/v1/models", "/api/tags"), "ranking": ("/v1/rerank", "/rerank", "/v2/rerank", "/v1/reranking", "/reranking"),
          "tokens of a text": ("/tokenize", "/v1/tokenize", "/detokenize", "/v1/detokenize"),
          "rendered templates": ("/apply-template",), "the middle of a text": ("/infill",), "raw completion": ("/completion",)}


def parts_of(body):
    """All objects with a type or a role in a request, however deep."""
    if isinstance(body, dict):
        if "type" in body or "role" in body:
            yield body
        for value in body.values():
            yield from parts_of(value)
    elif isinstance(body, list):
        for value in body:
            yield from parts_of(value)


def any_part(body, *types):
    return any(p.get("type") in types for p in parts_of(body.get("messages") or body.get("input") or []))


def format_of(body):
    """The kind of output that is asked for: json, schema, grammar or nothing."""
    wanted = body.get("response_format") or (body.get("text") or {}).get("format") or (body.get("output_config") or {}).get("format")
    kind = (wanted or {}).get("type")
    if kind == "json_object" or body.get("format") == "json":
        return "json"
    if kind == "json_schema" or isinstance(body.get("format"), dict) or "guided_json" in body or "json_schema" in body:
        return "schema"
    if kind == "grammar" or any(k in body for k in ("grammar", "guided_grammar", "guided_regex", "guided_choice", "structured_outputs")):
        return "grammar"
    return None


def options(body, *names):
    return any(body.get(n) is not None or (body.get("options") or {}).get(n) is not None for n in names)


def last_role(body):
    turns = body.get("messages") or body.get("input") or []
    return turns[-1].get("role") if isinstance(turns, list) and turns and isinstance(turns[-1], dict) else None


def streams(body, path):
    return body.get("stream", path.startswith("/api/") or None) is True


def thinks(body):
    thinking = body.get("thinking")
    return (body.get("think") is not None or body.get("reasoning_effort") is not None or body.get("reasoning") is not None
            or (isinstance(thinking, dict) and thinking.get("type") != "disabled"))


FEATURES = {
    "streamed answers": lambda b, p: streams(b, p),
    "tools": lambda b, p: bool(b.get("tools") or b.get("functions")),
    "streamed tool calls": lambda b, p: bool(b.get("tools")) and streams(b, p),
    "tool choice": lambda b, p: b.get("tool_choice") not in (None, "auto"),
    "one call at a time": lambda b, p: b.get("parallel_tool_calls") is False or (isinstance(b.get("tool_choice"), dict) and b["tool_choice"].get("disable_parallel_tool_use") is True),
    "tool results": lambda b, p: any_part(b, "tool_result", "function_call_output", "custom_tool_call_output") or any(q.get("role") == "tool" for q in parts_of(b.get("messages") or [])),
    "thinking": lambda b, p: thinks(b),
    "thinking budget": lambda b, p: any(isinstance(v, dict) and v.get(k) is not None for v, k in ((b.get("thinking"), "budget_tokens"), (b.get("reasoning"), "max_tokens"))) or "thinking_budget" in b,
    "JSON": lambda b, p: format_of(b) == "json",
    "JSON schema": lambda b, p: format_of(b) == "schema",
    "grammars, regular expressions": lambda b, p: format_of(b) == "grammar",
    "images": lambda b, p: any_part(b, "image", "image_url", "input_image") or bool(b.get("images")) or any(q.get("images") for q in parts_of(b.get("messages") or [])),
    "system messages": lambda b, p: any(b.get(k) for k in ("system", "instructions")) or any(q.get("role") in ("system", "developer") for q in parts_of(b.get("messages") or b.get("input") or [])),
    "an answer that is begun by the client": lambda b, p: last_role(b) == "assistant",
    "log probabilities": lambda b, p: bool(b.get("logprobs")) or b.get("top_logprobs") is not None,
    "several answers": lambda b, p: (b.get("n") or 1) > 1,
    "stop strings": lambda b, p: options(b, "stop", "stop_sequences"),
    "seed": lambda b, p: options(b, "seed"),
    "sampling": lambda b, p: options(b, "temperature", "top_p", "top_k", "min_p"),
    "logit bias": lambda b, p: bool(b.get("logit_bias")),
    "limit of tokens": lambda b, p: options(b, "max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
    "the middle of a text": lambda b, p: bool(b.get("suffix")),
    "echo": lambda b, p: b.get("echo") is True,
    "prompts of tokens": lambda b, p: isinstance(b.get("prompt"), list) and any(isinstance(x, (int, list)) for x in b["prompt"]),
    "conversations that are stored": lambda b, p: b.get("previous_response_id") is not None,
    "window": lambda b, p: options(b, "num_ctx"),
    "keep alive": lambda b, p: b.get("keep_alive") is not None,
    "a template of the request": lambda b, p: bool(b.get("template")),
}


def cases():
    """Path, body and status of each request of the .case files."""
    for file in sorted((ROOT / "tests/api").rglob("*.case")):
        for block in ("\n" + file.read_text()).split("\n=== ")[1:]:
            sections = {s.split("\n", 1)[0].strip(): s.split("\n", 1)[1] for s in block.split("\n--- ")[1:] if "\n" in s}
            head, _, body = sections.get("request", "").partition("\n\n")
            words = head.split("\n")[0].split()
            status = sections.get("answer", "").strip().split("\n")[0]
            if len(words) < 2:
                continue
            try:
                parsed = json.loads(body) if body.strip() else {}
            except ValueError:
                continue
            if isinstance(parsed, dict):
                yield words[1].split("?")[0], parsed, status


def asks(wants, body, path):
    try:
        return bool(wants(body, path))
    except (AttributeError, TypeError):
        return False  # a request with values of other types, which is accepted all the same


def table():
    answered = [(path, body) for path, body, status in cases() if status == "200"]
    lines = ["# What holds in which dialect", "",
             "Made by `tests/feature_table.py` from the dialect tests (`tests/api/*/*.case`): the number of cases that ask for a feature and get",
             "it. A dash: the API has no such thing, or no case asks for it. What each promise is in full, and which tests of the real program and",
             "of the official clients stand behind it, is in [conformance.md](conformance.md).", "",
             "| | " + " | ".join(DOORS) + " |", "|---|" + "---|" * len(DOORS)]
    for feature, wants in FEATURES.items():
        counts = [sum(path in paths and asks(wants, body, path) for path, body in answered) for paths in DOORS.values()]
        lines.append(f"| {feature} | " + " | ".join(str(n) if n else "–" for n in counts) + " |")
    lines += ["", "| Beside generating | cases |", "|---|---|"]
    for name, paths in OTHERS.items():
        hits = sum(any(path == q or (q.endswith("/") and path.startswith(q)) for q in paths) for path, _ in answered)
        lines.append(f"| {name} | {hits if hits else '–'} |")
    return "\n".join(lines) + "\n"


def main():
    text = table()
    if "--check" not in sys.argv:
        TABLE.write_text(text)
    elif not TABLE.exists() or TABLE.read_text() != text:
        sys.exit("docs/features.md is not what the tests say: run python3 tests/feature_table.py")


if __name__ == "__main__":
    main()
