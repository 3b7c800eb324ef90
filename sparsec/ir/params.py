# SPDX-License-Identifier: Apache-2.0
"""The numbers of int8 operators as attributes."""

from typing import ClassVar

from xdsl.irdl import irdl_attr_definition

from sparsec.ir.record import RecordAttr
from sparsec.quantization.attention import Attention
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.normalization import NormalizeParams
from sparsec.quantization.params import (
    AddParams,
    MulParams,
    PreluParams,
    Requant,
    Rescale,
    SoftmaxParams,
)


@irdl_attr_definition
class RequantAttr(RecordAttr[Requant]):
    """`#qnn.requant<input_zp = -128, output_zp = 3, clamp = [0, 127]>`."""

    name = "qnn.requant"
    RECORD: ClassVar = Requant


@irdl_attr_definition
class RescaleAttr(RecordAttr[Rescale]):
    """`#qnn.rescale<input_zp = 1, multiplier = 1073741824, shift = 1, output_zp = 2>`."""

    name = "qnn.rescale"
    RECORD: ClassVar = Rescale


@irdl_attr_definition
class AddParamsAttr(RecordAttr[AddParams]):
    """`#qnn.add_params<input1_zp = .., input1_multiplier = .., ..>`."""

    name = "qnn.add_params"
    RECORD: ClassVar = AddParams


@irdl_attr_definition
class SoftmaxParamsAttr(RecordAttr[SoftmaxParams]):
    """`#qnn.softmax_params<multiplier = 1717986918, shift = 23, diff_min = -248>`."""

    name = "qnn.softmax_params"
    RECORD: ClassVar = SoftmaxParams


@irdl_attr_definition
class MulParamsAttr(RecordAttr[MulParams]):
    """`#qnn.mul_params<input1_zp = .., input2_zp = .., multiplier = .., ..>`."""

    name = "qnn.mul_params"
    RECORD: ClassVar = MulParams


@irdl_attr_definition
class MatmulParamsAttr(RecordAttr[MatmulParams]):
    """`#qnn.matmul_params<lhs_zp = .., rhs_zp = .., multiplier = .., ..>`."""

    name = "qnn.matmul_params"
    RECORD: ClassVar = MatmulParams


@irdl_attr_definition
class AttentionAttr(RecordAttr[Attention]):
    """`#qnn.attention<outer = 1, heads = 2, queries = 9, .., query = [0, 0, 8, 48], ..>`."""

    name = "qnn.attention"
    RECORD: ClassVar = Attention


@irdl_attr_definition
class PreluParamsAttr(RecordAttr[PreluParams]):
    """`#qnn.prelu_params<input_zp = .., alpha_zp = .., multiplier = .., ..>`."""

    name = "qnn.prelu_params"
    RECORD: ClassVar = PreluParams


@irdl_attr_definition
class NormalizeParamsAttr(RecordAttr[NormalizeParams]):
    """`#qnn.normalize_params<input_zp = .., groups = 2, epsilon = 41>`."""

    name = "qnn.normalize_params"
    RECORD: ClassVar = NormalizeParams
