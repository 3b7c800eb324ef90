# SPDX-License-Identifier: Apache-2.0
"""What of an exported program becomes int8, for torchao's PT2E: just what the compiler runs in one step (`forms`).

The one rule: a call that is not annotated stays in float, and is listed.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from sparsec.compress.batch_norms import show_batch_norms
from sparsec.compress.forms import Form, counts, described, forms_of, inputs_of, is_float
from sparsec.compress.pt2e import (
    FakeQuantize,
    FixedQParamsQuantizationSpec,
    FusedMovingAvgObsFakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)
from sparsec.quantization.scheme import FIXED_SCALES

EPSILON = 2**-12
"""The smallest scale: finer ones would let a bias, whose scale is the product of two, leave int32."""

ANNOTATION = "quantization_annotation"

OBSERVERS: Mapping[str, Any] = {"histogram": HistogramObserver, "min-max": MinMaxObserver}
"""What finds the range of activations after training: the one with the smallest error, or all that was seen."""


class Groups:
    """Values of one quantization: which of them comes first stands for all."""

    def __init__(self, order: Mapping[Node, int]):
        self._order = order
        self._parent: dict[Node, Node] = {}
        self._fixed: dict[Node, str] = {}

    def add(self, node: Node, fixed: str | None = None) -> None:
        """A value of its own."""
        self._parent[node] = node
        if fixed is not None:
            self._fixed[node] = fixed

    def __contains__(self, node: Node) -> bool:
        return node in self._parent

    def root(self, node: Node) -> Node:
        """What stands for it."""
        while self._parent[node] is not node:
            node = self._parent[node]
        return node

    def fixed(self, node: Node) -> str | None:
        """The function that says its quantization, if one does."""
        return self._fixed.get(self.root(node))

    def join(self, one: Node, other: Node) -> None:
        """The same quantization for both. A fixed one stays with what it is for."""
        first, second = sorted((self.root(one), self.root(other)), key=self._order.__getitem__)
        if first not in self._fixed and second not in self._fixed:
            self._parent[second] = first


class Channels(MovingAveragePerChannelMinMaxObserver):
    """Takes infinite ranges, with which observers have their size from the start, for none: as the fused simulation does."""

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe `x_orig`, and give it."""
        if bool(torch.isinf(self.min_val).any()):
            self.min_val, self.max_val = self.min_val[:0], self.max_val[:0]
        return super().forward(x_orig)


class CortexMQuantizer(Quantizer):
    """Annotates a program of torch.export for what sparsec compiles.

    Weights are int8 from -127 to 127 for each output channel, activations int8 per tensor; biases stay in float, as
    their scale follows. `qat` is for training, else `observer` finds ranges. `left_in_float` lists, after `annotate`,
    the calls that have no int8 form of their own: sparsec quantizes them where it can from data that it is given.
    """

    def __init__(self, qat: bool = False, observer: str = "histogram"):
        super().__init__()
        if observer not in OBSERVERS:
            raise ValueError(f"there is no observer '{observer}': {', '.join(OBSERVERS)}")
        self._qat, self._observer = qat, observer
        self._activation = self._activation_spec()
        self.left_in_float: list[str] = []

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Batch normalisations that were hidden from what torchao does before."""
        show_batch_norms(model)
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Say of each value how it is quantized, for `prepare_pt2e` and `prepare_qat_pt2e`."""
        forms = list(forms_of(model, self._qat))
        order = {node: number for number, node in enumerate(model.graph.nodes)}
        groups = Groups(order)
        for node in model.graph.nodes:
            if node.op == "placeholder" and is_float(node) and node.users:
                groups.add(node)
        for form in forms:
            if form.last is not None:
                groups.add(form.last, form.fixed)
            for value in form.shares:
                if form.last is not None and value in groups:
                    groups.join(value, form.last)
        for node in model.graph.nodes:
            if node.op == "placeholder" and node in groups:
                self._write(node, {}, self._spec(groups, node))
        for form in forms:
            self._annotate(groups, form)
        done = {node for form in forms for node in form.calls()}
        self.left_in_float = [
            described(node)
            for node in model.graph.nodes
            if node.op == "call_function" and node not in done and counts(node)
        ]
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing: what is annotated is checked by the compiler."""

    def _annotate(self, groups: Groups, form: Form) -> None:
        result = None if form.last is None else self._spec(groups, form.last)
        for node in form.first:
            taken: dict[Node, QuantizationSpecBase] = {}
            for value in inputs_of(node):
                if value in form.weights:
                    taken[value] = self._weight_spec(form.weights[value])
                elif value in form.inputs:
                    taken[value] = self._input_spec(groups, value)
            self._write(node, taken, result if node is form.last else None)
        for node in form.between:
            self._write(node, {}, None)
        if form.last is not None and form.last not in form.first:
            self._write(form.last, {}, result)

    def _input_spec(self, groups: Groups, value: Node) -> QuantizationSpecBase:
        if value in groups:
            return cast(QuantizationSpecBase, SharedQuantizationSpec(groups.root(value)))
        return self._activation  # of a constant, or of what stays in float

    def _spec(self, groups: Groups, node: Node) -> QuantizationSpecBase:
        """How a result is quantized."""
        root = groups.root(node)
        if root is not node:
            return SharedQuantizationSpec(root)
        name = groups.fixed(node)
        if name is None:
            return self._activation
        known = FIXED_SCALES[name]
        return FixedQParamsQuantizationSpec(
            dtype=torch.int8,
            scale=known.scale,
            zero_point=known.zero_point,
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
        )

    def _write(
        self,
        node: Node,
        inputs: dict[Node, QuantizationSpecBase],
        output: QuantizationSpecBase | None,
    ) -> None:
        node.meta[ANNOTATION] = QuantizationAnnotation(
            input_qspec_map=dict(inputs), output_qspec=output, _annotated=True
        )

    def _activation_spec(self) -> QuantizationSpec:
        numbers: dict[str, Any] = {"quant_min": -128, "quant_max": 127, "dtype": torch.int8}
        if self._qat:
            make = FusedMovingAvgObsFakeQuantize.with_args(
                observer=MovingAverageMinMaxObserver, eps=EPSILON, **numbers
            )
        else:
            make = OBSERVERS[self._observer].with_args(eps=EPSILON)
        return QuantizationSpec(
            observer_or_fake_quant_ctr=make, qscheme=torch.per_tensor_affine, **numbers
        )

    def _weight_spec(self, axis: int | None) -> QuantizationSpec:
        numbers: dict[str, Any] = {
            **{"quant_min": -127, "quant_max": 127, "dtype": torch.int8},
            "qscheme": torch.per_tensor_symmetric if axis is None else torch.per_channel_symmetric,
            **({} if axis is None else {"ch_axis": axis}),
        }
        if self._qat:
            observer = MovingAverageMinMaxObserver if axis is None else Channels
            # The fused one knows channels of the first axis alone.
            simulated = FakeQuantize if axis else FusedMovingAvgObsFakeQuantize
            make = simulated.with_args(observer=observer, eps=EPSILON, **numbers)
        else:
            observer = MinMaxObserver if axis is None else PerChannelMinMaxObserver
            make = observer.with_args(eps=EPSILON)
        return QuantizationSpec(observer_or_fake_quant_ctr=make, **numbers)
