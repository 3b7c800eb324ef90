# SPDX-License-Identifier: Apache-2.0
"""What the constants of every level share: a dense value and the name it had in the model."""

from abc import ABC
from typing import Any, ClassVar

import numpy as np
from xdsl.dialects.builtin import (
    AnyFloat,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    IntegerType,
    Signedness,
    StringAttr,
    TensorType,
    f32,
    i8,
    i16,
    i32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    ParamAttrConstraint,
    VarConstraint,
    base,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from sparsec.quantization.requantize import check_shifts

ui8 = IntegerType(8, Signedness.UNSIGNED)
ui16 = IntegerType(16, Signedness.UNSIGNED)
ui32 = IntegerType(32, Signedness.UNSIGNED)

_NUMPY_TYPES: dict[AnyFloat | IntegerType, np.dtype[Any]] = {
    f32: np.dtype(np.float32),
    i8: np.dtype(np.int8),
    i16: np.dtype(np.int16),
    i32: np.dtype(np.int32),
    ui8: np.dtype(np.uint8),
    ui16: np.dtype(np.uint16),
    ui32: np.dtype(np.uint32),
}


def numpy_type(element_type: Attribute) -> np.dtype[Any]:
    """The numpy type of an element type. Raises ValueError for one that no level uses."""
    for known, numpy in _NUMPY_TYPES.items():
        if known == element_type:
            return numpy
    raise ValueError(f"tensors of {element_type} are not supported")


def element_type_of(dtype: np.dtype[Any]) -> AnyFloat | IntegerType:
    """The element type of a numpy type. Raises ValueError for one that no level uses."""
    for element_type, numpy in _NUMPY_TYPES.items():
        if numpy == dtype:
            return element_type
    raise ValueError(f"arrays of {dtype} are not supported")


def dense_attribute(
    array: np.ndarray[Any, Any], encoding: Attribute | None = None
) -> DenseIntOrFPElementsAttr[Any]:
    """`array` as an attribute of tensor type, without a Python loop over its elements."""
    element_type = element_type_of(array.dtype)
    if encoding is None:
        type = TensorType(element_type, array.shape)
    else:
        type = TensorType(element_type, array.shape, encoding)
    return DenseIntOrFPElementsAttr(type, BytesAttr(np.ascontiguousarray(array).tobytes()))


def array_of(value: DenseIntOrFPElementsAttr[Any]) -> np.ndarray[Any, Any]:
    """The array a dense attribute holds (read-only)."""
    dtype = numpy_type(value.get_element_type())
    array = np.frombuffer(value.data.data, dtype)
    shape = value.get_shape()
    if array.size == 1:  # a splat, `dense<0>`, stores one element
        return np.broadcast_to(array.reshape(()), shape)
    return array.reshape(shape)


class DenseConstantOp(IRDLOperation, ABC):
    """A constant tensor; `label` is the name of the parameter it came from."""

    T: ClassVar = VarConstraint("T", base(TensorType))

    value = prop_def(ParamAttrConstraint(DenseIntOrFPElementsAttr, (T, AnyAttr())))
    label = opt_prop_def(StringAttr)
    result = result_def(T)

    assembly_format = "(`named` $label^)? $value attr-dict"

    traits = traits_def(Pure(), ConstantLike())

    def __init__(
        self,
        value: np.ndarray[Any, Any] | DenseIntOrFPElementsAttr[Any],
        label: str | StringAttr | None = None,
    ):
        if isinstance(value, np.ndarray):
            value = dense_attribute(value)
        if isinstance(label, str):
            label = StringAttr(label)
        super().__init__(properties={"value": value, "label": label}, result_types=[value.type])

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The value as an array (read-only)."""
        return array_of(self.value)

    @property
    def name_in_model(self) -> str | None:
        """`label` as a string."""
        return None if self.label is None else self.label.data


def constant_array(value: SSAValue) -> np.ndarray[Any, Any] | None:
    """The array behind `value` if a constant defines it, else None."""
    return value.owner.array if isinstance(value.owner, DenseConstantOp) else None


def verify_shifts(value: SSAValue) -> None:
    """Raises VerifyException for a constant with a shift of a requantization that int32 does not have."""
    array = constant_array(value)
    if array is not None:
        try:
            check_shifts(array)
        except ValueError as error:
            raise VerifyException(str(error)) from error
