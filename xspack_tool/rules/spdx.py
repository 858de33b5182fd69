"""License tags read as SPDX expressions."""

from __future__ import annotations

import functools
from typing import Any


def parse_licence(text: str) -> tuple[Any, list[str]] | None:
    """The expression, and the names in it that SPDX does not know; None for what is none."""
    from license_expression import ExpressionError

    try:
        parsed = licensing().parse(text, validate=False)
        return (parsed, licensing().unknown_license_keys(parsed)) if parsed is not None else None
    except (ExpressionError, ValueError):
        return None


@functools.cache
def licensing() -> Any:
    """All licences that SPDX knows."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
