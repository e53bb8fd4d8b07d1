"""How far are logits with the kernels from those without? logits_test.py COMPARE_LOGITS LIBRARY, on the demo model and text of its
own kind, in several types, with AMX and with the best other instruction set that this processor has (all others compute alike to the
last bit, which kernels_test checks).

Without AMX activations are rounded as ggml rounds them, so ggml's own kernels are what they are compared with. AMX multiplies in
BF16, which is nearer to what exact arithmetic gives than ggml is: it is compared with the same weights in 32 bits.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/demo"))
from sample_text import conversations  # noqa: E402

TOOL, LIBRARY = sys.argv[1:3]
DEMO = ROOT / "models/weft-demo.gguf"
LARGEST_KL, SAME_TOP, PERPLEXITY_OFF = 1e-4, 99.5, 0.001
FEATURES = {"amx": "amx_bf16", "avx512bf16": "avx512_bf16", "avx512vnni": "avx512_vnni", "avxvnni": "avx_vnni", "avx2": "avx2"}


def quantised(folder, source, kind):
    path = Path(folder) / f"{Path(source).stem}-{kind}.gguf"
    subprocess.run(["llama-quantize", "--allow-requantize", source, path, kind], check=True, capture_output=True)
    return path


def compare(instruction_set, model, text, exact):
    """{what: (mean KL, same top token in %)} and {which: perplexity}"""
    env = {**os.environ, "WEFT_KERNELS_ISA": instruction_set, "OMP_WAIT_POLICY": "passive"}
    env.pop("WEFT_KERNELS", None)
    out = subprocess.run([TOOL, model, text, LIBRARY, *([exact] if exact else [])], env=env, text=True, capture_output=True, check=True).stdout
    distances = {what: (float(kl), float(top)) for what, kl, top in
                 re.findall(r"^(.*): KL mean (\S+) worst \S+; same top token (\S+) %$", out, re.M)}
    without, ours = re.search(r"perplexity (\S+) without, (\S+) with", out).groups()
    exactly = re.findall(r"exactly: perplexity (\S+)", out)
    return distances, {"without": float(without), "with": float(ours), **{"exactly": float(e) for e in exactly}}


class Logits(unittest.TestCase):
    def test_logits_are_as_near_to_the_reference_as_the_rounding_of_activations_allows(self):
        words = set(Path("/proc/cpuinfo").read_text().split())
        here = [name for name, feature in FEATURES.items() if feature in words]
        here = [name for name in here if name == "amx"] + [name for name in here if name != "amx"][:1]
        with tempfile.TemporaryDirectory(prefix="weft-logits-") as folder:
            text = Path(folder) / "text"
            text.write_text(conversations(count=150, seed=7))
            in_32_bits = quantised(folder, DEMO, "F32")
            for kind in ("Q8_0", "Q4_0", "Q4_K_M"):
                model = DEMO if kind == "Q8_0" else quantised(folder, in_32_bits, kind)
                for name in here:
                    with self.subTest(kind=kind, instruction_set=name):
                        reference, exact = ("exactly", quantised(folder, model, "F32")) if name == "amx" else ("without", None)
                        distances, perplexity = compare(name, model, text, exact)
                        kl, same_top = distances[f"{reference} and with"]
                        print(f"{kind} {name}: mean KL {kl}, same top token {same_top} %, {perplexity}")
                        self.assertLessEqual(kl, LARGEST_KL)
                        self.assertGreaterEqual(same_top, SAME_TOP)
                        self.assertLessEqual(abs(perplexity["with"] / perplexity[reference] - 1), PERPLEXITY_OFF)
                        self.assertNotEqual(perplexity["with"], perplexity["without"])  # it did run with the kernels


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
