"""Which BuildRequires of a spec this machine lacks, as far as it can tell."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable

from xspack_tool.run import ASKING, run

_NAME = re.compile(r"[A-Za-z0-9_.+/:()-]+")


def lacking_requirements(lines: Iterable[str]) -> list[str]:
    """Those of rpmspec's ``--buildrequires`` that neither rpm's database nor dpkg's knows, and that are no file or
    program of this machine either. Versions are not compared: another distribution's mean other things."""
    names = {line.split()[0]: line.strip() for line in lines if line.strip()}
    return [said for name, said in sorted(names.items()) if not (_is_own(name) or _is_here(name))]


def _is_own(name: str) -> bool:
    """What rpm itself provides, or is no plain name: a rich dependency."""
    return name.startswith(("rpmlib(", "config(", "(")) or not _NAME.fullmatch(name)


def _is_here(name: str) -> bool:
    if name.startswith("/"):
        return os.path.exists(name)
    if shutil.which(name):
        return True
    questions = (
        ["rpm", "-q", "--whatprovides", "--", name],
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", "--", name],
    )
    for argv in questions:
        if shutil.which(argv[0]):
            done = run(argv, check=False, timeout=ASKING)
            if done.status == 0 and (argv[0] == "rpm" or done.out == "installed"):
                return True
    return False
