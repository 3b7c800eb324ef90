# SPDX-License-Identifier: Apache-2.0
"""The YAML files of PaddleSlim's auto compression (ACT), and what they say done to a module of torch.

    config = read_act(Path("config.yaml"))
    result = compress(model, config, data, inputs)

`UnstructurePrune`, `ChannelPrune`, `TransformerPrune`, `Distillation`, `QuantAware` and `TrainConfig` are read as they are;
`Global` names files of Paddle and is passed over. Names of parameters and nodes are those of the torch module. Another section, key or
type is an error that names it; keys that have no effect here are told in `ActConfig.notes`.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from torch import Tensor, nn
from torch.export import ExportedProgram

from sparsec.compat.paddleslim.pruners import GMPConfigs, is_pruned
from sparsec.compress.channels.prune import Pruned, prune_channels
from sparsec.compress.data import Batches, Samples
from sparsec.compress.distillation import Distillation as Distilling
from sparsec.compress.layers import layers_of
from sparsec.compress.pruner import Pruner, Scope
from sparsec.compress.training import Row, Settings, fit
from sparsec.compress.transformers import prune_transformer
from sparsec.pruning.masks import check_ratio, check_threshold
from sparsec.tables import (
    FLAG,
    INTEGER,
    MAPPING,
    NUMBER,
    TEXT,
    TEXTS,
    did_you_mean,
    either,
    key,
    list_of,
    read_table,
    read_yaml,
    unused,
    unused_of,
)

Section = TypeVar("Section")
Value = TypeVar("Value", float, str)
_NUMBERS = either(NUMBER, list_of(NUMBER))
_WORDS = either(TEXT, TEXTS)


@dataclass(frozen=True)
class UnstructurePrune:
    """Of weights one by one."""

    prune_strategy: str | None = key(TEXT, None, ("gmp",))
    prune_mode: str = key(TEXT, "ratio", ("ratio", "threshold"))
    ratio: float = key(NUMBER, 0.55)
    threshold: float = key(NUMBER, 0.01)
    gmp_config: Mapping[str, Any] | None = key(MAPPING, None)
    prune_params_type: str | None = key(TEXT, None, ("conv1x1_only",))
    local_sparsity: bool = key(FLAG, False)


@dataclass(frozen=True)
class ChannelPrune:
    """Of whole channels, never more than the ratio, to what the kernels of the chip like."""

    pruned_ratio: float = key(NUMBER)
    prune_params_name: tuple[str, ...] | None = key(TEXTS, None)
    criterion: str = key(TEXT, "l1_norm", ("l1_norm", "bn_scale", "geometry_median"))


@dataclass(frozen=True)
class TransformerPrune:
    """Of heads of attention and hidden units of linear layers, by the loss on some batches of the data."""

    pruned_ratio: float = key(NUMBER)


@dataclass(frozen=True)
class Distillation:
    """From the network as it was, or another one; `node` are modules of both."""

    alpha: float | tuple[float, ...] = key(_NUMBERS, 1.0)
    loss: str | tuple[str, ...] = key(_WORDS, "l2")
    node: tuple[str, ...] | None = key(TEXTS, None)
    teacher_model_dir: str | None = key(TEXT, None)
    teacher_model_filename: str | None = unused(TEXT)
    teacher_params_filename: str | None = unused(TEXT)


@dataclass(frozen=True)
class QuantAware:
    """Everything that the chip runs is int8, weights by channel."""

    weight_bits: int = key(INTEGER, 8, (8,))
    activation_bits: int = key(INTEGER, 8, (8,))
    weight_quantize_type: str = key(TEXT, "channel_wise_abs_max", ("channel_wise_abs_max",))
    dtype: str = key(TEXT, "int8", ("int8",))
    activation_quantize_type: str | None = unused(TEXT)
    use_pact: bool | None = unused(FLAG)
    quantize_op_types: tuple[str, ...] | None = unused(TEXTS)
    not_quant_pattern: tuple[str, ...] | None = unused(TEXTS)
    window_size: int | None = unused(INTEGER)
    moving_rate: float | None = unused(NUMBER)
    for_tensorrt: bool | None = unused(FLAG)
    is_full_quantize: bool | None = unused(FLAG)
    onnx_format: bool | None = unused(FLAG)


@dataclass(frozen=True)
class TrainConfig:
    """How it is trained."""

    epochs: int = key(INTEGER, 1)
    learning_rate: float | Mapping[str, Any] = key(either(NUMBER, MAPPING), 1e-3)
    optimizer_builder: Mapping[str, Any] | None = key(MAPPING, None)
    sparse_model: bool = key(FLAG, False)
    eval_iter: int | None = unused(INTEGER)
    train_iter: int | None = unused(INTEGER)
    logging_iter: int | None = unused(INTEGER)
    origin_metric: float | None = unused(NUMBER)
    target_metric: float | None = unused(NUMBER)


@dataclass(frozen=True)
class _Rate:
    type: str = key(TEXT, choices=("CosineAnnealingDecay",))
    learning_rate: float = key(NUMBER)
    T_max: float | None = unused(NUMBER)


@dataclass(frozen=True)
class _Builder:
    optimizer: Mapping[str, Any] | None = key(MAPPING, None)
    weight_decay: float = key(NUMBER, 0.0)


_OPTIMIZERS: Mapping[str, Literal["adam", "adamw", "sgd"]] = {
    "SGD": "sgd",
    "Momentum": "sgd",
    "Adam": "adam",
    "AdamW": "adamw",
}


@dataclass(frozen=True)
class _Optimizer:
    type: str = key(TEXT, "SGD", tuple(_OPTIMIZERS))
    momentum: float = key(NUMBER, 0.9)


_SECTIONS: Mapping[str, type[Any]] = {
    "UnstructurePrune": UnstructurePrune,
    "ChannelPrune": ChannelPrune,
    "TransformerPrune": TransformerPrune,
    "Distillation": Distillation,
    "QuantAware": QuantAware,
    "Quantization": QuantAware,
    "TrainConfig": TrainConfig,
}
"""`Quantization` is what older files call it."""


@dataclass(frozen=True)
class ActConfig:
    """What a file says; a section that it lacks is None."""

    unstructure_prune: UnstructurePrune | None
    channel_prune: ChannelPrune | None
    transformer_prune: TransformerPrune | None
    distillation: Distillation | None
    quant_aware: QuantAware | None
    train: TrainConfig
    notes: tuple[str, ...]
    """Keys of the file that have no effect here."""

    @property
    def settings(self) -> Settings:
        """Of the training. Raises ValueError where it makes no sense."""
        rate, cosine = self.train.learning_rate, False
        if isinstance(rate, Mapping):
            rate, cosine = read_table(_Rate, rate, "TrainConfig.learning_rate").learning_rate, True
        builder = read_table(
            _Builder, self.train.optimizer_builder, "TrainConfig.optimizer_builder"
        )
        where = "TrainConfig.optimizer_builder.optimizer"
        optimizer = read_table(_Optimizer, builder.optimizer, where)
        return Settings(
            epochs=self.train.epochs,
            learning_rate=rate,
            optimizer=_OPTIMIZERS[optimizer.type],
            momentum=optimizer.momentum if optimizer.type == "Momentum" else 0.0,
            weight_decay=builder.weight_decay,
            cosine=cosine,
        )


def read_act(path: Path) -> ActConfig:
    """The configuration in a YAML file. Raises ValueError where it is none, OSError."""
    given = read_yaml(path)
    found: dict[type[Any], Any] = {}
    notes: list[str] = []
    for name, content in given.items():
        if name == "Global":
            notes.append("Global")
            continue
        if name not in _SECTIONS:
            raise ValueError(
                f"{path} has a section {name}, which is not read: {did_you_mean(name, [*_SECTIONS, 'Global'])}"
            )
        table = _SECTIONS[name]
        found[table] = read_table(table, content, name)
        notes += unused_of(table, content, name)

    def section(table: type[Section]) -> Section | None:
        return found.get(table)

    config = ActConfig(
        section(UnstructurePrune),
        section(ChannelPrune),
        section(TransformerPrune),
        section(Distillation),
        section(QuantAware),
        section(TrainConfig) or TrainConfig(),
        tuple(notes),
    )
    _check(config)
    return config


def _check(config: ActConfig) -> None:
    """Before anything is trained."""
    assert config.settings
    prune = config.unstructure_prune
    if prune is not None:
        check_ratio(prune.ratio)
        check_threshold(prune.threshold)
        if prune.prune_mode == "threshold" and (prune.local_sparsity or prune.prune_strategy):
            raise ValueError(
                "UnstructurePrune.local_sparsity and prune_strategy are for prune_mode ratio alone"
            )
        if prune.prune_strategy == "gmp":
            _schedule(prune)
    if config.channel_prune is not None:
        check_ratio(config.channel_prune.pruned_ratio)
    if config.transformer_prune is not None:
        check_ratio(config.transformer_prune.pruned_ratio)
    if config.distillation is not None:
        _one(config.distillation.alpha, "Distillation.alpha")
        loss = _one(config.distillation.loss, "Distillation.loss")
        if loss not in ("l2", "soft_label"):
            raise ValueError(f"Distillation.loss is one of l2, soft_label, not {loss!r}")
        if loss == "soft_label" and config.distillation.node is not None:
            raise ValueError("Distillation.loss soft_label is of the outputs: it has no node")


def _schedule(prune: UnstructurePrune) -> Any:
    configs = read_table(GMPConfigs, prune.gmp_config, "UnstructurePrune.gmp_config")
    try:
        return configs.schedule(prune.ratio)
    except AssertionError as error:
        raise ValueError(f"UnstructurePrune.gmp_config: {error}") from None


def _one(value: Value | tuple[Value, ...], where: str) -> Value:
    """PaddleSlim takes one for each node."""
    values = set(value) if isinstance(value, tuple) else {value}
    if len(values) != 1:
        raise ValueError(f"{where} is one value for all nodes, not {len(values)}")
    return values.pop()


@dataclass(frozen=True, eq=False)
class Compressed:
    """The module, trained, and with `QuantAware` the int8 program, which the compiler reads."""

    model: nn.Module
    program: ExportedProgram | None
    history: tuple[Row, ...]
    sparsity: float | None
    channels: Pruned | None
    """What `ChannelPrune` took."""
    heads: Pruned | None
    """What `TransformerPrune` took, heads and hidden units."""


def compress(
    model: nn.Module,
    config: ActConfig,
    data: Batches,
    inputs: Sequence[Tensor],
    *,
    test: Samples | None = None,
    teacher: nn.Module | None = None,
    folder: Path | None = None,
    device: str | None = None,
    quiet: bool = False,
) -> Compressed:
    """Do to a copy of `model` what a file says: channels go, then it is trained with zeros, then with int8.

    `inputs` are examples, two or more for each argument. `teacher` is what distillation learns from, by default the
    model as it is. A `folder` takes checkpoints and histories. `device` is where it is trained, by default a GPU where
    there is one; what is given and what comes back is on the CPU. Raises ValueError where something makes no sense.
    """
    how = config.distillation
    if how is not None and how.teacher_model_dir is not None and teacher is None:
        raise ValueError(
            "Distillation.teacher_model_dir names a model of Paddle: give a module as teacher"
        )
    teacher = copy.deepcopy(model) if teacher is None else teacher
    model = copy.deepcopy(model)
    channels = None
    if config.channel_prune is not None:
        channels = _without_channels(model, config.channel_prune, inputs)
    heads = None
    if config.transformer_prune is not None:
        ratio = config.transformer_prune.pruned_ratio
        heads = prune_transformer(model, inputs, ratio, batches=data.epoch(0))
    pruner = _pruner(model, config)
    settings = replace(config.settings, device=device)
    prunes = any(each is not None for each in (config.unstructure_prune, channels, heads))
    history: list[Row] = []
    if prunes or config.quant_aware is None:
        history += fit(
            model,
            data,
            settings,
            test=test,
            pruner=pruner,
            distillation=_distilling(how, teacher, model),
            folder=None if folder is None else folder / "pruning",
            quiet=quiet,
        )
    sparsity = None if pruner is None else pruner.sparsity
    if pruner is not None:
        pruner.detach()
    model.cpu()
    program = None
    if config.quant_aware is not None:
        from sparsec.compress.quantization import convert, prepare_qat  # needs torchao

        masks = None if pruner is None else pruner.state_dict()["masks"]
        prepared = prepare_qat(model, inputs, masks)
        history += fit(
            prepared.module,
            data,
            settings,
            test=test,
            distillation=None
            if how is None
            else Distilling(teacher, _one(how.alpha, "Distillation.alpha"), 1.0),
            folder=None if folder is None else folder / "quantization",
            quiet=quiet,
        )
        prepared.module.cpu()
        program = convert(prepared)
    return Compressed(model, program, tuple(history), sparsity, channels, heads)


def _without_channels(model: nn.Module, how: ChannelPrune, inputs: Sequence[Tensor]) -> Pruned:
    names = how.prune_params_name
    importance = {
        "l1_norm": "magnitude",
        "bn_scale": "bn-scale",
        "geometry_median": "geometric-median",
    }[how.criterion]
    layers = None if names is None else [name.removesuffix(".weight") for name in names]
    return prune_channels(model, inputs, how.pruned_ratio, layers=layers, importance=importance)


def _pruner(model: nn.Module, config: ActConfig) -> Pruner | None:
    how = config.unstructure_prune
    if how is None:
        return Pruner(model) if config.train.sparse_model else None

    def select(name: str, module: nn.Module) -> bool:
        return is_pruned(module, how.prune_params_type)

    scope: Scope = "local" if how.local_sparsity else "global"
    if how.prune_strategy == "gmp":
        return Pruner(model, schedule=_schedule(how), layers=select, scope=scope)
    if how.prune_mode == "threshold":
        return Pruner(model, threshold=how.threshold, layers=select, regrow=True)
    return Pruner(model, ratio=how.ratio, layers=select, scope=scope, regrow=True)


def _distilling(
    how: Distillation | None, teacher: nn.Module, model: nn.Module
) -> Distilling | None:
    """The last layer with weights is the node where none is named."""
    if how is None:
        return None
    alpha = _one(how.alpha, "Distillation.alpha")
    if _one(how.loss, "Distillation.loss") == "soft_label":
        return Distilling(teacher, alpha, 1.0)
    nodes = how.node or (layers_of(model)[-1].name,)
    return Distilling(teacher, 0.0, 1.0, nodes, alpha)
