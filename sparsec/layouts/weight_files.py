# SPDX-License-Identifier: Apache-2.0
"""Weights and biases as FPGAI's text and binary files have them, written and read.

Text: for each layer a line `#`, the weights ten to a line, a line `$`, the biases in the same way. Binary: the weights of
all layers as bytes, and their biases as little-endian int32 in another file; nothing says where a layer ends. A third
file has `scale,shift,zero_point` for each layer: what is summed up is multiplied by scale and shifted right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Bytes: TypeAlias = NDArray[np.uint8]
Int32Array: TypeAlias = NDArray[np.int32]

PER_LINE = 10
MOST_SHIFT = 31


@dataclass(frozen=True)
class Rescaling:
    """How sums become activations: (sum * scale) >> shift; weights are their bytes minus `zero_point`."""

    scale: int
    shift: int
    zero_point: int

    def __post_init__(self) -> None:
        if self.scale < 0 or not 0 <= self.shift <= MOST_SHIFT or not 0 <= self.zero_point <= 255:
            raise ValueError(f"{self.scale},{self.shift},{self.zero_point} is no rescaling")

    @property
    def factor(self) -> float:
        """What it stands for."""
        return self.scale / 2**self.shift


@dataclass(frozen=True, eq=False)
class StoredLayer:
    """Weights as bytes, OIHW or OI, and int32 biases. ValueError for other types."""

    weights: Bytes
    biases: Int32Array

    def __post_init__(self) -> None:
        if self.weights.dtype != np.uint8 or self.biases.dtype != np.int32:
            raise ValueError("weights are bytes and biases int32")


def text_of(layers: Iterable[StoredLayer]) -> str:
    """The text file."""
    return "".join(
        f"#\n{_lines(layer.weights.reshape(-1))}$\n{_lines(layer.biases)}" for layer in layers
    )


def binary_of(layers: Sequence[StoredLayer]) -> tuple[bytes, bytes]:
    """The files of weights and of biases."""
    weights = b"".join(layer.weights.tobytes() for layer in layers)
    return weights, b"".join(layer.biases.astype("<i4").tobytes() for layer in layers)


def rescalings_text(rescalings: Iterable[Rescaling]) -> str:
    """The third file."""
    return "".join(f"{each.scale},{each.shift},{each.zero_point}\n" for each in rescalings)


def layers_of_text(text: str, shapes: Sequence[Shape]) -> list[StoredLayer]:
    """Layers with weights of these shapes, from the text file. Raises ValueError where it is not one of them."""
    parts = text.split("#")
    if parts[0].strip() or len(parts) != len(shapes) + 1:
        raise ValueError(f"it has {len(parts) - 1} layers, and {len(shapes)} are asked for")
    layers: list[StoredLayer] = []
    for number, (part, shape) in enumerate(zip(parts[1:], shapes, strict=True), 1):
        weights, dollar, biases = part.partition("$")
        if not dollar:
            raise ValueError(f"layer {number} has no biases")
        values = _numbers(weights, number, 0, 255)
        layers.append(_layer(values, _numbers(biases, number, -(2**31), 2**31 - 1), shape, number))
    return layers


def layers_of_binary(weights: bytes, biases: bytes, shapes: Sequence[Shape]) -> list[StoredLayer]:
    """The same from the binary files."""
    counts, outputs = [prod(shape) for shape in shapes], [shape[0] for shape in shapes]
    if len(weights) != sum(counts) or len(biases) != 4 * sum(outputs):
        raise ValueError(
            f"there are {len(weights)} weights and {len(biases) // 4} biases, and the layers have {sum(counts)} and "
            f"{sum(outputs)}"
        )
    values, added = np.frombuffer(weights, np.uint8), np.frombuffer(biases, "<i4")
    ends, last = np.cumsum(counts), np.cumsum(outputs)
    return [
        _layer(values[end - count : end], added[to - n : to], shape, number)
        for number, (end, count, to, n, shape) in enumerate(
            zip(ends, counts, last, outputs, shapes, strict=True), 1
        )
    ]


def rescalings_of(text: str) -> list[Rescaling]:
    """The lines of the third file. Raises ValueError where one is not three numbers."""
    found: list[Rescaling] = []
    for number, line in enumerate(filter(str.strip, text.splitlines()), 1):
        fields = line.split(",")
        try:
            scale, shift, zero_point = map(int, fields)
        except ValueError:
            raise ValueError(
                f"line {number} is '{line[:40]}', not scale,shift,zero_point"
            ) from None
        found.append(Rescaling(scale, shift, zero_point))
    return found


def real_values(layer: StoredLayer, rescaling: Rescaling) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights and biases as real numbers, of a layer whose activations are n / 255 on both sides."""
    weights = (layer.weights.astype(np.float64) - rescaling.zero_point) * rescaling.factor
    return weights, layer.biases * rescaling.factor / 255


def own_rescaling(factor: float, zero_point: int) -> Rescaling:
    """The nearest with a scale of 8 bits, which FPGAI's program in C reads; it errs by 0.4 % at most.

    Raises ValueError for a factor that it has none for.
    """
    if not 2.0**-MOST_SHIFT <= factor <= 255:
        raise ValueError(f"a factor of {factor:g} has no scale of 8 bits")
    shift = next(n for n in range(MOST_SHIFT, -1, -1) if round(factor * 2**n) <= 255)
    return Rescaling(round(factor * 2**shift), shift, zero_point)


def fpgai_scale(factor: float) -> tuple[int, int]:
    """FPGAI's own choice of (scale, shift): the least error in units of the shifted factor, not of the factor.

    A scale of 256 is possible, which its program in C reads as 0. Raises ValueError for a factor without any.
    """
    tried: list[tuple[float, int, int]] = []
    for shift in range(MOST_SHIFT + 1):
        shifted = factor * 2**shift
        scale = round(shifted)
        if scale > 256 and shift:
            break
        if scale:
            tried.append((abs(shifted - scale), scale, shift))
    if not tried:
        raise ValueError(f"a factor of {factor:g} has no scale")
    _, scale, shift = min(tried, key=lambda each: each[0])
    return scale, shift


def fpgai_bytes(values: NDArray[Any]) -> tuple[Bytes, float, int]:
    """FPGAI's quantization of a tensor to bytes: these, their scale and their zero point, which is cut, not rounded."""
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / 255 or 1.0
    zero_point = int(np.clip(-low / scale, 0, 255))
    stored = np.round(np.clip(zero_point + values / scale, 0, 255)).astype(np.uint8)
    return stored, scale, zero_point


def _lines(values: NDArray[Any]) -> str:
    numbers = [str(int(value)) for value in values]
    rows = [numbers[first : first + PER_LINE] for first in range(0, len(numbers), PER_LINE)]
    return "".join(f"{','.join(row)}\n" for row in rows)


def _numbers(text: str, layer: int, low: int, high: int) -> NDArray[np.int64]:
    try:
        values = np.array([int(word) for word in text.replace(",", " ").split()], np.int64)
    except (ValueError, OverflowError):
        raise ValueError(f"layer {layer} holds what is no whole number") from None
    if len(values) and not low <= values.min() <= values.max() <= high:
        raise ValueError(f"layer {layer} holds numbers outside of {low} to {high}")
    return values


def _layer(weights: NDArray[Any], biases: NDArray[Any], shape: Shape, number: int) -> StoredLayer:
    if len(weights) != prod(shape) or len(biases) != shape[0]:
        raise ValueError(
            f"layer {number} has {len(weights)} weights and {len(biases)} biases, and its shape is {list(shape)}"
        )
    return StoredLayer(weights.astype(np.uint8).reshape(shape), biases.astype(np.int32))
