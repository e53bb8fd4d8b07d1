#!/usr/bin/env python3
"""Writes a GGUF file with random weights and the shape of a real model, for measuring speed.

    make_random_model.py SHAPE TYPE [--seed N] [--out FILE]

SHAPE: tiny, 0.2B, moe (a mixture of 16 experts), 0.5B, 1B. TYPE: F16, Q8_0, Q4_0, Q4_K_M. Without --out the file goes to the cache folder
($WEFT_CACHE or ~/.cache/weft, in bench-models/) and is made only once. Prints its path.

Speed does not depend on what the weights say; the vocabulary is made so that tokenizing works, that text comes out
as readable ASCII nearly always, and that the words weft-bench sends are one token each. The weights depend on the seed
and on nothing else.
"""
import argparse
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

import gguf
import numpy as np


@dataclass(frozen=True)
class Shape:
    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    norm_epsilon: float
    qkv_bias: bool = False
    experts: int = 0        # in each layer; 0: not a mixture
    experts_used: int = 0   # by a token

    @property
    def head_width(self):
        return self.width // self.heads


SHAPES = {
    "tiny": Shape("llama", 4, 256, 4, 2, 768, 50_000, 32768, 10000.0, 1e-5),
    # Qwen2.5-0.5B and Llama-3.2-1B, from their published config.json.
    "0.5B": Shape("qwen2", 24, 896, 14, 2, 4864, 151_936, 32768, 1_000_000.0, 1e-6, qkv_bias=True),
    # Small enough to measure every type; rows of a multiple of 256, which the K types want.
    "0.2B": Shape("llama", 8, 1024, 16, 4, 4096, 32_000, 32768, 10000.0, 1e-5),
    "moe": Shape("llama", 6, 1024, 16, 4, 1024, 32_000, 32768, 10000.0, 1e-5, experts=16, experts_used=4),
    "1B": Shape("llama", 16, 2048, 32, 8, 8192, 128_256, 131072, 500_000.0, 1e-5),
}
TYPES = ("F16", "Q8_0", "Q4_0", "Q4_K_M")
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# The words of bench/load/prompts.cpp.
WORDS = """time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work number night point home water room mother area money story
fact month lot right study book eye job word business issue side kind head house service friend father power hour game
line end member law car""".split()
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
SPACE = "\u0120"  # how a space is written in a byte-level vocabulary


def byte_symbols():
    """GPT-2's printable stand-ins: printable bytes stand for themselves, the others for 256, 257, ..."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def vocabulary(size):
    """Tokens and merges: bytes, then words letter by letter, then one, two and three syllables until it is full."""
    tokens = byte_symbols()
    known = set(tokens)
    merges = []

    def merge(left, right):
        if left + right in known or len(tokens) >= size - len(CONTROL):
            return
        known.add(left + right)
        tokens.append(left + right)
        merges.append(f"{left} {right}")

    # Words first, always growing from their space: so no merge further down can split them.
    for word in WORDS:
        for end in range(len(word)):
            merge(SPACE + word[:end], word[end])
    syllables = [c + v for c in "bcdfghjklmnpqrstvwxz" for v in "aeiou"]
    for syllable in syllables:
        merge(syllable[0], syllable[1])
    for syllable in syllables:
        merge(SPACE, syllable)
    pairs = [(a, b) for a in syllables for b in syllables]
    for start in (SPACE, ""):
        for a, b in pairs:
            merge(start + a, b)
    for a, b in pairs:
        for c in syllables:
            if len(tokens) >= size - len(CONTROL):
                return tokens + list(CONTROL), merges
            merge(SPACE + a + b, c)
    sys.exit(f"no vocabulary of {size} tokens")


def tensors(shape, rng):
    """(name, shape, maker) of every tensor, in the order they are written. Shapes as numpy sees them."""
    def normal(*dims, deviation):
        return lambda: rng.standard_normal(dims, dtype=np.float32) * np.float32(deviation)

    def matrix(rows, columns):
        return (rows, columns), normal(rows, columns, deviation=columns ** -0.5)

    def embeddings():
        # Logits with a standard deviation of about 3, as a trained model's; control tokens stay at 0, so that they
        # are hardly ever sampled.
        table = normal(shape.vocabulary, shape.width, deviation=3 * shape.width ** -0.5)()
        table[-len(CONTROL):] = 0
        return table

    yield "token_embd.weight", (shape.vocabulary, shape.width), embeddings
    kv_width = shape.kv_heads * shape.head_width
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            yield block + norm + ".weight", (shape.width,), lambda: np.ones(shape.width, dtype=np.float32)
        for name, rows, columns in (("attn_q", shape.width, shape.width), ("attn_k", kv_width, shape.width),
                                    ("attn_v", kv_width, shape.width), ("attn_output", shape.width, shape.width)):
            yield block + name + ".weight", *matrix(rows, columns)
        if shape.experts:
            yield block + "ffn_gate_inp.weight", *matrix(shape.experts, shape.width)
        for name, rows, columns in (("ffn_gate", shape.feed_forward, shape.width),
                                    ("ffn_up", shape.feed_forward, shape.width),
                                    ("ffn_down", shape.width, shape.feed_forward)):
            if shape.experts:
                yield block + name + "_exps.weight", (shape.experts, rows, columns), \
                    normal(shape.experts, rows, columns, deviation=columns ** -0.5)
            else:
                yield block + name + ".weight", *matrix(rows, columns)
        if shape.qkv_bias:
            for name, rows in (("attn_q", shape.width), ("attn_k", kv_width), ("attn_v", kv_width)):
                yield block + name + ".bias", (rows,), normal(rows, deviation=0.1)
    yield "output_norm.weight", (shape.width,), lambda: np.ones(shape.width, dtype=np.float32)


def add_metadata(writer, name, shape):
    writer.add_name(f"random-{name}")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    tokens, merges = vocabulary(shape.vocabulary)
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(CONTROL)) + [gguf.TokenType.CONTROL] * len(CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 3)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_f16(path, name, seed):
    shape = SHAPES[name]
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, shape.architecture)
    add_metadata(writer, name, shape)
    kind_of = lambda dims: np.float16 if len(dims) >= 2 else np.float32  # noqa: E731
    planned = list(tensors(shape, rng))
    for tensor, dims, _ in planned:
        kind = np.dtype(kind_of(dims))
        writer.add_tensor_info(tensor, dims, kind, int(np.prod(dims)) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    # One tensor at a time: the largest of them is all the memory this needs.
    for _, dims, make in planned:
        writer.write_tensor_data(make().astype(kind_of(dims)))
    writer.close()


def cached_path(name, kind, seed):
    cache = os.environ.get("WEFT_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weft")
    return pathlib.Path(cache) / "bench-models" / f"random-{name}-{kind}-{seed}.gguf"


def make(name, kind, seed, path=None):
    path = pathlib.Path(path) if path else cached_path(name, kind, seed)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}")
    try:
        if kind == "F16":
            write_f16(part, name, seed)
        else:
            base = make(name, "F16", seed)
            subprocess.run(["llama-quantize", base, part, kind], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    print(make(arguments.shape, arguments.type, arguments.seed, arguments.out))


if __name__ == "__main__":
    main()
