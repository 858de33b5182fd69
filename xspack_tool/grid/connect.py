"""A server of the Remote Execution API: its URL, certificates and tokens, and what its errors mean."""

from __future__ import annotations

import base64
import importlib.util
import netrc
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from xspack_tool.errors import XspackError

SCHEMES = ("grpcs", "grpc")
#: How to get the libraries.
LACKING = "grpcio is needed: pip install 'xspack[grid]'"
#: What is no server's fault but the network's or a moment's: another try may go well.
PASSING = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN"))


class GridMistake(XspackError):
    """A URL or a setting that makes no sense."""


class Server(Struct, frozen=True):
    """A connection. ``instance`` is the part of the server that the URL's path names, ``authorize`` gives the headers
    of each call."""

    channel: Any
    instance: str
    authorize: Callable[[], Sequence[tuple[str, str]]]

    def named(self, *parts: str) -> str:
        """The name of a resource of this instance."""
        return "/".join((*([self.instance] if self.instance else []), *parts))


def has_libraries() -> bool:
    """Whether grpcio and the generated protos are installed."""
    return all(importlib.util.find_spec(name) for name in ("grpc", "buildgrid"))


def is_near(host: str | None) -> bool:
    """Whether a host is this machine: secrets may go there in the clear."""
    return host in ("localhost", "127.0.0.1", "::1")


def check_url(url: str, has_token: bool) -> None:
    """Raise GridMistake for a URL that cannot be one of a server."""
    parts = urlsplit(url)
    try:
        good = parts.scheme in SCHEMES and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        good = False
    if not good:
        raise GridMistake(
            "not the URL of a grid; write it as grpcs://HOST:PORT, with /INSTANCE where it has several"
        )
    if parts.username or parts.password or parts.query:
        raise GridMistake("a URL must hold no secret; put the token into the environment, or into a file")
    if parts.scheme == "grpc" and has_token and not is_near(parts.hostname):
        raise GridMistake("a token must not travel by grpc; use grpcs, or unset the token")


def authorization(host: str | None, token: str, environ: Mapping[str, str]) -> str:
    """The value of an Authorization header: of a token, else of ~/.netrc (or NETRC); empty where there is neither."""
    if token:
        return f"Bearer {token}"
    try:
        known = netrc.netrc(environ.get("NETRC")).authenticators(host or "")
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return ""
    return "Basic " + base64.b64encode(f"{known[0]}:{known[2]}".encode()).decode() if known else ""


#: The variables of the environment that a connection is made by.
VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "XSPACK_GRID_KEY", "XSPACK_GRID_CERT")


def connect(url: str, token: Callable[[], str], environ: Mapping[str, str]) -> Server:
    """A connection, which is made when it is first used. ``token`` is asked for each call: its file may be renewed.

    Certificates are those of SSL_CERT_FILE or CURL_CA_BUNDLE, else grpcio's own; our own one, where a server wants it,
    is in the files XSPACK_GRID_CERT and XSPACK_GRID_KEY. Raises GridMistake.
    """
    # It reads this when it is loaded; what is wrong with a connection we say ourselves.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc

    parts = urlsplit(url)
    host = parts.hostname or ""
    address = (
        f"{f'[{host}]' if ':' in host else host}:{parts.port or (443 if parts.scheme == 'grpcs' else 80)}"
    )
    # Each connection is its own, and tries again when it is asked to, not by itself.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if parts.scheme == "grpc":
        channel = grpc.insecure_channel(address, options)
    else:
        bundle = environ.get("SSL_CERT_FILE") or environ.get("CURL_CA_BUNDLE") or ""
        files = [bundle, environ.get("XSPACK_GRID_KEY", ""), environ.get("XSPACK_GRID_CERT", "")]
        roots, key, certificate = (_content(Path(name)) if name else None for name in files)
        if (key is None) != (certificate is None):
            raise GridMistake("XSPACK_GRID_CERT and XSPACK_GRID_KEY go together; set both, or none")
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(roots, key, certificate), options)
    is_safe = parts.scheme == "grpcs" or is_near(host)

    def authorize() -> list[tuple[str, str]]:
        value = authorization(host, token(), environ) if is_safe else ""
        return [("authorization", value)] if value else []

    return Server(channel, parts.path.strip("/"), authorize)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise GridMistake(f"{file}: {error.strerror or error}; name a file in PEM form") from None


def code_of(error: Exception) -> str:
    """The status of a failed call by name, as gRPC calls it; UNKNOWN for what is no failed call."""
    code = getattr(error, "code", None)
    found = code() if callable(code) else None
    return getattr(found, "name", None) or "UNKNOWN"


def words_of(error: Exception, token: str) -> str:
    """One short reason, without what a server sent. ``token`` is the variable that holds one."""
    details = getattr(error, "details", None)
    text = (details() if callable(details) else "") or ""
    for pattern, words in _NO_CONNECTION:
        if re.search(pattern, text):
            return words
    code = code_of(error)
    return _MEANINGS.get(code, f"it answers {code}").format(token=token)


UNTRUSTED, NO_HOST, UNREACHABLE = (
    "its certificate is not trusted, see SSL_CERT_FILE",
    "host not found",
    "it cannot be reached",
)
#: What gRPC says where there is no connection.
_NO_CONNECTION = (
    (r"(?i)certificate[_ ]verify[_ ]failed|hostname verification|peer name", UNTRUSTED),
    (r"(?i)dns resolution failed|name resolution|domain name not found", NO_HOST),
    (r"(?i)ssl_error|handshake|wrong[_ ]version[_ ]number", "it does not speak TLS as we do"),
    (r"(?i)socket closed|connection reset|rst_stream|goaway|eof", "its answer is truncated"),
    (r"(?i)failed to connect|connection refused|no route", UNREACHABLE),
)
_MEANINGS = {
    "UNAVAILABLE": UNREACHABLE,
    "DEADLINE_EXCEEDED": "its answer timed out",
    "UNAUTHENTICATED": "it answers UNAUTHENTICATED, see {token}",
    "PERMISSION_DENIED": "it answers PERMISSION_DENIED: access denied",
    "UNIMPLEMENTED": "it answers UNIMPLEMENTED, it does not offer this",
    "RESOURCE_EXHAUSTED": "it answers RESOURCE_EXHAUSTED, it is full",
}
