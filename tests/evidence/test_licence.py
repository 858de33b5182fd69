"""License tags in the words of an SBOM: an id of SPDX's list is itself, without the parser."""

from __future__ import annotations

import sys

from xspack_tool.evidence.licence import spdx_expression
from xspack_tool.rules.spdx import licence_ids, licensing, parse_licence
from xspack_tool.run import ASKING, run


def test_the_parser_gives_each_id_of_the_list_as_itself() -> None:
    ids = {licence for licence in licence_ids() if licence}
    assert ids == {symbol.key for symbol in licensing().known_symbols.values()}
    assert len(ids) > 600
    parsed = {licence: parse_licence(licence) for licence in ids}
    said = {licence: found and (str(found[0].render()), found[1]) for licence, found in parsed.items()}
    assert said == {licence: (licence, []) for licence in ids}


def test_other_spellings_are_read_by_the_parser() -> None:
    tags = ["MIT", "mit", " MIT ", "GPL-2.0+", "MIT OR GPL-2.0-only", "BSD, some", "", "LicenseRef-Acme"]
    assert [spdx_expression(tag) for tag in tags] == [
        *("MIT", "MIT", "MIT", "GPL-2.0-or-later", "MIT OR GPL-2.0-only", None, None, "LicenseRef-Acme"),
    ]


def test_no_parser_is_loaded_for_an_id() -> None:
    script = """
import sys
from xspack_tool.evidence.licence import spdx_expression
assert spdx_expression("MIT") == "MIT"
print("license_expression" in sys.modules)
"""
    assert run([sys.executable, "-c", script], timeout=ASKING).out == "False\n"
