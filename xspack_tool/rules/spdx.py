"""License tags read as SPDX expressions."""

from __future__ import annotations

import functools
import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from xspack_tool.binary.decoders import decoder_of


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


class _Licence(msgspec.Struct):
    spdx_license_key: str | None = None


@functools.cache
def licence_ids() -> frozenset[str | None]:
    """The ids of those licences, from the list of the same library but without the library: to load its parser and
    its search tree takes longer than to write ten RPMs. Empty where the list is not to be had."""
    library = importlib.util.find_spec("license_expression")
    with suppress(OSError, msgspec.MsgspecError):
        index = (
            Path(library.origin if library and library.origin else "").parent
            / "data/scancode-licensedb-index.json"
        )
        listed = decoder_of(list[_Licence]).decode(index.read_bytes())
        return frozenset(licence.spdx_license_key for licence in listed)
    return frozenset()
