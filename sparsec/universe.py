"""The table of every dialect and pass. The only file that knows them all."""

from collections.abc import Callable
from typing import TypeVar

from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from sparsec.ir.cmsis import Cmsis
from sparsec.ir.nn import Nn
from sparsec.ir.qnn import Qnn
from sparsec.ir.rt import Rt
from sparsec.ir.sparse import Sparse
from sparsec.passes.fold_qdq import FoldQdqPass

T = TypeVar("T")

DIALECTS: tuple[Dialect, ...] = (Nn, Qnn, Sparse, Cmsis, Rt)

PASSES: tuple[type[ModulePass], ...] = (
    FoldQdqPass,
)


def _always(value: T) -> Callable[[], T]:
    def get() -> T:
        return value

    return get


SPARSEC_UNIVERSE = Universe(
    all_dialects={dialect.name: _always(dialect) for dialect in DIALECTS},
    all_passes={pass_type.name: _always(pass_type) for pass_type in PASSES},
)
