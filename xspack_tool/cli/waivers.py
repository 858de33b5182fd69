"""Waivers out of a file, for packs that have no declaration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from xspack_tool.errors import BadInput
from xspack_tool.rules.registry import waiver_problems
from xspack_tool.rules.report import Waivers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_waivers(file: Path) -> Waivers:
    """Waivers out of a TOML file: of the pack at its top, of an RPM in a table under its file name. Raises BadInput."""
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(file, error.strerror or str(error)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(file, f"no TOML: {error}") from None
    rpms = {name: value for name, value in data.items() if isinstance(value, dict)}
    pack = {name: value for name, value in data.items() if name not in rpms}
    for where, table in (("", pack), *rpms.items()):
        for problem in waiver_problems(table):
            raise BadInput(file, f"[{where}] {problem}" if where else str(problem))
    return Waivers(pack, rpms)
