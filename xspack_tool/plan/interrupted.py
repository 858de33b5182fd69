"""A signal that ends SCons while it reads, or when it has built: one line, whatever it comes upon. While SCons builds,
it has its own way."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from functools import cache
from typing import Any

import SCons.Script

from xspack_tool.plan.scons import INTERRUPTED, fail_in_words
from xspack_tool.run import ask_to_stop, end_children, is_stopping


@cache
def end_by_signals() -> None:
    """Have SIGTERM end SCons as SIGINT does, and what was started by then with it."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: object) -> None:
        ask_to_stop()
        raise KeyboardInterrupt

    for which, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(which) is usual:
            signal.signal(which, end)
    atexit.register(_end_children)
    # Python makes another error of a KeyboardInterrupt in some places, and so do libraries.
    fail_in_words(is_stopping)
    _show_no_traceback()


def end_when_read() -> None:
    """Go no further where a signal came upon a place in which nothing can be raised, and have an end of the build told.
    Raises KeyboardInterrupt."""
    from xspack_tool.plan.session import session

    if is_stopping():
        raise KeyboardInterrupt
    session().at_end.append(_tell)


def _tell() -> None:
    """SCons is silent with -Q and -s where no step was at work."""
    if is_stopping() and any(map(SCons.Script.GetOption, ("no_progress", "silent"))):
        sys.stderr.write(f"{INTERRUPTED}\n")


def _end_children() -> None:
    if is_stopping():
        end_children()


def _show_no_traceback() -> None:
    """Of an end by a signal where nothing can be raised (an object's end, Python's), and where SCons has ended."""
    uncaught, unraisable = sys.excepthook, sys.unraisablehook

    def is_ours(kind: type[BaseException] | None) -> bool:
        return is_stopping() and kind is not None and issubclass(kind, KeyboardInterrupt)

    def tell_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if is_ours(kind):
            print(INTERRUPTED)
        else:
            uncaught(kind, error, trace)

    def tell_unraisable(what: Any) -> None:
        if not is_ours(what.exc_type):
            unraisable(what)

    sys.excepthook, sys.unraisablehook = tell_uncaught, tell_unraisable
