"""RPMs from a spec that the user wrote: what it would make, and making it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xspack_tool.errors import StepError
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.rpm.spec import render_macros
from xspack_tool.rpm.stage import normal_mode
from xspack_tool.rpm.write import move_rpms, rpmbuild_command
from xspack_tool.run import run, work_folder

Defines = Sequence[tuple[str, str]]

_QUERY = (
    r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}"
    r"\t[%{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION},]\n"
)
_KERNEL = re.compile(r"kernel-uname-r += +([^ ,]+)")
#: Debug data never enters a pack.
_DEBUG = re.compile(r"-(debuginfo|debugsource)$")
#: A user's spec runs its own sections: these of our macros are for buildroots that are filled beforehand.
_NOT_FOR_SPECS = ("%__spec_install_pre", "%__check_files")


def query_spec(spec: Path, defines: Defines) -> list[list[Any]]:
    """Of each binary RPM that a spec would make its NEVRA fields, and the kernels that it requires by
    kernel-uname-r; debuginfo left out.

    Raises StepError with rpmspec's own words.
    """
    lines = _ask(spec, defines, "--builtrpms", _QUERY)
    found: list[list[Any]] = []
    for line in lines:
        name, epoch, version, release, arch, requires = line.split("\t")
        if not _DEBUG.search(name):
            identity = {
                "name": name,
                "epoch": int(epoch),
                "version": version,
                "release": release,
                "arch": arch,
            }
            found.append([identity, sorted(set(_KERNEL.findall(requires)))])
    if not found:
        raise StepError(f"{spec.name} makes no binary RPM: it has no %files")
    return found


def build_spec(
    spec: Path,
    sources: Sequence[Path],
    defines: Defines,
    outs: Sequence[Path],
    *,
    payload: str,
    source_date_epoch: int | None,
) -> None:
    """Build a spec in a folder of its own and move the RPMs to ``outs``, whose names are rpmbuild's.

    The build time is that of the newest changelog entry, else SOURCE_DATE_EPOCH, else a constant. Raises StepError
    with the end of the build's output.
    """
    with work_folder(outs[0]) as work:
        folder, time = work.path / "SOURCES", _time(spec, defines, source_date_epoch)
        _copy_sources([spec, *sources], folder, None)
        macros = _write_macros(work.path, payload)
        command = rpmbuild_command("x86_64", macros, work.path)
        run(
            # What is installed here, only a host with rpm packages could tell: a lack shows in %build.
            [*command, *_definitions(defines), "-bb", "--nodeps", str(folder / spec.name)],
            env={"SOURCE_DATE_EPOCH": str(time), "HOME": os.fspath(work.path)},
            pass_fds=[work.lock],
            what=f"building {spec.name}",
        )
        move_rpms(work.path / "RPMS", outs)


def _ask(spec: Path, defines: Defines, which: str, form: str) -> list[str]:
    """What rpmspec says of a spec, with the macros that will build it and none of the host's taste."""
    with tempfile.TemporaryDirectory(prefix="xspack-") as folder:
        work = Path(folder)
        _, _, *common = rpmbuild_command("x86_64", _write_macros(work, "w2.xzdio"), work)
        argv = [
            "rpmspec",
            "--query",
            which,
            f"--queryformat={form}",
            *common,
            *_definitions(defines),
            str(spec),
        ]
        done = run(argv, env={"HOME": folder}, what=f"reading {spec.name}", timeout=120)
    return done.out.splitlines()


def source_spec_name(spec: Path, defines: Defines) -> str:
    """The file name of the source RPM that a spec would make. Raises StepError with rpmspec's own words."""
    return _ask(spec, defines, "--srpm", r"%{NAME}-%{VERSION}-%{RELEASE}.src.rpm\n")[0]


def write_spec_source(
    spec: Path,
    sources: Sequence[Path],
    defines: Defines,
    out: Path,
    *,
    payload: str,
    source_date_epoch: int | None,
) -> None:
    """Write the source RPM of a spec; the same for the same files, wherever it is written."""
    with work_folder(out) as work:
        time = _time(spec, defines, source_date_epoch)
        _copy_sources([spec, *sources], work.path / "SOURCES", time)
        _write_macros(work.path, payload)
        # rpm keeps the expanded spec in the source RPM: all folders are named from here.
        command = rpmbuild_command("x86_64", Path("macros"), Path("."))
        run(
            [
                *command,
                "--define=_srcdefattr (-,root,root)",
                *_definitions(defines),
                "-bs",
                "--nodeps",
                f"SOURCES/{spec.name}",
            ],
            cwd=work.path,
            env={"SOURCE_DATE_EPOCH": str(time), "HOME": os.fspath(work.path)},
            pass_fds=[work.lock],
            what=f"writing {out.name}",
        )
        move_rpms(work.path / "SRPMS", [out])


def _copy_sources(files: Sequence[Path], folder: Path, time: int | None) -> None:
    """Copy a spec and its sources; with ``time`` they bear it."""
    folder.mkdir()
    for source in files:
        # `install -p` and `cp -p` in the spec see this mode: never that of the umask at checkout.
        shutil.copyfile(source, folder / source.name)
        (folder / source.name).chmod(normal_mode(stat.S_IMODE(source.stat().st_mode)))
        if time is not None:
            os.utime(folder / source.name, (time, time))


def _write_macros(work: Path, payload: str) -> Path:
    macros = work / "macros"
    lines = render_macros(payload).splitlines(keepends=True)
    macros.write_text(
        "".join(line for line in lines if not line.startswith(_NOT_FOR_SPECS)), encoding="utf-8"
    )
    return macros


def _definitions(defines: Defines) -> list[str]:
    return [f"--define={name} {value}" for name, value in defines]


def _time(spec: Path, defines: Defines, source_date_epoch: int | None) -> int:
    """The time of what is built: of the newest changelog entry, else SOURCE_DATE_EPOCH, else a constant."""
    time = _changelog_time(spec, defines)
    if time is None:
        return CONSTANT_TIME if source_date_epoch is None else source_date_epoch
    return time


def _changelog_time(spec: Path, defines: Defines) -> int | None:
    said = _ask(spec, defines, "--srpm", r"%{CHANGELOGTIME}\n")[0]
    return int(said) if said.isdigit() else None
