# SPDX-License-Identifier: Apache-2.0
"""Channels go together as the network joins them, and what is left is the network without them.

The columns that nobody reads any more are written down here by hand: the original with these columns at zero is what
the smaller network is compared with, on inputs that it has not seen.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsec.compress.channels.graph import ChannelGraph, remove


class Net(nn.Module):
    """Layers by name and a function that runs them."""

    def __init__(self, run: "Callable[[Net, Tensor], Tensor]", **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


class Parameters(nn.Module):
    """A parameter by itself."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(shape))

    def forward(self) -> Tensor:
        return self.values


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    channels: Mapping[str, Sequence[int]]
    rows: Mapping[str, Sequence[int]]
    """That go."""
    unread: Mapping[str, Sequence[int]]
    """The columns that are no longer read: slices of axis 1 of the weights, of axis 0 where it is a transposed one."""
    shape: Sequence[int] = (3, 6, 6)
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    """What layers hold of their sizes afterwards, by path."""


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


def norm(channels: int) -> nn.BatchNorm2d:
    """With statistics that differ between channels."""
    layer = nn.BatchNorm2d(channels)
    for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
        assert tensor is not None
        tensor.data = torch.rand(channels) + 0.5
    return layer


def chain(net: Net, x: Tensor) -> Tensor:
    return net.b(torch.relu(net.norm(net.a(x))))


def residual(net: Net, x: Tensor) -> Tensor:
    x = torch.relu(net.norm(net.a(x)))
    return net.g(torch.relu_(x + net.b(F.hardswish(net.r(x)))))


def squeeze(net: Net, x: Tensor) -> Tensor:
    x = F.silu(net.a(x))
    scale = torch.sigmoid(net.up(torch.relu(net.down(x.mean((2, 3))))))
    return net.b(x * scale[:, :, None, None].expand_as(x))


def concat(net: Net, x: Tensor) -> Tensor:
    a = net.a(x)
    return net.b(torch.cat([a, x, net.c(x), a], 1))


def flat_concat(net: Net, x: Tensor) -> Tensor:
    x = torch.cat([net.a(x), F.max_pool2d(net.c(x), 3, 1, 1)], 1)
    return net.fc(F.avg_pool2d(x, 3).flatten(1))


def depthwise(net: Net, x: Tensor) -> Tensor:
    return net.b(F.relu6(net.norm(net.d(F.pad(net.a(x), (1, 1))))))


def grouped(net: Net, x: Tensor) -> Tensor:
    return net.c(torch.relu(net.b(net.a(x))))


def shuffle(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    n, c, h, w = x.shape
    x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
    return net.b(F.gelu(x))


def own_shuffle(net: Net, x: Tensor) -> Tensor:
    return net.b(torch.channel_shuffle(net.a(x), 2))


def nhwc(net: Net, x: Tensor) -> Tensor:
    x = net.dense(torch.relu(net.a(x)).permute(0, 2, 3, 1))
    return net.fc(torch.tanh(x).flatten(1))


def chunks(net: Net, x: Tensor) -> Tensor:
    one, other = net.a(x).chunk(2, 1)
    return net.b(one + other)


def halves(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    half = x.shape[1] // 2
    return net.b(torch.cat([x[:, half:], torch.relu(x[:, :half])], 1))


def strides(net: Net, x: Tensor) -> Tensor:
    x = F.glu(net.a(x), 1)
    return net.b(x[:, ::2, ::2] - x[:, 1::2, 1::2])


def pixels(net: Net, x: Tensor) -> Tensor:
    return net.b(F.pixel_unshuffle(F.pixel_shuffle(net.a(x), 2), 3))


def up(net: Net, x: Tensor) -> Tensor:
    x = net.act(net.up(net.a(x))) * net.scale()
    return net.b(F.interpolate(x, scale_factor=2.0))


def twice(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    return net.c(net.b(net.b(x)))


def attention(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    return net.b(x * torch.sigmoid(net.gate(x))) + net.constant()


def words(net: Net, x: Tensor) -> Tensor:
    x = net.table(x.long()) + net.places()
    return (x @ net.matrix()).amax(1)


def sequence(net: Net, x: Tensor) -> Tensor:
    x = net.norm(net.a(x))
    return net.fc(F.adaptive_avg_pool1d(net.b(x), 2).transpose(1, 2).flatten(1))


CASES = {
    "chain": Case(
        lambda: Net(chain, a=conv(3, 6), norm=norm(6), b=conv(6, 4)),
        {"a": [0, 4]},
        {"a": [0, 4]},
        {"b": [0, 4]},
        sizes={"a.out_channels": 4, "norm.num_features": 4, "b.in_channels": 4},
    ),
    "residual": Case(
        lambda: Net(residual, a=conv(3, 6), norm=norm(6), r=conv(6, 4), b=conv(4, 6), g=conv(6, 2)),
        {"b": [2]},
        {"a": [2], "b": [2]},
        {"r": [2], "g": [2]},
    ),
    "squeeze and excite": Case(
        lambda: Net(squeeze, a=conv(3, 8), down=nn.Linear(8, 3), up=nn.Linear(3, 8), b=conv(8, 2)),
        {"a": [1, 7], "down": [2]},
        {"a": [1, 7], "up": [1, 7], "down": [2]},
        {"down": [1, 7], "up": [2], "b": [1, 7]},
        sizes={"down.in_features": 6, "down.out_features": 2, "up.out_features": 6},
    ),
    "concat": Case(
        lambda: Net(concat, a=conv(3, 4), c=conv(3, 5), b=conv(16, 2)),
        {"a": [3], "c": [0]},
        {"a": [3], "c": [0]},
        {"b": [3, 7, 15]},
    ),
    "concat, grouped": Case(
        lambda: Net(
            lambda net, x: net.e(net.b(torch.cat([net.a(x), net.c(x)], 1))),
            **{"a": conv(3, 4), "c": conv(3, 4), "b": conv(8, 6, groups=2), "e": conv(6, 2)},
        ),
        {"a": [3], "b": [1]},
        {"a": [3], "c": [3], "b": [1, 4]},
        {"b": [3], "e": [1, 4]},
        sizes={"b.groups": 2, "b.in_channels": 6, "b.out_channels": 4},
    ),
    "concat, flatten": Case(
        lambda: Net(flat_concat, a=conv(3, 2), c=conv(3, 3), fc=nn.Linear(20, 3)),
        {"c": [1]},
        {"c": [1]},
        {"fc": [12, 13, 14, 15]},
    ),
    "depthwise with multiplier": Case(
        lambda: Net(depthwise, a=conv(3, 4), d=conv(4, 8, groups=4), norm=norm(8), b=conv(8, 2)),
        {"a": [2]},
        {"a": [2], "d": [4, 5]},
        {"b": [4, 5]},
        sizes={"d.groups": 3, "d.in_channels": 3, "d.out_channels": 6, "norm.num_features": 6},
    ),
    "depthwise over an input": Case(
        lambda: Net(grouped, a=nn.Identity(), b=conv(3, 6, groups=3), c=conv(6, 2)),
        {"b": [3]},
        {"b": [1, 3, 5]},
        {"c": [1, 3, 5]},
        sizes={"b.groups": 3, "b.in_channels": 3, "b.out_channels": 3},
    ),
    "grouped": Case(
        lambda: Net(grouped, a=conv(3, 8), b=conv(8, 4, groups=2), c=conv(4, 2)),
        {"a": [1], "b": [3]},
        {"a": [1, 5], "b": [1, 3]},
        {"b": [1], "c": [1, 3]},
    ),
    "channel shuffle": Case(
        lambda: Net(shuffle, a=conv(3, 8), b=conv(8, 2)), {"a": [6]}, {"a": [2, 6]}, {"b": [4, 5]}
    ),
    "torch's channel shuffle": Case(
        lambda: Net(own_shuffle, a=conv(3, 8), b=conv(8, 2)),
        {"a": [2]},
        {"a": [2, 6]},
        {"b": [4, 5]},
    ),
    "nhwc": Case(
        lambda: Net(nhwc, a=conv(3, 4), dense=nn.Linear(4, 5), fc=nn.Linear(20, 3)),
        {"a": [1], "dense": [0, 3]},
        {"a": [1], "dense": [0, 3]},
        {"dense": [1], "fc": [0, 3, 5, 8, 10, 13, 15, 18]},
        shape=(3, 2, 2),
    ),
    "sum of chunks": Case(
        lambda: Net(chunks, a=conv(3, 6), b=conv(3, 2)), {"a": [1]}, {"a": [1, 4]}, {"b": [1]}
    ),
    "halves": Case(
        lambda: Net(halves, a=conv(3, 6), b=conv(6, 2)), {"a": [5]}, {"a": [2, 5]}, {"b": [2, 5]}
    ),
    "strides": Case(
        lambda: Net(strides, a=conv(3, 12), b=conv(3, 2)),
        {"a": [3]},
        {"a": [2, 3, 8, 9]},
        {"b": [1]},
    ),
    "pixel shuffle": Case(
        lambda: Net(pixels, a=conv(3, 12), b=conv(27, 2)),
        {"a": [5]},
        {"a": [4, 5, 6, 7]},
        {"b": list(range(9, 18))},
    ),
    "transposed, parameters": Case(
        lambda: Net(
            up,
            **{"a": conv(3, 4), "up": nn.ConvTranspose2d(4, 6, 2, groups=2), "act": nn.PReLU(6)},
            **{"scale": Parameters(6, 1, 1), "b": conv(6, 2)},
        ),
        {"a": [0], "up": [1]},
        {"a": [0, 2], "up": [1, 4]},
        {"up": [0, 2], "b": [1, 4]},
        sizes={"up.in_channels": 2, "up.out_channels": 4, "act.num_parameters": 4},
    ),
    "a layer used twice": Case(
        lambda: Net(twice, a=conv(3, 5), b=conv(5, 5), c=conv(5, 2)),
        {"a": [4]},
        {"a": [4], "b": [4]},
        {"b": [4], "c": [4]},
    ),
    "attention over places": Case(
        lambda: Net(
            attention,
            **{"a": conv(3, 4), "gate": conv(4, 1), "b": conv(4, 2), "constant": Parameters(1, 6)},
        ),
        {"a": [0]},
        {"a": [0]},
        {"gate": [0], "b": [0]},
    ),
    "words": Case(
        lambda: Net(
            words, table=nn.Embedding(9, 6), places=Parameters(1, 5, 6), matrix=Parameters(6, 4)
        ),
        {"table": [2]},
        {"table": [2]},
        {"matrix.values": [2]},
        shape=(5,),
        sizes={"table.embedding_dim": 5},
    ),
    "sequence": Case(
        lambda: Net(
            sequence,
            **{
                "a": nn.Conv1d(2, 4, 3),
                "norm": nn.BatchNorm1d(4),
                "b": nn.Conv1d(4, 5, 3, groups=1),
            },
            fc=nn.Linear(10, 2),
        ),
        {"a": [1], "b": [0, 4]},
        {"a": [1], "b": [0, 4]},
        {"b": [1], "fc": [0, 4, 5, 9]},
        shape=(2, 9),
    ),
}


def sample(case: Case, count: int = 2) -> Tensor:
    return torch.rand(count, *case.shape)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_smaller_network_is_the_one_that_does_not_read_them(case: Case) -> None:
    torch.manual_seed(0)
    model = case.make()
    before = copy.deepcopy(model)
    gone = remove(model, sample(case), case.channels)
    assert gone == {layer: tuple(rows) for layer, rows in case.rows.items()}
    zeroed(before, case.unread)
    x = sample(case, 3).double()
    with torch.no_grad():
        expected, given = before.double().eval()(x), model.double().eval()(x)
    assert torch.allclose(given, expected, rtol=1e-9, atol=1e-12)
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in before.parameters())
    for path, size in case.sizes.items():
        layer, _, name = path.rpartition(".")
        assert getattr(model.get_submodule(layer), name) == size


def zeroed(model: nn.Module, unread: Mapping[str, Sequence[int]]) -> None:
    parameters = dict(model.named_parameters())
    for layer, columns in unread.items():
        name = layer if layer in parameters else f"{layer}.weight"
        matrix = name.endswith("values") or isinstance(
            model.get_submodule(layer), nn.ConvTranspose2d
        )
        parameters[name].data.index_fill_(0 if matrix else 1, torch.tensor(columns), 0)


def test_groups() -> None:
    case = CASES["residual"]
    graph = ChannelGraph(case.make(), sample(case))
    first, inner, last = graph.groups
    assert [graph.group_of(layer) for layer in ("a", "b", "r")] == [first, first, inner]
    assert first.layers == ("a", "b") and first.consumers == ("r", "g")
    assert first.size == 6 and first.protected is None
    assert set(first.followers) > {"norm.weight", "norm.running_var", "a.bias"}
    assert inner.layers == ("r",) and inner.consumers == ("b",)
    assert last.layers == ("g",) and last.protected == "an output of the network has it"
