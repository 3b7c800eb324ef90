# SPDX-License-Identifier: Apache-2.0
"""What a folder of tensors computes, read a second time: in sparse-engine's arithmetic or in ours.

It shares no line with the importer. A layer finds its tensors by name; `theirs` says whose sums, norms and averages.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from sparsec.quantization import int8
from sparsec.quantization.normalization import NormalizeParams, normalize
from sparsec.quantization.requantize import quantize_multiplier, requantize

Array: TypeAlias = np.ndarray[Any, Any]
Int8Array: TypeAlias = NDArray[np.int8]


def their_multiplier(factor: float) -> tuple[int, int]:
    """Mantissa and exponent as `frexp` has them, not saturated."""
    mantissa, exponent = math.frexp(factor)
    return round(mantissa * 2**31), exponent


def saturated(values: Array) -> Int8Array:
    return np.clip(values, -128, 127).astype(np.int8)


class ZeroPoints(TypedDict):
    """Of what a layer reads and gives."""

    input_zp: int
    output_zp: int


@dataclass
class Reference:
    """The network in `folder`; `differences` has the largest difference of each layer in which the arithmetics differ, both
    given the same input."""

    folder: Path
    theirs: bool
    differences: dict[str, int] = field(default_factory=dict[str, int])

    def load(self, name: str) -> Array:
        return np.load(self.folder / f"{name}.npy").astype(np.float64)

    def number(self, name: str) -> int:
        return int(self.load(name).item())

    def zero_points(self, name: str) -> ZeroPoints:
        return {
            "input_zp": self.number(f"{name}qi.zero_point"),
            "output_zp": self.number(f"{name}qo.zero_point"),
        }

    def multipliers(self, name: str) -> tuple[Array, Array]:
        """Multiplier and shift of each channel."""
        factors: list[float] = np.atleast_1d(self.load(f"{name}M")).tolist()
        pairs = np.array([their_multiplier(m) for m in factors])
        return pairs[:, 0], pairs[:, 1]

    def bias(self, name: str) -> Array | None:
        path = self.folder / f"{name}.bias.npy"
        return np.load(path).astype(np.int32).reshape(-1) if path.exists() else None

    def conv(self, x: Int8Array, name: str, size: int, stride: int = 1) -> Int8Array:
        weights = self.load(f"{name}conv_module.weight").astype(np.int8).transpose(0, 2, 3, 1)
        multiplier, shift = self.multipliers(name)
        pad = size // 2
        return int8.convolve(
            x,
            weights,
            self.bias(f"{name}conv_module"),
            strides=(stride, stride),
            padding=(pad, pad, pad, pad),
            **self.zero_points(name),
            multiplier=multiplier,
            shift=shift,
        )

    def depthwise(self, x: Int8Array, name: str, stride: int) -> Int8Array:
        weights = self.load(f"{name}conv_module.weight").astype(np.int8).transpose(1, 2, 3, 0)
        multiplier, shift = self.multipliers(name)
        return int8.depthwise_convolve(
            x,
            weights,
            self.bias(f"{name}conv_module"),
            strides=(stride, stride),
            padding=(1, 1, 1, 1),
            **self.zero_points(name),
            multiplier=multiplier,
            shift=shift,
        )

    def linear(self, x: Int8Array, name: str) -> Int8Array:
        weights = self.load(f"{name}fc_module.weight").astype(np.int8)
        multiplier, shift = self.multipliers(name)
        return int8.fully_connected(
            x,
            weights,
            self.bias(f"{name}fc_module"),
            multiplier=multiplier[0],
            shift=shift[0],
            **self.zero_points(name),
        )

    def choose(self, name: str, ours: Int8Array, theirs: Int8Array) -> Int8Array:
        """One of both, and their difference noted."""
        difference = int(np.abs(ours.astype(int) - theirs.astype(int)).max())
        self.differences[name] = max(difference, self.differences.get(name, 0))
        return theirs if self.theirs else ours

    def add(self, a: Int8Array, b: Int8Array, name: str) -> Int8Array:
        """Theirs rounds each term to a whole step before they are added."""
        zps = [self.number(f"{name}{what}.zero_point") for what in ("qi1", "qi2", "qo")]
        factors = [float(self.load(f"{name}{what}").item()) for what in ("M1", "M2")]
        terms = [
            requantize(x.astype(np.int64) - zp, *their_multiplier(factor)).astype(np.int64)
            for x, zp, factor in zip((a, b), zps, factors, strict=False)
        ]
        theirs = saturated(requantize(sum(terms), 2**31 - 1, 0) + zps[2])
        numbers = int8.add_params(factors[0], factors[1], 1.0)
        ours = int8.add(a, b, input1_zp=zps[0], input2_zp=zps[1], output_zp=zps[2], **numbers)
        return self.choose(name, ours, theirs)

    def norm(self, x: Int8Array, name: str) -> Int8Array:
        """Rows [n, c]. Theirs takes a whole number for 128 / deviation."""
        gamma = self.load(f"{name}layernorm_module.weight")
        beta = self.load(f"{name}layernorm_module.bias")
        factor = float(self.load(f"{name}M").item())
        zps = self.zero_points(name)
        count = x.shape[1]
        centred = x.astype(np.int64) - zps["input_zp"]
        mean = np.trunc((centred.sum(1, keepdims=True) + count // 2) / count).astype(np.int64)
        apart = centred - mean
        deviation = np.floor(np.sqrt((apart**2).sum(1, keepdims=True) // count)).astype(np.int64)
        unit = 128 // np.maximum(deviation, 1)
        weighted = np.clip(apart * unit, -32768, 32767) * gamma.astype(np.int64)
        scaled = requantize(weighted + beta.astype(np.int64), *their_multiplier(factor))
        theirs = saturated(scaled.astype(np.int64) + zps["output_zp"])
        pairs = np.array([quantize_multiplier(factor * g * 128 * 2.0 ** (8 - 21)) for g in gamma])
        ours = normalize(
            x[None, :, None, :],
            pairs[:, 0].astype(np.int32),
            pairs[:, 1].astype(np.int32),
            np.round(beta * factor * 256).astype(np.int32),
            NormalizeParams(**zps),
        )[0, :, 0]
        return self.choose(name, ours, theirs)

    def average(self, x: Int8Array, name: str) -> Int8Array:
        """Theirs rounds the average before it is scaled."""
        zps = self.zero_points(name)
        factor = float(self.load(f"{name}qi.scale").item() / self.load(f"{name}qo.scale").item())
        total: Array = x.astype(np.int64).sum(axis=(1, 2))
        half: Array = np.where(total > 0, 1, -1) * (x.shape[1] * x.shape[2] // 2)
        count = x.shape[1] * x.shape[2]
        rounded = np.trunc((total + half) / count)
        theirs = requantize(rounded.astype(np.int64) - zps["input_zp"], *their_multiplier(factor))
        multiplier, shift = quantize_multiplier(factor / count)
        ours = int8.mean(x, (1, 2), multiplier=multiplier, shift=shift, **zps)
        return self.choose(
            name, ours.reshape(1, -1), saturated(theirs.astype(np.int64) + zps["output_zp"])
        )

    def matmul(self, a: Int8Array, b: Int8Array, name: str) -> Int8Array:
        """[heads, m, k] times [heads, k, n]."""
        zps = [self.number(f"{name}{what}.zero_point") for what in ("qi1", "qi2", "qo")]
        total = (a.astype(np.int64) - zps[0]) @ (b.astype(np.int64) - zps[1])
        scaled = requantize(total, *their_multiplier(float(self.load(f"{name}M").item())))
        return saturated(scaled.astype(np.int64) + zps[2])

    def softmax(self, x: Int8Array, name: str) -> Int8Array:
        """Theirs ends at a difference of 248 whatever the scale."""
        scale = float(self.load(f"{name}qi.scale").item())
        multiplier, shift = their_multiplier(min(scale * 2**26, 2**31 - 1))
        theirs = int8.softmax(x, multiplier=multiplier, shift=shift, diff_min=-248)
        return self.choose(name, int8.softmax(x, **int8.softmax_params(scale)), theirs)

    def tokenizer(self, x: Int8Array, name: str) -> Int8Array:
        x = self.conv(x, f"{name}qconv_relu.", 3)
        return int8.max_pool(x, kernel=(3, 3), strides=(2, 2), padding=(1, 1, 1, 1))

    def mv2block(self, x: Int8Array, name: str, stride: int = 1) -> Int8Array:
        y = self.conv(x, f"{name}qconv.0.", 1)
        y = self.depthwise(y, f"{name}qconv.1.", stride)
        y = self.conv(y, f"{name}qconv.2.", 1)
        return self.add(y, x, f"{name}qadd.") if stride == 1 and y.shape == x.shape else y

    def transformer(self, x: Int8Array, name: str, heads: int) -> Int8Array:
        x = self.conv(self.conv(x, f"{name}qconv1.", 3), f"{name}qconv2.", 1)
        shape = x.shape
        short = x.reshape(-1, shape[-1])
        rows = self.linear(self.norm(short, f"{name}qpre_norm."), f"{name}self_attn.qqkv.")
        q, k, v = rows.reshape(len(rows), 3, heads, -1).transpose(1, 2, 0, 3)
        scores = self.matmul(q, k.transpose(0, 2, 1), f"{name}self_attn.qmatmul_qk.")
        shares = self.softmax(scores, f"{name}self_attn.qsoftmax1.")
        mixed = self.matmul(shares, v, f"{name}self_attn.qmatmul_attnv.")
        rows = mixed.transpose(1, 0, 2).reshape(short.shape)
        rows = self.add(self.linear(rows, f"{name}self_attn.qproj."), short, f"{name}qadd1.")
        short = self.norm(rows, f"{name}qnorm1.")
        rows = self.linear(self.linear(short, f"{name}qlinear_relu1."), f"{name}qlinear2.")
        rows = self.add(rows, short, f"{name}qadd2.")
        x = self.conv(rows.reshape(shape), f"{name}qconv3.", 3)
        return self.conv(x, f"{name}qconv4.", 1)

    def attention_pool(self, x: Int8Array, name: str) -> Int8Array:
        rows = x.reshape(-1, x.shape[-1])
        shares = self.softmax(self.linear(rows, f"{name}qattention_pool.").T, f"{name}qsoftmax.")
        return self.matmul(shares[None], rows[None], f"{name}qmatmul.")[0]

    def tail(self, x: Int8Array, pooling: str = "average") -> Int8Array:
        x = self.conv(x, "qlast_conv.", 1)
        if pooling == "average":
            x = self.average(x, "qglobal_pooling.")
        else:
            x = self.attention_pool(x, "global_pooling.")
        return self.linear(x, "qclassifier.")
