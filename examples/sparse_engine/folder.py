# SPDX-License-Identifier: Apache-2.0
"""A network as a folder of .npy files: the names and the meaning that sparse-engine's deployment tool gives them.

The rule: every scale follows from the weights, so that int8 values use their range however random the network is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = np.ndarray[Any, Any]
Weights: TypeAlias = Callable[[str, tuple[int, ...]], NDArray[np.int8]]
"""The weights of a layer by its name, `stage1.mv2block0_0.qconv.0`, in the order in which they are stored sparse: output
channel, row, column, input channel."""

SPREAD = 40.0
"""What stored values deviate from their zero point."""

RELU = -128
"""The zero point of what is never negative."""


@dataclass(frozen=True)
class Transformer:
    """A transformer of a type (0: 2 heads, 1: 4 heads): the width of its tokens, of its hidden layer, and the channels it
    gives."""

    type: int
    width: int
    hidden: int
    channels: int


@dataclass(frozen=True)
class Stage:
    """Blocks that downsample ("tokenizer", "mv2block"), all to `channels`; the types of mv2blocks; and transformers."""

    downsample: tuple[str, ...]
    channels: int
    mv2blocks: tuple[int, ...] = ()
    transformers: tuple[Transformer, ...] = ()


@dataclass(frozen=True)
class Network:
    """One or two stages on a square image, a last convolution, pooling by average or by attention, and a classifier."""

    stages: tuple[Stage, ...]
    last: int
    size: int = 32
    image_channels: int = 3
    pooling: str = "average"
    classes: int = 10


@dataclass(frozen=True)
class _Value:
    """Channels, zero point and scale of what a layer gives."""

    channels: int
    zero_point: int
    scale: float


@dataclass
class _Folder:
    """Files on their way: tensors of `group.block`, which `title` names for `weights`."""

    path: Path
    weights: Weights
    random: np.random.Generator
    symmetric: bool
    group: str = ""
    block: str = ""
    stage: str = ""

    def save(self, name: str, value: object) -> None:
        words = [self.group, self.block, name] if self.block else [self.group, name]
        np.save(self.path / (".".join(words) + ".npy"), np.asarray(value, np.float32))

    def values(self, layer: str, **values: _Value) -> None:
        """Scale and zero point of `qi`, `qo` and the like."""
        for what, value in values.items():
            self.save(f"{layer}{what}.scale", value.scale)
            self.save(f"{layer}{what}.zero_point", value.zero_point)

    def zero_point(self) -> int:
        return int(self.random.integers(-10, 11))

    def weighted(
        self,
        layer: str,
        shape: tuple[int, ...],
        source: _Value,
        *,
        relu: bool,
        bias: bool = True,
        symmetric: bool = False,
    ) -> _Value:
        """A convolution of `shape` [O, H, W, I], or a matrix [O, I]; a prefix of `layer` ends with a dot. What it gives has a
        zero point of 0 where it is `symmetric`."""
        title = ".".join(filter(None, [self.stage, self.block or self.group, layer.rstrip(".")]))
        stored = self.weights(title, shape)
        per_channel = len(shape) == 4
        module = "conv_module" if per_channel else "fc_module"
        self.save(
            f"{layer}{module}.weight", stored.transpose(0, 3, 1, 2) if per_channel else stored
        )
        rows = np.sqrt((stored.astype(np.float64) ** 2).reshape(shape[0], -1).sum(axis=1))
        typical = float(np.sqrt((rows**2).mean())) or 1.0
        scales = self.random.uniform(0.005, 0.02, shape[0] if per_channel else 1)
        scale = source.scale * float(scales.mean()) * typical
        zero_point = RELU if relu else 0 if symmetric else self.zero_point()
        result = _Value(shape[0], zero_point, scale)
        factor = (source.scale * scales / scale).astype(np.float32)
        self.save(f"{layer}M", factor if factor.size > 1 else factor[0])
        self.values(layer, qi=source, qo=result)
        self.save(f"{layer}qw.scale", scales if scales.size > 1 else scales[0])
        self.save(f"{layer}qw.zero_point", np.zeros(scales.size) if scales.size > 1 else 0)
        if bias:
            drawn = self.random.normal(0, SPREAD / 2, shape[0]) / factor.astype(np.float64)
            self.save(f"{layer}{module}.bias", np.round(drawn))
        return result

    def sum(self, layer: str, lhs: _Value, rhs: _Value) -> _Value:
        scale = float(np.hypot(lhs.scale, rhs.scale))
        result = _Value(lhs.channels, self.zero_point(), scale)
        self.values(layer, qi1=lhs, qi2=rhs, qo=result)
        self.save(f"{layer}M1", lhs.scale / scale)
        self.save(f"{layer}M2", rhs.scale / scale)
        return result

    def norm(self, layer: str, source: _Value) -> _Value:
        result = _Value(source.channels, self.zero_point(), 1 / SPREAD)
        self.save(f"{layer}layernorm_module.weight", self.random.integers(70, 128, source.channels))
        self.save(
            f"{layer}layernorm_module.bias", self.random.integers(-3000, 3000, source.channels)
        )
        self.save(f"{layer}M", np.float32(SPREAD / (128 * 100)))
        self.values(layer, qi=source, qo=result)
        return result

    def matmul(self, layer: str, lhs: _Value, rhs: _Value, channels: int, factor: float) -> _Value:
        result = _Value(channels, self.zero_point(), lhs.scale * rhs.scale / factor)
        self.values(layer, qi1=lhs, qi2=rhs, qo=result)
        self.save(f"{layer}M", np.float32(factor))
        return result


def write_folder(
    path: Path, network: Network, weights: Weights, *, seed: int = 0, symmetric: bool = False
) -> None:
    """Write the tensors of `network` to the folder `path`, which is made. With `symmetric` queries, keys and values have a zero
    point of 0, as CMSIS-NN wants one side of its products.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = _Folder(path, weights, np.random.default_rng(seed), symmetric)
    value = _Value(network.image_channels, folder.zero_point(), 1 / SPREAD)
    suffixes = ("",) if len(network.stages) == 1 else ("_one", "_two")
    for number, (stage, suffix) in enumerate(zip(network.stages, suffixes, strict=True), start=1):
        folder.stage = f"stage{number}"
        for index, what in enumerate(stage.downsample):
            folder.group = f"downsample{suffix}"
            short = {"tokenizer": 0, "mv2block": 1}[what]
            folder.block = f"downsample{short}_{index}" if suffix else f"downsample_{what}_{index}"
            make = _tokenizer if what == "tokenizer" else _mv2block
            value = make(folder, value, stage.channels, 2)
        for index, type in enumerate(stage.mv2blocks):
            folder.group, folder.block = f"mv2block{suffix}", f"mv2block{type}_{index}"
            value = _mv2block(folder, value, stage.channels, 2 + type, residual=True)
        for index, transformer in enumerate(stage.transformers):
            folder.group, folder.block = (
                f"transformer{suffix}",
                f"transformer{transformer.type}_{index}",
            )
            value = _transformer(folder, value, transformer)
    folder.stage = folder.block = ""
    folder.group = "qlast_conv"
    value = folder.weighted("", (network.last, 1, 1, value.channels), value, relu=True)
    value = _pooling(folder, value, network.pooling)
    folder.group = "qclassifier"
    folder.weighted("", (network.classes, value.channels), value, relu=False, bias=False)


def _tokenizer(folder: _Folder, value: _Value, channels: int, _: int) -> _Value:
    shape = (channels, 3, 3, value.channels)
    value = folder.weighted("qconv_relu.", shape, value, relu=True, bias=False)
    folder.values("qmaxpool.", qi=value)
    return value


def _mv2block(
    folder: _Folder, source: _Value, channels: int, expansion: int, *, residual: bool = False
) -> _Value:
    wide = expansion * source.channels
    value = folder.weighted("qconv.0.", (wide, 1, 1, source.channels), source, relu=True)
    value = folder.weighted("qconv.1.", (wide, 3, 3, 1), value, relu=True)
    value = folder.weighted("qconv.2.", (channels, 1, 1, wide), value, relu=False)
    if residual and channels == source.channels:
        return folder.sum("qadd.", value, source)
    return value


def _transformer(folder: _Folder, source: _Value, t: Transformer) -> _Value:
    heads, width = 2 << t.type, t.width
    value = folder.weighted("qconv1.", (source.channels, 3, 3, source.channels), source, relu=True)
    short = folder.weighted("qconv2.", (width, 1, 1, source.channels), value, relu=False)
    value = folder.norm("qpre_norm.", short)
    shape = (3 * width, width)
    qkv = folder.weighted(
        "self_attn.qqkv.", shape, value, relu=False, bias=False, symmetric=folder.symmetric
    )
    depth = width // heads
    scores = folder.matmul("self_attn.qmatmul_qk.", qkv, qkv, 0, 1 / SPREAD / depth**0.5)
    folder.save("self_attn.qsoftmax1.qi.scale", 0.05)
    folder.save("self_attn.qsoftmax1.qi.zero_point", scores.zero_point)
    shares = _Value(0, -128, 1 / 256)
    value = folder.matmul("self_attn.qmatmul_attnv.", shares, qkv, width, 2 / 256)
    value = folder.weighted("self_attn.qproj.", (width, width), value, relu=False)
    value = folder.sum("qadd1.", value, short)
    short = folder.norm("qnorm1.", value)
    value = folder.weighted("qlinear_relu1.", (t.hidden, width), short, relu=True)
    value = folder.weighted("qlinear2.", (width, t.hidden), value, relu=False)
    value = folder.sum("qadd2.", value, short)
    value = folder.weighted("qconv3.", (width, 3, 3, width), value, relu=True)
    return folder.weighted("qconv4.", (t.channels, 1, 1, width), value, relu=True)


def _pooling(folder: _Folder, value: _Value, kind: str) -> _Value:
    if kind == "average":
        folder.group = "qglobal_pooling"
        result = _Value(value.channels, RELU, value.scale / 2)
        folder.values("", qi=value, qo=result)
        return result
    folder.group = "global_pooling"
    logits = folder.weighted("qattention_pool.", (1, value.channels), value, relu=False)
    folder.save("qsoftmax.qi.scale", 0.05)
    folder.save("qsoftmax.qi.zero_point", logits.zero_point)
    return folder.matmul("qmatmul.", _Value(0, -128, 1 / 256), value, value.channels, 2 / 256)


def random_weights(seed: int, *, density: float = 1.0, block: int = 1) -> Weights:
    """Weights of which whole blocks of `block` neighbours are zero, but for a share of `density`."""
    random = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> NDArray[np.int8]:
        del name
        count = int(np.prod(shape))
        values = nonzero(random, count)
        kept = np.repeat(random.random(-(-count // block)) < density, block)[:count]
        return np.where(kept, values, 0).astype(np.int8).reshape(shape)

    return draw


def nonzero(random: np.random.Generator, count: int) -> NDArray[np.int8]:
    """`count` int8 values, none of them zero."""
    values = np.clip(np.round(random.normal(0, 35, count)), -127, 127).astype(np.int8)
    return np.where(values == 0, np.int8(1), values)


def save_image(path: Path, network: Network, *, seed: int = 0) -> None:
    """An image as sparse-engine has it: stored values with the channels first, in a float file."""
    random = np.random.default_rng(seed)
    shape = (1, network.image_channels, network.size, network.size)
    np.save(path, random.integers(-128, 128, shape).astype(np.float32))


def write_pruning(path: Path, sizes: Sequence[int]) -> None:
    """The pruning configuration: how many weights of each block are pruned together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["pruning_config:", *(f"  - block_size: {size}" for size in sizes)]
    path.write_text("\n".join(lines) + "\n")
