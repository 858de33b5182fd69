"""B6: Python that a release parses and cannot run, for it lacks what the source uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xspack_tool.rules.python_library import library_problem

Verdict = Callable[..., list[str]]
P36, P27 = (3, 6), (2, 7)


@pytest.mark.parametrize(
    ("source", "version", "problem"),
    [
        ("import tomllib\n", P36, "line 1: 'tomllib' module is of Python 3.11"),
        ("import re\n\nre.compile('a', re.NOFLAG)\n", P36, "line 3: 're.NOFLAG' member is of Python 3.11"),
        ("print('ab'.removeprefix('a'))\n", P36, "line 1: 'str.removeprefix' member is of Python 3.9"),
        ("import subprocess\nsubprocess.run(['a'], capture_output=True)\n", P36, "line 2: "),
        ("import asyncio\nasyncio.run(main())\n", P36, "line 2: 'asyncio.run' member is of Python 3.7"),
        ("import pathlib\n", P27, "line 1: 'pathlib' module is not of Python 2"),
        ("import dataclasses\n", P36, "line 1: 'dataclasses' module is of Python 3.7"),
        ("import tomllib\n", (3, 11), ""),
        ("import os, sys, json, subprocess\nsubprocess.check_output(['a'])\n", P36, ""),
        ("import os, sys, json\nos.path.join('a', 'b')\n", P27, ""),
        # What may fail, or was asked for before.
        ("try:\n    import tomllib\nexcept ImportError:\n    tomllib = None\n", P36, ""),
        ("try:\n    import tomllib\nexcept:\n    tomllib = None\nprint(tomllib.loads('a'))\n", P36, ""),
        ("import sys\nif sys.version_info >= (3, 11):\n    import tomllib\n", P36, ""),
        (
            "try:\n    import tomllib\nexcept KeyError:\n    pass\n",
            P36,
            "line 2: 'tomllib' module is of Python 3.11",
        ),
        # Nothing is known of these.
        ("print 'x'\n", P36, ""),
        ("(" * 5000, P36, ""),
        ("\0", P36, ""),
    ],
)
def test_what_a_version_lacks(source: str, version: tuple[int, int], problem: str) -> None:
    found = library_problem(source.encode(), version)
    assert found.startswith(problem) if problem.endswith(": ") else found == problem


def test_one_version_that_has_it_is_enough(verdict: Verdict) -> None:
    assert verdict("B6", files={"/opt/acme/main.py": b"import pathlib\n"}) == []
    script = {"/opt/acme/run": b"#!/usr/bin/python2\nimport pathlib\n"}
    (found,) = verdict("B6", files=script, modes={"/opt/acme/run": 0o755})
    assert found.startswith("W /opt/acme/run: Python 2.7 has not all that it uses: line 2: 'pathlib'")
