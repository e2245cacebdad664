#!/usr/bin/env python3
"""Runs clang-tidy over every source of a build folder: tidy.py BUILD_DIR JOBS [PART...].

Most of its time goes into headers, the same ones for every source of a folder. So sources with equal
flags are looked at together, as one translation unit: what each declares stands in a namespace of its
own there; where that cannot be, sources whose names do not collide go together. Such a unit only ever
proves that all of its sources are clean: what it has something to say of is looked at alone.

Remembers (by hash of the preprocessed text's inputs: source, headers under the tree, settings) what
was clean, so that a second run looks only at what changed. With PARTs, only at sources whose path
holds one of them.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERBOSE = "TIDY_VERBOSE" in os.environ  # says why a unit was cut
TOGETHER = 24  # sources in one unit
COMPILER = re.compile(r"/(c\+\+|g\+\+|clang\+\+|nvcc)[^/]*$")
ONLY_GCC = re.compile(r"-Wno-(maybe-uninitialized|restrict|stringop-overflow|stringop-overread|array-bounds)"
                      r"|-fno-reorder-blocks-and-partition|-fpch-preprocess|-Winvalid-pch")


def commands(build):
    """Our own sources, with flags that clang understands. Those that a source made by the build
    includes, such as packs of kernels, count for themselves."""
    kept = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix == ".c":
            continue
        words = [w for w in shlex.split(entry["command"]) if not ONLY_GCC.fullmatch(w)]
        words = words[[i for i, w in enumerate(words) if COMPILER.search(w)][0]:]
        if words[0].endswith("nvcc"):  # the same source is there as C++, for the emulated device
            continue
        paths = [path]
        if build in path.parents and path.suffix == ".cu":
            paths = map(pathlib.Path, re.findall('#include "(.*)"', path.read_text()))
        for source in paths:
            if ROOT in source.parents and build not in source.parents:
                own = [str(source) if word == entry["file"] else word for word in words]
                kept.append({"directory": entry["directory"], "file": str(source), "arguments": own})
    return kept


def flags(entry):
    """Of a compilation, without its input and outputs."""
    kept, words = ["-DHWY_COMPILE_ONLY_STATIC"], iter(entry["arguments"][1:])  # one target is enough
    for word in words:
        if word in ("-o", "-MF", "-MT", "-MQ", "-include"):  # what is included so is precompiled
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


NO_NAMES = ("namespace", "using namespace", "template", "TEST", "INSTANTIATE", "BENCHMARK", "HWY")


def separable(text):
    """Whether all that a source declares may stand in a namespace of its own: it opens ours once and no
    other that headers know, defines no member of a class that a header declares, no macro, and calls
    nothing that it defines for others."""
    opened = re.findall(r"^namespace braid(?:::\w+)* {$", text, re.M)
    return (len(opened) == 1 and "using namespace braid" not in text and not NOT_APART.search(text)
            and not calls_its_own(text))


def calls_its_own(text):
    """Whether a function that a header may declare is defined and called: in a namespace of its own there
    would be two of it to choose from."""
    outside = re.sub(r"^namespace {$.*?^}  // namespace$", "", text, flags=re.M | re.S)
    return any(re.search(rf"^[ \t].*(?<![\w.>:]){name}\(", text, re.M) for name in names(outside))


NOT_APART = re.compile(r"^ *#(?!include)|^#include .*\.(?:inc|cpp)\"|^extern|^int main|^(?:struct|class) \w+;"
                       r"|^namespace (?!braid)\w+(?<!_cuda) {$"
                       r"|^(?:\w[^={(\n]*[\s&*])?(?:\w+(?:<.*>)?::)+~?(?:operator\b[^(]*|\w+)(?:\(|\s*=)", re.M)


def joined(unit):
    """The text of a unit: all headers, then the sources, each in a namespace of its own."""
    texts = [pathlib.Path(entry["file"]).read_text() for entry in unit]
    if not all(map(separable, texts)):
        return "".join(f'#include "{entry["file"]}"\n' for entry in unit)
    text = "\n".join(line for text in texts for line in re.findall(r"^#include .*$", text, re.M))
    for i, (entry, source) in enumerate(zip(unit, texts)):
        source = re.sub(r"^#include .*$", "", source, flags=re.M)
        source = re.sub(r"^(namespace braid(?:::\w+)*) {$", rf"\1::unit_{i} {{", source, flags=re.M)
        text += f"\n// {entry['file']}\n{source}"
    return text


def culprits(path, unit, said):
    """The sources of a unit that errors name."""
    files = {e["file"] for e in unit}
    found = files & set(re.findall(r"^(\S+?):\d+:\d+: error:", said, re.M))
    lines = pathlib.Path(path).read_text().splitlines()
    for number in re.findall(rf"^{re.escape(path)}:(\d+):\d+: error:", said, re.M):
        above = (line[3:] for line in reversed(lines[:int(number)]) if line[3:] in files)
        found.add(next(above, None))
    return [e for e in unit if e["file"] in found]


def units(entries):
    """Lists of entries that can be looked at together."""
    packs = {}
    for entry in sorted(entries, key=lambda e: e["file"]):
        text = pathlib.Path(entry["file"]).read_text()
        apart = separable(text)
        mine = set() if apart else names(text)
        targets = tuple(re.findall(r'#include ".*targets.h"', text))  # of vector code: macros
        alike = packs.setdefault((apart, targets, entry["directory"], flags(entry)), [])
        for pack, taken in alike:
            if len(pack) < TOGETHER and not taken & mine:
                pack.append(entry)
                taken |= mine
                break
        else:
            alike.append(([entry], mine))
    return [pack for alike in packs.values() for pack, _ in alike]


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
        pathlib.Path(path).write_text(joined(unit))
    # A source in a unit finds its neighbours as it does alone.
    beside = dict.fromkeys(f"-iquote{pathlib.Path(e['file']).parent}" for e in unit[1:] and unit)
    result = subprocess.run(
        ["clang-tidy", "-quiet", f"--config-file={ROOT}/.clang-tidy", path, "--", *flags(first), *beside],
        cwd=first["directory"], capture_output=True, text=True)
    if result.returncode == 0:
        return [e["file"] for e in unit], []
    if len(unit) == 1:
        return [], [result.stdout or result.stderr]
    named = culprits(path, unit, result.stdout)
    if VERBOSE:
        print(len(unit), first["file"], *re.findall(r".*error:.*", result.stdout)[:3], sep="\n  ")
    if len(named) in (0, len(unit)):
        parts = [unit[:len(unit) // 2], unit[len(unit) // 2:]]
    else:
        parts = [[e for e in unit if e not in named], *([e] for e in named)]
    clean, said = [], []
    for part in parts:
        more, words = look(folder, part)
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
