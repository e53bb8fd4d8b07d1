"""Random schemas, texts drawn at random from their grammars, and an independent validator. No model takes part.

    python3 schema_samples.py PROGRAM [SCHEMAS] [SEED]
"""
import json, random, subprocess, sys

import jsonschema

from random_schemas import RandomSchemas, has_draft7

texts_per_schema = 8


def strip_drafts(schema):
    """Draft 7 tuples inside a 2020-12 document mean something else: one draft for the whole document."""
    if isinstance(schema, dict):
        return {key: strip_drafts(value) for key, value in schema.items() if key != "$schema"}
    if isinstance(schema, list):
        return [strip_drafts(value) for value in schema]
    return schema


def mixes_drafts(schema):
    text = json.dumps(schema)
    return has_draft7(schema) and ("prefixItems" in text or "$defs" in text)


def validator_for(schema):
    kind = jsonschema.Draft7Validator if has_draft7(schema) else jsonschema.Draft202012Validator
    return kind(strip_drafts(schema), format_checker=kind.FORMAT_CHECKER)


def main():
    program = sys.argv[1]
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    make = RandomSchemas(random.Random(seed))
    schemas = []
    while len(schemas) < wanted:
        schema = make.schema()
        if not mixes_drafts(schema):
            schemas.append(schema)
    process = subprocess.run([program, str(texts_per_schema), str(seed)], input="\n".join(json.dumps(s) for s in schemas) + "\n",
                             capture_output=True, text=True, check=True)
    answers = process.stdout.split("\n")[:-1]
    assert len(answers) == len(schemas), f"{len(answers)} answers to {len(schemas)} schemas: {process.stderr}"
    wrong = refused = apart = whole = unfinished = 0
    for schema, answer in zip(schemas, answers):
        texts = json.loads(answer)
        if isinstance(texts, dict):
            # Alternatives drawn at random cannot always be told apart: then that is what the error says.
            overlap = "keyword 'oneOf'" in texts["error"] and "tell them apart" in texts["error"]
            apart += overlap
            refused += not overlap
            print("refused:", texts["error"], json.dumps(schema))
            continue
        validator = validator_for(schema)
        for text in texts:
            if not text:
                unfinished += 1
                continue
            whole += 1
            try:
                validator.validate(json.loads(text))
            except (ValueError, jsonschema.ValidationError) as error:
                wrong += 1
                print("WRONG:", str(error).splitlines()[0], "\n  ", text[:300], "\n  ", json.dumps(schema))
    print(f"{whole} texts of {len(schemas)} schemas, {wrong} wrong, {unfinished} more unfinished; {refused} schemas refused, "
          f"{apart} more for alternatives that overlap")
    # Some random schemas contradict themselves ("minItems" beyond what a tuple allows, ...); most do not.
    assert wrong == 0 and refused * 20 <= len(schemas) and apart * 5 <= len(schemas) and unfinished * 10 <= whole


if __name__ == "__main__":
    main()
