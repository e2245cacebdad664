#!/usr/bin/env python3
"""No two classes of the library share a name: the linker would take the members of one for both.

    one_definition.py SOURCE_DIR
"""
import collections
import pathlib
import re
import sys

ROOMS = ("core", "compiler", "dsl", "nodes", "runtime", "onnx", "capi", "cli")


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


def main(root):
    places = collections.defaultdict(set)
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                for name in classes(path.read_text()):
                    places[name].add(str(path.relative_to(root)))
    # Templates over different kinds of arguments, so that their members have different names.
    places.pop("braid::batch_norm::HWY_NAMESPACE::Places", None)
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    for name, paths in twice.items():
        print(f"{name} is defined in {' and in '.join(sorted(paths))}")
    print(f"{len(places)} classes")
    return 1 if twice or len(places) < 300 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
