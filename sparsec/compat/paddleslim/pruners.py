# SPDX-License-Identifier: Apache-2.0
"""PaddleSlim's unstructured pruners for modules of torch: its names over `Pruner`.

As there, nothing is pruned before the first `step()`, and each step of `UnstructuredPruner` finds the masks anew from the
weights as the optimizer left them. Otherwise than there, exactly a share `ratio` of the weights is zero and not one less,
blocks are scored by the mean magnitude and not by the signed mean, no layer loses its last weight, and norms are never
among what is pruned or counted by `summarize_weights`.
"""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sparsec.compress.layers import layers_of, modules_of
from sparsec.compress.pruner import Pruner, put_zeros
from sparsec.pruning.masks import check_ratio, check_threshold
from sparsec.pruning.patterns import Kernels
from sparsec.pruning.schedules import Gradual, OneShot
from sparsec.tables import INTEGER, NUMBER, did_you_mean, key, read_table

SkipParams = Callable[[nn.Module], Collection[str]]
"""From a model to the names of parameters, or modules, that stay as they are."""

_LARGE_BLOCK = 0.05


class UnstructuredPruner:
    """Prunes `model` by `ratio` (mode `ratio`) or by `threshold` (mode `threshold`).

    `prune_params_type="conv1x1_only"` prunes 1x1 convolutions alone, `skip_params_func` says with priority what is not
    pruned, `local_sparsity` takes the ratio of each layer, `sparse_block` goes over the first two dimensions of weights.
    `scope` and `place` are of Paddle's static graphs and mean nothing here.

    Raises AssertionError where PaddleSlim does, ValueError for other things that make no sense. Warns of blocks that are
    so large that the ratio is met poorly.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1))
    >>> pruner = UnstructuredPruner(net, mode="ratio", ratio=0.5)
    >>> pruner.step()
    >>> pruner.sparse_by_layer(net)["0.weight"] > 0
    True
    """

    def __init__(
        self,
        model: nn.Module,
        mode: str,
        threshold: float = 0.01,
        ratio: float = 0.55,
        prune_params_type: str | None = None,
        skip_params_func: SkipParams | None = None,
        local_sparsity: bool = False,
        sparse_block: Sequence[int] = (1, 1),
        *,
        scope: object = None,
        place: object = None,
    ):
        _assert(mode in ("ratio", "threshold"), f"mode is 'ratio' or 'threshold', not {mode!r}")
        _assert(
            prune_params_type in (None, "conv1x1_only"),
            f"prune_params_type is None or 'conv1x1_only', not {prune_params_type!r}",
        )
        _assert(mode == "ratio" or not local_sparsity, "local_sparsity is for mode 'ratio' alone")
        _assert(
            len(sparse_block) == 2 and all(type(side) is int and side > 0 for side in sparse_block),
            f"sparse_block is two whole numbers above 0, not {list(sparse_block)}",
        )
        check_ratio(ratio)
        self.model = model
        self.mode: Literal["ratio", "threshold"] = "ratio" if mode == "ratio" else "threshold"
        self.ratio = ratio
        skipped = None if skip_params_func is None else _names(model, skip_params_func(model))
        names = {layer.name: layer.names for layer in layers_of(model)}
        self.pruner = Pruner(
            model,
            ratio=0.0,
            pattern="unstructured" if tuple(sparse_block) == (1, 1) else Kernels(*sparse_block),
            layers=lambda name, module: (
                is_pruned(module, prune_params_type)
                if skipped is None
                else not any(_is_skipped(each, skipped) for each in names[name])
            ),
            scope="local" if local_sparsity else "global",
            regrow=True,
            masking=self.mask_parameters,
        )
        """What does it."""
        if self.mode == "threshold":
            self.threshold = threshold
        if tuple(sparse_block) != (1, 1):
            self._warn(sparse_block)

    def _warn(self, block: Sequence[int]) -> None:
        large = [
            layer.parameter
            for layer in self.pruner.layers
            if any(
                side / size >= _LARGE_BLOCK
                for side, size in zip(block, layer.weight.shape, strict=False)
            )
        ]
        if large:
            warnings.warn(
                f"a sparse_block of {list(block)} may be too large to meet the ratio in {', '.join(large)}",
                stacklevel=3,
            )

    @property
    def threshold(self) -> float:
        """What is below it goes; in mode `ratio` the least magnitude that stays."""
        if self.pruner.threshold is not None:
            return self.pruner.threshold
        return min(
            float(layer.weight.detach()[self.pruner.masks[layer.parameter]].abs().min())
            for layer in self.pruner.layers
        )

    @threshold.setter
    def threshold(self, value: float) -> None:
        check_threshold(value)
        self.pruner.threshold = value

    @property
    def masks(self) -> dict[str, Tensor]:
        """The mask of each parameter by its name with `_mask` behind: 1 where a weight stays, else 0."""
        return {
            f"{name}_mask": self.pruner.masks.get(name, torch.ones_like(value)).to(value)
            for name, value in self.model.named_parameters()
        }

    @property
    def skip_params(self) -> set[str]:
        """The names of the parameters that are not pruned."""
        return {name for name, _ in self.model.named_parameters()} - set(self.pruner.masks)

    def step(self) -> None:
        """An iteration of training was done: new masks, whose zeros are put into place."""
        if self.pruner.is_static:
            self.update_params()
        else:
            self.update_threshold()
            self.pruner.update()

    def update_threshold(self) -> None:
        """Say by what the next masks are found: the ratio, in mode `ratio`.

        To be overridden: where it sets `self.threshold`, that is what they are found by.
        """
        if self.mode == "ratio":
            self.pruner.threshold, self.pruner.schedule = None, OneShot(self.ratio)

    def mask_parameters(self, param: Tensor, mask: Tensor) -> None:
        """Put zeros where `mask` is false, in place. To be overridden."""
        put_zeros(param, mask)

    def update_params(self) -> None:
        """Put zeros into place, as before weights are tested or saved."""
        self.pruner.apply()

    def set_static_masks(self) -> None:
        """From now on the zeros are those that are there, as for the quantization of a sparse model."""
        self.pruner.freeze()

    def summarize_weights(self, model: nn.Module, ratio: float = 0.1) -> float:
        """The magnitude below which a share `ratio` of the weights that are pruned lies. Raises ValueError."""
        if model is not self.model:
            raise ValueError("the weights that are summarized are those of the pruner's own model")
        return self.pruner.summarize_weights(ratio)

    @staticmethod
    def sparse_by_layer(model: nn.Module) -> dict[str, float]:
        """The share of zeros of each parameter."""
        return {
            name: int((value == 0).sum()) / max(value.numel(), 1)
            for name, value in model.named_parameters()
        }

    @staticmethod
    def total_sparse(model: nn.Module) -> float:
        """The share of zeros in all parameters, norms and biases too."""
        return _sparsity(list(model.parameters()))

    @staticmethod
    def total_sparse_conv1x1(model: nn.Module) -> float:
        """The share of zeros in 1x1 convolutions; 0 where there are none."""
        return _sparsity([value for value in model.parameters() if _is_1x1(value)])


UnstructurePruner = UnstructuredPruner
"""As older documents have it."""


@dataclass(frozen=True)
class GMPConfigs:
    """The `configs` of GMPUnstructuredPruner, in iterations."""

    pruning_iterations: int = key(INTEGER)
    tunning_iterations: int = key(INTEGER)
    pruning_steps: int = key(INTEGER)
    stable_iterations: int = key(INTEGER, 0)
    resume_iteration: int = key(INTEGER, -1)
    initial_ratio: float = key(NUMBER, 0.15)

    def schedule(self, ratio: float) -> Gradual:
        """That leads to `ratio`. Raises AssertionError where steps come too often, ValueError where there is none."""
        _assert(
            0 < 10 * self.pruning_steps < self.pruning_iterations,
            f"pruning_iterations / pruning_steps is above 10, not {self.pruning_iterations} / {self.pruning_steps}",
        )
        return Gradual(
            target=ratio,
            stable=self.stable_iterations,
            pruning=self.pruning_iterations,
            tuning=self.tunning_iterations,
            steps=self.pruning_steps,
            initial=self.initial_ratio,
        )


class GMPUnstructuredPruner(UnstructuredPruner):
    """Prunes `model` gradually: not at all, then more and more, then by `ratio`; zeros stay. `configs` are GMPConfigs."""

    def __init__(
        self,
        model: nn.Module,
        ratio: float = 0.55,
        prune_params_type: str | None = None,
        skip_params_func: SkipParams | None = None,
        local_sparsity: bool = False,
        sparse_block: Sequence[int] = (1, 1),
        configs: Mapping[str, Any] | None = None,
        *,
        mode: str = "ratio",
        scope: object = None,
        place: object = None,
    ):
        _assert(configs is not None, "the pruner needs configs")
        _assert(mode == "ratio", f"pruning grows by ratio alone, not by {mode!r}")
        known = read_table(GMPConfigs, configs, "configs")
        self.schedule = known.schedule(ratio)
        super().__init__(
            model,
            "ratio",
            ratio=ratio,
            prune_params_type=prune_params_type,
            skip_params_func=skip_params_func,
            local_sparsity=local_sparsity,
            sparse_block=sparse_block,
        )
        self.pruner.regrow = False
        self.target_ratio, self.ratio = ratio, 0.0
        self.cur_iteration = max(known.resume_iteration, 0)
        """Steps that were done."""
        if self.cur_iteration:
            self.cur_iteration -= 1
            self.step()

    @property
    def ratios_stack(self) -> list[float]:
        """The ratios that are still to come, the next one last."""
        period = self.schedule.pruning // self.schedule.steps
        later = range(-(-self.cur_iteration // period) * period, self.schedule.iterations, period)
        return [self.schedule.ratio(iteration) for iteration in reversed(later)]

    def step(self) -> None:
        """An iteration of training was done: new masks where the ratio is another one now."""
        before, self.ratio = self.ratio, self.schedule.ratio(self.cur_iteration)
        self.cur_iteration += 1
        if self.ratio == before:
            self.update_params()
        else:
            super().step()


def _assert(holds: bool, message: str) -> None:
    """PaddleSlim's asserts, with optimization too."""
    if not holds:
        raise AssertionError(message)


def _is_1x1(weight: Tensor) -> bool:
    return weight.ndim == 4 and weight.shape[2:] == (1, 1)


def is_pruned(module: nn.Module, prune_params_type: str | None) -> bool:
    """Whether the weights of a layer are of the type that is pruned."""
    weight = module.weight
    return prune_params_type is None or (isinstance(weight, Tensor) and _is_1x1(weight))


def _names(model: nn.Module, names: Collection[str]) -> set[str]:
    """Checked. Raises ValueError where the model has no parameter and no module of a name."""
    parameters = model.named_parameters(remove_duplicate=False)  # all names of tied weights
    known = [name for name, _ in parameters] + list(modules_of(model))
    for name in names:
        if name not in known:
            raise ValueError(
                f"skip_params_func names '{name}', which the model does not have: {did_you_mean(name, known)}"
            )
    return set(names)


def _is_skipped(layer: str, names: set[str]) -> bool:
    """Whether the weights of a layer, the layer or what it is a part of are among the names."""
    path = layer.split(".")
    around = {".".join(path[:depth]) for depth in range(len(path) + 1)}
    return bool({"weight" if not layer else f"{layer}.weight", *around} & names)


def _sparsity(values: Sequence[Tensor]) -> float:
    total = sum(value.numel() for value in values)
    return sum(int((value == 0).sum()) for value in values) / total if total else 0.0
