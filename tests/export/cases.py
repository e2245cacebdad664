"""Small modules: what is exported, one thing each, and what is refused."""
import math

import torch
import torch.fx
import torch.nn.functional as F
from torch import nn


torch.fx.wrap("scaled_dot_product_attention")


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """PyTorch 2's, for older ones; the exporter goes by its name."""
    assert attn_mask is None and not is_causal
    weights = (query @ key.transpose(-2, -1) * (scale or query.shape[-1] ** -0.5)).softmax(-1)
    return F.dropout(weights, dropout_p, dropout_p > 0) @ value


def convolution(inp=3, out=8):
    return nn.Conv2d(inp, out, 3, padding=1)


class Arithmetic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = convolution()
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.register_buffer("shift", torch.randn(1, 8, 1, 1))

    def forward(self, x):
        x = self.conv(x)
        y = 2 - x * 0.5 + x / 3 - (-x) * x
        y = y * self.scale + self.shift
        return torch.sqrt(torch.abs(y) + 1e-3) + (1 / (1 + torch.exp(-x))) + x ** 2 + x.clamp(-1, 0.5)


class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.all = nn.ModuleList([nn.ELU(0.5), nn.SiLU(), nn.GELU(), nn.Softplus(2.0), nn.Hardswish(),
                                  nn.LeakyReLU(0.3), nn.Sigmoid(), nn.Tanh(), nn.Softmax(dim=1), nn.ReLU6(),
                                  nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.7), nn.Identity()])
        self.norm = nn.GroupNorm(1, 3)

    def forward(self, x):
        out = F.leaky_relu(x, 0.2) + F.gelu(x, approximate="tanh") + F.softmax(x, dim=-1) + F.hardswish(x)
        for act in self.all:
            out = out + act(x)
        return self.norm(out)


class Shapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 16)

    def forward(self, x):
        b, c, h, w = x.shape
        rows = self.linear(x.permute(0, 2, 1, 3).reshape(b * h, c, w)).view(b, h, c, 16)
        first, second = rows.transpose(1, 2).chunk(2, dim=-1)
        parts = first.split([3, 5], dim=3)
        whole = torch.cat([*parts, second], dim=3).unsqueeze(2)
        middle = whole[:, 1:, 0, ..., 2:-2].squeeze(1)
        return torch.stack([middle.mean(dim=2), middle.sum(2), middle[:, :, -1]], dim=1).flatten(1)


class Products(nn.Module):
    def forward(self, x):
        a = x.flatten(1, 2)
        scores = torch.matmul(a, a.transpose(1, 2)) / math.sqrt(32)
        weights = scores.masked_fill(torch.ones(96, 96).triu(1) > 0, float("-inf")).softmax(-1)
        return torch.einsum("nij,njk->nik", weights, a) + torch.bmm(weights, a)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.kv = nn.Linear(32, 32), nn.Linear(32, 64)

    def forward(self, x):
        b, c, h, w = x.shape
        rows = x.flatten(1, 2)
        q = self.q(rows[:, :7]).unflatten(-1, (4, 8)).transpose(1, 2)
        k, v = (t.view(b, -1, 4, 8).transpose(1, 2) for t in self.kv(rows).chunk(2, -1))
        y = scaled_dot_product_attention(q, k, v, dropout_p=0.2 if self.training else 0.0)
        return y.transpose(1, 2).flatten(2)


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = convolution(3, 12)
        self.shuffle = nn.PixelShuffle(2)
        self.norm = nn.InstanceNorm2d(3, affine=True)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.down = nn.AvgPool2d(2)
        self.pad = nn.ZeroPad2d((1, 0, 1, 0))

    def forward(self, x):
        y = self.norm(self.shuffle(self.conv(x)))
        y = F.interpolate(self.down(y), size=x.shape[2:], mode="bilinear", align_corners=False)
        y = F.max_pool2d(self.pad(F.pad(y, (0, 1, 0, 1), value=1.0)), 2)
        y = y + F.avg_pool2d(x, 2).mean([2, 3], keepdim=True) * torch.ones(17, 17)
        return self.up(y)


class OwnWeights(nn.Module):
    """Functions with parameters of the module itself."""

    def __init__(self):
        super().__init__()
        self.inner = ScaledLinear()
        self.norm = OwnNorm()

    def forward(self, x):
        return self.norm(self.inner(x))


class ScaledLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 32))
        self.bias = nn.Parameter(torch.randn(8))

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class OwnNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8))

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * self.weight


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return F.dropout(self.drop(x), 0.4, training=self.training)


FUNCTIONS = [Arithmetic, Activations, Shapes, Products, Attention, Images, OwnWeights, Dropped]


class Signals(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(4, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6), nn.ReLU(),
                                 nn.MaxPool1d(3, 2, 1), nn.ConvTranspose1d(6, 4, 4, 2, 1), nn.AvgPool1d(2))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.adaptive_avg_pool1d(self.net(x), 1).squeeze(-1)
        return F.log_softmax(self.head(x), dim=1)


class ReadAgain(nn.Module):
    """`x` is what ReLU has left of it."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = convolution(3, 3), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.conv(x)
        z = self.relu(y)
        return y * 2 + z


class AddedInto(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = convolution(3, 3)

    def forward(self, x):
        y = self.conv(x)
        kept = y
        y += x
        return kept * 3 - y


class OfTheInput(nn.Module):
    def forward(self, x):
        y = F.relu_(x) + 1
        return y * x


IN_PLACE = [ReadAgain, AddedInto, OfTheInput]


class SeenThroughAView(nn.Module):
    def forward(self, x):
        y = x * 2
        rows = y.flatten(1)
        y.relu_()
        return rows + 1


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(convolution(), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.net(x).mean([2, 3]))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower, self.conv = Tower(), convolution(3, 3)

    def forward(self, a, b):
        return self.tower(a) - self.tower(self.conv(self.conv(b)))


class Hidden(nn.Module):
    """Its layers have the names of those around it."""

    def __init__(self, depth):
        super().__init__()
        self.conv, self.add = convolution(3, 3), convolution(3, 3)
        self.inner = Hidden(depth - 1) if depth else nn.Identity()

    def forward(self, x):
        y = self.conv(x)
        return self.add(y) + self.inner(y) + x + y


class Hiding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.x = convolution(3, 3), Hidden(1)
        self.rows = nn.ModuleDict({"1": Hidden(0), "0": Hidden(0)})

    def forward(self, x):
        y = self.conv(x) + x
        z = self.x(y + 1)
        for name in ("0", "1"):
            z = self.rows[name](z) + y
        return z


class Dense(nn.Module):
    """Each list reads the results of all before it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.BatchNorm2d(3 + 4 * i), nn.ReLU(), convolution(3 + 4 * i, 4))
                                     for i in range(3)])

    def forward(self, x):
        found = [x]
        for layer in self.layers:
            found.append(layer(torch.cat(found, 1)))
        return torch.cat(found, 1)


class Decoder(nn.Module):
    """A block of two inputs, one of which goes to every copy."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(16, 2, 32, 0.0, batch_first=True, norm_first=True)
        self.lin, self.dec = nn.Linear(32, 16), nn.TransformerDecoder(layer, 2)

    def forward(self, x):
        memory = self.lin(x.flatten(1, 2))
        return self.dec(memory[:, :10], memory)


class Gated(nn.Module):
    """Squeeze-and-excitation, channels last, a scale of its own."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc1, self.fc2 = convolution(), nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.norm, self.pw = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 8)
        self.gamma = nn.Parameter(torch.rand(8))

    def forward(self, x):
        x = self.conv(x)
        x = x * F.hardsigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))
        y = self.gamma * F.gelu(self.pw(self.norm(x.permute(0, 2, 3, 1))))
        return x + y.permute(0, 3, 1, 2)


NESTED = [Dense, Decoder, Gated]


class Causal(nn.Module):
    """As in GPT: learned positions, a mask in a buffer, a head tied to the embedding."""

    def __init__(self, longest=12, d=16):
        super().__init__()
        self.embed, self.pos, self.drop = nn.Embedding(20, d), nn.Embedding(longest, d), nn.Dropout(0.1)
        self.register_buffer("bias", torch.tril(torch.ones(longest, longest)).view(1, 1, longest, longest))
        self.qkv, self.norm, self.head = nn.Linear(d, 3 * d), nn.LayerNorm(d), nn.Linear(d, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, idx):
        b, t = idx.size()
        x = self.drop(self.embed(idx) + self.pos(torch.arange(0, t).unsqueeze(0)))
        q, k, v = [h.view(b, t, 2, 8).transpose(1, 2) for h in self.qkv(x).split(16, dim=2)]
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
        y = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(b, t, 16)
        return self.head(self.norm(x + y))


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = convolution()

    def forward(self, x):
        y = self.conv(x)
        return {"features": y, "pooled": y.mean((2, 3)), "same": x}


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(convolution(), nn.BatchNorm2d(8), nn.ReLU(), convolution(8, 8))
        self.conv, self.bn = convolution(8, 8), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        self.backbone.requires_grad_(False).eval()
        self.bn.eval()
        self.head.bias.requires_grad_(False)

    def forward(self, x):
        return self.head(self.bn(self.conv(self.backbone(x))).mean((2, 3)))


class Inner(nn.Module):
    def forward(self, x):
        return torch.fmod(x, 2.0)


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.inner = convolution(), nn.LPPool2d(2, 2), Inner()

    def forward(self, x):
        x = self.conv(x)
        x = self.pool(x)
        x = torch.cumsum(x, 1)
        x = self.inner(x)
        return torch.roll(x, 1, 0)


class OverTheBatch(nn.Module):
    why = "reduces the batch"

    def forward(self, x):
        return x - x.mean(0)


class OneSample(nn.Module):
    why = "single samples"

    def forward(self, x):
        return x + x[0]


class BatchTurned(nn.Module):
    why = "the batch is not dimension 0"

    def forward(self, x):
        return torch.relu(x.flatten(2).permute(2, 0, 1))


class Padded(nn.Module):
    why = "padding_mode='reflect'"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, x):
        return self.conv(x)


class AlwaysDropped(nn.Module):
    why = "drops in evaluation, too"

    def forward(self, x):
        return F.dropout(x, 0.5)


class Hooked(nn.Module):
    why = "hooks or parametrizations"

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.spectral_norm(convolution())

    def forward(self, x):
        return self.conv(x)


REFUSED = [OverTheBatch, OneSample, BatchTurned, Padded, AlwaysDropped, Hooked]


class ByData(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class ByItem(nn.Module):
    def forward(self, x):
        largest = x.max().item()
        return x / largest


class ByMode(nn.Module):
    def forward(self, x):
        return x + 1 if self.training else x * 2


class ByModesNumber(nn.Module):
    def forward(self, x):
        return x * (1.5 if self.training else 2.0)


class ByModesTensor(nn.Module):
    def forward(self, x):
        return x + torch.full((32,), 1.0 if self.training else 2.0)
