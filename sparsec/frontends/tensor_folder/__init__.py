# SPDX-License-Identifier: Apache-2.0
"""Networks of sparse-engine, the deployment tool of TinyFormer: a folder with a .npy file for each tensor, to `qnn`.

The rule: names say what the network is, tensors how large it is; nothing is read from a file that has only sizes.
"""

from sparsec.frontends.tensor_folder.importer import FolderNetwork, import_folder, read_image

__all__ = ["FolderNetwork", "import_folder", "read_image"]
