# SPDX-License-Identifier: Apache-2.0
"""Makes networks of torch sparse and int8: pruning, channels, training that keeps zeros, quantization.

The one rule: what is made here is what the compiler stores and runs, so every mask is held to the storage format that it
is for before anything is trained. With `frontends` the only folder that imports torch.
"""
