#!/usr/bin/env python3
"""The schema of `braid schema` against the files of the tree, by a validator of draft-07.

Files that `braid check` finds right must validate, and those with faults that a schema can see must
not; nor may right files into which one such fault was brought. 77 = skipped.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys

try:
    from jsonschema import Draft7Validator
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed")
    sys.exit(77)

braid, as_json, source = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
failures = 0


def expect(fine, message):
    global failures
    if not fine:
        failures += 1
        print("FAILED:", message)


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True)


schema_text = run(braid, "schema").stdout
schema = json.loads(schema_text)
Draft7Validator.check_schema(schema)
validator = Draft7Validator(schema)

expect(run(braid, "schema").stdout == schema_text, "two runs write one schema")
expect(json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n" == schema_text,
       "the keys of the schema are sorted")
committed = source / "examples/braid.schema.json"
expect(committed.exists() and committed.read_text() == schema_text,
       "examples/braid.schema.json is not current: braid schema --out examples/braid.schema.json")

for example in sorted((source / "examples").rglob("*.yaml")):
    up = "../" * (len(example.relative_to(committed.parent).parts) - 1)
    line = f"# yaml-language-server: $schema={up}braid.schema.json\n"
    expect(example.read_text().startswith(line), f"{example.name} does not begin with {line}")


def why_not(document):
    error = next(iter(sorted(validator.iter_errors(document), key=lambda e: len(e.path))), None)
    return error and f"{list(error.path)}: {error.message[:300]}"


paths = [str(p) for folder in ("examples", "tests", "demo") for p in (source / folder).rglob("*.yaml")]
documents = {}
for line in run(as_json, *sorted(paths)).stdout.splitlines():
    entry = json.loads(line)
    documents[entry["path"]] = entry["value"]

# Right files, and files that bring blocks to others.
right = {}
for path, document in documents.items():
    if not isinstance(document, dict):
        continue
    checked = run(braid, "check", path, "--json")
    codes = set(re.findall(r'"code":\s*"([EW]\d+)"', checked.stderr))
    name = pathlib.Path(path).relative_to(source)
    if checked.returncode == 0:
        right[path] = document
        reason = why_not(document)
        expect(reason is None, f"{name} is right, and refused: {reason}")
    elif "/examples/" in path and set(document) <= {"braid", "name", "params", "include", "blocks"}:
        reason = why_not(document)
        expect(reason is None, f"{name} brings blocks, and is refused: {reason}")
    elif codes & {"E0103", "E0104", "E0106", "E0107", "E0330", "E0331"}:
        # Types, parameters and keys that are unknown, missing or out of range; a block's params and
        # what stands behind an expression no schema knows.
        if not any("$" in json.dumps(v) or "use" in json.dumps(v) for v in [document]):
            expect(why_not(document) is not None, f"{name} is wrong, and accepted")
expect(len(right) >= 8, f"only {len(right)} right files were found")


def places(node, path=()):
    """Mappings of a document, with the path to each."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            # What a block's params mean, no schema knows; what begins with x- is the user's.
            if "use" not in node and not key.startswith("x-"):
                yield from places(value, path + (key,))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from places(value, path + (i,))


def changed(document, path, key, value):
    result = copy.deepcopy(document)
    node = result
    for step in path:
        node = node[step]
    node[key] = value
    return result


def names_are_free(path, node):
    """What is between these braces is the user's to name, or belongs to a block."""
    last = path[-1] if path else None
    return (last in ("params", "outputs", "from", "for", "sync", "freeze", "tie") or "params" in path
            or "use" in node or "init" in path or "constant" in path
            or last == "feed" or (path[:1] == ("pipeline",) and "call" in node))


faults = 0
tried = set()


def first(where, node, key):
    """Whether such a fault is the first of its kind: at a mapping of that type in that position."""
    kind = tuple(step for step in where if not isinstance(step, int)), str(node.get("type")), key
    if kind in tried:
        return False
    tried.add(kind)
    return True


for path, document in right.items():
    name = pathlib.Path(path).relative_to(source)
    for where, node in places(document):
        if not names_are_free(where, node) and first(where, node, "unheard_of"):
            faults += 1
            expect(not validator.is_valid(changed(document, where, "unheard_of", 1)),
                   f"{name}: an unknown key at {where} is accepted")
        for key, value in node.items():
            wrong = {"type": "Unheard", "dtype": "f31", "bias": "yes", "shuffle": "yes", "flip": "up",
                     "every": 0, "replicas": 0, "kernel_size": 0, "mode": "nearer", "last": "kept",
                     "recompute": "maybe", "when": "later", "lr": "fast"}.get(key)
            if wrong is None or names_are_free(where, node) or isinstance(value, (dict, list)):
                continue
            if not first(where, node, key):
                continue
            faults += 1
            expect(not validator.is_valid(changed(document, where, key, wrong)),
                   f"{name}: {key}: {wrong} at {where} is accepted")
        if not {"from", "for", "init", "constant"} & set(where) and first(where, node, "x-mine"):
            expect(validator.is_valid(changed(document, where, "x-mine", {"any": [1]})),
                   f"{name}: x-mine at {where} is refused")

print(f"{len(right)} right files validate, {faults} faults are refused, {failures} failures")
expect(faults >= 200, f"only {faults} faults were tried")
sys.exit(1 if failures else 0)
