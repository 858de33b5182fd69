"""How documents are written: the bytes are those of Python's own json."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from xspack_tool.evidence.text import json_text

TEXTS = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=()), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_as_json_writes_it(value: Any) -> None:
    compact = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    assert json_text(value) == msgspec.json.format(compact, indent=1) + "\n"
    assert json_text(value).isascii()
