# SPDX-License-Identifier: Apache-2.0
"""A server of PostgreSQL for tests: of the Debian package, without its service, by a user who is not root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    """It runs between `start` and `stop`, and keeps its data."""

    def __init__(self, folder: Path, binaries: Path, port: int):
        self._folder = folder
        self._binaries = binaries
        self._port = port
        self._as: list[str] = []
        if os.getuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = [
                *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
            ]
        self._run(
            *("initdb", "-D", f"{folder}/data", "-U", "sparsec", "--auth=trust"),
            *("--no-sync", "-E", "UTF8", "--locale=C"),
        )

    @property
    def url(self) -> str:
        """Of its data base, for Optuna."""
        return f"postgresql://sparsec@127.0.0.1:{self._port}/optuna"

    def start(self) -> None:
        """Until it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self._port} -c fsync=off "
            f"-c unix_socket_directories={self._folder}"
        )
        where = ("-D", f"{self._folder}/data", "-l", f"{self._folder}/log")
        self._run("pg_ctl", *where, "-w", "-o", options, "start")

    def create(self) -> None:
        """The data base."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "sparsec", "optuna")

    def stop(self) -> None:
        """Connections are broken."""
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "fast", "-w", "stop")

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [*self._as, str(self._binaries / program), *words],
            cwd=self._folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be kept open by the server
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def server(binaries: Path) -> Generator[Server]:
    """One that runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    # Not in pytest's folder, which is root's alone.
    with tempfile.TemporaryDirectory(prefix="sparsec-pg-") as folder:
        made = Server(Path(folder), binaries, port)
        made.start()
        try:
            made.create()
            yield made
        finally:
            made.stop()
