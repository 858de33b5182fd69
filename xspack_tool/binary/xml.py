"""XML of others, read within bounds: no entities, no document types, no external references."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.parsers.expat import ExpatError, ParserCreate

from xspack_tool.errors import BadInput, HostileInput

if TYPE_CHECKING:
    from typing import TypeAlias

    _Parser: TypeAlias = XMLPullParser[Any]

#: The largest document that is parsed as a whole, in bytes.
_MAX_SIZE = 2 << 20
_BLOCK = 1 << 16


def parse_xml(content: bytes | str, name: str, max_size: int = _MAX_SIZE, doctype: bool = False) -> Element:
    """The root of a small document, which messages call ``name``; ``doctype`` where it may name a document type, as
    group files do. Raises BadInput."""
    from defusedxml import ElementTree as SafeTree

    if len(content) > max_size:
        raise BadInput(name, f"larger than {max_size >> 20} MiB")
    with _errors(name):
        root: Element = SafeTree.fromstring(content, forbid_dtd=not doctype)
    return root


def iterate_xml(stream: IO[bytes] | Any, name: str, max_elements: int, max_depth: int) -> Iterator[Element]:
    """The children of the root one after the other; each may have as many elements, as deep. Raises BadInput."""
    parser: _Parser = XMLPullParser(("start", "end"))
    depth = alive = 0
    root: Element | None = None
    with _errors(name):
        for event, node in _events(parser, stream):
            if event == "start":
                root = node if root is None else root
                depth += 1
                alive += 1
                if alive > max_elements or depth > max_depth:
                    limit = f"{max_elements} elements, or {max_depth} levels"
                    raise HostileInput(name, f"has an entry of more than {limit}")
            else:
                depth -= 1
                if depth == 1:
                    yield node
                    root.clear()  # type: ignore[union-attr]  # the node is in it
                    alive = 0


def _events(parser: _Parser, stream: IO[bytes] | Any) -> Iterator[tuple[str, Element]]:
    """All events of the stream. From Expat 2.6 on, some come only when it is closed."""
    for block in _without_doctype(stream):
        parser.feed(block)
        yield from parser.read_events()  # type: ignore[misc]  # its types name all kinds of events
    parser.close()
    yield from parser.read_events()  # type: ignore[misc]


def _without_doctype(stream: IO[bytes] | Any) -> Iterator[bytes]:
    """The blocks of a stream, as long as no document type was declared in them, which comes before the root. The parser
    that is written in C does not refuse one; that of defusedxml is in Python and takes three times as long."""
    from defusedxml import DTDForbidden

    def forbid(doctype: str, system: str | None, public: str | None, internal: bool) -> None:
        raise DTDForbidden(doctype, system, public)

    def done(tag: str, attributes: dict[str, str]) -> None:
        begun.append(tag)
        prolog.StartElementHandler = None

    begun: list[str] = []
    prolog = ParserCreate()
    prolog.StartDoctypeDeclHandler, prolog.StartElementHandler = forbid, done
    while block := stream.read(_BLOCK):
        if not begun:
            prolog.Parse(block, False)
        yield block
    if not begun:
        prolog.Parse(b"", True)


def tag_of(node: Element) -> str:
    """The name of an element without its namespace."""
    return node.tag.rpartition("}")[2]


def child_of(node: Element, tag: str) -> Element:
    """The first child of that name in any namespace; an empty element where there is none."""
    return next((child for child in node if tag_of(child) == tag), Element(tag))


@contextmanager
def _errors(name: str) -> Iterator[None]:
    from defusedxml import DefusedXmlException

    try:
        yield
    except DefusedXmlException:
        raise HostileInput(name, "declares a document type or entities, which are not allowed here") from None
    except (ParseError, ExpatError, ValueError, LookupError) as error:
        raise BadInput(name, f"is not XML: {' '.join(str(error).split())}") from None
