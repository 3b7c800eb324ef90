# SPDX-License-Identifier: Apache-2.0
"""From a file of TensorFlow Lite to a module of `qnn`.

The one rule: a model is not refused at its first unsupported operator, but with the list of all.
"""

from collections import defaultdict

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from sparsec.frontends.errors import FrontendError, UnsupportedError, UnsupportedModelError
from sparsec.frontends.tflite.builder import Builder, UnavailableError
from sparsec.frontends.tflite.island_folding import fold_islands
from sparsec.frontends.tflite.islands import MOVERS
from sparsec.frontends.tflite.model import ABSENT, Model, Operator, Tensor
from sparsec.frontends.tflite.operators import OPERATORS
from sparsec.frontends.tflite.reader import read_model
from sparsec.ir.borders import mark_as_tflite
from sparsec.quantization.scheme import Quantization

_SPARE_BYTES = 1 << 24
"""Bytes of constants a network may have beyond a few times the size of its file."""

_LISTED = 50
"""Unsupported operators that are listed; one more line tells how many more there are."""


def import_tflite(content: bytes) -> ModuleOp:
    """The int8 network in `content`, whose `main` takes and gives int8, NHWC.

    Inputs and outputs in float32 are left out together with the QUANTIZE and DEQUANTIZE next to
    them: the int8 tensors are the entry. Raises FrontendError.
    """
    model = read_model(content)
    for tensor in model.tensors:
        if tensor.is_variable:
            raise FrontendError(
                f"{tensor.title} is a variable: models with state are not supported"
            )
    module = _Importer(fold_islands(model), _SPARE_BYTES + 4 * len(content)).run()
    mark_as_tflite(module)
    return module


class _Importer:
    """The state of an import."""

    def __init__(self, model: Model, constant_bytes: int):
        self.model = model
        self.builder = Builder(model, constant_bytes)
        self.readers: dict[int, list[Operator]] = defaultdict(list)
        self.makers: dict[int, list[Operator]] = defaultdict(list)
        for operator in model.operators:
            for index in dict.fromkeys(operator.inputs):
                self.readers[index].append(operator)
            for index in dict.fromkeys(operator.outputs):
                self.makers[index].append(operator)
        self.problems: list[str] = []
        self.borders: set[int] = set()
        """Operators at the borders that are left out."""
        self.floats: set[int] = set()
        """What the operators of a float island give that could not be folded."""

    def run(self) -> ModuleOp:
        inputs = [self.entry(self.model.tensors[index]) for index in self.model.inputs]
        outputs = [self.exit(self.model.tensors[index]) for index in self.model.outputs]
        for operator in self.model.operators:
            if operator.index not in self.borders:
                self.operator(operator)
        self.check()
        results = [self.result(tensor) for tensor in outputs]
        return self.builder.module(
            inputs, results, [_quantization(tensor, "output") for tensor in outputs]
        )

    def entry(self, tensor: Tensor) -> Quantization:
        """Make an argument of an input; of a float32 one, what its QUANTIZE gives."""
        if tensor.data is not None or tensor.index in self.builder.values:
            raise FrontendError(
                f"input {tensor.title} is constant or given twice: convert it again"
            )
        readers = self.readers[tensor.index]
        if tensor.dtype != "FLOAT32" or not readers:
            quantization = _quantization(tensor, "input")
            self.builder.argument(tensor, quantization)
            return quantization
        targets = [
            self.model.tensors[op.outputs[0]]
            for op in readers
            if op.name == "QUANTIZE" and len(op.outputs) == 1
        ]
        if len(targets) != len(readers):
            raise FrontendError(
                f"input {tensor.title} is float32 and not quantized by the model: "
                "convert the model with full integer quantization"
            )
        first = targets[0]
        quantization = _quantization(first, "input")
        if any(t.quantization != quantization or t.shape != tensor.shape for t in targets):
            raise FrontendError(f"input {tensor.title} is quantized in more than one way")
        self.builder.argument(first, quantization)
        for target in targets[1:]:
            self.builder.define(target, self.builder.values[first.index])
        self.borders |= {op.index for op in readers}
        return quantization

    def exit(self, tensor: Tensor) -> Tensor:
        """The int8 tensor that is an output, or that is given as one in float32."""
        if tensor.dtype != "FLOAT32":
            return tensor
        makers, readers = self.makers[tensor.index], self.readers[tensor.index]
        if len(makers) != 1 or makers[0].name != "DEQUANTIZE" or len(makers[0].inputs) != 1:
            raise FrontendError(
                f"output {tensor.title} is float32 and not dequantized from int8: "
                "convert the model with full integer quantization"
            )
        source = makers[0].inputs[0]
        if readers or source < 0 or self.model.tensors[source].shape != tensor.shape:
            raise FrontendError(
                f"output {tensor.title} in float32 is not at the end of the network"
            )
        self.borders.add(makers[0].index)
        return self.model.tensors[source]

    def operator(self, operator: Operator) -> None:
        """Import one operator, or note why it cannot be."""
        if self.is_island(operator):
            lost = self.builder.unavailable
            (self.floats if lost.isdisjoint(operator.inputs) else lost).update(operator.outputs)
            return
        try:
            if operator.name not in OPERATORS:
                raise UnsupportedError("")
            if any(len(self.makers[index]) > 1 for index in operator.outputs):
                raise UnsupportedError("another operator computes its result as well")
            self.check_floats(operator)
            self.builder.enter(operator)
            OPERATORS[operator.name](self.builder, operator)
            return
        except FrontendError:
            raise
        except UnavailableError:
            pass
        except ValueError as error:
            self.problems.append(self.described(operator, str(error)))
        self.builder.unavailable |= {i for i in operator.outputs if i not in self.builder.values}

    def is_float(self, index: int) -> bool:
        """Whether an index is that of a tensor in float32."""
        return index != ABSENT and self.model.tensors[index].dtype == "FLOAT32"

    def is_island(self, operator: Operator) -> bool:
        """Whether `operator` dequantizes or moves float values; what reads these is refused."""
        if not operator.outputs or not all(map(self.is_float, operator.outputs)):
            return False
        if operator.name == "DEQUANTIZE":
            return True
        known = self.floats, self.builder.unavailable
        return operator.name in MOVERS and any(
            not tensors.isdisjoint(operator.inputs) for tensors in known
        )

    def check_floats(self, operator: Operator) -> None:
        """Raise for what reads float32 inside of the network; a QUANTIZE behind it is not to blame."""
        for index in operator.inputs:
            lost = index in self.builder.unavailable
            if index not in self.floats and not (lost and self.is_float(index)):
                continue
            if lost and operator.name == "QUANTIZE":
                raise UnavailableError
            title = self.model.tensors[index].title
            raise UnsupportedError(f"it computes with {title} in float32")

    def described(self, operator: Operator, reason: str) -> str:
        outputs = [self.model.tensors[index] for index in operator.outputs if index >= 0]
        where = f" at {outputs[0].title}" if outputs else ""
        return f"{operator.name}{where} (operator {operator.index})" + (
            f": {reason}" if reason else ""
        )

    def check(self) -> None:
        """Raise UnsupportedModelError with all problems if there are any."""
        if self.problems:
            raise UnsupportedModelError("operator", self.problems, _LISTED)

    def result(self, tensor: Tensor) -> SSAValue:
        """What an operator computes, an input or a constant."""
        value = self.builder.values.get(tensor.index)
        if value is not None:
            return value
        if tensor.data is None:
            raise FrontendError(f"output {tensor.title} is not computed by an operator")
        return self.builder.constant_of(tensor)


def _quantization(tensor: Tensor, what: str) -> Quantization:
    try:
        return tensor.quantization
    except UnsupportedError as error:
        raise FrontendError(f"the {what} of the network: {error}") from None
