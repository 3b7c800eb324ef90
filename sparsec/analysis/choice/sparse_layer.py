"""A layer with weights as plain data, and the arrays that several of its kernels lay out. Each is computed once."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.analysis.values.weighted_layer import WeightedLayer, layer_values
from sparsec.formats import SparseFormat
from sparsec.formats.base import Components
from sparsec.formats.depthwise_rows import pack_depthwise, plane_for
from sparsec.formats.fc_layouts import RowNumbers
from sparsec.formats.packed_rows import pack_rows, slab_for
from sparsec.ir import qnn
from sparsec.quantization.int8 import fold_input_zero_point
from sparsec.quantization.window import Window
from sparsec.targets.stored import Stored, stored_packed

Kind: TypeAlias = Literal["conv2d", "depthwise_conv2d", "transpose_conv2d", "linear"]


@dataclass(frozen=True, eq=False)
class SparseLayer:
    """A layer with constant weights, and what several kernels need of it."""

    kind: Kind
    data: WeightedLayer
    _components: dict[SparseFormat, Components] = field(
        default_factory=dict[SparseFormat, Components], repr=False
    )

    @cached_property
    def matrix(self) -> NDArray[np.int8]:
        """int8 [rows, columns]: the weights as formats see them."""
        weights = self.data.weights
        return np.ascontiguousarray(weights.reshape(len(weights), -1))

    @property
    def kernel_size(self) -> tuple[int, int]:
        """(height, width) of the weights."""
        _, height, width, _ = self.data.weights.shape
        return height, width

    @property
    def window(self) -> Window:
        """How the weights slide."""
        return self.data.window

    @property
    def pixels(self) -> int:
        """Pixels of the output; rows of a linear layer."""
        height, width, _ = self.data.output_size
        return height * width

    @cached_property
    def numbers(self) -> RowNumbers:
        """Bias, with the input zero point folded in, multiplier and shift. ValueError if int32 is too small for it."""
        data = self.data
        bias = fold_input_zero_point(self.matrix, data.bias, data.requant.input_zp)
        return RowNumbers(bias, data.multiplier, data.shift)

    def components(self, encoding: SparseFormat) -> Components:
        """The weights as `encoding` stores them. ValueError where it cannot hold them."""
        if encoding not in self._components:
            self._components[encoding] = encoding.pack(self.matrix)
        return self._components[encoding]

    @cached_property
    def depthwise_rows(self) -> NDArray[np.int32]:
        """The stream of the depthwise kernel. ValueError where it has none."""
        data, numbers = self.data, self.numbers
        height, width, _ = data.output_size
        plane = plane_for(self.window, (height, width), self.kernel_size)
        weights = np.ascontiguousarray(np.moveaxis(data.weights[..., 0], 0, -1))
        arrays = (weights, numbers.bias, numbers.multiplier, numbers.shift)
        return pack_depthwise(*arrays, self.window, plane)

    @cached_property
    def packed_rows(self) -> NDArray[np.int32]:
        """The stream of the packed kernel. ValueError where it has none."""
        data, numbers = self.data, self.numbers
        height, width, _ = data.output_size
        slab = slab_for(self.window, (height, width), self.kernel_size, data.input_size[2])
        arrays = (data.weights, numbers.bias, numbers.multiplier, numbers.shift)
        return pack_rows(*arrays, self.window, slab)

    @cached_property
    def packed_stored(self) -> Stored:
        """What `packed_rows` holds. ValueError as it raises."""
        return stored_packed(self.packed_rows)


def sparse_layer(op: qnn.WeightedOp) -> SparseLayer | None:
    """`op` as plain data; None if one of its arrays is not constant."""
    kinds: dict[type[qnn.WeightedOp], Kind] = {
        qnn.Conv2dOp: "conv2d",
        qnn.DepthwiseConv2dOp: "depthwise_conv2d",
        qnn.TransposeConv2dOp: "transpose_conv2d",
        qnn.LinearOp: "linear",
    }
    data = layer_values(op)
    return None if data is None else SparseLayer(kinds[type(op)], data)
