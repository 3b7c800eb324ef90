# SPDX-License-Identifier: Apache-2.0
"""What an agent sees of a layer, and how often its weights are multiplied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from sparsec.compress.channels.cut import outputs_of
from sparsec.compress.layers import Layer, layers_of, modules_of
from sparsec.frontends.programs import Program

_TYPES = ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")


@dataclass(frozen=True)
class Facts:
    """A layer as distiller describes it: `n` outputs, `c` inputs, the image [h, w] that it reads, stride and kernel."""

    name: str
    type: int
    n: int
    c: int
    h: int
    w: int
    stride: int
    k: int
    macs: int
    weights: int

    @property
    def positions(self) -> int:
        """How often each weight is multiplied in an inference."""
        return self.macs // self.weights


def facts_of(model: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Facts]:
    """Of each layer by name, for one sample of `inputs`; those that are not called are left out."""
    if isinstance(model, Program):
        return _facts_of_program(model)
    modules = modules_of(model)
    named = {layer.name: layer for layer in layers_of(model) if layer.name in modules}
    seen: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {name: [] for name in named}

    def hook(name: str) -> Any:
        def note(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name].append((tuple(given[0].shape), tuple(output.shape)))

        return note

    handles = [modules[name].register_forward_hook(hook(name)) for name in named]
    try:
        outputs_of(model, [each[:1] for each in inputs])
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: _facts(named[name], calls, cast(Any, named[name].owner))
        for name, calls in seen.items()
        if calls
    }


def _facts_of_program(program: Program) -> dict[str, Facts]:
    """As its archive says them: its layers are calls, not modules."""
    found: dict[str, Facts] = {}
    for layer in layers_of(program):
        calls = [each for each in program.weighted if each.weights == layer.parameter]
        sizes = [(_known(each.reads), _known(each.gives)) for each in calls]
        found[layer.name] = _facts(layer, sizes, _Owner((calls[0].stride,)))
    return found


@dataclass(frozen=True)
class _Owner:
    """What a module would say of a call."""

    stride: tuple[int, ...]


def _known(sizes: Sequence[int | None]) -> tuple[int, ...]:
    """With the batch, or whatever else is open, as one."""
    return tuple(1 if size is None else size for size in sizes)


def macs_of(model: nn.Module, facts: Mapping[str, Facts], *, nonzero: bool = False) -> int:
    """Of an inference of `model`, which has the layers that `facts` are of; `nonzero`: of weights that are not zero."""
    layers = [layer for layer in layers_of(model) if layer.name in facts]
    return sum(facts[each.name].positions * _count(each, nonzero) for each in layers)


def weights_of(model: nn.Module, *, nonzero: bool = False) -> int:
    """In all layers."""
    return sum(_count(layer, nonzero) for layer in layers_of(model))


def _count(layer: Layer, nonzero: bool) -> int:
    weight = layer.weight.detach()
    return int(weight.count_nonzero()) if nonzero else weight.numel()


def _facts(
    layer: Layer, calls: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], owner: Any
) -> Facts:
    is_linear, is_transposed = layer.operation == "linear", "transpose" in layer.operation
    positions = 0
    for given, output in calls:
        shape = given if is_transposed else output
        positions += _product(shape[1:-1] if is_linear else shape[2:])
    given = calls[0][0]
    image = (1, 1) if is_linear else (1, *given[2:])[-2:]
    weight = tuple(layer.weight.shape)
    inner = weight[1] * layer.groups
    outputs, inputs = (inner, weight[0]) if is_transposed else (weight[0], inner)
    return Facts(
        name=layer.name,
        type=_TYPES.index(layer.operation),
        n=int(getattr(owner, "out_channels", outputs)),
        c=int(getattr(owner, "in_channels", inputs)),
        h=image[0],
        w=image[1],
        stride=1 if is_linear else int(owner.stride[-1]),
        k=1 if is_linear else weight[-1],
        macs=positions * layer.weight.numel(),
        weights=layer.weight.numel(),
    )


def _product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result
