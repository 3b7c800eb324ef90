# SPDX-License-Identifier: Apache-2.0
"""`calibrate`: run the float network on real data and note the range of every value.

    %y = nn.linear ..        becomes        %y = nn.linear .. {nn.range = array<f64: -1.5, 3.25>}

The ranges are what `quantize` works from. Arguments carry theirs in the function's `arg_attrs`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i8
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from sparsec import frontends
from sparsec.analysis.values.ranges import set_range
from sparsec.frontends import numpy_files
from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import main_function
from sparsec.ir import nn
from sparsec.ir.constant import numpy_type
from sparsec.ir.layer import layer_of
from sparsec.ir.level import is_float
from sparsec.ir.shapes import element_type, shape_of
from sparsec.quantization.observers import MinMaxObserver, MseObserver, PercentileObserver
from sparsec.rewriting.constants import check_constants

Array: TypeAlias = np.ndarray[Any, Any]

_CHUNK_VALUES = 1 << 25
"""About how many float32 values one run of the interpreter may hold: 128 MiB."""

_MOST_SAMPLES = 32


class Observer(Protocol):
    """What sees values and answers with their range."""

    def update(self, values: Array) -> None: ...
    def range(self) -> tuple[float, float]: ...


ObserverFactory: TypeAlias = Callable[[], Observer]


def main_of(module: ModuleOp) -> FuncOp:
    """The function `main`. PassFailedException if there is none."""
    try:
        return main_function(module)
    except ValueError as error:
        raise PassFailedException(str(error)) from error


def input_names(function: FuncOp) -> list[str]:
    """A name for each argument: that of the IR, else `arr_0`, `arr_1`, .. as numpy says."""
    return [arg.name_hint or f"arr_{i}" for i, arg in enumerate(function.args)]


def read_arrays(path: Path, names: Sequence[str]) -> list[Array]:
    """One array for each of `names` from a .npy or .npz file.

    An .npz is read by the names, else as `arr_0`, `arr_1`, .., else in its own order when it
    holds just as many arrays. Raises PassFailedException where that fails.
    """
    try:
        arrays = numpy_files.read_arrays(path)
    except ValueError as error:
        raise PassFailedException(f"cannot read calibration data from {path}: {error}") from error
    return arrays_for(arrays, names, path)


def arrays_for(arrays: Mapping[str, Array], names: Sequence[str], path: Path) -> list[Array]:
    """Those of `arrays`, of the file `path`, that `read_arrays` would give."""
    for wanted in (names, [f"arr_{i}" for i in range(len(names))]):
        if all(name in arrays for name in wanted):
            return [arrays[name] for name in wanted]
    if len(arrays) != len(names):
        found = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise PassFailedException(
            f"{path} holds the arrays {found or 'none'}, but the network takes "
            f"{len(names)}: name them {', '.join(names)}"
        )
    return list(arrays.values())


def read_inputs(path: Path, names: Sequence[str], layout: Literal["nchw", "nhwc"]) -> list[Array]:
    """The arrays of a .npy or .npz file, else the example inputs of a model file.

    Raises PassFailedException when there are none.
    """
    if path.suffix in (".npy", ".npz"):
        return read_arrays(path, names)
    try:
        return frontends.example_inputs(path, input_layout=layout)
    except frontends.FrontendError as error:
        raise PassFailedException(
            f"{error}; calibration data is a .npy or .npz file, or a model with example inputs"
        ) from error


def check_inputs(function: FuncOp, inputs: Sequence[Array]) -> list[Array]:
    """`inputs` as each argument takes them, [N, ..] for one of type 1x... PassFailedException else.

    For an int8 argument they are the real numbers that it stands for.
    """
    names = input_names(function)
    if len(inputs) != len(names):
        raise PassFailedException(
            f"the network takes {len(names)} inputs, the calibration data has {len(inputs)}"
        )
    checked: list[Array] = []
    for name, argument, array in zip(names, function.args, inputs, strict=True):
        shape = shape_of(argument.type)
        if shape[:1] != (1,):
            raise PassFailedException(f"input {name} has no batch axis of 1: {argument.type}")
        if array.ndim == 0 or array.shape[1:] != shape[1:] or array.size == 0:
            expected = ", ".join(["N", *map(str, shape[1:])])
            raise PassFailedException(
                f"calibration data for input {name} must have shape [{expected}], "
                f"got {list(array.shape)}"
            )
        if array.dtype.kind not in "fiub":
            raise PassFailedException(
                f"calibration data for input {name} must be numbers, got {array.dtype}"
            )
        if not np.all(np.isfinite(array)):
            raise PassFailedException(f"calibration data for input {name} has NaN or infinity")
        element = element_type(argument.type)
        checked.append(as_taken(name, array, numpy_type(f32 if element == i8 else element)))
    if len({len(array) for array in checked}) > 1:
        raise PassFailedException(
            f"calibration data must have as many samples for each input, "
            f"got {[len(array) for array in checked]}"
        )
    return checked


def as_taken(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers for the input `name` in the type that it takes. PassFailedException where they do not fit."""
    taken = array.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(taken, array):
        raise PassFailedException(
            f"input {name} takes {dtype} numbers, and the calibration data has others"
        )
    return taken


def is_observed(value: SSAValue) -> bool:
    """Whether calibration notes a range for `value`: a float tensor that is not a constant."""
    if isinstance(value.owner, nn.ConstantOp | nn.DequantizeOp):
        return False
    return value.type == TensorType(f32, shape_of(value.type))


def samples_in_memory(function: FuncOp) -> int:
    """Of how many samples all values may be held at once."""
    total = sum(prod(shape_of(result.type)) for op in function.body.walk() for result in op.results)
    return max(1, min(_MOST_SAMPLES, _CHUNK_VALUES // max(1, total)))


def samples_at_once(function: FuncOp) -> int:
    """How many samples the interpreter takes in one run: 1 unless axis 0 is always the batch."""
    for op in function.body.walk():
        for result in op.results:
            is_constant = isinstance(op, nn.ConstantOp | nn.DequantizeOp)
            if not is_constant and shape_of(result.type)[:1] != (1,):
                return 1
        if isinstance(op, nn.TransposeOp) and op.permutation.get_values()[0] != 0:
            return 1
        if isinstance(op, nn.ConcatOp) and op.axis.value.data == 0:
            return 1
    return samples_in_memory(function)


def observations(
    module: ModuleOp, inputs: Sequence[Array], observer: ObserverFactory
) -> dict[SSAValue, Observer]:
    """Every float value of `main` of `module`, with what an observer of its own saw on `inputs`.

    `inputs` has one array for each argument, [N, ..]. Raises PassFailedException, one sentence,
    if they do not fit, or if a weight or a value of the network is not finite.
    """
    function = main_of(module)
    checked = check_inputs(function, inputs)
    check_constants(module)
    observers: dict[SSAValue, Observer] = {}

    def observe(value: SSAValue, array: Array) -> None:
        try:
            observers.setdefault(value, observer()).update(array)
        except ValueError as error:
            layer = layer_of(value.owner) if isinstance(value.owner, Operation) else "the input"
            raise PassFailedException(f"{layer}: {error}") from error

    def listen(op: Operation, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            if is_observed(value):
                observe(value, array)

    for chunk in chunks(checked, samples_at_once(function)):
        for argument, array in zip(function.args, chunk, strict=True):
            if is_observed(argument):
                observe(argument, array)
        with np.errstate(over="ignore", invalid="ignore"):
            interpret(module, chunk, listener=listen)
    return observers


def calibrate(module: ModuleOp, inputs: Sequence[Array], observer: ObserverFactory) -> None:
    """Note the range of every float value of `main` of `module` on `inputs`. Raises what `observations` does."""
    for value, seen in observations(module, inputs, observer).items():
        set_range(value, seen.range())


def all_inputs(
    module: ModuleOp, pass_name: str, file: str, layout: Literal["nchw", "nhwc"]
) -> list[Array]:
    """The inputs in `file` for `main` of `module`. PassFailedException if there are none."""
    if not file:
        raise PassFailedException(f"{pass_name} needs data: {pass_name}{{file=inputs.npz}}")
    main = main_of(module)
    return check_inputs(main, read_inputs(Path(file), input_names(main), layout))


def first_inputs(
    module: ModuleOp, pass_name: str, file: str, layout: Literal["nchw", "nhwc"]
) -> list[Array]:
    """As many of them as memory holds all values of."""
    inputs = all_inputs(module, pass_name, file, layout)
    return [array[: samples_in_memory(main_of(module))] for array in inputs]


def chunks(inputs: Sequence[Array], size: int) -> Iterator[list[Array]]:
    """`inputs`, `size` samples at a time."""
    for start in range(0, max(map(len, inputs), default=0), size):
        yield [array[start : start + size] for array in inputs]


def outputs_of(module: ModuleOp, inputs: Sequence[Array]) -> list[Array]:
    """What `module` gives for all samples, [N, ..] for each output."""
    parts = [interpret(module, run) for run in chunks(inputs, samples_at_once(main_of(module)))]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def make_observer(
    kind: Literal["min-max", "percentile", "mse"], percentile: float
) -> ObserverFactory:
    """How to build an observer. PassFailedException if the percentile is out of range."""
    if kind == "min-max":
        return MinMaxObserver
    if kind == "mse":
        return MseObserver
    try:
        PercentileObserver(percentile)
    except ValueError as error:
        raise PassFailedException(str(error)) from error
    return partial(PercentileObserver, percentile)


@dataclass(frozen=True)
class CalibratePass(ModulePass):
    """Calibrates with the arrays of a .npy or .npz file, or the example inputs of a model file.

    Arrays are [N, ..] in the layout that `main` takes; `input_layout` says which one that is where
    a model file is read.
    """

    name = "calibrate"

    file: str = ""
    observer: Literal["min-max", "percentile", "mse"] = "min-max"
    percentile: float | int = 99.99
    input_layout: Literal["nchw", "nhwc"] = "nchw"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not is_float(op):
            return
        observer = make_observer(self.observer, self.percentile)
        calibrate(op, all_inputs(op, self.name, self.file, self.input_layout), observer)
