# SPDX-License-Identifier: Apache-2.0
"""Every torch operation that can be imported: a new one is a function and one entry of its file's table.

An operator takes a Builder and a Call and gives what the call gives: a Tensor, a number, a list of
these, or None. A call of several results gives those that a model may use.
"""

from collections.abc import Mapping

from sparsec.frontends.operators.attention import ATTENTION
from sparsec.frontends.operators.borders import BORDERS
from sparsec.frontends.operators.composed import COMPOSED
from sparsec.frontends.operators.einsum import EINSUM
from sparsec.frontends.operators.elementwise import ELEMENTWISE
from sparsec.frontends.operators.masks import MASKS
from sparsec.frontends.operators.norms import NORMS
from sparsec.frontends.operators.parts import PARTS
from sparsec.frontends.operators.picking import PICKING
from sparsec.frontends.operators.pooling import POOLING
from sparsec.frontends.operators.quantization import QUANTIZATION
from sparsec.frontends.operators.reductions import REDUCTIONS
from sparsec.frontends.operators.resizing import RESIZING
from sparsec.frontends.operators.scalar import SCALAR
from sparsec.frontends.operators.shape import SHAPE
from sparsec.frontends.operators.shuffling import SHUFFLING
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.operators.weighted import WEIGHTED

OPERATORS: Mapping[str, Operator] = {
    **WEIGHTED,
    **ATTENTION,
    **EINSUM,
    **ELEMENTWISE,
    **COMPOSED,
    **MASKS,
    **NORMS,
    **POOLING,
    **REDUCTIONS,
    **SHAPE,
    **PARTS,
    **SHUFFLING,
    **PICKING,
    **BORDERS,
    **RESIZING,
    **QUANTIZATION,
    **SCALAR,
}
"""By the operation's name without its overload, and without the `_` of an operation in place."""
