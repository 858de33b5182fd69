"""What shellcheck says of a script, where it is installed."""

from __future__ import annotations

import functools
import json

from xspack_tool.errors import StepError
from xspack_tool.run import missing_program, run

PROGRAM = "shellcheck"
_TIME_LIMIT = 20.0
#: A redirection alone makes a file, as kernel-devel's macros do (SC2188); patterns out of variables are meant (SC2254).
_IDIOMS = "SC2188,SC2254"


@functools.lru_cache(maxsize=512)
def shellcheck(text: str) -> tuple[tuple[int, str], ...]:
    """Its errors and warnings, as line and words with the number of the check; none without shellcheck, or where that
    does not end in time. dom0's /bin/sh is bash. Nothing of the script is run."""
    if missing_program(PROGRAM):
        return ()
    argv = [
        PROGRAM,
        "--norc",
        "--shell=bash",
        "--severity=warning",
        f"--exclude={_IDIOMS}",
        "--format=json1",
        "-",
    ]
    try:
        done = run(argv, stdin=text.encode("utf-8", "replace"), timeout=_TIME_LIMIT, check=False)
        comments = json.loads(done.out)["comments"]
        remarks = {(comment["line"], f"SC{comment['code']}: {comment['message']}") for comment in comments}
    except (StepError, ValueError, KeyError, TypeError):
        return ()
    return tuple(sorted(remarks))
