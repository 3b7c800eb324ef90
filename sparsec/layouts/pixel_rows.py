# SPDX-License-Identifier: Apache-2.0
"""The arrays of `sparsec_convolve_pixels_s8`, which reads channel-major activations.

- `rows`: four int32 of each output channel: bias, with the input offset folded in, multiplier, shift, number of weights;
- `values`: int8, the weights that are not zero, of each row in the order in which their inputs lie;
- `steps`: u16 of each weight, the bytes from the input of the one before, or from the corner of the window, to its own. Where
  that is too far, weights of 0 stand in between.

Both have one element that no row counts where all weights are zero. The rule: steps hold for one layout and one shape of the
input only; `unpack_pixel_rows` takes both to tell which weight is whose.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.linear_rows import RowNumbers

Int8 = NDArray[np.int8]
NAME = "pixel rows"
MAX_STEP = 0xFFFF
ROW_NUMBERS = 4


@dataclass(frozen=True)
class Taps:
    """Where the inputs of a window are, in bytes from its corner: of one layout and shape of the input."""

    kernel: tuple[int, int]
    dilations: tuple[int, int]
    pitch: int
    plane: int
    channels: int

    @property
    def offsets(self) -> NDArray[np.int64]:
        """[height, width, channels] of the weights."""
        rows = np.arange(self.kernel[0]) * self.dilations[0] * self.pitch
        columns = np.arange(self.kernel[1]) * self.dilations[1]
        channels = np.arange(self.channels) * self.plane
        return rows[:, None, None] + columns[:, None] + channels

    @property
    def are_apart(self) -> bool:
        """Whether no two weights of a window read one byte, as happens where rows are shorter than windows."""
        return len(np.unique(self.offsets)) == self.offsets.size


def taps_of(
    layout: ChannelMajor,
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    dilations: tuple[int, int] = (1, 1),
) -> Taps:
    """Of an input of `shape` that lies as `layout` says."""
    return Taps(kernel, dilations, layout.pitch(shape), layout.plane(shape), shape[3])


def pack_pixel_rows(weights: Int8, numbers: RowNumbers, taps: Taps) -> dict[str, NDArray[Any]]:
    """The arrays of int8 weights [outputs, height, width, channels]. Raises ValueError where two weights read one byte."""
    if not taps.are_apart:
        raise ValueError("rows of the input are too short for the window")
    offsets = taps.offsets.reshape(-1)
    order = np.argsort(offsets)
    rows: list[tuple[int, ...]] = []
    steps: list[int] = []
    values: list[int] = []
    for row, flat in enumerate(weights.reshape(len(weights), -1)):
        before, at = len(values), 0
        for column in order[flat[order] != 0]:
            step = int(offsets[column]) - at
            while step > MAX_STEP:
                steps.append(MAX_STEP)
                values.append(0)
                step -= MAX_STEP
            steps.append(step)
            values.append(int(flat[column]))
            at = int(offsets[column])
        rows.append(
            (
                int(numbers.bias[row]),
                int(numbers.multiplier[row]),
                int(numbers.shift[row]),
                len(values) - before,
            )
        )
    return {
        "rows": np.array(rows, np.int32).reshape(-1),
        "steps": np.array(steps or [0], np.uint16),
        "values": np.array(values or [0], np.int8),
    }


def unpack_pixel_rows(
    rows: NDArray[np.int32], steps: NDArray[np.uint16], values: Int8, taps: Taps
) -> tuple[Int8, RowNumbers]:
    """What `pack_pixel_rows` was given. Raises ValueError where the arrays are not those of such a layer."""
    offsets = taps.offsets.reshape(-1)
    column_at = {int(offset): column for column, offset in enumerate(offsets)}
    table = rows.reshape(-1, ROW_NUMBERS)
    dense = np.zeros((len(table), len(offsets)), np.int8)
    place = 0
    for row, count in enumerate(table[:, 3]):
        at = 0
        for step, weight in zip(
            steps[place : place + count].tolist(),
            values[place : place + count].tolist(),
            strict=True,
        ):
            at += step
            if weight:
                if at not in column_at:
                    raise ValueError(f"no weight reads byte {at} of a window")
                dense[row, column_at[at]] = weight
        place += int(count)
    if place != len(values) and (place, len(values)) != (0, 1):
        raise ValueError(f"{len(values)} weights, of which rows count {place}")
    numbers = RowNumbers(*(np.ascontiguousarray(table[:, i]) for i in range(3)))
    return dense.reshape(len(table), *taps.kernel, taps.channels), numbers
