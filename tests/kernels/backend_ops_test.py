"""Runs ggml's test-backend-ops on the plug-in: backend_ops_test.py LIBRARY [OP...]

Every op with the best instruction set of this processor, products and, without OP, ops on rows with each other one that it has. Skipped
where Debian's package of the program (libggml0) is not installed. WEFT_KERNELS_ISA: this instruction set only.
"""
import collections
import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = list(Path("/usr/libexec").glob("*/ggml/test-backend-ops"))
# Op: which of its cases, and at least how many of them must run: a plug-in that claims nothing must not pass. The largest
# matrices and most attentions are left out, they take minutes on ggml's side: by hand, without -p, all of them.
OPS = {"MUL_MAT": ("k=256,", 200), "MUL_MAT_ID": ("n=(1|4|5|17|32),k=256,", 150), "GET_ROWS": (".", 10),
       "FLASH_ATTN_EXT": ("hsk=(64|80|96|112|128|192|256),.*kv=113,", 40)}
# The same for ops on rows of floats, in a run in which nothing is taken for a weight.
ROW_OPS = {"ADD": 40, "SUB": 30, "MUL": 30, "DIV": 30, "RMS_NORM": 50, "NORM": 50, "SCALE": 4, "SUM_ROWS": 10, "CLAMP": 4, "SOFT_MAX": 10,
           "ROPE": 60, "ARGSORT": 40, "GET_ROWS": 5, "SET_ROWS": 50, "CPY": 10, "CONT": 10, "DUP": 2, "SILU": 4, "GELU": 4, "GELU_QUICK": 4,
           "SIGMOID": 4, "TANH": 4, "RELU": 4, "SWIGLU": 10, "GEGLU": 10, "GEGLU_QUICK": 10, "REGLU": 10,
           "SWIGLU_OAI": 6, "ADD_ID": 10}
# Not their cases of many megabytes, which take ggml's side seconds each. Views of ROPE are as large.
ROWS = "^(?!.*(2457|80000|76800|262144|=700))"
ROWS_ELSEWHERE = "^(?!.*(2457|80000|76800|262144|=700|v=1,inplace))"
# Each of these must be among the cases of the ops on weights: a type that is no longer claimed must not pass unnoticed.
TYPES = {"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "iq4_xs", "mxfp4"}
INSTRUCTION_SETS = ("amx", "avx512bf16", "avx512vnni", "avxvnni", "avx2")  # the best first
TYPE_OF_CASE = re.compile(r"\btype(?:_a)?=(\w+)")
NO_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# ggml's CPU library itself computes no number here: it multiplies masked cells that were never written with zero.
NOT_OURS = re.compile(r"NaN at index \d+ \(WEFT=[-0-9.e]+ CPU=-?nan\)")


def run(library, op, instruction_set, cases, harness="1"):
    """The cases of an op that pass, those that fail, and all lines."""
    env = {**os.environ, "WEFT_KERNELS_ISA": instruction_set, "GGML_BACKEND_PATH": library, "WEFT_KERNELS_TEST": harness,
           # Spinning threads of two libraries on a busy machine would take hours.
           "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([str(PROGRAMS[0]), "test", "-b", "WEFT", "-o", op, "-p", cases], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = [NO_COLOUR.sub("", line) for line in done.stdout.splitlines()]
    passed = [line for line in lines if line.rstrip().endswith(": OK")]
    failed = [line for line in lines if line.rstrip().endswith(": FAIL") and re.search(r"[A-Z]\(", line) and not NOT_OURS.search(line)]
    return passed, failed, lines


def is_fine(library, op, instruction_set):
    passed, failed, lines = run(library, op, instruction_set, OPS[op][0])
    print(f"{instruction_set} {op}: {len(passed)} passed, {len(failed)} failed")
    found = {kind.group(1) for line in passed if (kind := TYPE_OF_CASE.search(line))}
    missing = TYPES - found if op != "FLASH_ATTN_EXT" else set()
    if failed:
        print("\n".join(failed))
    elif missing:
        print("not claimed:", *sorted(missing))
    elif len(passed) < OPS[op][1]:
        print("\n".join(lines[-3:]))
    return not failed and not missing and len(passed) >= OPS[op][1]


def rows_are_fine(library, instruction_set, cases):
    passed, failed, lines = run(library, ",".join(ROW_OPS), instruction_set, cases, harness="rows")
    passes = collections.Counter(line.split("(")[0].strip() for line in passed if "(" in line)
    few = [f"{op}: {passes[op]}" for op, least in ROW_OPS.items() if passes[op] < least]
    print(f"{instruction_set} on rows: {sum(passes.values())} passed, {len(failed)} failed")
    for line in failed or few and ["too few passed:", *few, *lines[-3:]]:
        print(line)
    return not failed and not few


def main():
    if not PROGRAMS:
        print("skipped: no test-backend-ops here")
        return 0
    library, ops = sys.argv[1], sys.argv[2:] or list(OPS)
    wanted = os.environ.get("WEFT_KERNELS_ISA")
    here = [name for name in ([wanted] if wanted else INSTRUCTION_SETS) if run(library, "GET_ROWS", name, ".")[0]]
    if not here:
        print("the plug-in claims nothing")
        return 0 if not wanted and not has_avx2() else 1
    results = [is_fine(library, op, here[0]) for op in ops]
    results += [is_fine(library, "MUL_MAT", name) for name in here[1:] if "MUL_MAT" in ops]
    if len(sys.argv) == 2:
        results += [rows_are_fine(library, name, ROWS if name == here[0] else ROWS_ELSEWHERE) for name in here]
    return 0 if all(results) else 1


def has_avx2():
    return " avx2 " in Path("/proc/cpuinfo").read_text()


if __name__ == "__main__":
    sys.exit(main())
