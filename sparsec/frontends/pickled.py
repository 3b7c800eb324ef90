# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save: refused with a hint, or unpickled where the user trusts them."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias, cast

from sparsec.frontends.archive import Archive, pickled_classes
from sparsec.frontends.errors import FrontendError

if TYPE_CHECKING:
    import torch

Shapes: TypeAlias = Sequence[Sequence[int]]

_OF_A_STATE_DICT = ("collections.OrderedDict", "torch._utils.", "torch.storage.")

STATE_DICT = """\
this is a state_dict, weights without the model; export the model itself:
  model.load_state_dict(torch.load("{name}", weights_only=True))
  program = torch.export.export(model.eval(), (example_input,))
  torch.export.save(program, "model.pt2")"""


def _is_of_a_state_dict(name: str) -> bool:
    return name.startswith(_OF_A_STATE_DICT) or (
        name.startswith("torch.") and name.endswith("Storage")
    )


def refuse_pickle(content: bytes, name: str) -> FrontendError:
    """Why a pickle is not read, and what to do; `name` is that of the file."""
    pickle = Archive(content).read("data.pkl") if content.startswith(b"PK") else content
    # A legacy file has three pickles of its own before that of the object.
    classes = pickled_classes(pickle, pickles=4)
    others = [name for name in classes if not _is_of_a_state_dict(name)]
    if not others:
        return FrontendError(STATE_DICT.format(name=name))
    return FrontendError(
        f"this is a pickled object ({others[0]}), and unpickling runs code of the file: "
        "export the model with torch.export.save, or, if you trust the file, "
        "give --trust-pickle and --input-shape"
    )


def exported_from_pickle(content: bytes, name: str, shapes: Shapes | None) -> bytes:
    """Unpickle a model, running whatever code the file names, and export it on random inputs.

    Returns the archive of the exported program. Only to be called where the user trusts the file.
    """
    import torch

    try:
        model = cast(object, torch.load(BytesIO(content), map_location="cpu", weights_only=False))
    except Exception as error:
        raise FrontendError(
            f"cannot be unpickled: {_first_line(error)} (the model's classes must be importable "
            "from where you run this)"
        ) from error
    if isinstance(model, torch.export.ExportedProgram):
        program = model
    elif isinstance(model, torch.nn.Module):
        program = _export(model, shapes)
    else:
        raise FrontendError(_no_module(model, name))
    archive = BytesIO()
    torch.export.save(program, archive)
    return archive.getvalue()


def _no_module(found: object, name: str) -> str:
    """What an object is that is no module."""
    import torch

    if not isinstance(found, dict):
        return f"this is a pickled {type(found).__name__}, not a torch.nn.Module"
    held = cast(dict[object, object], found)
    keys = [repr(key) for key, value in held.items() if isinstance(value, torch.nn.Module)]
    if not keys:
        return STATE_DICT.format(name=name)
    return f"this is a dict with a model at {' and '.join(keys)}: save the model alone"


def _example(model: "torch.nn.Module", shape: Sequence[int]) -> "torch.Tensor":
    """A random input of the type that the parameters of `model` have."""
    import torch

    floats = (each.dtype for each in model.parameters() if each.is_floating_point())
    return torch.randn(*shape).to(next(floats, torch.float32))


def _export(model: "torch.nn.Module", shapes: Shapes | None) -> "torch.export.ExportedProgram":
    """`model` exported on random inputs of `shapes`, or an error that says what to give."""
    import torch

    if not shapes:
        raise FrontendError(
            "a pickled model does not tell the shape of its input: "
            "give --input-shape, for example 1,3,32,32"
        )
    try:
        return torch.export.export(model.eval(), tuple(_example(model, shape) for shape in shapes))
    except Exception as error:
        given = " ".join(",".join(map(str, shape)) for shape in shapes)
        raise FrontendError(
            f"torch.export cannot export the model for --input-shape {given}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
