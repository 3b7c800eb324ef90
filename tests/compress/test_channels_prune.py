# SPDX-License-Identifier: Apache-2.0
"""Which channels go and how many, and weights fitted to what is gone."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import sparsec
from sparsec.compress.channels.choice import (
    KERNELS_TAKE,
    Choice,
    group_size_of,
    local,
    multiple_of,
    overall,
)
from sparsec.compress.channels.graph import ChannelGraph
from sparsec.compress.channels.prune import Method, Pruned, open_channels, prune_channels
from sparsec.compress.layers import Layer
from sparsec.kernels.loops import columns_of, product
from tests.compress.test_channels import Net, conv, nhwc, norm, residual


def joined() -> nn.Module:
    torch.manual_seed(1)
    net = Net(residual, a=conv(3, 16), norm=norm(16), r=conv(16, 8), b=conv(8, 16), g=conv(16, 4))
    return net.eval()


def images(count: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))


def choice(*worth: float, multiple: int = 1, stay: tuple[int, ...] = ()) -> Choice:
    free = np.ones(len(worth), np.bool_)
    free[list(stay)] = False
    return Choice(np.array(worth), free, multiple)


@pytest.mark.parametrize(
    ("given", "count", "gone"),
    [
        (choice(3, 1, 2, 1), 0, []),
        (choice(3, 1, 2, 1), 1, [1]),
        (choice(3, 1, 2, 1), 9, [1, 2, 3]),
        (choice(3, 1, 2, 1, multiple=2), 1, []),
        (choice(3, 1, 2, 1, multiple=2), 3, [1, 3]),
        (choice(3, 1, 2, 1, 5, multiple=4), 2, [1]),
        (choice(3, 1, 2, 1, multiple=8), 2, []),
        (choice(3, 1, 2, 1, stay=(1,)), 2, [2, 3]),
        (choice(3, 1, 2, 1, multiple=2, stay=(0, 1, 2)), 3, []),
    ],
)
def test_the_least_important_go(given: Choice, count: int, gone: list[int]) -> None:
    assert given.gone(count) == gone


def test_shares() -> None:
    one, other = choice(1, 2, 3, 4), choice(10, 10, 30, 30)
    assert local([one, other], [0.5, 0.25]) == [[0, 1], [0]]
    assert overall([one, other], 0.375) == [[0], [0, 1]]
    assert overall([choice(1, 1), choice(5, 5, 5, 5)], 0.9) == [[0], [0, 1, 2]]
    assert overall([choice(0, 0)], 0.5) == [[0]]
    assert overall([], 0.5) == []
    for ratio in (-0.1, 1.0):
        with pytest.raises(ValueError, match="at least 0 and below 1"):
            local([one], [ratio])
        with pytest.raises(ValueError, match="at least 0 and below 1"):
            overall([one], ratio)


def test_multiples() -> None:
    assert multiple_of(4, [1], 32, at_least=False) == 4
    assert multiple_of(4, [2], 32, at_least=False) == 2
    assert multiple_of(4, [2, 1], 32, at_least=False) == 4
    assert multiple_of(6, [4], 32, at_least=True) == 3
    assert multiple_of(16, [1], 16, at_least=False) == 8
    assert multiple_of(16, [1], 16, at_least=True) == 16
    assert multiple_of(16, [1], 1, at_least=False) == 1
    with pytest.raises(ValueError, match="a group size is at least 1, not 0"):
        multiple_of(0, [1], 8, at_least=True)


def test_the_group_size_is_what_kernels_take_at_a_time() -> None:
    assert [group_size_of(core) for core in ("cortex-m3", "cortex-m4", "cortex-m55")] == [2, 4, 16]
    two, four, vector = (KERNELS_TAKE[unit] for unit in ("scalar", "dsp", "mve"))
    assert (
        product("scalar", 4, 8, two)["odd output"] == 0 < product("scalar", 4, 8, 1)["odd output"]
    )
    assert columns_of("dsp", four, 16)["last columns"] == 0
    assert columns_of("dsp", four // 2, 16)["last columns"] > 0
    steps = [product("mve", 4, n, 1)["four rows, vectors"] for n in (1, vector, vector + 1)]
    assert steps[0] == steps[1] < steps[2]
    with pytest.raises(ValueError, match="unknown target 'cortex-m5'"):
        group_size_of("cortex-m5")


def test_half_of_every_layer() -> None:
    model = joined()
    weight = model.state_dict()["r.weight"].numpy()
    least = tuple(sorted(np.abs(weight).sum((1, 2, 3)).argsort()[:4].tolist()))
    pruned = prune_channels(model, images(), 0.5)
    assert [(each.layers, each.before, each.after) for each in pruned.lost] == [
        (("a", "b"), 16, 8),
        (("r",), 8, 4),
    ]
    assert pruned.rows["r"] == least and pruned.rows["a"] == pruned.rows["b"]
    assert pruned.stayed == {"g": "an output of the network has it"}
    assert pruned.group_size == 4 and pruned.refits == {}
    assert model(images()).shape == (16, 4, 6, 6)


def test_group_size_and_layers() -> None:
    pruned = prune_channels(joined(), images(), 0.3, layers="r", target="cortex-m55")
    assert pruned.group_size == 16 and pruned.lost == ()  # 8 channels keep a multiple of 4: all
    assert prune_channels(joined(), images(), 0.5, layers="r", group_size=3).rows.keys() == {"r"}
    pruned = prune_channels(joined(), images(), {"r": 0.25, "a": 0.6}, group_size=1)
    assert {name: len(rows) for name, rows in pruned.rows.items()} == {"a": 10, "b": 10, "r": 2}


def test_importances_and_scope() -> None:
    def last(layer: Layer, model: nn.Module) -> Tensor:
        return -torch.arange(layer.weight.shape[0]) + 100.0

    pruned = prune_channels(joined(), images(), 0.25, importance=last, group_size=1)
    assert pruned.rows == {"a": (12, 13, 14, 15), "b": (12, 13, 14, 15), "r": (6, 7)}
    for name in ("l2", "taylor", "geometric-median"):
        model = joined()
        model(images()).square().sum().backward()
        pruned = prune_channels(model, images(), 0.5, importance=name, scope="global", group_size=1)
        assert sum(each.before - each.after for each in pruned.lost) == 12


def test_batch_norms_of_a_group_decide() -> None:
    model = joined()
    scale = torch.linspace(2, 1, 16)
    model.get_submodule("norm").load_state_dict({"weight": scale}, strict=False)
    model.get_submodule("a").load_state_dict({"weight": torch.ones(16, 3, 3, 3)}, strict=False)
    model.get_submodule("norm").load_state_dict({"running_var": torch.ones(16)}, strict=False)
    pruned = prune_channels(model, images(), {"b": 0.25}, importance="bn-scale")
    assert pruned.rows == {"a": (12, 13, 14, 15), "b": (12, 13, 14, 15)}
    with pytest.raises(ValueError, match="importance bn-scale needs a batch norm right behind r"):
        prune_channels(model, images(), 0.5, layers="r", importance="bn-scale")


def test_stochastic_ranks_are_those_of_the_seed() -> None:
    def of(seed: int) -> Pruned:
        return prune_channels(
            joined(), images(), 0.5, method="stochastic-l1-rank", noise=0.5, seed=seed
        )

    assert of(1).rows == of(1).rows
    assert len({of(seed).rows["a"] for seed in range(4)}) > 1


def test_reconstruction_is_closer_than_ranks_alone() -> None:
    apart: dict[str, float] = {}
    unseen = images(32, seed=9)
    methods: tuple[Method, ...] = ("l1-rank", "fm-reconstruction")
    for method in methods:
        model = joined()
        expected = model(unseen)
        pruned = prune_channels(model, images(64), 0.5, method=method)
        change = (model(unseen) - expected).detach()
        apart[method] = float(change.square().mean() / expected.detach().var())
        for each in pruned.refits.values():
            assert each.after < 0.5 * each.before and each.points == 640
        assert list(pruned.refits) == ([] if method == "l1-rank" else ["r", "b", "g"])
    assert apart["fm-reconstruction"] < 0.2 * apart["l1-rank"]


def flat(net: Net, x: Tensor) -> Tensor:
    return net.fc(net.a(x).flatten(1))


def wide(net: Net, x: Tensor) -> Tensor:
    return net.b(net.a(x))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Net(flat, a=conv(3, 4), fc=nn.Linear(64, 5)), (3, 4, 4)),
        (lambda: Net(wide, a=conv(3, 4), b=nn.Conv2d(4, 3, 3, stride=2, bias=False)), (3, 7, 7)),
        (lambda: Net(wide, a=conv(3, 8), b=conv(8, 4, groups=2)), (3, 4, 4)),
        (lambda: Net(wide, a=nn.Conv1d(2, 4, 3), b=nn.Conv1d(4, 3, 3, padding="same")), (2, 9)),
        (lambda: Net(wide, a=nn.Linear(6, 4), b=nn.Linear(4, 3)), (5, 6)),
    ],
)
def test_what_others_carry_too_is_recovered(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    """A channel that is half of another one, but for a constant, costs nothing when it goes."""
    model = make().eval()
    layer = model.get_submodule("a")
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear) and layer.bias is not None
    half = len(layer.weight) // 2
    grouped = len(layer.weight) == 8
    for first in range(0, len(layer.weight), half if grouped else len(layer.weight)):
        layer.weight.data[first + 1] = layer.weight.data[first] / 2
        layer.bias.data[first + 1] = layer.bias.data[first] / 2
    x = torch.rand(256, *shape)
    expected = model(x)
    pruned = prune_channels(
        model, x, 0.25, layers="a", method="fm-reconstruction", group_size=1, n_points_per_fm=20
    )
    assert set(pruned.rows["a"]) == ({1, 5} if grouped else {1})
    assert all(each.after < 1e-9 < each.before for each in pruned.refits.values())
    assert (model(x) - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 1.0}, "a ratio of zeros is at least 0 and below 1, not 1"),
        ({"ratio": {"q": 0.5}}, "no layer with weights matches 'q': layers: a, r, b, g"),
        ({"ratio": {"a": 0.5, "b": 0.25}}, "a, b lose their channels together and cannot have"),
        ({"ratio": {"a": 0.5}, "layers": "a"}, "give a ratio for each layer or layers and one"),
        ({"layers": "g"}, "no layer can lose channels: g: an output of the network has it"),
        ({"layers": "A"}, "no layer with weights matches 'A'"),
        ({"method": "l2-rank"}, "there is no method 'l2-rank', known: l1-rank, stochastic-l1-rank"),
        ({"group_size": 0}, "a group size is at least 1, not 0"),
        ({"importance": "taylor"}, "importance taylor needs gradients and a has none"),
        ({"layers": "a", "strict": True}, "pruning outputs of a would also change b, which is not"),
        ({"method": "fm-reconstruction", "n_points_per_fm": 0}, "points for each feature map are"),
    ],
)
def test_bad_input(options: dict[str, object], message: str) -> None:
    model = joined()
    before = copy.deepcopy(model)
    run: Callable[..., Pruned] = prune_channels
    with pytest.raises(ValueError, match=message):
        run(model, images(2), **{"ratio": 0.5, **options})
    assert torch.equal(model(images(2)), before(images(2)))


def test_channels_that_layers_read() -> None:
    """`b` reads what `r` gives; what `g` reads is of the sum, which `r` reads too."""
    model = joined()
    pruned = prune_channels(
        model,
        images(),
        {"b": 0.5},
        method="fm-reconstruction",
        group_size=1,
        side="inputs",
        strict=True,
    )
    assert [len(each) for each in pruned.rows.values()] == [4] and set(pruned.rows) == {"r"}
    assert set(pruned.refits) == {"b"}
    with pytest.raises(ValueError, match="pruning inputs of g would also change r, which is not"):
        prune_channels(model, images(), {"g": 0.5}, side="inputs", strict=True)
    loose = prune_channels(model, images(), {"g": 0.5, "r": 0.5}, side="inputs", group_size=1)
    assert {name: len(rows) for name, rows in loose.rows.items()} == {"a": 8, "b": 8}
    with pytest.raises(ValueError, match="r, g lose their channels together"):
        prune_channels(joined(), images(), {"g": 0.5, "r": 0.25}, side="inputs")


def test_a_copy_of_what_is_open_has_its_own_model() -> None:
    """Slices that go with a channel are counted before any does."""
    model = joined()
    found = open_channels(
        ChannelGraph(model, images(2)), ["r", "a"], group_size=1, method="stochastic-l1-rank"
    )
    sizes = {name: each.shape for name, each in model.named_parameters()}
    slices = [found.graph.slices(group) for group in found.groups]
    gone = [choice.gone(3) for choice in found.choices]
    other = copy.deepcopy(found)
    other.remove(gone)
    for name, parameter in other.graph.model.named_parameters():
        for axis, size in enumerate(parameter.shape):
            lost = sum(
                int(each[name, axis][at].sum())
                for each, at in zip(slices, gone, strict=True)
                if (name, axis) in each
            )
            assert size == sizes[name][axis] - lost
    assert {name: each.shape for name, each in model.named_parameters()} == sizes
    found.remove(gone)
    assert torch.equal(model(images()), other.graph.model(images()))


def separable(net: Net, x: Tensor) -> Tensor:
    x = F.relu6(net.norm(net.d(F.relu6(net.a(x)))))
    x = torch.cat([net.b(x), net.c(x)], 1)
    return net.fc(F.adaptive_avg_pool2d(torch.relu(net.e(x) + net.s(x)), 1).flatten(1))


@pytest.mark.builds
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (
            lambda: Net(
                separable,
                **{"a": conv(3, 8), "d": conv(8, 16, groups=8), "norm": norm(16)},
                **{"b": conv(16, 8, 1), "c": conv(16, 8), "e": conv(16, 16), "s": conv(16, 16, 1)},
                fc=nn.Linear(16, 4),
            ),
            (3, 8, 8),
        ),
        (
            lambda: Net(nhwc, a=conv(3, 8), dense=nn.Linear(8, 12), fc=nn.Linear(192, 3)),
            (3, 4, 4),
        ),
    ],
)
def test_what_is_left_compiles(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    model = make().eval()
    x = torch.randn(32, *shape)
    assert len(prune_channels(model, x, 0.5).lost) > 1
    assert sparsec.compile(model, x, name="left").run(x[:4]).mismatches == 0
