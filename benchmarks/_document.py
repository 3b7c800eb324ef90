# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/results.md and README.md from `results/*.json`: `python -m benchmarks._document`.

The rule: a figure in a document comes from one recorded run. Between `<!-- table NAME -->` and `<!-- end -->` stands what
`TABLES` makes of the results; the options of the compiler are those that the run recorded. Then the commands of README.md
are run, and each line of their output that is no longer what they print is named; exit code 1 if there is one.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from json import loads
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks._readme import commands, printed_by, write_files
from benchmarks._results import RESULTS

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs/results.md")
NETWORKS = {
    "kws": "KWS (DS-CNN)",
    "ic": "IC (ResNet8)",
    "vww": "VWW (MobileNetV1-0.25)",
    "ad": "AD",
}
PRUNED = ("DS-CNN", "ResNet8", "MobileNetV1-0.25")
WAYS = {"apart": "apart", "command line": "default", "smallest": "smallest"}
"""What `benchmarks.memory` calls a way, and what the table does."""

MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Results:
    """The figures of one benchmark."""

    name: str
    figures: Sequence[dict[str, Any]]

    def find(self, what: str, options: str = "") -> dict[str, Any]:
        """The figure called `what`, measured with `options` among others. KeyError unless there is just one."""
        found = [
            figure
            for figure in self.figures
            if figure["what"] == what and options in figure.get("options", "")
        ]
        if len(found) != 1:
            raise KeyError(
                f"{self.name}.json has {len(found)} figures '{what}' {options}: make bench-{self.name}"
            )
        return found[0]

    def value(self, what: str, options: str = "") -> float:
        """Its value."""
        value = self.find(what, options)["value"]
        assert isinstance(value, int | float)
        return value

    def options(self, what: str, options: str = "") -> str:
        """The options that it was measured with, as code, and the words beside them."""
        found = self.find(what, options).get("options", "")
        return re.sub(r"--[^\s,]+", r"`\g<0>`", found) or "the defaults"

    def matching(self, pattern: str) -> Iterator[tuple[re.Match[str], float]]:
        """All figures whose names match, with their values."""
        for figure in self.figures:
            if match := re.fullmatch(pattern, figure["what"]):
                yield match, figure["value"]


@cache
def results(name: str) -> Results:
    """What the benchmark `name` recorded. FileNotFoundError where it never ran."""
    return Results(name, loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], remark: str) -> str:
    """A table in Markdown and what is said below it."""
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    return f"{text}\n\n{remark}\n"


def million(count: float) -> str:
    """A count of instructions or cycles."""
    return f"{count / 1e6:.3f}"


def spine() -> str:
    """Dense weights next to plain CMSIS-NN calls."""
    found, scales = results("spine"), "--linear-weights=per-tensor"
    cores = ("cortex-m4", "cortex-m7", "cortex-m55")

    def cell(network: str, core: str) -> str:
        ours, plain = (
            found.value(f"instructions {network} {core}: {whose}", scales)
            for whose in ("ours", "plain")
        )
        return f"{million(ours)} / {million(plain)}"

    rows = [[title, *(cell(name, core) for core in cores)] for name, title in NETWORKS.items()]
    options = found.options("instructions kws cortex-m4: ours", scales)
    return table(
        ("network", "M4: sparsec / plain CMSIS-NN", "M7", "M55"),
        rows,
        f"Million instructions; options: {options} (`make bench-spine`).",
    )


def compile_time() -> str:
    """From the file to C."""
    found, chain = results("lossless"), results("spine")
    cells = [
        f"{value:.1f}"
        for name in NETWORKS
        for _, value in found.matching(rf"{name}: sparsec \S+ --emit=c")
    ]
    ratio = chain.value("chain of 500 to 1000 layers, ratio of processor time")
    return table(
        ("`sparsec NAME.tflite --emit=c`, start of Python included", *NETWORKS.values()),
        [("seconds of wall time", *cells)],
        f"A chain of 1,000 convolutions takes {ratio:.2f} times as long as one of 500.",
    )


def lossless() -> str:
    """Files as published, smaller and faster."""
    found = results("lossless")
    rows: list[list[object]] = []
    for name, title in NETWORKS.items():
        row: list[object] = [title]
        for what, scale, unit in (("weights", 1, ""), ("MACs", 1e6, " M")):
            [(match, left)] = found.matching(rf"{name}: {what} left of (\d+)")
            was, now = (
                f"{count / scale:,.{3 if unit else 0}f}{unit}" for count in (int(match[1]), left)
            )
            row.append(was if was == now else f"{was} → {now}")
        for core in ("cortex-m4", "cortex-m55"):
            plain, ours = (found.value(f"{name} {core}: {whose}") for whose in ("plain", "ours"))
            row.append(f"{million(plain)} / {million(ours)} ({plain / ours:.2f}x)")
        rows.append(row)
    options = found.options("kws cortex-m4: ours")
    return table(
        ("network", "weights", "MACs", "M4: plain CMSIS-NN / sparsec", "M55"),
        rows,
        f"Million instructions; options: {options} (`make bench-lossless`).",
    )


def memory() -> str:
    """Arenas, and what they cost."""
    found = results("memory")
    ways = [
        ("cortex-m4", "apart"),
        ("cortex-m4", "command line"),
        ("cortex-m4", "smallest"),
        ("cortex-m55", "command line"),
        ("cortex-m55", "smallest"),
    ]

    def cell(network: str, core: str, way: str) -> str:
        name = f"{network} {core} {way}"
        ratio = found.value(f"{name}: instructions / apart")
        slower = "" if way == "apart" or ratio == 1 else f" ({ratio:.3f}x)"
        return f"{found.value(f'{name}: arena'):,}{slower}"

    rows = [
        [
            network,
            f"{found.value(f'{network}: TensorFlow Lite Micro, its plan'):,}",
            *(cell(network, core, way) for core, way in ways),
        ]
        for network in ("KWS", "IC", "VWW", "AD")
    ]
    said = {way: found.options(f"KWS cortex-m4 {way}: arena") for _, way in ways}
    return table(
        (
            *("network", "TensorFlow Lite Micro"),
            *(f"M{core.removeprefix('cortex-m')}, {WAYS[way]}" for core, way in ways),
        ),
        rows,
        "Bytes, and instructions beside those of `apart`. Options: "
        + "; ".join(f"{WAYS[way]}: {options}" for way, options in said.items())
        + " (`make bench-memory`).",
    )


def pruned() -> str:
    """Networks with weights set to zero."""
    found = results("sparse")
    rows: list[list[object]] = []
    for network in PRUNED:
        for share in (50, 75, 90):
            name = f"{network}, {share} % set to zero, cortex-m4"
            row: list[object] = [network, f"{share} %", f"{found.value(f'zeros {name}'):.1f} %"]
            for what in ("instructions", "estimated cycles"):
                plain, ours = (
                    found.value(f"{what} {name}: {whose}") for whose in ("CMSIS-NN", "ours")
                )
                row.append(f"{million(plain)} / {million(ours)} ({plain / ours:.2f}x)")
            sizes = [found.value(f"flash {name}: {whose}") / 1000 for whose in ("CMSIS-NN", "ours")]
            row.append(" / ".join(f"{size:.1f}" for size in sizes))
            rows.append(row)
    options = found.options(f"instructions {PRUNED[0]}, 50 % set to zero, cortex-m4: ours")
    return table(
        (
            *("network", "set to zero in each layer", "zeros of all", "M instructions"),
            *("M estimated cycles", "flash KB"),
        ),
        rows,
        f"Plain CMSIS-NN calls of the same weights / sparsec on M4; options: {options} "
        "(`make bench-sparse`).",
    )


def layers() -> str:
    """Single layers with random zeros."""
    found = results("sparse")
    kinds = {
        "W1": "1x1 convolution, 25x5 pixels of 64 channels",
        "W4": "3x3 convolution, 8x8 pixels of 64 channels",
        "W5": "linear, 256 to 256",
    }
    shares = (50, 70, 80, 90, 95)
    rows: list[list[object]] = []
    for workload, title in kinds.items():
        ratios = {
            int(match[1]): value
            for match, value in found.matching(
                rf"instructions (?:fc )?{workload} cortex-m4 un (\d+) ?%.*: CMSIS-NN/ours"
            )
        }
        rows.append([title, *(f"{ratios[s]:.2f}x" if s in ratios else "" for s in shares)])
    return table(
        ("layer, fewer instructions on M4 with so many zeros", *(f"{share} %" for share in shares)),
        rows,
        "Sparse kernels as they are, next to CMSIS-NN's dense one; empty: not measured "
        "(`make bench-sparse`).",
    )


def hard() -> str:
    """The published instances of memory planning."""
    found = results("memory")
    names = ("hard instances solved", "slowest of them", "all of them")
    solved, slowest, together = (found.value(name) for name in names)
    return table(
        ("solved", "slowest", "all of them"),
        [(f"{solved:.0f}", f"{slowest:.1f} s", f"{together:.1f} s")],
        "Wall time, with numba (`make bench-memory`).",
    )


def cycles() -> str:
    """How good estimates are."""
    found, cores = results("cycles"), ("cortex-m4", "cortex-m7", "cortex-m55")
    rows = [
        [
            title,
            *(
                f"{100 * found.value(f'{name} {core}: estimate off the published one'):.1f} %"
                for core in cores
            ),
        ]
        for name, title in NETWORKS.items()
    ]
    return table(
        ("network", "M4", "M7", "M55"),
        rows,
        "AD on M55 ran other code there (`make bench-cycles`).",
    )


def flash() -> str:
    """Whole networks in flash, as linked."""
    found = results("flash")
    rows: list[list[object]] = []
    for name, title in NETWORKS.items():
        for core in ("cortex-m4", "cortex-m55"):
            row: list[object] = [title, core.removeprefix("cortex-").upper()]
            row.append(f"{found.value(f'{name} {core}: plain'):,.0f}")
            for objective in ("latency", "balanced", "flash"):
                linked, arena = (
                    found.value(f"{name} {core} {objective}: {what}")
                    for what in ("linked", "arena")
                )
                row.append(f"{linked:,.0f} ({arena:,.0f})")
            rows.append(row)
    worst = max(value for _, value in found.matching(".*: error"))
    return table(
        ("network", "core", "plain CMSIS-NN", "default", "`balanced`", "`flash`"),
        rows,
        "Bytes of constants and code as linked, and of the arena in parentheses; "
        f"the prediction, which budgets and objectives go by, is off by at most {worst:.2f} % (`make bench-flash`).",
    )


def runs_of(benchmark: str) -> list[dict[str, Any]]:
    """The lines of a benchmark that goes on where it stopped."""
    path = RESULTS / f"{benchmark}_runs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [loads(line) for line in lines]


def compress() -> str:
    """Accuracy beside what a network takes, for each variant that has run, in the order of the runs."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs_of("compress"):
        found.setdefault((run["network"], run["variant"]), []).append(run)
    order = list(dict.fromkeys(network for network, _ in found))
    rows: list[list[object]] = []
    for (network, variant), runs in sorted(found.items(), key=lambda each: order.index(each[0][0])):
        means = {
            key: sum(run[key] for run in runs) / len(runs)
            for key in runs[0]
            if key not in ("network", "variant")
        }
        rows.append(
            [
                network,
                variant,
                len(runs),
                f"{means['zeros']:.2f}",
                _spread([100 * run["float_accuracy"] for run in runs]),
                _spread([100 * run["int8_accuracy"] for run in runs]),
                f"{means['flash']:,.0f}",
                f"{means['arena']:,.0f}",
                million(means["instructions"]),
                million(means["cycles"]),
            ]
        )
    return table(
        (
            *("network", "zeros", "seeds", "share", "float %", "int8 %"),
            *("flash B", "arena B", "M4 instructions", "estimated cycles"),
        ),
        rows,
        "Accuracy on the test set, of several seeds the mean and their standard deviation; int8 by the C of the network, whose "
        "bytes equal the interpreter's and the device's wherever they were compared. Million instructions on QEMU, million "
        "cycles predicted for the layers with weights (`make bench-compress`).",
    )


def search() -> str:
    """What each search found and what came of it, networks and methods in the order of the runs."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs_of("search"):
        found.setdefault((run["network"], run["method"]), []).append(run)
    rows: list[list[object]] = []
    for (network, method), runs in sorted(found.items(), key=lambda each: each[0][0]):
        macs, cycles, flash, ram = (
            mean(run[key] for run in runs) for key in ("macs", "cycles", "flash", "arena")
        )
        rows.append(
            [
                network,
                method,
                len(runs),
                runs[0]["evaluations"],
                *(
                    _spread([100 * run[key] for run in runs])
                    for key in ("untrained_accuracy", "float_accuracy", "int8_accuracy")
                ),
                million(macs),
                million(cycles),
                f"{flash:,.0f}",
                f"{ram:,.0f}",
            ]
        )
    return table(
        (
            *("network", "search", "seeds", "judged", "untrained %", "float %", "int8 %"),
            *("MACs", "estimated cycles", "flash B", "arena B"),
        ),
        rows,
        "`dense` is the network as it is; `uniform`, `amc`, `tpe` and `random` take channels, at most half of the MACs; "
        "`cycles X` is TPE over patterns of weights with X of the cycles that AMC came to as a limit. `untrained` is what a "
        "search judged by, on 2,000 images of its own; then all were trained for the same epochs. Million MACs and cycles "
        "on Cortex-M4 (`make bench-search`).",
    )


HEADLINE = ("ResNet8", "DS-CNN")
ZEROS = {"dense": "none", "unstructured 0.75": "75 %", "unstructured 0.9": "90 %"}


def headline() -> str:
    """What pruning costs and gives, in the mean over the seeds that ran for all that is shown of a network, so that a
    difference is none of the seeds: the first thing that one should see."""
    runs = runs_of("compress")
    rows: list[list[object]] = []
    for network in HEADLINE:
        by_variant = {
            variant: {
                run["seed"]: run
                for run in runs
                if (run["network"], run["variant"]) == (network, variant)
            }
            for variant in ZEROS
        }
        shown = {variant: by_seed for variant, by_seed in by_variant.items() if by_seed}
        seeds = set[object].intersection(*map(set, shown.values())) if shown else set[object]()
        for variant, by_seed in shown.items() if seeds else ():
            zeros = ZEROS[variant]
            found = [run for seed, run in by_seed.items() if seed in seeds]
            accuracy = 100 * mean(run["int8_accuracy"] for run in found)
            flash, ram, cycles = (
                mean(run[key] for run in found) for key in ("flash", "arena", "cycles")
            )
            rows.append(
                [network, zeros, f"{accuracy:.2f}", f"{flash:,.0f}", f"{ram:,.0f}", million(cycles)]
            )
    return table(
        ("network", "zeros", "int8 %", "flash B", "RAM B", "cycles"),
        rows,
        "Fashion-MNIST, all 10,000 test images; flash is code and constants, RAM the whole arena, million cycles as they are "
        "estimated for Cortex-M4 (`make bench-compress`).",
    )


def _spread(values: Sequence[float]) -> str:
    """A mean, and the standard deviation of several."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def helium_layers() -> str:
    """Single layers at 90 % zeros on Cortex-M55, next to the fastest CMSIS-NN."""
    found, kind = results("helium"), r"estimated cycles (W\d) (\S+) 90 %: fastest CMSIS-NN/ours"
    cells: dict[tuple[str, bool], dict[str, str]] = {}
    for figure in found.figures:
        match, native = re.fullmatch(f"{kind}(, layout-native)?", figure["what"]), ""
        if match is None or match[3]:
            continue
        chosen = figure["options"].startswith("own choice")
        layout = f"{figure['what']}, layout-native"
        gcc = figure["what"].replace("fastest CMSIS-NN", "gcc's CMSIS-NN")
        alone = found.find(layout, figure["options"])
        native = "" if alone["value"] - figure["value"] < 0.02 else f", {alone['value']:.2f}"
        goal = f" of {alone['target']:g}" if alone["target"] else ""
        cell = f"{figure['value']:.2f}{native}{goal} ({found.value(gcc, figure['options']):.2f})"
        cells.setdefault((match[2], chosen), {})[match[1]] = cell
    names = [f"W{number}" for number in range(1, 7)]
    rows = [
        [pattern, "own choice" if chosen else "forced", *(row.get(name, "") for name in names)]
        for (pattern, chosen), row in sorted(cells.items(), key=lambda item: item[0][0])
    ]
    return table(
        ("zeros", "kernel", *names),
        rows,
        "Estimated cycles of CMSIS-NN by the fastest of gcc -O3, clang -O3 and clang -Os for each cycle of ours by the "
        "faster of gcc -O3 and clang -Os, conversions of layouts counted; behind a comma without them, `of` the goal, in "
        "parentheses next to gcc's CMSIS-NN. W1 to W3 are 1x1 convolutions of 64, 128 and 256 channels, W4 3x3 of 64, W5 "
        "and W6 linear of 256 and 640 inputs (`make bench-helium`).",
    )


def helium_dcsr() -> str:
    """The kernels published with dCSR next to ours."""
    found = results("helium")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for figure in found.figures:
        match = re.fullmatch(r"instructions (W\d) 90 %: published dCSR/ours", figure["what"])
        if match is None:
            continue
        how, theirs = figure["options"].split(", theirs by ")
        goal = f" of {figure['target']:g}" if figure["target"] else ""
        rows.setdefault((how, theirs), {})[match[1]] = f"{figure['value']:.2f}{goal}"
    names = ("W1", "W2", "W3", "W5", "W6")
    return table(
        ("ours", "theirs by", *names),
        [[*key, *(row.get(name, "") for name in names)] for key, row in rows.items()],
        "Instructions of the kernels that are published with dCSR for each one of ours, at 90 % zeros, without conversions "
        "of layouts; `of` the goal (`make bench-helium`).",
    )


def attention() -> str:
    """One attention, and one layer norm."""
    found, shape = results("transformer"), "attention 64 x 4 x 16"
    rows = [
        [
            f"M{core.removeprefix('cortex-m')}",
            f"{found.value(f'instructions {shape} {core}: CMSIS-NN/ours'):.2f}x",
            f"{found.value(f'scores {shape} {core}: CMSIS-NN/ours'):.1f}x",
            f"{found.value(f'scores and values of one head {shape} {core}: CMSIS-NN/ours'):.1f}x",
            f"{found.value(f'instructions layer norm of 64 {core}'):.1f}",
            f"{found.value(f'largest error layer norm of 64 {core}'):.3f}",
        ]
        for core in ("cortex-m4", "cortex-m55")
    ]
    return table(
        (
            *("core", "fewer instructions", "less scratch than all scores"),
            "than one head's scores and transposed values",
            *("layer norm: instructions of a value", "its largest error, LSB"),
        ),
        rows,
        "64 tokens, 4 heads of 16, next to `arm_nn_mat_mult_nt_t_s8` and `arm_softmax_s8` by the faster of gcc and clang, "
        "whose heads lie apart and whose values are transposed already (`make bench-transformer`).",
    )


def sparse_engine() -> str:
    """The network that sparse-engine ships."""
    found, what = results("transformer"), "sparse-engine's network"
    sparse = f"flash of the twelve sparse layers, {what}"
    each = [figure["options"] for figure in found.figures if figure["what"] == sparse]
    rows: list[list[object]] = [
        [
            found.options(sparse, options) if options != "defaults" else "the defaults",
            *(
                f"{found.value(name, options):,}"
                for name in (sparse, f"flash, {what}", f"RAM, {what}")
            ),
            f"{found.value(f'instructions cortex-m7, {what}: dense CMSIS-NN/ours', options):.2f}x",
        ]
        for options in each
    ]
    rows.append(["sparse-engine", "569,082", "1,008,320", "319,192", ""])
    return table(
        ("options", "twelve sparse layers, B", "flash, B", "RAM, B", "fewer M7 instructions"),
        rows,
        "Random weights with as many zeros as the network has in each layer, next to the same network dense by calls of "
        "CMSIS-NN. The last row is what its linker says (`make bench-transformer`).",
    )


def helium_networks() -> str:
    """Whole networks on Cortex-M55."""
    found = results("helium")
    rows: list[list[object]] = []
    for match, cycles in found.matching(r"estimated cycles (.+): ours"):
        what = match[1]
        if re.match(r"W\d ", what):
            continue
        plain, gcc = (
            found.value(f"estimated cycles {what}: {whose} CMSIS-NN/ours")
            for whose in ("fastest", "gcc's")
        )
        goal = found.find(f"estimated cycles {what}: ours")["target"]
        flash = [found.value(f"flash {what}: {whose}") for whose in ("ours", "CMSIS-NN")]
        rows.append(
            [
                NETWORKS.get(what, what),
                *(million(cycles), million(goal) if goal else ""),
                *(f"{plain:.2f}x ({gcc:.2f}x)", " / ".join(f"{bytes:,.0f}" for bytes in flash)),
            ]
        )
    return table(
        ("network", "million cycles", "goal", "CMSIS-NN/ours", "flash B, ours / CMSIS-NN"),
        rows,
        "Estimated cycles; CMSIS-NN by the fastest of three compilers, in parentheses by gcc. Zeros are set in the "
        "convolutions and linear layers, not trained (`make bench-helium`).",
    )


TABLES: dict[str, Callable[[], str]] = {
    "spine": spine,
    "compile-time": compile_time,
    "lossless": lossless,
    "memory": memory,
    "pruned": pruned,
    "layers": layers,
    "helium-layers": helium_layers,
    "helium-dcsr": helium_dcsr,
    "helium-networks": helium_networks,
    "attention": attention,
    "sparse-engine": sparse_engine,
    "hard": hard,
    "flash": flash,
    "cycles": cycles,
    "compress": compress,
    "headline": headline,
    "search": search,
}


def with_tables(text: str) -> str:
    """A document with its tables as the results are. KeyError for a table that is not known."""
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def main() -> int:
    """Rewrite the tables, and name what README.md says of its commands and they do not; 1 if they do not."""
    for path in DOCUMENTS:
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
    stale = False
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        write_files(Path(folder))
        for shown in commands((ROOT / "README.md").read_text(encoding="utf-8")):
            output = printed_by(shown.command, Path(folder))
            lines = list(shown.stale(output))
            if lines:
                print(f"$ {shown.command}", "no longer prints:", *lines, "but:", output, sep="\n")
                stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
