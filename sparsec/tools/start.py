# SPDX-License-Identifier: Apache-2.0
"""Where the commands start: Ctrl-C is ours before anything that takes time is imported."""

import os
import signal
from types import FrameType


def _leave(signal_number: int, frame: FrameType | None) -> None:
    os._exit(130)


signal.signal(signal.SIGINT, _leave)


def sparsec() -> None:
    """`sparsec`."""
    from sparsec.tools.sparsec import main

    main()


def sparsec_opt() -> None:
    """`sparsec-opt`."""
    from sparsec.tools.sparsec_opt import main

    main()


def sparsec_interpret() -> None:
    """`sparsec-interpret`."""
    from sparsec.tools.sparsec_interpret import main

    main()
