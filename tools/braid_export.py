#!/usr/bin/env python3
"""Turns a PyTorch model into a Braid network: net.yaml and weights.safetensors.

    braid_export.py my_model:resnet18() --input 3x224x224 -o net
    braid_export.py nets/unet.py:UNet(classes=2) --input 3x256x256 --train -o net

The model is followed by torch.fx. What has no layer in Braid is listed with its place in the model's
source, all of it at once, and nothing is written. Exit codes: 0 fine; 1 the model, or what `braid check`
says of the result; 2 usage.
"""
import argparse
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

from braid_torch import files, layers, operations, structure, text, trace  # noqa: E402,F401
from braid_torch.trace import ExportError  # noqa: E402

DTYPES = {"f32": torch.float32, "i64": torch.int64, "i32": torch.int32, "u8": torch.uint8, "bool": torch.bool}
LOSSES = ("CrossEntropy", "BCEWithLogits", "MSE", "L1", "SmoothL1")


def load(spec):
    """The model that MODULE:CALL makes; MODULE is a name or a file."""
    source, colon, call = spec.partition(":")
    if not colon or not call:
        raise ExportError(f"'{spec}' is not MODULE:CALL\n  help: such as my_model:resnet18() or nets/unet.py:UNet()")
    try:
        if source.endswith(".py"):
            sys.path.insert(0, os.path.dirname(os.path.abspath(source)))
            found = importlib.util.spec_from_file_location(os.path.basename(source)[:-3], source)
            module = importlib.util.module_from_spec(found)
            sys.modules[found.name] = module
            found.loader.exec_module(module)
        else:
            sys.path.insert(0, os.getcwd())
            module = importlib.import_module(source)
        model = eval(call, {**vars(module), "torch": torch})  # the user's own code, as the module is
    except Exception as error:
        raise ExportError(f"{spec}: {type(error).__name__}: {error}") from error
    if not isinstance(model, torch.nn.Module):
        raise ExportError(f"{spec} is a {type(model).__name__}, not a torch.nn.Module\n"
                          "  help: write a call that makes the model, such as Net()")
    return model


def parse_input(spec):
    """`[NAME=][DTYPE:]3x224xL` -> (name or None, dtype, dims)."""
    match = re.fullmatch(r"(?:(\w+)=)?(?:(\w+):)?((?:\d+|[A-Z]\w*?)(?:x(?:\d+|[A-Z]\w*?))*|)", spec)
    if not match or match[2] and match[2] not in DTYPES:
        raise ExportError(f"--input {spec}: not [NAME=][DTYPE:]SHAPE\n"
                          f"  help: the shape of one sample, such as 3x224x224 or tokens=i64:L; "
                          f"dtypes: {' '.join(DTYPES)}")
    dims = [int(d) if d.isdigit() else d for d in match[3].split("x") if d]
    if "N" in dims:
        raise ExportError(f"--input {spec}: N is the batch, which stands before the shape of a sample")
    return match[1], DTYPES[match[2] or "f32"], dims


def named_inputs(model, specs):
    names, inputs = trace.forward_names(model), {}
    for spec in specs:
        name, dtype, dims = parse_input(spec)
        if name is None:
            free = [n for n in names if n not in inputs]
            if not free:
                raise ExportError(f"--input {spec}: forward() has only {len(names)} arguments")
            name = free[0]
        if name not in names:
            raise ExportError(f"--input {spec}: forward() has no argument '{name}', only {', '.join(names)}")
        inputs[name] = (dtype, dims)
    return inputs


def layers_of(braid):
    """The types of layers that a build knows, or None."""
    if not braid:
        return None
    try:
        found = subprocess.run([braid, "layers", "--json"], capture_output=True, text=True, check=True)
        return {layer["name"] for layer in json.loads(found.stdout)["layers"]}
    except (OSError, subprocess.CalledProcessError, ValueError):
        raise ExportError(f"'{braid} layers --json' does not tell which layers there are\n"
                          "  help: --braid names the command, build/release/bin/braid")


def shape_text(shape):
    return ["N", *shape]


class Network:
    """A model as a network: its sections, its tensors, what had to be said about it."""

    def __init__(self, model, inputs, name, known=None, loss=None, train=False, origin="",
                 classes=None, forms=structure.FORMS):
        """inputs: {name: (dtype, dims of one sample)}; raises ExportError, with all problems of a run."""
        followed = trace.Trace(model, inputs, layers.is_leaf)
        for form in forms:
            network = layers.Network(model, followed, known)
            if network.problems:
                raise ExportError(report(network.problems))
            head = new_head(network, classes) if classes else None
            try:
                blocks, items, outputs = structure.Structure(network, form).sections()
                break
            except structure.Ambiguous:
                continue
        else:
            raise ExportError("no form of the file names all values: a fault of braid_export.py")
        self.form, self.notes, self.inputs, self.pairs = form, network.notes, inputs, followed.pairs
        self.keys = network.keys
        self.notes += unread(model, network)
        self.tensors = {k: as_f32(t) for k, t in network.tensors.items() if t is not None and k not in network.ties}
        taken = {}
        for dtype, dims in inputs.values():
            taken.update({d: None for d in dims if isinstance(d, str)})
        sections = {"braid": 1, "name": name}
        sections["batch"] = {"global": 32}
        if blocks:
            sections["blocks"] = blocks
        sections["inputs"] = {n: {"shape": shape_text(dims), "dtype": dtype_name(dtype)}
                              for n, (dtype, dims) in inputs.items()}
        sections["layers"] = items
        if network.ties:
            sections["tie"] = network.ties
        sections["outputs"] = outputs
        self.add_loss(sections, network, outputs, loss, train)
        sections["weights"] = {"path": "weights.safetensors", **({"misshapen": [f"{head}.*"]} if head else {})}
        if network.frozen:
            sections["freeze"] = network.frozen
        order = ["braid", "name", "batch", "blocks", "inputs", "layers", "tie", "outputs", "loss", "metrics",
                 "optimizer", "data", "train", "weights", "freeze"]
        self.sections = {k: sections[k] for k in order if k in sections}
        self.text = text.file_text(self.sections, [f"Written by braid_export.py from {origin or name}"])

    def add_loss(self, sections, network, outputs, loss, train):
        """A loss over the first output, its target, and where both come from."""
        name, val = next(iter(network.outputs.items()))
        shape = val.shape
        classes = len(shape) >= 2 and isinstance(shape[1], int) and shape[1] > 1 and val.dtype == torch.float32 \
            and shape[0] == "N" and len(outputs) == 1
        if loss is None and (train or len(shape) == 2) and classes:
            loss = "CrossEntropy"
        if loss is None and train:
            raise ExportError(f"which loss? The output has the shape {text.on_a_line(shape)}\n"
                              f"  help: --loss {'|'.join(LOSSES)}")
        if loss is None:
            return
        if loss == "CrossEntropy" and not classes:
            raise ExportError(f"CrossEntropy needs one output [N, classes, ...], this is {text.on_a_line(shape)}")
        target = "label" if loss == "CrossEntropy" else "target"
        while target in self.inputs or target in network.names_of_items():
            target += "_"
        dims = [*shape[:1], *shape[2:]] if loss == "CrossEntropy" else shape
        sections["inputs"][target] = {"shape": dims, "dtype": "i64" if loss == "CrossEntropy" else "f32"}
        first = outputs[name]
        sections["loss"] = {"type": loss, "from": [first, target]}
        if loss == "CrossEntropy":
            sections["metrics"] = {"accuracy": {"type": "Accuracy", "from": [first, target]}}
        names = list(sections["inputs"])

        def source(part):
            return {"type": "Npy", **{n: {"path": f"{part}-{n}.npy"} for n in names}}
        data = {"test": source("test")}
        if train:
            data = {"train": {**source("train"), "shuffle": True}, **data}
            sections["optimizer"] = {"type": "SGD", "lr": 0.01, "momentum": 0.9}
            sections["train"] = {"epochs": 10}
        sections["data"] = data

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        files.write_safetensors(os.path.join(folder, "weights.safetensors"), self.tensors)
        path = os.path.join(folder, "net.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.text)
        return path


def unread(model, network):
    """Notes on what state_dict has and the network does not."""
    known = {*network.keys.values(), *network.ties}
    state = model.state_dict()
    seen = {state[k].data_ptr() for k in known if k in state and state[k].numel()}
    return [f"{key} is not in the file: no layer reads it" for key, tensor in state.items()
            if key not in known and tensor.data_ptr() not in seen]


def new_head(network, classes):
    """Gives the last layer as many outputs; it begins anew in training. Returns its name."""
    val = next(iter(network.outputs.values()))
    keys = {"Linear": "out_features", "Conv2d": "out_channels"}
    if len(network.outputs) > 1 or val.item.what not in keys or network.ties:
        raise ExportError(f"--classes needs a Linear or Conv2d as the last layer, this is {val.item.what}")
    val.item.params[keys[val.item.what]] = classes
    val.shape[-1 if val.item.what == "Linear" else 1] = classes
    return val.item.name


def as_f32(tensor):
    return tensor.detach().float() if tensor.is_floating_point() else tensor.detach()


def dtype_name(dtype):
    return next(n for n, d in DTYPES.items() if d == dtype)


def report(problems):
    lines = []
    for p in problems:
        lines.append(f"{p['place']}: {p['name']}: {p['operator']}: {p['why']}")
    count = len(problems)
    return "\n".join(lines) + f"\n{count} operation{'s' if count > 1 else ''} without a layer; nothing is written"


def export(model, inputs, name="net", **options):
    """For programs: a Network of `model`; inputs: {name: (torch dtype, dims of one sample)}."""
    return Network(model, inputs, name, **options)


def check(braid, path, pairs):
    free = [f"--set={d}={size[0]}" for d, size in pairs.items() if d != "N"]
    return subprocess.run([braid, "check", path, *free], capture_output=True, text=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", metavar="MODULE:CALL", help="my_model:resnet18() or path/to/file.py:Net(10)")
    parser.add_argument("--input", action="append", metavar="[NAME=][DTYPE:]SHAPE", required=True,
                        help="shape of one sample of an argument of forward(): 3x224x224, tokens=i64:L")
    parser.add_argument("-o", "--out", default="net", metavar="DIR", help="default: net")
    parser.add_argument("--name", help="the network's name; default: the model's class")
    parser.add_argument("--loss", choices=LOSSES, help="default: CrossEntropy for outputs [N, classes]")
    parser.add_argument("--classes", type=int, metavar="K", help="a last layer of K outputs that begins anew")
    parser.add_argument("--train", action="store_true", help="add an optimizer and training data")
    parser.add_argument("--braid", metavar="PATH", help="the command; default: braid in PATH")
    given = parser.parse_args(argv)
    braid = given.braid or shutil.which("braid")
    try:
        model = load(given.model)
        network = Network(model, named_inputs(model, given.input), given.name or type(model).__name__.lower(),
                          layers_of(braid), given.loss, given.train, given.model, given.classes)
        path = network.write(given.out)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    for note in network.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{path}: {len(network.tensors)} tensors, "
          f"{sum(t.numel() for t in network.tensors.values()):,} numbers in weights.safetensors")
    if not braid:
        print("not checked: no braid in PATH, and no --braid")
        return 0
    found = check(braid, path, network.pairs)
    sys.stderr.write(found.stderr)
    if found.returncode:
        print(f"{path}: braid check refuses it", file=sys.stderr)
        return 1
    print((found.stdout.strip().splitlines() or ["checked"])[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
