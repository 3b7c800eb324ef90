# SPDX-License-Identifier: Apache-2.0
"""What the project claims about speed, measured: `make bench-NAME`. A module named with `_` is a helper."""
