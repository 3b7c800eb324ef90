# SPDX-License-Identifier: Apache-2.0
"""Modules of torch in this process, exported to a file that the importer reads like any other."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor as Tensor
from torch.export import ExportedProgram
from torch.nn import Module as Module

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tensors import Array
from sparsec.quiet import only_our_messages


def exported(
    module: Module, inputs: Sequence[Tensor], *, open_batch: bool = False
) -> ExportedProgram:
    """`module` as torch exports it for `inputs` in evaluation mode; each part is in its mode again afterwards.

    With `open_batch` the batch is left open where that can be, which takes two samples or more: of one it makes two.
    Raises FrontendError where torch cannot export it.
    """
    modes = [(each, each.training) for each in cast(Iterable[Module], module.modules())]
    # Copies, as a view would store its whole base; two, as torch takes one of one for a constant.
    examples = tuple(
        (torch.cat([each, each]) if open_batch and len(each) == 1 else each).detach().clone()
        for each in inputs
    )
    shapes = tuple({0: torch.export.Dim.AUTO} for _ in examples) if open_batch else None
    try:
        with only_our_messages(), torch.no_grad():
            return torch.export.export(module.eval(), examples, dynamic_shapes=shapes)
    except Exception as error:  # torch has no one type for what it cannot export
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FrontendError(f"torch cannot export the model: {line}") from error
    finally:
        for each, mode in modes:
            each.training = mode


def as_array(tensor: Tensor) -> Array:
    """The numbers of `tensor`; numpy has no bfloat16, which is float32 then."""
    detached = tensor.detach().cpu()
    return (detached.float() if detached.dtype == torch.bfloat16 else detached).numpy()


def saved(program: ExportedProgram) -> bytes:
    """The content of a .pt2 file."""
    stream = io.BytesIO()
    with only_our_messages():
        torch.export.save(program, stream)
    return stream.getvalue()


def export_module(module: Module, inputs: Sequence[Array | Tensor], path: Path) -> None:
    """Write `module` to `path` as torch exports it for the first sample of `inputs`, in evaluation mode.

    Raises FrontendError where torch cannot export it.
    """
    tensors = [each if isinstance(each, Tensor) else torch.from_numpy(each) for each in inputs]
    path.write_bytes(saved(exported(module, [each[:1] for each in tensors])))
