# SPDX-License-Identifier: Apache-2.0
"""The layers of a module that can lose weights, and their weights as the matrix that the compiler stores.

The one rule: a pattern is cut from the matrix of the compiler, [outputs, (ky, kx, input channel)], and a linear layer
that reads a flattened image has its columns in that order too, as the images of C have their channels last.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsec.frontends.modules import exported, saved
from sparsec.frontends.programs import Program, Weighted
from sparsec.pruning.patterns import Array

Select: TypeAlias = "str | Iterable[str] | Callable[[str, nn.Module], bool] | None"
"""Which layers: patterns of their names, the word `1x1`, or a function of name and module; None is all."""

_OPERATIONS: Mapping[type[nn.Module], str] = {
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.Linear: "linear",
    nn.ConvTranspose1d: "conv_transpose1d",
    nn.ConvTranspose2d: "conv_transpose2d",
}


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with weights: `name` is its path in the model, `owner` the module that has the weights as an attribute.

    A layer whose weights are called otherwise than `weight` has the path of the weights for its name.
    """

    name: str
    owner: nn.Module
    operation: str
    groups: int = 1
    image: tuple[int, ...] | None = None
    attribute: str = "weight"
    followers: tuple[str, ...] | None = None
    """The parameters that `followers_of` names, None where a module has to be traced for them."""
    aliases: tuple[str, ...] = ()
    """The names of other layers with the same weights, tied to these."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that the layer may be called."""
        return (self.name, *self.aliases)

    @property
    def parameters(self) -> list[str]:
        """All that the weights may be called."""
        return [self.parameter, *(f"{name}.weight".removeprefix(".") for name in self.aliases)]

    @property
    def parameter(self) -> str:
        """The name of the weights."""
        if self.attribute != "weight":
            return self.name
        return f"{self.name}.weight" if self.name else "weight"

    @property
    def weight(self) -> nn.Parameter:
        """The weights as they are now."""
        weight = getattr(self.owner, self.attribute)
        assert isinstance(weight, nn.Parameter)
        return weight

    @property
    def is_1x1(self) -> bool:
        """Whether it is a convolution of 1x1 in one group."""
        return self.operation == "conv2d" and self.groups == 1 and self.weight.shape[2:] == (1, 1)

    @cached_property
    def taps(self) -> int:
        """Of the kernel."""
        return int(np.prod(self.weight.shape[2:]))

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """[rows, columns]: where each weight of the matrix lies in the tensor."""
        shape = tuple(self.weight.shape)
        index = np.arange(self.weight.numel()).reshape(shape)
        if self.operation.startswith("conv_transpose"):
            # [inputs, outputs of a group, ..]; a group after the other
            index = index.reshape(self.groups, shape[0] // self.groups, *shape[1:])
            index = np.moveaxis(index, 1, -1).reshape(self.groups * shape[1], -1)
        elif self.operation != "linear":
            index = np.moveaxis(index, 1, -1).reshape(shape[0], -1)
        elif self.image is not None:
            channels = self.image[0]
            index = index.reshape(shape[0], channels, -1).transpose(0, 2, 1).reshape(shape[0], -1)
        return index

    def matrix(self, tensor: Tensor) -> Array:
        """A tensor of the shape of the weights as [rows, columns]; numpy knows no bfloat16, which is float32 then."""
        found = tensor.detach().cpu()
        if found.dtype == torch.bfloat16:
            found = found.float()
        return found.numpy().reshape(-1)[self._order]

    def tensor(self, matrix: Array) -> Tensor:
        """The inverse of `matrix`, where the weights are and in their type."""
        flat = np.empty(matrix.size, np.float32)
        flat[self._order.reshape(-1)] = matrix.reshape(-1)
        return torch.from_numpy(flat).reshape(self.weight.shape).to(self.weight)


def modules_of(model: nn.Module) -> dict[str, nn.Module]:
    """All modules of a model by their paths."""
    return dict(cast(Iterable[tuple[str, nn.Module]], model.named_modules()))


def layers_of(model: nn.Module, inputs: Sequence[Tensor] | None = None) -> list[Layer]:
    """The layers of `model` that have weights of their own, in the order in which they are called, or stand in it.

    With `inputs`, one tensor for each argument, torch exports the model, which tells which linear layers read images;
    only patterns that are not `unstructured` care. A Program tells it by itself. Norms and biases have no layer.
    """
    if isinstance(model, Program):
        return list(_of_calls(model))
    found: dict[int, Layer] = {}
    for name, module in modules_of(model).items():
        operation = next(
            (word for kind, word in _OPERATIONS.items() if isinstance(module, kind)), None
        )
        weight = getattr(module, "weight", None)
        if operation is None or not isinstance(weight, nn.Parameter):
            continue
        known = found.get(id(weight))
        found[id(weight)] = (
            Layer(name, module, operation, getattr(module, "groups", 1))
            if known is None
            else replace(known, aliases=(*known.aliases, name))
        )
    if inputs is None:
        return list(found.values())
    # By identity, as torch calls weights that are tied by another of their names.
    named = dict(model.named_parameters(remove_duplicate=False))
    calls = {id(named[each.weights]): each for each in _calls(program_of(model, inputs))}
    return [
        replace(layer, image=call.image, followers=call.followers)
        if (call := calls.get(id(layer.weight)))
        else layer
        for layer in found.values()
    ]


def _calls(program: Program) -> list[Weighted]:
    """One call for each weights: the first, but one that reads an image if there is any."""
    found: dict[str, Weighted] = {}
    for call in program.weighted:
        known = found.setdefault(call.weights, call)
        if known.image is None and call.image is not None:
            found[call.weights] = call
    return list(found.values())


def _of_calls(program: Program) -> Iterator[Layer]:
    for call in _calls(program):
        path, _, attribute = call.weights.rpartition(".")
        name = path if attribute == "weight" else call.weights
        owner = program.get_submodule(path)
        yield Layer(
            name,
            owner,
            call.operation,
            call.groups,
            call.image,
            attribute,
            call.followers,
            tuple(each.removesuffix(".weight") for each in program.tied[call.weights]),
        )


def program_of(model: nn.Module, inputs: Sequence[Tensor]) -> Program:
    """`model` exported for `inputs` with an open batch. Raises ValueError where torch cannot export it."""
    return Program(saved(exported(model, inputs, open_batch=True)))


def selected(layers: Sequence[Layer], select: Select) -> list[Layer]:
    """The layers that `select` names. Raises ValueError where one of its names matches none."""
    if select is None:
        return list(layers)
    if callable(select):
        return [layer for layer in layers if select(layer.name, layer.owner)]
    patterns = [select] if isinstance(select, str) else list(select)
    names = [name for layer in layers for name in layer.names]
    wanted: set[str] = set()
    for pattern in patterns:
        matching = {
            layer.name
            for layer in layers
            if (
                layer.is_1x1
                if pattern == "1x1"
                else any(fnmatchcase(name, pattern) for name in layer.names)
            )
        }
        if not matching:
            raise ValueError(no_such_layer(pattern, names))
        wanted |= matching
    return [layer for layer in layers if layer.name in wanted]


def no_such_layer(pattern: str, names: Sequence[str]) -> str:
    """What to say of a name that is no layer's."""
    close = get_close_matches(pattern, names, 1)
    hint = f"did you mean '{close[0]}'?" if close else f"layers: {', '.join(names) or 'none'}"
    return f"no layer with weights matches '{pattern}': {hint}"
