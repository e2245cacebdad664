"""From the operations of a trace to items of a network.

A module or function that is one layer is a line in tables.py; what needs more is a function in
operations.py, marked with the names it stands for.
"""
import ast
import re

import torch
from torch import nn

from .tables import DEFAULT_TEXTS, EXPRESSIONS, FOLLOWED, FUNCTIONS, IGNORED, MODULES
from .text import number
from .trace import ExportError, said, target_name

class Unsupported(Exception):
    pass


class Item:
    """An entry of a list of layers: a layer, a layer called again, or a list of items."""

    def __init__(self, kind, what, inputs=(), params=None, name=None, base="", weighted=False, extra=None):
        self.kind, self.what, self.inputs = kind, what, list(inputs)  # inputs: [(port or None, Val)]
        self.params, self.extra = dict(params or {}), dict(extra or {})
        self.name, self.base, self.weighted = name, base, weighted
        self.parent, self.items = None, []
        self.call, self.module, self.arguments = 0, None, {}
        # `freeze: stats` around it means nothing to a layer without statistics.
        self.any_freeze = "any" if kind == "type" and not re.match("BatchNorm|InstanceNorm", str(what)) else None


class Val:
    """A value of the network: what an item yields, or an input of the file."""

    def __init__(self, item, shape, dtype, input=None):
        self.item, self.shape, self.dtype, self.input = item, shape, dtype, input

    @property
    def batched(self):
        return bool(self.shape) and "N" in str(self.shape[0]).split("*")


class Const:
    """A tensor that is the same in every run: in both traces, and the buffer it is if it is one."""

    def __init__(self, first, second, key=None):
        self.first, self.second, self.key = first, second, key


class Turned:
    """A permutation that puts the batch elsewhere; whoever takes a part of it finds the batch in front."""

    def __init__(self, val, dims):
        self.val, self.dims = val, dims


class Spread:
    """A value without a batch, expanded to one: what it meets broadcasts it."""

    def __init__(self, val, shape):
        self.val, self.shape = val, shape


class Pieces:
    def __init__(self, makers):
        self.makers, self.made = makers, {}

    def get(self, i):
        i = i % len(self.makers)
        if i not in self.made:
            self.made[i] = self.makers[i]()
        return self.made[i]


def parse(text):
    """`Type a b=1 | c=2` -> (Type, {name: (attribute, default)}, {attribute: needed value})."""
    head, _, needed = text.partition("|")
    words = re.findall(r"[\w.:]+(?:=(?:'[^']*'|[^\s]+))?", head)
    params = {}
    for word in words[1:]:
        left, _, default = word.partition("=")
        name, _, attribute = left.partition(":")
        params[name] = (attribute or name, default if default else None)
    rest = dict(w.split("=", 1) for w in needed.split())
    return words[0], params, {k: ast.literal_eval(v) for k, v in rest.items()}


def plain(value):
    """A parameter's value in a file."""
    if isinstance(value, torch.Tensor):
        return True
    if isinstance(value, (tuple, list)):
        value = [plain(v) for v in value]
        return value[0] if value and all(v == value[0] for v in value) and len(value) > 1 else \
            value[0] if len(value) == 1 else value
    return value


def params_of(text, get, skip=()):
    """The layer and the parameters that differ from its defaults."""
    layer, params, needed = parse(text)
    for name, value in needed.items():
        if get(name) != value:
            raise Unsupported(f"{layer} has no {name}={get(name)!r}")
    out = {}
    for name, (attribute, default) in params.items():
        if name in skip:
            continue
        value = get(attribute)
        if name == "bias":
            value = value is not None and value is not False
        value = plain(value) if name not in ("pad", "normalized_shape") else list(value) \
            if isinstance(value, (tuple, list)) else value
        if default is not None and default.startswith("."):
            if value is None or value == plain(get(default[1:])):
                continue
        elif default is not None and value == ast.literal_eval(default):
            continue
        if value is None and name != "momentum":
            continue
        if isinstance(value, float) and value == int(value) and name == "scale_factor":
            value = int(value)
        out[name] = value
    return layer, out


def plain_defaults():
    """{layer: {parameter: default}}, of parameters that are numbers or booleans."""
    found = {}
    for text in DEFAULT_TEXTS:
        layer, params, _ = parse(text)
        for name, (_, default) in params.items():
            if default and not default.startswith(".") and isinstance(ast.literal_eval(default), (bool, int)):
                found.setdefault(layer, {})[name] = ast.literal_eval(default)
    return found


DEFAULTS = plain_defaults()
MISSING = object()


def bind(signature, args, kwargs):
    """{argument: value}; `*x` takes the rest, a list in its place too."""
    out, args = {}, list(args)
    for word in signature.split():
        name, _, default = word.partition("=")
        if name.startswith("*"):
            name = name[1:]
            if args:
                out[name] = list(args[0]) if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
            else:
                out[name] = kwargs.pop(name, kwargs.pop("size", MISSING))
            args = []
        elif args:
            out[name] = args.pop(0)
        elif name in kwargs:
            out[name] = kwargs.pop(name)
        elif name in ("a", "b") and {"a": "input", "b": "other"}[name] in kwargs:
            out[name] = kwargs.pop({"a": "input", "b": "other"}[name])
        else:
            out[name] = ast.literal_eval(default) if default else MISSING
    for name, value in list(kwargs.items()):
        if name in ("axis", "keepdims"):
            out[{"axis": "dim", "keepdims": "keepdim"}[name]] = value
        elif name not in IGNORED and value is not None and not (name == "out"):
            raise Unsupported(f"the argument {name}={value!r} has no counterpart")
    if args:
        raise Unsupported(f"{len(args)} arguments more than are known")
    return out


HANDLERS, MODULE_HANDLERS = {}, {}


def function(names, signature):
    def register(f):
        for name in names.split():
            HANDLERS[name] = (f, signature)
        return f
    return register


def module(names):
    def register(f):
        for name in names.split():
            MODULE_HANDLERS[name] = f
        return f
    return register


def known_class(m):
    """The name of the class of torch.nn whose forward() a module has, or None."""
    for cls in type(m).__mro__:
        if cls.__module__.startswith("torch.nn") and cls.__name__ not in FOLLOWED:
            same = type(m).forward is cls.forward
            return cls.__name__ if same else None
        if "forward" in cls.__dict__ and not cls.__module__.startswith("torch.nn"):
            return None
    return None


def is_leaf(m):
    return known_class(m) is not None


class Network:
    """What the operations of a trace become."""

    def __init__(self, model, trace, known_layers=None):
        self.model, self.trace, self.known = model, trace, known_layers
        self.modules = dict(model.named_modules())
        self.env, self.problems, self.notes = {}, [], []
        self.root = Item("group", None, name="")
        self.open = [self.root]
        self.first_call, self.params = {}, {}
        self.inputs, self.outputs, self.ties, self.frozen = {}, {}, {}, []
        self.tensors, self.keys, self.dims = {}, {}, []
        self.node = None
        for node in trace.first:
            self.node = node
            if node.op != "output":
                self.enter(node)
            try:
                self.env[node] = self.convert(node)
            except (Unsupported, ExportError) as error:
                self.problem(node, str(error))
            except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
                self.problem(node, f"arguments that are not known here ({type(error).__name__}: {error})")

    def names_of_items(self):
        """The first parts of all names that items may get."""
        names, todo = set(), [self.root]
        while todo:
            item = todo.pop()
            todo += item.items
            names |= {(item.name or "").split(".")[0], item.base}
        return names

    # ---- the places of operations

    def problem(self, node, why):
        scope = node.meta["scopes"][-1][1] if node.meta.get("scopes") else ""
        where = node.target if node.op == "call_module" else scope or type(self.model).__name__
        what = type(self.modules[node.target]).__name__ if node.op == "call_module" else target_name(node)
        self.problems.append({"name": where, "operator": what, "place": said(node.meta.get("place")), "why": why})
        value = node.meta.get("value")
        if node.op != "output":
            self.env[node] = Pieces([lambda v=v: Val(None, list(v.shape), v.dtype) for v in value]) \
                if isinstance(value, (tuple, list)) else Val(None, self.safe_shape(node), value.dtype)

    def safe_shape(self, node):
        try:
            return self.trace.shape(node)
        except ExportError:
            return list(node.meta["value"].shape)

    def enter(self, node):
        """Opens the lists of the modules that a node is called in."""
        scopes = node.meta["scopes"]
        keep = 1
        while keep < len(self.open) and keep < len(scopes) and self.open[keep].call == scopes[keep][0]:
            keep += 1
        del self.open[keep:]
        for call, name, called, arguments in scopes[keep:]:
            group = Item("group", None, name=name)
            group.call, group.module, group.arguments = call, called, arguments
            self.put(group)
            self.open.append(group)

    def put(self, item, into=None):
        item.parent = into or self.open[-1]
        if into is not None and into is not self.open[-1]:  # above the list that is being written
            item.parent.items.insert(len(item.parent.items) - 1, item)
        else:
            item.parent.items.append(item)
        return item

    # ---- making items

    def has(self, layer):
        return self.known is None or layer in self.known

    def val_of(self, item, node=None, shape=None, dtype=None):
        node = node or self.node
        return Val(item, self.trace.shape(node) if shape is None else shape,
                   dtype or getattr(node.meta.get("value"), "dtype", torch.float32))

    def emit(self, layer, inputs, params=None, shape=None, dtype=None, name=None, base=None, extra=None,
             weighted=False):
        if not self.has(layer):
            raise Unsupported(f"this braid has no layer {layer}")
        pairs = [(None, v) if not isinstance(v, tuple) else v for v in inputs]
        pairs = [(port, self.value(v)) for port, v in pairs]
        item = Item("type", layer, pairs, params, name, base or target_name(self.node).strip("_").split(".")[-1],
                    weighted, extra)
        self.put(item)
        return self.val_of(item, shape=shape, dtype=dtype)

    def value(self, v):
        """A Val, of whatever stands for a tensor."""
        if isinstance(v, torch.fx.Node):
            v = self.env[v]
        if isinstance(v, Const):
            return self.constant(v)
        if isinstance(v, Weight):
            return v.val
        if isinstance(v, Spread):
            raise Unsupported("it takes a tensor without a batch that was expanded to one")
        if isinstance(v, Turned):
            raise Unsupported("the batch is not dimension 0 of its input, and layers need it there")
        if isinstance(v, Pieces):
            raise Unsupported("it takes several values in one")
        if not isinstance(v, Val):
            raise Unsupported(f"{v!r} is no tensor")
        return v

    def constant(self, const):
        """A tensor that is no result of anything becomes a Parameter layer that does not learn."""
        if const.first.shape != const.second.shape or not torch.equal(const.first, const.second):
            raise Unsupported("a constant tensor depends on the sizes of the inputs: give them as numbers")
        if const.key in self.params:
            return self.params[const.key]
        scope = self.open[-1].name
        name = const.key
        if name is None:
            k = 0
            while f"{scope}.constant{k}".strip(".") in self.keys.values() or \
                    f"{scope}.constant{k}".strip(".") in self.tensors:
                k += 1
            name = f"{scope}.constant{k}".strip(".")
            self.notes.append(f"{name}.weight, a constant of forward(), is no key of state_dict")
        val = self.parameter(name, const.first.float(), {"constant": {"weight": 0}})
        if const.key is not None:
            self.params[const.key] = val
        return val

    def parameter(self, name, tensor, extra=None):
        """A Parameter layer: `name.weight` of the file."""
        prefix = name[:-len(".weight")] if name.endswith(".weight") else name
        shape = list(tensor.shape) or [1]
        into = next(g for g in reversed(self.open) if not g.name or prefix.startswith(g.name + "."))
        item = Item("type", "Parameter", [], {"shape": shape}, prefix, prefix, True, extra)
        at = self.open.index(into)
        self.put(item, into if at + 1 < len(self.open) else None)
        self.keys[prefix + ".weight"] = name
        self.tensors[prefix + ".weight"] = tensor.reshape(shape)
        if prefix + ".weight" != name and not (extra and "constant" in extra and name not in self.model.state_dict()):
            self.notes.append(f"{name} is {prefix}.weight in the file: the weight of a Parameter layer")
        return Val(item, shape, torch.float32)

    # ---- one node

    def convert(self, node):
        if node.op == "placeholder":
            val = Val(None, self.trace.shape(node), node.meta["value"].dtype, input=node.target)
            self.inputs[node.target] = val
            return val
        if node.op == "get_attr":
            return self.attribute(node)
        if node.op == "output":
            return self.output(node)
        if node.op != "call_module" and all(isinstance(self.env[n], Const) for n in node.all_input_nodes):
            return self.fold(node)
        if node.op == "call_module":
            return self.call_module(node)
        name = re.sub(r"^__(\w+)__$", r"\1", target_name(node))
        args, kwargs = self.trace.arguments(node)
        for names, (signature, text) in FUNCTIONS.items():
            if name in names.split():
                return self.simple(text, bind(signature, args, dict(kwargs)), signature)
        for names, (signature, expr) in EXPRESSIONS.items():
            if name in names.split():
                return self.expression(names.split()[0], bind(signature, args, dict(kwargs)), expr)
        if name in HANDLERS:
            handler, signature = HANDLERS[name]
            return handler(self, **bind(signature, args, dict(kwargs)))
        raise Unsupported("no layer of Braid does this")

    def attribute(self, node):
        tensor = node.meta["value"]
        if not isinstance(tensor, torch.Tensor):
            return tensor
        owner, _, leaf = node.target.rpartition(".")
        source = self.modules.get(owner)
        parameter = source._parameters.get(leaf) if source is not None else None
        if parameter is None:
            named = source is not None and leaf in source._buffers
            first = source._buffers[leaf] if named else tensor
            return Const(first, first if named else self.trace.second[node].meta["value"],
                         node.target if named else None)
        return Weight(self, node.target, parameter)

    def fold(self, node):
        second = self.trace.second[node].meta["value"]
        first = node.meta["value"]
        if isinstance(first, torch.Tensor):
            return Const(first, second)
        return Pieces([lambda a=a, b=b: Const(a, b) for a, b in zip(first, second)])

    def output(self, node):
        found = node.args[0]
        named = found.items() if isinstance(found, dict) else \
            [(f"output{i}", v) for i, v in enumerate(found)] if isinstance(found, (tuple, list)) and len(found) != 1 \
            else [("output", found[0] if isinstance(found, (tuple, list)) else found)]
        for name, value in named:
            if value is None:
                continue
            if not isinstance(value, torch.fx.Node):
                raise Unsupported(f"the result {name} is no tensor")
            val = self.value(value)
            if val.item is None:
                self.open = [self.root]
                val = self.emit("Identity", [val], shape=val.shape, dtype=val.dtype, base="output")
            self.outputs[str(name)] = val

    # ---- modules

    def call_module(self, node):
        m = self.modules[node.target]
        cls = known_class(m)
        if m._forward_pre_hooks or m._forward_hooks or hasattr(m, "parametrizations"):
            raise Unsupported("the module has hooks or parametrizations (weight_norm, spectral_norm, ...)")
        args, kwargs = self.trace.arguments(node)
        handler = MODULE_HANDLERS.get(cls)
        if handler is None and cls not in MODULES:
            raise Unsupported("no layer of Braid does this")
        if node.target in self.first_call and has_state(m):
            return self.shared(node, self.first_call[node.target], args, kwargs)
        if handler:
            return handler(self, m, *args, **kwargs)
        layer, params = params_of(MODULES[cls], lambda n: getattr(m, n, None), self.skipped(m))
        if cls == "Dropout" and (self.model.training and not m.training or
                                 m.p == 0 and not node.target.rpartition(".")[2].isdigit()):
            return self.env[args[0]]
        if cls.startswith("AdaptiveAvgPool"):
            params = {"output_size": plain(self.trace.shape(node)[2:])}
        if cls in ("Softmax", "LogSoftmax") and m.dim is None:
            raise Unsupported("softmax without dim: PyTorch guesses it")
        if cls.startswith("Upsample") and getattr(m, "recompute_scale_factor", None):
            raise Unsupported("recompute_scale_factor")
        if cls == "LayerNorm" and len(m.normalized_shape) == 1:
            params.pop("normalized_shape")
        if len(args) != 1 or any(v is not None for v in kwargs.values()):
            raise Unsupported("it is called with more than its input")
        if cls == "Embedding" and isinstance(self.env[args[0]], Const):
            table = Weight(self, node.target + ".weight", m.weight)
            return HANDLERS["rows_of"][0](self, table, self.env[args[0]])
        self.needs_batch_of(args[0], node)
        return self.module_item(node, m, layer, params, [args[0]])

    @staticmethod
    def skipped(m):
        """`bias` of a LayerNorm is a parameter of PyTorch 2 only."""
        return ("bias",) if isinstance(m, nn.LayerNorm) and not m.elementwise_affine else ()

    def needs_batch_of(self, arg, node):
        val = self.value(arg)
        if val.input is not None and not val.batched:
            raise Unsupported("its input has no batch in dimension 0")

    def module_item(self, node, m, layer, params, inputs):
        weighted = has_state(m)
        extra = self.freeze(node.target, m) if weighted else {}
        val = self.emit(layer, inputs, params, name=node.target, base=node.target.rpartition(".")[2],
                        extra=extra, weighted=weighted,
                        shape=None if isinstance(node.meta["value"], torch.Tensor) else self.trace.shape(node)[0])
        if weighted:
            self.first_call[node.target] = val.item
            self.take_state(node.target, m)
        return val

    def take_state(self, name, m):
        for key, tensor in m.state_dict().items():
            whole = f"{name}.{key}"
            self.keys[whole] = whole
            self.tensors[whole] = tensor
        for sub, child in m.named_modules():
            for key, parameter in child._parameters.items():
                whole = ".".join(p for p in (name, sub, key) if p)
                if parameter is not None:
                    self.tie(whole, parameter)

    def tie(self, key, parameter):
        """A parameter that an earlier layer has is tied to that one's."""
        for other, known in self.taken.items():
            if known is parameter and other != key:
                self.ties[key] = other
                self.tensors.pop(key, None)
                return
        self.taken[key] = parameter

    @property
    def taken(self):
        return self.__dict__.setdefault("_taken", {})

    def freeze(self, name, m):
        learned = [(k, p.requires_grad) for k, p in m.named_parameters()]
        off = [k for k, on in learned if not on]
        stats = getattr(m, "running_mean", None) is not None and self.model.training and not m.training
        if off and len(off) < len(learned):
            self.frozen += [f"{name}.{k}" for k in off]
            off = []
        if stats:
            return {"freeze": True if off and len(off) == len(learned) else "stats"}
        return {"freeze": "params" if getattr(m, "running_mean", None) is not None else "all"} if off else {}

    def shared(self, node, first, args, kwargs):
        if any(v is not None for v in kwargs.values()) and first.what != "MultiheadAttention":
            raise Unsupported("it is called again with named arguments")
        inputs = [(port, self.value(arg)) for (port, _), arg in zip(first.inputs, args)]
        if len(inputs) != len(first.inputs):
            raise Unsupported("it is called again with other inputs")
        item = Item("share", first, inputs, base=node.target.rpartition(".")[2])
        self.put(item)
        shape = self.trace.shape(node)
        if isinstance(node.meta["value"], (tuple, list)):
            val = self.val_of(item, shape=shape[0], dtype=torch.float32)
            return Pieces([lambda: val, no_attention_weights])
        return self.val_of(item)

    # ---- functions

    def simple(self, text, given, signature):
        layer, params = params_of(text, lambda n: given.get(n))
        used = {a for a, _ in parse(text)[1].values()} | set(parse(text)[2]) | {"input"} | IGNORED
        for word in signature.split():
            name, _, default = word.partition("=")
            if name not in used and given[name] is not MISSING and given[name] != ast.literal_eval(default):
                raise Unsupported(f"the argument {name}={given[name]!r} has no counterpart")
        if given["input"] is MISSING:
            raise Unsupported("it has no input")
        if layer.startswith("AdaptiveAvgPool"):
            params = {"output_size": plain(self.trace.shape(self.node)[2:])}
        if layer == "Flatten":
            return HANDLERS["flatten"][0](self, given["input"], given["start_dim"], given["end_dim"])
        if layer in ("Softmax", "LogSoftmax") and given["dim"] in (None, MISSING):
            raise Unsupported("softmax without dim: PyTorch guesses it")
        return self.emit(layer, [given["input"]], params)

    def expression(self, name, given, expr):
        if given.get("alpha", 1) != 1 or given.get("rounding_mode") is not None:
            raise Unsupported("with alpha or rounding_mode")
        if expr is None and self.has("Clamp") and all(
                v is None or isinstance(v, (int, float)) for v in (given["min"], given["max"])):
            limits = {k: float(given[k]) for k in ("min", "max") if given[k] is not None}
            return self.emit("Clamp", [given["input"]], limits, base="clamp")
        if expr is None:  # between two numbers
            expr = "{input}"
            for bound, call in (("min", "max"), ("max", "min")):
                if isinstance(given[bound], torch.fx.Node):
                    raise Unsupported("its limits are tensors")
                if given[bound] is not None:
                    if not isinstance(given[bound], (int, float)):
                        raise Unsupported(f"its limit is {given[bound]}")
                    expr = f"{call}({expr}, {number(given[bound])})"
            given = {"input": given["input"]}
        operands = {k: v for k, v in given.items() if "{" + k + "}" in expr}
        if any(v is MISSING for v in operands.values()):
            raise Unsupported("an operand is missing")
        tensors = [v for v in operands.values() if isinstance(v, torch.fx.Node)]
        vals = {n: self.operand(n) for n in dict.fromkeys(tensors)}
        used = [v for v in dict.fromkeys(vals.values()) if isinstance(v, Val)]
        if any(v.dtype != torch.float32 for v in used):
            raise Unsupported("arithmetic of integers or booleans has no layer")
        shape = self.trace.shape(self.node)
        both = [vals[v] for v in tensors]
        if name == "add" and len(both) == 2 and all(
                isinstance(v, Val) and (v.shape == shape or v.shape[1:] == shape[1:] and v.shape[0] == 1)
                for v in both):
            return self.emit("Add", both, base="add")
        if len(used) == 1:
            names = {used[0]: "x"}
            inputs = [used[0]]
        else:
            names = {v: k for v, k in zip(used, "abcdefgh")}
            inputs = [(k, v) for v, k in names.items()]
        text = {}
        for k, v in operands.items():
            known = vals[v] if isinstance(v, torch.fx.Node) else v
            if isinstance(known, Val):
                text[k] = names[known]
            elif isinstance(known, (int, float)) and not isinstance(known, bool):
                if known != known or known in (float("inf"), float("-inf")):
                    raise Unsupported("infinity and NaN are no numbers of a network file")
                text[k] = number(known) if known >= 0 else f"({number(known)})"
            else:
                raise Unsupported(f"{known!r} is no operand")
        return self.emit("Math", inputs, {"expr": expr.format(**text)}, base=name)

    def operand(self, node):
        """A Val, or a number where a constant has one element."""
        found = self.env[node]
        if isinstance(found, Const) and found.key is None and found.first.numel() == 1 and found.first.dim() == 0:
            if found.first.item() != found.second.item():
                raise Unsupported("a constant depends on the sizes of the inputs")
            return found.first.item()
        if isinstance(found, (Weight, Spread)):
            return found.val
        return self.value(node)

    # ---- shapes

    def reshape(self, val, shape, base=None):
        val = self.value(val)
        if val.shape == shape:
            return val
        if val.batched and not (shape and "N" in str(shape[0]).split("*")):
            raise Unsupported("it moves the batch out of dimension 0")
        if any("N" in str(d).split("*") for d in shape[1:]):
            raise Unsupported("it moves the batch out of dimension 0")
        if val.batched and val.shape[0] == shape[0] == "N" and len(shape) == 2 and len(val.shape) > 2:
            return self.emit("Flatten", [val], {}, shape=shape, base=base)
        odd = [d for d in shape if isinstance(d, str) and "*" in d]
        if len(odd) > 1:
            raise Unsupported(f"a shape with {' and '.join(odd)}")
        sizes = [-1 if d in odd else d for d in shape]
        return self.emit("Reshape", [val], {"shape": sizes}, shape=shape, base=base, dtype=val.dtype)

    def permute(self, val, dims):
        if isinstance(val, torch.fx.Node):
            val = self.env[val]
        if isinstance(val, Turned):
            val, dims = val.val, [val.dims[d] for d in dims]
        val = self.value(val)
        if dims == list(range(len(dims))):
            return val
        if val.batched and dims[0] != 0:
            return Turned(val, dims)
        shape = [val.shape[d] for d in dims]
        if self.has("Permute"):
            return self.emit("Permute", [val], {"dims": dims}, shape=shape)
        before = "abcdefghij"[:len(dims)]
        return self.emit("Einsum", [val], {"equation": f"{before}->{''.join(before[d] for d in dims)}"}, shape=shape)

    def slice(self, val, dim, start, stop):
        val = self.value(val)
        size = val.shape[dim]
        if isinstance(size, int):
            if isinstance(stop, str) or isinstance(start, str):
                if start not in (None, 0):
                    raise Unsupported("a range that begins at a free dimension")
                return self.emit("Slice", [val], {"dim": dim, "end": stop}, dtype=val.dtype, base="slice",
                                 shape=[*val.shape[:dim], stop, *val.shape[dim + 1:]])
            first, last, _ = slice(start, stop).indices(size)
            if (first, last) == (0, size):
                return val
            params = {"dim": dim, "start": first, "end": last}
            length = max(last - first, 0)
        else:
            if (start in (None, 0)) and stop in (None, size):
                return val
            if not (start in (None, 0) and isinstance(stop, int) and stop > 0 or
                    isinstance(start, int) and start < 0 and stop is None):
                raise Unsupported(f"a range of the free dimension {size}")
            params = {"dim": dim, "start": start or 0, "end": stop}
            length = stop if stop is not None else -start
        if val.batched and dim == 0:
            raise Unsupported("it takes single samples out of the batch")
        params = {k: v for k, v in params.items()
                  if v is not None and (k, v) not in (("dim", 1), ("start", 0)) and not (k == "end" and v == size)}
        return self.emit("Slice", [val], params, shape=[*val.shape[:dim], length, *val.shape[dim + 1:]],
                         dtype=val.dtype, base="slice")


def has_state(m):
    return any(True for _ in m.parameters()) or any(True for _ in m.buffers())


def no_attention_weights():
    raise Unsupported("MultiheadAttention gives no attention weights")


class Weight(Val):
    """A parameter that forward() takes by itself: a layer only where it is used as a tensor."""

    def __init__(self, network, key, parameter):
        super().__init__(None, list(parameter.shape), torch.float32)
        self.network, self.key, self.parameter = network, key, parameter

    @property
    def val(self):
        if self.key not in self.network.params:
            for other, taken in self.network.taken.items():
                if taken is self.parameter:
                    raise Unsupported(f"{self.key} is a weight of the layer {other.rpartition('.')[0]}, and other "
                                      "layers cannot take it as a tensor")
            extra = {} if self.parameter.requires_grad else {"freeze": "all"}
            val = self.network.parameter(self.key, self.parameter, extra)
            self.network.tie(next(k for k, v in self.network.keys.items() if v == self.key), self.parameter)
            self.network.params[self.key] = val
        return self.network.params[self.key]
