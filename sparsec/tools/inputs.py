# SPDX-License-Identifier: Apache-2.0
"""Inputs of a network from files of arrays, as a device takes them."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sparsec.interpreters.signature import quantized
from sparsec.ir.shapes import sample_shape
from sparsec.quantization.scheme import Quantization
from sparsec.tools.arrays import read_array
from sparsec.tools.errors import UserError
from sparsec.tools.semantics import random_integers

Array: TypeAlias = np.ndarray[Any, Any]
INT8 = np.dtype(np.int8)


def read_inputs(
    files: Sequence[str] | None,
    shapes: Sequence[tuple[int, ...]],
    types: Sequence[np.dtype[Any]],
    quantizations: Sequence[Quantization],
    as_tflite: bool,
) -> list[Array]:
    """Arrays [N, ..] as the device takes them, one for each input. UserError for files that do not fit."""
    if files is None:
        random = np.random.default_rng(0)
        return [
            random_integers(random, (1, *sample_shape(shape)), dtype)
            for shape, dtype in zip(shapes, types, strict=True)
        ]
    if len(files) != len(shapes):
        raise UserError(f"the model has {len(shapes)} inputs, {len(files)} --input files given")
    known = quantizations if len(quantizations) == len(shapes) else [None] * len(shapes)
    arrays = [
        read_input(file, shape, scheme, as_tflite, dtype)
        for file, shape, scheme, dtype in zip(files, shapes, known, types, strict=True)
    ]
    if len({len(array) for array in arrays}) != 1:
        raise UserError("the --input files hold different numbers of samples")
    return arrays


def read_input(
    file: str,
    shape: tuple[int, ...],
    quantization: Quantization | None,
    as_tflite: bool,
    dtype: np.dtype[Any] = INT8,
) -> Array:
    """The samples of one .npy file as `dtype` [N, ..]."""
    return fitted_input(read_array(file), file, shape, quantization, as_tflite, dtype)


def fitted_input(
    array: Array,
    file: str,
    shape: tuple[int, ...],
    quantization: Quantization | None,
    as_tflite: bool,
    dtype: np.dtype[Any] = INT8,
) -> Array:
    """An array of a file as samples of `dtype` [N, ..], quantized where it holds real numbers. UserError."""
    samples = fitted_samples(array, file, shape, dtype)
    if samples.dtype == dtype:
        return samples
    if quantization is None:
        raise UserError(
            f"{file} is not int8, and the network does not say how its inputs are scaled"
        )
    return quantized([samples], [quantization], as_tflite)[0]


def read_samples(file: str, shape: tuple[int, ...], dtype: np.dtype[Any] = INT8) -> Array:
    """The samples of one .npy file as they are, int8 or float32 [N, ..]; for an input of other integers those.

    UserError if they do not fit.
    """
    return fitted_samples(read_array(file), file, shape, dtype)


def fitted_samples(
    samples: Array, file: str, shape: tuple[int, ...], dtype: np.dtype[Any] = INT8
) -> Array:
    """An array of a file as samples [N, ..], as `read_samples` has them."""
    one = sample_shape(shape)
    if samples.shape == one:
        samples = samples[np.newaxis]
    if samples.shape[1:] != one or not len(samples):
        expected = ", ".join(map(str, ("N", *one)))
        raise UserError(f"{file} has shape {list(samples.shape)}, the model takes [{expected}]")
    if takes_integers(dtype):
        taken = samples.astype(dtype) if samples.dtype.kind in "iu" else None
        if taken is None or not np.array_equal(taken, samples):
            raise UserError(f"{file} must hold {dtype} values, not {samples.dtype}")
        return taken
    if samples.dtype == np.int8:
        return samples
    if samples.dtype.kind != "f" or not np.isfinite(samples).all():
        raise UserError(f"{file} must hold finite float32 or int8 values, not {samples.dtype}")
    return samples.astype(np.float32)


def takes_integers(dtype: np.dtype[Any]) -> bool:
    """Whether an input of that type takes numbers that stand for themselves."""
    return dtype.name not in ("int8", "float32")


def as_bytes(array: Array) -> Array:
    """[N, bytes]: the bytes of N samples as a device keeps them."""
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.int8)
