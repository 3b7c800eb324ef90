# SPDX-License-Identifier: Apache-2.0
"""Writing models to files, as users do, and comparing what comes out of them with torch."""

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from sparsec.frontends import Loaded, load
from sparsec.interpreters.run import interpret
from sparsec.tools.import_check import difference

Array = np.ndarray[Any, Any]


def export_bytes(
    model: nn.Module, inputs: Sequence[Tensor], *, dynamic: bool = True, decompose: bool = False
) -> bytes:
    """The archive of `model` exported with `inputs`; `dynamic` leaves the batch open."""
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in inputs) if dynamic else None
    program = torch.export.export(model.eval(), tuple(inputs), dynamic_shapes=shapes)
    if decompose:
        with warnings.catch_warnings():  # torch 2.13 warns about its own use of a LeafSpec
            warnings.simplefilter("ignore", FutureWarning)
            program = program.run_decompositions()
    return saved_program(program)


def saved_program(program: torch.export.ExportedProgram) -> bytes:
    """The archive of a program."""
    stream = BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def traced_bytes(model: nn.Module, inputs: Sequence[Tensor]) -> bytes:
    """The TorchScript archive of `model` as traced with `inputs`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # Some of torch's own layers look at their sizes.
        warnings.simplefilter("ignore", TracerWarning)
        return _saved(cast(object, torch.jit.trace(model.eval(), tuple(inputs))))


def scripted_bytes(model: nn.Module, *, training: bool = False) -> bytes:
    """The TorchScript archive of `model` as compiled from its source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return _saved(torch.jit.script(model.train(training)))


def _saved(script: object) -> bytes:
    stream = BytesIO()
    torch.jit.save(cast(Any, script), stream)
    return stream.getvalue()


def load_bytes(
    content: bytes,
    folder: Path,
    *,
    name: str = "model.pt",
    input_layout: Literal["nchw", "nhwc"] = "nchw",
    trust_pickle: bool = False,
    input_shape: Sequence[Sequence[int]] | None = None,
) -> Loaded:
    """What `load` makes of a file of `content`; its module is verified."""
    path = folder / name
    path.write_bytes(content)
    loaded = load(
        path, input_layout=input_layout, trust_pickle=trust_pickle, input_shape=input_shape
    )
    loaded.module.verify()
    return loaded


def expected(model: nn.Module, inputs: Sequence[Tensor]) -> list[Array]:
    """What torch computes."""
    with torch.no_grad():
        outputs = model.eval()(*[value.clone() for value in inputs])
    values = cast(Sequence[Tensor], outputs if isinstance(outputs, tuple | list) else [outputs])
    return [value.numpy() for value in values]


def assert_same(
    loaded: Loaded, model: nn.Module, inputs: Sequence[Tensor], *, samples: int | None = None
) -> None:
    """The interpreter must give what torch gives, sample by sample (the first `samples`), and the proof agree."""
    assert loaded.proof is not None
    assert difference(loaded.proof, loaded.module) is None
    want = expected(model, inputs)
    for n in range(samples or inputs[0].shape[0]):
        got = interpret(loaded.module, [value[n : n + 1].numpy() for value in inputs])
        assert len(got) == len(want)
        for ours, torchs in zip(got, want, strict=True):
            np.testing.assert_allclose(ours, torchs[n : n + 1], rtol=1e-4, atol=1e-4)


def op_names(loaded: Loaded) -> list[str]:
    """The names of the operations of `nn` in `main`, without constants."""
    names = [op.name for op in loaded.module.walk()]
    return [name for name in names if name.startswith("nn.") and name != "nn.constant"]
