"""Traces of a module by torch.fx in which every value is known, so that shapes are plain numbers.

A module is traced several times: with other sizes of the batch and of the free dimensions, and in
evaluation. What differs between the first two is a dimension; what differs from the third depends on
the mode.
"""
import copy
import inspect
import operator
import os
import sys

import torch
from torch import fx

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TORCH = os.path.dirname(os.path.abspath(torch.__file__))

# Calls and attributes whose result follows from a tensor's type, not from its elements.
OF_THE_TYPE = {
    "size", "dim", "numel", "nelement", "ndimension", "stride", "get_device", "is_floating_point",
    "is_contiguous", "is_complex", "element_size", "type", "is_tensor", "storage_offset", "is_signed",
}
DROPS = {"dropout", "dropout_", "feature_dropout", "scaled_dot_product_attention"}
PAIRS = {"N": (2, 3)}
FREE = [(5, 7), (11, 13), (17, 19), (23, 29)]


class ExportError(Exception):
    """The model cannot be exported; the text says where and why."""


def place_of(frame):
    """The innermost (file, line) outside torch and this package."""
    while frame:
        if is_users(frame):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def is_users(frame):
    name = frame.f_code.co_filename
    return "<" not in name and not os.path.abspath(name).startswith((TORCH + os.sep, TOOLS + os.sep))


def said(place):
    return f"{os.path.relpath(place[0])}:{place[1]}" if place else "?"


class Value(fx.Proxy):
    """A proxy that knows its value: sizes are numbers, elements stay unknown."""

    @property
    def known(self):
        return self.node.meta["value"]

    def __getattr__(self, name):
        if isinstance(self.known, torch.Tensor):
            found = getattr(self.known, name)
            if not callable(found) and not isinstance(found, torch.Tensor):
                return found
        return super().__getattr__(name)

    def __len__(self):
        return len(self.known)

    def __iter__(self):
        return iter([self[i] for i in range(len(self.known))])

    def _elements(self):
        raise self.tracer.dynamic("a number is taken out of a tensor", sys._getframe(1))

    __int__ = __float__ = __index__ = _elements


def in_place(name):
    function = getattr(operator, name)
    return lambda self, other: self.tracer.create_proxy("call_function", function, (self, other), {})


for _name in ("iadd", "isub", "imul", "itruediv", "ipow"):  # older fx takes `x += y` for x = x + y
    setattr(Value, f"__{_name}__", in_place(_name))


class Tracer(fx.Tracer):
    proxy_buffer_attributes = True

    def __init__(self, is_leaf):
        super().__init__()
        self.is_leaf = is_leaf
        self.computing = False
        self.scopes = [(0, "", None, {})]
        self.calls = 0

    def dynamic(self, what, frame):
        return ExportError(
            f"{said(place_of(frame))}: {what}: what runs depends on the elements of a tensor, and a network "
            "file says what runs before there are any\n  help: take the condition out of forward(), or "
            "decide it by a shape or an attribute of the module")

    # ---- what fx asks

    def is_leaf_module(self, module, name):
        return self.is_leaf(module)

    def proxy(self, node):
        return Value(node, self)

    def to_bool(self, obj):
        raise self.dynamic("control flow by a tensor", sys._getframe(1))

    def getattr(self, attr, attr_val, parameter_proxy_cache):
        if self.computing:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(self, m, forward, args, kwargs):
        if self.computing:
            return forward(*args, **kwargs)
        name = self.path_of_module(m)
        if self.is_leaf_module(m, name):
            return self.create_proxy("call_module", name, args, kwargs)
        self.calls += 1
        self.scopes.append((self.calls, name, m, self.arguments(m, args, kwargs)))
        try:
            return forward(*args, **kwargs)
        finally:
            self.scopes.pop()

    @staticmethod
    def arguments(module, args, kwargs):
        """The names that a module's forward gives to the values it is called with."""
        try:
            bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return {}
        return {v.node: k for k, v in bound.items() if isinstance(v, Value)}

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        node.meta["scopes"] = list(self.scopes)
        node.meta["place"] = place_of(sys._getframe(1))
        if kind == "get_attr":
            node.meta["value"] = self.attribute(target)
        return node

    def attribute(self, target):
        value = self.root
        self.computing = True
        try:
            for part in target.split("."):
                value = getattr(value, part)
        finally:
            self.computing = False
        return value.detach() if isinstance(value, torch.Tensor) else value

    def create_proxy(self, kind, target, args, kwargs, name=None, type_expr=None, proxy_factory_fn=None):
        if kind == "placeholder" and target not in self.given:
            if not args:
                raise ExportError(f"forward() needs '{target}'\n  help: give its shape: --input {target}=SHAPE")
            return args[0]
        proxy = super().create_proxy(kind, target, args, kwargs, name, type_expr)
        node = proxy.node
        if kind in ("call_function", "call_method", "call_module"):
            value = self.compute(node)
            if not holds_tensors(value):
                called = target if isinstance(target, str) else getattr(target, "__name__", str(target))
                if kind != "call_function" and called not in OF_THE_TYPE or \
                        kind == "call_function" and called not in OF_THE_TYPE | {"getitem", "getattr"}:
                    raise self.dynamic(f"{called}() gives a number", sys._getframe(1))
                self.graph.erase_node(node)
                return value
            node.meta["value"] = value
        elif kind == "placeholder":
            node.meta["value"] = self.given[target]
        return proxy

    def compute(self, node):
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: n.meta["value"])
        before = {n: n.meta["value"]._version for n in node.all_input_nodes
                  if isinstance(n.meta["value"], torch.Tensor)}
        self.computing = True
        try:
            if node.op == "call_function":
                value = node.target(*args, **kwargs)
            elif node.op == "call_method":
                value = getattr(args[0], node.target)(*args[1:], **kwargs)
            else:
                value = self.modules[node.target](*args, **kwargs)
            changed = [n for n, version in before.items() if n.meta["value"]._version != version]
            if changed:
                node.meta["in place"] = changed[0]
            return value
        except ExportError:
            raise
        except Exception as error:  # whatever the model's own arithmetic says
            raise ExportError(f"{said(node.meta['place'])}: forward() fails: {error}") from error
        finally:
            self.computing = False

    def run(self, model, given):
        self.given = given
        self.modules = dict(model.named_modules())
        try:
            with torch.no_grad():
                return self.trace(model)
        except (ExportError, KeyboardInterrupt):
            raise
        except Exception as error:
            place = None
            trace = error.__traceback__
            while trace:
                if is_users(trace.tb_frame):
                    place = trace.tb_frame.f_code.co_filename, trace.tb_lineno
                trace = trace.tb_next
            raise ExportError(f"{said(place)}: torch.fx cannot follow forward(): "
                              f"{type(error).__name__}: {error}") from error


def holds_tensors(value):
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return any(holds_tensors(v) for v in value)
    return isinstance(value, torch.Tensor)


def forward_names(model):
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [n for n, p in inspect.signature(model.forward).parameters.items() if p.kind in kinds]


class Trace:
    """One module seen with two sets of sizes: nodes, symbolic shapes, modes."""

    def __init__(self, model, inputs, is_leaf):
        """inputs: {name: (dtype, dims)}, dims without the batch, ints or names of free dimensions."""
        if is_leaf(model):
            raise ExportError("the model is a single layer, whose weights have no names\n"
                              f"  help: torch.nn.Sequential({type(model).__name__}(...))")
        names = [d for _, dims in inputs.values() for d in dims if isinstance(d, str)]
        free = sorted(set(names))
        if len(free) > len(FREE):
            raise ExportError(f"more than {len(FREE)} free dimensions: {', '.join(free)}")
        self.pairs = dict(PAIRS)
        self.pairs.update(zip(free, FREE))
        try:
            training = copy.deepcopy(model)
        except Exception as error:  # torch.nn.utils.weight_norm keeps results of its own
            raise ExportError(f"the model cannot be copied: {error}") from error
        if not model.training:  # all of it is in evaluation: which mode runs is said by braid
            training.train()
        self.first = self.one(training, inputs, is_leaf, 0)
        second = self.one(training, inputs, is_leaf, 1)
        self.agree(self.first, second, "depends on the sizes of its inputs")
        evaluated = self.one(copy.deepcopy(model).eval(), inputs, is_leaf, 0)
        self.agree(self.first, evaluated, "is another one in evaluation than in training", True)
        self.second = dict(zip(self.first, second))
        self.evaluated = dict(zip(self.first, evaluated))
        self.rewrite_in_place()

    def one(self, model, inputs, is_leaf, which):
        model = copy.deepcopy(model)
        given = {}
        for name, (dtype, dims) in inputs.items():
            shape = [self.pairs["N"][which]] + [self.pairs[d][which] if isinstance(d, str) else d for d in dims]
            given[name] = (torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
                           if dtype.is_floating_point else torch.zeros(shape, dtype=dtype))
        tracer = Tracer(is_leaf)
        graph = tracer.run(model, given)
        for node in list(graph.nodes)[::-1]:
            if not node.users and node.op in ("get_attr", "call_function", "call_method") \
                    and "in place" not in node.meta:
                graph.erase_node(node)
        return list(graph.nodes)

    def agree(self, a, b, why, same_numbers=False):
        """The same operations on the same values; `same_numbers`: with equal arguments, but dropout's."""
        index = {**{n: i for i, n in enumerate(a)}, **{n: i for i, n in enumerate(b)}}

        def equal(u, v):
            if isinstance(u, fx.Node) or isinstance(v, fx.Node):
                return index.get(u) == index.get(v) is not None
            if isinstance(u, (tuple, list)):
                return isinstance(v, (tuple, list)) and len(u) == len(v) and all(map(equal, u, v))
            if isinstance(u, dict):
                return isinstance(v, dict) and u.keys() == v.keys() and all(equal(u[k], v[k]) for k in u)
            if isinstance(u, slice):
                return isinstance(v, slice) and equal((u.start, u.stop, u.step), (v.start, v.stop, v.step))
            return type(u) is type(v) and (u == v or not same_numbers)
        for x, y in zip(a, b):
            drops = same_numbers and target_name(x) in DROPS
            fixed = same_numbers and x.op == "get_attr" and isinstance(x.meta["value"], torch.Tensor)
            if x.op == y.op and str(x.target) == str(y.target) and (
                    not drops and not equal((x.args, x.kwargs), (y.args, y.kwargs)) or
                    drops and not equal(x.args[:1], y.args[:1]) or
                    fixed and x.meta["value"].shape != y.meta["value"].shape or
                    fixed and not torch.equal(x.meta["value"], y.meta["value"])):
                raise ExportError(f"{said(x.meta.get('place'))}: forward() {why}: "
                                  f"{target_name(x)} takes other arguments")
            if x.op != y.op or x.op != "placeholder" and str(x.target) != str(y.target):
                raise ExportError(f"{said(x.meta.get('place'))}: forward() {why}: "
                                  f"{target_name(x)} here, {target_name(y)} there")
        if len(a) != len(b):
            longer = max(a, b, key=len)
            raise ExportError(f"{said(longer[min(len(a), len(b)) - 1].meta.get('place'))}: forward() {why}: "
                              f"{len(a)} operations and {len(b)}")

    def rewrite_in_place(self):
        """What reads a value behind an operation in place reads its result."""
        at = {n: i for i, n in enumerate(self.first)}
        storages = {}
        for node in self.first:
            for v in tensors_of(node.meta.get("value")):
                storages.setdefault(storage(v), []).append(node)
        for node in self.first:
            old = node.meta.get("in place")
            if old is None:
                continue
            for v in tensors_of(old.meta.get("value")):
                for other in storages.get(storage(v), []):
                    late = [u for u in other.users if at.get(u, -1) > at[node]]
                    if other in (old, node) or at[other] > at[node] or not late:
                        continue
                    if other.op == "placeholder" or not same_view(other.meta["value"], v):
                        raise ExportError(
                            f"{said(node.meta['place'])}: {target_name(node)} in place changes a value that "
                            f"{said(late[0].meta['place'])} sees through another view\n"
                            "  help: write it without `inplace`")
                    for user in late:
                        user.replace_input_with(other, node)
            for user in [u for u in old.users if at.get(u, -1) > at[node]]:
                user.replace_input_with(old, node)

    # ---- numbers

    def symbol(self, a, b):
        """A number of the first trace and its counterpart: an int, or text such as N, 2*N, L."""
        if a == b:
            return a
        if isinstance(a, int) and isinstance(b, int):
            for name, (p, q) in self.pairs.items():
                if a % p == 0 and a // p * q == b:
                    k = a // p
                    return name if k == 1 else f"{k}*{name}"
            for name, (p, q) in self.pairs.items():
                for other, (r, s) in self.pairs.items():
                    if name < other and a % (p * r) == 0 and a // (p * r) * q * s == b:
                        return f"{a // (p * r)}*{name}*{other}"
        raise ExportError(f"{a} with one set of sizes, {b} with another, is no multiple of a dimension")

    def shape(self, node):
        """The symbolic shape of a node's value; of a tuple, a list of them."""
        return self.shapes(node.meta["value"], self.second[node].meta["value"])

    def shapes(self, a, b):
        if isinstance(a, (tuple, list)):
            return [self.shapes(x, y) for x, y in zip(a, b)]
        if not isinstance(a, torch.Tensor):
            return None
        return [self.symbol(x, y) for x, y in zip(a.shape, b.shape)]

    def arguments(self, node):
        """args and kwargs with symbolic numbers."""
        def join(a, b):
            if isinstance(a, fx.Node) or isinstance(a, bool) or a is None:
                return a
            if isinstance(a, int):
                return self.symbol(a, b)
            if isinstance(a, float) and a != b:
                raise ExportError(f"{a} with one set of sizes, {b} with another")
            if isinstance(a, slice):
                return slice(join(a.start, b.start), join(a.stop, b.stop), join(a.step, b.step))
            if isinstance(a, torch.Size):
                return tuple(join(x, y) for x, y in zip(a, b))
            if isinstance(a, (tuple, list)):
                return type(a)(join(x, y) for x, y in zip(a, b))
            if isinstance(a, dict):
                return {k: join(v, b[k]) for k, v in a.items()}
            return a
        other = self.second[node]
        return join(tuple(node.args), tuple(other.args)), join(dict(node.kwargs), dict(other.kwargs))


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value for t in tensors_of(v)] if isinstance(value, (tuple, list)) else []


def storage(tensor):
    return (tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()).data_ptr()


def same_view(a, b):
    return isinstance(a, torch.Tensor) and a.shape == b.shape and a.stride() == b.stride() and \
        a.data_ptr() == b.data_ptr()


def target_name(node):
    if node.op == "call_module":
        return node.target
    if node.op == "output":
        return "return"
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
