# SPDX-License-Identifier: Apache-2.0
"""Channels that cannot go: one clear line, and the module is as it was."""

import copy
import re
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsec.compress.channels.graph import ChannelGraph, Side, remove
from tests.compress.test_channels import CASES, Net, conv, sample


def fixed_view(net: Net, x: Tensor) -> Tensor:
    return net.fc(net.a(x).view(-1, 144))


def fixed_halves(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    return net.b(x[:, :3]) + net.b(x[:, 3:])


def fixed_parts(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    return net.b(x[:, :2]) + net.c(x[:, 2:])


def padded_shortcut(net: Net, x: Tensor) -> Tensor:
    x = net.a(x)
    return net.c(net.b(x) + F.pad(x, (0, 0, 0, 0, 1, 1)))


def mixes(net: Net, x: Tensor) -> Tensor:
    one = net.b(torch.softmax(net.a(x), 1))
    return one + net.norm(net.c(x)) + net.d(x).mean(1, keepdim=True)


def images() -> Tensor:
    return torch.rand(2, 3, 6, 6)


def unchanged(model: nn.Module, before: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), before.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("model", "channels", "message"),
    [
        (
            Net(fixed_view, a=conv(3, 4), fc=nn.Linear(144, 2)),
            {"a": [1]},
            "the model does not run with fewer channels in a: its forward has sizes that are fixed: ",
        ),
        (
            Net(fixed_halves, a=conv(3, 6), b=conv(3, 2)),
            {"a": [1]},
            "the model does not run with fewer channels in a: its forward has sizes that are fixed: ",
        ),
        (
            Net(fixed_parts, a=conv(3, 6), b=conv(2, 2), c=conv(4, 2)),
            {"a": [1]},
            "channel 1 of the outputs of a cannot go: channels are taken apart at a fixed place",
        ),
        (
            Net(padded_shortcut, a=conv(3, 4), b=conv(4, 6), c=conv(6, 2)),
            {"b": [5]},
            "channel 5 of the outputs of b cannot go: it meets an input, a constant",
        ),
        (
            Net(
                mixes,
                a=conv(3, 4),
                b=conv(4, 2),
                c=conv(3, 2),
                norm=nn.GroupNorm(1, 2),
                d=conv(3, 2),
            ),
            {"a": [1]},
            "channel 1 of the outputs of a cannot go: a norm, softmax or the like over channels reads it",
        ),
        (
            Net(
                mixes,
                a=conv(3, 4),
                b=conv(4, 2),
                c=conv(3, 2),
                norm=nn.GroupNorm(1, 2),
                d=conv(3, 2),
            ),
            {"c": [1]},
            "channel 1 of the outputs of c cannot go: a group norm goes over several channels",
        ),
        (
            Net(
                mixes,
                a=conv(3, 4),
                b=conv(4, 2),
                c=conv(3, 2),
                norm=nn.GroupNorm(1, 2),
                d=conv(3, 2),
            ),
            {"d": [0]},
            "channel 0 of the outputs of d cannot go: a sum, mean or the like over channels reads it",
        ),
        (
            CASES["chain"].make(),
            {"b": [0]},
            "channel 0 of the outputs of b cannot go: an output of the network has it",
        ),
        (CASES["chain"].make(), {"a": range(6)}, "would lose all of its 6 channels"),
        (CASES["chain"].make(), {"a": [6]}, "a has no channel 6: it has 6 outputs"),
        (
            CASES["nhwc"].make(),
            {"dens": [0]},
            "the model has no layer 'dens' with weights; did you mean 'dense'?",
        ),
    ],
)
def test_what_cannot_go(
    model: nn.Module, channels: Mapping[str, Sequence[int]], message: str
) -> None:
    before = copy.deepcopy(model)
    inputs = torch.rand(2, 3, 2, 2) if "dens" in channels else images()
    with pytest.raises(ValueError, match=rf"\A[^\n]*{re.escape(message)}[^\n]*\Z"):
        remove(model, inputs, channels)
    assert unchanged(model, before)
    with torch.no_grad():
        assert torch.equal(model.eval()(inputs), before.eval()(inputs))


def test_the_last_channels_of_a_fixed_cut_go() -> None:
    model = Net(fixed_parts, a=conv(3, 6), b=conv(2, 2), c=conv(4, 2))
    assert remove(model, images(), {"a": [4]}) == {"a": (4,)}


def test_code_that_does_something_else() -> None:
    """Pairs of eights of channels are taken to stay pairs, but it is the eights that stay."""

    def run(net: Net, x: Tensor) -> Tensor:
        x = net.a(x)
        n, c, h, w = x.shape
        return net.b(x.view(n, c // 8, 8, h, w).flip(2).reshape(n, c, h, w))

    model = Net(run, a=conv(3, 16), b=conv(16, 2))
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"not do with fewer channels in a what .* keeps every"):
        remove(model, images(), {"a": range(4)})
    assert unchanged(model, before)


def knights_figure() -> Net:
    """A -> split -> R -> B and a skip, joined by an addition, -> G."""

    def run(net: Net, x: Tensor) -> Tensor:
        x = torch.relu(net.A(x))
        return net.head(torch.relu(net.G(torch.relu(x + net.B(torch.relu(net.R(x)))))))

    return Net(run, A=conv(3, 6), R=conv(6, 4), B=conv(4, 6), G=conv(6, 5), head=conv(5, 2))


@pytest.mark.parametrize(
    ("channels", "side", "far"),
    [
        ({"G": [1]}, "inputs", "R, which is not adjacent"),
        ({"A": [1]}, "outputs", "B, which is not adjacent"),
        ({"B": [1]}, "outputs", "A, R, which are not adjacent"),
    ],
)
def test_strict_refuses_what_is_not_adjacent(
    channels: Mapping[str, Sequence[int]], side: Side, far: str
) -> None:
    model = knights_figure()
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=f"would also change {far}"):
        remove(model, images(), channels, side=side, strict=True)
    assert unchanged(model, before)


@pytest.mark.parametrize(
    ("channels", "side", "gone"),
    [
        ({"B": [1]}, "inputs", {"R": (1,)}),
        ({"R": [1]}, "outputs", {"R": (1,)}),
        ({"head": [0, 4]}, "inputs", {"G": (0, 4)}),
        ({"A": [1], "B": [1]}, "outputs", {"A": (1,), "B": (1,)}),
    ],
)
def test_strict_lets_neighbours_go(
    channels: Mapping[str, Sequence[int]], side: Side, gone: Mapping[str, tuple[int, ...]]
) -> None:
    assert remove(knights_figure(), images(), channels, side=side, strict=True) == gone


def test_what_is_not_strict_goes_together() -> None:
    model = knights_figure()
    assert remove(model, images(), {"G": [1]}, side="inputs") == {"A": (1,), "B": (1,)}


def test_the_training_mode_and_gradients_stay() -> None:
    case = CASES["chain"]
    model = case.make().train()
    model(sample(case)).sum().backward()
    remove(model, sample(case), case.channels)
    assert model.training
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


def test_computed_weights_stay() -> None:
    model = CASES["chain"].make()
    nn.utils.parametrizations.weight_norm(model.get_submodule("a"))
    with pytest.raises(ValueError, match="no layer 'a' with weights: its weights are computed"):
        remove(model, images(), {"a": [1]})
    with pytest.raises(ValueError, match="it is none of a layer"):
        remove(model, images(), {"b": [1]}, side="inputs")


def test_a_graph_is_for_one_time() -> None:
    case = CASES["chain"]
    graph = ChannelGraph(case.make(), sample(case))
    graph.remove({"a": [0]})
    with pytest.raises(ValueError, match="make a new ChannelGraph"):
        graph.remove({"a": [0]})


def test_depthwise_layers_have_no_inputs_of_their_own() -> None:
    case = CASES["depthwise with multiplier"]
    with pytest.raises(ValueError, match="d reads each channel by itself: name the layer in front"):
        remove(case.make(), sample(case), {"d": [0]}, side="inputs")
    assert remove(case.make(), sample(case), {"d": [3]}) == {"a": (1,), "d": (2, 3)}


def test_what_torch_does_not_export() -> None:
    model = Net(lambda net, x: net.a(x) if x.sum() > 0 else x, a=conv(3, 3))
    with pytest.raises(ValueError, match="torch cannot export the model: "):
        ChannelGraph(model, images())
