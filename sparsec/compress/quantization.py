# SPDX-License-Identifier: Apache-2.0
"""Quantization of torch modules, after training and in it, to programs that compile with their own scales.

    prepared = prepare_qat(model, [x])        # or prepare_ptq
    train(prepared.module)                    # or run data through it
    save(convert(prepared), Path("model.pt2"))

The one rule: zeros that a mask names stay zero. Masks are baked into the weights before the export, as torchao cannot
fold batch normalisations through masks in the graph, and are held by the gradients.
"""

import copy
import inspect
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node
from torch.nn.utils import parametrize, prune

from sparsec.compress.batch_norms import (
    complete_batch_norms,
    fold_batch_norms,
    fold_in_front,
    hide_batch_norms,
    show_batch_norms,
)
from sparsec.compress.followers import tensor_of, zeros_held
from sparsec.compress.forms import module_path, operation
from sparsec.compress.layers import layers_of
from sparsec.compress.pt2e import (
    allow_training,
    convert_pt2e,
    prepare_pt2e,
    prepare_qat_pt2e,
    stop_training,
)
from sparsec.compress.quantizer import CortexMQuantizer
from sparsec.frontends.modules import saved
from sparsec.quiet import only_our_messages

Masks: TypeAlias = Mapping[str, Tensor | np.ndarray[Any, Any]]

EXAMPLES = 8
"""Samples that a program carries at most."""

TRAINING = {"aten.batch_norm": 5, "aten.dropout": 2, "aten.feature_dropout": 2}
"""Where a call says whether it is trained."""

LAYERS = {
    **{f"aten.conv{n}d": f"torch.nn.modules.conv.Conv{n}d" for n in (1, 2)},
    **{f"aten.conv_transpose{n}d": f"torch.nn.modules.conv.ConvTranspose{n}d" for n in (1, 2)},
    "aten.linear": "torch.nn.modules.linear.Linear",
}
"""Modules of layers with weights, by their calls."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A program that observes or simulates int8: `module` is what sees data or is trained.

    Its parameters have the names of the model's; those in `masks` keep their zeros. `left_in_float` names the calls
    without an int8 form of their own.
    """

    module: GraphModule
    inputs: tuple[Tensor, ...]
    left_in_float: tuple[str, ...]
    masks: Mapping[str, Tensor]
    trains: bool
    open_batch: bool = True


def prepare_ptq(
    model: nn.Module,
    inputs: Sequence[Tensor],
    masks: Masks | None = None,
    *,
    observer: str = "histogram",
    open_batch: bool = True,
) -> Prepared:
    """`model`, which stays as it is, with observers: run data through `module` and `convert`.

    `inputs` are examples, two samples or more for each input; without `open_batch` the program is for just so many, and
    one will do. `observer` is that of `CortexMQuantizer`, `masks` are as for `prepare_qat`. Raises ValueError for what
    does not fit.
    """
    exported, held, examples = _exported(model, inputs, masks, False, open_batch)
    quantizer = CortexMQuantizer(observer=observer)
    fold_in_front(exported)
    hide_batch_norms(exported)
    with only_our_messages():
        module = prepare_pt2e(exported, quantizer)
    left = tuple(quantizer.left_in_float)
    return Prepared(module, examples, left, held, trains=False, open_batch=open_batch)


def prepare_qat(model: nn.Module, inputs: Sequence[Tensor], masks: Masks | None = None) -> Prepared:
    """`model`, which stays as it is, with int8 simulated, to be trained: `module` is in train mode.

    `inputs` are examples, two samples or more for each input. `masks` are 0 where a parameter, by its name, is to stay
    zero; without any, what `torch.nn.utils.prune` and `parametrize` made zero stays so. Raises ValueError for what does
    not fit.
    """
    exported, held, examples = _exported(model, inputs, masks, True, True)
    train_mode(exported)
    quantizer = CortexMQuantizer(qat=True)
    with only_our_messages():
        module = prepare_qat_pt2e(exported, quantizer)
        allow_training(module)
        module.train()
    size_observers(module)
    hold(module, held)
    return Prepared(module, examples, tuple(quantizer.left_in_float), held, trains=True)


def hold(module: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """From now on no training changes what `masks` have 0 for, and that is zero.

    Their gradients are zero from the first step on, so that no optimizer has a momentum of them, and weight decay
    leaves zero zero.
    """
    parameters = dict(module.named_parameters())
    for name, mask in masks.items():
        parameter = parameters.get(name)
        if parameter is None:  # a buffer, which nothing trains
            continue
        with torch.no_grad():
            parameter.mul_(mask.to(parameter.device))

        def masked(gradient: Tensor, mask: Tensor = mask) -> Tensor:
            return gradient * mask.to(gradient.device)

        parameter.register_hook(masked)


def static_masks(model: nn.Module) -> dict[str, Tensor]:
    """Masks that keep every zero that the weights of an already sparse model have; biases and norms have none, but behind
    outputs of which nothing is left."""
    masks = {
        name: (parameter.detach() != 0).to(parameter.dtype)
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and bool((parameter == 0).any())
    }
    held = zeros_held(model, [layer for layer in layers_of(model) if layer.parameter in masks])
    return {**{name: mask.to(torch.float32) for name, mask in held.items()}, **masks}


def convert(prepared: Prepared) -> ExportedProgram:
    """The int8 program of what saw data or was trained; `prepared` can go on.

    Raises ValueError where no data was seen, or a number is not finite.
    """
    check_numbers(prepared.module)
    with only_our_messages():
        module = copy.deepcopy(prepared.module).cpu()
        if prepared.trains:
            stop_training(module)  # a copy's own eval() is that of the original
            fold_batch_norms(module)
        hide_batch_norms(module)
        converted = convert_pt2e(module)
        show_batch_norms(converted)
        merge_dequantize(converted)
        drop_unused(converted)
        name_constants(converted)
        program = torch.export.export(
            converted,
            prepared.inputs,
            dynamic_shapes=_batches(converted, prepared.inputs) if prepared.open_batch else None,
        )
    for node in program.graph.nodes:
        shorten(node)
    return program


def save(program: ExportedProgram, path: Path) -> None:
    """Write a .pt2 file, whole or not at all. Raises OSError where that is not possible."""
    content = saved(program)
    with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=f".{path.name}-") as folder:
        staged = Path(folder, path.name)
        staged.write_bytes(content)
        os.replace(staged, path)


def check_numbers(module: nn.Module) -> None:
    """Raises ValueError where parameters are not finite, or observers saw nothing."""
    for name, parameter in module.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(f"{name} has numbers that are not finite: the training diverged")
    for each in module.modules():
        low = getattr(each, "min_val", None)
        if isinstance(low, Tensor) and (low.numel() == 0 or bool(torch.isinf(low).all())):
            raise ValueError(
                "no data has run through the program: give its module some before it is converted"
            )


def merge_dequantize(module: GraphModule) -> None:
    """One dequantize for each value: torchao makes one for each user, which hides that they read the same."""
    first: dict[tuple[object, ...], Node] = {}
    for node in list(module.graph.nodes):
        if node.op == "call_function" and ".dequantize_" in str(cast(object, node.target)):
            known = first.setdefault((node.target, *node.args), node)
            if known is not node:
                node.replace_all_uses_with(known)
                module.graph.erase_node(node)


def name_constants(module: GraphModule) -> None:
    """Call weights and biases again what they are called in the model, where torchao or folding named them anew."""
    graph = module.graph
    for node in [each for each in graph.nodes if each.op == "get_attr"]:
        kind = _kind(node)
        owner = _layer_of(node) if kind else ""
        if not owner or any(each.target == f"{owner}.{kind}" for each in graph.nodes):
            continue
        path, _, leaf = str(node.target).rpartition(".")
        place, named = module.get_submodule(path), module.get_submodule(owner)
        value = cast(Tensor, getattr(place, leaf))
        delattr(place, leaf)
        if hasattr(named, kind):
            delattr(named, kind)
        named.register_buffer(kind, value)
        node.target = f"{owner}.{kind}"
    module.recompile()


def _kind(node: Node) -> str:
    """`weight` or `bias` for a constant with a name that the model does not have, else nothing."""
    name = str(node.target).rpartition(".")[2]
    if name.startswith(("_frozen_param", "folded_weight")):
        return "weight"
    return "bias" if name.startswith(("folded_bias", "weight_bias")) else ""


def _layer_of(node: Node) -> str:
    """The module whose call reads a constant, behind a dequantize or not."""
    readers = [*node.users, *(user for reader in node.users for user in reader.users)]
    paths = [module_path(reader) for reader in readers if not reader.name.startswith("dequantize")]
    return next((path for path in paths if path), "")


def drop_unused(module: GraphModule) -> None:
    """Remove parameters and buffers that no call reads, as those of batch normalisations that were folded."""
    read = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    named = [*module.named_parameters(), *module.named_buffers()]
    for name, _ in named:
        if name not in read:
            owner, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(owner), leaf)


def shorten(node: Node) -> None:
    """Keep nothing of the machine that wrote a program: no paths of sources."""
    for key in ("from_node", "torch_fn", "stack_trace"):
        node.meta.pop(key, None)


def train_mode(module: GraphModule) -> None:
    """Batch normalisations and dropouts of a program that was exported for use as they are in training."""
    for node in module.graph.nodes:
        place = TRAINING.get(operation(node))
        if place is not None and len(node.args) > place:
            node.update_arg(place, True)
    module.recompile()


def size_observers(module: GraphModule) -> None:
    """Give what observes channels its size at once, as else a checkpoint would not be one of the same model."""
    for node in module.graph.nodes:
        if node.op != "call_module":
            continue
        observed = cast(Any, module.get_submodule(str(node.target)))
        axis = getattr(observed, "ch_axis", -1)
        if axis < 0:
            continue
        channels = cast(Tensor, node.all_input_nodes[0].meta["val"]).shape[axis]
        for buffer, value in (("min_val", math.inf), ("max_val", -math.inf)):
            getattr(observed.activation_post_process, buffer).resize_(channels).fill_(value)
        observed.scale.resize_(channels).fill_(1.0)
        observed.zero_point.resize_(channels).fill_(0)


def name_layers(module: GraphModule) -> None:
    """Give the calls of layers with weights the path of these where no module says one, as in a program from a file."""
    for node in module.graph.nodes:
        kind = LAYERS.get(operation(node))
        if kind is None or len(node.args) < 2 or module_path(node):
            continue
        path, _, leaf = str(cast(Node, node.args[1]).target).rpartition(".")
        if path and leaf == "weight":
            node.meta["nn_module_stack"] = {"": ("", "Program"), path: (path, kind)}


def _exported(
    model: nn.Module,
    inputs: Sequence[Tensor],
    masks: Masks | None,
    training: bool,
    open_batch: bool,
) -> tuple[GraphModule, dict[str, Tensor], tuple[Tensor, ...]]:
    """The program of a copy of `model` with its masks baked in, the masks to hold, and the examples."""
    examples = _examples(inputs, open_batch)
    baked, zeros = _baked(model)
    held = zeros if masks is None else _checked(baked, masks)
    with torch.no_grad():
        for name, mask in held.items():
            tensor_of(baked, name).mul_(mask)
    baked.train(training)
    try:
        with only_our_messages():
            program = torch.export.export(
                baked, examples, dynamic_shapes=_batches(baked, examples) if open_batch else None
            )
            module = program.module()
    except Exception as error:  # torch.export raises nearly anything for what it cannot trace
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"torch.export cannot export the model: {line}") from error
    if any(
        operation(node).startswith(("quantized_decomposed.", "torchao."))
        for node in module.graph.nodes
    ):
        raise ValueError("the program is quantized already: give it as it was in float")
    name_layers(module)
    complete_batch_norms(module)
    return module, held, examples


def _examples(inputs: Sequence[Tensor], open_batch: bool) -> tuple[Tensor, ...]:
    """Copies of some samples: a view would save all that it is a view of."""
    if not open_batch:
        return tuple(value.detach().clone() for value in inputs)
    if not inputs or any(value.dim() == 0 or len(value) < 2 for value in inputs):
        raise ValueError(
            "examples are two samples or more for each input: with one the batch is fixed"
        )
    if len({len(value) for value in inputs}) != 1:
        raise ValueError(
            f"the inputs have {', '.join(str(len(value)) for value in inputs)} samples"
        )
    return tuple(value[:EXAMPLES].detach().clone() for value in inputs)


def _batches(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """That the batch is open, in the form in which `module` takes its inputs."""
    opened = tuple({0: Dim.AUTO} for _ in inputs)
    taken = inspect.signature(module.forward).parameters.values()
    return (opened,) if any(each.kind is each.VAR_POSITIONAL for each in taken) else opened


def _baked(model: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy of `model` without masks beside its parameters, and masks of what they made zero."""
    for module, name in _pruned(model):
        # What torch.nn.utils.prune left of the last forward pass cannot be copied with its history.
        value = cast(Tensor, getattr(module, f"{name}_orig")) * getattr(module, f"{name}_mask")
        setattr(module, name, value.detach())
    baked = copy.deepcopy(model)
    masked: list[tuple[nn.Module, str]] = list(_pruned(baked))
    for module, name in masked:
        prune.remove(module, name)
    for module in list(baked.modules()):
        if parametrize.is_parametrized(module):
            for name in list(cast(nn.ModuleDict, module.parametrizations)):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
                masked.append((module, name))
    names = dict((module, path) for path, module in _modules(baked))
    zeros: dict[str, Tensor] = {}
    for module, name in masked:
        value = cast(Tensor, getattr(module, name)).detach()
        path = f"{names[module]}.{name}" if names[module] else name
        zeros[path] = (value != 0).to(value.dtype)
    return baked, zeros


def _modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    yield from model.named_modules()


def _pruned(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The modules and names of parameters that torch.nn.utils.prune has masks for."""
    for module in model.modules():
        for name, _ in list(module.named_buffers(recurse=False)):
            if name.endswith("_mask") and hasattr(module, name.removesuffix("_mask") + "_orig"):
                yield module, name.removesuffix("_mask")


def _checked(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """The masks as tensors of the parameters' type. Raises ValueError for names, shapes and values that are wrong."""
    parameters = {**dict(model.named_buffers()), **dict(model.named_parameters())}
    held: dict[str, Tensor] = {}
    for name, mask in masks.items():
        parameter = parameters.get(name)
        if parameter is None:
            near = get_close_matches(name, parameters, 1)
            meant = f": did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"there is no parameter '{name}' to hold a mask{meant}")
        held[name] = torch.as_tensor(mask).to(parameter.dtype)
        if held[name].shape != parameter.shape:
            raise ValueError(
                f"the mask of '{name}' is {list(held[name].shape)}, the parameter {list(parameter.shape)}"
            )
        if not bool(((held[name] == 0) | (held[name] == 1)).all()):
            raise ValueError(f"the mask of '{name}' has other numbers than 0 and 1")
    return held
