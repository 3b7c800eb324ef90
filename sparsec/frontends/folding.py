# SPDX-License-Identifier: Apache-2.0
"""Calls of which all tensors are constants, evaluated by torch itself as the model is imported.

The one rule: only operations of aten without side effects and without chance are run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch

from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.scalar import SCALAR
from sparsec.frontends.running import running
from sparsec.frontends.storage import PERHAPS_VIEWS, VIEWS
from sparsec.frontends.tensors import Activation, Parameter
from sparsec.frontends.weights import array_of_tensor

MOST_ELEMENTS = 1 << 26
"""More than any constant of a network for a microcontroller."""

MAKES = {
    *("zeros", "ones", "full", "eye", "arange", "linspace", "logspace", "scalar_tensor"),
    *("tril_indices", "triu_indices"),
}
"""Operations of aten that make a tensor from numbers."""

MAKES_LIKE = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""Operations of aten that make a tensor and ask another for no more than its shape."""

GIVES_NUMBERS = {"item", "_local_scalar_dense"}
"""Operations of aten that give no tensor, and need the value of what they take."""

NOT_EVALUATED = {"set", "resize", "resize_as"}
"""Operations of aten that change where or how a tensor is kept."""

NOT_PASSED = {"out", "device", "layout", "pin_memory", "memory_format", "requires_grad"}
"""Arguments that say where and how torch keeps what it computes."""

TYPES: Mapping[int, torch.dtype] = {
    **{0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64},
    **{5: torch.float16, 6: torch.float32, 7: torch.float64, 11: torch.bool, 15: torch.bfloat16},
}
"""torch's numbers of types."""


def is_constant(call: Call, name: str) -> bool:
    """Whether `call` of the operation `name` can be evaluated: it reads constants and no activation."""
    namespace, _, operation = name.partition(".")
    if namespace != "aten" or name in SCALAR or operation in NOT_EVALUATED:
        return False
    if operation in MAKES_LIKE:
        return True
    found = list(_tensors(call.arguments.values()))
    constants = [value for value in found if isinstance(value, Parameter)]
    if len(constants) < len(found):
        return False
    if any(value.quantization is not None for value in constants):
        # What only moves them keeps their scales, and is left to the operator.
        return operation not in VIEWS and operation not in PERHAPS_VIEWS
    return operation in MAKES or (bool(found) and _is_pure(operation))


def evaluated(call: Call, name: str) -> object:
    """What torch gives for a call that `is_constant`: Parameters, numbers, or a list of these.

    Raises UnsupportedError if torch does not compute it.
    """
    operation = name.partition(".")[2]
    packet: Any = getattr(torch.ops.aten, operation)
    arguments = {
        key: TYPES.get(value, value) if key == "dtype" and isinstance(value, int) else value
        for key, value in call.arguments.items()
        if key not in NOT_PASSED
    }
    names = [v.name for v in _tensors(call.arguments.values()) if isinstance(v, Parameter)]

    def run(device: str) -> object:
        made = {"device": device} if operation in MAKES else {}
        return packet(**{key: _on(value, device) for key, value in arguments.items()}, **made)

    try:
        with running():
            if operation not in GIVES_NUMBERS:
                _check_size(run("meta"))
            result = run("cpu")
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(f"torch does not evaluate it: {line}") from error
    return _imported(result, names[0] if names else call.place.layer)


def _is_pure(operation: str) -> bool:
    """Whether torch has an operation, and it neither writes into what it takes nor asks for chance."""
    packet: Any = getattr(torch.ops.aten, operation, None)
    kind: type = torch._ops.OpOverloadPacket  # pyright: ignore[reportPrivateUsage]
    if not isinstance(cast(object, packet), kind):
        return False
    overloads: list[Any] = [getattr(packet, name) for name in packet.overloads()]
    return not any(
        torch.Tag.nondeterministic_seeded in overload.tags or _writes_a_tensor(overload._schema)
        for overload in overloads
    )


def _writes_a_tensor(schema: Any) -> bool:
    """Whether an overload writes into a tensor that is no `out`; those for lists are TorchScript's own."""
    return any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and not argument.is_out
        and str(argument.type) in ("Tensor", "Optional[Tensor]")
        for argument in schema.arguments
    )


def _tensors(values: Iterable[object]) -> Iterator[Activation | Parameter]:
    for value in values:
        if isinstance(value, Activation | Parameter):
            yield value
        elif isinstance(value, list):
            yield from _tensors(cast(list[object], value))


def _on(value: object, device: str) -> object:
    """An argument as torch takes it; on the device `meta` tensors are no more than a shape and a type."""
    match value:
        case Activation(shape=shape):
            return torch.zeros(shape, device=device)
        case Parameter():
            tensor = torch.tensor(value.values())
            return tensor.to(device) if tensor.ndim else tensor
        case list():
            return [_on(item, device) for item in cast(list[object], value)]
        case _:
            return value


def _check_size(result: object) -> None:
    """Raises ValueError for what no microcontroller could keep, before it is computed."""
    if isinstance(result, torch.Tensor) and result.numel() > MOST_ELEMENTS:
        raise ValueError(f"its result would have {result.numel():,} elements")
    if isinstance(result, list | tuple):
        for item in cast(Sequence[object], result):
            _check_size(item)


def _imported(result: object, name: str) -> object:
    if isinstance(result, torch.Tensor):
        return Parameter(name, array_of_tensor(result.clone(), name))
    if isinstance(result, list | tuple):
        return [_imported(item, name) for item in cast(Sequence[object], result)]
    return result
