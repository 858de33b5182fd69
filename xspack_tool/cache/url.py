"""The URL of a shared cache, and what the tools of its kind take from the environment: tokens, certificates."""

from __future__ import annotations

import base64
import netrc
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xspack_tool.errors import XspackError

SCHEMES = ("https", "http", "s3", "gs", "az")


class StoreMistake(XspackError):
    """A URL or a setting that makes no sense."""


def check_url(url: str, environ: Mapping[str, str]) -> None:
    """Raise StoreMistake for a URL that cannot be one of a cache."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise StoreMistake(f"no URL of a cache; write it as {', '.join(f'{one}://..' for one in SCHEMES)}")
    if parts.username or parts.password or parts.query:
        raise StoreMistake(
            "a URL must hold no secret; put the token into XSPACK_CACHE_TOKEN in the environment, or the"
            " password into ~/.netrc"
        )
    is_near = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and environ.get("XSPACK_CACHE_TOKEN") and not is_near:
        raise StoreMistake("a token must not travel by http; use https, or unset XSPACK_CACHE_TOKEN")


def open_store(url: str, environ: Mapping[str, str], once: timedelta) -> Any:
    """The store behind a URL, with the settings that the tools of its kind take from the environment."""
    import obstore.store

    options: dict[str, Any] = {
        "allow_http": True,
        "connect_timeout": once,
        "read_timeout": once,
        "timeout": timedelta(hours=1),
    }
    parts = urlsplit(url)
    if headers := _authorization(parts.hostname or "", parts.scheme, environ):
        options["default_headers"] = headers
    names = ("AWS_CA_BUNDLE",) if parts.scheme == "s3" else ()
    bundle = next(
        (environ[name] for name in (*names, "SSL_CERT_FILE", "CURL_CA_BUNDLE") if environ.get(name)), ""
    )
    try:
        if bundle:
            options["root_certificate"] = Path(bundle).read_bytes()
        retry: Any = {"max_retries": 0, "retry_timeout": once}
        return obstore.store.from_url(url, client_options=options, retry_config=retry)  # type: ignore[call-overload]
    except OSError as error:
        raise StoreMistake(f"{bundle}: {error.strerror or error}; name a file of certificates") from None
    except Exception as error:
        raise StoreMistake(f"{str(error).splitlines()[0]}; see docs/fleet.md for URLs") from None


def _authorization(host: str, scheme: str, environ: Mapping[str, str]) -> dict[str, str]:
    if scheme not in ("http", "https"):
        return {}
    if token := environ.get("XSPACK_CACHE_TOKEN"):
        return {"authorization": f"Bearer {token}"}
    try:
        known = netrc.netrc(environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return {}
    if not known:
        return {}
    pair = base64.b64encode(f"{known[0]}:{known[2]}".encode()).decode()
    return {"authorization": f"Basic {pair}"}
