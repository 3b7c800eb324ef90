# SPDX-License-Identifier: Apache-2.0
"""The table of every dialect and pass. The only file that knows them all.

Each is named as `module:class` and imported when it is asked for, so that tools start at once.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from xdsl.universe import Universe

DIALECTS: dict[str, str] = {
    "cmsis": "sparsec.ir.cmsis:Cmsis",
    "nn": "sparsec.ir.nn:Nn",
    "qnn": "sparsec.ir.qnn:Qnn",
    "rt": "sparsec.ir.rt:Rt",
    "sparse": "sparsec.ir.sparse:Sparse",
}

PASSES: dict[str, str] = {
    "alias-buffers": "sparsec.passes.alias_buffers:AliasBuffersPass",
    "assign-layouts": "sparsec.passes.assign_layouts:AssignLayoutsPass",
    "bufferize": "sparsec.passes.bufferize:BufferizePass",
    "calibrate": "sparsec.passes.calibrate:CalibratePass",
    "choose-ranges": "sparsec.passes.choose_ranges:ChooseRangesPass",
    "convert-qnn-to-kernels": "sparsec.backends.cortex_m.convert_qnn_to_kernels:ConvertQnnToKernelsPass",
    "correct-biases": "sparsec.passes.correct_biases:CorrectBiasesPass",
    "eliminate-dead-channels": "sparsec.passes.eliminate_dead_channels:EliminateDeadChannelsPass",
    "equalize": "sparsec.passes.equalize:EqualizePass",
    "fold-batch-norm": "sparsec.passes.fold_batch_norm:FoldBatchNormPass",
    "fold-constant-channels": "sparsec.passes.fold_constant_channels:FoldConstantChannelsPass",
    "fold-qdq": "sparsec.passes.fold_qdq:FoldQdqPass",
    "fold-requantize": "sparsec.passes.fold_requantize:FoldRequantizePass",
    "fold-transpose": "sparsec.passes.fold_transpose:FoldTransposePass",
    "fuse-attention": "sparsec.passes.fuse_attention:FuseAttentionPass",
    "fuse-functions": "sparsec.passes.fuse_functions:FuseFunctionsPass",
    "fuse-layers": "sparsec.passes.fuse_layers:FuseLayersPass",
    "fuse-norms": "sparsec.passes.fuse_norms:FuseNormsPass",
    "fuse-pad": "sparsec.passes.fuse_pad:FusePadPass",
    "fuse-scores": "sparsec.passes.fuse_scores:FuseScoresPass",
    "fuse-rows": "sparsec.passes.fuse_rows:FuseRowsPass",
    "merge-duplicates": "sparsec.passes.merge_duplicates:MergeDuplicatesPass",
    "order-layers": "sparsec.passes.order_layers:OrderLayersPass",
    "overlap-buffers": "sparsec.passes.overlap_buffers:OverlapBuffersPass",
    "plan-memory": "sparsec.passes.plan_memory:PlanMemoryPass",
    "quantize": "sparsec.passes.quantize:QuantizePass",
    "round-constant-channels": "sparsec.passes.round_constant_channels:RoundConstantChannelsPass",
    "select-sparse-formats": "sparsec.passes.select_sparse_formats:SelectSparseFormatsPass",
}


def _imported(place: str) -> Callable[[], Any]:
    # A function without parameters: xDSL takes a factory with one for a target of the old kind.
    def load() -> Any:
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)

    return load


SPARSEC_UNIVERSE = Universe(
    all_dialects={name: _imported(place) for name, place in DIALECTS.items()},
    all_passes={name: _imported(place) for name, place in PASSES.items()},
)
