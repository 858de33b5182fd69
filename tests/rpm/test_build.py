"""The writer in process gives the bytes that rpmbuild 4.18 gives."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rpm_asked import asked, unpack
from rpm_oracle import OWN_TAGS, differences, machine
from rpm_packages import PLAIN, Case, cases, compile_files, elf_cases, texts
from support import need

from xspack_tool.errors import StepError
from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.build import build_rpm
from xspack_tool.rpm.contents import collect
from xspack_tool.rpm.header import BIN, I18N, STRING, STRINGS
from xspack_tool.rpm.header_write import HeaderWriter
from xspack_tool.rpm.package_header import OURS, Writer
from xspack_tool.rpm.payload import payload as payload_of
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.relations import UnusualError
from xspack_tool.rpm.usual import left_to_rpmbuild
from xspack_tool.rpm.write import script_texts, write_by_rpmbuild, write_rpm


def build(case: Case, out: Path, writer: Writer = OURS) -> Path:
    package, contents = case.package, case.contents
    scripts = script_texts(package, contents)
    build_rpm(package, contents, scripts, out, payload=case.payload, time=case.time, writer=writer)
    return out


def judged(case: Case, folder: Path) -> tuple[list[object], list[object]]:
    """How the writer in the machine's name differs from rpmbuild, and how it does in its own."""
    folder.mkdir(exist_ok=True)
    theirs = folder / "theirs.rpm"
    write_by_rpmbuild(case.package, case.contents, theirs, payload=case.payload, time=case.time)
    same = differences(theirs, build(case, folder / "same.rpm", machine()))
    return same, differences(theirs, build(case, folder / "ours.rpm"), OWN_TAGS)


def test_every_form_of_a_package(tmp_path: Path) -> None:
    machine()
    (sources := tmp_path / "sources").mkdir()
    found = {name: judged(case, tmp_path / name) for name, case in cases(sources)}
    assert {name: said for name, said in found.items() if said != ([], [])} == {}
    assert len(found) == 50


def test_every_form_of_an_elf_file(tmp_path: Path) -> None:
    need("gcc")
    machine()
    (sources := tmp_path / "sources").mkdir()
    found = {name: judged(case, tmp_path / name) for name, case in elf_cases(compile_files(sources))}
    assert {name: said for name, said in found.items() if said != ([], [])} == {}


def test_what_rpmbuild_would_lose_is_kept(tmp_path: Path) -> None:
    """The meant differences: lines that begin with #, words and braces that are rpm's own."""
    log = (
        ChangelogEntry(datetime.date(2026, 11, 20), "A <a@b.example> 2-1", "#1234 fixed\n- b\n%changelog"),
        ChangelogEntry(datetime.date(2026, 11, 1), "A <a@b.example> 1-1", "- first\n# and last"),
    )
    text = "echo 'a\\%{b'\n%files\n%if 0\necho done"
    package = replace(
        PLAIN,
        description="Sends reports.\n#1 in reliability\n%description\nC# bindings in C:\\",
        changelog=log,
        scripts=(Script("post", (ScriptPart(text),)),),
        entries=texts("x"),
    )
    rpm = build(Case(package), tmp_path / "x.rpm")
    info = read_rpm(rpm)
    assert info.writer == "xspack"
    assert info.description == package.description
    assert [entry[1:] for entry in info.changelog] == [(one.author, one.text) for one in log]
    assert [(script.phase, script.text) for script in info.scripts] == [("post", text)]
    need("rpm")
    assert asked(rpm, "--qf", "%{DESCRIPTION}") == package.description


def test_a_backslash_at_the_end_of_a_text_is_one_for_rpmbuild_too(tmp_path: Path) -> None:
    machine()
    case = Case(
        replace(PLAIN, description="Files go to C:\\", scripts=(Script("post", (ScriptPart("echo \\"),)),))
    )
    assert judged(case, tmp_path / "x") == ([], [])


@pytest.mark.parametrize("payload", ["w3.zstdio", "w19.zstdio"])
def test_zstd_is_read_back(tmp_path: Path, payload: str) -> None:
    content = "some text, again and again\n" * 50_000
    case = Case(replace(PLAIN, entries=(FileEntry("/opt/a", "file", text=content),)), payload=payload)
    rpm = build(case, tmp_path / "x.rpm")
    assert rpm.read_bytes() == build(case, tmp_path / "y.rpm").read_bytes()
    assert "rpmlib(PayloadIsZstd)" in {one.name for one in read_rpm(rpm).requires}
    assert (unpack(rpm, tmp_path) / "opt/a").read_text() == content


def of(*entries: FileEntry, **given: Any) -> Case:
    return Case(replace(PLAIN, entries=entries, **given))


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (of(FileEntry("/usr/share/perl5/A.pm", "file", text="1;")), "/usr/share/perl5/A.pm is a module of Perl"),
        (of(FileEntry("/usr/lib64/pkgconfig/a.pc", "file", text="")), "/usr/lib64/pkgconfig/a.pc is for pkg-config"),
        (of(*texts("#!/usr/bin/perl\n", mode=0o755)), "/opt/t/0 is a script in Perl"),
        (of(scripts=(Script("post", (ScriptPart("x"),), "<lua>"),)), "the interpreter '<lua>' of script post"),
        (Case(PLAIN, payload="w7.bzdio"), "the payload w7.bzdio"),
        (Case(PLAIN, payload="w99.xzdio"), "the payload w99.xzdio"),
        (of(*texts("x"), not_automatic=("provides",)), "a choice among what rpm finds by itself"),
        (of(*texts("x"), hidden_requires=("lib*",)), "a choice among what rpm finds by itself"),
        (of(requires=(Dependency("(a or b)"),)), "the dependency '(a or b)'"),
        (of(provides=(Dependency("rpmlib(A)"),)), "a feature of rpm itself (rpmlib(A))"),
    ],
)  # fmt: skip
def test_what_is_left_to_rpmbuild(tmp_path: Path, case: Case, why: str) -> None:
    assert left_to_rpmbuild(case.package, case.payload) == why
    silent = replace(case.package, automatic_dependencies=False)
    assert left_to_rpmbuild(silent, case.payload) == ("" if case.package.entries else why)
    if "choice" not in why and "feature" not in why:  # only the declaration tells of it
        with pytest.raises(UnusualError) as caught:
            build(case, tmp_path / "out/x.rpm")
        assert str(caught.value) == why
        assert list(tmp_path.glob("out/*")) == []


def test_sources_that_are_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    """Whether two files of a checkout are one is nothing that git keeps, so of no RPM, whoever writes it."""
    machine()
    made = []
    for name, bring in (("linked", os.link), ("copied", shutil.copy2)):
        (folder := tmp_path / name).mkdir()
        (folder / "a").write_text("text\n")
        bring(folder / "a", folder / "b")
        entries = (FileEntry("/opt/a", "file", 0o644), FileEntry("/opt/b", "file", 0o644))
        case = Case(replace(PLAIN, entries=entries), [folder / "a", folder / "b"])
        assert judged(case, folder / "judged") == ([], [])
        made.append([(folder / "judged" / rpm).read_bytes() for rpm in ("theirs.rpm", "ours.rpm")])
    assert made[0] == made[1]
    rpm = tmp_path / "linked/judged/ours.rpm"
    assert [[file.path for file in files] for files, _ in payload_of(rpm)] == [["/opt/a"], ["/opt/b"]]
    assert read_rpm(rpm).installed_size == 10


def test_a_first_line_of_any_length(tmp_path: Path) -> None:
    """It is read as rpmbuild reads it, or left to rpmbuild."""
    machine()
    for length in (5000, 65_530, 65_536, 70_000):
        case = of(*texts(f"#!/opt/{'x' * length}\n", mode=0o755))
        out, theirs = tmp_path / "ours.rpm", tmp_path / "theirs.rpm"
        write_rpm(case.package, {}, out, payload=case.payload, time=case.time)
        write_by_rpmbuild(case.package, {}, theirs, payload=case.payload, time=case.time)
        assert read_rpm(out).requires == read_rpm(theirs).requires, length


def test_a_script_in_perl_that_shows_in_the_build(tmp_path: Path) -> None:
    """rpmbuild's own generator is asked; it names the modules."""
    need("rpmbuild")
    (script := tmp_path / "p").write_text("#!/usr/bin/perl\nuse strict;\nuse Foo::Bar;\n")
    case = Case(replace(PLAIN, entries=(FileEntry("/opt/p", "file", 0o755),)), [script])
    assert left_to_rpmbuild(case.package, case.payload) == ""
    out = tmp_path / "x.rpm"
    write_rpm(case.package, case.contents, out, payload=case.payload, time=case.time)
    assert {"/usr/bin/perl", "perl(Foo::Bar)"} <= {one.name for one in read_rpm(out).requires}


def test_without_rpmbuild_it_is_said_what_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    case = Case(replace(PLAIN, entries=texts("#!/usr/bin/perl\n", mode=0o755)))
    with pytest.raises(StepError) as caught:
        write_rpm(case.package, {}, tmp_path / "x.rpm", payload=case.payload, time=case.time)
    needed = "rpmbuild is needed: apt-get install rpm (EL: dnf install rpm-build)"
    assert (
        str(caught.value)
        == f"writing x.rpm: /opt/t/0 is a script in Perl, which is left to rpmbuild. {needed}"
    )


def test_a_program_in_a_noarch_package_is_refused(tmp_path: Path) -> None:
    need("gcc")
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-o", "a", "a.c"], cwd=tmp_path, check=True)
    case = Case(replace(PLAIN, entries=(FileEntry("/opt/a", "file", 0o755),)), [tmp_path / "a"])
    with pytest.raises(
        StepError, match=r"^/opt/a is a program of one architecture, but case is noarch; declare it"
    ):
        build(case, tmp_path / "out.rpm")


def test_a_source_that_grows_while_it_is_read(tmp_path: Path) -> None:
    (source := tmp_path / "log").write_bytes(b"x")
    file = collect([FileEntry("/a", "file", source="a")], {"a": source})[0]
    source.write_bytes(b"xy")
    with pytest.raises(StepError, match=r"^log changed while it was read; build again$"):
        list(file.blocks())
    source.write_bytes(b"")
    with pytest.raises(StepError, match=r"^log changed while it was read; build again$"):
        list(file.blocks())


@pytest.mark.parametrize("size", [128 << 20, pytest.param((4 << 30) + 1, marks=pytest.mark.long)])
def test_nothing_is_held_of_a_large_payload(tmp_path: Path, size: int) -> None:
    """Much content in a process of its own: its memory grows by the blocks that wait, and no more."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    program = f"""
from pathlib import Path
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.write import write_rpm
package = Package("x", "1", "1", "x", "MIT", arch="noarch", entries=(FileEntry("/l", "file", source="l"),))
write_rpm(package, {{"l": Path("{tmp_path}/large")}}, Path("{tmp_path}/x.rpm"), payload="w2.xzdio", time=0)
status = Path("/proc/self/status").read_text()  # ru_maxrss begins with what the parent had
print(status.partition("VmHWM:")[2].split()[0])
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 200 << 10
    assert read_rpm(tmp_path / "x.rpm").installed_size == size


#: What each machine, and each Python, writes of these.
GOLDEN = Path(__file__).with_name("golden") / "rpms.sha256"
_GOLDEN_NAMES = (
    *(
        "empty",
        "roles",
        "metadata",
        "scripts",
        "changelog",
        "interpreters",
        "modes",
        "many",
        "blocks-zeros",
        "archive",
    ),
)


def test_golden_bytes(tmp_path: Path) -> None:
    (sources := tmp_path / "sources").mkdir()
    made = {
        name: hashlib.sha256(build(case, tmp_path / "x.rpm").read_bytes()).hexdigest()
        for name, case in cases(sources)
        if name in _GOLDEN_NAMES
    }
    text = "".join(f"{made[name]}  {name}\n" for name in _GOLDEN_NAMES)
    if os.environ.get("GOLDEN") == "update":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_every_field_is_written() -> None:
    """A field that is added to the model must be known to the writer, or left to rpmbuild."""
    assert list(FileEntry.__struct_fields__) == [
        *("path", "kind", "mode", "owner", "group", "link", "text", "role", "source", "limit", "folder_mode")
    ]
    assert list(Package.__struct_fields__) == [
        *(
            "name",
            "version",
            "release",
            "summary",
            "license",
            "arch",
            "epoch",
            "description",
            "vendor",
            "packager",
        ),
        *("url", "group", "entries", "requires", "requires_post", "requires_postun", "provides", "conflicts"),
        *("obsoletes", "scripts", "changelog", "automatic_dependencies", "not_automatic", "hidden_provides"),
        "hidden_requires",
    ]


@pytest.mark.parametrize("kind", [STRING, STRINGS, I18N])
def test_a_text_that_holds_a_nul_is_refused(kind: int) -> None:
    header = HeaderWriter()
    header.put(1, kind, b"plain")
    with pytest.raises(StepError, match=r"\(tag 2\) holds a NUL; remove it$"):
        header.put(2, kind, b"pl\0ain")
    header.put(3, BIN, b"\0\0")
    assert header.tags == {1: (kind, 1, b"plain\0"), 3: (BIN, 2, b"\0\0")}
