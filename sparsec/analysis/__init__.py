# SPDX-License-Identifier: Apache-2.0
"""From IR to plain data: facts that passes, backends and reports share."""
