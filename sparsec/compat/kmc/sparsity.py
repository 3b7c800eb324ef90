# SPDX-License-Identifier: Apache-2.0
"""Knight-MC's sparsity: `MCSparsity` makes the weights that a YAML file lists sparse, saves and loads them with their masks.

Its CustomPruner makes tiles of 64 output by 32 input channels zero in each tap of a kernel, its Pruner2to4 two of each
four consecutive weights. Files hold tensors and plain values alone; what would have to be unpickled is not read.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsec.compat.kmc.configuration import PATTERNS, read_sparsity_config
from sparsec.compat.kmc.contracts import check_need_args, validated
from sparsec.compat.kmc.models import inner_of, load_file, model_of, plain_names, save_file
from sparsec.compress.layers import Layer, layers_of, no_such_layer, program_of
from sparsec.compress.pruner import Pruner
from sparsec.tables import mapping_of

_PRUNER = "_kmc_pruner"
"""The attribute of a model that has its masks."""


class MCSparsity:
    """The three entries of `kmc.sparsity`."""

    @staticmethod
    def sparse_model(need_args: Mapping[str, Any]) -> nn.Module:
        """The sparse model, which keeps its zeros while it is trained.

        `need_args` has `model_fn`, a model or a function that makes it, `optimizer`, the one that will train it or None,
        and `config_file`; with `val_fn` the accuracy is printed. Warns of layers of one tile, of which nothing can go.
        Raises ValueError where something makes no sense, OSError.
        """
        args = check_need_args(need_args, ("model_fn", "optimizer", "config_file"), ("val_fn",))
        config = read_sparsity_config(Path(args["config_file"]))
        model = model_of(args["model_fn"])
        inner = inner_of(model)
        listed = set(plain_names(config.parameters) if inner is not model else config.parameters)
        layers = [layer for layer in layers_of(inner) if listed & set(layer.parameters)]
        known = [name for layer in layers_of(inner) for name in layer.parameters]
        for name in listed:
            if name not in known:
                raise ValueError(no_such_layer(name, known))
        if isinstance(config.app_args.device, int) and torch.cuda.is_available():
            model.to(torch.device("cuda", config.app_args.device))
        _let_go(inner)
        wanted = {layer.name for layer in layers}
        pruner = Pruner(
            inner,
            ratio=config.asp_cfg.target_sparsity,
            pattern=PATTERNS[config.asp_cfg.sparsity_method],
            layers=lambda name, module: name in wanted,
            scope="local",
            inputs=_inputs(inner, layers, config.app_args.input_shape),
        )
        setattr(inner, _PRUNER, pruner)
        if config.asp_cfg.target_sparsity > 0:
            _warn(pruner)
        if args["optimizer"] is not None:
            _follow(args["optimizer"], pruner)
        if "val_fn" in args:
            result = validated(args["val_fn"], model)
            print(f"zeros {pruner.sparsity:.4f}  ind1 {result.ind1:.2f}  ind2 {result.ind2:.2f}")
        return model

    @staticmethod
    def save_sparse_model(
        model: nn.Module, save_name: str | Path, extras: Mapping[str, Any] | None = None
    ) -> None:
        """Write the weights, the masks and `extras`, tensors and plain values; the file is written whole or not at all.

        Raises ValueError where the model is not sparse or the extras hold other objects, OSError.
        """
        inner = inner_of(model)
        pruner = getattr(inner, _PRUNER, None)
        if not isinstance(pruner, Pruner):
            raise ValueError(
                "the model has no masks: make it with sparse_model or load_sparse_model"
            )
        state = {
            "state_dict": inner.state_dict(),
            "masks": pruner.state_dict()["masks"],
            "extras": dict(extras or {}),
        }
        save_file(Path(save_name), state)

    @staticmethod
    def load_sparse_model(model: nn.Module, weight_file: str | Path) -> nn.Module:
        """`model` with the weights of a file, whose zeros it keeps while it is trained.

        The file is one of `save_sparse_model` or holds a state dict, perhaps of a model trained on several GPUs, whose
        zeros are the masks. Raises ValueError where it is of another model or holds pickled objects, OSError.
        """
        state = load_file(Path(weight_file))
        masks, weights = (
            dict(zip(plain_names(found), found.values(), strict=True))
            for found in (
                mapping_of(state.get("masks"), f"masks of {weight_file}"),
                mapping_of(state.get("state_dict", state), f"state_dict of {weight_file}"),
            )
        )
        inner = inner_of(model)
        ours = {name: tuple(value.shape) for name, value in inner.state_dict().items()}
        theirs = {
            name: tuple(value.shape) if isinstance(value, Tensor) else None
            for name, value in weights.items()
        }
        if ours != theirs or any(
            not isinstance(mask, Tensor) or tuple(mask.shape) != ours.get(name)
            for name, mask in masks.items()
        ):
            raise ValueError(f"{weight_file} is of another model")
        _let_go(inner)
        inner.load_state_dict(weights)
        sparse = {
            layer.name
            for layer in layers_of(inner)
            if (layer.parameter in masks if masks else bool((layer.weight == 0).any()))
        }
        if not sparse:
            raise ValueError(f"{weight_file} has no zeros in the weights of any layer")
        pruner = Pruner(inner, layers=lambda name, module: name in sparse)
        if masks:
            pruner.load_state_dict({"iteration": 0, "masks": {**pruner.masks, **masks}})
        setattr(inner, _PRUNER, pruner)
        return model

    @staticmethod
    def load_extras(weight_file: str | Path) -> dict[str, Any]:
        """The extras of a file of `save_sparse_model`. Raises ValueError, OSError."""
        return mapping_of(load_file(Path(weight_file)).get("extras"), f"extras of {weight_file}")


def _inputs(
    model: nn.Module, layers: Sequence[Layer], shape: Sequence[int] | None
) -> list[Tensor] | None:
    """Inputs that tell which linear layers read flattened images, where one of `layers` may. Raises ValueError where the
    model does not take the shape."""
    if shape is None or not any(layer.operation == "linear" for layer in layers):
        return None
    inputs = [torch.zeros(tuple(shape)).to(next(model.parameters()))]
    try:
        program_of(model, inputs)
    except ValueError as error:
        raise ValueError(f"app_args.input_shape is {list(shape)}: {error}") from error
    return inputs


def _warn(pruner: Pruner) -> None:
    whole = [f"{each.layer}.weight" for each in pruner.by_layer if not each.zeros]
    if whole:
        warnings.warn(f"too few tiles for any to go: {', '.join(whole)}", stacklevel=3)


def _let_go(model: nn.Module) -> None:
    """Of masks that it has."""
    before = getattr(model, _PRUNER, None)
    if isinstance(before, Pruner):
        before.detach()


def _follow(optimizer: object, pruner: Pruner) -> None:
    """Put zeros into place after each step. Raises ValueError where the optimizer does not train the model."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError("optimizer is one of torch.optim or None")
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    if not any(id(layer.weight) in trained for layer in pruner.layers):
        raise ValueError("the optimizer trains none of the weights that are sparse")

    def stepped(optimizer: torch.optim.Optimizer, *arguments: object) -> None:
        pruner.apply()

    optimizer.register_step_post_hook(stepped)
