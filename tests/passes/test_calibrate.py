# SPDX-License-Identifier: Apache-2.0
"""calibrate: the ranges are those of the data, and data that does not fit is one clear line."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.values.ranges import range_of
from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.passes.calibrate import (
    CalibratePass,
    calibrate,
    main_of,
    make_observer,
    samples_at_once,
)
from sparsec.quantization.observers import MinMaxObserver
from tests.passes.nets import TO_NHWC, Net, ops, random_inputs, run

Array = np.ndarray[Any, Any]


def network() -> tuple[Net, ModuleOp]:
    net = Net((1, 3, 6, 5))
    x = net.clamp(net.conv(net.transpose(net.inputs[0], TO_NHWC), 4))
    return net, net.done(net.linear(net.reshape(x, 1, 48), 2))


def test_ranges_are_the_extremes_of_each_value() -> None:
    net, module = network()
    # More samples than the interpreter takes at once.
    (x,) = random_inputs(module, samples=70)
    calibrate(module, [x], MinMaxObserver)
    (y,) = interpret(module, [x])
    (linear,) = ops(module, nn.LinearOp)
    assert range_of(net.inputs[0]) == (x.min(), x.max())
    assert range_of(linear.result) == (y.min(), y.max())
    (clamp,) = ops(module, nn.ClampOp)
    measured = range_of(clamp.result)
    assert measured is not None and measured[0] == 0.0
    assert all(range_of(op.result) is None for op in ops(module, nn.ConstantOp))


def test_percentile() -> None:
    net = Net((1, 1))
    module = net.done(net.clamp(net.inputs[0], -np.inf))
    x = np.linspace(0, 1, 1000).reshape(-1, 1)
    x[500] = 1000.0
    calibrate(module, [x], make_observer("percentile", 99.0))
    measured = range_of(net.inputs[0])
    assert measured is not None and measured[1] < 1.5


def test_where_axis_0_is_no_batch_samples_run_one_by_one() -> None:
    net = Net((1, 2, 3))
    x = net.transpose(net.reshape(net.inputs[0], 2, 3), (1, 0))
    module = net.done(net.reshape(x, 1, 6))
    assert samples_at_once(main_of(module)) == 1
    calibrate(module, random_inputs(module, 4), MinMaxObserver)
    swapped = Net((1, 1, 3))
    last = main_of(swapped.done(swapped.transpose(swapped.inputs[0], (1, 0, 2))))
    assert samples_at_once(last) == 1
    _, ordinary = network()
    assert samples_at_once(main_of(ordinary)) == 32


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_pass_reads_files(tmp_path: Path, suffix: str) -> None:
    net, module = network()
    (x,) = random_inputs(module)
    path = tmp_path / f"data{suffix}"
    if suffix == ".npy":
        np.save(path, x)
    else:
        np.savez(path, images=x)
    run(module, CalibratePass(str(path)))
    assert range_of(net.inputs[0]) == (x.min(), x.max())


@pytest.mark.parametrize("names", [("arr_1", "arr_0"), ("b", "a"), ("left", "right")])
def test_several_inputs_by_name(tmp_path: Path, names: tuple[str, str]) -> None:
    net = Net((1, 2), (1, 2))
    net.inputs[0].name_hint, net.inputs[1].name_hint = "a", "b"
    module = net.done(net.add(*net.inputs))
    first, second = np.full((1, 2), 1.0), np.full((1, 2), 2.0)
    save: Any = np.savez
    save(tmp_path / "x.npz", **{names[0]: first, names[1]: second})
    run(module, CalibratePass(str(tmp_path / "x.npz")))
    swapped = names != ("left", "right")
    assert range_of(net.inputs[0]) == ((2.0, 2.0) if swapped else (1.0, 1.0))


ONE = np.zeros((2, 3, 6, 5), np.float32)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([ONE[:, 0]], "input arr_0 must have shape [N, 3, 6, 5], got [2, 6, 5]"),
        ([ONE[:0]], "input arr_0 must have shape [N, 3, 6, 5], got [0, 3, 6, 5]"),
        ([np.zeros(())], "input arr_0 must have shape [N, 3, 6, 5], got []"),
        ([ONE, ONE], "the network takes 1 inputs, the calibration data has 2"),
        ([ONE.astype(np.complex64)], "must be numbers, got complex64"),
        ([ONE * np.nan], "calibration data for input arr_0 has NaN or infinity"),
    ],
)
def test_data_that_does_not_fit(inputs: list[Array], message: str) -> None:
    _, module = network()
    with pytest.raises(PassFailedException, match=re.escape(message)):
        calibrate(module, inputs, MinMaxObserver)


def test_inputs_of_different_length() -> None:
    net = Net((1, 2), (1, 2))
    module = net.done(net.add(*net.inputs))
    with pytest.raises(PassFailedException, match=re.escape("for each input, got [2, 3]")):
        calibrate(module, [np.zeros((2, 2)), np.zeros((3, 2))], MinMaxObserver)


def test_nan_weights_name_the_constant() -> None:
    net = Net((1, 2))
    weights = net.constant(np.array([[1.0, np.nan]]), "fc.weight")
    result = nn.float_type((1, 1))
    module = net.done(net.add_op(nn.LinearOp(net.inputs[0], weights, net.random(1), result)))
    with pytest.raises(PassFailedException, match="fc.weight holds NaN or infinity"):
        calibrate(module, [np.zeros((1, 2))], MinMaxObserver)


def test_a_layer_that_overflows_is_named() -> None:
    net = Net((1, 2))
    x = net.add_op(nn.AddOp(net.inputs[0], net.inputs[0]), "head.sum")
    with pytest.raises(PassFailedException, match="head.sum: a calibration value is not finite"):
        calibrate(net.done(x), [np.full((1, 2), 3e38)], MinMaxObserver)


def write(path: Path, content: str) -> Path:
    if content == "pickle":
        np.save(path, np.array([{}], object), allow_pickle=True)
    elif content == "two":
        np.savez(path, a=ONE, b=ONE)
    elif content != "missing":
        path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("missing", "No such file or directory"),
        ("", "cannot read calibration data from"),
        ("a text", "cannot read calibration data from"),
        ("PK\x03\x04 cut off", "cannot read calibration data from"),
        ("pickle", "cannot read calibration data from"),
        ("two", "holds the arrays a [2, 3, 6, 5], b [2, 3, 6, 5], but the network takes 1"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    suffix = ".npz" if content == "two" else ".npy"
    path = write(tmp_path / f"x{suffix}", content)
    _, module = network()
    with pytest.raises(PassFailedException, match=re.escape(message)) as caught:
        run(module, CalibratePass(str(path)))
    assert "\n" not in str(caught.value)


def test_options() -> None:
    _, module = network()
    with pytest.raises(PassFailedException, match="needs data"):
        run(module, CalibratePass())
    with pytest.raises(PassFailedException, match="percentile must lie in"):
        run(module, CalibratePass("x.npy", "percentile", 3.0))


def test_a_module_of_another_level_is_left_alone() -> None:
    run(ModuleOp([]), CalibratePass())
