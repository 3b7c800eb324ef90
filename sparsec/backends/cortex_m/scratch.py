"""Moved to `sparsec.targets.scratch`."""

from sparsec.targets.scratch import *  # noqa: F403
