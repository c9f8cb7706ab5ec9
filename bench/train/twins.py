"""The PyTorch twins of the programs beside: the same parameters by the same names, the same arithmetic."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STEPS_OF_DATA = 8        # a step takes the batch of its number modulo this


def dense(p, name, x):
    """x @ w + b; the weights are [in, out] in the file and [out, in] here, as torch.nn.Linear keeps them."""
    return F.linear(x, p[f"{name}.w"], p.get(f"{name}.b"))


class Net(nn.Module):
    """A network over the leaves of `before.npz`."""

    def __init__(self, leaves):
        super().__init__()
        self.names = list(leaves)
        self.leaves = nn.ParameterList([nn.Parameter(self.ours(k, torch.from_numpy(v))) for k, v in leaves.items()])

    def turned(self, name):
        """Whether torch's form of a leaf is the transpose."""
        return name.endswith(".w")

    def ours(self, name, value):
        return value.t().contiguous() if self.turned(name) else value.clone()

    def theirs(self, name, value):
        return (value.t() if self.turned(name) else value).detach().numpy()

    def record(self):
        return dict(zip(self.names, self.leaves))


class Mlp(Net):
    def loss(self, x, y):
        p = self.record()
        h = F.relu(dense(p, "dense_1", x))
        h = F.relu(dense(p, "dense_2", h))
        return F.cross_entropy(dense(p, "dense_3", h), y)


class Cnn(Net):
    def loss(self, x, y):
        p = self.record()
        h = F.max_pool2d(F.relu(F.conv2d(x, p["conv_1.k"], p["conv_1.b"], padding=2)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, p["conv_2.k"], p["conv_2.b"])), 2)
        h = F.relu(dense(p, "mlp_1.dense_1", h.flatten(1)))
        h = F.relu(dense(p, "mlp_1.dense_2", h))
        return F.cross_entropy(dense(p, "mlp_1.dense_3", h), y)


class Lstm(nn.Module):
    """torch.nn.LSTM with its second bias held at 0."""

    NAMES = {"cell.wx": "weight_ih_l0", "cell.wh": "weight_hh_l0", "cell.b": "bias_ih_l0"}

    def __init__(self, leaves):
        super().__init__()
        self.names = list(leaves)
        self.lstm = nn.LSTM(64, 128)
        self.head = nn.Linear(128, 10)
        self.to(torch.from_numpy(leaves["cell.b"]).dtype)
        self.lstm.bias_hh_l0.requires_grad_(False)
        with torch.no_grad():
            self.lstm.bias_hh_l0.zero_()
            for name, value in leaves.items():
                self.leaf(name).copy_(torch.from_numpy(value.T))

    def leaf(self, name):
        if name in self.NAMES:
            return getattr(self.lstm, self.NAMES[name])
        return self.head.weight if name.endswith(".w") else self.head.bias

    def record(self):
        return {name: self.leaf(name) for name in self.names}

    def theirs(self, name, value):
        return value.detach().numpy().T

    def loss(self, x, y):
        h, _ = self.lstm(x)
        return F.cross_entropy(self.head(h[-1]), y)


class Transformer(Net):
    HEADS = 4

    def attention(self, p, name, x):
        b, n, d = x.shape
        q, k, v = (t.view(b, n, self.HEADS, -1).transpose(1, 2) for t in dense(p, f"{name}.dense_1", x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return dense(p, f"{name}.dense_2", y.transpose(1, 2).reshape(b, n, d))

    def norm(self, p, name, x):
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.g"], p[f"{name}.b"], 1e-5)

    def loss(self, ids, y):
        p = self.record()
        h = F.embedding(ids, p["table"]) + p["place"]
        for name in ("block_1", "block_2"):
            h = h + self.attention(p, f"{name}.attention_1", self.norm(p, f"{name}.layer_norm_1", h))
            m = F.gelu(dense(p, f"{name}.dense_1", self.norm(p, f"{name}.layer_norm_2", h)))
            h = h + dense(p, f"{name}.dense_2", m)
        logits = dense(p, "dense_1", self.norm(p, "layer_norm_1", h))
        return F.cross_entropy(logits.flatten(0, 1), y.flatten())


class Pinn(Net):
    def field(self, p, x, t):
        h = torch.stack([x, t], dim=-1)
        for i in range(1, 5):
            h = torch.tanh(dense(p, f"dense_{i}", h))
        return dense(p, "dense_5", h)[..., 0]

    def loss(self, x, t, x0):
        p = self.record()
        x, t = x.clone().requires_grad_(), t.clone().requires_grad_()
        u = self.field(p, x, t)
        u_x, u_t = torch.autograd.grad(u.sum(), (x, t), create_graph=True)
        u_xx, = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        inside = u_t + u * u_x - 0.003 * u_xx
        start = self.field(p, x0, torch.zeros_like(x0)) + torch.sin(math.pi * x0)
        return (inside**2).mean() + (start**2).mean()


class PinnForward(Pinn):
    """The same derivatives by nested forward mode: what torch.compile can take in one piece."""

    def loss(self, x, t, x0):
        p = self.record()
        one, zero = torch.ones_like(x), torch.zeros_like(x)

        def value_and_slope(x):
            return torch.func.jvp(lambda x: self.field(p, x, t), (x,), (one,))

        (u, u_x), (_, u_xx) = torch.func.jvp(value_and_slope, (x,), (one,))
        _, u_t = torch.func.jvp(lambda t: self.field(p, x, t), (t,), (one,))
        inside = u_t + u * u_x - 0.003 * u_xx
        start = self.field(p, x0, torch.zeros_like(x0)) + torch.sin(math.pi * x0)
        return (inside**2).mean() + (start**2).mean()


NETS = {"mlp": Mlp, "cnn": Cnn, "lstm": Lstm, "transformer": Transformer, "pinn": Pinn}


def batches_of(path):
    """The list of batches, each a list of tensors; labels and ids are int64, as torch wants them."""
    leaves = np.load(path)
    tensors = [torch.from_numpy(leaves[k].astype(np.int64) if leaves[k].dtype.kind == "i" else leaves[k]) for k in leaves.files]
    return [[t[i].clone() for t in tensors] for i in range(STEPS_OF_DATA)]
