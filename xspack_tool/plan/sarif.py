"""``<label>-findings.sarif``: the findings of a pack at the lines of the SConstruct.

A line that moves changes no finding, and shall build nothing. So this file is no target: it is written when a build has
ended, if the findings, the lines or the file itself changed since it was last written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import SCons.Node.FS
import SCons.Script
from SCons.Node import Node, executed, up_to_date

from xspack_tool.errors import BadInput
from xspack_tool.files import file_digest, write_whole
from xspack_tool.plan.outputs import journal_of
from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.scons import end_with
from xspack_tool.plan.session import session
from xspack_tool.plan.tools import version_of


def sarif_of(env: Any, findings: Node, label: str) -> None:
    """Have the SARIF twin of a findings file written; with ``-c`` it goes."""
    place = Path(findings.get_abspath()).with_suffix(".sarif")
    journal_of(env).keep(place)
    if SCons.Script.GetOption("clean"):
        env.Clean(findings, str(place))
    session().at_end.insert(0, lambda: _write(env, findings, label, place))


def _write(env: Any, findings: Node, label: str, place: Path) -> None:
    if findings.get_state() not in (executed, up_to_date) or any(
        map(SCons.Script.GetOption, ("no_exec", "question", "clean"))
    ):
        return
    places = {about: at for about, at in session().declared.items() if about[0] == label}

    def write() -> str:
        """The digest of what is written."""
        from xspack_tool.plan.verdict import read_report
        from xspack_tool.rules.registry import all_rules
        from xspack_tool.rules.sarif import as_sarif

        report = read_report(Path(findings.get_abspath()))
        write_whole(place, as_sarif(report, all_rules(), version_of(env, "xspack"), places))
        return file_digest(place)

    try:
        lines = [[rpm, str(at)] for (_, rpm), at in sorted(places.items())]
        state = [file_state(findings.get_abspath()), lines]
        if read_cached(env, f"sarif {place}", state, write) != (place.is_file() and file_digest(place)):
            if place.exists():
                name = os.path.relpath(place, SCons.Node.FS.get_default_fs().Top.get_abspath())
                sys.stderr.write(f"xspack: {name}: not as it was built; it is built again\n")
            write()
    except (BadInput, OSError) as error:
        sys.stderr.write(f"xspack: {place.name}: {error}\n")
        end_with(2)
