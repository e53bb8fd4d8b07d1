#!/usr/bin/env python3
"""Train the demo model from nothing on the generated text of corpus.py and write it as GGUF.

Usage: train.py OUT.gguf [--steps 1100]        (OUT.pt is the checkpoint; --resume goes on from it)
Needs (Debian forky): python3-torch libopenblas0-pthread python3-tokenizers python3-gguf python3-jinja2.
Architecture: llama (RMSNorm, RoPE, SwiGLU, tied embeddings), Q8_0 weights, byte-level BPE.
"""
import argparse
import collections
import json
import math
import os
import random
import re
import time
from dataclasses import dataclass

import gguf
import torch
import torch.nn as nn
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus
from sample_text import TEMPLATE, renderer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
USER_DEFINED = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
DIM, LAYERS, HEADS, FF = 256, 4, 4, 512
HEAD_DIM = DIM // HEADS
THETA = 10000.0
LONGEST = 768          # tokens of a sample; longer ones are dropped
STEP_TOKENS = 6144     # tokens per optimizer step, padding included
ROW_BLOCK = 512        # tokens per forward pass: small enough for the activations to stay in cache


# ---- text -------------------------------------------------------------------------------------

def pieces(sample, render):
    """The sample as text: a list of (piece, learn). Only pieces with learn=True are answers."""
    if "text" in sample:
        return [(sample["text"] + "<|endoftext|>", True)]
    if "fim" in sample:
        before, middle, after = sample["fim"]
        return [(f"<|fim_prefix|>{before}<|fim_suffix|>{after}<|fim_middle|>", False), (middle + "<|endoftext|>", True)]
    out, done, messages = [], "", sample["messages"]
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        shared = {"tools": sample.get("tools"), "keep_thinking": True}
        prompt = render(messages=messages[:i], add_generation_prompt=True, enable_thinking="thinking" in message, **shared)
        full = render(messages=messages[:i + 1], add_generation_prompt=False, **shared)
        assert full.startswith(prompt) and prompt.startswith(done)
        out += [(prompt[len(done):], False), (full[len(prompt):], True)]
        done = full
    return out


def train_tokenizer(seed, render):
    """Byte-level BPE in which every word of the corpus, with and without a space before it, is one token."""
    r = random.Random(seed)
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer, tok.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = SPECIAL + USER_DEFINED
    marker = re.compile("|".join(map(re.escape, special)))
    words = collections.Counter()
    for _ in range(20000):
        for part in marker.split("".join(text for text, _ in pieces(corpus.sample(r), render))):
            words.update(part[a:b] for _, (a, b) in tok.pre_tokenizer.pre_tokenize_str(part))
    known = {w for w, count in words.items() if count > 4}  # leaves out corpus.nonsense and large numbers
    known.update(space + w for w in corpus.WORDS + corpus.NUMBERS for space in ("", " "))
    tok.train_from_iterator(sorted(known), trainers.BpeTrainer(
        vocab_size=8192, min_frequency=1, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.add_special_tokens([f"<|extra_{i}|>" for i in range(-tok.get_vocab_size() % 32)])
    return tok


# ---- model ------------------------------------------------------------------------------------

class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(DIM))

    def forward(self, x):
        return F.rms_norm(x, (DIM,), self.weight, 1e-5)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = Norm(), Norm()
        self.qkv = nn.Linear(DIM, 3 * DIM, False)
        self.out = nn.Linear(DIM, DIM, False)
        self.gate_up = nn.Linear(DIM, 2 * FF, False)
        self.down = nn.Linear(FF, DIM, False)

    def forward(self, x, cos, sin):
        x = x + self.out(self.attention(self.attn_norm(x), cos, sin))
        gate, up = self.gate_up(self.ffn_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)

    def attention(self, x, cos, sin):
        rows, length, _ = x.shape
        qk, v = self.qkv(x).split((2 * DIM, DIM), -1)
        q, k = rotate(qk.view(rows, length, 2 * HEADS, HEAD_DIM).transpose(1, 2), cos, sin).chunk(2, 1)
        v = v.view(rows, length, HEADS, HEAD_DIM).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return y.transpose(1, 2).reshape(rows, length, DIM)


def rotate(x, cos, sin):
    """RoPE on half-split pairs, which is faster here; write_gguf() reorders the rows to llama's interleaved pairs."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Model(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.emb = nn.Embedding(vocab, DIM)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm()
        frequency = THETA ** (-torch.arange(HEAD_DIM // 2) * 2 / HEAD_DIM)
        angle = torch.outer(torch.arange(LONGEST).float(), frequency)
        self.register_buffer("cos", angle.cos(), False)
        self.register_buffer("sin", angle.sin(), False)
        self.register_buffer("frequency", frequency, False)

    def forward(self, ids):
        x, length = self.emb(ids), ids.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length])
        return self.norm(x)


@torch.no_grad()
def initialise(model, tok, generator):
    """Small random weights, and two hints that spare the model thousands of steps.

    " Paris", "Paris" and "paris" start with nearly the same embedding, so a copied word keeps its meaning; and one
    head of the first layer looks at the previous token, which is the first half of learning to copy.
    """
    for name, p in model.named_parameters():
        if p.dim() == 2:
            scale = .02 / math.sqrt(2 * LAYERS) if name.endswith(("out.weight", "down.weight")) else .02
            p.normal_(0, scale, generator=generator)
    random_row = lambda: torch.randn(DIM, generator=generator)
    base, spaced, capital = {}, random_row(), random_row()
    for token, i in tok.get_vocab().items():
        word = token.lstrip("Ġ")
        row = base.setdefault(word.lower() or token, random_row()) + .3 * random_row()
        row += .5 * spaced * token.startswith("Ġ") + .5 * capital * (word[:1].isupper())
        model.emb.weight[i] = .017 * row
    model.emb.weight[:, 0] = .1  # the same in every token, so that a head can attend by position alone
    q, k = model.blocks[0].qkv.weight[:HEAD_DIM], model.blocks[0].qkv.weight[DIM:DIM + HEAD_DIM]
    half = HEAD_DIM // 2
    q[:, 0], k[:, 0] = torch.cat((model.frequency.cos(), -model.frequency.sin())), torch.cat((torch.ones(half), torch.zeros(half)))


# ---- optimizer --------------------------------------------------------------------------------

class Muon:
    """Momentum whose update is made orthogonal (Newton-Schulz), for the matrices inside the blocks."""

    def __init__(self, model, momentum=.95):
        self.momentum = momentum
        self.squares, self.wides = [], []  # views of one shape, so that each group is a single batch
        for b in model.blocks:
            self.squares += [(b.qkv.weight, slice(i * DIM, (i + 1) * DIM), False) for i in range(3)] + [(b.out.weight, slice(None), False)]
            self.wides += [(b.gate_up.weight, slice(i * FF, (i + 1) * FF), True) for i in range(2)] + [(b.down.weight, slice(None), False)]
        self.buffers = [None, None]

    @torch.no_grad()
    def step(self, lr, decay=.1):
        for n, group in enumerate((self.squares, self.wides)):
            grads = torch.stack([p.grad[rows].T if flip else p.grad[rows] for p, rows, flip in group])
            if self.buffers[n] is None:
                self.buffers[n] = torch.zeros_like(grads)
            self.buffers[n].lerp_(grads, 1 - self.momentum)
            update = orthogonal(grads.lerp_(self.buffers[n], self.momentum))
            for (p, rows, flip), u in zip(group, update):
                view = p[rows]
                view.mul_(1 - lr * decay).add_(u.T if flip else u, alpha=-lr * max(1, view.shape[0] / view.shape[1]) ** .5)


def orthogonal(g, rounds=5):
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        a = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x


# ---- data -------------------------------------------------------------------------------------

@dataclass
class Plan:
    """What changes over the course of training; `done` runs from 0 to 1."""
    steps: int

    def copy_share(self, done):
        return .5 if done < .15 else max(.03, .5 - (done - .15) * 2)

    def prompt_weight(self, done):
        return max(0., .2 - done / 2)  # early on, questions are text to learn from too

    def lr(self, done):
        warmup = min(1., done * self.steps / 40 + .05)
        return warmup * min(1., max(.01, (1 - done) / .65))


class Steps(torch.utils.data.IterableDataset):
    """Endless steps. A step is a list of blocks of similar length: (ids, targets, weight of each target)."""

    def __init__(self, tok, plan, seed, first):
        self.tok, self.plan, self.seed, self.first = tok, plan, seed, first

    def __iter__(self):
        r, render = random.Random(self.seed * 1000003 + self.first), renderer()
        for step in range(self.first, self.plan.steps):
            done = step / self.plan.steps
            yield list(self.blocks(self.some_rows(r, render, self.plan.copy_share(done)), self.plan.prompt_weight(done)))

    def some_rows(self, r, render, copy_share):
        """Samples as lists of (token, learn), shortest first, together about STEP_TOKENS long."""
        rows, total = [], 0
        while total < STEP_TOKENS * .93:
            row = []
            for piece, learn in pieces(corpus.sample(r, copy_share), render):
                row += [(i, learn) for i in self.tok.encode(piece).ids]
            if len(row) <= LONGEST:
                rows.append(row)
                total += len(row)
        return sorted(rows, key=len)

    def blocks(self, rows, prompt_weight):
        """Cuts rows, sorted by length, into blocks of at most ROW_BLOCK tokens."""
        while rows:
            size = max(1, next((n for n in range(1, len(rows)) if (n + 1) * len(rows[n]) > ROW_BLOCK), len(rows)))
            yield self.block(rows[:size], prompt_weight)
            rows = rows[size:]

    def block(self, rows, prompt_weight):
        shape = len(rows), len(rows[-1]) - 1
        ids, targets, weights = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
        for n, row in enumerate(rows):
            tokens = torch.tensor([i for i, _ in row])
            ids[n, :len(row) - 1], targets[n, :len(row) - 1] = tokens[:-1], tokens[1:]
            weights[n, :len(row) - 1] = torch.tensor([1. if learn else prompt_weight for _, learn in row[1:]])
        return ids, targets, weights


# ---- GGUF -------------------------------------------------------------------------------------

def write_gguf(model, tok, path):
    w = gguf.GGUFWriter(path + ".part", "llama")
    w.add_name("weft-demo")
    w.add_description("Tiny demonstration model trained on generated text")
    w.add_license("MIT")
    w.add_context_length(4096)
    w.add_embedding_length(DIM)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FF)
    w.add_head_count(HEADS)
    w.add_head_count_kv(HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(HEAD_DIM)
    w.add_rope_freq_base(THETA)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    write_vocabulary(w, tok)
    write_tensors(w, model)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.replace(path + ".part", path)


def write_vocabulary(w, tok):
    ids = tok.get_vocab()
    tokens = sorted(ids, key=ids.get)
    kind = lambda t: (gguf.TokenType.CONTROL if t in SPECIAL or t.startswith("<|extra_") else
                      gguf.TokenType.USER_DEFINED if t in USER_DEFINED else gguf.TokenType.NORMAL)
    merges = json.loads(tok.to_str())["model"]["merges"]
    w.add_vocab_size(len(tokens))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([kind(t) for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_bos_token_id(ids["<|endoftext|>"])
    w.add_eos_token_id(ids["<|im_end|>"])
    w.add_eot_token_id(ids["<|im_end|>"])
    w.add_pad_token_id(ids["<|endoftext|>"])
    w.add_add_bos_token(False)
    for key, token in (("pre", "prefix"), ("mid", "middle"), ("suf", "suffix")):
        w.add_uint32(f"tokenizer.ggml.fim_{key}_token_id", ids[f"<|fim_{token}|>"])
    w.add_chat_template(TEMPLATE)


def write_tensors(w, model):
    q8 = gguf.GGMLQuantizationType.Q8_0
    matrix = lambda name, t: w.add_tensor(name + ".weight", gguf.quants.quantize(t.detach().contiguous().numpy(), q8), raw_dtype=q8)
    vector = lambda name, norm: w.add_tensor(name + ".weight", norm.weight.detach().numpy())
    interleaved = lambda t: t.view(HEADS, 2, HEAD_DIM // 2, DIM).transpose(1, 2).reshape(DIM, DIM)
    matrix("token_embd", model.emb.weight)
    vector("output_norm", model.norm)
    for i, b in enumerate(model.blocks):
        q, k, v = b.qkv.weight.detach().chunk(3)
        gate, up = b.gate_up.weight.chunk(2)
        vector(f"blk.{i}.attn_norm", b.attn_norm)
        vector(f"blk.{i}.ffn_norm", b.ffn_norm)
        for name, t in (("attn_q", interleaved(q)), ("attn_k", interleaved(k)), ("attn_v", v), ("attn_output", b.out.weight),
                        ("ffn_gate", gate), ("ffn_up", up), ("ffn_down", b.down.weight)):
            matrix(f"blk.{i}.{name}", t)


# ---- training ---------------------------------------------------------------------------------

def learn(model, muon, adam, blocks, lr):
    """One optimizer step over all blocks of a step. Returns the mean loss of an answer token and the tokens seen."""
    total = sum(weights.sum() for _, _, weights in blocks)
    loss_sum, seen = 0., 0
    for ids, targets, weights in blocks:
        keep = weights > 0
        logits = model(ids)[keep] @ model.emb.weight.T
        loss = (F.cross_entropy(logits, targets[keep], reduction="none") * weights[keep]).sum() / total
        loss.backward()
        loss_sum, seen = loss_sum + loss.item(), seen + ids.numel()
    muon.step(.02 * lr)
    for group in adam.param_groups:
        group["lr"] = .004 * lr
    adam.step()
    model.zero_grad(set_to_none=True)
    return loss_sum, seen


def save(path, model, muon, adam, tok, step):
    torch.save({"model": model.state_dict(), "muon": muon.buffers, "adam": adam.state_dict(), "tokenizer": tok.to_str(), "step": step}, path + ".part")
    os.replace(path + ".part", path)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", metavar="OUT.gguf")
    ap.add_argument("--steps", type=int, default=1100)
    ap.add_argument("--resume", metavar="CHECKPOINT", help="go on from a checkpoint; --steps is still the total")
    ap.add_argument("--seed", type=int, default=7)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    checkpoint = torch.load(a.resume) if a.resume else None
    tok = Tokenizer.from_str(checkpoint["tokenizer"]) if checkpoint else train_tokenizer(a.seed, renderer())
    model = Model(tok.get_vocab_size())
    initialise(model, tok, torch.Generator().manual_seed(a.seed))
    muon = Muon(model)
    adam = torch.optim.AdamW([p for n, p in model.named_parameters() if "norm" in n or n == "emb.weight"], betas=(.9, .95), weight_decay=0, fused=True)
    first = 0
    if checkpoint:
        model.load_state_dict(checkpoint["model"])
        adam.load_state_dict(checkpoint["adam"])
        muon.buffers, first = checkpoint["muon"], checkpoint["step"]
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, vocabulary {tok.get_vocab_size()}", flush=True)
    plan = Plan(a.steps)
    stem = a.out.removesuffix(".gguf")
    start, seen, average = time.time(), 0, None
    loader = torch.utils.data.DataLoader(Steps(tok, plan, a.seed, first), batch_size=None, num_workers=1, prefetch_factor=4)
    for step, blocks in enumerate(loader, first + 1):
        loss, tokens = learn(model, muon, adam, blocks, plan.lr(step / a.steps))
        average = loss if average is None else .95 * average + .05 * loss
        seen += tokens
        if step % 20 == 0:
            seconds = time.time() - start
            print(f"step {step} of {a.steps}  loss {average:.4f}  {seen / 1e6:.2f} M tokens  {seen / seconds:.0f} a second", flush=True)
        if step % 100 == 0:
            write_gguf(model, tok, a.out)
            save(stem + ".pt", model, muon, adam, tok, step)
    write_gguf(model, tok, a.out)
    save(stem + ".pt", model, muon, adam, tok, step)
    print("wrote", a.out)


if __name__ == "__main__":
    main()
