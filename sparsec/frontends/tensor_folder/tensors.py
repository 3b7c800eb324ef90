# SPDX-License-Identifier: Apache-2.0
"""The tensors of a block, read from files called `<group>.<block>.<name>.npy` or `<block>.<name>.npy`.

The rule: what is wrong with a tensor is said with its name and that of its block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.numpy_files import Array
from sparsec.quantization.arrays import Int32Array
from sparsec.quantization.requantize import quantize_multiplier

MULTIPLIERS = ("M", "M1", "M2")


@dataclass(frozen=True)
class Block:
    """A block of layers: `name` as in its files, `title` as in messages, reports and C, and its tensors by name."""

    name: str
    title: str
    tensors: Mapping[str, Array]

    def wrong(self, what: str) -> FrontendError:
        """An error about this block."""
        return FrontendError(f"block '{self.title}': {what}")

    def layer(self, name: str = "") -> "Layer":
        """The layer that is called so within the block, or the block that is a layer."""
        return Layer(self, f"{name}." if name else "")

    def layers(self) -> list[str]:
        """The names of all layers that have tensors, in the order of the alphabet; "" is the block itself."""
        return sorted({_layer_of(name) for name in self.tensors})

    def check_numbers(self) -> None:
        """Raises FrontendError for a scale or multiplier that is not positive, and for what is no zero point."""
        for name, array in self.tensors.items():
            last = name.rpartition(".")[2]
            if last == "scale" or last in MULTIPLIERS:
                if not np.all(np.isfinite(array) & (array > 0)):
                    raise self.wrong(f"tensor '{name}' must be positive and finite")
            elif last == "zero_point":
                _integers(self, name, array, -128, 127)


def _layer_of(name: str) -> str:
    """`qconv.0` of `qconv.0.conv_module.weight`, `qconv.0.qi.scale` and `qconv.0.M`."""
    parts = name.split(".")
    parts.pop()
    if parts and (parts[-1].endswith("_module") or parts[-1] in ("qi", "qi1", "qi2", "qo", "qw")):
        parts.pop()
    return ".".join(parts)


@dataclass(frozen=True)
class Layer:
    """The tensors of a block whose names begin with `prefix`."""

    block: Block
    prefix: str

    @property
    def title(self) -> str:
        """The layer in reports and C."""
        return f"{self.block.title}.{self.prefix}".rstrip(".")

    def wrong(self, what: str) -> FrontendError:
        """An error about this layer."""
        return self.block.wrong(f"{self.prefix.rstrip('.')}: {what}" if self.prefix else what)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return self.prefix + name in self.block.tensors

    def array(self, name: str) -> Array:
        """A tensor. Raises FrontendError where it is missing."""
        full = self.prefix + name
        if full not in self.block.tensors:
            raise self.block.wrong(f"tensor '{full}' is missing")
        return self.block.tensors[full]

    def weights(self, module: str, axes: int) -> NDArray[np.int8]:
        """The weights, of so many axes. Raises FrontendError where they are missing, or something else."""
        name = f"{module}.weight"
        array = self.array(name)
        if array.ndim != axes or 0 in array.shape:
            raise self.shape_error(name, f"{axes} axes")
        return _integers(self.block, self.prefix + name, array, -128, 127).astype(np.int8)

    def bias(self, module: str, channels: int) -> Int32Array:
        """The bias of each channel, zeros where there is none."""
        name = f"{module}.bias"
        if not self.has(name):
            return np.zeros(channels, np.int32)
        return self._by_channel(name, channels)

    def vector(self, name: str, channels: int) -> Int32Array:
        """A whole number for each channel."""
        return self._by_channel(name, channels)

    def _by_channel(self, name: str, channels: int) -> Int32Array:
        array = self.array(name)
        if array.size != channels:
            raise self.shape_error(name, f"{channels} values")
        full = self.prefix + name
        return _integers(self.block, full, array, -(2**31), 2**31 - 1).reshape(-1).astype(np.int32)

    def zero_point(self, what: str) -> int:
        """That of `qi`, `qi1`, `qi2` or `qo`."""
        return int(self._number(f"{what}.zero_point"))

    def scale(self, what: str) -> float:
        """That of `qi`, `qi1`, `qi2` or `qo`."""
        return self._number(f"{what}.scale")

    def factor(self, name: str = "M") -> float:
        """A real multiplier that is the same for all channels."""
        return self._number(name)

    def _number(self, name: str) -> float:
        array = self.array(name)
        if array.size != 1:
            raise self.shape_error(name, "one number")
        return float(array.reshape(()))

    def multipliers(self, channels: int) -> tuple[Int32Array, Int32Array]:
        """M of each channel as multipliers and shifts: a mantissa of 31 bits and a power of two.

        A multiplier that rounds to 2^31 becomes 2^30 with the next power.
        """
        factors = self.array("M").astype(np.float64).reshape(-1)
        if factors.size not in (1, channels):
            raise self.shape_error("M", f"1 or {channels} values")
        return self.fixed_point(np.broadcast_to(factors, channels).tolist())

    def fixed_point(self, factors: Sequence[float]) -> tuple[Int32Array, Int32Array]:
        """Real multipliers as those of int32 and shifts."""
        try:
            pairs = [quantize_multiplier(factor) for factor in factors]
        except ValueError as error:
            raise self.wrong(str(error)) from error
        multiplier, shift = np.array(pairs, np.int32).T
        return np.ascontiguousarray(multiplier), np.ascontiguousarray(shift)

    def shape_error(self, name: str, wanted: str) -> FrontendError:
        """That a tensor has another shape than it should."""
        shape = list(self.array(name).shape)
        return self.block.wrong(f"tensor '{self.prefix}{name}' has shape {shape}, not {wanted}")


def _integers(block: Block, name: str, array: Array, low: int, high: int) -> NDArray[Any]:
    """`array`, whose values must be whole numbers from `low` to `high`, whatever their type."""
    # Bounds would be rounded to a type of few bits.
    exact = array.astype(np.float64) if array.dtype.kind == "f" else array
    if array.dtype.kind not in "fiu" or not np.all(
        np.isfinite(exact) & (exact == np.round(exact)) & (exact >= low) & (exact <= high)
    ):
        raise block.wrong(f"tensor '{name}' must hold whole numbers from {low} to {high}")
    return exact
