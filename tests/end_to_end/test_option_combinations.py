# SPDX-License-Identifier: Apache-2.0
"""Whatever options are combined: the C compiles without a warning, and links with a program that uses what its header
offers; or the combination is refused."""

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import event, example, given, note, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sparsec.formats import COMMON_FORMATS
from sparsec.run import cmsis_nn
from sparsec.run.cmsis_library import cmsis_nn_library, compile_flags
from sparsec.run.object_cache import Folders, compile_object
from sparsec.run.project import Project, read_project
from sparsec.run.toolchain import compiler_for
from sparsec.targets.cpu import CPUS, cpu_named
from sparsec.tools.emission import write_files
from sparsec.tools.errors import UserError
from tests.end_to_end.road import compile_to
from tests.frontends.support import export_bytes
from tests.strictly import STRICT_FLAGS
from tests.tools.test_mutants import tflite_file

pytestmark = pytest.mark.builds

"""GNU C, which CMake takes by default, has more macros of its own."""


class Vision(nn.Module):
    """Convolutions of each kind and a linear layer; gives an image too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.point = nn.Conv2d(4, 8, 1)
        self.up = nn.ConvTranspose2d(8, 2, 2, stride=2)
        self.fc = nn.Linear(4 * 6 * 6, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.stem(x))
        z = nn.functional.hardtanh(self.deep(y), 0, 6) + y
        return torch.softmax(self.fc(z.flatten(1)), 1), self.up(self.point(z))


class Vectors(nn.Module):
    """Linear layers on two inputs, one of which reaches an output as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = nn.Linear(12, 8)
        self.invoke = nn.Parameter(torch.randn(8))
        self.input = nn.Linear(8, 3)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = torch.sigmoid(self.arena(torch.cat([a, b], 1))) * self.invoke
        return self.input(y), torch.maximum(a, b).softmax(1), a


class Odds(nn.Module):
    """A norm, a table, other sizes and other types; one output depends on nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.register_buffer("static", torch.tensor([[0.5, -1.0]]))

    def forward(self, i: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = nn.functional.gelu(self.norm(self.rows(i)))
        larger = nn.functional.interpolate(y.transpose(1, 2), size=5, mode="linear")
        return larger, y.mean(1).argmax(1), self.get_buffer("static")


class Nothing(nn.Module):
    """Gives what it takes."""

    def forward(self, x: Tensor) -> Tensor:
        return x


NETWORKS: dict[str, tuple[type[nn.Module], Callable[[], list[Tensor]]]] = {
    "vision": (Vision, lambda: [torch.randn(3, 2, 6, 6)]),
    "vectors": (Vectors, lambda: [torch.randn(3, 6), torch.randn(3, 6)]),
    "odds": (Odds, lambda: [torch.randint(0, 7, (3, 3))]),
    "nothing": (Nothing, lambda: [torch.randn(3, 2, 4)]),
}


class Models:
    """Files of networks, each written once to a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def file(self, kind: str, zeros: float) -> Path:
        """The network `kind` of which so many weights are zero; `tflite` is one of TensorFlow Lite."""
        path = (
            self.folder / f"{kind}_{round(100 * zeros)}{'.tflite' if kind == 'tflite' else '.pt2'}"
        )
        if not path.exists():
            path.write_bytes(tflite_file() if kind == "tflite" else exported(kind, zeros))
        return path


def exported(kind: str, zeros: float) -> bytes:
    make, inputs = NETWORKS[kind]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        net, examples = make(), inputs()
        for parameter in net.parameters():
            parameter[torch.rand(parameter.shape) < zeros] = 0
    return export_bytes(net, examples)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


def one_of(option: str, values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """`option` with one of `values`, or left out."""
    return st.sampled_from([(), *((f"{option}={value}",) for value in values)])


def flag(option: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sampled_from([(), (option,)])


WORDS = ["dtcm", "sram", "arena", "x", "index", "window", "data", "blocks", "a0"]
"""Names of memories: plain ones, and some that the generated code could have taken."""

NAMES = ["net", "A", "int", "linux", "arena", "Input", "x_1", "main", "n" * 60]


@st.composite
def memories(draw: st.DrawFn) -> tuple[str, ...]:
    """No memory, one or more, small and large, with something that has to lie in one of them."""
    names = draw(st.lists(st.sampled_from(WORDS), max_size=3, unique=True))
    sizes = [draw(st.sampled_from(["0", "200", "1K", "64K"])) for _ in names]
    if names and draw(st.booleans()):
        sizes[-1] = "64K"
    pinned = draw(st.sampled_from(["*", "*", "*weight*", "input", "fc"]))
    pin = (
        [f"--recipe={pinned}: in {draw(st.sampled_from(names))}"]
        if names and draw(st.booleans())
        else []
    )
    return (*(f"--memory={name}={size}" for name, size in zip(names, sizes, strict=True)), *pin)


OPTIONS = st.tuples(
    st.sampled_from([(f"--target={cpu}",) for cpu in CPUS]),
    one_of("--objective", ["flash", "ram", "balanced"]),
    one_of("--weights", ["dense", *(format.label for format in COMMON_FORMATS)]),
    one_of("--linear-weights", ["per-tensor"]),
    one_of("--input-layout", ["nhwc"]),
    one_of("--arena", ["caller"]),
    one_of("--io", ["caller"]),
    flag("--int8-io"),
    flag("--equalize"),
    flag("--correct-biases"),
    one_of("--observer", ["percentile", "mse"]),
    one_of("--name", NAMES),
    one_of("--max-slowdown", ["0", "50"]),
    one_of("--plan-seconds", ["0"]),
    one_of("--ram", ["4K", "64K"]),
    one_of("--flash", ["64K", "256K"]),
    memories(),
).map(lambda parts: [option for part in parts for option in part])


def program(project: Project, header: str) -> str:
    """A program that calls the entry and each conversion, and whose memories are those of the project where it has them."""
    name, own = project.name, f"extern int8_t {project.name}_" in header
    given = [b for b in (*project.inputs, *project.outputs) if b.memory is None]
    arrays = [
        f"_Alignas(8) static int8_t own_{each.name}[{max(each.bytes, 1)}];"
        for each in (*project.memories, *given)
    ]
    memories = [f"{name}_{each.name}" if own else f"own_{each.name}" for each in project.memories]
    arguments = ", ".join((*memories, *(f"own_{each.name}" for each in given)))
    used = [
        f"sum += (int){name}_{function}(({type})1);" for function, type in conversions(name, header)
    ]
    used += [f"sum += (int)sizeof(own_{each.name});" for each in (*project.memories, *given)]
    body = "\n".join(used)
    return (
        f'#include "{project.header}"\n'
        + "\n".join(arrays)
        + f"\nint main(void)\n{{\nint sum = {project.entry}({arguments});\n{body}\nreturn sum;\n}}\n"
    )


def conversions(name: str, header: str) -> list[tuple[str, str]]:
    """The functions of a header that convert one number, each with what it takes."""
    found = re.findall(rf"static inline \w+ {name}_(\w+)\((\w+) value\)", header)
    return [(function, type) for function, type in found]


def link(project: Project, directory: Path, library: Path) -> None:
    """Compiles all C of `project` with warnings as errors, and links it."""
    host, main = compiler_for(cpu_named("host")), directory / "program.c"
    main.write_text(program(project, (project.directory / project.header).read_text()))
    folders = Folders((project.directory,), (library / "Include",))
    flags = (*compile_flags(host), *STRICT_FLAGS, "-std=gnu11")
    objects: list[Path] = []
    for source in (*project.sources, main):
        objects.append(directory / f"{source.stem}.o")
        compile_object(host, source, flags, folders, objects[-1])
    inputs = [*objects, cmsis_nn_library(library, host)]
    command = [host.path, *host.flags, *inputs, "-o", directory / "program"]
    linked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linked.returncode == 0, linked.stderr


def check(models: Models, kind: str, zeros: float, options: list[str]) -> None:
    library = cmsis_nn.locate()
    assert library is not None
    note(" ".join([kind, f"{zeros}", *options]))
    try:
        compiled = compile_to(models.file(kind, zeros), "cortex-m4", "-q", *options)
    except UserError as error:
        event(f"refused: {str(error)[:40]}")
        return
    event("compiled")
    with tempfile.TemporaryDirectory() as folder:
        write_files(compiled.files, Path(folder, "project"))
        link(read_project(Path(folder, "project")), Path(folder), library)


@example("vision", 1.0, ["--weights=delta8", "--memory=dtcm=64K"])  # no entry in a constant there
@example("vectors", 1.0, ["--weights=dcsr", "--memory=dtcm=0", "--memory=sram=64K"])
@example("nothing", 0.0, ["--io=caller"])  # nobody uses the arena
@example("vectors", 0.0, ["--memory=sram=64K", "--memory=dtcm=64K", "--io=caller"])
@settings(max_examples=25)
@given(
    kind=st.sampled_from([*NETWORKS, "tflite"]),
    zeros=st.sampled_from([0.0, 0.8, 1.0]),
    options=OPTIONS,
)
def test_any_options(models: Models, kind: str, zeros: float, options: list[str]) -> None:
    check(models, kind, zeros, options)
