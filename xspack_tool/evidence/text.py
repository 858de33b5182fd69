"""How the documents of this room are written: JSON with sorted keys, instants in UTC."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

import msgspec

from xspack_tool.binary.decoders import sorted_json


def instant(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339 has them."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_text(data: Any) -> str:
    """A value as JSON in ASCII: nothing of a foreign RPM reaches a terminal or a page raw."""
    compact = sorted_json(data).decode()
    if not compact.isascii() or "\x7f" in compact:
        compact = re.sub(r"[^\x20-\x7e]", lambda found: json.dumps(found[0])[1:-1], compact)
    return msgspec.json.format(compact, indent=1) + "\n"  # json itself indents in Python, ten times as slowly


def own_version() -> str:
    """The version of xspack."""
    from importlib.metadata import version

    return version("xspack")


def size_words(count: int) -> str:
    """A count of bytes for people: ``1.5 MiB``."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
