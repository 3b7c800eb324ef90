"""`--verify-semantics`: interpret the module before and after each pass and compare.

From `qnn` on every output byte must stay the same. Between float levels rounding may differ by a
small part of the largest output. Passes that change what is computed (`quantize`, `fold-qdq`) are
reported with the difference they make.
"""

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized, entry_quantizations, quantized
from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]

FLOAT_TOLERANCE = 1e-4
"""Largest difference between float levels, as a part of the largest output."""


class SemanticsError(Exception):
    """A pass changed what the network computes."""


class SemanticsCheck:
    """Compares the outputs of a module on `inputs`, float arrays [1, ..], from pass to pass."""

    def __init__(self, inputs: Sequence[Array]):
        self.inputs = inputs
        self.reference: list[Array] | None = None
        self.quantizations: tuple[list[Quantization], list[Quantization]] = ([], [])

    def outputs(self, module: ModuleOp) -> list[Array]:
        """What `module` gives: int8 arrays if it is quantized, else float ones."""
        found = entry_quantizations(module)
        if found[0]:  # kernels in planned memory no longer say it
            self.quantizations = found
        if not self.quantizations[0]:
            return interpret(module, self.inputs)
        return interpret(module, quantized(self.inputs, self.quantizations[0]))

    def callback(
        self, previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        """Called with the pass that ran; raises SemanticsError if it broke the network."""
        outputs = self.outputs(module)
        if self.reference is not None and previous is not None:
            self.compare(previous.name, self.reference, outputs)
        self.reference = outputs

    def compare(self, name: str, before: Sequence[Array], after: Sequence[Array]) -> None:
        """Raises SemanticsError unless pass `name` kept the outputs."""
        for index, (x, y) in enumerate(zip(before, after, strict=True)):
            if x.dtype == np.int8:
                wrong = int(np.count_nonzero(x.reshape(-1) != y.reshape(-1)))
                if wrong:
                    raise SemanticsError(
                        f"pass {name} changed {wrong} of {x.size} bytes of output {index}"
                    )
                continue
            if y.dtype == np.int8:
                y = dequantized([y], [self.quantizations[1][index]])[0]
            difference = float(np.abs(x - y).max(initial=0.0))
            scale = float(np.abs(x).max(initial=0.0))
            if name in ("quantize", "fold-qdq"):
                print(
                    f"verify-semantics: {name} changed output {index} by at most "
                    f"{difference:.3g} (largest value {scale:.3g})",
                    file=sys.stderr,
                )
            elif not difference <= FLOAT_TOLERANCE * max(scale, 1e-6):
                raise SemanticsError(
                    f"pass {name} changed output {index} by {difference:.3g}, "
                    f"the largest value is {scale:.3g}"
                )


def random_inputs(module: ModuleOp, seed: int = 0) -> list[Array]:
    """Normally distributed float inputs for the entry of `module`, the same for the same seed."""
    random = np.random.default_rng(seed)
    main = next(op for op in module.ops if isinstance(op, func.FuncOp))
    return [
        random.standard_normal(type.get_shape()).astype(np.float32)  # pyright: ignore
        for type in main.function_type.inputs
    ]
