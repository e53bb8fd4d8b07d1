#!/usr/bin/env python3
"""Renders templates with Python's jinja2 and with weft's interpreter and compares the bytes.

usage: differential.py RENDER_LINES [--show N] [--all]

Three sets: expressions.txt (one snippet per line), templates/*.jinja (our own, in the manner of the model families) and,
when the folder exists, real model templates: $WEFT_MODEL_DATA or ../shared/model-data/jinja beside the source tree.
Either both sides fail, or both write the same text.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

import conversations

HERE = pathlib.Path(__file__).resolve().parent
NOW = 1_767_323_045  # 2026-01-02 03:04:05 UTC


class GenerationTag(jinja2.ext.Extension):
    """{% generation %} marks text for training and changes nothing."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def reference_environment():
    """As chat templates are rendered by the model authors' own library."""

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(format):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(format)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment


def render_reference(environment, compiled, template, variables):
    try:
        if template not in compiled:
            compiled[template] = environment.from_string(template)
        text = compiled[template].render(**variables)
        text.encode()
        return {"text": text}
    except Exception as error:  # whatever the template provokes
        return {"error": f"{type(error).__name__}: {error}"}


def render_ours(program, cases):
    lines = [json.dumps({"template": c["template"], "variables": c["variables"], "now": NOW}) for c in cases]
    run = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=240,
                         env={**os.environ, "TZ": "UTC"})
    if run.returncode != 0:
        sys.exit(f"{program} ended with {run.returncode}: {run.stderr[-4000:]}")
    return [json.loads(line) for line in run.stdout.split("\n") if line][: len(cases)]


def expression_cases():
    for line in (HERE / "expressions.txt").read_text().split("\n"):
        if line and not line.startswith("##"):
            template = line
            if line.startswith("~"):
                template = line.replace("\\r", "\r").replace("\\n", "\n").replace("\\u00a0", "\u00a0")
            yield {"name": line, "template": template.removeprefix("~"), "variables": conversations.SNIPPET_VARIABLES}


def template_cases(folder, everything):
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text()
        for name, variables in conversations.ALL if everything else conversations.SELECTION:
            yield {"name": f"{path.name} / {name}", "template": source, "variables": variables}


def differences(program, cases):
    environment, compiled, found, failing = reference_environment(), {}, [], 0
    answers = render_ours(program, cases)
    assert len(answers) == len(cases), f"{len(answers)} answers for {len(cases)} cases"
    for case, ours in zip(cases, answers):
        reference = render_reference(environment, compiled, case["template"], case["variables"])
        both_fail = "error" in ours and "error" in reference
        failing += both_fail
        if not both_fail and ours != reference:
            found.append((case["name"], reference, ours))
    return found, failing


def excerpt(reference, ours):
    if "text" not in reference or "text" not in ours:
        return f"  jinja2: {str(reference)[:400]}\n  ours:   {str(ours)[:400]}"
    a, b = reference["text"], ours["text"]
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"  at {at}\n  jinja2: {a[max(0, at - 60):at + 60]!r}\n  ours:   {b[max(0, at - 60):at + 60]!r}"


def report(what, program, cases, show):
    found, failing = differences(program, cases)
    print(f"{what}: {len(cases) - len(found)} of {len(cases)} equal, {failing} of them failing in both")
    for name, reference, ours in found[:show]:
        print(f"- {name}\n{excerpt(reference, ours)}")
    return not found


def model_data():
    named = os.environ.get("WEFT_MODEL_DATA")
    beside = HERE.parents[2] / "shared" / "model-data" / "jinja"
    for folder in (pathlib.Path(named) if named else None, beside):
        if folder and folder.is_dir():
            return folder / "jinja" if (folder / "jinja").is_dir() else folder
    return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--show", type=int, default=10, help="differences to print per set")
    arguments.add_argument("--all", action="store_true", help="every conversation with every setting: minutes")
    options = arguments.parse_args()
    same = report("expressions", options.program, list(expression_cases()), options.show)
    same &= report("own templates", options.program, list(template_cases(HERE / "templates", options.all)), options.show)
    real = model_data()
    if real:
        same &= report("real templates", options.program, list(template_cases(real, options.all)), options.show)
    else:
        print("real templates: skipped, set WEFT_MODEL_DATA to a folder of *.jinja files")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
