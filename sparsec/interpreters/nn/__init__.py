# SPDX-License-Identifier: Apache-2.0
"""What the operations of `nn` mean. Every result is computed in float64, then rounded to float32.

The types say batch 1; the arrays may hold N samples along that first axis.


Between nn.quantize and nn.dequantize they are int8.
"""

from sparsec.interpreters.nn.activation import NnActivationFunctions
from sparsec.interpreters.nn.boundary import NnBoundaryFunctions
from sparsec.interpreters.nn.elementwise import NnElementwiseFunctions
from sparsec.interpreters.nn.matmul import NnMatmulFunctions
from sparsec.interpreters.nn.movement import NnMovementFunctions
from sparsec.interpreters.nn.normalize import NnNormalizeFunctions
from sparsec.interpreters.nn.pool import NnPoolFunctions
from sparsec.interpreters.nn.reduce import NnReduceFunctions
from sparsec.interpreters.nn.resample import NnResampleFunctions
from sparsec.interpreters.nn.weighted import NnWeightedFunctions

NN_FUNCTIONS = (
    NnWeightedFunctions,
    NnActivationFunctions,
    NnMatmulFunctions,
    NnElementwiseFunctions,
    NnPoolFunctions,
    NnNormalizeFunctions,
    NnResampleFunctions,
    NnReduceFunctions,
    NnMovementFunctions,
    NnBoundaryFunctions,
)
"""One class for each group of operations."""
