# SPDX-License-Identifier: Apache-2.0
"""Steps over networks, their MACs, and that what is held to a target keeps it in the network that comes out."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from sparsec.compress.channels.prune import prune_channels
from sparsec.compress.layers import program_of
from sparsec.compress.pruner import Pruner
from sparsec.search.amc.channel_walk import ChannelWalk
from sparsec.search.amc.costs import CompiledCosts, MacCosts
from sparsec.search.amc.environment import Environment, Walked
from sparsec.search.amc.facts import facts_of, macs_of, weights_of
from sparsec.search.amc.protocols import Protocol
from sparsec.search.amc.spaces import walk_over
from sparsec.search.amc.walks import Walk
from sparsec.search.objectives import Prices
from sparsec.search.space import parse_space
from tests.compress.test_channels import Net, conv

SIZE = 6


def residual(net: Net, x: Tensor) -> Tensor:
    x = torch.relu(net.a(x))
    x = torch.relu(x + net.b(torch.relu(net.r(x))))
    x = torch.relu(net.p(torch.relu(net.d(x))))
    x = torch.cat([net.s(x), net.t(x)], 1)
    return net.fc(F.adaptive_avg_pool2d(torch.relu(net.e(x)), 1).flatten(1))


def network(a: int = 8, r: int = 6, p: int = 10, s: int = 4) -> Net:
    """A residual block, a depthwise convolution, branches that are joined, and a head."""
    torch.manual_seed(0)
    layers: dict[str, nn.Module] = {
        **{"a": conv(3, a), "r": conv(a, r), "b": conv(r, a)},
        **{"d": conv(a, a, groups=a), "p": nn.Conv2d(a, p, 1, stride=2)},
        **{"s": conv(p, s), "t": conv(p, s + 1), "e": conv(2 * s + 1, 7), "fc": nn.Linear(7, 3)},
    }
    return Net(residual, **layers).eval()


LAYERS = ("a", "r", "b", "d", "p", "s", "t", "e", "fc")
INPUTS = [torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))]


def walk(text: str, net: nn.Module | None = None, **words: Any) -> Walk:
    run: Callable[..., Walk] = walk_over
    return run(net or network(), INPUTS, parse_space(text, LAYERS), **words)


def test_what_is_known_of_layers() -> None:
    net = network()
    facts = facts_of(net, INPUTS)
    d, p, fc = facts["d"], facts["p"], facts["fc"]
    assert (d.n, d.c, d.h, d.w, d.stride, d.k) == (8, 8, SIZE, SIZE, 1, 3)
    assert (d.weights, d.macs) == (8 * 9, 36 * 8 * 9)
    assert (p.stride, p.k, p.macs, p.type) == (2, 1, 9 * 80, d.type)
    assert (fc.n, fc.c, fc.h, fc.macs, fc.weights) == (3, 7, 1, 21, 21) and fc.type != p.type
    per_image = 36 * (8 * 27 + 6 * 72 + 8 * 54 + 72) + 9 * (80 + 10 * 81 + 9 * 63) + 21
    assert macs_of(net, facts) == per_image
    with torch.no_grad():
        net.p.get_parameter("weight")[0] = 0
    assert macs_of(net, facts, nonzero=True) == per_image - 9 * 8
    assert weights_of(net) - weights_of(net, nonzero=True) == 8


def test_steps_have_the_shares_that_can_be_reached() -> None:
    (first, second, third) = walk(
        "[ab]: channels 0..0.5; r: channels 0.3..0.9; s: channels", group_size=2
    ).steps
    assert first.layers == ("a", "b") and first.ratios == (0.0, 0.25, 0.5)
    assert first.facts.macs == 36 * 27 * 8 + 36 * 54 * 8
    assert second.ratios == (0.3, 4 / 6)  # two and four channels of six
    assert third.layers == ("s",) and third.ratios == (0.0, 0.5)
    assert [second.level(action) for action in (0.0, 0.3, 0.66, 4 / 6, 1.0)] == [0, 0, 0, 1, 1]


def test_layers_that_read_what_goes() -> None:
    """The head's convolution reads two branches, which lose the same share of their channels."""
    found = walk("b: channels; e: channels; p: channels", side="inputs", group_size=1)
    assert [step.layers for step in found.steps] == [("b",), ("p",), ("e",)]
    assert found.steps[2].ratios == (0.0, 0.2, 0.4, 0.5, 0.75)  # so many of four, and of five
    levels = [step.level(0.5) for step in found.steps]
    made = found.made(levels)
    assert made.get_parameter("e.weight").shape[1] == 4 and found.counted(made) == found.macs(
        levels
    )


SPACES = (
    "[abrps]: channels 0.05..0.9",
    "[bretps]: channels 0..0.8",
    "*: unstructured 0.1..0.95",
    "[rbsp]: block(1x4) 0..0.9",
    "[abr]: nm(1:4)|nm(2:4)|dense",
)


@settings(deadline=None, max_examples=12)
@example(SPACES[0], 0.3, [1.0], 3, 8)
@example(SPACES[2], 0.5, [0.0], 1, 7)
@given(
    st.sampled_from(SPACES),
    st.floats(0.05, 1),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(5, 9),
)
def test_a_target_that_can_be_kept_is(
    text: str, target: float, actions: list[float], group_size: int, width: int
) -> None:
    """In the network that is made, to the last MAC, whatever an agent wants; others are refused at once."""
    found = walk(text, network(width, width + 1, width, width - 2), group_size=group_size)
    costs, ends = MacCosts(found), list[Walked]()
    least = found.macs(found.highest)

    def judge(levels: tuple[int, ...]) -> float:
        return 0.5

    if least > target * costs.whole:
        with pytest.raises(ValueError, match="mac-constrained cannot reach .* list more layers"):
            Environment(found, costs, Protocol(), target, judge)
        return
    environment = Environment(found, costs, Protocol(), target, judge, ends.append)
    state, _ = environment.reset()
    for index in range(len(found.steps)):
        assert environment.observation_space.contains(state) and state[0] == index / max(
            len(found.steps) - 1, 1
        )
        action = np.array([actions[index % len(actions)]], np.float32)
        state, reward, terminated, truncated, _ = environment.step(action)
        assert (reward, terminated, truncated) == (
            0.5 * (index == len(found.steps) - 1),
            index == len(found.steps) - 1,
            False,
        )
    (end,) = ends
    made = found.made(end.levels)
    facts = facts_of(made, INPUTS)
    is_masked = not isinstance(found, ChannelWalk)
    assert macs_of(made, facts, nonzero=is_masked) == end.cost <= target * costs.whole


def test_networks_are_those_that_pruning_makes() -> None:
    """With the ratios of the candidate."""
    net = network()
    found = walk("[abr]: channels 0.05..0.9", net, group_size=1)
    levels = [step.level(0.6) for step in found.steps]
    expected = copy.deepcopy(net)
    shares = found.candidate(levels).shares
    assert set(shares) == {"a", "b", "r"} and shares["a"] == shares["b"]
    prune_channels(
        expected, INPUTS, {name: each.ratio for name, each in shares.items()}, group_size=1
    )
    assert torch.equal(found.made(levels)(INPUTS[0]), expected(INPUTS[0]))
    for text in ("*: unstructured 0.1..0.95", "[rb]: block(1x4) 0..0.9", "[ab]: nm(2:4)|dense"):
        found = walk(text, net)
        levels = [step.level(0.6) for step in found.steps]
        expected = copy.deepcopy(net)
        Pruner(expected, plan=found.candidate(levels).plan, inputs=INPUTS).detach()
        assert torch.equal(found.made(levels)(INPUTS[0]), expected(INPUTS[0]))
    assert torch.equal(found.made([-1, -1])(INPUTS[0]), net(INPUTS[0]))
    assert found.candidate([-1, -1]).text == "dense"


def prices(model: nn.Module) -> Prices:
    """Cycles that are not a sum over layers; the arena of a branch alone."""
    macs = macs_of(model, facts_of(model, INPUTS), nonzero=True)
    widest = max(each.shape[0] for each in model.parameters())
    return Prices(int(math.sqrt(macs) * 10), 0, macs + 100, widest, macs, 0, 0)


@pytest.mark.parametrize(("metric", "target"), [("cycles", 0.7), ("flash", 0.5), ("ram", 0.75)])
def test_what_the_compiler_says_is_kept_in_the_end(metric: str, target: float) -> None:
    found = walk("[abrpste]: channels 0..0.8", group_size=1)
    ends: list[Walked] = []
    costs = CompiledCosts(found, prices, metric)

    def judge(levels: tuple[int, ...]) -> float:
        return 1.0

    environment = Environment(
        found, costs, Protocol("mac-constrained", metric), target, judge, ends.append
    )
    for wanted in (0.0, 0.35, 0.8):
        environment.reset()
        for _ in found.steps:
            environment.step(np.array([wanted], np.float32))
    whole = prices(network()).of(metric)
    assert costs.whole == whole
    for end in ends:
        assert prices(found.made(end.levels)).of(metric) == end.cost <= target * whole
    assert ends[0].cost > 0.6 * target * whole  # no more than there must
    with pytest.raises(ValueError, match=f"cannot reach 1 % of the {metric}"):
        Environment(found, costs, Protocol("mac-constrained", metric), 0.01, judge)
    with pytest.raises(ValueError, match="above 0 and at most 1, not 1.5"):
        Environment(found, costs, Protocol(), 1.5, judge)


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("observer = mse|min-max", {}, "an agent walks over layers, and the space has none"),
        ("a: channels; observer = mse|min-max", {}, "an agent decides on layers alone"),
        ("a: channels; r: unstructured", {}, "channels of all layers or of none"),
        ("a: channels|unstructured", {}, "channels of all layers or of none"),
        ("a: block(1x2)|unstructured", {}, "a: an agent decides how much goes, not by which"),
        ("a: block(1x99)", {}, "layer a: .* larger than the layer"),
        ("fc: channels", {}, "no layer can lose channels: fc: an output of the network has it"),
        ("a: channels; fc: channels", {}, "fc can lose no channels: an output of the network"),
        ("a: channels 0..0.5; b: channels", {}, "a, b lose their channels together and cannot"),
        ("r: channels", {"side": "inputs", "strict": True}, "would also change b, d, p, which are not"),
        ("d: channels; b: channels", {"side": "inputs"}, "d reads each channel by itself: list"),
        ("a: channels; b: channels", {"side": "inputs"}, "a can lose no channels: it reads those"),
    ],
)  # fmt: skip
def test_spaces_without_sense(text: str, words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        walk(text, **words)


def test_facts_of_a_program_are_those_of_its_modules() -> None:
    """What an archive says of its calls is what hooks see."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(2, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=3), nn.ReLU()),
        *(nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2), nn.Flatten(), nn.Linear(576, 5)),
    ).eval()
    inputs = [torch.rand(2, 2, 17, 17)]
    assert facts_of(program_of(net, inputs), inputs) == facts_of(net, inputs)
