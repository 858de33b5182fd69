"""RPMs come to be here, and only here: in process, or by rpmbuild from a filled buildroot."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from xspack_tool.errors import BadInput, StepError
from xspack_tool.files import copy_whole
from xspack_tool.model.package import Package, Script, interpreter_of
from xspack_tool.rpm.build import BLOCKS_FROM, build_rpm, payload_option
from xspack_tool.rpm.relations import UnusualError
from xspack_tool.rpm.spec import render_macros, render_spec, script_text
from xspack_tool.rpm.stage import stage
from xspack_tool.rpm.usual import left_to_rpmbuild
from xspack_tool.run import BUILDING, missing_program, plain_path, run, work_folder

#: rpm's own folder, at the same place on Debian and EL.
RPM_HOME = Path("/usr/lib/rpm")
#: The dependency generators that rpm itself brings and that fit dom0. A vendor's own (kmod, pythondist, fonts)
#: would write requirements that no host provides.
GENERATORS = ("elf", "script", "perl", "perllib", "python", "pkgconfig")
#: The same as rpm's generator for scripts, without starting programs: a quarter of a small package's time.
SCRIPT_GENERATOR = Path(__file__).with_name("script.attr")
#: Held by an rpmbuild that compresses so: more of them than there are cores for would cost each other a quarter.
_PAIRS_OF_CORES = threading.BoundedSemaphore(max(1, len(os.sched_getaffinity(0)) // 2))


def rpmbuild_command(arch: str, macros: Sequence[Path], top: Path) -> list[str]:
    """rpmbuild with rpm's base macros and ours alone; no ~/.rpmmacros, no vendor macros. Both are plain paths: rpm
    expands macros in each, and runs what stands in %(..)."""
    platform = "x86_64" if arch == "noarch" else arch
    files = [
        RPM_HOME / "macros",
        RPM_HOME / "platform" / f"{platform}-linux" / "macros",
        *(RPM_HOME / "fileattrs" / f"{name}.attr" for name in GENERATORS),
        *macros,
    ]
    return [
        "rpmbuild",
        "--quiet",
        f"--rcfile={RPM_HOME / 'rpmrc'}",
        f"--macros={':'.join(map(str, files))}",
        f"--target={platform}",
        f"--define=_topdir {top}",
    ]


def takes_macros_as_generators() -> bool:
    """Whether a generator may be a macro with a file as its argument, as rpm's own for python is since 4.16."""
    try:
        return "%__python_requires()" in (RPM_HOME / "fileattrs" / "python.attr").read_text(encoding="utf-8")
    except OSError:
        return False


def own_macros(payload: str) -> str:
    """The macro file of what is built here: with our generator for scripts, where rpm can take it."""
    generator = SCRIPT_GENERATOR.read_text(encoding="utf-8") if takes_macros_as_generators() else ""
    return render_macros(payload) + generator


def write_rpm(
    package: Package,
    contents: Mapping[str, Path],
    out: Path,
    *,
    payload: str,
    time: int,
    rpmbuild: bool = False,
) -> None:
    """Write the RPM of a declaration to ``out``.

    ``contents`` are its files by the names that Package has for them, ``payload`` is rpm's `_binary_payload`, ``time``
    the package's time in seconds since 1970. The result depends on nothing else, but where rpmbuild writes it: with
    ``rpmbuild``, and for what rpm/usual.py leaves to it. Raises StepError; ``out`` appears whole or not at all.
    """
    if not rpmbuild and not (why := left_to_rpmbuild(package, payload)):
        try:
            texts = script_texts(package, contents)
            build_rpm(package, contents, texts, out, payload=payload, time=time)
            return
        except UnusualError as found:
            why = str(found)
    if not rpmbuild and (lacking := missing_program("rpmbuild")):
        raise StepError(f"writing {out.name}: {why}, which is left to rpmbuild. {lacking}")
    write_by_rpmbuild(package, contents, out, payload=payload, time=time)


def write_by_rpmbuild(
    package: Package, contents: Mapping[str, Path], out: Path, *, payload: str, time: int
) -> None:
    """The same by this machine's rpmbuild. Raises StepError with rpmbuild's own words."""
    with work_folder(out) as work:
        root = work.path / "root"
        root.mkdir()
        entries = stage(package.entries, contents, root, time)
        spec = work.path / f"{package.name}.spec"
        spec.write_text(render_spec(package, entries, script_texts(package, contents)), encoding="utf-8")
        size = sum((root / e.path.lstrip("/")).stat().st_size for e in entries if e.kind == "file")
        macros = work.path / "macros"
        macros.write_text(own_macros(payload_option(payload, size)), encoding="utf-8")
        with plain_path(work.path) as top, _PAIRS_OF_CORES if size >= BLOCKS_FROM else nullcontext():
            command = rpmbuild_command(package.arch, [top / macros.name], top)
            # Folders that rpmbuild makes although nothing goes into them here.
            command += [f"--define=_{folder} {top}" for folder in ("builddir", "buildrootdir", "srcrpmdir")]
            run(
                [*command, "-bb", "--nodeps", "--noclean", f"--buildroot={top / root.name}", top / spec.name],
                env={"SOURCE_DATE_EPOCH": str(time)},
                pass_fds=[work.lock],
                timeout=BUILDING,
                what=f"writing {out.name}",
            )
        made = work.path / package.file_name
        move_rpms(work.path / "RPMS", [made])
        os.replace(made, out)


def move_rpms(folder: Path, outs: Sequence[Path]) -> None:
    """Give each RPM that rpmbuild left in ``folder`` its place among ``outs``, by file name; a missing one
    is an error."""
    made = {path.name: path for path in folder.rglob("*.rpm")}
    for out in outs:
        if out.name not in made:
            raise StepError(f"rpmbuild made no {out.name}, but {', '.join(sorted(made)) or 'no RPM at all'}")
        check_whole(made[out.name])
    for out in outs:
        move_whole(made[out.name], out)


def move_whole(made: Path, out: Path) -> None:
    """Give a file its place, also on another disk; it appears there whole or not at all."""
    try:
        os.replace(made, out)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_whole(made, out)


def check_whole(rpm: Path) -> None:
    """Look for an RPM's end. rpmbuild (4.18) ends well, and its digests fit, when a full disk cut its payload."""
    from xspack_tool.binary.compressed import compression
    from xspack_tool.rpm.header import read_outline
    from xspack_tool.rpm.payload import payload
    from xspack_tool.rpm.read import open_rpm
    from xspack_tool.rpm.xz_index import is_whole

    try:
        with open_rpm(rpm) as file:
            offset = read_outline(file, str(rpm)).payload_offset
            is_xz = compression(file.read(8)) == "xz"
            if is_xz and not is_whole(file, offset):
                raise BadInput(rpm, "truncated or damaged: its payload does not end as xz does")
        for _ in () if is_xz else payload(rpm):
            pass
    except BadInput as error:
        raise StepError(
            f"rpmbuild wrote a part of {rpm.name} only ({error.why}); is the disk full?"
        ) from None


def script_texts(package: Package, contents: Mapping[str, Path]) -> dict[str, str]:
    """The text of each scriptlet, the user's files read in."""
    return {
        script.phase: script_text(
            _from_file(script, contents[part.source]) if part.text is None else part.text
            for part in script.parts
        )
        for script in package.scripts
    }


def _from_file(script: Script, path: Path) -> str:
    """A part of a scriptlet that is a file, possibly one that was just built."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise StepError(f"script {script.phase}: {path.name} is not UTF-8") from None
    if "\0" in text:
        raise StepError(f"script {script.phase}: {path.name} holds a NUL: no script")
    named = interpreter_of(text)
    if named not in ("", "/bin/sh", script.interpreter):
        rule = f"{path.name} is for {named}, but the scriptlet runs in {script.interpreter}"
        raise StepError(f"script {script.phase}: {rule}; call it from a scriptlet in shell")
    return text
