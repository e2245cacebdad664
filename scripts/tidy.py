#!/usr/bin/env python3
"""Runs clang-tidy over every source of a build folder: tidy.py BUILD_DIR JOBS [PART...].

Most of its time goes into headers, the same ones for every source of a folder. So sources with equal
flags whose names do not collide are looked at together, as one translation unit that includes them.
Such a unit only ever proves that all of its sources are clean: where it has anything to say, they
are looked at one by one.

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
TOGETHER = 12  # sources in one unit
ONLY_GCC = re.compile(r"-Wno-(maybe-uninitialized|restrict|stringop-overflow|array-bounds)"
                      r"|-fno-reorder-blocks-and-partition")


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


def flags(entry):
    """Of a compilation, without its input and outputs."""
    kept, words = [], iter(entry["arguments"][1:])
    for word in words:
        if word in ("-o", "-MF", "-MT", "-MQ"):
            next(words)
        elif word not in ("-c", "-MD", entry["file"]) and not entry["file"].endswith("/" + word):
            kept.append(word)
    return tuple(kept)


def names(text):
    """What a source declares outside of braces: the words that two sources of a unit must not share.
    Formatted text is assumed, where such declarations begin in the first column."""
    found = set()
    for line in text.splitlines():
        if not line or line[0] in " \t#/{})*\"" or line.startswith(NO_NAMES):
            continue
        if words := re.findall(r"\w+", re.split(r"[=({;\[]", line, maxsplit=1)[0]):
            found.add(words[-1])
        if kind := re.match(r"(?:struct|class|enum class|enum)\s+(\w+)", line):
            found.add(kind[1])
    return found


NO_NAMES = ("namespace", "using namespace", "template", "TEST", "INSTANTIATE", "BENCHMARK")


def units(entries):
    """Lists of entries that can be looked at together."""
    alone, packs = [], {}
    for entry in sorted(entries, key=lambda e: e["file"]):
        text = pathlib.Path(entry["file"]).read_text()
        if "HWY" in text or "foreach_target" in text:  # includes itself, once per target
            alone.append([entry])
            continue
        mine = names(text)
        alike = packs.setdefault((entry["directory"], flags(entry)), [])
        for pack, taken in alike:
            if len(pack) < TOGETHER and not taken & mine:
                pack.append(entry)
                taken |= mine
                break
        else:
            alike.append(([entry], mine))
    return alone + [pack for alike in packs.values() for pack, _ in alike]


def fingerprint():
    """Of everything that a source may include from the tree, and the settings."""
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for header in sorted(ROOT.glob("*/**/*.h")):
        if "build" not in header.relative_to(ROOT).parts:
            digest.update(str(header.relative_to(ROOT)).encode() + header.read_bytes())
    return digest.hexdigest()


def look(folder, unit):
    """The sources of a unit that are clean, and what was said of the others."""
    first = unit[0]
    path = first["file"]
    if len(unit) > 1:
        digest = hashlib.sha256(" ".join(e["file"] for e in unit).encode()).hexdigest()[:16]
        path = f"{folder}/{digest}.cpp"
        pathlib.Path(path).write_text("".join(f'#include "{e["file"]}"\n' for e in unit))
    result = subprocess.run(
        ["clang-tidy", "-quiet", f"--config-file={ROOT}/.clang-tidy", path, "--", *flags(first)],
        cwd=first["directory"], capture_output=True, text=True)
    if result.returncode == 0:
        return [e["file"] for e in unit], []
    if len(unit) == 1:
        return [], [result.stdout or result.stderr]
    clean, said = [], []
    for entry in unit:
        more, words = look(folder, [entry])
        clean += more
        said += words
    return clean, said


def main(build, jobs, parts):
    entries = {e["file"]: e for e in commands(build)
               if not parts or any(p in e["file"] for p in parts)}
    cache_file = build / "tidy-clean.json"
    common = fingerprint()
    keys = {path: hashlib.sha256((common + " ".join(e["arguments"])).encode() +
                                 pathlib.Path(path).read_bytes()).hexdigest()
            for path, e in entries.items()}
    clean = set(json.loads(cache_file.read_text())) if cache_file.exists() else set()
    todo = units([e for path, e in entries.items() if keys[path] not in clean])
    print(f"{len(keys)} sources, {sum(map(len, todo))} to look at, in {len(todo)} units", flush=True)
    bad = 0
    with (tempfile.TemporaryDirectory() as folder,
          concurrent.futures.ThreadPoolExecutor(jobs) as pool):
        for paths, said in pool.map(lambda unit: look(folder, unit), todo):
            clean.update(keys[path] for path in paths)
            bad += len(said)
            for words in said:
                print(words, flush=True)
    cache_file.write_text(json.dumps(sorted(clean)))
    print(f"{bad} of them with warnings" if bad else "clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3:]))
