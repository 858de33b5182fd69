"""Which BuildRequires of a spec this machine lacks, as far as it can tell.

Where rpm's database knows this machine (EL), rpmbuild compares them itself before %prep, with their versions, and
refuses. Elsewhere (Debian) a name is all that can be looked up, among packages, programs and files, and packages have
other names there: what is not found is told, and stops nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable

from xspack_tool.run import ASKING, run

_NAME = re.compile(r"[A-Za-z0-9_.+/:()-]+")
#: A line of rpmbuild's, below its heading.
_UNMET = re.compile(r"^\s+(\S.*) is needed by \S+$", re.MULTILINE)
#: How those are told that were looked up by name.
NOT_FOUND = "BuildRequires that were not found"
#: What helps where rpmbuild refuses.
REMEDY = "install them (dnf builddep), or give nodeps=True where they are there without RPMs"


def rpm_knows_machine() -> bool:
    """Whether this machine's programs are in rpm's database, so that rpmbuild can tell what it lacks."""
    return _rpm_provides("/bin/sh")


def unmet_requirements(said: str) -> list[str]:
    """The BuildRequires for want of which rpmbuild refused, as it names them; none where it did not."""
    return _UNMET.findall(said) if "Failed build dependencies:" in said else []


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
    if shutil.which(name) or _rpm_provides(name):
        return True
    if not shutil.which("dpkg-query"):
        return False
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", "--", name]
    return run(argv, check=False, timeout=ASKING).out.startswith("installed")


def _rpm_provides(name: str) -> bool:
    """Debian's rpm has its database in the home folder, and makes it there when it is asked."""
    if not shutil.which("rpm"):
        return False
    with tempfile.TemporaryDirectory(prefix="xspack-") as home:
        argv = ["rpm", "-q", "--whatprovides", "--", name]
        return run(argv, env={"HOME": home}, check=False, timeout=ASKING).status == 0
