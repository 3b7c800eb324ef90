# SPDX-License-Identifier: Apache-2.0
"""The options that every command on a model takes, and what they mean together."""

import argparse
import re
from pathlib import Path
from typing import NoReturn

from sparsec.pipelines import MAX_SLOWDOWN
from sparsec.targets.cpu import CPUS
from sparsec.tools import instrumentation
from sparsec.tools.errors import UserError
from sparsec.tools.registry import suggestion
from sparsec.version import VERSION

_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


def byte_count(text: str) -> int:
    """`64K` and the like as bytes; argparse reports the ValueError."""
    match = re.fullmatch(r"(\d+)([KM]?)B?", text.strip().upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size, write e.g. 65536, 64K or 1M")
    return int(match[1]) * _UNITS[match[2]]


def memory(text: str) -> str:
    """`dtcm=64K` as passes write it; argparse reports the error."""
    from sparsec.targets.memory import parse_memories

    name, equals, size = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is no memory, write e.g. dtcm=64K")
    try:
        written = f"{name}={byte_count(size)}"
        parse_memories(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return written


def shape(text: str) -> tuple[int, ...]:
    """`1,3,32,32` as numbers; argparse reports the error."""
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a shape, write e.g. 1,3,32,32")
    return sizes


def c_identifier(text: str) -> str:
    """A name that C accepts; argparse reports the error."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a C identifier")
    return text


def weights(text: str) -> str:
    """`auto`, `dense` or a format as recipes write it; argparse reports the error."""
    from sparsec.recipe import wish_for_all

    if text == "auto":
        return text
    try:
        wish = wish_for_all(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return "dense" if wish.format is None else wish.format.label


def recipe(given: str) -> str:
    """A recipe, or a file with one, on one line; argparse reports the error."""
    from sparsec.recipe import parse_recipe

    try:
        # A recipe has colons and can be too long for the name of a file.
        text = given if ":" in given or not given else Path(given).read_text()
        return parse_recipe(text).text
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {given}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def percentile(text: str) -> float:
    """A number between 50 and 100; argparse reports the error."""
    return _number_within(text, 50, 100, "a percentile over 50 and up to 100, write e.g. 99.9")


def seconds(text: str) -> float:
    """A time of up to a day; argparse reports the error."""
    return _number_within(text, 0, 86400, "a number of seconds, write e.g. 10 or 0.5")


def slowdown(text: str) -> int:
    """Whole percent; argparse reports the error."""
    if re.fullmatch(r"\d{1,3}", text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of percent, write e.g. 5")
    return int(text)


def _number_within(text: str, low: float, high: float, meaning: str) -> float:
    if re.fullmatch(r"\d*\.?\d+", text) is None or not low <= float(text) <= high:
        raise argparse.ArgumentTypeError(f"'{text}' is not {meaning}")
    return float(text)


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UserErrors: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError, with the option that may be meant."""
        unknown = re.match(r"unrecognized arguments: (-[^\s=]+)", message)
        meant = suggestion(unknown[1], self._option_string_actions) if unknown else ""
        raise UserError(f"{message}{meant} (try {self.prog} --help)")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """How to read a model."""
    group = parser.add_argument_group("reading the model")
    group.add_argument(
        "--input-layout",
        choices=("nchw", "nhwc"),
        default="nchw",
        help="layout of image inputs of the generated entry; default nchw, what the torch model "
        "takes",
    )
    group.add_argument(
        "--trust-pickle",
        action="store_true",
        help="unpickle the file, which runs any code in it; needs --input-shape",
    )
    group.add_argument(
        "--input-shape",
        type=shape,
        action="append",
        metavar="N,C,H,W",
        help="shape of an input of a model that does not tell it, e.g. 1,3,32,32; repeat per input",
    )
    group.add_argument(
        "--no-import-check",
        dest="import_check",
        action="store_false",
        help="do not run a model of PyTorch by torch to see that it was read rightly, e.g. sparsec "
        "model.pt2 --no-import-check, which saves a fraction of a second",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The model, how to read it and how to compile it."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="an exported program (.pt2, .pt), TorchScript (.pt), a pickled module (see "
        "--trust-pickle), int8 TensorFlow Lite (.tflite), a folder of sparse-engine's tensors (.npy), or IR "
        "text of any level (.mlir, or - for standard input)",
    )
    add_reading_options(parser)
    group = parser.add_argument_group("quantization")
    group.add_argument(
        "--calibrate",
        metavar="FILE",
        help=".npy or .npz with real inputs as the network takes them, see --input-layout, e.g. images.npz; "
        "default: the example inputs of an exported program",
    )
    group.add_argument(
        "--observer",
        choices=("min-max", "percentile", "mse", "auto"),
        default="min-max",
        help="how ranges follow from the calibration data: all of it, most of it (see --percentile), what has the least "
        "squared error, or auto, which tries them for each value and keeps what makes the outputs better, e.g. "
        "--observer=auto; default min-max. sparsec accuracy says what each is worth",
    )
    group.add_argument(
        "--percentile",
        type=percentile,
        metavar="P",
        help="what --observer=percentile keeps of the values, e.g. 99.9; default 99.99",
    )
    group.add_argument(
        "--equalize",
        action="store_true",
        help="rescale channels between two layers so that one scale serves them all, e.g. sparsec model.pt2 --equalize; "
        "for networks whose channels differ by much",
    )
    group.add_argument(
        "--correct-biases",
        action="store_true",
        help="give layers that rounding shifts their mean back, by their biases, e.g. sparsec model.pt2 --correct-biases",
    )
    group.add_argument(
        "--linear-weights",
        choices=("per-channel", "per-tensor"),
        default="per-channel",
        help="scales of the weights of linear layers; default per-channel",
    )
    group = parser.add_argument_group("code generation")
    group.add_argument(
        "--name",
        type=c_identifier,
        help="name of the network in C, e.g. lenet; default: from the file name",
    )
    group.add_argument(
        "--target",
        metavar="CPU",
        help=f"processor, one of {', '.join(CPUS)}; default cortex-m4",
    )
    group.add_argument(
        "--objective",
        choices=("latency", "flash", "ram", "balanced"),
        default="latency",
        help="what --weights=auto and the memory plan choose for: the fewest estimated cycles, the fewest bytes of "
        "flash, the smallest arena at any price, or the least sum of cycles and flash as shares of the dense network's; "
        "default latency, see --max-slowdown, under which an image grows by at most 10 %%, and what needs most RAM "
        "by 4 %%, for each 1 %% of the dense network's cycles that is saved. Flash is constants and code, see --flash",
    )
    group.add_argument(
        "--weights",
        type=weights,
        metavar="FORMAT",
        default="auto",
        help="storage of the weights: dense, or a format such as delta8 or block(4x1) for every "
        "layer that has a kernel for it; auto, the default, decides for each layer",
    )
    group.add_argument(
        "--recipe",
        type=recipe,
        metavar="TEXT|FILE",
        default="",
        help="storage of the weights by the names of layers, e.g. 'conv*: delta8; stem: dense', with "
        "'by C_FUNCTION' behind it where one of several kernels is wanted; and what "
        "lies in which --memory, e.g. 'conv1: in dtcm; fc.weight: in dtcm' for what conv1 writes and a constant",
    )
    group.add_argument(
        "--arena",
        choices=("static", "caller"),
        default="static",
        help="whether the generated code defines its arena or the caller provides it",
    )
    group.add_argument(
        "--io",
        choices=("arena", "caller"),
        default="arena",
        help="where inputs and outputs lie: in the arena, or in buffers of the caller, which the entry "
        "takes behind the arena: net_invoke(arena, input, output); default arena",
    )
    group.add_argument(
        "--int8-io",
        action="store_true",
        help="leave the conversions of float32 inputs and outputs out of the header, where the "
        "caller has int8 already, e.g. sparsec kws.tflite --int8-io",
    )
    group.add_argument(
        "--bundle",
        action="store_true",
        help="copy the files of CMSIS-NN that are called, with their licence, to the project, which a C compiler builds "
        "alone then, e.g. sparsec kws.tflite --bundle -o kws && arm-none-eabi-gcc -mcpu=cortex-m4 -c -Ikws kws/*.c",
    )
    group.add_argument(
        "--ram",
        type=byte_count,
        metavar="BYTES",
        help="keep the arena within this, e.g. 64K, or fail",
    )
    group.add_argument(
        "--memory",
        type=memory,
        action="append",
        metavar="NAME=BYTES",
        default=[],
        help="a memory of the chip that the network may use so much of, e.g. dtcm=64K; repeat from the "
        "fastest to the slowest; default: one arena, as large as need be",
    )
    group.add_argument(
        "--max-slowdown",
        type=slowdown,
        metavar="PERCENT",
        help="estimated cycles that a smaller arena may cost, e.g. 5; 0 leaves every layer as fast as it can be, and adds "
        f"no code for it; default {MAX_SLOWDOWN}, for --objective=flash 0. --objective=ram has no limit, and --ram comes first",
    )
    group.add_argument(
        "--plan-seconds",
        type=seconds,
        metavar="N",
        help="search up to so long for a smaller arena, e.g. 60, and no longer; default: a fixed number of steps, about "
        "a second, so that every machine finds the same plan. A plan that is 'optimal' is proven to be the smallest. "
        "With numba (pip install sparsec[plan]) the search among buffers that lie apart is some thirty times faster",
    )
    group.add_argument(
        "--flash",
        type=byte_count,
        metavar="BYTES",
        help="keep constants and code within this, e.g. 512K, or fail: what the network's function and all that it calls "
        "take of an image that is linked with --gc-sections. Code is counted as gcc 12 compiles it with -O3 for the "
        "packaged CMSIS-NN, and is within 0.3 %% of what is linked for MLPerf Tiny's networks (make bench-flash)",
    )
    group.add_argument(
        "--cmsis-nn",
        type=Path,
        metavar="DIR",
        help="CMSIS-NN, with Include/ and Source/; default: $CMSIS_NN_DIR, else the copy that "
        "python -m sparsec.run.cmsis_nn fetches",
    )
    group = parser.add_argument_group("looking inside")
    group.add_argument(
        "--verify-semantics",
        action="store_true",
        help="interpret the network before and after each pass and compare",
    )
    group.add_argument(
        "--verify-each",
        action="store_true",
        help="verify the IR after each pass, as sparsec-opt does; default: once, after the last one",
    )
    group.add_argument(
        "--print-pipeline",
        action="store_true",
        help='print the passes as text for sparsec-opt -p "..", and stop',
    )
    instrumentation.add_arguments(parser)
    parser.add_argument("--version", action="version", version=f"sparsec {VERSION}")


def add_self_test_option(parser: argparse.ArgumentParser) -> None:
    """The option of what writes C."""
    parser.add_argument(
        "--self-test",
        metavar="FILE",
        help="a program that runs the network on samples where it lies in flash: the bytes that differ from the interpreter's, "
        "Top-1 and Top-5, and what each kind of layer takes. FILE is .npy with samples, or .npz with one array for each "
        "input and their classes as 'labels', e.g. images.npz; or the config.yml of a folder of tensors, which names one image",
    )


def search_hint() -> str:
    """What to do where no plan of the memory is proven to be the smallest."""
    from sparsec.planning.exact import has_compiler

    numba = "" if has_compiler() else "; with numba (pip install 'sparsec[plan]') it may be faster"
    return f"--plan-seconds=60 searches longer for a smaller arena{numba}"


def hides_progress(args: argparse.Namespace) -> bool:
    """Whether to show no progress: when told to be quiet, or where it would mix with printed IR."""
    return args.quiet or instrumentation.Instrumentation.from_arguments(args).on_stderr


def network_name(model: str, chosen: str | None) -> str:
    """The C name of a network: as chosen, else the stem of the file.

    A file called `model` is named after its folder. A folder of tensors keeps its name to itself, as the files that are
    written go to another.
    """
    from sparsec.backends.c import names  # not for --help

    if chosen is not None:
        try:
            names.check_network_name(chosen)
        except ValueError as error:
            raise UserError(f"--name: {error}") from error
        return chosen
    path = Path("model.mlir" if model == "-" else model)
    stem = f"{path.resolve().name}_network" if path.is_dir() else path.stem
    if stem == "model" and path.parent.name not in ("", ".", ".."):
        stem = path.parent.name
    return names.network_name(stem)
