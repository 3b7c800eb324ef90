# SPDX-License-Identifier: Apache-2.0
"""Values in the place of what could not be imported, so that what reads them is looked at too.

The one rule: a module with a stand-in is never given to anybody; a problem was noted before it.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from xdsl.ir import Block

from sparsec.frontends.call import Call
from sparsec.frontends.importer import MISSING
from sparsec.frontends.tensors import Activation, Parameter, as_in_torch
from sparsec.ir import nn


def stand_in(shape: Sequence[int]) -> Activation:
    """Some activation of a shape."""
    (value,) = Block(arg_types=[nn.float_type(shape)]).args
    return Activation(value, tuple(shape), as_in_torch(len(shape)))


def stand_ins(call: Call) -> object:
    """What stands in for the results of a call, whose shapes torch tells without computing them; else MISSING."""
    namespace, _, name = call.name.partition(".")
    if namespace != "aten":
        return MISSING
    values = {key: _shape_only(value) for key, value in call.arguments.items()}
    if any(value is MISSING for value in values.values()):
        return MISSING
    try:
        packet: Any = getattr(torch.ops.aten, name)
        with torch.no_grad():
            return _stand_in_for(packet(**values))
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError):
        return MISSING  # torch has its own reasons; the problem is noted already


def _shape_only(value: object) -> object:
    match value:
        case Activation(shape=shape):
            return torch.empty(shape, device="meta")
        case Parameter(array=array) if array.ndim == 0:
            return torch.tensor(array.item())
        case Parameter(array=array):
            dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
            return torch.empty(array.shape, dtype=dtype, device="meta")
        case list():
            items = [_shape_only(item) for item in cast(list[object], value)]
            return MISSING if any(item is MISSING for item in items) else items
        case None | bool() | int() | float() | str():
            return value
        case _:
            return MISSING


def _stand_in_for(result: object) -> object:
    if isinstance(result, list | tuple):
        return [_stand_in_for(item) for item in cast(Sequence[object], result)]
    if isinstance(result, torch.Tensor) and result.dtype == torch.float32:
        return stand_in(result.shape)
    return MISSING
