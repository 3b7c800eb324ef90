# SPDX-License-Identifier: Apache-2.0
"""What every level of the IR means, in numpy: the oracle of the passes."""
