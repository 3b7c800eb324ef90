# SPDX-License-Identifier: Apache-2.0
"""What an attention on tensors and its call on buffers share: where heads lie, that they lie inside, and what its products take."""

from math import prod

from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.shapes import shape_of
from sparsec.quantization.attention import PROBABILITY_ZP, Attention, end_of, fills
from sparsec.quantization.matmul import MatmulParams


def verify_products(scores: MatmulParams, values: MatmulParams) -> None:
    """What is added is the mask's, and probabilities are those of softmax."""
    if scores.addend_factor or values.addend_factor:
        raise VerifyException("what an attention adds to its scores is in its mask")
    if values.lhs_zp != PROBABILITY_ZP:
        raise VerifyException(
            f"probabilities have zero point {PROBABILITY_ZP}, but values take {values.lhs_zp}"
        )


def verify_attention(
    a: Attention,
    query: Attribute,
    key: Attribute,
    value: Attribute,
    mask: Attribute | None,
    result: Attribute,
) -> None:
    """All rows lie in their tensors, and those of the result fill it."""
    for name, type, place, shape in (
        ("query", query, a.query, a.query_shape),
        ("key", key, a.key, a.key_shape),
        ("value", value, a.value, a.value_shape),
        ("result", result, a.result, a.result_shape),
    ):
        if end_of(place, shape) > prod(shape_of(type)):
            raise VerifyException(f"{name} reaches beyond {type}")
    if prod(shape_of(result)) != prod(a.result_shape):
        raise VerifyException(f"{result} does not have {prod(a.result_shape)} elements")
    if not fills(a.result, a.result_shape):
        raise VerifyException(f"results at {list(a.result)} lie over each other")
    if mask is None:
        return
    found = shape_of(mask)
    if len(found) != 4 or any(n not in (1, m) for n, m in zip(found, a.mask_shape, strict=True)):
        raise VerifyException(f"mask must broadcast to {list(a.mask_shape)}, got {mask}")
    if found[3] != a.keys:
        raise VerifyException(f"mask must have an element for each of {a.keys} keys, got {mask}")
