"""XML of others, read within bounds: no entities, no document types, no external references."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError

from xspack_tool.errors import BadInput, HostileInput

#: The largest document that is parsed as a whole, in bytes.
_MAX_SIZE = 2 << 20


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
    from defusedxml import ElementTree as SafeTree

    depth = alive = 0
    root: Element | None = None
    with _errors(name):
        for event, node in SafeTree.iterparse(stream, events=("start", "end"), forbid_dtd=True):
            root = node if root is None else root
            depth += 1 if event == "start" else -1
            alive += event == "start"
            if alive > max_elements or depth > max_depth:
                limit = f"{max_elements} elements, or {max_depth} levels"
                raise HostileInput(name, f"has an entry of more than {limit}")
            if event == "end" and depth == 1:
                yield node
                root.clear()
                alive = 0


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
    except (ParseError, ValueError, LookupError) as error:
        raise BadInput(name, f"is not XML: {' '.join(str(error).split())}") from None
