# SPDX-License-Identifier: Apache-2.0
"""What is told of a folder while it is read, a line for each tensor and each block."""

from collections.abc import Iterator

from sparsec.frontends.tensor_folder.topology import Placed

_NAME_COLUMNS = 66


def described(placed: Placed) -> Iterator[str]:
    """The tensors of a block with their shapes, or with their value where they have one."""
    yield f"block: {placed.block.title}"
    for name, array in placed.block.tensors.items():
        shown = f"{float(array.reshape(())):g}" if array.size == 1 else str(array.shape)
        yield f"key: {name:<{_NAME_COLUMNS}}{shown}"


def deployed(placed: Placed) -> str:
    """That a block has been read."""
    return f"Block:{placed.block.title} deploy completed, block_size: {placed.block_size}"
