# SPDX-License-Identifier: Apache-2.0
"""Random networks: whatever can go on its own does, and the network without it is the one that does not read it.

`remove` compares each time, and an internal error fails the test.
"""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from sparsec.compress.channels.graph import ChannelGraph

Step = Callable[[nn.ModuleList, list[Tensor]], Tensor]
"""From layers and all feature maps so far [N, C, 4, 4] to one more."""


class Drawn(nn.Module):
    """Steps one after the other."""

    def __init__(self, layers: Sequence[nn.Module], steps: Sequence[Step], head: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.steps = list(steps)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for step in self.steps:
            maps.append(step(self.layers, maps))
        return self.head(maps[-1].flatten(1))


def nhwc(layer: nn.Module, x: Tensor) -> Tensor:
    return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def halves(x: Tensor) -> Tensor:
    one, other = x.chunk(2, 1)
    return one * torch.sigmoid(other)


def shuffled(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def even_after_odd(x: Tensor) -> Tensor:
    return torch.cat([x[:, 1::2], x[:, ::2]], 1)


def reshaped(x: Tensor) -> Tensor:
    return F.max_pool2d(F.pixel_shuffle(x, 2), 2)


MOVES: Sequence[tuple[Callable[[Tensor], Tensor], int, int]] = (
    (torch.relu, 1, 1),
    (F.hardswish, 1, 1),
    (halves, 2, 2),
    (shuffled, 4, 1),
    (even_after_odd, 2, 1),
    (reshaped, 4, 4),
    (lambda x: x.flip(1), 1, 1),
    (lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1), 1, 1),
    (lambda x: x + x.mean((2, 3), keepdim=True), 1, 1),
    (lambda x: x * torch.softmax(x.flatten(2), 2).view_as(x), 1, 1),
)
"""A function, of how many channels it takes a multiple, and by how much it divides them."""


@st.composite
def networks(draw: st.DrawFn) -> Drawn:
    layers: list[nn.Module] = []
    steps: list[Step] = []
    channels = [3]

    def add(step: Step, count: int) -> None:
        steps.append(step)
        channels.append(count)

    def layer(module: nn.Module, at: int, count: int) -> None:
        number = len(layers)
        add(lambda layers, maps: layers[number](maps[at]), count)
        layers.append(module)

    layer(nn.Conv2d(3, 8, 3, padding=1), 0, 8)
    for _ in range(draw(st.integers(2, 7))):
        at = draw(st.integers(max(1, len(channels) - 3), len(channels) - 1))
        count = channels[at]
        same = [index for index, each in enumerate(channels) if each == count and index != at]
        match draw(
            st.sampled_from(
                ("conv", "depthwise", "grouped", "norm", "join", "cat", "move", "dense")
            )
        ):
            case "conv":
                outputs = draw(st.sampled_from((4, 6, 8)))
                layer(
                    nn.Conv2d(count, outputs, draw(st.sampled_from((1, 3))), padding="same"),
                    at,
                    outputs,
                )
            case "depthwise":
                times = draw(st.integers(1, 2))
                layer(
                    nn.Conv2d(count, count * times, 3, padding=1, groups=count), at, count * times
                )
            case "grouped" if count % 2 == 0:
                layer(nn.Conv2d(count, 8, 1, groups=2), at, 8)
            case "norm":
                layer(draw(st.sampled_from((nn.BatchNorm2d, nn.PReLU)))(count), at, count)
            case "join" if same:
                other = draw(st.sampled_from(same))
                add(lambda _, maps, a=at, b=other: maps[a] + maps[b], count)
            case "cat":
                other = draw(st.integers(0, len(channels) - 1))
                add(
                    lambda _, maps, a=at, b=other: torch.cat([maps[a], maps[b]], 1),
                    count + channels[other],
                )
            case "dense":
                number = len(layers)
                layers.append(nn.Linear(count, 6))
                add(lambda layers, maps, a=at, n=number: nhwc(layers[n], maps[a]), 6)
            case _:
                fits = [each for each in MOVES if count % each[1] == 0]
                move, _, share = draw(st.sampled_from(fits))
                add(lambda _, maps, a=at, f=move: f(maps[a]), count // share)
    return Drawn(layers, steps, nn.Linear(16 * channels[-1], 3))


@pytest.mark.fuzz
@settings(max_examples=12)
@given(networks(), st.data())
def test_random_networks(model: Drawn, data: st.DataObject) -> None:
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data.uniform_(-1, 1)
    x = torch.rand(2, 3, 4, 4)
    graph = ChannelGraph(model, x)
    channels: dict[str, list[int]] = {}
    for group in graph.groups:
        free = [each for each in group.channels if each.reason is None]
        if group.protected is None and len(free) > 1:
            chosen = data.draw(
                st.lists(st.sampled_from(free), max_size=len(free) - 1, unique_by=id)
            )
            layer = group.layers[0]
            channels[layer] = [row for each in chosen for row in each.rows.get(layer, ())]
    before = copy.deepcopy(model.state_dict())
    graph.remove(channels)
    after = model.state_dict()
    changed = any(before[name].shape != after[name].shape for name in after)
    assert changed == any(channels.values())
    model(x).sum().backward()
