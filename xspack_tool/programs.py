"""What the installed programs start. Python loads for a while before any of them can take SIGINT, and would show where
it was: until then, the signal is answered in a line. Nothing is there yet that would have to be cleaned up."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


def scons() -> None:
    """SCons's own program."""
    with _loading(1, "scons: Build interrupted.\n", 2):
        from SCons.Script.Main import main
    main()


def xspack() -> NoReturn:
    """``xspack``."""
    with _loading(2, "xspack: interrupted\n", 130):
        from xspack_tool.cli import main
    sys.exit(main())


def build_update() -> NoReturn:
    """``build-update``."""
    with _loading(2, "build-update: interrupted\n", 130):
        from xspack_tool.cli import build_update_main
    sys.exit(build_update_main())


@contextmanager
def _loading(output: int, text: str, status: int) -> Iterator[None]:
    """While a block imports: an import makes another error of a KeyboardInterrupt in some places."""

    def end(number: int, frame: object) -> NoReturn:
        os.write(output, text.encode())
        os._exit(status)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
