"""The table of every dialect and pass. The only file that knows them all."""

from collections.abc import Callable
from typing import TypeVar

from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from sparsec.backends.cortex_m.convert_qnn_to_kernels import ConvertQnnToKernelsPass
from sparsec.ir.cmsis import Cmsis
from sparsec.ir.nn import Nn
from sparsec.ir.qnn import Qnn
from sparsec.ir.rt import Rt
from sparsec.ir.sparse import Sparse
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.calibrate import CalibratePass
from sparsec.passes.fold_batch_norm import FoldBatchNormPass
from sparsec.passes.fold_qdq import FoldQdqPass
from sparsec.passes.fold_transpose import FoldTransposePass
from sparsec.passes.fuse_layers import FuseLayersPass
from sparsec.passes.pack_sparse_constants import PackSparseConstantsPass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.passes.quantize import QuantizePass
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass

T = TypeVar("T")

DIALECTS: tuple[Dialect, ...] = (Nn, Qnn, Sparse, Cmsis, Rt)

PASSES: tuple[type[ModulePass], ...] = (
    BufferizePass,
    CalibratePass,
    ConvertQnnToKernelsPass,
    FoldBatchNormPass,
    FoldQdqPass,
    FoldTransposePass,
    FuseLayersPass,
    PackSparseConstantsPass,
    PlanMemoryPass,
    QuantizePass,
    SelectSparseFormatsPass,
)


def _always(value: T) -> Callable[[], T]:
    def get() -> T:
        return value

    return get


SPARSEC_UNIVERSE = Universe(
    all_dialects={dialect.name: _always(dialect) for dialect in DIALECTS},
    all_passes={pass_type.name: _always(pass_type) for pass_type in PASSES},
)
