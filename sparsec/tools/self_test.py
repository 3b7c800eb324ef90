# SPDX-License-Identifier: Apache-2.0
"""--self-test: the samples that a program carries, from files, and what they must give, from the interpreter."""

import argparse
from pathlib import Path

import numpy as np

from sparsec.backends.c.self_test import SelfTest
from sparsec.frontends import FrontendError, configured_image
from sparsec.frontends.numpy_files import Array, read_arrays
from sparsec.interpreters.run import interpret
from sparsec.ir.borders import converts_as_tflite
from sparsec.passes.calibrate import arrays_for, input_names, main_of
from sparsec.tools.compilation import Compilation
from sparsec.tools.errors import UserError
from sparsec.tools.inputs import as_bytes, fitted_input
from sparsec.tools.labels import check_labels
from sparsec.tools.semantics import input_shapes, input_types

LABELS = "labels"


def self_test_of(args: argparse.Namespace, compilation: Compilation) -> SelfTest | None:
    """What --self-test asks for. UserError where its file has no samples of the network."""
    file: str | None = getattr(args, "self_test", None)
    if file is None:
        return None
    network = compilation.quantized
    if network is None:
        raise UserError("--self-test compares with the int8 network: give a model, nn or qnn IR")
    configured = file.endswith((".yml", ".yaml"))
    arrays, labels = _from_configuration(args, file) if configured else _read(file)
    what = "image_class" if configured else LABELS
    shapes, types = input_shapes(network), input_types(network)
    if len(arrays) != len(shapes):
        raise UserError(
            f"--self-test: the model has {len(shapes)} inputs, {file} has {len(arrays)}"
        )
    given = arrays_for(arrays, input_names(main_of(network)), Path(file))
    known = compilation.inputs if len(compilation.inputs) == len(shapes) else [None] * len(shapes)
    inputs = [
        fitted_input(array, file, shape, scheme, converts_as_tflite(network), dtype)
        for array, shape, scheme, dtype in zip(given, shapes, known, types, strict=True)
    ]
    samples = {len(array) for array in inputs}
    if len(samples) != 1:
        raise UserError(f"--self-test: the arrays of {file} hold different numbers of samples")
    expected = interpret(network, inputs)
    if labels is not None:
        if expected[0].dtype != np.int8:
            raise UserError("--self-test: labels are about an int8 output, and the first is none")
        check_labels(labels, len(inputs[0]), int(expected[0][0].size), what=f"--self-test: {what}")
    return SelfTest(
        np.concatenate([as_bytes(array) for array in inputs], axis=1),
        np.concatenate([as_bytes(array) for array in expected], axis=1),
        None if labels is None else labels.astype(np.uint16),
    )


def _read(file: str) -> tuple[dict[str, Array], Array | None]:
    """Samples by name, and labels, of a file."""
    try:
        arrays = read_arrays(Path(file))
    except ValueError as error:
        raise UserError(f"cannot read {file}: {error}") from error
    labels = arrays.pop(LABELS, None)
    return arrays, labels


def _from_configuration(
    args: argparse.Namespace, file: str
) -> tuple[dict[str, Array], Array | None]:
    """The image and the class that config.yml names."""
    if not Path(args.model).is_dir():
        raise UserError(
            f"--self-test: {file} belongs to a folder of tensors, and {args.model} is none"
        )
    try:
        image, label = configured_image(Path(file))
    except FrontendError as error:
        raise UserError(str(error)) from error
    return {"image": image}, None if label is None else np.array([label])
