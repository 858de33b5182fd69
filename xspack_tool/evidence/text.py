"""How the documents of this room are written: JSON with sorted keys, instants in UTC."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any


def instant(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339 has them."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_text(data: Any) -> str:
    """A value as JSON in ASCII: nothing of a foreign RPM reaches a terminal or a page raw."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def own_version() -> str:
    """The version of xspack."""
    from importlib.metadata import version

    return version("xspack")
