"""The shell's own judgement of a script's syntax."""

from __future__ import annotations

import functools
import posixpath
import re

from xspack_tool.run import ASKING, missing_program, run


@functools.lru_cache(maxsize=512)
def syntax_error(text: str, interpreter: str) -> tuple[int, str] | None:
    """What ``bash -n`` says against a script: (line, words), None if nothing, or if there is no bash here.

    dom0's /bin/sh is bash in POSIX mode. Nothing of the script is run.
    """
    if missing_program("bash"):
        return None
    words = interpreter.split()
    posix = ["--posix"] if posixpath.basename(words[0] if words else "sh") == "sh" else []
    data = text.encode("utf-8", "replace")
    done = run(["bash", *posix, "-n"], stdin=data, timeout=ASKING, check=False)
    if not done.status:
        return None
    first = done.err.strip().partition("\n")[0]
    fault = re.search(r"line (\d+): (.*)", first)
    return (int(fault[1]), fault[2]) if fault else (0, first or f"bash ended with status {done.status}")
