"""What `--objective=latency` chooses, next to dense, layer by layer and from no zeros to almost only zeros.

The rule it is held to: no layer takes more instructions than its dense kernel, however many zeros it has.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType, i8
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from benchmarks._results import Figure, step
from benchmarks._timing import compile_project
from sparsec.ir import qnn
from sparsec.ir.attributes import NAME, QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.params import Requant
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Window
from sparsec.run import cmsis_nn
from sparsec.run.errors import ToolchainError
from sparsec.run.profile.profile import Cost, profile_project
from sparsec.tools.printing import module_text

SEED = 11
SPARSITIES = ((0, 20, 40, 50, 60), (70, 80, 90, 95))
"""Percent of zeros, in the parts that one image has room for."""

CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m3", "cortex-m55")


@dataclass(frozen=True)
class Layer:
    """A square-kernel layer with SAME padding; one of a `depthwise` has as many inputs as outputs."""

    image: tuple[int, int, int]
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False


LAYERS = {
    "W1": Layer((25, 5, 64), 64),
    "W2": Layer((6, 6, 128), 128),
    "W3": Layer((3, 3, 256), 256),
    "W4": Layer((8, 8, 64), 64, kernel=3),
    "3x3 stride 2": Layer((16, 16, 16), 32, kernel=3, stride=2),
    "first layer": Layer((32, 32, 3), 8, kernel=3, stride=2),
    "depthwise": Layer((25, 5, 64), 64, kernel=3, depthwise=True),
    "depthwise stride 2": Layer((24, 24, 16), 16, kernel=3, stride=2, depthwise=True),
    "W5": Layer((1, 1, 256), 256),
    "W6": Layer((1, 1, 640), 128),
    "classifier": Layer((1, 1, 64), 12),
}


class Network:
    """Layers side by side, those of one shape with one input."""

    def __init__(self) -> None:
        self.block = Block()
        self.results: list[SSAValue] = []
        self.rng = np.random.default_rng(SEED)

    def constant(
        self, values: np.ndarray[tuple[int, ...], np.dtype[np.int8 | np.int32]]
    ) -> SSAValue:
        """A constant of the next layer."""
        op = qnn.ConstantOp(values)
        self.block.add_op(op)
        return op.result

    def add(self, name: str, layer: Layer, sparsity: int, input: SSAValue) -> None:
        """One more layer."""
        height, width, channels = layer.image
        linear = height == width == 1
        shape = (layer.outputs, layer.kernel, layer.kernel, channels)
        if layer.depthwise:
            shape = (1, layer.kernel, layer.kernel, channels)
        weights = self.rng.integers(12, 128, shape) * self.rng.choice([-1, 1], shape)
        weights[self.rng.random(shape) * 100 < sparsity] = 0
        taps = layer.kernel**2 * (1 if layer.depthwise else channels)
        # About the range of the results, so that few of them saturate.
        shift = -int(np.ceil(np.log2(np.sqrt(taps))) + 7)
        numbers = (
            self.constant(self.rng.integers(-500, 500, layer.outputs).astype(np.int32)),
            self.constant(self.rng.integers(2**30, 2**31, layer.outputs).astype(np.int32)),
            self.constant(np.full(layer.outputs, shift, np.int32)),
        )
        requant = Requant(input_zp=-3, output_zp=-2)
        kernel = self.constant(
            weights.astype(np.int8).reshape((layer.outputs, channels) if linear else shape)
        )
        if linear:
            op = qnn.LinearOp(input, kernel, *numbers, requant, TensorType(i8, [1, layer.outputs]))
        else:
            window = _same(layer)
            size = window.output_size((height, width), (layer.kernel, layer.kernel))
            make = qnn.DepthwiseConv2dOp if layer.depthwise else qnn.Conv2dOp
            type = TensorType(i8, [1, *size, layer.outputs])
            op = make(input, kernel, *numbers, requant, window, type)
        set_layer(op, name)
        self.block.add_op(op)
        self.results.append(op.results[0])

    def module(self) -> ModuleOp:
        """The finished network."""
        self.block.add_op(ReturnOp(*self.results))
        attribute = DictionaryAttr({QUANTIZATION: QuantizationAttr(Quantization((0.05,), 3))})
        inputs = [argument.type for argument in self.block.args]
        main = FuncOp(
            "main",
            (inputs, [result.type for result in self.results]),
            Region([self.block]),
            arg_attrs=ArrayAttr([attribute] * len(inputs)),
            res_attrs=ArrayAttr([attribute] * len(self.results)),
        )
        module = ModuleOp([main])
        module.attributes[NAME] = StringAttr("layers")
        return module


def _same(layer: Layer) -> Window:
    """SAME padding, one more at the bottom and right where it is odd."""
    height, width, _ = layer.image
    totals = [
        max(0, (-(-n // layer.stride) - 1) * layer.stride + layer.kernel - n)
        for n in (height, width)
    ]
    before = [total // 2 for total in totals]
    after = [total - half for total, half in zip(totals, before, strict=True)]
    return Window((layer.stride, layer.stride), (before[0], before[1], after[0], after[1]))


def network(sparsities: Sequence[int]) -> ModuleOp:
    """All layers at some sparsities."""
    net = Network()
    for name, layer in LAYERS.items():
        linear = layer.image[:2] == (1, 1)
        shape = [1, layer.image[2]] if linear else [1, *layer.image]
        argument = net.block.insert_arg(TensorType(i8, shape), len(net.block.args))
        for sparsity in sparsities:
            net.add(f"{name} {sparsity} %", layer, sparsity, argument)
    return net.module()


def layer_costs(
    text: Path, core: str, options: Sequence[str]
) -> tuple[dict[str, tuple[str, Cost]], bytes]:
    """The kernel of each layer and what it takes, and the bytes that come out."""
    directory = cmsis_nn.locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        project = Path(folder, "layers")
        compilation = compile_project(
            [str(text), f"--target={core}", "--max-slowdown=0", *options], project
        )
        assert compilation.quantized is not None
        rng = np.random.default_rng(SEED)
        main = next(op for op in compilation.quantized.ops if isinstance(op, FuncOp))
        inputs = [
            rng.integers(-128, 128, (1, int(np.prod(shape_of(type))))).astype(np.int8)
            for type in main.function_type.inputs
        ]
        result, profile = profile_project(project, core, inputs, cmsis_nn=directory)
    costs: dict[str, tuple[str, Cost]] = {}
    for layer in profile.layers:
        _, before = costs.get(layer.name, ("", Cost(0, 0)))
        costs[layer.name] = (layer.kernel, before + layer.cost)
    return costs, b"".join(output.tobytes() for output in result.outputs)


def compare(core: str) -> dict[str, tuple[Cost, Cost]]:
    """(dense, chosen) of each layer. AssertionError when a byte differs.

    Where the dense kernel is the chosen one the two are the same call, and so are their costs: measured at two places
    they differ by an instruction or two between the calls.
    """
    step(f"every layer at every sparsity on {core}")
    costs: dict[str, tuple[Cost, Cost]] = {}
    for part in SPARSITIES:
        with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
            text = Path(folder, "layers.mlir")
            text.write_text(module_text(network(part)), encoding="utf-8")
            dense, expected = layer_costs(text, core, ["--weights=dense"])
            chosen, outputs = layer_costs(text, core, ["--objective=latency"])
        assert outputs == expected, f"bytes differ on {core}"
        assert dense.keys() == chosen.keys()
        for name, (kernel, cost) in dense.items():
            other, taken = chosen[name]
            costs[name] = (cost, cost if other == kernel else taken)
    return costs


def never_slower_figures() -> list[Figure]:
    """For each core the layer that gains least, dense by chosen."""
    figures: list[Figure] = []
    for core in CORES:
        costs = compare(core)
        for what, target in (("instructions", 1.0), ("cycles", None)):
            ratios = {
                name: getattr(dense, what) / getattr(chosen, what)
                for name, (dense, chosen) in costs.items()
            }
            worst = min(ratios, key=lambda name: ratios[name])
            figures.append(
                Figure(
                    f"least of {len(ratios)} layers on {core}, {what}: dense/chosen ({worst})",
                    *(ratios[worst], target, "x", "higher"),
                )
            )
    return figures
