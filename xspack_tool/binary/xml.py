"""XML of others, read within bounds: no entities, no document types, no external references."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser
from xml.parsers.expat import ExpatError, ParserCreate

from xspack_tool.errors import BadInput, HostileInput

#: The largest document that is parsed as a whole, in bytes.
_MAX_SIZE = 2 << 20
_BLOCK = 1 << 16
#: The bytes of the shortest element: <a/>.
_SHORTEST = 4


def parse_xml(content: bytes | str, name: str, max_size: int = _MAX_SIZE, doctype: bool = False) -> Element:
    """The root of a small document, which messages call ``name``; ``doctype`` where it may name a document type, as
    group files do. Raises BadInput."""
    from defusedxml import ElementTree as SafeTree

    if len(content) > max_size:
        raise BadInput(name, f"larger than {max_size >> 20} MiB")
    with _errors(name):
        root: Element = SafeTree.fromstring(content, forbid_dtd=not doctype)
    return root


def iterate_xml(stream: IO[bytes] | Any, name: str, max_elements: int) -> Iterator[Element]:
    """The children of the root one after the other. Raises BadInput, also before one has many more elements.

    C alone builds the tree, which no depth harms, below an element of our own, which tells what there is so far: to
    hear of each element's begin and end would take half as long again."""
    builder = TreeBuilder()
    above = builder.start("", {})
    parser = XMLParser(target=builder)
    unseen, allowed = 0, max_elements * _SHORTEST
    with _errors(name):
        for block in _without_doctype(stream):
            parser.feed(block)
            complete = _take_complete(above, are_open=1)
            yield from complete
            if complete:
                unseen, allowed = 0, max_elements * _SHORTEST
            unseen += len(block)
            if unseen >= allowed and len(above) and len(above[0]):
                count = sum(1 for _ in above[0][-1].iter())
                if count > max_elements:
                    raise HostileInput(name, f"has an entry of more than {max_elements} elements")
                unseen, allowed = 0, (max_elements - count + 1) * _SHORTEST
        parser.close()
        yield from _take_complete(above, are_open=0)


def _take_complete(above: Element, *, are_open: int) -> list[Element]:
    """The children of the root below ``above``, without the last so many; they leave it."""
    if not len(above):
        return []
    root = above[0]
    complete = root[: max(0, len(root) - are_open)]
    del root[: len(complete)]
    return complete


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
