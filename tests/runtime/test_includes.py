# SPDX-License-Identifier: Apache-2.0
"""A generated project has the headers of its kernels: those that stand at the beginning of a line."""

import re

from tests.runtime.kernel_library import RUNTIME


def test_own_headers_are_included_where_projects_look_for_them() -> None:
    indented = re.compile(r'^[ \t]+#\s*include "sparsec|^#\s+include "sparsec', re.MULTILINE)
    sources = [*RUNTIME.glob("src/*.[ch]"), *RUNTIME.glob("include/*.h")]
    assert [source.name for source in sources if indented.search(source.read_text())] == []
