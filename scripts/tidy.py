#!/usr/bin/env python3
"""Runs clang-tidy over every source of a build folder: tidy.py BUILD_DIR JOBS [PART...].

Remembers (by hash of the preprocessed text's inputs: source, headers under the tree, settings) what
was clean, so that a second run looks only at what changed. With PARTs, only at sources whose path
holds one of them.
"""
import concurrent.futures
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ONLY_GCC = re.compile(r"-Wno-(maybe-uninitialized|restrict|stringop-overflow|array-bounds)\b")


def commands(build):
    """Our own sources, with flags that clang understands."""
    kept = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if ROOT not in path.parents or build in path.parents:
            continue
        words = [w for w in shlex.split(entry["command"]) if not ONLY_GCC.fullmatch(w)]
        if words[0].endswith("ccache"):
            words = words[1:]
        if words[0].endswith("nvcc"):  # the same source is there as C++, for the emulated device
            continue
        kept.append({"directory": entry["directory"], "file": str(path), "arguments": words})
    return kept


def fingerprint():
    """Of everything that a source may include from the tree, and the settings."""
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for header in sorted(ROOT.glob("*/**/*.h")):
        if "build" not in header.relative_to(ROOT).parts:
            digest.update(str(header.relative_to(ROOT)).encode() + header.read_bytes())
    return digest.hexdigest()


def run(database, path):
    result = subprocess.run(["clang-tidy", "-quiet", "-p", database, path], capture_output=True,
                            text=True)
    return path, result.returncode, result.stdout, result.stderr


def main(build, jobs, parts):
    entries = [e for e in commands(build) if not parts or any(p in e["file"] for p in parts)]
    cache_file = build / "tidy-clean.json"
    common = fingerprint()
    keys = {e["file"]: hashlib.sha256((common + " ".join(e["arguments"])).encode() +
                                      pathlib.Path(e["file"]).read_bytes()).hexdigest()
            for e in entries}
    clean = set(json.loads(cache_file.read_text())) if cache_file.exists() else set()
    todo = sorted({e["file"] for e in entries if keys[e["file"]] not in clean})
    print(f"{len(keys)} sources, {len(todo)} to look at")
    bad = 0
    with tempfile.TemporaryDirectory() as database:
        (pathlib.Path(database) / "compile_commands.json").write_text(json.dumps(entries))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for path, code, out, err in pool.map(lambda p: run(database, p), todo):
                if code == 0:
                    clean.add(keys[path])
                    continue
                bad += 1
                print(out or err)
    cache_file.write_text(json.dumps(sorted(clean)))
    print(f"{bad} of them with warnings" if bad else "clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3:]))
