"""RPMs from a spec that the user wrote: what it would make, and making it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.model.canonical import canonical
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.rpm.build_requires import NOT_FOUND, REMEDY, lacking_requirements, unmet_requirements
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.stage import normal_mode
from xspack_tool.rpm.write import check_whole, move_rpms, move_whole, own_macros, rpmbuild_command
from xspack_tool.run import (
    BUILDING,
    WORKING,
    Done,
    is_plain,
    plain_folder,
    plain_work_folder,
    run,
    work_folder,
)


class SpecMacros(Struct, frozen=True):
    """What a spec finds besides rpm's own macros; of one name, the last counts. ``release`` and ``files`` are macro
    files, ``defines`` macros with their bodies."""

    release: str = ""
    files: tuple[bytes, ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    payload: str = "w2.xzdio"
    #: Whether rpm's own steps after %install are run, those that strip programs and compress manual pages.
    brp: bool = True

    @property
    def key(self) -> list[Any]:
        """All of it as plain JSON."""
        files = [hashlib.sha256(content).hexdigest() for content in self.files]
        return [self.release, files, [list(pair) for pair in self.defines], self.payload, self.brp]

    def as_options(self) -> list[str]:
        """Options that give the same macros to another machine's rpmbuild, on which its own count less."""
        texts = (self.release, *(content.decode("utf-8", "surrogateescape") for content in self.files))
        files = [f"--define={macro}" for text in texts for macro in macros_of(text)]
        return [*files, *_definitions(self.defines)]


_QUERY = (
    r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}"
    r"\t[%{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION},]\n"
)
_KERNEL = re.compile(r"kernel-uname-r += +([^ ,]+)")
#: What /bin/sh is on the kits of dom0 releases: specs that were written for them use {a,b} and pushd.
BUILD_SHELL = "/bin/bash"
#: Debug data never enters a pack.
_DEBUG = re.compile(r"-(debuginfo|debugsource)$")
#: A user's spec runs its own sections: these of our macros are for buildroots that are filled beforehand.
_NOT_FOR_SPECS = ("%__spec_install_pre", "%__check_files", "%_smp_build_ncpus", "%_build_name_fmt")
_UNGIVEN = "files that the spec names and sources= does not"
#: How many of the last lines that a failing build said are shown, and what rpmbuild says besides.
_LAST_LINES = 24
_BOILERPLATE = re.compile(
    r"Building (target platforms|for target)\b|RPM build (errors|warnings):|(    )?Bad exit status from "
    r"|\+ (exit|RPM_EC=|jobs)\b|\+\+ jobs"
)


_MACRO = re.compile(r"%\s*([A-Za-z_]\w*(?:\([^)\n]*\))?)[ \t]+")


def macros_of(text: str) -> list[str]:
    """The macros of a macro file, each as ``--define`` takes one: a body goes on after a backslash, and until its
    brackets are closed."""
    macros: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if not (begun := _MACRO.match(line)):
            continue
        body = line[begun.end() :]
        while (body.endswith("\\") or body.count("{") > body.count("}")) and (
            following := next(lines, None)
        ) is not None:
            body += f"\n{following}"
        macros.append(f"{begun[1]} {body}")
    return macros


def query_spec(spec: Path, sources: Sequence[Path], macros: SpecMacros) -> list[list[Any]]:
    """Of each binary RPM that a spec would make its NEVRA fields, and the kernels that it requires by
    kernel-uname-r; debuginfo left out. ``sources`` are those that there are: a spec may read them (%include).

    Raises StepError with rpmspec's own words.
    """
    lines = _ask(spec, sources, macros, "--builtrpms", _QUERY)
    packages: list[list[Any]] = []
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
            packages.append([identity, sorted(set(_KERNEL.findall(requires)))])
    if not packages:
        raise StepError(f"{spec.name} makes no binary RPM: it has no %files")
    return packages


def build_spec(
    spec: Path,
    sources: Sequence[Path],
    macros: SpecMacros,
    outs: Sequence[Path],
    *,
    failed: Path,
    source_date_epoch: int | None,
    jobs: int = 1,
    nodeps: bool = True,
) -> str:
    """Build a spec in a folder of its own and move the RPMs to ``outs``, whose names are rpm's usual ones, whatever
    the spec calls the files. Returns what was said.

    With ``nodeps`` rpmbuild asks for no BuildRequires. The build time is that of the newest changelog entry, else
    SOURCE_DATE_EPOCH, else a constant. Raises StepError with the end of the build's output; what it was built of is
    kept in the folder ``failed`` then, in which the command of the message works.
    """
    shutil.rmtree(failed, ignore_errors=True)
    key = hashlib.sha256(canonical([spec.name, [out.name for out in outs], *macros.key]).encode())
    with (
        work_folder(outs[0]) as beside,
        plain_work_folder(f"{plain_name(spec.stem)[:40]}-{key.hexdigest()[:16]}") as work,
    ):
        time = spec_time(spec, sources, macros, source_date_epoch)
        _copy_sources(spec, sources, work.path / "SOURCES", None)
        (work.path / "tmp").mkdir()
        argv = _rpmbuild(work.path, work.path, macros, jobs, nodeps=nodeps)
        argv += ["-bb", *(["--nodeps"] if nodeps else [])]
        env = {"SOURCE_DATE_EPOCH": str(time), "HOME": os.fspath(work.path)}
        done = run(
            [*argv, str(work.path / "SOURCES" / plain_name(spec.name))],
            cwd=work.path,
            env=env,
            pass_fds=[work.lock, beside.lock],
            timeout=BUILDING,
            what=f"building {spec.name}",
            check=False,
            merge=True,
        )
        if done.status and (unmet := unmet_requirements(done.out)):
            names = ", ".join(unmet)
            raise StepError(f"building {spec.name}: BuildRequires that are not installed: {names}; {REMEDY}")
        if done.status:
            lacks = _lacks(spec, sources, macros, nodeps=nodeps)
            _keep(work.path, failed, beside.path)
            command = _again(failed, spec, macros, jobs, time)
            raise StepError(_failure(spec, done, work.path, lacks, command))
        _move_built(work.path / "RPMS", outs)
        return _without(done.out, work.path)


def lacking_build_requires(spec: Path, sources: Sequence[Path], macros: SpecMacros) -> list[str]:
    """The BuildRequires of a spec that are not found on this machine by their names."""
    return lacking_requirements(_ask(spec, sources, macros, "--buildrequires", ""))


def ungiven_sources(spec: Path, sources: Sequence[Path], macros: SpecMacros) -> list[str]:
    """The names of a spec's Source and Patch files that are not among ``sources``. A binary RPM may do without those
    that its sections do not use."""
    named = _ask(spec, sources, macros, "--srpm", r"[%{SOURCE}\n][%{PATCH}\n]")
    return sorted({name for name in named if name} - {source.name for source in sources})


def _without(said: str, work: Path) -> str:
    """What a build said, without the folder that it was in."""
    return said.replace(f"{work}/BUILD/", "").replace(f"{work}/", "")


def _rpmbuild(top: Path, named: Path, macros: SpecMacros, jobs: int, *, nodeps: bool = True) -> list[str]:
    """rpmbuild with the macros of a spec, which are written to ``top`` and named as files in ``named``."""
    names = _write_macros(top, macros, jobs, nodeps=nodeps)
    _, *common = rpmbuild_command("x86_64", [named / name for name in names], named)
    # Not quiet, for then it keeps to itself what the programs of %prep say.
    common.remove("--quiet")
    return ["rpmbuild", *common, f"--define=_tmppath {named}/tmp", *_definitions(macros.defines)]


def _again(failed: Path, spec: Path, macros: SpecMacros, jobs: int, time: int) -> str:
    """A command that builds a spec again of what was kept of it."""
    argv = _rpmbuild(failed, Path("."), macros, jobs)
    argv = [word.replace("=_topdir .", "=_topdir %{getenv:PWD}") for word in argv]
    argv = [word.replace("=_tmppath ./tmp", "=_tmppath %{getenv:PWD}/tmp") for word in argv]
    argv += ["-bb", "--nodeps", f"SOURCES/{plain_name(spec.name)}"]
    place, first = shlex.quote(str(failed)), ""
    if not is_plain(failed):
        # rpmbuild expands macros in the name of the folder that it is in.
        again = f"{plain_folder()}/xspack-again"
        place, first = again, f"rm -rf {again} && cp -R {place} {again} && "
    return f"{first}cd {place} && SOURCE_DATE_EPOCH={time} {shlex.join(argv)}"


def _keep(work: Path, failed: Path, beside: Path) -> None:
    """Keep the spec, its sources and macros of a failed build."""
    whole = beside / "failed"
    (whole / "tmp").mkdir(parents=True)
    shutil.copytree(work / "SOURCES", whole / "SOURCES")
    failed.parent.mkdir(parents=True, exist_ok=True)
    os.replace(whole, failed)


def _lacks(spec: Path, sources: Sequence[Path], macros: SpecMacros, *, nodeps: bool) -> str:
    """The lines that name what a build that failed may have failed for."""
    lacking = lacking_build_requires(spec, sources, macros) if nodeps else []
    lines = {f"{NOT_FOUND} on this machine": lacking, _UNGIVEN: ungiven_sources(spec, sources, macros)}
    return "".join(f"\n  {head}: {', '.join(names)}" for head, names in lines.items() if names)


def _failure(spec: Path, done: Done, work: Path, lacks: str, command: str) -> str:
    """The message of a build that failed: the last that its programs said, and how to run it again."""
    said = _without(done.out, work)
    lines = [line.rstrip() for line in said.splitlines() if line.strip() and not _BOILERPLATE.match(line)]
    section = next(
        (found[1] for line in lines if (found := re.search(r"Bad exit status from \S+ \((%\w+)\)", line))), ""
    )
    lines = [line for line in lines if not line.startswith("error: Bad exit status")] or [done.out.strip()]
    where = f" in {section}" if section else ""
    shown = "".join(f"\n    {line}" for line in lines[-_LAST_LINES:])
    return f"building {spec.name}: rpmbuild ended with status {done.status}{where}{shown}{lacks}\n  command: {command}"


def _move_built(folder: Path, outs: Sequence[Path]) -> None:
    """Give each RPM that was built its place among ``outs``: by what its header says, for a spec may name the file
    as it likes (%_rpmfilename)."""
    made = {read_rpm(rpm).file_name: rpm for rpm in sorted(folder.rglob("*.rpm"))}
    if lacking := [out.name for out in outs if out.name not in made]:
        names = ", ".join(sorted(made)) or "no RPM at all"
        raise StepError(f"rpmbuild made no {', '.join(lacking)}, but {names}")
    for out in outs:
        check_whole(made[out.name])
    for out in outs:
        move_whole(made[out.name], out)


def _ask(spec: Path, sources: Sequence[Path], macros: SpecMacros, which: str, form: str) -> list[str]:
    """What rpmspec says of a spec, with the macros that will build it and none of the host's taste."""
    with tempfile.TemporaryDirectory(prefix="xspack-", dir=plain_folder()) as folder:
        work = Path(folder)
        _copy_sources(spec, [], work / "SOURCES", None)
        for source in sources:
            (work / "SOURCES" / source.name).symlink_to(source.absolute())
        _, *common = rpmbuild_command(
            "x86_64", [work / name for name in _write_macros(work, macros, 1)], work
        )
        common.remove("--quiet")
        argv = [
            "rpmspec",
            "--query",
            which,
            *([f"--queryformat={form}"] if form else []),
            *common,
            *_definitions(macros.defines),
            str(work / "SOURCES" / plain_name(spec.name)),
        ]
        done = run(argv, env={"HOME": folder}, what=f"reading {spec.name}", timeout=WORKING, check=False)
        if done.status:
            said = (
                (done.err.strip() or done.out.strip()).replace(f"{work}/SOURCES/", "").replace(f"{work}/", "")
            )
            raise StepError(f"reading {spec.name}: " + said.replace("\n", "\n    "))
    return done.out.splitlines()


def source_spec_name(spec: Path, sources: Sequence[Path], macros: SpecMacros) -> str:
    """The file name of the source RPM that a spec would make. Raises StepError with rpmspec's own words."""
    return _ask(spec, sources, macros, "--srpm", r"%{NAME}-%{VERSION}-%{RELEASE}.src.rpm\n")[0]


def write_spec_source(
    spec: Path,
    sources: Sequence[Path],
    macros: SpecMacros,
    out: Path,
    *,
    source_date_epoch: int | None,
) -> None:
    """Write the source RPM of a spec; the same for the same files, wherever it is written."""
    # rpmbuild expands macros in the name of the folder that it is in.
    with plain_work_folder(out.name[:100]) as work:
        time = spec_time(spec, sources, macros, source_date_epoch)
        _copy_sources(spec, sources, work.path / "SOURCES", time)
        (work.path / "tmp").mkdir()
        # rpm keeps the expanded spec in the source RPM: all folders are named from here.
        argv = _rpmbuild(work.path, Path("."), macros, 1)
        argv += ["--define=_srcdefattr (-,root,root)", "-bs", "--nodeps", f"SOURCES/{plain_name(spec.name)}"]
        env = {"SOURCE_DATE_EPOCH": str(time), "HOME": os.fspath(work.path)}
        what = f"writing {out.name}"
        try:
            run(argv, cwd=work.path, env=env, pass_fds=[work.lock], timeout=BUILDING, what=what)
        except StepError as error:
            if ungiven := ungiven_sources(spec, sources, macros):
                raise StepError(f"{what}: {_UNGIVEN}: {', '.join(ungiven)}\n    {error}") from None
            raise
        move_rpms(work.path / "SRPMS", [out])


def plain_name(name: str) -> str:
    """What a spec of this name is called while it is built: rpm expands macros in the names of specs."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name)


def _copy_sources(spec: Path, sources: Sequence[Path], folder: Path, time: int | None) -> None:
    """Copy a spec and its sources; with ``time`` they bear it."""
    folder.mkdir()
    for source, name in ((spec, plain_name(spec.name)), *((source, source.name) for source in sources)):
        # `install -p` and `cp -p` in the spec see this mode: never that of the umask at checkout.
        shutil.copyfile(source, folder / name)
        (folder / name).chmod(normal_mode(stat.S_IMODE(source.stat().st_mode)))
        if time is not None:
            os.utime(folder / name, (time, time))


def _write_macros(work: Path, macros: SpecMacros, jobs: int, *, nodeps: bool = True) -> list[str]:
    """Write the macro files, and return their names in rpm's order. Without ``nodeps`` rpm's database is this
    machine's."""
    lines = own_macros(macros.payload).splitlines(keepends=True)
    leave = (
        *_NOT_FOR_SPECS,
        *(["%__os_install_post"] if macros.brp else []),
        *([] if nodeps else ["%_dbpath"]),
    )
    own = "".join(line for line in lines if not line.startswith(leave))
    texts = [
        f"{own}%_smp_build_ncpus {jobs}\n%_buildshell {BUILD_SHELL}\n".encode(),
        macros.release.encode(),
        # Also where a file lacks its last line's end.
        *(content + b"\n" for content in macros.files),
    ]
    names = [f"macros.{number}" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (work / name).write_bytes(text)
    return names


def _definitions(defines: Sequence[tuple[str, str]]) -> list[str]:
    """Options that define macros. rpm ends the body of one at its first line, and drops its brackets and backslashes
    where they make no pairs: each stands behind a backslash, blanks at the end before an empty macro."""
    options = []
    for name, body in defines:
        text = re.sub(r"[\\{}()\[\]\s]", lambda sign: f"\\{sign[0]}", body)
        end = "%{nil}" if not body or body[-1].isspace() else ""
        options.append(f"--define={name} {text}{end}")
    return options


def spec_time(spec: Path, sources: Sequence[Path], macros: SpecMacros, source_date_epoch: int | None) -> int:
    """The time of what is built: of the newest changelog entry, else SOURCE_DATE_EPOCH, else a constant."""
    time = _changelog_time(spec, sources, macros)
    if time is None:
        return CONSTANT_TIME if source_date_epoch is None else source_date_epoch
    return time


def _changelog_time(spec: Path, sources: Sequence[Path], macros: SpecMacros) -> int | None:
    said = _ask(spec, sources, macros, "--srpm", r"%{CHANGELOGTIME}\n")[0]
    return int(said) if said.isdigit() else None
