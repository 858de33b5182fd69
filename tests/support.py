"""What tests of several rooms share: ``from support import need``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from xspack_tool.model.changelog import ChangelogEntry, parse_entry
from xspack_tool.run import missing_program

#: The folder of the checkout.
ROOT = Path(__file__).resolve().parents[1]
#: Seconds: what has not come, or not ended, by then never does, however busy the machine is.
LATE = 300


def lacks(what: str) -> NoReturn:
    """Skip the test and say what to install; a failure where CI=true, so that nothing stays unseen."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def need(*programs: str) -> None:
    """Go on only where all these programs are installed."""
    for program in programs:
        if what := missing_program(program):
            lacks(what)


def need_module(*modules: str) -> None:
    """Go on only where all these Python modules are installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            lacks(f"{module} is needed: pip install {module}")


def need_root() -> None:
    """Go on only as root: chroot and owners of files ask for it."""
    if os.geteuid() != 0:
        lacks("root is needed: run the tests as root")


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def entry(text: str) -> ChangelogEntry:
    """A changelog entry as a declaration has it."""
    found = parse_entry("changelog", text)
    assert isinstance(found, ChangelogEntry)
    return found


def flip(path: Path, at: int) -> None:
    """Turn over one bit of the byte at ``at``."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds."""
    end = time.monotonic() + LATE
    while not condition():
        assert time.monotonic() < end, "what is waited for does not come"
        time.sleep(0.05)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page of the checkout."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def processor_time() -> float:
    """Seconds of a processor that ended children took: what a busy machine does not lengthen."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
