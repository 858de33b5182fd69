"""XML that is read child by child."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xspack_tool.binary import xml
from xspack_tool.errors import BadInput, HostileInput

NAMES = st.sampled_from(["a", "b", "{urn:x}c"])
TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs",), exclude_characters="￾￿"), max_size=9
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> ElementTree.Element:
    node = ElementTree.Element(draw(NAMES), {"x": draw(TEXTS)} if draw(st.booleans()) else {})
    node.text, node.tail = draw(TEXTS), draw(TEXTS)
    if depth:
        node.extend(draw(st.lists(elements(depth=depth - 1), max_size=3)))
    return node


def children(content: bytes, most: int = 1000) -> list[bytes]:
    return [text(node) for node in xml.iterate_xml(io.BytesIO(content), "x", most)]


def text(node: ElementTree.Element) -> bytes:
    """Without what follows it, which may not be read yet."""
    node.tail = None
    return ElementTree.tostring(node)


@given(elements(), st.integers(1, 40), st.sampled_from(["utf-8", "utf-16"]))
def test_the_children_are_those_of_the_whole(root: ElementTree.Element, block: int, encoding: str) -> None:
    root.tail = None
    content = ElementTree.tostring(root, encoding=encoding, xml_declaration=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "_BLOCK", block)
        found = children(content)
    assert found == [text(node) for node in ElementTree.fromstring(content)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- c -->", "<?p x?>\n" * 9])
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_no_document_type(encoding: str, before: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "_BLOCK", block)
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>{before}<!DOCTYPE r [<!ENTITY e "ee">]><r><a>&e;</a></r>'
    )
    with pytest.raises(HostileInput, match="declares a document type"):
        children(text.encode(encoding))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "x",
        "<r>",
        "<r><a></r>",
        "<r><a/></r><r/>",
        "<r>&e;</r>",
        "<r><a/>&#0;</r>",
        '<?xml encoding="ebcdic-x"?><r/>',
    ],
)
def test_what_is_none(content: str) -> None:
    with pytest.raises(BadInput, match="is not XML: "):
        children(content.encode())


def test_an_entry_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "_BLOCK", 16)
    assert len(children(b"<r>" + b"<a><b/></a>" * 5000 + b"</r>", most=3)) == 5000
    assert len(children(b"<r><a>" + b"text" * 5000 + b"<b/><b/></a></r>", most=3)) == 1
    for content in (b"<r><a>" + b"<b/>" * 400, b"<r>" + b"<a>" * 400, b"<r><b/><a>" + b"<b>text</b>" * 400):
        stream = io.BytesIO(content)
        with pytest.raises(HostileInput, match="has an entry of more than 3 elements"):
            list(xml.iterate_xml(stream, "x", 3))
        assert stream.tell() <= 64


def test_depth_does_no_harm() -> None:
    deep = 200_000
    [entry] = xml.iterate_xml(io.BytesIO(b"<r>" + b"<a>" * deep + b"</a>" * deep + b"</r>"), "x", deep)
    assert sum(1 for _ in entry.iter()) == deep
