# SPDX-License-Identifier: Apache-2.0
"""The int8 forms of an exported program: which neighbouring calls the compiler runs as one, and what each takes and gives.

The one rule: which calls move values, compute a function of one tensor or reduce it is read from the importer's tables,
so that what is found here is what is compiled.
"""

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from sparsec.frontends.operators.borders import BORDERS
from sparsec.frontends.operators.elementwise import ELEMENTWISE
from sparsec.frontends.operators.norms import NORMS, SEVERAL
from sparsec.frontends.operators.parts import PARTS
from sparsec.frontends.operators.picking import PICKING
from sparsec.frontends.operators.pooling import POOLING
from sparsec.frontends.operators.resizing import RESIZING
from sparsec.frontends.operators.shape import SHAPE
from sparsec.frontends.operators.shuffling import SHUFFLING
from sparsec.quantization.scheme import FIXED_SCALES

WEIGHTED = {
    **dict.fromkeys(("aten.conv1d", "aten.conv2d", "aten.linear"), 0),
    **dict.fromkeys(("aten.conv_transpose1d", "aten.conv_transpose2d"), 1),
}
"""Layers with weights, by the axis of their output channels."""

GROUPS_AT = 6
"""Where a transposed convolution says how many groups it has."""

CLAMPS = {
    *("aten.relu", "aten.relu6", "aten.hardtanh"),
    *("aten.clamp", "aten.clip", "aten.clamp_min", "aten.clamp_max"),
}
"""What the kernel in front does as it writes, where nothing else reads what it clamps."""

ARITHMETIC = {"aten.add", "aten.sub", "aten.subtract", "aten.mul", "aten.multiply"}
"""Functions of two tensors."""

JOINS = {
    *("aten.cat", "aten.concat", "aten.concatenate", "aten.stack", "aten.hstack"),
    *("aten.maximum", "aten.minimum"),
}
"""Calls that take tensors of one quantization, which their result has too."""

SOFTMAX = {"aten.softmax", "aten._softmax"}
MEANS = {"aten.mean", "aten.sum"}
EXTREMES = {"aten.amax", "aten.amin"}
INDICES = {"aten.argmax", "aten.argmin"}

MOVES = (
    {*PARTS, *SHAPE, *SHUFFLING, *PICKING, *BORDERS, *POOLING, *EXTREMES}
    | {name for name in RESIZING if "nearest" in name}
) - {"aten.glu", "aten.embedding", *SOFTMAX, *JOINS}
"""Calls whose results have the quantization of what they take, pools among them."""

RESAMPLES = set(RESIZING) - MOVES


def operation(node: Node) -> str:
    """`aten.conv2d` of a call, without its overload and the `_` of one in place; empty for what is no call of aten."""
    target: object = node.target
    if isinstance(target, torch._ops.OpOverload):  # pyright: ignore[reportPrivateUsage]
        namespace, name, *_ = str(cast(object, target)).split(".")
        in_place = name.endswith("_") and not name.startswith("__")
        return f"{namespace}.{name[:-1] if in_place else name}"
    return "getitem" if target is operator.getitem else ""


def is_float(node: Node) -> bool:
    """Whether it gives a tensor of real numbers."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype.is_floating_point


def inputs_of(node: Node) -> list[Node]:
    """The tensors of real numbers that a call takes, each once, in order."""
    return [each for each in node.all_input_nodes if is_float(each)]


def is_constant(node: Node) -> bool:
    """Whether it is a parameter or buffer."""
    return node.op == "get_attr"


def only_user(node: Node) -> Node | None:
    """What alone reads a value."""
    return next(iter(node.users)) if len(node.users) == 1 else None


@dataclass
class Form:
    """How some neighbouring calls run as one: `first` takes `inputs`, `last` gives the result, `between` is inside.

    `weights` has the axis of channels of each weight, None for one scale. `shares` are inputs that have the quantization
    of the result; `fixed` is one that does not depend on data. Without `last` nothing in int8 comes out.
    """

    first: list[Node]
    last: Node | None
    inputs: list[Node]
    between: list[Node] = field(default_factory=list[Node])
    weights: dict[Node, int | None] = field(default_factory=dict[Node, int | None])
    shares: list[Node] = field(default_factory=list[Node])
    fixed: str | None = None

    def calls(self) -> list[Node]:
        """All calls of it."""
        last = [] if self.last is None else [self.last]
        return [*self.first, *self.between, *last]


def counts(node: Node) -> bool:
    """Whether a call that no form has is one that stays in float: it has real numbers, and is not about shapes.

    Parts of a tensor that is cut up move with it.
    """
    value = node.meta.get("val")
    if operation(node) == "getitem" or isinstance(value, int | torch.SymInt):
        return False
    several = isinstance(value, list | tuple) and operation(node) in MOVES
    return bool(inputs_of(node)) and not several and not is_side_effect(node)


def is_side_effect(node: Node) -> bool:
    """Whether nobody reads a result, as of what counts batches."""
    return not node.users


def module_path(node: Node) -> str:
    """The path of the module that makes a call, empty where it is not known."""
    stack = cast(dict[str, tuple[str, Any]], node.meta.get("nn_module_stack") or {})
    return list(stack.values())[-1][0] if stack else ""


def described(node: Node) -> str:
    """`features.3 (aten.glu)`, or the name of the call where no module is known."""
    return f"{module_path(node) or node.name} ({operation(node) or node.target})"


def forms_of(model: GraphModule, qat: bool) -> Iterator[Form]:
    """How the calls of a program run in int8, in order; each call is of one at most.

    What is a function of one tensor as a whole is one before it is a sum or product of two.
    """
    nodes = [node for node in model.graph.nodes if node.op == "call_function"]
    taken: set[Node] = set()
    forms: list[Form] = []

    def take(form: Form | None) -> None:
        if form is not None:
            forms.append(form)
            taken.update(form.calls())

    for node in nodes:
        take(weighted_chain(node, qat))
    tables = sources(nodes, taken)
    for node in nodes:
        if node not in taken and node not in tables:
            take(arithmetic_chain(node))
    for form in list(functions(nodes, taken)):
        take(form)
    for node in nodes:
        if node not in taken:
            take(single(node))
    order = {node: number for number, node in enumerate(nodes)}
    yield from sorted(forms, key=lambda form: order[form.first[0]])


def weighted_chain(node: Node, qat: bool) -> Form | None:
    """A layer with weights or a normalisation, the batch normalisation that torchao folds into it, and a clamp."""
    name, inputs = operation(node), inputs_of(node)[:1]
    if name in NORMS and name not in SEVERAL:
        return chain([node], inputs)
    if name not in WEIGHTED or len(node.args) < 2:
        return None
    weight = cast(Node, node.args[1])
    if not is_constant(weight) or in_groups_turned(node):
        return None
    calls = [node]
    follower = only_user(node)
    if follower is not None and operation(follower) == "aten.batch_norm":
        if qat and name == "aten.linear":  # torchao folds it after training only
            return None
        calls.append(follower)
    return chain(calls, inputs, {weight: WEIGHTED[name]})


def arithmetic_chain(node: Node) -> Form | None:
    """A sum, difference or product of two tensors, and the clamp behind it."""
    inputs = inputs_of(node)
    scaled = node.kwargs.get("alpha", 1) != 1
    if operation(node) not in ARITHMETIC or scaled or any(map(is_scalar, inputs)):
        return None
    # What is added to itself is a function of one tensor.
    return chain([node], inputs) if len(inputs) == 2 else None


def chain(
    calls: list[Node], inputs: list[Node], weights: dict[Node, int | None] | None = None
) -> Form:
    """Calls one after the other, and the clamp behind them where nothing else reads what it clamps."""
    follower = only_user(calls[-1])
    if follower is not None and operation(follower) in CLAMPS and len(inputs_of(follower)) == 1:
        calls = [*calls, follower]
    return Form([calls[0]], calls[-1], inputs, calls[1:-1], weights or {})


def in_groups_turned(node: Node) -> bool:
    """Whether it is a transposed convolution in groups, whose quantized weights the importer refuses."""
    if not operation(node).startswith("aten.conv_transpose") or len(node.args) <= GROUPS_AT:
        return False
    groups = node.args[GROUPS_AT]
    return isinstance(groups, int) and groups > 1


def is_scalar(node: Node) -> bool:
    """Whether it is a constant of one element, which counts as a number."""
    shape = cast(torch.Tensor, node.meta["val"]).shape
    return is_constant(node) and all(int(size) == 1 for size in shape)


def sources(nodes: Iterable[Node], taken: set[Node]) -> Mapping[Node, Node]:
    """Of each call that works element by element, the one tensor that it is a function of, if there is one.

    What others read as well is a tensor of its own to those behind it.
    """
    calls = [
        node
        for node in nodes
        if operation(node) in ELEMENTWISE and node not in taken and is_float(node)
    ]
    found: dict[Node, Node] = {}
    ends: set[Node] = set()
    while True:
        found.clear()
        for node in calls:
            bases = {
                each if each in ends else found.get(each, each)
                for each in inputs_of(node)
                if not is_scalar(each)
            }
            if len(bases) == 1 and not any(map(is_constant, bases)):
                found[node] = bases.pop()
        more = {
            node
            for node, source in found.items()
            if node not in ends and any(found.get(user) is not source for user in node.users)
        }
        if not more:
            return found
        ends |= more


def functions(nodes: Iterable[Node], taken: set[Node]) -> Iterator[Form]:
    """Calls element by element that depend on one tensor together: each such function is one table.

    A product of x and of a hard sigmoid of x is one too. What the network gives has TFLite's fixed scale, so that no
    data decides what it can say; inside of it a table serves better with a scale of its own.
    """
    found = sources(nodes, taken)
    for root, source in found.items():
        if all(found.get(user) is source for user in root.users) and root.users:
            continue
        inside = between(root, source)
        first = [node for node in (*inside, root) if source in node.all_input_nodes]
        name = operation(root).removeprefix("aten.")
        yield Form(
            first,
            root,
            [source],
            [node for node in inside if node not in first],
            fixed=name if name in FIXED_SCALES and not inside and is_result(root) else None,
        )


def is_result(node: Node) -> bool:
    """Whether the program gives it to its user."""
    return any(user.op == "output" for user in node.users)


def between(last: Node, source: Node) -> list[Node]:
    """The calls on the ways from `source` to `last`, without both, in the order of the graph."""
    found: dict[Node, None] = {}
    todo = [last]
    while todo:
        for node in todo.pop().all_input_nodes:
            if node is not source and node not in found and not is_constant(node):
                found[node] = None
                todo.append(node)
    return [node for node in last.graph.nodes if node in found]


def single(node: Node) -> Form | None:
    """A call that runs by itself."""
    name, inputs = operation(node), inputs_of(node)
    if name == "getitem":
        return part(node)
    if not inputs or not is_float(node):
        if name in INDICES and inputs:
            return Form([node], None, inputs)
        return None
    if name in JOINS:
        return Form([node], node, inputs, shares=[each for each in inputs if not is_constant(each)])
    if len(inputs) == 1 and not is_constant(inputs[0]):
        if name in MOVES:
            return Form([node], node, inputs, shares=inputs)
        if name in SOFTMAX:
            return Form([node], node, inputs, fixed="softmax")
        if name in MEANS or name in RESAMPLES:
            return Form([node], node, inputs)
    if name == "aten.prelu" and len(inputs) == 2:
        return Form([node], node, inputs)
    return None


def part(node: Node) -> Form | None:
    """One of the results of a call that cuts a tensor up, or that gives where its largest values are too."""
    whole = cast(Node, node.args[0])
    values = inputs_of(whole)
    if operation(whole) not in MOVES or len(values) != 1 or not is_float(node):
        return None
    return Form([node], node, [], shares=values)
