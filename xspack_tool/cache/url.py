"""The URL of a shared cache."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from xspack_tool.errors import XspackError
from xspack_tool.grid.connect import SCHEMES as GRID_SCHEMES
from xspack_tool.grid.connect import is_near

SCHEMES = ("https", "http", "s3", "gs", "az", *GRID_SCHEMES)


class StoreMistake(XspackError):
    """A URL or a setting that makes no sense."""


def is_grid(url: str) -> bool:
    """Whether a URL is that of a server of the Remote Execution API."""
    return urlsplit(url).scheme in GRID_SCHEMES


def check_url(url: str, environ: Mapping[str, str]) -> None:
    """Raise StoreMistake for a URL that cannot be one of a cache."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise StoreMistake(
            f"not the URL of a cache; write it as {', '.join(f'{one}://..' for one in SCHEMES)}"
        )
    if parts.username or parts.password or parts.query:
        raise StoreMistake(
            "a URL must hold no secret; put the token into XSPACK_CACHE_TOKEN in the environment, or the"
            " password into ~/.netrc"
        )
    safe = {"http": "https", "grpc": "grpcs"}.get(parts.scheme)
    if safe and environ.get("XSPACK_CACHE_TOKEN") and not is_near(parts.hostname):
        raise StoreMistake(
            f"a token must not travel by {parts.scheme}; use {safe}, or unset XSPACK_CACHE_TOKEN"
        )
