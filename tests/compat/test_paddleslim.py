# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's pruners: the golden checks of its own tests, and what it got wrong."""

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparsec.compat.paddleslim import (
    GMPUnstructuredPruner,
    UnstructuredPruner,
    UnstructurePruner,
)
from tests.compress.nets import images, small

GMP = {
    "stable_iterations": 0,
    "pruning_iterations": 1000,
    "tunning_iterations": 1000,
    "resume_iteration": 500,
    "pruning_steps": 20,
    "initial_ratio": 0.05,
}


def prunable(model: nn.Module) -> Tensor:
    return torch.cat(
        [model.get_parameter(f"{n}.weight").detach().reshape(-1) for n in (0, 4, 6, 9)]
    )


def train(model: nn.Module, pruner: UnstructuredPruner, steps: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images()), torch.arange(16) % 4).backward()
        optimizer.step()
        pruner.step()


def test_its_gradual_pruner() -> None:
    """(a) Past .3 where it is resumed, never less, the target where the stack is empty."""
    model = small()
    pruner = GMPUnstructuredPruner(model, ratio=0.55, configs=GMP)
    assert pruner.ratio > 0.3
    seen = [pruner.ratio]
    while pruner.ratios_stack:
        pruner.step()
        seen.append(pruner.ratio)
    assert seen == sorted(seen) and seen[-1] == 0.55
    assert (
        len(seen) - 1 == 1451
    )  # the last of the 1000 iterations of tuning that a period begins with
    assert float((prunable(model) == 0).float().mean()) == pytest.approx(0.55, abs=1e-3)


def test_its_ratios() -> None:
    """(b) initial .15, target .75, 100 steps."""
    configs = {"pruning_iterations": 1100, "tunning_iterations": 0, "pruning_steps": 100}
    pruner = GMPUnstructuredPruner(small(), ratio=0.75, configs=configs)
    assert pruner.ratio == 0 and prunable(pruner.model).all()  # nothing before the first step
    ratios = pruner.ratios_stack[::-1]
    assert len(ratios) == 100 and ratios[0] == 0.15
    assert (ratios[50], ratios[99]) == (pytest.approx(0.675), pytest.approx(0.7499994))


def test_the_threshold_for_a_ratio() -> None:
    """(c) For all of them it is the largest weight; norms, which are 1, are not among them."""
    model = small()
    pruner = UnstructuredPruner(model, "ratio")
    assert pruner.summarize_weights(model, 1.0) == prunable(model).abs().max() < 1
    assert pruner.summarize_weights(model) == pruner.summarize_weights(model, 0.1)
    with pytest.raises(ValueError, match="of the pruner's own model"):
        pruner.summarize_weights(small())


def test_what_is_skipped() -> None:
    """(d) Norms and biases; with conv1x1_only more; a user's function has priority over both."""
    every = UnstructuredPruner(small(), mode="ratio").skip_params
    ones = UnstructuredPruner(small(), mode="ratio", prune_params_type="conv1x1_only").skip_params
    assert every < ones
    assert every == {"0.bias", "1.weight", "1.bias", "4.bias", "6.bias", "9.bias"}
    assert ones - every == {"0.weight", "4.weight", "9.weight"}

    def skip(model: nn.Module) -> set[str]:
        return {"0.weight", "9"}  # a parameter and a module

    pruner = UnstructuredPruner(
        small(), "ratio", prune_params_type="conv1x1_only", skip_params_func=skip
    )
    assert pruner.skip_params - every == {"0.weight", "9.weight"}
    model = nn.Sequential(small(), nn.Linear(4, 4))
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    tied.get_submodule("2").weight = tied.get_parameter("0.weight")
    for second in ("2", "2.weight"):
        pruner = UnstructuredPruner(tied, "ratio", skip_params_func=lambda model, it=second: {it})
        assert list(pruner.pruner.masks) == ["1.weight"]
    pruner = UnstructuredPruner(model, "ratio", skip_params_func=lambda model: {"0"})
    assert list(pruner.pruner.masks) == ["1.weight"]


def test_its_masks() -> None:
    """(e) One for each parameter, of its name and shape."""
    model = small()
    pruner = UnstructuredPruner(model, "ratio", ratio=0.4)
    pruner.step()
    masks = pruner.masks
    assert set(masks) == {f"{name}_mask" for name, _ in model.named_parameters()}
    for name, value in model.named_parameters():
        mask = masks[f"{name}_mask"]
        assert mask.shape == value.shape and mask.dtype == value.dtype
        assert torch.equal(mask, (value != 0).to(value)) or name.endswith("bias")
        assert bool(((mask == 0) | (mask == 1)).all())
        if name in pruner.skip_params:
            assert mask.all()


def test_zeros_are_put_into_place() -> None:
    """(f) As often as one likes; and they are what the optimizer may outgrow, at the same ratio."""
    model = small()
    pruner = UnstructuredPruner(model, "ratio", ratio=0.4)
    pruner.step()
    before = prunable(model)
    for _ in range(2):
        pruner.update_params()
        assert torch.equal(prunable(model), before)
    train(model, pruner, 3)
    after = prunable(model)
    assert not torch.equal(before == 0, after == 0)
    assert int((after == 0).sum()) == int((before == 0).sum()) == round(0.4 * len(after))


def test_exactly_as_many_as_the_ratio_says() -> None:
    """Not one less, as there."""
    model = nn.Sequential(nn.Linear(10, 10, bias=False))
    UnstructuredPruner(model, "ratio", ratio=0.37).step()
    assert UnstructuredPruner.total_sparse(model) == 0.37


def test_a_threshold() -> None:
    model = small()
    before = prunable(model)
    pruner = UnstructuredPruner(model, "threshold", 0.05)
    pruner.step()
    assert torch.equal(prunable(model) == 0, before.abs() < 0.05)
    assert pruner.threshold == 0.05


def test_each_layer_for_itself() -> None:
    model = small()
    UnstructuredPruner(model, "ratio", ratio=0.5, local_sparsity=True).step()
    found = UnstructuredPruner.sparse_by_layer(model)
    assert [found[f"{n}.weight"] for n in (0, 4, 6, 9)] == [0.5] * 4
    assert found["1.weight"] == 0 and set(found) == {name for name, _ in model.named_parameters()}
    assert UnstructuredPruner.total_sparse_conv1x1(model) == 0.5
    assert UnstructuredPruner.total_sparse_conv1x1(nn.Linear(2, 2)) == 0


def test_static_masks() -> None:
    model = small()
    UnstructuredPruner(model, "ratio", ratio=0.6).step()
    plain = small()
    plain.load_state_dict(model.state_dict())
    pruner = UnstructurePruner(plain, mode="ratio")
    pruner.set_static_masks()
    gone = prunable(plain) == 0
    train(plain, pruner, 3)
    assert torch.equal(prunable(plain) == 0, gone) and gone.any()


def test_gradual_zeros_stay() -> None:
    model = small()
    configs = {
        "stable_iterations": 1,
        "pruning_iterations": 22,
        "tunning_iterations": 3,
        "pruning_steps": 2,
    }
    pruner = GMPUnstructuredPruner(model, ratio=0.8, configs=configs, local_sparsity=True)
    gone = torch.zeros(len(prunable(model)), dtype=torch.bool)
    for _ in range(26):
        train(model, pruner, 1)
        zeros = prunable(model) == 0
        assert bool((zeros >= gone).all())
        gone = zeros
    assert model.get_parameter("6.weight").eq(0).float().mean() == pytest.approx(0.8, abs=0.002)


def test_blocks_are_whole_and_by_magnitude() -> None:
    """Over the first two dimensions, with all taps; +a and -a beside each other are no zero."""
    model = nn.Sequential(nn.Conv2d(40, 40, 3, bias=False))
    weight = model.get_parameter("0.weight")
    with torch.no_grad():
        weight[:2] = torch.tensor([5.0, -5.0]).reshape(2, 1, 1, 1)
    with pytest.warns(UserWarning, match="too large"):
        pruner = UnstructuredPruner(model, "ratio", ratio=0.5, sparse_block=[2, 1])
    pruner.step()
    gone = weight.detach().eq(0).reshape(20, 2, 40, 9)
    assert torch.equal(gone.all(3).all(1), gone.any(3).any(1))
    assert gone.float().mean() == 0.5
    assert not gone[0].any()


def test_large_blocks_are_warned_of() -> None:
    with pytest.warns(
        UserWarning, match=r"a sparse_block of \[2, 1\] may be .* 0.weight, 1.weight"
    ):
        UnstructuredPruner(
            nn.Sequential(nn.Linear(40, 40), nn.Linear(19, 40), nn.Linear(40, 41)),
            "ratio",
            sparse_block=[2, 1],
        )
    with warnings.catch_warnings():
        UnstructuredPruner(nn.Sequential(nn.Linear(40, 41)), "ratio", sparse_block=[2, 1])
        UnstructuredPruner(small(), "ratio")


def test_an_importance_of_ones_own() -> None:
    """What a subclass sets as the threshold is what goes, at each step, and how."""

    class Mine(UnstructuredPruner):
        def update_threshold(self) -> None:
            self.threshold = float(prunable(self.model).abs().median())

        def mask_parameters(self, param: Tensor, mask: Tensor) -> None:
            param.mul_(torch.where(mask, 1.0, 0.25))

    model, before = small(), prunable(small())
    Mine(model, "ratio", ratio=0.1).step()
    gone = before.abs() < before.abs().median()
    assert gone.any()
    np.testing.assert_allclose(prunable(model), torch.where(gone, before / 4, before))


def test_a_pruned_model_is_copied_and_saved_as_a_whole() -> None:
    """With its masks, which hold in the copy too."""
    model = small()
    UnstructuredPruner(model, "ratio", ratio=0.4).step()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        with torch.no_grad():
            other.get_parameter("9.weight").add_(1)
        other(images())
        assert torch.equal(prunable(other) == 0, prunable(model) == 0)


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ({"mode": "magnitude"}, AssertionError, "mode is 'ratio' or 'threshold', not 'magnitude'"),
        ({"mode": "ratio", "prune_params_type": "conv3x3"}, AssertionError, "None or 'conv1x1_only', not 'conv3x3'"),
        ({"mode": "threshold", "local_sparsity": True}, AssertionError, "local_sparsity is for mode 'ratio' alone"),
        ({"mode": "ratio", "sparse_block": [0, 1]}, AssertionError, "sparse_block is two whole numbers above 0"),
        ({"mode": "ratio", "ratio": 1.0}, ValueError, "a ratio of zeros is at least 0 and below 1, not 1"),
        ({"mode": "threshold", "threshold": -1}, ValueError, "a threshold is at least 0, not -1"),
        ({"mode": "ratio", "sparse_block": [1, 64]}, ValueError, r"layer 0: kernels\(1x64\) is larger than the layer"),
        ({"mode": "ratio", "skip_params_func": lambda model: {"0.weigth"}}, ValueError, "'0.weigth', which the model does not have: did you mean '0.weight'"),  # pyright: ignore
        ({"mode": "ratio", "skip_params_func": lambda model: {""}}, ValueError, "no layer is left to prune"),  # pyright: ignore
    ],
)  # fmt: skip
def test_what_makes_no_sense(words: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        UnstructuredPruner(small(), **words)


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ({}, AssertionError, "the pruner needs configs"),
        ({"configs": GMP, "mode": "threshold"}, AssertionError, "pruning grows by ratio alone"),
        ({"configs": GMP | {"pruning_steps": 100}}, AssertionError, "is above 10, not 1000 / 100"),
        ({"configs": GMP | {"pruning_steps": 2.5}}, ValueError, "configs.pruning_steps is a whole number, not 2.5"),
        ({"configs": GMP | {"tuning_iterations": 1}}, ValueError, "no key 'tuning_iterations': did you mean 'tunning_iterations'"),
        ({"configs": {"pruning_steps": 2}}, ValueError, "configs.pruning_iterations is missing"),
        ({"configs": GMP, "ratio": 0.01}, ValueError, "the initial ratio 0.05 is not within 0 and the target 0.01"),
    ],
)  # fmt: skip
def test_configs_without_sense(words: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        GMPUnstructuredPruner(small(), **words)


def test_the_word_of_its_readme() -> None:
    """`mode='ratio'`, which its own gradual pruner does not take."""
    GMPUnstructuredPruner(small(), mode="ratio", ratio=0.55, configs=GMP, scope=None, place=None)
