#!/usr/bin/env python3
"""Writes the models of tests/export as networks: pytorch.py FOLDER. Without torch it writes none."""
import os
import sys

try:
    import torch
except ImportError:
    sys.exit(0)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path[:0] = [os.path.join(ROOT, "tests", "export"), os.path.join(ROOT, "tools")]

import braid_export  # noqa: E402
import models  # noqa: E402

IMAGE = {"x": (torch.float32, [3, 32, 32])}
LARGER = {"x": (torch.float32, [3, 64, 64])}
ALL = {
    "resnet18": (models.resnet18(width=8, num_classes=10), IMAGE),
    "resnet50": (models.resnet50(width=4, num_classes=10), LARGER),
    "mobilenetv2": (models.MobileNetV2(num_classes=10, mult=0.25, dropout=0.0), LARGER),
    "vgg11_bn": (models.vgg11_bn(num_classes=10), IMAGE),
    "unet": (models.UNet(w=4), IMAGE),
    "generator": (models.Generator(8, 8), {"z": (torch.float32, [8, 1, 1])}),
    "discriminator": (models.Discriminator(8), {"image": IMAGE["x"]}),
    "vit": (models.ViT(), IMAGE),
    "text": (models.TextEncoder(), {"tokens": (torch.int64, ["L"])}),
}


def settle(model, inputs):
    """Running statistics of random batches: with others an untrained network may say the same of all inputs."""
    torch.manual_seed(5)
    for _ in range(30):
        given = [torch.randint(0, 5, [4] + [7 if d == "L" else d for d in dims]) if dtype == torch.int64
                 else torch.randn([4] + dims) for dtype, dims in inputs.values()]
        with torch.no_grad():
            model.train()(*given)
    return model.eval()


if __name__ == "__main__":
    for name, (model, inputs) in ALL.items():
        settle(model, inputs)
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder)
        braid_export.export(model, inputs, name="pytorch-" + name).write(folder)
