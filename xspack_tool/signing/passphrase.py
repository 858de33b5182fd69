"""The passphrase of the secret key: where it comes from, and how it reaches gpg.

It is in no command line, no output and no file of ours: gpg reads it from a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xspack_tool.errors import StepError

VARIABLE, FILE_VARIABLE = "XSPACK_PASSPHRASE", "XSPACK_PASSPHRASE_FILE"


def read_passphrase(environ: Mapping[str, str] | None = None) -> str | None:
    """From XSPACK_PASSPHRASE, else the first line of the file that XSPACK_PASSPHRASE_FILE names, else None.

    None leaves it to gpg's agent. Raises StepError, without the passphrase, if the file cannot be
    read or the passphrase is one that gpg cannot take.
    """
    environ = os.environ if environ is None else environ
    if value := environ.get(VARIABLE):
        return _checked(value, VARIABLE)
    if not (path := environ.get(FILE_VARIABLE)):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            line = file.readline(4096)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StepError(
            f"{FILE_VARIABLE}: {path}: {why}; name a file whose first line is the passphrase"
        ) from None
    return _checked(line.rstrip("\r\n"), FILE_VARIABLE) or None


def _checked(value: str, variable: str) -> str:
    if len(value.encode()) > 255 or any(sign in value for sign in "\0\r\n"):
        raise StepError(f"{variable}: gpg takes a passphrase of one line and at most 255 bytes")
    return value


@contextmanager
def passphrase_fd(passphrase: str) -> Iterator[int]:
    """A file descriptor that holds the passphrase and a line break, for one gpg to read."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:  # far less than a pipe's buffer: this does not wait
            pipe.write(passphrase.encode() + b"\n")
        yield reading
    finally:
        os.close(reading)
