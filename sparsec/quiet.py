# SPDX-License-Identifier: Apache-2.0
"""Libraries that warn and log of what a user can do nothing about, kept from them."""

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def only_our_messages() -> Generator[None]:
    """Keeps what libraries warn of and log from the user, who can do nothing about it."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
