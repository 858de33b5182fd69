"""A License tag in the words of an SBOM."""

from __future__ import annotations

import functools
import hashlib
import re

from xspack_tool.rules.spdx import licence_ids, parse_licence

_REFERENCE = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")


@functools.lru_cache(maxsize=1024)
def spdx_expression(licence: str) -> str | None:
    """The tag as an SPDX expression; None where it is none, such as tags from before SPDX."""
    if licence in licence_ids():
        return licence
    found = parse_licence(licence.strip())
    if found is None:
        return None
    parsed, unknown = found
    return str(parsed.render()) if all(map(_REFERENCE.fullmatch, unknown)) else None


def references(expression: str) -> list[str]:
    """The references to the user's own licence texts in an expression."""
    return sorted(set(_REFERENCE.findall(expression)))


def reference_for(licence: str) -> str:
    """A reference that stands for a tag which is no SPDX expression."""
    return f"LicenseRef-{hashlib.sha256(licence.encode('utf-8', 'replace')).hexdigest()[:16]}"
