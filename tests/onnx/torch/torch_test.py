#!/usr/bin/env python3
"""What torch.onnx.export writes comes in: outputs agree with PyTorch's, layers are the layers that they were.

    torch_test.py BRAID [unittest's arguments]

Exit code 77: this Python has no torch.
"""
import copy
import os
import re
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import torch
except ImportError:
    print("SKIPPED: this Python has no torch (Debian: python3-torch)")
    sys.exit(77)

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path[:0] = [os.path.join(ROOT, "tests", "onnx", "runtime"), os.path.join(ROOT, "tools")]

import pytorch  # noqa: E402
import models  # noqa: E402
from braid_torch import files  # noqa: E402

BRAID = None
BATCHES = (2, 5)  # the file is traced with the first one
SIZES = {"L": (7, 9)}


def given(inputs, which):
    torch.manual_seed(11 + which)
    values = []
    for dtype, dims in inputs.values():
        shape = [BATCHES[which]] + [SIZES[d][which] if d in SIZES else d for d in dims]
        values.append(torch.randint(0, 10, shape) if dtype == torch.int64 else torch.randn(shape))
    return values


class Imported:
    """A model as torch.onnx.export says it, as a network in a folder of its own."""

    def __init__(self, test, model, inputs, opset=17, **options):
        self.test, self.model, self.inputs = test, model, inputs
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.folder = folder.name
        axes = {name: {0: "N", **{1 + d: size for d, size in enumerate(dims) if size in SIZES}}
                for name, (_, dims) in inputs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, tuple(given(inputs, 0)), self.at("m.onnx"), opset_version=opset,
                              input_names=list(inputs), output_names=["y"], dynamic_axes={**axes, "y": {0: "N"}},
                              **options)
        self.braid("import", "m.onnx", "-o", "net.yaml")
        with open(self.at("net.yaml")) as file:
            self.text = file.read()

    def at(self, name):
        return os.path.join(self.folder, name)

    def braid(self, *arguments):
        done = subprocess.run([BRAID, *arguments], capture_output=True, text=True, cwd=self.folder)
        self.test.assertEqual(done.returncode, 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")

    def types(self):
        return re.findall(r"type: (\w+)", self.text.split("layers:")[1])

    def distance(self, which):
        """Of the outputs for a batch, in PyTorch and in Braid, as a part of their norm."""
        values = given(self.inputs, which)
        arguments = []
        for name, value in zip(self.inputs, values):
            files.write_npy(self.at(f"{name}.npy"), value)
            arguments += ["--input", f"{name}={name}.npy"]
        self.braid("run", "net.yaml", *arguments, "--output", "y=y.npy")
        made = files.read_npy(self.at("y.npy")).double()
        # With gradients: without, PyTorch 1.13 has a fast path for attention, which fails where there is no bias.
        expected = copy.deepcopy(self.model).eval()(*values).detach().double()
        self.test.assertEqual(made.shape, expected.shape)
        return ((made - expected).norm() / expected.norm().clamp_min(1e-30)).item()

    def judge(self, most=1e-5):
        for which in range(len(BATCHES)):
            self.test.assertLessEqual(self.distance(which), most, self.text)


class Models(unittest.TestCase):
    """Those of tests/export, in evaluation."""


def model_test(name, opset):
    def run(self):
        model, inputs = pytorch.ALL[name]
        imported = Imported(self, pytorch.settle(copy.deepcopy(model), inputs), inputs, opset)
        imported.judge()
        norms = sum(isinstance(m, nn.LayerNorm) for m in model.modules())
        self.assertEqual(imported.types().count("LayerNorm"), norms, imported.text)
        gelus = sum(isinstance(m, nn.GELU) for m in model.modules())
        self.assertEqual(imported.types().count("GELU"), gelus, imported.text)
        attentions = sum(isinstance(m, (nn.MultiheadAttention, models.Attention)) for m in model.modules())
        self.assertEqual(imported.types().count("MultiheadAttention"), attentions, imported.text)
    return run


for each in pytorch.ALL:
    for version in (13, 17):
        setattr(Models, f"test_{each}_opset_{version}", model_test(each, version))


class Training(unittest.TestCase):
    def test_batch_norms_come_in_trainable(self):
        model, inputs = pytorch.ALL["resnet18"]
        model = pytorch.settle(copy.deepcopy(model), inputs)
        imported = Imported(self, model, inputs, training=torch.onnx.TrainingMode.TRAINING,
                            do_constant_folding=False)
        imported.judge()
        norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
        self.assertEqual(imported.types().count("BatchNorm2d"), len(norms))
        state = model.state_dict()
        weights = files.read_safetensors(imported.at("net.safetensors"))
        for name in norms:  # under their names, with their numbers
            for key in ("weight", "bias", "running_mean", "running_var"):
                self.assertTrue(torch.equal(weights[f"{name}.{key}"], state[f"{name}.{key}"]), f"{name}.{key}")
        text = imported.text.replace("inputs:\n", "batch: {global: 8}\ninputs:\n  label: {shape: [N], dtype: i64}\n", 1)
        head = re.findall(r"name: (\S+), type: Linear", text)[-1]
        x, label = torch.randn(8, 3, 32, 32), torch.arange(8)
        files.write_npy(imported.at("x.npy"), x)
        files.write_npy(imported.at("label.npy"), label)
        with open(imported.at("net.yaml"), "w") as file:
            file.write(text + f"loss: {{type: CrossEntropy, from: [{head}, label]}}\n"
                       "optimizer: {type: SGD, lr: 0.1}\n"
                       "data:\n  train: {type: Npy, x: {path: x.npy}, label: {path: label.npy}}\n"
                       "train: {epochs: 1}\n")
        imported.braid("train", "net.yaml", "--steps", "1", "--out", "run")
        after = files.read_safetensors(imported.at("run/weights.safetensors"))
        optimizer = torch.optim.SGD(model.train().parameters(), 0.1)
        F.cross_entropy(model(x), label).backward()
        optimizer.step()
        state = model.state_dict()
        for name in norms:
            for key in ("weight", "bias", "running_mean", "running_var"):
                self.assertFalse(torch.equal(after[f"{name}.{key}"], weights[f"{name}.{key}"]))
                near = torch.allclose(after[f"{name}.{key}"], state[f"{name}.{key}"], 1e-3, 1e-4)
                self.assertTrue(near, f"{name}.{key}")


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *values):
        return self.function(*values)


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, batch_first=True, **options)

    def forward(self, query, *others):
        return self.attention(query, *(others or (query, query)), need_weights=False)[0]


ROWS = {"x": (torch.float32, [6, 8])}
IMAGE = {"x": (torch.float32, [4, 6, 8])}
OTHERS = {"query": (torch.float32, [6, 8]), "key": (torch.float32, [5, 8]), "value": (torch.float32, [5, 8])}
FREE = {"x": (torch.float32, ["L", 8])}
LAYERS = {
    "gelu": (nn.GELU(), ROWS, "GELU"),
    "gelu_tanh": (nn.GELU("tanh"), ROWS, "GELU"),
    "silu": (nn.SiLU(), ROWS, "SiLU"),
    "hardswish": (nn.Hardswish(), ROWS, "Hardswish"),
    "hardsigmoid": (nn.Hardsigmoid(), ROWS, "Hardsigmoid"),
    "mish": (nn.Mish(), ROWS, None),
    "elu": (nn.ELU(0.7), ROWS, "ELU"),
    "prelu": (nn.PReLU(4), IMAGE, None),
    "softplus": (nn.Softplus(), ROWS, "Softplus"),
    "layer_norm": (nn.LayerNorm(8), ROWS, "LayerNorm"),
    "layer_norm_of_two": (nn.LayerNorm([6, 8]), ROWS, "LayerNorm"),
    "layer_norm_plain": (nn.LayerNorm(8, elementwise_affine=False), ROWS, "LayerNorm"),
    "group_norm": (nn.GroupNorm(2, 4), IMAGE, "GroupNorm"),
    "group_norm_plain": (nn.GroupNorm(2, 4, affine=False), IMAGE, "GroupNorm"),
    "instance_norm": (nn.InstanceNorm2d(4), IMAGE, "InstanceNorm2d"),
    "instance_norm_affine": (nn.InstanceNorm2d(4, affine=True), IMAGE, "InstanceNorm2d"),
    "batch_norm": (nn.BatchNorm2d(4, affine=False), IMAGE, "BatchNorm2d"),
    "normalize": (Call(lambda x: F.normalize(x, dim=-1)), ROWS, "Normalize"),
    "attention": (Attention(num_heads=2), ROWS, "MultiheadAttention"),
    "attention_free": (Attention(num_heads=2), FREE, "MultiheadAttention"),
    "attention_one_head": (Attention(num_heads=1), ROWS, "MultiheadAttention"),
    "attention_no_bias": (Attention(num_heads=4, bias=False), ROWS, "MultiheadAttention"),
    "attention_cross": (Attention(num_heads=2), OTHERS, "MultiheadAttention"),
    "adaptive_pool": (nn.AdaptiveAvgPool2d((3, 4)), IMAGE, None),
    "upsample": (nn.Upsample(scale_factor=2), IMAGE, "Upsample"),
    "upsample_bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, "Upsample"),
    "upsample_corners": (nn.Upsample(size=(9, 11), mode="bilinear", align_corners=True), IMAGE, "Upsample"),
    "transposed": (nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), IMAGE, "ConvTranspose2d"),
    "chunks": (Call(lambda x: sum(p * (k + 1) for k, p in enumerate(x.chunk(3, 1)))), ROWS, None),
    "where": (Call(lambda x: torch.where(x > 0.5, x, 2 * x)), ROWS, None),
    "clamp": (Call(lambda x: x.clamp(-0.5, 0.75)), ROWS, "Clamp"),
    "variance": (Call(lambda x: x.var(-1, unbiased=False)), ROWS, None),
    "strided": (Call(lambda x: x[:, 1:6:2]), ROWS, None),
    "padded": (nn.ReflectionPad2d(2), IMAGE, None),
    "bilinear": (Call(lambda q, k, v: torch.einsum("nle,nse->nls", q, k) @ v), OTHERS, None),
}


class Layers(unittest.TestCase):
    """One at a time; where a type is named, the layer is one layer again."""


def layer_test(name, opset):
    def run(self):
        model, inputs, wanted = LAYERS[name]
        torch.manual_seed(5)
        model = copy.deepcopy(model).eval()
        for parameter in model.parameters():
            nn.init.normal_(parameter, 0.2, 0.4)
        imported = Imported(self, model, inputs, opset)
        imported.judge()
        if wanted:
            self.assertEqual(imported.types(), [wanted], imported.text)
    return run


UNSAID = {("layer_norm_plain", 17)}  # PyTorch 1.13 writes a file that ONNX's checker refuses
for each in LAYERS:
    for version in (13, 17):
        if (each, version) not in UNSAID:
            setattr(Layers, f"test_{each}_opset_{version}", layer_test(each, version))

if __name__ == "__main__":
    BRAID = os.path.abspath(sys.argv.pop(1))
    unittest.main()
