"""Who writes the RPM of a declaration: xspack in process, or this machine's rpmbuild."""

from __future__ import annotations

from typing import Any

from xspack_tool.errors import Problem
from xspack_tool.model.package import Package
from xspack_tool.plan.session import session
from xspack_tool.plan.step import Step
from xspack_tool.rpm.usual import WRITER, left_to_rpmbuild

#: What makes RPMs by rpmbuild, and reads what it made.
RPMBUILD = ("rpmbuild", "rpmfile", "zstandard")
_CHOICES = ("xspack", "rpmbuild")


class WritingStep(Step, frozen=True):
    """A step that writes an RPM. ``writer`` is the version of xspack's writer, or ``rpmbuild`` and why."""

    payload: str
    writer: str

    @property
    def by_rpmbuild(self) -> bool:
        """Whether rpmbuild writes it."""
        return self.writer != WRITER

    def is_brief(self) -> bool:
        return self.is_apart() and not self.by_rpmbuild

    def explained(self) -> str:
        return f"written by {self.writer}" if self.by_rpmbuild else ""

    def used(self) -> tuple[str, ...]:
        """rpmbuild's version counts where it writes, with those of what reads its RPM; zstd's where it compresses."""
        zstd = ("zstandard",) if self.payload.endswith(".zstdio") else ()
        return RPMBUILD if self.by_rpmbuild else zstd


def writer_of(env: Any, package: Package, payload: str) -> str:
    """Who writes a package, as it stands in the key of its step. Notes that rpmbuild will be started."""
    value = env.get("XSPACK_WRITER") or "xspack"
    chosen = str(env.subst(value))
    if chosen not in _CHOICES:
        if session().first_time(f"writer {chosen}"):
            rule, remedy = "not a writer of RPMs", f"use one of {', '.join(_CHOICES)}"
            session().general.problems.append(Problem("XSPACK_WRITER", chosen, rule, remedy))
        return WRITER
    return _writer("XSPACK_WRITER" if chosen == "rpmbuild" else left_to_rpmbuild(package, payload))


def writer_when_read(step: WritingStep, package: Package) -> str:
    """The same when everything was read, and all that is in the package is known."""
    return step.writer if step.by_rpmbuild else _writer(left_to_rpmbuild(package, step.payload))


def _writer(why: str) -> str:
    if why:
        session().need("rpmbuild", f"RPMs that xspack leaves to it ({why})")
    return f"rpmbuild: {why}" if why else WRITER
