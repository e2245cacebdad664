"""Mappings and lists as text, in the layout of `braid fmt`: what fits in 120 columns stands on a line."""
import re

COLUMNS = 120
FIRST = ["for", "name", "type", "use", "share", "if", "when", "from"]
LAST = ["repeat", "sync", "freeze", "recompute", "init", "constant", "spectral_norm", "on_replicate",
        "expect", "note", "layers"]
ODD = {"~", "null", "Null", "NULL", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off",
       "OFF", "y", "Y", "n", "True", "TRUE", "False", "FALSE", "true", "false", "int", "float", "bool",
       "text", "list", "layer"}


class Word(str):
    """Text that stands without quotes, such as a type of a param."""


def is_plain(text, flow):
    if not text or text != text.strip(" ") or text.endswith(":") or text[0] in "?:,[]{}#&*!|>'\"%@`":
        return False
    if text[0] == "-" and (len(text) == 1 or text[1] in " -") or text.startswith("...") or text in ("<<", "="):
        return False
    return ": " not in text and " #" not in text and not (flow and re.search(r"[,\[\]{}?]", text))


def number(value):
    text = repr(value)
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), text)


def spelled(value, flow):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, Word):
        return str(value)
    reads_as_number = re.fullmatch(r"[-+]?(\d[\d_]*)?\.?\d*([eE][-+]?\d+)?|0[xob][\da-fA-F]+|\.(inf|nan)", value)
    if not is_plain(value, flow) or value in ODD or reads_as_number:
        return "'" + value.replace("'", "''") + "'"
    return value


def key_text(key, flow):
    return key if is_plain(key, flow) and key not in ("~", "null", "Null", "NULL") else f"'{key}'"


def on_a_line(value, flow=True):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key_text(k, True)}: {on_a_line(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(on_a_line(v) for v in value) + "]"
    return spelled(value, flow)


def needs_lines(key, value):
    if key == "layers" and isinstance(value, list):
        return True
    if isinstance(value, dict):
        return any(needs_lines(k, v) for k, v in value.items())
    return isinstance(value, list) and any(needs_lines(None, v) for v in value)


def is_bare(item):
    return isinstance(item, dict) and list(item) == ["type"] and "$" not in item["type"]


def item_order(item):
    def place(key):
        return FIRST.index(key) if key in FIRST else 1000 + LAST.index(key) if key in LAST else 500
    return {k: item[k] for k in sorted(item, key=place)}


def lines_of(key, value, indent, spread=False, in_layers=False):
    wide = isinstance(value, (dict, list, tuple))
    lead = f"{key_text(key, False)}:" if key is not None else "-"
    shown = value["type"] if key is None and in_layers and is_bare(value) else value
    line = f"{lead} {on_a_line(shown, False)}"
    if not wide or not value or not needs_lines(key, value) and not spread and indent + len(line) <= COLUMNS:
        return [" " * indent + line]
    head = [" " * indent + lead] if key is not None else []
    inner = []
    if isinstance(value, dict):
        for k, v in value.items():
            inner += lines_of(k, v, indent + 2, spread and key == "blocks")
    else:
        for v in value:
            inner += lines_of(None, v, indent + 2, in_layers=key == "layers")
    if key is None:
        inner[0] = " " * indent + "- " + inner[0].lstrip(" ")
    return head + inner


def file_text(sections, comment):
    """The text of a network file; an empty line stands above each section that has several lines."""
    out = [f"# {line}" for line in comment]
    for key, value in sections.items():
        lines = lines_of(key, value, 0, key in ("inputs", "data", "blocks", "layers"))
        if len(lines) > 1 and out and out[-1] != "":
            out.append("")
        out += lines
        if len(lines) > 1:
            out.append("")
    while out[-1] == "":
        out.pop()
    return "\n".join(out) + "\n"
