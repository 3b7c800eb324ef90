# SPDX-License-Identifier: Apache-2.0
"""--verify-semantics and crash reproducers, with passes that are broken on purpose."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.dialects.memref import GlobalOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from sparsec.ir import nn, qnn
from sparsec.ir.constant import array_of
from sparsec.ir.quantization import QuantizationAttr
from sparsec.quantization.scheme import Quantization
from sparsec.tools.registry import context
from sparsec.tools.semantics import input_shapes
from sparsec.universe import SPARSEC_UNIVERSE
from tests.frontends.tflite.support import NETWORKS, network
from tests.tools.support import Tools

LENET = Path(__file__).parents[2] / "examples/mnist/model.pt"
Change = Callable[[ModuleOp], None]


def crash(_: ModuleOp) -> None:
    """An error that no one expects; its message has two lines."""
    raise KeyError("the first line\nthe second line")


def do_nothing(_: ModuleOp) -> None:
    """Leave the module as it is."""


def change_a_bias(module: ModuleOp) -> None:
    """Add to one number of a constant, at any level."""
    for op in module.walk():
        if isinstance(op, nn.ConstantOp | qnn.ConstantOp) and op.array.ndim == 1:
            array = op.array.copy()
            array[0] += 1000 if array.dtype != np.float32 else 1
            op.value = type(op)(array).value
            return


def change_a_global(module: ModuleOp) -> None:
    """Flip the bits of every int8 constant."""
    for op in module.ops:
        if isinstance(op, GlobalOp) and isinstance(op.initial_value, DenseIntOrFPElementsAttr):
            array = array_of(op.initial_value)
            if array.dtype == np.int8:
                data = type(op.initial_value.data)((~array).tobytes())
                op.initial_value = DenseIntOrFPElementsAttr(op.initial_value.type, data)


@pytest.fixture
def break_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Change], None]:
    """Makes the pass `name` do something else, after what it does."""

    passes = dict(SPARSEC_UNIVERSE.all_passes)

    def replace(name: str, change: Change) -> None:
        original = passes[name]()

        @dataclass(frozen=True)
        class Broken(original):
            def apply(self, ctx: Context, op: ModuleOp) -> None:
                original.apply(self, ctx, op)
                change(op)

        def broken() -> type[ModulePass]:
            return Broken

        monkeypatch.setitem(SPARSEC_UNIVERSE.all_passes, name, broken)

    return replace


BreakPass = Callable[[str, Change], None]


@pytest.mark.parametrize("level", ["nn", "qnn", "kernels"])
def test_passes_keep_the_meaning(tools: Tools, texts: dict[str, Path], level: str) -> None:
    ended = tools.sparsec(texts[level], "--emit=kernels", "--verify-semantics")
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert [line.split()[1] for line in lines] == (
        ["quantize", "fold-qdq"] if level == "nn" else []
    )


@pytest.mark.parametrize("options", [(), ("--weights=delta8", "--target=cortex-m55")])
def test_lenet(tools: Tools, options: tuple[str, ...]) -> None:
    ended = tools.sparsec(LENET, "--emit=kernels", "--verify-semantics", "-q", *options)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("name", NETWORKS)
def test_mlperf_tiny(tools: Tools, name: str) -> None:
    Path("net.tflite").write_bytes(network(name))
    ended = tools.sparsec("net.tflite", "--emit=kernels", "--verify-semantics", "-q")
    assert ended.code == 0, ended.err


def test_two_inputs(tools: Tools, two_inputs: Path) -> None:
    ended = tools.sparsec(two_inputs, "--emit=kernels", "--verify-semantics")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fuse-layers", change_a_bias, "pass fuse-layers changed output 0 by "),
        ("select-sparse-formats", change_a_bias, "pass select-sparse-formats changed "),
        ("bufferize", change_a_global, "pass bufferize changed "),
    ],
)
def test_a_broken_pass_is_named(
    tools: Tools, model: Path, break_pass: BreakPass, name: str, change: Change, message: str
) -> None:
    break_pass(name, change)
    options = ("--emit=kernels", "-q", "--weights=dense")
    assert tools.sparsec(model, *options).code == 0
    ended = tools.sparsec(model, *options, "--verify-semantics")
    assert (ended.code, ended.out) == (70, "")
    *notes, last = ended.err.splitlines()
    assert last.startswith(f"internal error: {message}")
    assert all(note.startswith("verify-semantics: ") for note in notes)
    assert "func.func @main" in Path("sparsec-crash.mlir").read_text()


def pairs(module: ModuleOp) -> list[nn.QuantizeOp]:
    """What is quantized, but for weights."""
    return [op for op in module.walk() if isinstance(op, nn.QuantizeOp)]


def rescale(op: nn.QuantizeOp | nn.DequantizeOp, factor: float, zero_point: int = 0) -> None:
    """Multiply the scales of `op`, move its zero point."""
    q = op.quantization.data
    scales = tuple(scale * factor for scale in q.scales)
    op.quantization = QuantizationAttr(Quantization(scales, q.zero_point + zero_point, q.axis))


def rescale_pair(module: ModuleOp, factor: float, zero_point: int = 0) -> None:
    """The first layer's result is stored otherwise."""
    quantize = pairs(module)[1]
    for op in (quantize, *(use.operation for use in quantize.result.uses)):
        assert isinstance(op, nn.QuantizeOp | nn.DequantizeOp)
        rescale(op, factor, zero_point)


def larger_step(module: ModuleOp) -> None:
    """A result in ever fewer steps, which nothing is lost of but precision."""
    rescale_pair(module, 8)


def smaller_step(module: ModuleOp) -> None:
    """A result that is cut off."""
    rescale_pair(module, 0.25)


def move_zero_point(module: ModuleOp) -> None:
    """A result whose larger numbers are cut off."""
    rescale_pair(module, 1.0, 60)


def read_in_another_scale(module: ModuleOp) -> None:
    """A result that is read as twice itself."""
    [use] = pairs(module)[1].result.uses
    assert isinstance(use.operation, nn.DequantizeOp)
    rescale(use.operation, 2)


def rescale_weights(module: ModuleOp) -> None:
    """Weights that are read as 1.1 times themselves."""
    op = next(op for op in module.walk() if isinstance(op, nn.LinearOp))
    assert isinstance(op.weights.owner, nn.DequantizeOp)
    rescale(op.weights.owner, 1.1)


def coarser_weights(module: ModuleOp) -> None:
    """Weights in steps three times as large."""
    op = next(op for op in module.walk() if isinstance(op, nn.LinearOp))
    dequantize = op.weights.owner
    assert isinstance(dequantize, nn.DequantizeOp)
    constant = dequantize.input.owner
    assert isinstance(constant, nn.ConstantOp)
    constant.value = nn.ConstantOp(np.rint(constant.array / 3).astype(np.int8)).value
    rescale(dequantize, 3)


def drop_a_clamp(module: ModuleOp) -> None:
    """A layer without its relu."""
    next(op for op in module.walk() if isinstance(op, nn.Conv2dOp)).bounds = None


def change_a_multiplier(module: ModuleOp) -> None:
    """An int8 layer that gives 1.1 times what it should."""
    op = next(op for op in module.walk() if isinstance(op, qnn.LinearOp))
    constant = op.multiplier.owner
    assert isinstance(constant, qnn.ConstantOp)
    constant.value = qnn.ConstantOp((constant.array * 0.9).astype(np.int32)).value


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("quantize", larger_step, "chose a step of "),
        ("quantize", smaller_step, "changed conv by "),
        ("quantize", move_zero_point, "changed conv by "),
        ("quantize", read_in_another_scale, "reads conv in another scale"),
        ("quantize", rescale_weights, "changed a constant of fc by "),
        ("quantize", coarser_weights, "gave the weights of fc larger steps"),
        ("quantize", change_a_bias, "changed a constant of conv"),
        ("quantize", drop_a_clamp, "changed what conv computes"),
        ("fold-qdq", change_a_bias, "changed conv by "),
        ("fold-qdq", change_a_multiplier, "changed fc by "),
    ],
)
def test_a_pass_that_rounds_too_much(
    tools: Tools, model: Path, break_pass: BreakPass, name: str, change: Change, message: str
) -> None:
    break_pass(name, change)
    ended = tools.sparsec(model, "--emit=qnn", "-q", "--verify-semantics")
    assert (ended.code, ended.out) == (70, "")
    assert ended.err.splitlines()[-1].startswith(f"internal error: pass {name} {message}")


def test_an_unbroken_pass_is_not(tools: Tools, model: Path, break_pass: BreakPass) -> None:
    break_pass("fuse-layers", do_nothing)
    assert tools.sparsec(model, "--emit=kernels", "-q", "--verify-semantics").code == 0


def test_crash_reproducer(tools: Tools, model: Path, break_pass: BreakPass) -> None:
    """It holds the IR and the passes, and gives the same crash in sparsec-opt, as its hint says."""
    np.save("a b.npy", np.ones((1, 2, 6, 6), np.float32))  # to be quoted twice
    break_pass("fuse-layers", crash)
    ended = tools.sparsec(model, "--emit=qnn", "--calibrate=a b.npy")
    assert (ended.code, ended.out) == (70, "")
    assert ended.err == (
        "internal error: pass fuse-layers broke: KeyError: 'the first line\\nthe second line'; "
        "please report it with sparsec-crash.mlir, which shows it\n"
    )
    text = Path("sparsec-crash.mlir").read_text()
    command, hint = text.splitlines()[:2]
    assert command == f"// sparsec {model} --emit=qnn '--calibrate=a b.npy'"
    assert "nn.conv2d" in text
    assert "Traceback" in text

    tool, *arguments = shlex.split(hint.removeprefix("// "))
    assert tool == "sparsec-opt"
    again = tools.opt(*arguments)
    assert again.code == 70
    assert "KeyError" in again.err


def test_reproducer_runs_once_mended(tools: Tools, model: Path, break_pass: BreakPass) -> None:
    break_pass("quantize", crash)
    assert tools.sparsec(model, "--emit=qnn", "-q").code == 70
    break_pass("quantize", do_nothing)
    hint = Path("sparsec-crash.mlir").read_text().splitlines()[1]
    again = tools.opt(*shlex.split(hint)[2:])
    assert again.code == 0
    assert "qnn.linear" in again.out


def test_a_pass_that_leaves_invalid_ir(tools: Tools, model: Path, break_pass: BreakPass) -> None:
    def drop_return(module: ModuleOp) -> None:
        for op in module.walk():
            if op.name == "func.return":
                op.detach()
                return

    break_pass("fuse-layers", drop_return)
    for options in ((), ("--verify-each",)):
        ended = tools.sparsec(model, "--emit=qnn", "-q", *options)
        assert ended.code == 70
        assert ended.err.startswith("internal error: pass fuse-layers broke: VerifyException")
        assert ended.err.count("\n") == 1


def test_sparsec_opt_writes_a_reproducer(
    tools: Tools, texts: dict[str, Path], break_pass: BreakPass
) -> None:
    break_pass("fuse-layers", crash)
    ended = tools.opt(texts["nn"], "-p", "cse,fuse-layers")
    assert ended.code == 70
    assert ended.err.count("\n") == 1
    text = Path("sparsec-crash.mlir").read_text()
    assert "// sparsec-opt sparsec-crash.mlir -p cse,fuse-layers\n" in text
    assert "nn.conv2d" in text


def test_a_crash_outside_of_the_passes(
    tools: Tools, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("sparsec.tools.compilation.pipeline_options", broken)
    ended = tools.sparsec(model)
    assert ended.code == 70
    assert ended.err == (
        "internal error: RuntimeError: broken; "
        "please report it with sparsec-crash.mlir, which shows it\n"
    )
    assert f"// sparsec {model}\n" in Path("sparsec-crash.mlir").read_text()


def test_where_no_reproducer_can_be_written(
    tools: Tools, model: Path, break_pass: BreakPass
) -> None:
    Path("sparsec-crash.mlir").mkdir()
    break_pass("fuse-layers", crash)
    ended = tools.sparsec(model, "-q")
    assert ended.code == 70
    assert "Traceback" in ended.err


def test_input_shapes(texts: dict[str, Path]) -> None:
    for path in texts.values():
        module = Parser(context(), path.read_text()).parse_module()
        assert input_shapes(module) == [(1, 2, 6, 6)]
