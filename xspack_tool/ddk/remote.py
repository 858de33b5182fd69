"""Drivers built on a kit: the source RPM travels there, that machine's own rpmbuild builds it, the RPMs come back."""

from __future__ import annotations

import base64
import binascii
import io
import json
import posixpath
import re
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from xspack_tool.ddk.compile_commands import compile_commands
from xspack_tool.ddk.enclosed import ImageDdk, RootDdk
from xspack_tool.ddk.grid import GridDdk
from xspack_tool.ddk.kbuild import error_lines
from xspack_tool.ddk.remote_scripts import (
    BUILD,
    BUILD_FAILED,
    CHANGED,
    DIST,
    FACTS,
    IN_DATABASE,
    LACKS_PROGRAM,
    LACKS_REQUIREMENT,
    NO_SPACE,
    NO_TREE,
    SYMVERS,
)
from xspack_tool.ddk.ssh import RemoteDdk
from xspack_tool.errors import StepError
from xspack_tool.files import copy_whole, whole, write_whole
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.run import Done

#: A kit in which scripts are run: on another machine, in a folder, in an image, or on a worker of a grid.
Reached = RemoteDdk | RootDdk | ImageDdk | GridDdk

_SECTION = re.compile(r"Bad exit status from \S+ \((%\w+)\)")
_PACKAGES = {"rpmbuild": "rpm-build", "strip": "binutils", "setsid": "util-linux"}


#: The most bytes that a kernel's Module.symvers may have; Debian's has 2 million.
LARGEST_SYMVERS = 1 << 24


class RemoteFacts(Struct, frozen=True):
    """What a kit is: its kernel (`uname -r` of the modules) and where its tree lies, the architecture of its
    RPMs, its release, compiler and rpm in their own words, the compiler that made its kernel, the digest by which that
    wants modules signed (CONFIG_MODULE_SIG_HASH), and a digest of the tree's configuration and CRCs."""

    tree: str
    kernel: str
    arch: str
    release: str
    compiler: str
    kernel_compiler: str
    rpm: str
    signed_by: str
    digest: str

    def text(self) -> str:
        """As the kit prints them."""
        return "\n".join(f"{name}={value}" for name, value in asdict(self).items())


def read_facts(ddk: Reached, cache_file: Path) -> RemoteFacts:
    """The kit's facts, asked for once and kept in the file ``cache_file``. Raises StepError."""
    if known := known_facts(ddk, cache_file):
        return known
    what = "asking the kit what it is"
    done = ddk.run(FACTS, [ddk.tree], stdin=b"", what=what)
    _raise_for(ddk, done, what, cache_file)
    pairs = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    names = list(RemoteFacts.__struct_fields__)
    if sorted(pairs) != sorted(names) or not pairs["kernel"]:
        raise StepError(
            f"{what}: {ddk.name}: its login shell answers with {done.out[:200]!r}; it must print nothing"
        )
    facts = RemoteFacts(**pairs)
    write_whole(cache_file, json.dumps({"kit": ddk.key, **asdict(facts)}))
    return facts


def known_facts(ddk: Reached, cache_file: Path) -> RemoteFacts | None:
    """The kit's facts as ``cache_file`` has them, without asking; None where it has none."""
    try:
        known = json.loads(cache_file.read_text())
        return RemoteFacts(**known) if known.pop("kit") == ddk.key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def fetch_symvers(ddk: Reached, facts: RemoteFacts, out: Path, *, cache_file: Path) -> None:
    """Write the Module.symvers of the kit's kernel to ``out``. Raises StepError with one reason; no output then.

    That of a kit that is no longer what ``facts`` say is not taken, and ``cache_file`` is deleted.
    """
    what = "fetching its Module.symvers"
    arguments = [ddk.tree, facts.text(), str(LARGEST_SYMVERS)]
    done = ddk.run(SYMVERS, arguments, stdin=b"", what=what, facts=facts.text())
    _raise_for(ddk, done, what, cache_file)
    size, _, text = done.out.partition("\n")
    content = text.encode()
    if size != str(len(content)):
        raise StepError(
            f"{what}: {ddk.name}: {len(content)} bytes came instead of {size[:200]!r}: its login shell must "
            "print nothing, and the file must be plain text"
        )
    write_whole(out, content)


def read_dist(ddk: Reached) -> str:
    """What the kit's rpm puts for ``%{?dist}``. Raises StepError."""
    done = ddk.run(DIST, [], stdin=b"", what="asking the kit for its dist")
    return done.out.strip() if done.status == 0 else ""


def build_remote(
    ddk: Reached,
    facts: RemoteFacts,
    source_rpm: Path,
    outs: Sequence[Path],
    *,
    time: int,
    cache_file: Path,
    options: Sequence[str] = (),
    failed: Path | None = None,
) -> str:
    """Build a source RPM on the kit. ``outs`` are the places of the RPMs, under rpm's usual names; debuginfo stays
    behind. ``options`` are more of rpmbuild's; in the folder ``failed`` a build that fails leaves what to build again.

    Returns the warnings of kbuild and the compiler, as lines. Nothing of ours is left on the kit, whatever happens.
    Raises StepError with one reason; no output then.
    A kit that is no longer what ``facts`` say is not used, and ``cache_file`` is deleted.
    """
    names = [out.name for out in outs]
    what = f"building {source_rpm.name} on {ddk.name}"
    made, said = _build(
        ddk,
        facts,
        source_rpm,
        _Call("--rebuild", options, failed=failed),
        what=what,
        time=time,
        cache_file=cache_file,
        wanted=names,
    )
    with ExitStack() as stack:
        for path in outs:
            stack.enter_context(whole(path)).write_bytes(made[path.name])
    return said


class Compiled(Struct, frozen=True):
    """What kbuild made on a kit: modules by their places below INSTALL_MOD_DIR, with their debug data if that was asked
    for; the driver's Module.symvers; how each source was compiled; the warnings, as lines."""

    modules: dict[str, Path]
    symvers: str
    commands: list[dict[str, object]]
    said: str


def compile_remote(
    ddk: Reached,
    facts: RemoteFacts,
    source_rpm: Path,
    work: Path,
    *,
    cache_file: Path,
    sources: Mapping[str, Path],
    name: str,
    compiler_prefix: str = "",
) -> Compiled:
    """Compile the driver of a source RPM (of :mod:`source_rpm`) on the kit, as :func:`build_remote`. The modules lie in
    the folder ``work``; ``sources`` are the user's own files, for editors; ``name`` is what messages call the
    driver. What is not like the files of a driver is not taken."""
    what = f"compiling {name}"
    made, said = _build(
        ddk,
        facts,
        source_rpm,
        _Call("--recompile", compiler_prefix=compiler_prefix),
        what=what,
        time=CONSTANT_TIME,
        cache_file=cache_file,
        wanted=["modules.tar", "Module.symvers", "commands.tar", "sources"],
    )
    noted = work / "noted"
    noted.mkdir()
    _spread(made["commands.tar"], noted, lambda name: name.endswith(".o.cmd"), what)
    modules = work / "modules"
    modules.mkdir()
    placed = _spread(made["modules.tar"], modules, lambda name: name.endswith(".ko"), what)
    place = made["sources"].decode(errors="replace")
    commands = compile_commands(noted, Path(facts.tree), sources, place=place)
    return Compiled(placed, made["Module.symvers"].decode(errors="replace"), commands, said)


class _Call(Struct, frozen=True):
    """A call of rpmbuild on a kit: what it is to do, more of its options, ccache or distcc, and the folder in which a
    build that fails leaves what to build again."""

    how: str
    options: Sequence[str] = ()
    compiler_prefix: str = ""
    failed: Path | None = None


def _build(
    ddk: Reached,
    facts: RemoteFacts,
    source_rpm: Path,
    call: _Call,
    *,
    what: str,
    time: int,
    cache_file: Path,
    wanted: Sequence[str],
) -> tuple[dict[str, bytes], str]:
    """The files that came back, among them those that are ``wanted``, and the warnings."""
    content = source_rpm.read_bytes()
    arguments = [
        ddk.tree,
        facts.text(),
        str(len(content)),
        str(time),
        call.how,
        call.compiler_prefix,
        *call.options,
    ]
    done = ddk.run(BUILD, arguments, stdin=content, what=what, facts=facts.text())
    again = ""
    if call.failed and done.status == BUILD_FAILED:
        command = [
            "rpmbuild",
            call.how,
            "--define",
            f"kernel_tree {facts.tree}",
            *call.options,
            source_rpm.name,
        ]
        script = (
            f'{IN_DATABASE} || set -- --nodeps\nSOURCE_DATE_EPOCH={time} exec {shlex.join(command)} "$@"\n'
        )
        write_whole(call.failed / "again.sh", script)
        copy_whole(source_rpm, call.failed / source_rpm.name)
        again = f"sh again.sh, in a copy of {call.failed}"
    _raise_for(ddk, done, what, cache_file, again)
    made = _unpack(done.out, what)
    if lacking := [name for name in wanted if name not in made]:
        raise StepError(
            f"{what}: it made no {', '.join(lacking)}, but {', '.join(sorted(made)) or 'nothing'}"
        )
    unfound, lines = _lacking(done.err)
    return made, "\n".join([f"warning: {unfound}", *lines] if unfound else lines)


def _lacking(said: str) -> tuple[str, list[str]]:
    """What a kit lacks of BuildRequires, looked up by their names, in words; and the other lines that it said."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    names = [line.removeprefix(LACKS_REQUIREMENT) for line in lines if line.startswith(LACKS_REQUIREMENT)]
    others = [line for line in lines if not line.startswith(LACKS_REQUIREMENT)]
    return f"BuildRequires that were not found there: {', '.join(names)}" if names else "", others


def _spread(archive: bytes, folder: Path, is_wanted: Callable[[str], bool], what: str) -> dict[str, Path]:
    """Write the plain files of an archive below ``folder``, by their names in it."""
    written = {}
    with _opened(archive, what) as tar:
        for member in tar:
            name = posixpath.normpath(member.name)
            content = tar.extractfile(member) if member.isfile() and is_wanted(name) else None
            if content is None or name.startswith(("/", "../")):
                continue
            written[name] = folder / name
            written[name].parent.mkdir(parents=True, exist_ok=True)
            written[name].write_bytes(content.read())
    return written


def _unpack(text: str, what: str) -> dict[str, bytes]:
    """The plain files at the top of the archive that came back, by name."""
    made = {}
    try:
        content = base64.b64decode(text)
    except (binascii.Error, ValueError):
        content = b""
    with _opened(content, what) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and "/" not in name and (file := archive.extractfile(member)):
                made[name] = file.read()
    return made


@contextmanager
def _opened(content: bytes, what: str) -> Iterator[tarfile.TarFile]:
    """An archive that came back. Raises StepError where it is none, also while it is read."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            yield archive
    except (tarfile.TarError, ValueError, EOFError) as failure:
        raise StepError(
            f"{what}: the answer is not an archive: the connection was lost; build again"
        ) from failure


#: What rpmbuild itself prints in a build that failed; its shell shows each command behind a +.
_BOILERPLATE = re.compile(
    r"\++ |RPM build (errors|warnings):|(    |error: )Bad exit status from |Installing |Executing\("
)
_LAST_LINES = 24


def _failure(said: str, command: str) -> str:
    """Where a build failed, and the last that its programs said, with the command; of kbuild, which says much and is
    called by a spec of ours, the errors."""
    lacking, lines = _lacking(said)
    section = next((found[1] for line in lines if (found := _SECTION.search(line))), "")
    plain = [line for line in lines if not _BOILERPLATE.match(line)]
    errors = [] if command else error_lines("\n".join(plain))
    shown = "".join(f"\n    {line}" for line in errors or plain[-_LAST_LINES:])
    if "Failed build dependencies:" in said:
        lacking = "install them there (dnf builddep), or give nodeps=True where they are there without RPMs"
    needs = f"\n  {lacking}" if lacking else ""
    again = f"\n  command there: {command}" if command else ""
    return f"its rpmbuild failed{f' in {section}' if section else ''}{shown}{needs}{again}"


def _raise_for(ddk: Reached, done: Done, what: str, cache_file: Path, command: str = "") -> None:
    """What the statuses of the scripts mean. ``command`` is what builds a user's own spec there."""
    head, said = f"{what}: {ddk.name}", done.err.strip()
    if done.status == 0:
        return
    if "No space left on device" in done.err or done.status == NO_SPACE:
        where = "in its /var/tmp (or TMPDIR)"
        raise StepError(f"{head}: its disk is full {where}; free some space there\n    {_last(said)}")
    if done.status == LACKS_PROGRAM:
        program = _last(said)
        package = _PACKAGES.get(program, program)
        raise StepError(
            f"{head}: {program} not found; there: dnf install {package} (Debian: apt-get install)"
        )
    if done.status == NO_TREE:
        raise StepError(f"{head}: {_last(said)}")
    if done.status == CHANGED:
        cache_file.unlink(missing_ok=True)
        raise StepError(f"{head}: the kit has changed since it was first asked; build again, for the new one")
    if done.status == BUILD_FAILED:
        raise StepError(f"{head}: {_failure(said, command)}")
    raise StepError(f"{head}: the remote shell ended with status {done.status}\n    {_last(said)}")


def _last(said: str) -> str:
    return said.splitlines()[-1] if said else ""
