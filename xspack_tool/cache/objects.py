"""Object stores and HTTP servers behind a shared cache, by obstore."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xspack_tool.cache.url import StoreMistake
from xspack_tool.grid.connect import NO_HOST, UNREACHABLE, UNTRUSTED, authorization

#: The largest file that is written by plain HTTP, which holds it in memory; object stores take parts.
LARGEST_PUT = 64 << 20
_PART = 8 << 20
#: Answers to a write after which there is no use in another.
_FINAL = ("401", "403", "405", "413", "507")


class Objects:
    """A store. ``once`` is what it may take to answer; a URL of HTTP takes no file larger than ``largest``."""

    def __init__(self, url: str, environ: Mapping[str, str], once: float) -> None:
        self._url, self._environ = url, environ
        self._is_http = url.startswith("http")
        self.largest = LARGEST_PUT if self._is_http else None
        self._store = self._open(once)

    def _open(self, once: float) -> Any:
        return open_store(self._url, self._environ, timedelta(seconds=once))

    def get(self, path: str, most: int) -> tuple[int, Iterator[bytes]]:
        """The size and the blocks of an object. Raises FileNotFoundError."""
        import obstore

        found = obstore.get(self._store, path)
        return found.meta["size"], map(bytes, found.stream(min_chunk_size=1))

    def put_file(self, digest: str, size: int, file: Path, seconds: float) -> None:
        """Write a file's content; the time to answer counts from the first byte that is sent."""
        import obstore

        parts: dict[str, Any] = (
            {"use_multipart": False} if self._is_http else {"chunk_size": _PART, "max_concurrency": 1}
        )
        obstore.put(self._open(seconds), f"cas/{digest}", file, **parts)

    def put_entry(self, path: str, text: bytes, content: tuple[str, int] | None) -> None:
        """Write an entry, whose content is there by now."""
        import obstore

        obstore.put(self._store, path, text, use_multipart=False)

    @staticmethod
    def is_final(error: Exception) -> bool:
        """Whether no other write would fare better."""
        return _status(error) in _FINAL

    @staticmethod
    def words(error: Exception) -> str:
        """One short reason, without what a server sent."""
        text = str(error)
        if found := re.search(r"status code: (\d{3}[A-Za-z ]{0,40})", text):
            hint = {"401": ", see XSPACK_CACHE_TOKEN", "403": ": access denied"}
            return f"it answers {found[1].strip()}{hint.get(found[1][:3], '')}"
        for pattern, words in _REASONS:
            if re.search(pattern, text):
                return words
        return "it fails"


def _status(error: Exception) -> str:
    found = re.search(r"status code: (\d{3})", str(error))
    return found[1] if found else ""


#: What obstore says, as a pattern, and what it means.
_REASONS = (
    (r"(?i)certificate|UnknownIssuer", UNTRUSTED),
    (r"(?i)dns error|failed to lookup", NO_HOST),
    (r"kind: Timeout", "its answer timed out"),
    (r"kind: Connect", UNREACHABLE),
    (r"kind: Interrupted|MissingContentLength", "its answer is truncated"),
)


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
    token = environ.get("XSPACK_CACHE_TOKEN", "")
    if parts.scheme in ("http", "https") and (value := authorization(parts.hostname, token, environ)):
        options["default_headers"] = {"authorization": value}
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
