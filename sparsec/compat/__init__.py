# SPDX-License-Identifier: Apache-2.0
"""The words of other tools, for those who come from them: PaddleSlim's and Knight-MC's.

The one rule: nothing is done here. Names, defaults and files are translated for `compress`, which does it.
"""
