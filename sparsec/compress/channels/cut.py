# SPDX-License-Identifier: Apache-2.0
"""Takes slices out of the parameters of a module, and proves that the network is still the same.

The one rule: a module is changed only after a copy of it was, and ran as it must.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

Kept: TypeAlias = Mapping[str, Mapping[int, Tensor]]
"""By parameter and axis, true for each slice that stays."""


CONVOLUTIONS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


ROUNDING = 1e-9
"""Of sums in another order in double precision, with room."""


class UnlikeError(Exception):
    """A smaller module that is not the same network."""


def names_of(model: nn.Module) -> dict[str, str]:
    """All names of each parameter and buffer, and the first one of the same tensor."""
    first: dict[int, str] = {}
    named = [*model.named_parameters(remove_duplicate=False)]
    named += [*model.named_buffers(remove_duplicate=False)]
    return {name: first.setdefault(id(tensor), name) for name, tensor in named}


@dataclass(frozen=True)
class FewerHeads:
    """The module at a path does attention with fewer heads than before, each of a width."""

    module: str
    before: int
    after: int
    width: int

    def write(self, module: nn.Module) -> None:
        """Change the numbers of heads that `module` holds, by their names: `num_heads`, `n_head`, `all_head_size`, .."""
        for name, value in list(vars(module).items()):
            if not isinstance(value, int) or isinstance(value, bool) or "head" not in name:
                continue
            of_one = "dim" in name or "size" in name or "width" in name
            if value == self.before and not of_one:
                setattr(module, name, self.after)
            elif value == self.before * self.width and name.startswith("all_"):
                setattr(module, name, self.after * self.width)


def shrink(
    model: nn.Module, kept: Kept, depthwise: Collection[str], heads: Sequence[FewerHeads] = ()
) -> None:
    """Removes what is not kept, wherever the module holds it, and writes the new sizes into its layers.

    `depthwise` are the weights of convolutions that lose a group with each channel.
    """
    for each in heads:
        each.write(model.get_submodule(each.module))
    names = names_of(model)
    new: dict[str, Tensor] = {}
    modules = cast(
        list[tuple[str, nn.Module]], [*cast(Any, model).named_modules(remove_duplicate=False)]
    )
    for path, module in modules:
        named: list[tuple[str, Tensor]] = [
            *module.named_parameters(recurse=False, remove_duplicate=False)
        ]
        named += [*module.named_buffers(recurse=False, remove_duplicate=False)]
        changed = False
        for leaf, tensor in named:
            name = names.get(f"{path}.{leaf}" if path else leaf, "")
            if name not in kept or tensor is new.get(name):
                continue
            if name not in new:
                new[name] = _sliced(tensor, kept[name])
            setattr(module, leaf, new[name])
            changed = True
        if changed:
            weights = names.get(f"{path}.weight" if path else "weight")
            _write_sizes(module, weights in depthwise)


def take_sizes(model: nn.Module, sizes: Mapping[str, Sequence[int]]) -> None:
    """Gives the tensors of `model` the sizes of those of the same names in a state dict of it with fewer channels.

    Values are to be loaded afterwards. Raises ValueError, and leaves the model as it was, where it has no such tensors.
    """
    names = names_of(model)
    ours = {name: each for name, each in model.state_dict(keep_vars=True).items()}
    if set(ours) != set(sizes):
        raise ValueError("the tensors have other names")
    kept: dict[str, dict[int, Tensor]] = {}
    for name, tensor in ours.items():
        wanted = tuple(sizes[name])
        if len(wanted) != tensor.ndim or any(
            not 0 < new <= old for new, old in zip(wanted, tensor.shape, strict=True) if new != old
        ):
            raise ValueError(f"{name} is {list(wanted)}, of the model {list(tensor.shape)}")
        axes = {
            axis: torch.arange(old) < new
            for axis, (new, old) in enumerate(zip(wanted, tensor.shape, strict=True))
            if new != old
        }
        if axes:
            kept[names[name]] = axes
    modules = cast(list[tuple[str, nn.Module]], [*cast(Any, model).named_modules()])
    depthwise = {
        names[f"{path}.weight" if path else "weight"]
        for path, module in modules
        if isinstance(module, CONVOLUTIONS) and module.groups == module.in_channels > 1
    }
    shrink(model, kept, depthwise)


def _sliced(tensor: Tensor, axes: Mapping[int, Tensor]) -> Tensor:
    def cut(values: Tensor) -> Tensor:
        for axis, stays in axes.items():
            values = values.index_select(axis, stays.nonzero()[:, 0].to(values.device))
        return values.contiguous()

    sliced = cut(tensor.detach())
    if not isinstance(tensor, nn.Parameter):
        return sliced
    parameter = nn.Parameter(sliced, tensor.requires_grad)
    if tensor.grad is not None:
        parameter.grad = cut(tensor.grad)
    return parameter


def _write_sizes(module: nn.Module, depthwise: bool) -> None:
    """The sizes that layers of torch hold beside their weights."""
    layer: Any = module
    if isinstance(module, CONVOLUTIONS):
        rows, columns = module.weight.shape[:2]
        if depthwise:
            times = 1 if module.transposed else module.out_channels // module.groups
            module.groups = rows // times
        outputs, inputs = rows, columns * module.groups
        if module.transposed:
            outputs, inputs = columns * module.groups, rows
        module.in_channels, module.out_channels = inputs, outputs
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.GroupNorm):
        module.num_groups = module.num_channels = len(module.weight)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(module.weight)
    elif hasattr(module, "num_features"):
        layer.num_features = len(
            next(t for t in (layer.weight, layer.running_mean) if t is not None)
        )


def without(model: nn.Module, columns: Kept) -> nn.Module:
    """A copy of `model` whose layers do not read the channels that go: their columns are zero."""
    reference = copy.deepcopy(model)
    tensors = dict(reference.named_parameters())
    with torch.no_grad():
        for name, axes in columns.items():
            for axis, stays in axes.items():
                tensors[name].index_fill_(
                    axis, (~stays).nonzero()[:, 0].to(tensors[name].device), 0
                )
    return reference


def outputs_of(model: nn.Module, inputs: Sequence[Tensor]) -> list[Tensor]:
    """What `model` gives in evaluation mode."""
    modes = [(each, each.training) for each in model.modules()]
    try:
        with torch.no_grad():
            return _flat(model.eval()(*inputs))
    finally:
        for each, mode in modes:
            each.training = mode


def prove(
    model: nn.Module,
    kept: Kept,
    columns: Kept,
    depthwise: Collection[str],
    weights: Mapping[str, Tensor],
    inputs: Sequence[Tensor],
    heads: Sequence[FewerHeads] = (),
) -> None:
    """Shrinks a copy of `model` with new `weights` and compares it with one that does not read what goes.

    Raises ValueError where the module's own code fails with other sizes, UnlikeError where it gives something else.
    """
    whole = copy.deepcopy(model)
    load(whole, weights)
    reference = without(whole, columns)
    shrink(whole, kept, depthwise, heads)
    try:
        outputs_of(whole, inputs)
    except Exception as error:  # whatever the module's own code raises
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"its forward has sizes that are fixed: {line}") from error
    apart = difference(whole, reference, inputs)
    if apart > ROUNDING:
        raise UnlikeError(f"outputs differ by {apart:.3g} of their largest value")


def load(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Writes new values into parameters."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, values in weights.items():
            tensors[name].copy_(values)


def difference(model: nn.Module, reference: nn.Module, inputs: Sequence[Tensor]) -> float:
    """The largest difference of any output, relative to the largest value of that output, and computed in double
    precision where the model can be; infinite where shapes differ."""
    try:
        doubles = [each.double() if each.is_floating_point() else each for each in inputs]
        expected = outputs_of(copy.deepcopy(reference).double(), doubles)
        given, scale = outputs_of(copy.deepcopy(model).double(), doubles), 1.0
    except RuntimeError:  # types that the model's own code fixes
        expected, given = outputs_of(reference, inputs), outputs_of(model, inputs)
        scale = 1e-5
    if [each.shape for each in given] != [each.shape for each in expected]:
        return float("inf")
    return max((scale * _apart(*both) for both in zip(given, expected, strict=True)), default=0.0)


def _apart(given: Tensor, expected: Tensor) -> float:
    same = (given == expected) | (given.isnan() & expected.isnan())
    apart = torch.where(same, 0, (given - expected).abs())
    largest = expected[expected.isfinite()].abs().max() if expected.isfinite().any() else 1
    return (
        float((apart / max(float(largest), 1e-30)).nan_to_num(float("inf")).max())
        if apart.numel()
        else 0
    )


def _flat(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(cast(dict[object, object], value).values())
    if isinstance(value, list | tuple):
        return [each for item in cast(Sequence[object], value) for each in _flat(item)]
    return []
