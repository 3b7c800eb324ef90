# SPDX-License-Identifier: Apache-2.0
"""From a `qnn` module to planned kernels, pass by pass."""

from collections.abc import Iterator
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.memref import MemRef
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.ir.cmsis import Cmsis
from sparsec.ir.nn import Nn
from sparsec.ir.qnn import Qnn
from sparsec.ir.rt import Rt
from sparsec.ir.sparse import Sparse
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass
from sparsec.targets.cmsis_nn import PACKAGED, Release

Choice = Literal["auto", "dense", "delta8"]
DIALECTS = (Builtin, Func, MemRef, Arith, Nn, Qnn, Sparse, Cmsis, Rt)


def parse(text: str) -> ModuleOp:
    """The verified module that `text` writes down."""
    context = Context()
    for dialect in DIALECTS:
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def stages(
    module: ModuleOp,
    target: str = "cortex-m4",
    format: Choice = "dense",
    release: Release = PACKAGED,
) -> Iterator[tuple[ModulePass, ModuleOp]]:
    """A copy of `module` after each pass, verified; the last one is ready for printing."""
    lowered = module.clone()
    for module_pass in (
        SelectSparseFormatsPass(target, format=format),
        ConvertQnnToKernelsPass(target, release),
        BufferizePass(),
        PlanMemoryPass(),
    ):
        module_pass.apply(Context(), lowered)
        lowered.verify()
        yield module_pass, lowered


def lower(
    module: ModuleOp,
    target: str = "cortex-m4",
    format: Choice = "dense",
    release: Release = PACKAGED,
) -> ModuleOp:
    """`module` as planned kernels."""
    *_, (_, lowered) = stages(module, target, format, release)
    return lowered
