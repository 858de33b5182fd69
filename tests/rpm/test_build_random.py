"""Random packages, written in process and by rpmbuild 4.18: the same bytes, or refused by both."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rpm_oracle import differences, machine
from rpm_packages import Case, compile_files
from support import need

from xspack_tool.errors import StepError
from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.build import build_rpm
from xspack_tool.rpm.relations import UnusualError
from xspack_tool.rpm.usual import left_to_rpmbuild
from xspack_tool.rpm.write import script_texts, write_by_rpmbuild

#: Texts without what rpmbuild loses: lines that begin with # or a word of its own.
_WORDS_TEXT = "acme nic raid ümlaut %{x} 100% * - { } \\\\ ' \" | < > & ; %% x%post ( ) [ ] ~ ^ EOF é"
_PLACES_TEXT = (
    "/opt/acme /usr/bin /etc/acme.d /usr/lib64 /usr/lib/python3.6/site-packages/x /a /a/b /a.b /usr/share/doc/case"
    " /usr/share/man/man8 /lib/modules/1/x"
)
_WORDS, _PLACES = (st.sampled_from(words) for words in ([*_WORDS_TEXT.split(), "\t"], _PLACES_TEXT.split()))
_NAMES = st.sampled_from(["f", "g.py", "lib.so", "x.c", "z.conf", "sub/f", "ü", "a b", "LICENSE"])
_CONTENTS = st.one_of(
    st.just(""),
    st.builds(
        lambda first, rest: f"#!{first}\n{rest}",
        st.sampled_from(["/bin/sh", "/usr/bin/python3", " /bin/bash -e", "/usr/bin/env python", "/opt/x/y"]),
        st.lists(_WORDS, max_size=20).map("\n".join),
    ),
    st.lists(_WORDS, max_size=200).map(" ".join),
    st.text(st.sampled_from("\t\n Aaé中"), max_size=2000),
    st.integers(1, 40_000).map("x".__mul__),
    st.just("[Unit]\nDescription=x\n"),
    st.just('<?xml version="1.0"?>\n<a/>\n'),
)
_MODES = st.sampled_from([None, 0o644, 0o755, 0o600, 0o4755, 0o2755, 0o111, 0])


def words(most: int, joint: str = " ") -> st.SearchStrategy[str]:
    return st.lists(_WORDS, min_size=1, max_size=most).map(joint.join)


def relations(names: list[str], most: int) -> st.SearchStrategy[tuple[Dependency, ...]]:
    plain = st.builds(Dependency, st.sampled_from(names))
    with_version = st.builds(
        Dependency,
        st.sampled_from([name for name in names if name[0] not in "/r"]),
        st.sampled_from(["<", "<=", "=", ">", ">="]),
        st.sampled_from(["1", "2:3.1-4", "1.0~rc1", "0"]),
    )
    return st.lists(st.one_of(plain, with_version), max_size=most).map(tuple)


@st.composite
def entry(draw: st.DrawFn) -> FileEntry:
    path = f"{draw(_PLACES)}/{draw(_NAMES)}{draw(st.integers(0, 8))}"
    role = draw(st.sampled_from(["", "", "", "config", "doc", "license", "ghost"]))
    kind = draw(st.sampled_from(["file", "file", "file", "elf", "dir", "link"]))
    owner = draw(st.sampled_from(["root", "root", "xapi", "nobody"]))
    if kind == "dir":
        mode = draw(st.sampled_from([None, 0o700, 0o2755]))
        return FileEntry(path, "dir", mode, owner, role="" if role == "ghost" else role)
    if kind == "link":
        target = draw(st.sampled_from(["x", "../y", "/usr/bin/python3", "ü"]))
        return FileEntry(path, "link", link=target, role="" if role == "ghost" else role)
    if kind == "elf":
        name = draw(st.sampled_from(["libacme.so.1", "main", "plugin.so", "main-stripped"]))
        return FileEntry(path, "file", draw(_MODES), owner, role=role, source=name)
    return FileEntry(path, "file", draw(_MODES), owner, role=role, text=draw(_CONTENTS))


@st.composite
def package(draw: st.DrawFn) -> Package:
    entries: dict[str, FileEntry] = {}
    for one in draw(st.lists(entry(), max_size=9)):
        if not any(
            one.path == p or one.path.startswith(f"{p}/") or p.startswith(f"{one.path}/") for p in entries
        ):
            entries[one.path] = one
    scripts = [
        Script(phase, (ScriptPart(draw(words(12, "\n"))),), draw(st.sampled_from(["/bin/sh", "/bin/bash"])))
        for phase in ("pretrans", "pre", "post", "preun", "postun", "posttrans")
        if draw(st.integers(0, 3)) == 0
    ]
    names = ["bash", "zlib", "libc.so.6()(64bit)", "/bin/sh", "A", "rpmlib(x)", "kernel-uname-r"]
    day = st.dates(datetime.date(2020, 1, 1), datetime.date(2026, 1, 1))
    author = st.sampled_from(["A <a@b> 1-1", "Ü  x", "N"])
    log = draw(st.lists(st.builds(ChangelogEntry, day, author, words(20).filter(str.strip)), max_size=4))
    return Package(
        "case",
        draw(st.sampled_from(["1.0", "1~a", "2+b"])),
        draw(st.sampled_from(["1", "1.el7"])),
        draw(words(4)).strip() or "x",
        "MIT",
        arch=draw(st.sampled_from(["noarch", "x86_64", "x86_64"])),
        epoch=draw(st.sampled_from([0, 0, 3])),
        description=draw(st.one_of(st.just(""), words(30, "\n"))),
        vendor=draw(st.sampled_from(["", "Äcme"])),
        entries=tuple(entries.values()),
        requires=draw(relations(names, 4)),
        requires_post=draw(relations(names, 2)),
        requires_postun=draw(relations(names, 2)),
        provides=draw(relations(["bash", "zlib", "A"], 2)),
        conflicts=draw(relations(["bash", "zlib", "A"], 2)),
        obsoletes=draw(relations(["bash", "zlib", "A"], 2)),
        scripts=tuple(scripts),
        changelog=tuple(sorted(log, key=lambda one: one.date, reverse=True)),
        automatic_dependencies=draw(st.integers(0, 6)) > 0,
    )


def check(files: dict[str, Path], one: Package) -> None:
    """Both writers on one package; what goes to rpmbuild anyway is the same by that."""
    if left_to_rpmbuild(one, "w2.xzdio"):
        return
    folder = Path(tempfile.mkdtemp(prefix="xs-random-"))
    try:
        case = Case(one)
        contents = {entry.source: files[entry.source] for entry in one.entries if entry.source}
        theirs, ours = folder / "theirs.rpm", folder / "ours.rpm"
        said = refused = ""
        try:
            write_by_rpmbuild(one, contents, theirs, payload=case.payload, time=case.time)
        except StepError as error:
            refused = str(error)
        scripts = script_texts(one, contents)
        try:
            build_rpm(one, contents, scripts, ours, payload=case.payload, time=case.time, writer=machine())
        except (StepError, UnusualError) as error:
            said = str(error)  # an UnusualError is rpmbuild's to write or to refuse
        assert said or not refused, f"rpmbuild alone refuses it: {refused}"
        if not said:
            found = [one for one in differences(theirs, ours) if one[0] != "signature"]
            assert not found, found
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    need("gcc", "rpmbuild")
    machine()
    return compile_files(tmp_path_factory.mktemp("elf"))


_USUAL = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=100, **_USUAL)
@given(one=package())
def test_the_bytes_of_rpmbuild(files: dict[str, Path], one: Package) -> None:
    check(files, one)


@pytest.mark.long
@settings(max_examples=5000, **_USUAL)
@given(one=package())
def test_the_bytes_of_rpmbuild_at_length(files: dict[str, Path], one: Package) -> None:
    check(files, one)
