# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN's own golden test data, read from the C headers of its unit tests.

The rule: a case is told in the words of `sparsec.quantization.int8`, its `params` and input `arrays` are the keyword
arguments of the operator that `kind` names, and nothing of CMSIS-NN is copied here.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsec.run.cmsis_nn import locate

Array = npt.NDArray[Any]

KINDS = {
    "convolve": r"basic|stride2pad1|conv_(?!.*int4).*|kernel1x1(?!.*int4).*",
    # CMSIS-NN's depthwise tests also use these two conv cases, which have one channel in and out.
    "depthwise_convolve": r"basic|stride2pad1|depthwise_(?!int4).*",
    "fully_connected": r"fully_connected(?!.*int).*",
    "avg_pool": r"avgpooling(_\d+)?",
    "max_pool": r"maxpooling(_\d+)?",
    "add": r"add",
    "softmax": r"softmax",
}
NETWORKS = r"ds_cnn_[sl]"
NOT_INT8 = (
    r".*int4.*|.*int16.*|.*_s16.*|requantize_s64|"  # other widths
    r"mul|svdf.*|lstm_.*|transpose_conv_.*"  # operators that int8 has none of
)


@dataclass(frozen=True)
class GoldenCase:
    """One operator with its arguments and, unless it is a network's layer, its `input` and `output` arrays.

    `params` holds numbers and tuples, `weights` arrays: w, bias (absent when all zero: CMSIS-NN's tests then pass
    NULL), multiplier and shift per channel. `inputs` are the positional arguments: x, or a and b.
    """

    name: str
    kind: str
    params: dict[str, Any]
    weights: dict[str, Array]
    inputs: tuple[Array, ...] = ()
    output: Array = field(default_factory=lambda: np.zeros(0, np.int8))

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.name}"


@dataclass(frozen=True)
class GoldenNetwork:
    """A chain of operators; `input` is shaped for the first, what follows is reshaped as each layer needs."""

    name: str
    layers: tuple[GoldenCase, ...]
    input: Array
    output: Array


def data_folder() -> Path | None:
    """The folder of all test data, or None if CMSIS-NN was not found or came without its tests."""
    root = locate()
    folder = root / "Tests/UnitTest/TestCases/TestData" if root else None
    return folder if folder and folder.is_dir() else None


def golden_cases() -> list[GoldenCase]:
    """Every int8 case of an operator in KINDS, in a fixed order; none if there is no test data."""
    folder = data_folder()
    return [
        _case(path, kind)
        for path in (sorted(folder.iterdir()) if folder else [])
        for kind, pattern in KINDS.items()
        if path.is_dir() and re.fullmatch(pattern, path.name)
    ]


def golden_networks() -> list[GoldenNetwork]:
    """The whole int8 networks; none if there is no test data."""
    folder = data_folder()
    paths = sorted(folder.iterdir()) if folder else []
    return [_network(path) for path in paths if re.fullmatch(NETWORKS, path.name)]


def unclassified() -> list[str]:
    """Folders that no pattern of this file claims: a revision with new cases."""
    folder = data_folder()
    patterns = [*KINDS.values(), NETWORKS, NOT_INT8]
    return [
        path.name
        for path in (sorted(folder.iterdir()) if folder else [])
        if path.is_dir() and not any(re.fullmatch(p, path.name) for p in patterns)
    ]


def _case(path: Path, kind: str) -> GoldenCase:
    name = path.name
    values = _defines((path / "config_data.h").read_text(), f"{name.upper()}_")
    arrays: dict[str, Array] = {}
    for header in sorted(path.glob("*_data.h")):
        arrays |= _arrays(header.read_text(), f"{name}_")
    case = _layer(name, kind, values, arrays)
    output = arrays["output_ref"]
    if kind == "add":
        return _with_data(case, (arrays["input1"], arrays["input2"]), output)
    if kind == "softmax":
        shape = (values["NUM_ROWS"], values["ROW_SIZE"])
        return _with_data(case, (arrays["input"].reshape(shape),), output.reshape(shape))
    n = values["INPUT_BATCHES"]
    if kind == "fully_connected":
        return _with_data(case, (arrays["input"].reshape(n, -1),), output.reshape(n, -1))
    x = arrays["input"].reshape(n, values["INPUT_H"], values["INPUT_W"], values["IN_CH"])
    y = output.reshape(n, values["OUTPUT_H"], values["OUTPUT_W"], values["OUT_CH"])
    return _with_data(case, (x,), y)


def _with_data(case: GoldenCase, inputs: tuple[Array, ...], output: Array) -> GoldenCase:
    return GoldenCase(case.name, case.kind, case.params, case.weights, inputs, output)


def _network(path: Path) -> GoldenNetwork:
    kinds = {
        "conv_2d": "convolve",
        "depthwise_conv_2d": "depthwise_convolve",
        "average_pool_2d": "avg_pool",
        "fully_connected": "fully_connected",
        "softmax": "softmax",
    }
    layers: dict[int, GoldenCase] = {}
    for config in path.glob("layer_*_config_data.h"):
        match = re.fullmatch(r"(layer_(\d+)_(\w+))_config_data", config.stem)
        assert match is not None
        stem, number, word = match.groups()
        arrays: dict[str, Array] = {}
        for header in path.glob(f"{stem}_*_data.h"):
            arrays |= _arrays(header.read_text(), f"{path.name}_{stem}_")
        values = _defines(config.read_text(), f"{word.upper()}_{number}_")
        layers[int(number)] = _layer(f"{path.name}.{stem}", kinds[word], values, arrays)
    first = _defines((path / "layer_1_conv_2d_config_data.h").read_text(), "CONV_2D_1_")
    x = _arrays((path / "input_data.h").read_text(), f"{path.name}_")["input"]
    y = _arrays((path / "output_ref_data.h").read_text(), f"{path.name}_")["output_ref"]
    shape = (1, first["INPUT_H"], first["INPUT_W"], first["IN_CH"])
    chain = tuple(layers[number] for number in sorted(layers))
    return GoldenNetwork(path.name, chain, x.reshape(shape), y)


def _layer(name: str, kind: str, values: dict[str, int], arrays: dict[str, Array]) -> GoldenCase:
    params: dict[str, Any] = {}
    weights: dict[str, Array] = {}
    if kind == "softmax":
        params = {
            "multiplier": values.get("INPUT_MULT", values.get("MULT")),
            "shift": values.get("INPUT_LEFT_SHIFT", values.get("SHIFT")),
            "diff_min": values["DIFF_MIN"],
        }
        return GoldenCase(name, kind, params, weights)
    params["clamp"] = (values["OUT_ACTIVATION_MIN"], values["OUT_ACTIVATION_MAX"])
    if kind == "add":
        for side in ("input1", "input2"):
            params[f"{side}_zp"] = -values[f"{side.upper()}_OFFSET"]
            params[f"{side}_multiplier"] = values[f"{side.upper()}_MULT"]
            params[f"{side}_shift"] = values[f"{side.upper()}_SHIFT"]
        params["left_shift"] = values["LEFT_SHIFT"]
        params["output_zp"] = values["OUTPUT_OFFSET"]
        params["output_multiplier"] = values["OUTPUT_MULT"]
        params["output_shift"] = values["OUTPUT_SHIFT"]
        return GoldenCase(name, kind, params, weights)
    if kind in ("avg_pool", "max_pool"):
        params["kernel"] = (values["FILTER_Y"], values["FILTER_X"])
        return GoldenCase(name, kind, params | _strides_and_padding(values), weights)

    params["input_zp"] = -values["INPUT_OFFSET"]
    params["output_zp"] = values["OUTPUT_OFFSET"]
    bias = arrays["biases"] if "biases" in arrays else arrays["bias"]
    if bias.any():
        weights["bias"] = bias
    if kind == "fully_connected":
        params["multiplier"] = values["OUTPUT_MULTIPLIER"]
        params["shift"] = values["OUTPUT_SHIFT"]
        weights["w"] = arrays["weights"].reshape(bias.size, -1)
        return GoldenCase(name, kind, params, weights)
    params["dilations"] = (values["DILATION_Y"], values["DILATION_X"])
    outputs = 1 if kind == "depthwise_convolve" else bias.size
    kernel = (values["FILTER_Y"], values["FILTER_X"])
    weights["w"] = arrays["weights"].reshape(outputs, *kernel, -1)
    weights["multiplier"] = arrays["output_mult"]
    weights["shift"] = arrays["output_shift"]
    return GoldenCase(name, kind, params | _strides_and_padding(values), weights)


def _strides_and_padding(values: dict[str, int]) -> dict[str, Any]:
    """CMSIS-NN states padding before only; what comes after follows from the output size."""
    after: list[int] = []
    for axis, letter in (("Y", "H"), ("X", "W")):
        span = values.get(f"DILATION_{axis}", 1) * (values[f"FILTER_{axis}"] - 1) + 1
        reach = (values[f"OUTPUT_{letter}"] - 1) * values[f"STRIDE_{axis}"] + span
        after.append(max(0, reach - values[f"INPUT_{letter}"] - values[f"PAD_{axis}"]))
    return {
        "strides": (values["STRIDE_Y"], values["STRIDE_X"]),
        "padding": (values["PAD_Y"], values["PAD_X"], after[0], after[1]),
    }


def _defines(text: str, prefix: str) -> dict[str, int]:
    pairs = re.findall(rf"#define {prefix}(\w+) (-?\d+)", text)
    return {name: int(value) for name, value in pairs}


def _arrays(text: str, prefix: str) -> dict[str, Array]:
    found = re.findall(rf"const (\w+)_t {prefix}(\w+)\[\d*\]\s*=\s*\{{([^}}]*)\}}", text)
    return {
        name: np.array([int(value) for value in re.findall(r"-?\d+", body)], dtype)
        for dtype, name, body in found
    }
