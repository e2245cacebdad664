#!/usr/bin/env python3
"""No two classes of the library, or of a test program, share a name: the linker would take the members of
one for both.

    one_definition.py SOURCE_DIR
"""
import collections
import pathlib
import re
import sys

ROOMS = ("core", "compiler", "dsl", "nodes", "runtime", "onnx", "capi", "cli")
STAND_INS = ("emulator", "streams")  # for parts of nodes/cuda, which those programs are without


def classes(text):
    """Those that other sources could mean by the same name, with their namespaces."""
    spaces = []
    for line in text.splitlines():
        if opened := re.match(r"namespace(?: ([\w:]+))? {$", line):
            spaces.append(opened[1])
        elif line.startswith("}  // namespace"):
            spaces.pop()
        elif found := re.match(r"(?:struct|class) (\w+)(?: final)?(?: : [^{;]*)? {", line):
            if None not in spaces:
                yield "::".join([*spaces, found[1]])


def places_of(root, folders):
    """The files that define a class, by its name."""
    places = collections.defaultdict(set)
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                for name in classes(path.read_text()):
                    places[name].add(str(path.relative_to(root)))
    # Templates over different kinds of arguments, so that their members have different names.
    places.pop("braid::batch_norm::HWY_NAMESPACE::Places", None)
    return places


def main(root):
    twice, count = {}, 0
    for folder in sorted(path for path in (root / "tests").iterdir() if path.is_dir()):
        for name, paths in places_of(root, (*ROOMS, folder, "tests/support")).items():
            count += 1
            if folder.name in STAND_INS:
                paths = {path for path in paths if not path.startswith("nodes/cuda/")}
            if len(paths) > 1:
                twice[name] = paths
    for name, paths in twice.items():
        print(f"{name} is defined in {' and in '.join(sorted(paths))}")
    print(f"{count} classes, counted in each of the programs")
    return 1 if twice or count < 300 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
