#!/usr/bin/env python3
"""tools/braid_export.py against PyTorch: names, shapes, outputs, one training step, and what it refuses.

    export_test.py BRAID [unittest's arguments]

Exit code 77: this Python has no torch.
"""
import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("skipped: this Python has no torch (Debian: python3-torch)")
    sys.exit(77)

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", "tools", "braid_export.py")
sys.path[:0] = [HERE, os.path.dirname(TOOL)]

import braid_export  # noqa: E402
import cases  # noqa: E402
import models  # noqa: E402
from braid_torch import files  # noqa: E402
from braid_torch.trace import ExportError  # noqa: E402

BRAID = None
IMAGE = {"x": (torch.float32, [3, 32, 32])}
LARGER = {"x": (torch.float32, [3, 64, 64])}  # where the last batch norms of 32 x 32 would see 8 values each


def settled(model, seed=3):
    """Running statistics and affine parameters that no default hides."""
    torch.manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 2)
            if m.affine:
                nn.init.uniform_(m.weight, 0.5, 1.5)
                nn.init.normal_(m.bias, 0, 0.1)
    return model


def given(inputs, batch, sizes=None, seed=11):
    """Random values for the inputs of a network."""
    torch.manual_seed(seed)
    out = {}
    for name, (dtype, dims) in inputs.items():
        shape = [batch] + [(sizes or {}).get(d, d) for d in dims]
        out[name] = torch.randint(0, 10, shape) if dtype == torch.int64 else torch.randn(shape)
    return out


class Exported:
    """A model in a folder of its own."""

    def __init__(self, test, model, inputs, **options):
        self.test, self.model, self.inputs = test, model, inputs
        self.folder = tempfile.TemporaryDirectory()
        test.addCleanup(self.folder.cleanup)
        self.network = braid_export.export(model, inputs, known=braid_export.layers_of(BRAID), **options)
        self.path = self.network.write(self.folder.name)
        self.text = self.network.text

    def at(self, name):
        return os.path.join(self.folder.name, name)

    def braid(self, *arguments):
        done = subprocess.run([BRAID, *arguments], capture_output=True, text=True, cwd=self.folder.name)
        self.test.assertEqual(done.returncode, 0, f"{' '.join(arguments)}\n{done.stderr}\n{self.text}")
        return done.stdout

    def check(self):
        self.braid("fmt", "--check", self.path)
        free = [f"--set={d}={p[0]}" for d, p in self.network.pairs.items() if d != "N"]
        return json.loads(self.braid("check", self.path, "--json", *free))

    def run(self, values):
        """The first output for these inputs, in evaluation."""
        arguments = []
        for name, value in values.items():
            files.write_npy(self.at(f"{name}.npy"), value)
            arguments += ["--input", f"{name}={name}.npy"]
        output = next(iter(self.network.sections["outputs"]))
        self.braid("run", self.path, *arguments, "--output", f"{output}=out.npy")
        return files.read_npy(self.at("out.npy"))

    def train(self, values, target, lr, sizes=None):
        """The weights after one step of SGD on these samples."""
        label = [n for n in self.network.sections["inputs"] if n not in self.inputs][0]
        for name, value in {**values, label: target}.items():
            files.write_npy(self.at(f"train-{name}.npy"), value)
            files.write_npy(self.at(f"test-{name}.npy"), value)
        self.braid("train", self.path, "--steps", "1", "--out", "run", "--set", f"batch.global={len(target)}",
                   "--set", f"optimizer.lr={lr}", *[f"--set={d}={size}" for d, size in (sizes or {}).items()])
        return files.read_safetensors(self.at("run/weights.safetensors"))


def distance(a, b):
    return ((a.double() - b.double()).abs().max() / b.double().abs().max().clamp_min(1e-30)).item()


def step(model, values, target, loss, lr):
    """PyTorch's state after one step in the modes that the modules have."""
    model = copy.deepcopy(model)
    dtype = next(model.parameters()).dtype
    values = {k: v.to(dtype) if v.is_floating_point() else v for k, v in values.items()}
    target = target.to(dtype) if target.is_floating_point() else target
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr)
    loss(model(**values), target).backward()
    optimizer.step()
    return model.state_dict()


def steps_in_f32(model, values, target, loss, lr):
    """The samples of a batch have no order: PyTorch's own error is what it is in any of several."""
    orders = [torch.randperm(len(target), generator=torch.Generator().manual_seed(k)) for k in range(4)]
    return [step(model, {k: v[order] for k, v in values.items()}, target[order], loss, lr) for order in orders]


class Judge(unittest.TestCase):
    def steps(self, exported, inputs, target, loss, lr, renamed=None, sizes=None):
        """Each tensor's error against f64 is at most twice PyTorch's own, plus 1e-6 of its maximum.

        Where an input of ReLU lies within rounding of 0, a step is another one, in Braid's f32 as in
        PyTorch's; so of three draws of samples one has to hold."""
        for seed in (11, 12, 13):
            try:
                return self.one_step(exported, given(inputs, len(target), sizes, seed), target, loss, lr,
                                     renamed or {}, sizes)
            except AssertionError as error:
                failure = error
        raise failure

    def one_step(self, exported, values, target, loss, lr, renamed, sizes):
        double = step(copy.deepcopy(exported.model).double(), values, target, loss, lr)
        singles = steps_in_f32(exported.model, values, target, loss, lr)
        got = exported.train(values, target, lr, sizes)
        before = exported.model.state_dict()
        moved = 0
        for key, true in double.items():
            if key in exported.network.sections.get("tie", {}):
                continue
            mine = got[renamed.get(key, key)].double()
            if not true.is_floating_point():
                self.assertEqual(mine.item(), true.item(), key)
                continue
            own = max((single[key].double() - true).abs().max().item() for single in singles)
            error = (mine - true).abs().max().item()
            self.assertLessEqual(error, 2 * own + 1e-6 * true.abs().max().item(), key)
            moved += not torch.equal(mine, before[key].double())
        self.assertGreater(moved, sum(p.requires_grad for p in exported.model.parameters()) // 2)


class Networks(Judge):
    """Each: names and shapes, the output, one step."""

    def judge(self, model, inputs, target=None, loss="CrossEntropy", batch=8, lr=0.1, sizes=None, renamed=None):
        model = settled(model)
        exported = Exported(self, model, inputs, loss=loss, train=True)
        self.names(exported, renamed or {})
        values = given(inputs, batch, sizes)
        with torch.no_grad():
            expected = copy.deepcopy(model).eval()(**values)
        got = exported.run(values)
        self.assertEqual(got.shape, expected.shape)
        self.assertLessEqual(distance(got, expected), 1e-5)
        if target is None:
            target = torch.randint(0, expected.shape[1], [batch, *expected.shape[2:]])
        criterion = {"CrossEntropy": F.cross_entropy, "MSE": F.mse_loss,
                     "BCEWithLogits": F.binary_cross_entropy_with_logits}[loss]
        self.steps(exported, inputs, target, criterion, lr, renamed or {}, sizes)
        for form in braid_export.structure.FORMS[1:]:  # the same network written in another way
            other = Exported(self, model, inputs, loss=loss, forms=(form,))
            self.names(other, renamed or {})
            self.assertTrue(torch.equal(other.run(values), got), form)
        return exported

    def names(self, exported, renamed):
        """Keys and shapes are those of state_dict; what Braid reads from the network is as large."""
        state = {renamed.get(k, k): v for k, v in exported.model.state_dict().items()}
        for key in exported.network.sections.get("tie", {}):
            del state[key]
        written = files.read_safetensors(exported.at("weights.safetensors"))
        self.assertEqual({k: v.shape for k, v in written.items()}, {k: v.shape for k, v in state.items()})
        for key, tensor in state.items():
            self.assertTrue(torch.equal(written[key], tensor.to(written[key].dtype)), key)
        seen = exported.check()
        frozen = {renamed.get(k, k) for k, p in exported.model.named_parameters()}
        self.assertEqual(seen["parameters"], sum(v.numel() for k, v in state.items() if k in frozen))

    def test_resnet18(self):
        exported = self.judge(models.resnet18(width=8, num_classes=10), IMAGE)
        self.assertIn("use: BasicBlock", exported.text)
        self.assertIn("repeat: 2", exported.text)

    def test_resnet50(self):
        exported = self.judge(models.resnet50(width=4, num_classes=10), LARGER)
        self.assertEqual(list(exported.network.sections["blocks"]), ["Bottleneck"])
        for count in (3, 4, 6):
            self.assertIn(f"repeat: {count}}}", exported.text)

    def test_mobilenet_v2(self):
        model = models.MobileNetV2(num_classes=10, mult=0.25, dropout=0.0)
        self.assertIn("repeat:", self.judge(model, LARGER).text)

    def test_vgg_bn(self):
        self.judge(models.vgg11_bn(num_classes=10), IMAGE)

    def test_unet(self):
        exported = self.judge(models.UNet(w=4), IMAGE, batch=2)
        self.assertEqual(exported.network.sections["blocks"]["Up"]["inputs"], ["x1", "x2"])

    def test_dcgan_generator(self):
        target = torch.randn(4, 3, 32, 32)
        self.judge(models.Generator(8, 8), {"z": (torch.float32, [8, 1, 1])}, target, "MSE", batch=4)

    def test_dcgan_discriminator(self):
        self.judge(models.Discriminator(8), {"image": IMAGE["x"]}, torch.rand(4, 1), "BCEWithLogits", batch=4)

    def test_vision_transformer(self):
        raw = {"cls_token": "cls_token.weight", "pos_embed": "pos_embed.weight"}
        exported = self.judge(models.ViT(), IMAGE, renamed=raw)
        self.assertIn("{name: blocks, use: Layer, repeat: 3}", exported.text)
        self.assertEqual(len(exported.network.notes), 2)

    def test_text_encoder_of_any_length(self):
        tokens = {"tokens": (torch.int64, ["L"])}
        model = models.TextEncoder()
        exported = self.judge(model, tokens, sizes={"L": 9})
        self.assertEqual(exported.network.sections["tie"], {"head.weight": "embed.weight"})
        self.assertIn("repeat: 2", exported.text)
        values = given(tokens, 3, {"L": 21})
        with torch.no_grad():
            self.assertLessEqual(distance(exported.run(values), model.eval()(**values)), 1e-5)


class Operations(Judge):
    """Smaller modules, each with something of its own."""

    def same(self, model, inputs=IMAGE, batch=3, **options):
        model = settled(model)
        exported = Exported(self, model, inputs, **options)
        exported.check()
        values = given(inputs, batch)
        with torch.no_grad():
            expected = copy.deepcopy(model).eval()(*[v.clone() for v in values.values()])
        self.assertLessEqual(distance(exported.run(values), expected), 1e-5)
        return exported

    def test_functions(self):
        for cls in cases.FUNCTIONS:
            with self.subTest(cls.__name__):
                self.same(cls())

    def test_gradients(self):
        for cls in [*cases.FUNCTIONS, *cases.NESTED, *cases.IN_PLACE]:
            model = settled(cls())
            if cls not in (cases.Attention, cases.Dropped) and any(True for _ in model.parameters()):
                with self.subTest(cls.__name__):
                    exported = Exported(self, model, IMAGE, loss="MSE", train=True)
                    target = torch.randn(copy.deepcopy(model)(**given(IMAGE, 3)).shape)
                    renamed = {v: k for k, v in exported.network.keys.items()}
                    self.steps(exported, IMAGE, target, F.mse_loss, 0.1, renamed)

    def test_signals(self):
        if "Conv1d" not in braid_export.layers_of(BRAID):
            self.skipTest("this braid has no Conv1d")
        self.same(cases.Signals(), {"x": (torch.float32, [4, 33])})

    def test_a_layer_that_this_braid_lacks(self):
        with self.assertRaisesRegex(ExportError, r"cases.py:\d+: conv: Conv2d: this braid has no layer Conv2d"):
            braid_export.export(cases.Arithmetic(), IMAGE, known={"Math", "Add", "Parameter"})

    def test_what_is_changed_in_place(self):
        for cls in cases.IN_PLACE:
            with self.subTest(cls.__name__):
                self.same(cls())

    def test_views_of_what_is_changed_in_place(self):
        with self.assertRaisesRegex(ExportError, r"cases.py:\d+: relu_ in place changes a value that .*cases.py:\d+"):
            braid_export.export(cases.SeenThroughAView(), IMAGE)

    def test_a_module_called_twice_is_shared(self):
        exported = self.same(cases.Twice(), {"a": IMAGE["x"], "b": IMAGE["x"]})
        self.assertIn("share: tower", exported.text)
        self.assertEqual(set(exported.network.tensors), {k for k in exported.model.state_dict()})

    def test_names_that_hide_each_other(self):
        exported = self.same(cases.Hiding())
        self.assertEqual(set(exported.network.tensors), set(exported.model.state_dict()))

    def test_lists_that_read_each_other(self):
        for cls in cases.NESTED:
            with self.subTest(cls.__name__):
                self.same(cls())

    def test_causal_attention(self):
        exported = self.same(cases.Causal(), {"idx": (torch.int64, [12])})
        self.assertEqual(exported.network.notes, ["constant0.weight, a constant of forward(), is no key of state_dict",
                                                  "bias is not in the file: no layer reads it"])
        with self.assertRaisesRegex(ExportError, "a constant tensor depends on the sizes of the inputs"):
            braid_export.export(cases.Causal(), {"idx": (torch.int64, ["L"])})

    def test_several_outputs(self):
        exported = Exported(self, cases.Several(), IMAGE)
        exported.check()
        files.write_npy(exported.at("x.npy"), given(IMAGE, 2)["x"])
        exported.braid("run", exported.path, "--input", "x=x.npy", "--output", "pooled=p.npy", "--output", "same=s.npy")
        self.assertEqual(files.read_npy(exported.at("p.npy")).shape, (2, 8))
        self.assertTrue(torch.equal(files.read_npy(exported.at("s.npy")), given(IMAGE, 2)["x"]))

    def test_frozen_blocks(self):
        model = models.resnet18(width=8, num_classes=10)
        model.layer1.requires_grad_(False).eval()
        model.layer3.eval()
        exported = self.same(model, train=True)
        items = {i["name"]: i for i in exported.network.sections["layers"] if "name" in i}
        self.assertEqual([items[f"layer{k}"].get("freeze") for k in (1, 2, 3)], [True, None, "stats"])
        self.assertEqual(list(exported.network.sections["blocks"]), ["BasicBlock"])
        self.steps(exported, IMAGE, torch.arange(8), F.cross_entropy, 0.1)

    def test_frozen_layers(self):
        model = settled(cases.Frozen())
        exported = self.same(model, train=True)
        sections = {i["name"]: i for i in exported.network.sections["layers"] if "name" in i}
        self.assertEqual(sections["backbone"]["freeze"], True)
        self.assertEqual(sections["bn"]["freeze"], "stats")
        self.assertEqual(exported.network.sections["freeze"], ["head.bias"])
        self.steps(exported, IMAGE, torch.tensor([0, 1, 2, 3]), F.cross_entropy, 0.1)

    def test_a_model_in_evaluation_is_no_frozen_one(self):
        model = settled(models.vgg11_bn(num_classes=10))
        trained = braid_export.export(model, IMAGE).text
        self.assertEqual(braid_export.export(model.eval(), IMAGE).text, trained)

    def test_the_model_stays_as_it_is(self):
        model = settled(models.resnet18(width=8, num_classes=10))
        before = copy.deepcopy(model.state_dict())
        braid_export.export(model, IMAGE)
        for key, tensor in model.state_dict().items():
            self.assertTrue(torch.equal(tensor, before[key]), key)


class Command(unittest.TestCase):
    def run_tool(self, *arguments):
        """The command in this process; torch takes seconds to start."""
        out, err, folder = io.StringIO(), io.StringIO(), os.getcwd()
        os.chdir(HERE)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = braid_export.main([*arguments, "--braid", BRAID])
        finally:
            os.chdir(folder)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def run_process(self, *arguments):
        return subprocess.run([sys.executable, TOOL, *arguments, "--braid", BRAID], capture_output=True, text=True,
                              cwd=HERE)

    def folder(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        return made.name

    def line(self, text, file="cases.py"):
        with open(os.path.join(HERE, file), encoding="utf-8") as lines:
            return next(i for i, line in enumerate(lines, 1) if text in line)

    def test_from_a_model_to_a_trained_network(self):
        out = self.folder()
        done = self.run_process("models:resnet18(width=8, num_classes=10)", "--input", "3x32x32", "--train",
                                "--classes", "4", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("122 tensors", done.stdout)
        self.assertIn("resnet: 176,972 parameters", done.stdout)  # what braid check says
        for part in ("train", "test"):
            files.write_npy(os.path.join(out, f"{part}-x.npy"), torch.randn(64, 3, 32, 32))
            files.write_npy(os.path.join(out, f"{part}-label.npy"), torch.randint(0, 4, [64]))
        for command in (["train", "--steps", "2", "--out", os.path.join(out, "run")],
                        ["eval", "--weights", os.path.join(out, "run", "weights.safetensors")]):
            ran = subprocess.run([BRAID, command[0], os.path.join(out, "net.yaml"), *command[1:]],
                                 capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
        trained = files.read_safetensors(os.path.join(out, "run", "weights.safetensors"))
        model = models.resnet18(width=8, num_classes=4)
        model.load_state_dict(trained)  # and back again
        self.assertEqual(trained["bn1.num_batches_tracked"].item(), 2)

    def test_the_three_commands_of_the_readme(self):
        if not os.path.exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"):
            self.skipTest("there is no Fashion-MNIST (Debian: dataset-fashion-mnist)")
        examples = os.path.join(HERE, "..", "..", "examples", "pytorch")
        folder = self.folder()
        done = self.run_tool(os.path.join(examples, "model.py") + ":SmallResNet()", "--input", "1x28x28", "--train",
                             "-o", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        subprocess.run([sys.executable, os.path.join(examples, "fashion_arrays.py"), folder, "2000"], check=True)
        net = os.path.join(folder, "net.yaml")
        said = subprocess.run([BRAID, "train", net, "--set", "train.epochs=2", "--out", os.path.join(folder, "run"),
                               "--json"], check=True, capture_output=True, text=True).stdout
        self.assertGreater(json.loads(said.splitlines()[-1])["metrics"]["accuracy"], 0.3, said[-2000:])

    def test_the_same_model_gives_the_same_files(self):
        texts = []
        for spec in ("models:vgg11_bn(num_classes=10)", "models:vgg11_bn(num_classes=10)"):
            torch.manual_seed(5)
            out = self.folder()
            self.assertEqual(self.run_tool(spec, "--input", "x=f32:3x32x32", "-o", out).returncode, 0)
            for name in ("net.yaml", "weights.safetensors"):
                with open(os.path.join(out, name), "rb") as file:
                    texts.append(file.read())
        self.assertEqual(texts[:2], texts[2:])

    def test_everything_without_a_layer_is_named_at_once(self):
        out = os.path.join(self.folder(), "net")
        done = self.run_tool("cases.py:Unsupported()", "--input", "3x32x32", "-o", out)
        self.assertEqual(done.returncode, 1)
        self.assertFalse(os.path.exists(out))
        for name, operator, text in (("pool", "LPPool2d", "self.pool(x)"), ("Unsupported", "cumsum", "torch.cumsum"),
                                     ("inner", "fmod", "torch.fmod"),
                                     ("Unsupported", "roll", "torch.roll(x, 1, 0)")):
            self.assertIn(f"cases.py:{self.line(text)}: {name}: {operator}: ", done.stderr)
        self.assertIn("4 operations without a layer; nothing is written", done.stderr)

    def test_what_mixes_samples_is_refused(self):
        for cls in cases.REFUSED:
            with self.subTest(cls.__name__), self.assertRaisesRegex(ExportError, r"cases.py:\d+: .*" + cls.why):
                braid_export.export(cls(), IMAGE)

    def test_control_flow_by_data(self):
        for call, text in (("ByData()", "if x.sum() > 0"), ("ByItem()", "x.max().item()")):
            done = self.run_tool(f"cases.py:{call}", "--input", "3x32x32", "-o", self.folder())
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"cases.py:{self.line(text)}: ", done.stderr)
            self.assertIn("depends on the elements of a tensor", done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_another_network_in_evaluation(self):
        for call in ("ByMode()", "ByModesNumber()", "ByModesTensor()"):
            done = self.run_tool(f"cases.py:{call}", "--input", "3x32x32", "-o", self.folder())
            self.assertEqual(done.returncode, 1, call)
            self.assertRegex(done.stderr, r"cases.py:\d+: forward\(\) is another one in evaluation than in training")

    def test_wrong_arguments(self):
        for call, shape, says in (("cases.py:Nothing()", "3x32x32", "name 'Nothing' is not defined"),
                                  ("cases.py", "3x32x32", "is not MODULE:CALL"),
                                  ("cases.py:ByData", "3x32x32", "is a type, not a torch.nn.Module"),
                                  ("cases.py:ByData()", "3,32", "not [NAME=][DTYPE:]SHAPE"),
                                  ("cases.py:ByData()", "image=3x3", "forward() has no argument 'image', only x"),
                                  ("models.py:UNet(w=4)", "4x32x32", "forward() fails")):
            done = self.run_tool(call, "--input", shape, "-o", self.folder())
            self.assertEqual(done.returncode, 1, call)
            self.assertIn(says, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: export_test.py BRAID [unittest's arguments]")
    BRAID = os.path.abspath(sys.argv.pop(1))
    torch.set_num_threads(1)
    unittest.main(verbosity=2)
