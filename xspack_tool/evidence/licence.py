"""A License tag in the words of an SBOM."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

_REFERENCE = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")


@functools.lru_cache(maxsize=1024)
def spdx_expression(licence: str) -> str | None:
    """The tag as an SPDX expression; None where it is none, such as tags from before SPDX."""
    from license_expression import ExpressionError

    try:
        parsed = _licensing().parse(licence.strip(), validate=False)
        unknown = _licensing().unknown_license_keys(parsed) if parsed is not None else ["nothing"]
    except (ExpressionError, ValueError):
        return None
    if any(not _REFERENCE.fullmatch(key) for key in unknown):
        return None
    return str(parsed.render())


def references(expression: str) -> list[str]:
    """The references to texts of one's own in an expression."""
    return sorted(set(_REFERENCE.findall(expression)))


def reference_for(licence: str) -> str:
    """A reference that stands for a tag which is no SPDX expression."""
    return f"LicenseRef-{hashlib.sha256(licence.encode('utf-8', 'replace')).hexdigest()[:16]}"


@functools.cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
