"""Source RPMs of drivers: what rebuilds a package from sources, with plain rpmbuild, elsewhere."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.spec import Making, render_macros, render_spec
from xspack_tool.rpm.stage import stage
from xspack_tool.rpm.write import move_rpms, rpmbuild_command, script_texts
from xspack_tool.run import BUILDING, Work, plain_work_folder, run

#: The files of a package that are not compiled, in the source RPM.
PAYLOAD = "payload.tar"

#: What of our macro file must hold where the package is rebuilt with the macros of that machine.
_LOCAL_TASTE = """\
%define xspack_percent %%
%global _binary_payload {payload}
%global _binary_filedigest_algorithm 8
%global _rpmformat 4
%global _buildhost xspack
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
"""


def source_rpm_name(package: Package) -> str:
    """``name-version-release.src.rpm``."""
    return f"{package.name}-{package.version}-{package.release}.src.rpm"


def write_source_rpm(
    package: Package,
    contents: Mapping[str, Path],
    making: Making,
    sources: Mapping[str, Path],
    out: Path,
    *,
    payload: str,
    time: int,
) -> None:
    """Write the source RPM of a package whose compiled files ``making`` makes; ``package`` and ``contents``
    are the rest of it, as for write_rpm. ``sources`` are the files that ``making.sources`` names.

    Raises StepError with rpmbuild's own words; ``out`` appears whole or not at all.
    """
    # rpmbuild expands macros in the name of the folder that it is in.
    with plain_work_folder(out.name[:100]) as folder:
        work = folder.path
        root = work / "root"
        root.mkdir(parents=True)
        entries = stage(package.entries, contents, root, time)
        making = replace(making, head=_LOCAL_TASTE.format(payload=payload) + making.head)
        for name in making.sources:
            shutil.copyfile(sources[name], work / name)
        if entries:
            _write_payload(work / PAYLOAD, root, entries, time)
            number = len(making.sources)
            unpack = f"mkdir -p %{{buildroot}}\ntar -xf %{{SOURCE{number}}} -C %{{buildroot}}\n"
            making = replace(making, sources=(*making.sources, PAYLOAD), install=unpack + making.install)
        text = render_spec(package, entries, script_texts(package, contents), making)
        _run_rpmbuild(folder, package, text, making.sources, out, payload=payload, time=time)


def _run_rpmbuild(
    folder: Work,
    package: Package,
    spec_text: str,
    sources: Sequence[str],
    out: Path,
    *,
    payload: str,
    time: int,
) -> None:
    """Have rpmbuild make ``out`` of a spec and of the sources in the folder that it works in."""
    work = folder.path
    spec = work / f"{package.name}.spec"
    spec.write_text(spec_text, encoding="utf-8")
    macros = work / "macros"
    macros.write_text(render_macros(payload) + "%_srcdefattr (-,root,root)\n", encoding="utf-8")
    for path in (spec, *(work / name for name in sources)):
        path.chmod(0o644)
        os.utime(path, (time, time))
    # rpm keeps the expanded spec in the source RPM: all folders are named from here, so that it is the same
    # wherever it is written.
    command = rpmbuild_command(package.arch, [macros], Path("."))
    command += ["--define=_sourcedir .", "--define=buildroot ./BUILDROOT", "-bs", "--nodeps", spec.name]
    run(
        command,
        cwd=work,
        env={"SOURCE_DATE_EPOCH": str(time)},
        pass_fds=[folder.lock],
        timeout=BUILDING,
        what=f"writing {out.name}",
    )
    move_rpms(work / "SRPMS", [out])


def _write_payload(target: Path, root: Path, entries: Sequence[FileEntry], time: int) -> None:
    """The staged files as one archive, in the order of the package's entries."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            name = entry.path.lstrip("/")
            member = archive.gettarinfo(root / name, name)
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mtime = time
            if member.isreg():
                # Hard links of the staging folder are none of the package's.
                with (root / name).open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
