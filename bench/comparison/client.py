"""A plain streaming client, for workloads whose requests weft-bench cannot make up by itself."""
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

TIMEOUT_S = 600


@dataclass(frozen=True)
class Answered:
    status: int
    ttft_ms: float      # until the first event of the stream; of a refusal, until its head
    tokens: int         # as the server counts them
    retry_after: bool
    text: str = ""
    finish: str = ""        # why the answer ended


def ask(server, fields):
    """POST /v1/completions, streamed to its end."""
    body = {"model": server.model_name, "stream": True, "stream_options": {"include_usage": True}, "temperature": 0,
            "ignore_eos": True, "cache_prompt": True, **fields}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    started = time.monotonic()
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        first, tokens, text, finish = None, 0, [], ""
        if answer.status == 200:
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                first = first or time.monotonic()
                event = json.loads(line[6:])
                if "error" in event:
                    return Answered(500, (first - started) * 1000, tokens, False)
                for choice in event.get("choices", []):
                    text.append(choice.get("text") or "")
                    finish = choice.get("finish_reason") or finish
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        else:
            answer.read()
        return Answered(answer.status, ((first or time.monotonic()) - started) * 1000, tokens,
                        answer.getheader("Retry-After") is not None, "".join(text), finish)
    except (OSError, http.client.HTTPException):
        return Answered(0, (time.monotonic() - started) * 1000, 0, False)
    finally:
        connection.close()


def at_once(server, requests, most):
    """The answers in the order of the requests, of which no more than `most` are open at a time."""
    with ThreadPoolExecutor(most) as pool:
        return list(pool.map(lambda fields: ask(server, fields), requests))
