"""Runs ggml's test-backend-ops on the plug-in: backend_ops_test.py LIBRARY [OP...]

Skipped where Debian's package of it (libggml0) is not installed. WEFT_KERNELS_ISA chooses the instruction set.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = list(Path("/usr/libexec").glob("*/ggml/test-backend-ops"))
# Op: which of its cases, and at least how many of them must run: a plug-in that claims nothing must not pass. The largest
# matrices and most attentions are left out, they take minutes on ggml's side: by hand, without -p, all of them.
OPS = {"MUL_MAT": ("k=256,", 200), "MUL_MAT_ID": ("n=(1|4|5|17|32),k=256,", 150), "GET_ROWS": (".", 10),
       "FLASH_ATTN_EXT": ("hsk=(64|128),.*kv=113,", 40)}
NO_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# ggml's CPU library itself computes no number here: it multiplies masked cells that were never written with zero.
NOT_OURS = re.compile(r"NaN at index \d+ \(WEFT=[-0-9.e]+ CPU=-?nan\)")


def run(library, op):
    env = {**os.environ, "GGML_BACKEND_PATH": library, "WEFT_KERNELS_TEST": "1",
           # Spinning threads of two libraries on a busy machine would take hours.
           "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([str(PROGRAMS[0]), "test", "-b", "WEFT", "-o", op, "-p", OPS[op][0]], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = [NO_COLOUR.sub("", line) for line in done.stdout.splitlines()]
    passed = sum(line.rstrip().endswith(": OK") for line in lines)
    failed = [line for line in lines if line.rstrip().endswith(": FAIL") and f"{op}(" in line and not NOT_OURS.search(line)]
    return passed, failed, lines


def main():
    if not PROGRAMS:
        print("skipped: no test-backend-ops here")
        return 0
    bad = False
    for op in sys.argv[2:] or OPS:
        passed, failed, lines = run(sys.argv[1], op)
        print(f"{op}: {passed} passed, {len(failed)} failed")
        bad = bad or bool(failed) or passed < OPS[op][1]
        print("\n".join(failed) if failed else "\n".join(lines[-3:]) if passed < OPS[op][1] else "", end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
