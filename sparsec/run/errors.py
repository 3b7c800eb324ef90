# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a project directory and its results; every message says what to do."""


class RunError(ValueError):
    """A project could not be built or run, or ran wrong."""


class StatusError(RunError):
    """A kernel said that it failed."""


class ToolchainError(RunError):
    """A compiler or emulator is missing, or does not know the core."""


class BuildError(RunError):
    """The compiler or the linker refused the sources."""
