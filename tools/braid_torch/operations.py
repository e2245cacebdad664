"""Operations of PyTorch that are several layers, or need their shapes: a function each."""
import torch

from .layers import (HANDLERS, Const, Pieces, Spread, Turned, Unsupported, Val, Weight, bind, function, module,
                     no_attention_weights, params_of)
from .tables import EXPRESSIONS, MODULES
from .text import number
from .trace import target_name


# ---- functions

@function("rows_of", "table index")
def rows_of(b, table, index):
    """Embedding of positions that are the same in every run: rows of its table."""
    first, second = index.first, index.second
    runs = all(torch.equal(t.reshape(-1), torch.arange(t.numel())) for t in (first, second))
    if not runs:
        raise Unsupported("an Embedding of constants other than 0, 1, 2, ...")
    stop = b.trace.symbol(first.numel(), second.numel())
    shape = b.trace.shape(b.node)
    return b.reshape(b.slice(table.val, 0, 0, stop), shape)


@function("flatten", "input start end")
def flatten(b, input, start, end):
    val = b.value(input)
    shape = b.trace.shape(b.node)
    if shape == val.shape:
        return val
    rank = len(val.shape)
    start, end = start % rank, end % rank
    params = {k: v for k, v in (("start_dim", start), ("end_dim", end if end != rank - 1 else -1))
              if (k, v) not in (("start_dim", 1), ("end_dim", -1))}
    return b.emit("Flatten", [val], params, base="flatten")


@function("view reshape", "input *shape")
def _(b, input, shape):
    return b.reshape(input, b.trace.shape(b.node))


@function("view_as reshape_as", "input other")
def _(b, input, other):
    return b.reshape(input, b.trace.shape(b.node))


@function("squeeze unsqueeze unsqueeze_ squeeze_", "input dim=None")
def _(b, input, dim):
    return b.reshape(input, b.trace.shape(b.node))


@function("unflatten", "input dim *sizes")
def _(b, input, dim, sizes):
    return b.reshape(input, b.trace.shape(b.node))


@function("contiguous clone cpu", "input")
def _(b, input):
    return b.env[input]


@function("to type float type_as", "input *rest")
def _(b, input, rest):
    before = b.env[input]
    if input.meta["value"].dtype != b.node.meta["value"].dtype:
        raise Unsupported("another dtype")
    return before


@function("permute", "input *dims")
def _(b, input, dims):
    return b.permute(input, [d % len(dims) for d in dims])


@function("transpose transpose_ swapaxes swapdims", "input dim0 dim1")
def _(b, input, dim0, dim1):
    rank = b.node.meta["value"].dim()
    dims = list(range(rank))
    dims[dim0 % rank], dims[dim1 % rank] = dims[dim1 % rank], dims[dim0 % rank]
    return b.permute(input, dims)


@function("t", "input")
def _(b, input):
    return b.permute(input, list(range(b.node.meta["value"].dim()))[::-1])


@function("getattr", "input name")
def _(b, input, name):
    rank = b.node.meta["value"].dim()
    if name == "T":
        return b.permute(input, list(range(rank))[::-1])
    if name == "mT":
        return b.permute(input, [*range(rank - 2), rank - 1, rank - 2])
    raise Unsupported(f"the attribute {name}")


@function("cat concat concatenate", "tensors dim=0")
def _(b, tensors, dim):
    dim = dim % len(b.trace.shape(b.node))
    if any(isinstance(b.env[t], Spread) for t in tensors):
        return side_by_side(b, [b.env[t] if isinstance(b.env[t], Spread) else b.value(t) for t in tensors], dim)
    vals = [b.value(t) for t in tensors]
    if len(vals) == 1:
        return vals[0]
    if dim == 0 and any(v.batched for v in vals):
        raise Unsupported("it joins batches: replicas hold slices of them")
    return b.emit("Concat", vals, {"dim": dim} if dim != 1 else {}, base="cat")


def side_by_side(b, parts, dim):
    """Concat with parts that have no batch: each among zeros, and their sum."""
    shape = b.trace.shape(b.node)
    sizes = [p.shape[dim] for p in parts]
    padded = []
    for i, part in enumerate(parts):
        val = part.val if isinstance(part, Spread) else part
        if len(val.shape) != len(shape) or val.shape[1:] != part.shape[1:]:
            raise Unsupported("a part that is expanded along more than the batch")
        before, after = sizes[:i], sizes[i + 1:]
        odd = [s for s in before + after if not isinstance(s, int)]
        if len(odd) > 1 or odd and "*" in odd[0] or odd and sum(s for s in before + after if s not in odd):
            raise Unsupported("parts of free dimensions")
        ends = [odd[0] if odd and odd[0] in side else sum(side) for side in (before, after)]
        padded.append(b.emit("Pad", [val], {"pad": [0, 0] * (len(shape) - 1 - dim) + ends}, base="pad",
                             shape=[*val.shape[:dim], shape[dim], *val.shape[dim + 1:]]))
    return b.emit("Add", padded, base="cat")


@function("stack", "tensors dim=0")
def _(b, tensors, dim):
    shape = b.trace.shape(b.node)
    dim = dim % len(shape)
    one = [*shape[:dim], 1, *shape[dim + 1:]]
    vals = [b.reshape(t, one, base="unsqueeze") for t in tensors]
    return b.emit("Concat", vals, {"dim": dim} if dim != 1 else {}, base="stack")


def pieces(b, input, dim, squeeze=False):
    """The parts that chunk, split and unbind make, each when it is asked for."""
    node = b.node
    shapes = b.trace.shape(node)
    turned = b.env[input] if isinstance(b.env[input], Turned) else None
    rank = input.meta["value"].dim()
    dim = dim % rank
    makers, at = [], 0
    for shape in shapes:
        length = 1 if squeeze else shape[dim]
        if not isinstance(length, int):
            raise Unsupported(f"parts of the free dimension {length}")

        def make(begin=at, end=at + length, shape=shape):
            if turned:
                part = b.slice(turned.val, turned.dims[dim], begin, end)
                return settle(b, Turned(part, turned.dims), [dim] if squeeze else [])
            part = b.slice(input, dim, begin, end)
            return b.reshape(part, shape, base="squeeze") if squeeze else part
        makers.append(make)
        at += length
    return Pieces(makers)


def settle(b, turned, drop):
    """A permuted value without the dimensions `drop`, each of size 1."""
    gone = [turned.dims[d] for d in drop]
    kept = [d for d in range(len(turned.val.shape)) if d not in gone]
    val = b.reshape(turned.val, [turned.val.shape[d] for d in kept], base="squeeze")
    return b.permute(val, [kept.index(d) for i, d in enumerate(turned.dims) if i not in drop])


@function("chunk split tensor_split split_with_sizes", "input split dim=0")
def _(b, input, split, dim):
    return pieces(b, input, dim)


@function("unbind", "input dim=0")
def _(b, input, dim):
    return pieces(b, input, dim, squeeze=True)


@function("getitem", "input index")
def _(b, input, index):
    found = b.env[input]
    if isinstance(found, Pieces):
        if not isinstance(index, int):
            raise Unsupported("a range of several values")
        return found.get(index)
    index = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(i, (torch.fx.Node, list, torch.Tensor, bool)) for i in index):
        raise Unsupported("an index that is a tensor or a list")
    rank = input.meta["value"].dim()
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index[at:at + 1] = [slice(None)] * (rank - sum(i is not None for i in index) + 1)
    turned = found if isinstance(found, Turned) else None
    val, axis, drop = (turned.val if turned else b.value(input)), 0, []
    for i in index:
        if i is None:
            if turned:
                raise Unsupported("a new dimension where the batch is not dimension 0")
            continue
        dim = turned.dims[axis] if turned else axis
        if isinstance(i, slice):
            if i.step not in (None, 1):
                raise Unsupported("an index with steps")
            val = b.slice(val, dim, i.start, i.stop)
        elif isinstance(i, int):
            val = b.slice(val, dim, i, i + 1 if i != -1 else None)
            drop.append(axis)
        else:
            raise Unsupported(f"the index {i!r}")
        axis += 1
    if turned:
        return settle(b, Turned(val, turned.dims), drop)
    return b.reshape(val, b.trace.shape(b.node), base="squeeze")


@function("select", "input dim index")
def _(b, input, dim, index):
    rank = input.meta["value"].dim()
    whole = [slice(None)] * (dim % rank) + [index]
    return HANDLERS["getitem"][0](b, input, tuple(whole))


@function("narrow", "input dim start length")
def _(b, input, dim, start, length):
    return b.slice(input, dim % len(b.value(input).shape), start, start + length)


@function("expand expand_as repeat broadcast_to", "input *rest")
def _(b, input, rest):
    val, shape = b.operand(input), b.trace.shape(b.node)
    if val.shape == shape:
        return val
    if target_name(b.node) == "repeat" and any(
            a != c and a != 1 for a, c in zip(val.shape[::-1], shape[::-1])):
        raise Unsupported("repeat of dimensions larger than 1")
    if not val.batched and "N" in str(shape[0]):
        return Spread(val, shape)
    if any(isinstance(d, str) and "*" in d for d in shape):
        raise Unsupported("a size that is a multiple of a dimension")
    return b.emit("Expand", [val], {"size": shape}, shape=shape)


@function("mean sum", "input dim=None keepdim=False")
def _(b, input, dim, keepdim):
    val = b.value(input)
    rank = len(val.shape)
    dims = list(range(rank)) if dim is None else [d % rank for d in (dim if isinstance(dim, (list, tuple)) else [dim])]
    if val.batched and 0 in dims:
        raise Unsupported("it reduces the batch")
    params = {"dim": dims[0] if len(dims) == 1 else dims}
    if keepdim:
        params["keepdim"] = True
    return b.emit(target_name(b.node).capitalize(), [val], params)


@function("dropout dropout_ feature_dropout", "input p=0.5 training=True inplace=False")
def _(b, input, p, training, inplace):
    evaluated = b.trace.evaluated[b.node]
    drops = bind("input p=0.5 training=True inplace=False", evaluated.args, dict(evaluated.kwargs))["training"]
    if not training:
        return b.env[input]
    if drops:
        raise Unsupported("it drops in evaluation, too: give it training=self.training")
    return b.emit("Dropout", [input], {"p": p} if p != 0.5 else {}, base="dropout")


@function("pad", "input pad mode='constant' value=None")
def _(b, input, pad, mode, value):
    if mode != "constant":
        raise Unsupported(f"padding of mode {mode}")
    if not any(pad):
        return b.env[input]
    return b.emit("Pad", [input], {"pad": list(pad), **({"value": float(value)} if value else {})})


@function("interpolate upsample",
          "input size=None scale_factor=None mode='nearest' align_corners=None recompute_scale_factor=None"
          " antialias=False")
def _(b, input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias):
    if mode not in ("nearest", "linear", "bilinear", "trilinear") or antialias or recompute_scale_factor:
        raise Unsupported(f"mode {mode}, antialias or recompute_scale_factor")
    given = {"size": size, "scale_factor": scale_factor, "mode": mode, "align_corners": align_corners}
    layer, params = params_of(MODULES["Upsample"], given.get)
    return b.emit("Interpolate", [input], params)


@function("grid_sample", "input grid mode='bilinear' padding_mode='zeros' align_corners=None")
def _(b, input, grid, mode, padding_mode, align_corners):
    layer, params = params_of("GridSample mode='bilinear' padding_mode='zeros' align_corners=False",
                              {"mode": mode, "padding_mode": padding_mode,
                               "align_corners": bool(align_corners)}.get)
    return b.emit(layer, [input, grid], params)


@function("pairwise_distance", "x1 x2 p=2.0 eps=1e-6 keepdim=False")
def _(b, x1, x2, p, eps, keepdim):
    layer, params = params_of("PairwiseDistance p=2.0 eps=1e-6 keepdim=False",
                              {"p": p, "eps": eps, "keepdim": keepdim}.get)
    return b.emit(layer, [x1, x2], params)


def matmul(b, first, second, shape=None, base="matmul"):
    x, y = (v if isinstance(v, Val) and not isinstance(v, Weight) else b.operand(v) for v in (first, second))
    if b.has("MatMul"):
        return b.emit("MatMul", [x, y], shape=shape, base=base)
    if len(x.shape) < 2 or len(y.shape) < 2:
        raise Unsupported("a product with a vector")
    letters = "abcdefgh"[:max(len(x.shape), len(y.shape)) - 2]
    left, right = letters[len(letters) - len(x.shape) + 2:], letters[len(letters) - len(y.shape) + 2:]
    sizes = {}
    for names, val in ((left, x), (right, y)):
        for letter, size in zip(names, val.shape):
            if sizes.setdefault(letter, size) != size:
                raise Unsupported("a product that repeats dimensions of size 1")
    return b.emit("Einsum", [x, y], {"equation": f"{left}ik,{right}kj->{letters}ij"}, shape=shape, base=base)




@function("matmul bmm mm", "first second")
def _(b, first, second):
    return matmul(b, first, second)


@function("einsum", "equation *operands")
def _(b, equation, operands):
    if "..." in equation:
        raise Unsupported("an ellipsis in an equation")
    return b.emit("Einsum", [b.operand(v) for v in operands], {"equation": equation.replace(" ", "")})


@function("scaled_dot_product_attention",
          "query key value attn_mask=None dropout_p=0.0 is_causal=False scale=None enable_gqa=False")
def _(b, query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
    if attn_mask is not None or is_causal or enable_gqa:
        raise Unsupported("attention with a mask")
    if bind(HANDLERS["scaled_dot_product_attention"][1], b.trace.evaluated[b.node].args,
            dict(b.trace.evaluated[b.node].kwargs))["dropout_p"]:
        raise Unsupported("it drops in evaluation, too: dropout_p=p if self.training else 0.0")
    q, k, v = (b.value(x) for x in (query, key, value))
    rank = len(q.shape)
    turned = b.permute(k, [*range(rank - 2), rank - 1, rank - 2])
    shape = [*q.shape[:-1], k.shape[-2]]
    scores = matmul(b, q, turned, shape, "scores")
    factor = scale if scale is not None else q.shape[-1] ** -0.5
    scaled = b.emit("Math", [scores], {"expr": f"x * {number(factor)}"}, shape=shape, base="scaled")
    weights = b.emit("Softmax", [scaled], {"dim": rank - 1}, shape=shape, base="softmax")
    if dropout_p:
        params = {"p": dropout_p} if dropout_p != 0.5 else {}
        weights = b.emit("Dropout", [weights], params, shape=shape, base="dropout")
    return matmul(b, weights, v)


@function("masked_fill masked_fill_", "input mask value")
def _(b, input, mask, value):
    if value in (float("-inf"), -float("inf")):
        users = [u for u in b.node.users]
        if not users or any("softmax" not in str(target_name(u)).lower() for u in users):
            raise Unsupported("masked_fill with infinity that no softmax follows")
        value = -1e30
    if not isinstance(b.env[mask], Const):
        raise Unsupported("a mask that is no constant")
    return b.emit("Math", [("a", b.value(input)), ("m", b.value(mask))],
                  {"expr": f"where(m > 0.5, {number(value)}, a)"}, base="masked")


def owned(b, weight, bias, names=("weight", "bias")):
    """The module whose weight and bias a function is given."""
    weight = b.env.get(weight)
    bias = b.env.get(bias) if bias is not None else None
    if not isinstance(weight, Weight) or not weight.key.endswith("." + names[0]) or \
            bias is not None and not (isinstance(bias, Weight) and
                                      bias.key == weight.key[:-len(names[0])] + names[1]):
        raise Unsupported("its weights are not one module's `weight` and `bias`")
    name = weight.key[:-len(names[0]) - 1]
    if weight.key in b.taken or weight.key in b.params:
        raise Unsupported(f"{weight.key} is used twice")
    tensors = {f"{name}.{names[0]}": weight.parameter}
    if bias is not None:
        tensors[f"{name}.{names[1]}"] = bias.parameter
    for key, tensor in tensors.items():
        b.keys[key], b.tensors[key] = key, tensor
        b.tie(key, tensor)
    off = [k for k, t in tensors.items() if not t.requires_grad]
    if off and len(off) < len(tensors):
        b.frozen += off
    return name, weight.parameter, {"freeze": "all"} if len(off) == len(tensors) else {}


@function("linear", "input weight bias=None")
def _(b, input, weight, bias):
    name, w, extra = owned(b, weight, bias)
    params = {"out_features": w.shape[0], **({} if bias is not None else {"bias": False})}
    return b.emit("Linear", [input], params, name=name, extra=extra, weighted=True)


@function("conv1d conv2d conv3d", "input weight bias=None stride=1 padding=0 dilation=1 groups=1")
def _(b, input, weight, bias, stride, padding, dilation, groups):
    name, w, extra = owned(b, weight, bias)
    given = {"out_channels": w.shape[0], "kernel_size": list(w.shape[2:]), "stride": stride, "padding": padding,
             "dilation": dilation, "groups": groups, "bias": bias, "padding_mode": "zeros"}
    layer, params = params_of(MODULES[f"Conv{w.dim() - 2}d"], given.get)
    return b.emit(layer, [input], params, name=name, extra=extra, weighted=True)


@function("layer_norm", "input normalized_shape weight=None bias=None eps=1e-5")
def _(b, input, normalized_shape, weight, bias, eps):
    params = {"normalized_shape": list(normalized_shape)} if len(normalized_shape) > 1 else {}
    if eps != 1e-5:
        params["eps"] = eps
    if weight is None:
        return b.emit("LayerNorm", [input], {**params, "elementwise_affine": False})
    name, w, extra = owned(b, weight, bias)
    if bias is None:
        params["bias"] = False
    return b.emit("LayerNorm", [input], params, name=name, extra=extra, weighted=True)


# ---- modules

@module("SyncBatchNorm")
def _(b, m, input):
    rank = len(b.value(input).shape)
    layer, params = params_of(MODULES["BatchNorm1d"].replace("1d", f"{max(rank - 2, 1)}d", 1), lambda n: getattr(m, n))
    return b.module_item(b.node, m, layer, params, [input])


@module("MultiheadAttention")
def _(b, m, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, **rest):
    if not m.batch_first:
        raise Unsupported("batch_first=False: the batch is not dimension 0")
    if attn_mask is not None or rest.get("is_causal"):
        raise Unsupported("attn_mask")
    if m.bias_k is not None or m.add_zero_attn or not m._qkv_same_embed_dim:
        raise Unsupported("add_bias_kv, add_zero_attn, kdim or vdim")
    params = {"num_heads": m.num_heads}
    if m.dropout and (m.training or not b.model.training):
        params["dropout"] = m.dropout
    if m.in_proj_bias is None:
        params["bias"] = False
    params["batch_first"] = True
    inputs = [query, key, value]
    if key_padding_mask is not None:
        inputs = [("query", query), ("key", key), ("value", value), ("key_padding_mask", key_padding_mask)]
    val = b.module_item(b.node, m, "MultiheadAttention", params, inputs)
    val.dtype = torch.float32
    return Pieces([lambda: val, no_attention_weights])


@module("Unflatten")
def _(b, m, input):
    return b.reshape(input, b.trace.shape(b.node))


@module("Hardsigmoid")
def _(b, m, input):
    return b.expression("hardsigmoid", {"input": input}, EXPRESSIONS["hardsigmoid"][1])


@module("Hardtanh")
def _(b, m, input):
    return b.expression("hardtanh", {"input": input, "min": m.min_val, "max": m.max_val}, None)


@module("PixelShuffle")
def _(b, m, input):
    n, c, h, w = b.value(input).shape
    r = m.upscale_factor
    if not all(isinstance(d, int) for d in (c, h, w)):
        raise Unsupported("PixelShuffle of free dimensions")
    cut = b.reshape(input, [n, c // r // r, r, r, h, w], base="cut")
    return b.reshape(b.permute(cut, [0, 1, 4, 2, 5, 3]), b.trace.shape(b.node), base="joined")
