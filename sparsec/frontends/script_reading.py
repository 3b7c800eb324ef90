# SPDX-License-Identifier: Apache-2.0
"""A model of TorchScript run by torch, to hold the importer to.

The one rule: a model is run only behind `check_archive`, and only once the importer has followed
all that it does on inputs of these shapes.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import torch

from sparsec.frontends.proof import ReadingError
from sparsec.frontends.running import running
from sparsec.frontends.tensors import Array


class ScriptReading:
    """A loaded module of TorchScript on `inputs`."""

    def __init__(self, script: Any, inputs: Sequence[Array]):
        self._script = script
        self._inputs = inputs

    def results(self) -> list[Array]:
        """What the model's own forward gives."""
        return [value.numpy() for value in self._tensors(self._called(self._script))]

    def values(self) -> Iterator[tuple[str, Array]]:
        """What the calls outside loops and conditions give, copied as they are made."""
        graph = self._script.inlined_graph
        names: list[str] = []
        copies: list[Any] = []
        changed = graph.copy()
        for node, copy in zip(graph.nodes(), list(changed.nodes()), strict=True):
            for output, value in zip(node.outputs(), copy.outputs(), strict=True):
                if isinstance(value.type(), torch.TensorType):
                    names.append(output.debugName())
                    copies.append(_copied(changed, copy, value))
        for index in reversed(range(len(list(changed.outputs())))):
            changed.eraseOutput(index)
        result = changed.create("prim::TupleConstruct", copies, 1)
        result.output().setType(torch.TupleType([value.type() for value in copies]))
        changed.appendNode(result)
        changed.registerOutput(result.output())
        create = cast(Any, torch._C._create_function_from_graph)  # pyright: ignore[reportPrivateUsage]
        given = self._called(partial(create("values", changed), self._script._c))
        for name, value in zip(names, self._tensors(given), strict=True):
            yield name, value.numpy()

    def _called(self, function: Any) -> object:
        try:
            with running():
                return function(*(torch.from_numpy(array.copy()) for array in self._inputs))
        except (RuntimeError, torch.jit.Error) as error:
            lines = str(error).strip().splitlines() or ["it fails"]
            raise ReadingError(lines[-1]) from error

    def _tensors(self, value: object) -> list[torch.Tensor]:
        if isinstance(value, torch.Tensor):
            return [value]
        if isinstance(value, list | tuple):
            items = cast(Sequence[object], value)
            return [tensor for item in items for tensor in self._tensors(item)]
        raise ReadingError("it gives something other than tensors")


def _copied(graph: Any, node: Any, value: Any) -> Any:
    """A copy of what `node` gives, made before anything is written into it."""
    none = graph.create("prim::Constant", [], 1)
    none.output().setType(torch.NoneType.get())
    none.insertAfter(node)
    copy = graph.create("aten::clone", [value, none.output()], 1)
    copy.insertAfter(none)
    return copy.output()
