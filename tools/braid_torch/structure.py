"""From a tree of items to the lists of a network file: names, references, blocks and repeats.

Names come first: an item with weights stands under its path in the module, whatever else happens. A
file is tried with blocks, then without, then as one flat list; each reference is resolved as a reader
of the file would, and a form in which one means something else is given up.
"""
import re
from collections import Counter

from torch import nn

from .layers import DEFAULTS, Item, Val
from .text import Word, item_order, number

FORMS = ("blocks", "lists", "flat")
COMMON = {"name", "type", "use", "share", "layers", "from", "repeat", "for", "if", "when", "sync", "expect",
          "freeze", "init", "constant", "on_replicate", "recompute", "note", "i", "in", "prev"}


class Ambiguous(Exception):
    pass


class Hidden(Exception):
    """An item without a name hides another by its position."""

    def __init__(self, item):
        self.item = item


def leaves(item):
    if item.kind != "group" and item.kind != "use":
        return [item]
    return [leaf for child in item.items for leaf in leaves(child)]


def inside(item, group):
    while item is not None:
        if item is group:
            return True
        item = item.parent
    return False


def last_of(item):
    """The layer whose result is an item's."""
    while item.kind in ("group", "use"):
        item = item.items[-1]
    return item


def height(group):
    return 1 + max((height(i) for i in group.items if i.kind in ("group", "use")), default=0)


def all_params(item):
    """Parameters, defaults that may differ between instances of a block too."""
    params = {k: item.params.get(k, v) for k, v in DEFAULTS.get(item.what, {}).items()} \
        if isinstance(item.what, str) else {}
    ordered = {k: params.pop(k, v) for k, v in item.params.items() if k not in params}
    return {**ordered, **params}


class Structure:
    def __init__(self, network, form):
        self.network, self.form, self.root = network, form, network.root
        self.blocks, self.subst = {}, {}
        self.replaced = {}
        self.prune(self.root, {})
        self.users = self.all_users()
        self.hoist(self.root)
        if form == "blocks":
            self.fold()
        self.taken = {part for name in self.weighted_names() for part in [name.split(".")[0]]} | \
            {part for leaf in leaves(self.root) if leaf.name for part in leaf.name.split(".")} | \
            set(network.inputs) | {"in", "prev"}

    def weighted_names(self):
        return [leaf.name for leaf in leaves(self.root) if leaf.weighted]

    def producer(self, val):
        item = val.item
        while item in self.replaced:
            item = self.replaced[item]
        return item

    # ---- which modules become lists of their own

    def prune(self, group, called):
        todo, group.items = group.items, []
        while todo:
            item = todo.pop(0)
            if item.kind != "group":
                item.parent = group
                group.items.append(item)
                continue
            if not item.items:
                continue
            shared = self.share(item, called.get(item.name)) if item.name in called else None
            if shared:
                shared.parent = group
                group.items.append(shared)
                continue
            names = [leaf.name for leaf in leaves(item) if leaf.weighted]
            keep = self.form != "flat" and names and item.name not in called and \
                all(n.startswith(item.name + ".") for n in names) and \
                (not group.name or item.name.startswith(group.name + "."))
            if not keep:
                todo[:0] = item.items
                continue
            called[item.name] = item
            item.parent = group
            group.items.append(item)
            self.prune(item, called)

    def share(self, again, first):
        """A module called again on one value is its first list called again."""
        a, b = leaves(first), leaves(again)
        at = {x: i for i, x in enumerate(b)}
        back = {x: i for i, x in enumerate(a)}
        if self.form == "flat" or len(a) != len(b) or inside(first, again):
            return None
        outer = []
        for x, y in zip(a, b):
            same = y.kind == "share" and y.what is x or \
                y.kind == x.kind and y.what == x.what and y.params == x.params and not y.weighted
            if not same or len(x.inputs) != len(y.inputs):
                return None
            for (_, u), (_, v) in zip(x.inputs, y.inputs):
                p, q = self.producer(u), self.producer(v)
                if (back.get(p) if p in back else None) != (at.get(q) if q in at else None):
                    return None
                if q not in at:
                    outer.append((y, v))
        if len(outer) != 1 or outer[0][0] is not b[0] or len(b[0].inputs) != 1:
            return None
        used_outside = [leaf for leaf in leaves(self.root) if leaf not in at
                        for _, v in leaf.inputs if self.producer(v) in at and self.producer(v) is not b[-1]]
        if used_outside or any(self.producer(v) in at and self.producer(v) is not b[-1]
                               for v in self.network.outputs.values()):
            return None
        item = Item("share", first, [(None, outer[0][1])], base=again.name.rpartition(".")[2] or "again")
        for leaf in b:
            self.replaced[leaf] = item
        return item

    def all_users(self):
        users = {}
        for leaf in leaves(self.root):
            for _, v in leaf.inputs:
                users.setdefault(self.producer(v), []).append(leaf)
        for v in self.network.outputs.values():
            users.setdefault(self.producer(v), []).append(None)
        return users

    def hoist(self, group):
        """What all layers of a list say of `freeze` is said once."""
        said = []
        for item in group.items:
            if item.kind == "group":
                self.hoist(item)
            if item.kind == "group" or item.weighted and "constant" not in item.extra:
                said.append((item.extra.get("freeze", item.any_freeze), item))
        values = {v for v, _ in said}
        if values == {"stats", "any"}:  # what has no statistics does not mind
            values = {"stats"}
        group.any_freeze = "any" if values == {"any"} else None
        values = {None if v == "any" else v for v in values}
        if values == {True, "all"}:
            values = {True}
        if values == {"params", "all"}:
            values = {"params"}
        if len(values) == 1 and None not in values and group is not self.root and group.name:
            group.extra["freeze"] = values.pop()
            for _, item in said:
                item.extra.pop("freeze", None)

    # ---- blocks

    def outer_values(self, group):
        """The values from outside that a list uses, in the order of their use."""
        found = {}
        for leaf in leaves(group):
            for _, v in leaf.inputs:
                p = self.producer(v)
                if p is None or not inside(p, group):
                    found.setdefault(v.input if p is None else p, v)
        return found

    def can_be_block(self, group):
        mine = set(leaves(group))
        last = last_of(group)
        for leaf in mine:
            if leaf.kind == "share" or leaf is not last and any(u not in mine for u in self.users.get(leaf, [])):
                return False
        return not any(s.kind == "share" and (s.what in mine or s.what is not group and s.what.kind != "type" and
                                              inside(s.what, group))
                       for s in leaves(self.root)) and bool(self.outer_values(group))

    def signature(self, group):
        """(what two instances must have in common, their slots: [(item, key, value)], by item)."""
        outer = {k: i for i, k in enumerate(self.outer_values(group))}
        slots = []

        def path(p):
            steps = []
            while p is not group:
                steps.insert(0, p.parent.items.index(p))
                p = p.parent
            return tuple(steps)

        def of(item):
            refs = []
            inputs = item.inputs if item.kind not in ("group", "use") else \
                [(None, v) for v in self.outer_values(item).values()] if item.kind == "use" else []
            for port, v in inputs:
                p = self.producer(v)
                key = v.input if p is None else p
                refs.append((port, ("in", outer[key])) if key in outer else (port, self.seen_from(p, item, path)))
            name = item.name[len(group.name) + 1:] if item.weighted or item.kind in ("group", "use") else None
            shown = []
            for k, v in (item.args if item.kind == "use" else all_params(item)).items():
                if isinstance(v, (bool, int, float)) or isinstance(v, list) and v and all(
                        isinstance(x, (int, float)) for x in v):
                    slots.append((item, k, v))
                    shown.append((k, type(v).__name__, len(v) if isinstance(v, list) else 0))
                else:
                    shown.append((k, "=", str(v)))
            what = item.block if item.kind == "use" else item.what
            inner = tuple(of(i) for i in item.items) if item.kind == "group" else ()
            extra = tuple(sorted((k, str(v)) for k, v in item.extra.items()))
            return item.kind, what, name, tuple(shown), tuple(refs), extra, inner
        return tuple(of(i) for i in group.items), slots

    @staticmethod
    def seen_from(p, item, path):
        """A use shows its last layer only, so what lies in it is not looked at."""
        while p.parent.kind == "use":
            p = p.parent
        return path(p)

    def fold(self):
        groups, stack = [], [self.root]
        while stack:
            group = stack.pop()
            for item in group.items[::-1]:
                if item.kind == "group":
                    groups.append(item)
                    stack.append(item)
        classes = {}
        for group in groups:
            if type(group.module) not in (nn.Sequential, nn.ModuleList):
                classes.setdefault(type(group.module), []).append(group)
        for cls, members in sorted(classes.items(), key=lambda c: max(height(g) for g in c[1])):
            nested = any(inside(a.parent, b) for a in members for b in members if a is not b)
            members = [m for m in members if self.can_be_block(m) and not self.in_use(m)]
            if len(members) < 2 or nested:
                continue
            buckets = {}
            for m in sorted(members, key=lambda m: self.order(m)):
                signature, slots = self.signature(m)
                buckets.setdefault(signature, []).append((m, slots))
            self.make_blocks(cls, buckets)

    def in_use(self, group):
        while group is not None:
            if group.kind == "use":
                return True
            group = group.parent
        return False

    def order(self, group):
        path = []
        while group.parent is not None:
            path.insert(0, group.parent.items.index(group))
            group = group.parent
        return path

    def make_blocks(self, cls, buckets):
        keys = sorted(buckets, key=lambda k: -len(buckets[k][0][1]))
        done = set()
        for big in keys:
            if big in done:
                continue
            done.add(big)
            optional, small = None, None
            for other in keys:
                if other not in done and (at := self.without(big, buckets[big][0][0], other)) is not None:
                    optional, small = at, other
                    break
            members = [(m, slots, True) for m, slots in buckets[big]]
            if small:
                done.add(small)
                gone = set(self.all_items(buckets[big][0][0].items[optional]))
                keep = [s[0] not in gone for s in buckets[big][0][1]]
                for m, slots in buckets[small]:
                    rest = iter(slots)
                    members.append((m, [next(rest) if k else None for k in keep], False))
            if len(members) >= 2:
                self.make_block(cls.__name__, members, optional)

    def all_items(self, item):
        return [item] + [x for i in item.items for x in self.all_items(i)]

    def without(self, big, group, small):
        """The position of the item that `big` has more than `small`: left out, its input stands for it."""
        if len(big) != len(small) + 1 or any(re.match(r"\d", e[2] or "") for e in big + small):
            return None
        for at, entry in enumerate(big):
            item = group.items[at]
            if at + 1 == len(big):
                if item.what == "Add" and big[:-1] == small and last_of(group.items[at - 1]) in [
                        self.producer(v) for _, v in item.inputs]:
                    return at
                break
            if item.kind != "group" or not item.name:
                continue
            first = leaves(item)[0]
            if len(self.outer_values(item)) != 1 or not first.inputs:
                continue
            source = self.refer(first.inputs[0][1], group)

            def moved(ref):
                kind = ref[0]
                if kind == "in":
                    return ref
                if ref[0] == at:
                    return source
                return (ref[0] - 1, *ref[1:]) if ref[0] > at else ref

            def change(e):
                return (*e[:4], tuple((port, moved(r)) for port, r in e[4]), e[5], tuple(change(i) for i in e[6]))
            changed = tuple(change(e) for i, e in enumerate(big) if i != at)
            if changed == small:
                return at
        return None

    def refer(self, val, group):
        p = self.producer(val)
        outer = {k: i for i, k in enumerate(self.outer_values(group))}
        key = val.input if p is None else p
        if key in outer:
            return ("in", outer[key])
        steps = []
        while p is not group:
            steps.insert(0, p.parent.items.index(p))
            p = p.parent
        return tuple(steps)

    def make_block(self, name, members, optional):
        first = members[0][0]
        k, unique = 2, name
        while unique in self.blocks:
            unique, k = f"{name}{k}", k + 1
        vectors = {}
        for at, (item, key, _) in enumerate(members[0][1]):
            values = [slots[at][2] if slots[at] else None for _, slots, _ in members]
            if len({str(v) for v in values if v is not None}) > 1:
                vectors[at] = values
        params, shown = {}, {}
        for at, values in vectors.items():
            item, key, _ = members[0][1][at]
            for known, other in params.items():
                factor = self.factor(values, other)
                if factor:
                    shown[at] = f"${known}" if factor == 1 else f"$({factor} * {known})"
                    params[known] = [a if a is not None else b // factor if b is not None and factor != 1 else b
                                     for a, b in zip(other, values)]
                    break
            else:
                free = key if key not in params and key not in COMMON else None
                k = 2
                while free is None or free in params:
                    free, k = f"{key}_{k}", k + 1
                params[free] = values
                shown[at] = f"${free}"
        if optional is not None:
            item = first.items[optional]
            label = "residual" if item.what == "Add" else re.sub(r"\W", "_", item.name[len(first.name) + 1:])
            if item.what == "Add":  # what stands for it where it is off comes first
                item.inputs.sort(key=lambda i: self.producer(i[1]) is not last_of(first.items[optional - 1]))
            while label in params or label in COMMON:
                label += "_"
            params[label] = [full for _, _, full in members]
        declared = {}
        for label, values in params.items():
            given = [v for v in values if v is not None]
            common, count = Counter(map(repr, given)).most_common(1)[0]
            value = next(v for v in given if repr(v) == common)
            few = optional is not None and isinstance(value, bool)
            declared[label] = (False if few else value) if 2 * count >= len(given) and len(given) > 2 or few else \
                Word({"bool": "bool", "int": "int", "float": "float", "list": "list"}[type(value).__name__])
        inputs = self.input_names(first)
        self.subst.update({(id(members[0][1][at][0]), members[0][1][at][1]): text for at, text in shown.items()})
        self.blocks[unique] = {"first": first, "params": declared, "inputs": inputs,
                               "optional": optional, "flag": label if optional is not None else None}
        for at, (m, _, _) in enumerate(members):
            m.kind, m.block = "use", unique
            m.args = {}
            for label, values in params.items():
                value = values[at]
                if value is not None and not (not isinstance(declared[label], Word) and declared[label] == value and
                                              type(declared[label]) is type(value)):
                    m.args[label] = value
                elif value is None and isinstance(declared[label], Word):
                    m.args[label] = next(v for v in values if v is not None)

    @staticmethod
    def factor(values, other):
        """k where values = k * other, for ints; 1 for any that are equal; None."""
        pairs = [(a, b) for a, b in zip(values, other) if a is not None and b is not None]
        if not pairs or len(pairs) < sum(a is not None for a in values):
            return None
        if all(a == b and type(a) is type(b) for a, b in pairs):
            return 1
        if all(type(a) is int and type(b) is int and b > 0 and a % b == 0 for a, b in pairs):
            factors = {a // b for a, b in pairs}
            if len(factors) == 1 and len(pairs) > 1:
                return factors.pop()
        return None

    def input_names(self, group):
        """Names for the values that a block takes: those of its forward()."""
        outer = self.outer_values(group)
        if len(outer) == 1:
            return ["in"]
        called = {}
        for node, name in group.arguments.items():
            val = self.network.env.get(node)
            if isinstance(val, Val):
                called.setdefault(val.input if self.producer(val) is None else self.producer(val), name)
        local = {i.name[len(group.name) + 1:].split(".")[0] for i in group.items if i.name}
        names = []
        for k, key in enumerate(outer):
            name = called.get(key, f"x{k}")
            while name in names or name in local or name in COMMON:
                name += "_"
            names.append(name)
        return names

    # ---- names

    def mandatory(self, item, group):
        if item.weighted or item.kind in ("group", "use"):
            return item.name[len(group.name) + 1:] if group.name else item.name
        return None

    def runs(self, group):
        """[(first, count, name of a repeat or None)] over a list's items."""
        items, out, at = group.items, [], 0
        while at < len(items):
            count = self.run_at(group, at) if items[at].kind == "use" and self.form == "blocks" else 1
            name = None
            if count > 1:
                local = self.mandatory(items[at], group)
                base, _, number_ = local.rpartition(".")
                position = sum(n if not b else 1 for _, n, b in out)
                if base:
                    others = [self.mandatory(i, group) for i in items[:at] + items[at + count:]]
                    if number_ != "0" or any(o and (o == base or o.startswith(base + ".")) for o in others):
                        count = 1
                    name = base if count > 1 else None
                elif int(local) != position:
                    count = 1
            out.append((at, count, name))
            at += count
        return out

    def run_at(self, group, at):
        items = group.items
        base, _, k = self.mandatory(items[at], group).rpartition(".")
        if not k.isdigit():
            return 1
        outer = list(self.outer_values(items[at]).values())
        count = 1
        while at + count < len(items):
            item, before = items[at + count], items[at + count - 1]
            if item.kind != "use" or item.block != items[at].block or \
                    item.extra != items[at].extra or \
                    self.mandatory(item, group) != f"{base}.{int(k) + count}".lstrip("."):
                break
            mine = list(self.outer_values(item).values())
            users = self.users.get(last_of(before), [])
            if len(mine) != len(outer) or self.producer(mine[0]) is not last_of(before) or \
                    any(self.producer(a) is not self.producer(b) or a.input != b.input
                        for a, b in zip(mine[1:], outer[1:])) or any(u is None or not inside(u, item) for u in users):
                break
            if any(self.subst.get((id(item), p)) != self.subst.get((id(items[at]), p))
                   for p in self.blocks[item.block]["params"]):
                break
            if not all(self.can_vary([self.arg(i, p) for i in items[at:at + count + 1]])
                       for p in self.blocks[item.block]["params"]):
                break
            count += 1
        return count

    def arg(self, item, param):
        if param in item.args:
            return item.args[param]
        default = self.blocks[item.block]["params"][param]
        return None if isinstance(default, Word) else default

    @staticmethod
    def can_vary(values):
        rest = values[1:]
        if any(v != rest[0] or type(v) is not type(rest[0]) for v in rest):
            return False
        return values[0] == rest[0] or not any(isinstance(v, (list, str)) or v is None for v in values)

    # ---- the file

    def sections(self):
        """blocks, layers and outputs."""
        self.needed = self.own_names()
        while True:
            try:
                return self.written()
            except Hidden as hidden:
                self.needed.add(hidden.item)

    def written(self):
        self.names = {}
        for attempt in range(2):  # the first finds out which names are needed
            self.scopes, self.checking = [], attempt == 1
            blocks = {}
            for name, block in self.blocks.items():
                body = {}
                params = block["params"]
                if params:
                    body["params"] = dict(params)
                if block["inputs"] != ["in"]:
                    body["inputs"] = block["inputs"]
                first = block["first"]
                outer = list(self.outer_values(first).values())
                known = {(v.input if self.producer(v) is None else self.producer(v)): n
                         for v, n in zip(outer, block["inputs"])}
                body["layers"] = self.write_list(first, known, block, outer[0] if len(outer) == 1 else None)
                blocks[name] = body
            layers = self.write_list(self.root, None, None, None)
            outputs = {}
            for name, val in self.network.outputs.items():
                outputs[name] = self.ref(val, self.root, None)
                self.check(outputs[name], val, [self.root_names])
        return blocks, layers, outputs

    def own_names(self):
        """Modules without weights that have parameters and a name keep it: maxpool."""
        kept = set()
        for leaf in leaves(self.root):
            own = leaf.name and leaf.base == leaf.name.rpartition(".")[2] and not leaf.base[0].isdigit()
            if leaf.kind == "type" and not leaf.weighted and own and leaf.params and \
                    sum(i.name == leaf.name for i in leaf.parent.items) == 1:
                kept.add(leaf)
        return kept

    def name_of(self, item):
        """The name of an item without weights, where one is needed."""
        if item not in self.names:
            group = item.parent
            siblings = {self.names[i] for i in group.items if i in self.names}
            base = re.sub(r"\W", "_", item.base or "value")
            if base[0].isdigit():
                base = f"layer{base}" if not isinstance(item.what, str) else item.what.lower()
            name, k = base, 1
            inputs = set(self.blocks[group.block]["inputs"]) if group.kind == "use" else set()
            everywhere = set(self.names.values()) if self.form == "flat" else siblings
            while name in everywhere or name in self.taken_names(group, item) or name in inputs:
                name, k = f"{base}_{k}", k + 1
            self.names[item] = name
        return self.names[item]

    def taken_names(self, group, item):
        """Names of items with weights must not be hidden; a module's own name is its own."""
        own = item.name.rpartition(".")[2] if item.name else None
        if own and item.base == own and not any(
                (self.mandatory(i, group) or "").split(".")[0] == own for i in group.items):
            return set(self.network.inputs) | {"in", "prev"}
        return self.taken

    def local(self, item):
        return self.mandatory(item, item.parent) or self.name_of(item)

    def ref(self, val, group, known):
        """How an item of `group` names a value."""
        p = self.producer(val)
        if known is not None:
            key = val.input if p is None else p
            if key in known:
                return known[key]
        if p is None:
            return val.input
        around = group
        while not inside(p, around):
            around = around.parent
        steps, item = [], p
        while item is not around:
            steps.insert(0, item)
            item = item.parent
        # A list's value is its last item's; what lies deeper needs a path.
        shown = [steps[0]]
        for step in steps[1:]:
            if last_of(shown[-1]) is p:
                break
            if shown[-1].kind == "use":
                raise Ambiguous(p)
            shown.append(step)
        for step in shown:
            if not self.mandatory(step, step.parent):
                self.needed.add(step)
        return ".".join(self.run_name(step) for step in shown)

    def run_name(self, item):
        """An item's name; the last of a repeat has that of the repeat."""
        for first, count, name in self.runs(item.parent):
            if name and first <= item.parent.items.index(item) < first + count:
                return name
        return self.local(item)

    def same(self, a, b):
        if a is None or b is None:
            return False
        p, q = self.producer(a), self.producer(b)
        return p is q if p is not None or q is not None else a.input == b.input

    def start_of(self, item):
        """The value that an item without `from` takes from above, or None."""
        if item.kind == "group":
            return self.start_of(item.items[0])
        if item.kind == "use":
            outer = list(self.outer_values(item).values())
            return outer[0] if len(outer) == 1 else None
        return item.inputs[0][1] if len(item.inputs) == 1 and item.inputs[0][0] is None else None

    def write_list(self, group, known, block, above):
        """The entries of a list; `known` names the values that a block is given."""
        entries, names = [], {}
        top = block is not None and group is block["first"]
        if group is self.root:
            names = dict(self.network.inputs)
            self.root_names = names
        if top:
            names = dict(zip(block["inputs"], self.outer_values(group).values()))
            self.scopes.append(None)  # a block sees nothing around it
        self.scopes.append(names)
        runs = self.runs(group)
        positions, at = {}, 0
        for first, count, name in runs:
            positions[first] = at
            at += 1 if name or count == 1 else count
        digits = {(self.mandatory(i, group) or "").split(".")[0] for i in group.items}
        exact = top and block["optional"] is not None
        for first, count, repeated in runs:
            item, position = group.items[first], positions[first]
            entry = {}
            must = repeated or self.mandatory(item, group)
            bare = str(position)
            if must is not None:
                if must != bare or exact or repeated:
                    entry["name"] = must
                called = must
            elif item in self.needed or bare in digits:
                entry["name"] = called = self.name_of(item)
            else:
                called = bare
            start = self.start_of(item)
            simple = start is not None and above is not None and self.same(start, above)
            inner = None
            if item.kind == "type":
                entry["type"] = item.what
                if item.inputs and not simple:
                    entry["from"] = self.refs(item, item.inputs, group, known, above, first)
                for k, v in all_params(item).items():
                    if k in item.params or (id(item), k) in self.subst:
                        entry[k] = self.subst.get((id(item), k), v)
            elif item.kind == "share":
                entry["share"] = self.share_name(item, group)
                if not simple:
                    entry["from"] = self.refs(item, item.inputs, group, known, above, first)
            elif item.kind == "use":
                entry["use"] = item.block
                outer = [(None, v) for v in self.outer_values(item).values()]
                if not simple:
                    entry["from"] = self.refs(item, outer, group, known, above, first)
                entry.update(self.use_args(group.items[first:first + count], item))
                if count > 1:
                    entry["repeat"] = count
            else:
                if start is not None and not simple:
                    entry["from"] = self.refs(item, [(None, start)], group, known, above, first)
                collapsed = self.collapsed(item)
                if collapsed:
                    use = item.items[0]
                    entry["use"] = use.block
                    if start is None:
                        entry["from"] = self.refs(use, [(None, v) for v in self.outer_values(use).values()],
                                                  group, known, above, first)
                    entry.update(self.use_args(item.items, use))
                    entry["repeat"] = len(item.items)
                    self.extra_of(use, entry)
                else:
                    inner = item
            if block is not None and block["optional"] == first and group is block["first"]:
                entry["if"] = f"${block['flag']}"
                if "from" not in entry:
                    entry["from"] = self.refs(item, [(None, start)], group, known, above, first)
            self.extra_of(item, entry)
            if inner is not None:
                entry["layers"] = self.write_list(inner, known, block, start if start else above)
            entries.append(item_order(entry))
            names[called] = self.value_of(group.items[first + count - 1])
            above = Val(last_of(group.items[first + count - 1]), None, None)
        del self.scopes[-2 if top else -1:]
        return entries

    def value_of(self, item):
        return Val(last_of(item), None, None)

    def collapsed(self, group):
        """A list that is nothing but one repeat from 0 on."""
        runs = self.runs(group)
        return len(runs) == 1 and runs[0][1] > 1 and runs[0][2] is None and \
            self.mandatory(group.items[0], group) == "0" and \
            not (group.items[0].extra and group.extra)

    def extra_of(self, item, entry):
        for k, v in item.extra.items():
            entry[k] = True if v == "all" else v

    def use_args(self, items, item):
        args = {}
        for param in self.blocks[item.block]["params"]:
            values = [self.arg(i, param) for i in items]
            text = self.subst.get((id(item), param))
            default = self.blocks[item.block]["params"][param]
            if text is not None:
                args[param] = text
            elif any(v != values[0] for v in values):
                a, b = (("true" if v else "false") if isinstance(v, bool) else number(v) for v in values[:2])
                same = isinstance(values[0], bool)
                args[param] = f"$({a} if i == 0 else {b})" if not same else \
                    "$(i == 0)" if values[0] else "$(i > 0)"
            elif values[0] is not None and (isinstance(default, Word) or values[0] != default):
                args[param] = values[0]
        return args

    def share_name(self, item, group):
        """The first call's name, seen from here."""
        target = item.what
        around = group
        while not inside(target, around):
            around = around.parent
        steps, step = [], target
        while step is not around:
            if step.kind == "use" and step is not target:
                raise Ambiguous(step)
            steps.insert(0, step)
            step = step.parent
        return ".".join(self.run_name(s) for s in steps)

    def refs(self, item, inputs, group, known, above, at):
        out = []
        for port, v in inputs:
            p = self.producer(v)
            if at > 0 and len(inputs) > 1 and above is not None and self.same(v, above) and p is not None and \
                    not self.mandatory(last := group.items[at - 1], group) and last not in self.needed:
                out.append((port, "prev"))
                continue
            name = self.ref(v, group, known)
            out.append((port, name))
            self.check(name, v, self.scopes)
        if any(port for port, _ in out):
            return dict(out)
        return out[0][1] if len(out) == 1 else [name for _, name in out]

    def check(self, name, val, scopes):
        """Resolves a name as a reader does: the nearest list that has a beginning of it."""
        if not self.checking:
            return
        for names in reversed(scopes):
            if names is None:
                break
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                found = names.get(".".join(parts[:end]))
                if found is None:
                    continue
                p, q = self.producer(found), self.producer(val)
                fine = p is q or found.input == val.input is not None if end == len(parts) else q is not None
                if not fine and p is not None and p not in self.needed and p.kind == "type" and \
                        not self.mandatory(p, p.parent):
                    raise Hidden(p)
                if not fine:
                    raise Ambiguous(name)
                return
        raise Ambiguous(name)
