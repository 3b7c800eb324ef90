# SPDX-License-Identifier: Apache-2.0
"""Modules of torch in this process, exported to a file that the importer reads like any other."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor as Tensor
from torch.nn import Module as Module

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tensors import Array


def export_module(module: Module, inputs: Sequence[Array], path: Path) -> None:
    """Write `module` to `path` as torch exports it for the first sample of `inputs`, in evaluation mode.

    Raises FrontendError where torch cannot export it.
    """
    training = module.training
    try:
        examples = tuple(torch.from_numpy(array[:1]) for array in inputs)
        torch.export.save(torch.export.export(module.eval(), examples), path)
    except Exception as error:  # torch has no one type for what it cannot export
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FrontendError(f"torch cannot export the model: {line}") from error
    finally:
        module.train(training)
