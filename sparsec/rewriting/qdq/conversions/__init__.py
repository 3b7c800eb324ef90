# SPDX-License-Identifier: Apache-2.0
"""How each operation of `nn` becomes int8: one function and one entry of a table for each,
one file for each group of operations.

A multiplier is a ratio of scales in float64, split into mantissa and shift; a bias is rounded to
int32 at the scale input * weight.
"""

from sparsec.rewriting.qdq.conversions.activation import ACTIVATION
from sparsec.rewriting.qdq.conversions.boundary import BOUNDARY
from sparsec.rewriting.qdq.conversions.convolution import CONVOLUTION
from sparsec.rewriting.qdq.conversions.elementwise import ELEMENTWISE
from sparsec.rewriting.qdq.conversions.matmul import MATMUL
from sparsec.rewriting.qdq.conversions.movement import MOVEMENT
from sparsec.rewriting.qdq.conversions.normalize import NORMALIZE
from sparsec.rewriting.qdq.conversions.pool import POOL
from sparsec.rewriting.qdq.conversions.reduce import REDUCE
from sparsec.rewriting.qdq.conversions.resample import RESAMPLE
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.conversions.weighted import WEIGHTED

CONVERSIONS: Conversions = {
    **BOUNDARY,
    **WEIGHTED,
    **CONVOLUTION,
    **ACTIVATION,
    **MATMUL,
    **ELEMENTWISE,
    **NORMALIZE,
    **RESAMPLE,
    **POOL,
    **REDUCE,
    **MOVEMENT,
}
