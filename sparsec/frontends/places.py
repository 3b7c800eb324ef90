# SPDX-License-Identifier: Apache-2.0
"""Where a call stands in the user's model, from the notes that torch leaves beside it."""

import re
from collections.abc import Mapping

from sparsec.frontends.call import Place

_FRAME = re.compile(
    r'File "(?P<file>[^"]+)", line (?P<line>\d+), in [^\n]*(\n\s+(?P<code>[^\n]+))?'
)


def place_of(metadata: Mapping[str, str], name: str) -> Place:
    """The place of a call of an exported program; `name` is that of its result."""
    return Place(_layer(metadata.get("nn_module_stack", ""), name), source_of(metadata))


def source_of(metadata: Mapping[str, str]) -> str:
    """`file:line: code` of the innermost frame outside torch, or nothing."""
    frames = list(_FRAME.finditer(metadata.get("stack_trace", "")))
    own = [frame for frame in frames if not is_of_torch(frame["file"])]
    if not own:
        return ""
    frame = own[-1]
    code = f": {frame['code'].strip()}" if frame["code"] else ""
    return f"{base_name(frame['file'])}:{frame['line']}{code}"


def base_name(file: str) -> str:
    """A file without its folders, of either system."""
    return re.split(r"[/\\]", file)[-1]


def is_of_torch(file: str) -> bool:
    """Whether a source file belongs to torch."""
    return re.search(r"(^|[/\\])torch[/\\]", file) is not None


def _layer(stack: str, name: str) -> str:
    """The module path; a module of the user's own holds many calls, so the call's name is added."""
    path, kind = "", ""
    for entry in filter(None, stack.split(";")):
        fields = entry.split(",", 2)
        if len(fields) == 3:
            _, path, kind = fields
    if kind.startswith("torch.nn.modules.") and path:
        return path
    return f"{path}.{name}" if path else name
