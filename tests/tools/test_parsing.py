# SPDX-License-Identifier: Apache-2.0
"""IR text is parsed as xDSL parses it, and refused where xDSL refuses it."""

from pathlib import Path

import pytest
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError

from sparsec.tools.parsing import QuickParser
from sparsec.tools.registry import context


def test_what_is_parsed_is_the_same(texts: dict[str, Path]) -> None:
    for path in texts.values():
        text = path.read_text()
        quick = QuickParser(context(), text).parse_module()
        assert quick.is_structurally_equivalent(Parser(context(), text).parse_module())


@pytest.mark.parametrize(
    "constant", ["dense<1> : i32", "dense<1> : tensor<?xi32>", "dense<1> : tensor<1x!nn.none>"]
)
def test_what_is_no_type_of_a_constant(constant: str) -> None:
    text = f'"builtin.module"() ({{}}) {{a = {constant}}} : () -> ()'
    for parser in (Parser, QuickParser):
        with pytest.raises(ParseError):
            parser(context(), text).parse_module()
