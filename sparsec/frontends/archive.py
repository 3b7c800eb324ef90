# SPDX-License-Identifier: Apache-2.0
"""What kind of file a user hands in, told by its content; reading its parts executes nothing.

The one rule: no byte of a file reaches an unpickler here. `pickletools` only lists opcodes.
"""

import pickletools
import struct
import zipfile
from collections.abc import Sequence
from enum import Enum, auto
from io import BytesIO
from pathlib import Path

from sparsec.frontends.errors import FrontendError

MAX_BYTES = 1 << 30
"""More than any model for a microcontroller; a zip bomb is refused before it is inflated."""

MAX_RATIO = 100
"""To how many times its size an archive may inflate: torch stores what it writes as it is, numpy where asked not."""

FREE_BYTES = 64 << 20
"""That much an archive may inflate to whatever its size, as arrays of zeros do."""

HOW_TO_EXPORT = 'torch.export.save(torch.export.export(model.eval(), (example,)), "model.pt2")'


class Kind(Enum):
    """The kinds of files that lead to a model."""

    EXPORTED = auto()
    """An archive of torch.export.save."""
    TORCHSCRIPT = auto()
    """An archive of torch.jit.save."""
    PICKLE = auto()
    """A file of torch.save, in a zip archive or bare."""
    TFLITE = auto()
    """A flatbuffer of TensorFlow Lite."""


def check_inflated(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Raises FrontendError when an archive of `size` bytes would inflate to more than any model takes."""
    inflated = sum(entry.file_size for entry in entries)
    if inflated > min(MAX_BYTES, max(MAX_RATIO * size, FREE_BYTES)):
        raise FrontendError(
            f"the archive of {size:,} bytes inflates to {inflated:,}: up to {MAX_BYTES >> 30} GiB and "
            f"{MAX_RATIO} times its size are read, so export the model alone"
        )


class Archive:
    """The records of a zip archive, by name without the archive's root folder."""

    def __init__(self, content: bytes):
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
            entries = self._zip.infolist()
        except Exception:  # zipfile raises nearly anything for what it does not expect
            raise FrontendError(
                "the zip archive is truncated or damaged: copy or export the file again"
            ) from None
        check_inflated(entries, len(content))
        self._full_names: dict[str, str] = {}
        for entry in entries:
            name = entry.filename.partition("/")[2] or entry.filename
            if name in self._full_names:
                raise FrontendError(f"the archive holds '{name}' twice: export the file again")
            self._full_names[name] = entry.filename

    @property
    def names(self) -> Sequence[str]:
        """The names of all records."""
        return list(self._full_names)

    def __contains__(self, name: str) -> bool:
        return name in self._full_names

    def read(self, name: str) -> bytes:
        """The content of a record. Raises FrontendError if it is absent or damaged."""
        if name not in self._full_names:
            raise FrontendError(f"the archive has no '{name}': export the file again")
        try:
            return self._zip.read(self._full_names[name])
        except Exception:  # zipfile, zlib, lzma and bz2 each have their own
            raise FrontendError(
                f"'{name}' in the archive is damaged: copy or export the file again"
            ) from None


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises FrontendError if there is none to read."""
    if not path.exists():
        raise FrontendError("no such file")
    if path.is_dir():
        raise FrontendError("this is a directory: give the file of an exported model")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FrontendError(f"cannot be read: {error.strerror}") from None
    if not content:
        raise FrontendError("the file is empty: export the model again")
    return content


_OTHER_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ET", "an ExecuTorch program"),
    (0, b"\x89HDF", "an HDF5 file (Keras)"),
    (0, b"\x7fELF", "a compiled library"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x93NUMPY", "a numpy array"),
    (257, b"ustar", "a tar archive"),
)
"""Offset, magic bytes, and name of formats that may be taken for a model of torch."""


def kind_of(content: bytes) -> Kind:
    """What `content` is. Raises FrontendError for what no model can be read from."""
    if content.startswith(b"PK"):
        return _kind_of_archive(Archive(content))
    if content[4:8] == b"TFL3":
        return Kind.TFLITE
    for offset, magic, name in _OTHER_FORMATS:
        if content[offset:].startswith(magic):
            raise FrontendError(f"this is {name}, not a model of PyTorch: {HOW_TO_EXPORT}")
    if content[:1] == b"\x80" and content[1] in range(2, 6):
        return Kind.PICKLE
    if _is_unmarked_tflite(content):
        return Kind.TFLITE
    if _is_text(content):
        raise FrontendError(
            "this is a text file, not a model of PyTorch (IR text needs the extension .mlir)"
        )
    raise FrontendError(f"this is not a model of PyTorch; write one with {HOW_TO_EXPORT}")


def _is_unmarked_tflite(content: bytes) -> bool:
    """Whether this is a flatbuffer whose root begins as one of TensorFlow Lite: dCSR's tool leaves the four letters out."""
    try:
        (root,) = struct.unpack_from("<I", content, 0)
        (back,) = struct.unpack_from("<i", content, root)
        size, _, version_at = struct.unpack_from("<3H", content, root - back)
        (version,) = struct.unpack_from("<I", content, root + version_at)
    except struct.error:
        return False
    return size >= 6 and root > 0 and root - back > 0 and version_at > 0 and version == 3


def _kind_of_archive(archive: Archive) -> Kind:
    if "archive_format" in archive and archive.read("archive_format") == b"pt2":
        if any(name.startswith("models/") for name in archive.names):
            return Kind.EXPORTED
        raise FrontendError(
            "this archive holds a compiled package without its exported program: "
            "write the program with torch.export.save"
        )
    if "serialized_exported_program.json" in archive:
        raise FrontendError(
            "this archive was written by PyTorch 2.7 or older: "
            "export the model again with a newer torch.export.save"
        )
    if "constants.pkl" in archive:
        return Kind.TORCHSCRIPT
    if "data.pkl" in archive:
        return Kind.PICKLE
    raise FrontendError(f"this zip archive is not a model of PyTorch: {HOW_TO_EXPORT}")


def _is_text(content: bytes) -> bool:
    try:
        text = content[:4096].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(content), 4096) - 3:
            return False
        text = content[: error.start].decode()
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)


def pickled_classes(content: bytes, *, pickles: int = 1) -> list[str]:
    """The `module.name` of what the first `pickles` of a stream would import, in order.

    Raises FrontendError if the opcodes of the first cannot be followed.
    """
    names: list[str] = []
    strings: list[str] = []
    stream = BytesIO(content)
    for index in range(pickles):
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name == "GLOBAL":
                    names.append(str(argument).replace(" ", "."))
                elif opcode.name == "STACK_GLOBAL":
                    names.append(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
        except (ValueError, IndexError):
            if index == 0:
                raise FrontendError(
                    "the pickle is truncated or damaged: copy or export the file again"
                ) from None
            break
    return names
