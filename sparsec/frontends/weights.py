# SPDX-License-Identifier: Apache-2.0
"""The constants in an archive of torch.export.save, read as raw bytes.

The one rule: what torch would unpickle is read with `weights_only`, or refused; and no view may
reach outside its record.
"""

import json
from io import BytesIO
from typing import Any, TypeAlias, cast

import numpy as np

from sparsec.frontends.archive import Archive
from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tensors import Array

Json: TypeAlias = dict[str, Any]

_DTYPES: dict[int, str] = {
    **{1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8"},
    **{9: "c4", 10: "c8", 11: "c16", 12: "?", 28: "u2", 34: "u4", 35: "u8"},
}
"""numpy's type for each number of a dtype in the schema of torch.export, without byte order."""

_DTYPE_NAMES = {9: "complex32", 13: "bfloat16"}

BFLOAT16 = 13
FLOATS = {6, 7, 8, BFLOAT16}
"""The dtypes whose values are taken as float32, by their numbers in the schema."""


def dtype_name(code: object) -> str:
    """The name of a dtype of the schema."""
    if isinstance(code, int) and code in _DTYPES and code not in _DTYPE_NAMES:
        return np.dtype(_DTYPES[code]).name
    return _DTYPE_NAMES.get(cast(int, code), f"dtype number {code}")


def read_json(archive: Archive, name: str) -> Json:
    """A record as a JSON object. Raises FrontendError for anything else."""
    data = archive.read(name)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise FrontendError(f"'{name}' in the archive is not JSON: export the file again") from None
    if not isinstance(value, dict):
        raise FrontendError(f"'{name}' in the archive is not an object: export the file again")
    return cast(Json, value)


def read_constants(archive: Archive, folder: str, model: str) -> dict[str, Array]:
    """The tensors that `folder` (`data/weights/` or `data/constants/`) holds for `model`, floats as float32."""
    order = archive.read("byteorder") if "byteorder" in archive else b"little"
    config = read_json(archive, f"{folder}{model}_{folder.split('/')[1]}_config.json")
    arrays: dict[str, Array] = {}
    for name, meta in cast(dict[str, Json], config.get("config", {})).items():
        path = str(meta["path_name"])
        if path.startswith(("custom_obj_", "opaque_obj_")):
            raise FrontendError(
                f"constant '{name}' is a pickled object, and unpickling runs code of the file: "
                "export the model without custom objects"
            )
        if meta.get("use_pickle"):
            arrays[name] = _unpickled(archive.read(folder + path), name)
        else:
            arrays[name] = _raw(archive.read(folder + path), name, meta["tensor_meta"], order)
    return arrays


def float_types(archive: Archive, folder: str, model: str) -> set[int]:
    """The numbers of the float dtypes that the tensors of `read_constants` have in the file."""
    config = read_json(archive, f"{folder}{model}_{folder.split('/')[1]}_config.json")
    metas = cast(dict[str, Json], config.get("config", {})).values()
    return {meta["tensor_meta"]["dtype"] for meta in metas if "tensor_meta" in meta} & FLOATS


def as_float32(array: Array) -> Array:
    """Other floats as float32, what does not fit as infinity; anything else as it is."""
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _raw(data: bytes, name: str, meta: Json, byte_order: bytes) -> Array:
    code = meta["dtype"]
    if code != BFLOAT16 and (code not in _DTYPES or code in _DTYPE_NAMES):
        raise FrontendError(
            f"parameter '{name}' is {dtype_name(code)}, where float32 is needed: "
            "export the model after model.float()"
        )
    # The upper half of a float32 is a bfloat16.
    dtype = np.dtype("u2" if code == BFLOAT16 else _DTYPES[code]).newbyteorder(
        ">" if byte_order == b"big" else "<"
    )
    sizes = [int(size["as_int"]) for size in meta["sizes"]]
    strides = [int(stride["as_int"]) for stride in meta["strides"]]
    offset = int(meta["storage_offset"]["as_int"])
    if 0 in sizes:
        empty = np.zeros(sizes, dtype.newbyteorder("="))
        return as_float32(empty) if code != BFLOAT16 else empty.astype(np.float32)
    last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if min(offset, *sizes, *strides, 0) < 0 or (last + 1) * dtype.itemsize > len(data):
        raise FrontendError(f"parameter '{name}' reaches outside its data: export the file again")
    flat = np.frombuffer(data, dtype, count=len(data) // dtype.itemsize)[offset:]
    view = np.lib.stride_tricks.as_strided(flat, sizes, [s * dtype.itemsize for s in strides])
    # reshape, as numpy makes a vector of what has no axis
    array = np.ascontiguousarray(view, dtype.newbyteorder("=")).reshape(sizes)
    if code == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return as_float32(array)


def load_weights_only(data: bytes, what: str) -> object:
    """A record of torch.save, unless it would take more than tensors and containers to read it."""
    import torch

    try:
        return cast(object, torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    except Exception:
        # Whatever torch's reader makes of a hostile file, it is refused with this line.
        raise FrontendError(_needs_unpickling(what)) from None


def _needs_unpickling(what: str) -> str:
    return (
        f"{what} cannot be read without unpickling objects, which runs code of the file: "
        "export the model with plain tensors (of torchao: call unwrap_tensor_subclass(model) first)"
    )


def _unpickled(data: bytes, name: str) -> Array:
    import torch

    what = f"parameter '{name}'"
    tensor = load_weights_only(data, what)
    if isinstance(tensor, torch.Tensor) and type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        # Where a library that knows its own kinds of tensors was imported, torch reads them.
        raise FrontendError(_needs_unpickling(what))
    if not isinstance(tensor, torch.Tensor):
        raise FrontendError(f"parameter '{name}' is not a tensor: export the file again")
    return array_of_tensor(tensor, name)


def array_of_tensor(tensor: object, name: str) -> Array:
    """A tensor of torch as an array, floats as float32. Raises FrontendError for what numpy cannot hold."""
    import torch

    assert isinstance(tensor, torch.Tensor)
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    try:
        dense = tensor.to_dense() if tensor.layout != torch.strided else tensor
        return cast(Array, dense.detach().resolve_conj().contiguous().numpy())
    except (RuntimeError, TypeError):
        kind = str(tensor.dtype).removeprefix("torch.")
        raise FrontendError(
            f"'{name}' is {kind}, where float32 is needed: export the model after model.float()"
        ) from None
