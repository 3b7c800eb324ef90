# SPDX-License-Identifier: Apache-2.0
"""How two neighbouring operations become one: the rules that the table of `fuse-layers` names.

A rule takes the producer and the consumer of a value. It returns new operations, the last of which
computes what the consumer did, or nothing where the two do not fit.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from xdsl.ir import Operation, SSAValue

from sparsec.analysis.values.ranges import range_attribute, range_of
from sparsec.ir import nn
from sparsec.ir.attributes import RANGE
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.window import PoolAttr, WindowAttr
from sparsec.quantization.scheme import Bounds, Quantization
from sparsec.quantization.window import Border, Window

Bounded: TypeAlias = nn.WeightedOp | nn.ArithmeticOp | nn.Pool2dOp | nn.NormalizeOp
WindowT = TypeVar("WindowT", bound=Window)


def take_range(op: Operation, source: SSAValue, bounds: Bounds | None = None) -> None:
    """The range of `op` is that of `source`, clamped to `bounds`."""
    op.attributes.pop(RANGE, None)
    measured = range_of(source)
    if measured is not None:
        if bounds is not None:
            low, high = (min(max(value, bounds.min), bounds.max) for value in measured)
            measured = low, high
        op.attributes[RANGE] = range_attribute(measured)


def clamped_range(op: Operation, producer: SSAValue, clamp: nn.ClampOp) -> None:
    measured = clamp.result if RANGE in clamp.attributes else producer
    take_range(op, measured, clamp.bounds.data)


def clamp_result(producer: Bounded, clamp: nn.ClampOp) -> Sequence[Operation]:
    """The clamp becomes the bounds of the layer before."""
    bounds = clamp.bounds.data
    if producer.bounds is not None:
        bounds = producer.bounds.data.intersect(bounds)
    fused = producer.clone()
    fused.bounds = BoundsAttr(bounds)
    clamped_range(fused, producer.result, clamp)
    return [fused]


def clamp_once(first: nn.ClampOp, second: nn.ClampOp) -> Sequence[Operation]:
    """Two clamps in a row are one."""
    fused = nn.ClampOp(first.input, first.bounds.data.intersect(second.bounds.data))
    fused.attributes.update(first.attributes)
    clamped_range(fused, first.result, second)
    return [fused]


def _held(bounds: Bounds, scheme: Quantization) -> bool:
    """Whether int8 holds the bounds without error, or never reaches them."""
    low, high = (bound / scheme.scale + scheme.zero_point for bound in (bounds.min, bounds.max))
    on_grid = {float(stored) for stored in range(-128, 128)}
    return (low < -128 or low in on_grid) and (high > 127 or high in on_grid)


def clamp_before_pair(pair: nn.DequantizeOp, clamp: nn.ClampOp) -> Sequence[Operation] | None:
    """A clamp of a quantized value moves before the pair, into the layer that computes the value.

    Rounding is monotone, so clamping first gives the same stored values, and they mean the same if
    the bounds are stored without error, or the clamped value is quantized in this way again.
    """
    quantize = pair.input.owner
    if not isinstance(quantize, nn.QuantizeOp) or not pair.input.has_one_use():
        return None
    layer, scheme = quantize.input.owner, quantize.quantization.data
    if not isinstance(layer, Bounded) or not quantize.input.has_one_use():
        return None
    if quantize.quantization != pair.quantization or scheme.axis is not None:
        return None
    quantized_again = all(
        isinstance(use.operation, nn.QuantizeOp)
        and use.operation.quantization == quantize.quantization
        for use in clamp.result.uses
    )
    if not quantized_again and not _held(clamp.bounds.data, scheme):
        return None
    (fused,) = clamp_result(layer, clamp)
    first = quantize.clone({quantize.input: fused.results[0]})
    return [fused, first, pair.clone({pair.input: first.result})]


def _padded(window: WindowT, border: Border) -> WindowT | None:
    """`window` on the input without its `border`; None if the border is not only around pixels."""
    if any((border.low[0], border.high[0], border.low[3], border.high[3])):
        return None
    around = (border.low[1], border.low[2], border.high[1], border.high[2])
    padding = tuple(p + q for p, q in zip(window.padding, around, strict=True))
    try:
        return dataclasses.replace(window, padding=padding)
    except ValueError:  # a pool would see windows of nothing but padding
        return None


def pad_in_window(pad: nn.PadOp, layer: nn.ConvolutionOp) -> Sequence[Operation] | None:
    """A border of zeros becomes the padding of the convolution."""
    window = _padded(layer.window.data, pad.border.data)
    if layer.input is not pad.result or pad.value.value.data != 0 or window is None:
        return None
    fused = layer.clone({pad.result: pad.input})
    fused.window = WindowAttr(window)
    return [fused]


def _lower_bound(value: SSAValue) -> float:
    """A number that `value` is never below."""
    owner = value.owner
    if isinstance(owner, nn.WeightedOp | nn.ArithmeticOp | nn.Pool2dOp | nn.ClampOp):
        return -math.inf if owner.bounds is None else owner.bounds.data.min
    return 0.0 if isinstance(owner, nn.SoftmaxOp) else -math.inf


def pad_in_pool(pad: nn.PadOp, pool: nn.MaxPool2dOp) -> Sequence[Operation] | None:
    """A border that never exceeds what it surrounds becomes the padding of the max pool."""
    padded = _padded(pool.pool.data, pad.border.data)
    exact = pad.value.value.data <= _lower_bound(pad.input)
    if padded is None or not exact or padded.dilations != (1, 1):
        return None
    fused = pool.clone({pad.result: pad.input})
    fused.pool = PoolAttr(padded)
    return [fused]


def reshape_once(first: nn.ReshapeOp, second: nn.ReshapeOp) -> Sequence[Operation]:
    """Only the last of several shapes matters."""
    fused = second.clone({first.result: first.input})
    return [fused]
