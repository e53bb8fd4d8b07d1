#!/usr/bin/env python3
"""Prints generated conversations as the model was trained on: sample_text.py [COUNT [SEED]]. Needs python3-jinja2."""
import json
import os
import random
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

import corpus

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPLATE = open(os.path.join(HERE, "chat_template.jinja")).read()


def renderer():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    return env.from_string(TEMPLATE).render


def conversations(count, seed):
    """The text of so many conversations, one after the other."""
    r, render, texts = random.Random(seed), renderer(), []
    while len(texts) < count:
        sample = corpus.sample(r, 0)
        if "messages" in sample:
            texts.append(render(messages=sample["messages"], tools=sample.get("tools"), keep_thinking=True))
    return "".join(texts)


if __name__ == "__main__":
    count, seed = [int(word) for word in sys.argv[1:]] + [150, 7][len(sys.argv) - 1:]
    print(conversations(count, seed))
