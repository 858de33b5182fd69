"""Every place where a text of the user's enters a spec, a macro file or a command line of rpm's: none is expanded, and
what stands in %(..) is not run."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import need

from xspack_tool.ddk.request import KbuildRequest
from xspack_tool.ddk.source_rpm import DriverSource, source_sections
from xspack_tool.errors import HostileInput, XspackError
from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.source import write_source_rpm
from xspack_tool.rpm.spec import Making
from xspack_tool.rpm.user_spec import SpecMacros, build_spec, query_spec, source_spec_name, write_spec_source
from xspack_tool.rpm.write import write_rpm
from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key
from xspack_tool.signing.sign import Signer
from xspack_tool.signing.verify import verify_rpm


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A text that leaves a file where rpm expands it."""
    need("rpmbuild", "rpmspec")
    return "%{name} %(id>MARK) %{lua:io.open('MARK','w')} %%{x} 5%".replace("MARK", f"{tmp_path}/mark")


def package(mark: str) -> Package:
    """A package in which each text is the mark, as far as rpm takes it there at all."""
    name = mark.replace("/", "_")
    return Package(
        name="x",
        version="1",
        release="1",
        summary=mark,
        license=mark,
        arch="noarch",
        description=f"d\n{mark}",
        vendor=mark,
        packager=mark,
        url=mark.replace(" ", ""),  # rpm takes no blank there
        group=mark,
        entries=(
            FileEntry(f"/opt/{name}", "dir"),
            FileEntry(f"/opt/{name}/file", "file", text=mark),
            FileEntry(f"/opt/{name}/link", "link", link=mark),
            FileEntry(f"/etc/{name}.conf", "file", text="c", role="config"),
        ),
        scripts=tuple(
            Script(phase, (ScriptPart(f": '{mark}'"),)) for phase in ("pre", "post", "preun", "posttrans")
        ),
        changelog=(ChangelogEntry(datetime.date(2026, 11, 20), "A <a@b.example> 1-1", f"- {mark}"),),
    )


def _entry(**more: str) -> tuple[FileEntry, ...]:
    return (FileEntry("/opt/x/f", "file", text="x", **more),)  # type: ignore[arg-type]


#: Fields that declarations may have few signs in. A foreign RPM, of a pack that is signed again or tried, says there
#: what it likes.
FOREIGN: dict[str, Callable[[str], dict[str, Any]]] = {
    "owner": lambda text: {"entries": _entry(owner=f"root{text}")},
    "group": lambda text: {"entries": _entry(group=f"root{text}")},
    "path": lambda text: {"entries": (FileEntry(f"/opt/x{text}", "file", text="x"),)},
    "interpreter": lambda text: {"scripts": (Script("post", (ScriptPart("x"),), f"/bin/sh{text}"),)},
    "phase": lambda text: {"scripts": (Script(f"triggerin -- x{text}", (ScriptPart("x"),)),)},
    "summary": lambda text: {"summary": f"x{text}"},
    "url": lambda text: {"url": f"x{text}"},
    "requires": lambda text: {"requires": (Dependency(f"x{text}"),)},
    "provides": lambda text: {"provides": (Dependency("x", "=", f"1{text}"),)},
    "conflicts": lambda text: {"conflicts": (Dependency(f"x{text}"),)},
    "author": lambda text: {"changelog": (ChangelogEntry(datetime.date(2026, 11, 20), f"A{text}", "- x"),)},
}


@pytest.mark.parametrize("rpmbuild", [False, True], ids=["xspack", "rpmbuild"])
@pytest.mark.parametrize("field", FOREIGN)
def test_fields_of_a_foreign_package(tmp_path: Path, field: str, rpmbuild: bool) -> None:
    need("rpmbuild")
    folder = tmp_path / "out"
    folder.mkdir()
    for number, text in enumerate(
        (
            "%(id>{mark})",
            "\n%(id>{mark})",
            "\nProvides: injected",
            " injected",
            ", injected",
            "\n%post\nid>{mark}\n",
        )
    ):
        more = FOREIGN[field](text.format(mark=f"{tmp_path}/mark"))
        declared = Package(
            **{
                "name": "x",
                "version": "1",
                "release": "1",
                "arch": "noarch",
                "summary": "s",
                "license": "MIT",
                **more,
            }
        )
        out = folder / f"{number}.rpm"
        with contextlib.suppress(XspackError):
            write_rpm(declared, {}, out, payload="w2.gzdio", time=1_700_000_000, rpmbuild=rpmbuild)
        if out.exists():
            with contextlib.suppress(HostileInput):  # a path of two lines
                names = {relation.name for relation in read_rpm(out).provides}
                assert "injected" not in names
    assert [path for path in tmp_path.rglob("mark*") if path.parent == tmp_path] == []


@pytest.mark.parametrize("rpmbuild", [False, True], ids=["xspack", "rpmbuild"])
def test_fields_of_a_package(tmp_path: Path, mark: str, rpmbuild: bool) -> None:
    declared = package(mark)
    out = tmp_path / "a%(touch mark)%{name}" / declared.file_name
    out.parent.mkdir()
    write_rpm(declared, {}, out, payload="w2.xzdio", time=1_700_000_000, rpmbuild=rpmbuild)
    info = read_rpm(out)
    for field in ("summary", "license", "vendor", "packager", "url"):
        assert getattr(info, field) == getattr(declared, field), field
    assert info.description == f"d\n{mark}"
    assert [file.path for file in info.files] == sorted(entry.path for entry in declared.entries)
    assert [file.link for file in info.files if file.link] == [mark]
    assert {script.text for script in info.scripts} == {f": '{mark}'"}
    assert [text for _, _, text in info.changelog] == [f"- {mark}"]
    # A field that is added to Package must be shown here, or need none.
    shown = set(Package.__struct_fields__)
    assert shown == {
        *("name", "version", "release", "arch", "epoch"),  # checked against the few signs that rpm takes
        *(
            "summary",
            "license",
            "description",
            "vendor",
            "packager",
            "url",
            "group",
            "entries",
            "scripts",
            "changelog",
        ),
        *("requires", "requires_post", "requires_postun", "provides", "conflicts", "obsoletes"),
        *("automatic_dependencies", "not_automatic", "hidden_provides", "hidden_requires"),
    }
    assert [path.name for path in tmp_path.rglob("mark*")] == []


def test_a_source_rpm(tmp_path: Path, mark: str) -> None:
    source = tmp_path / "x-1-1.src.rpm"
    write_source_rpm(
        package(mark), {}, Making("", (), "", "", "", ""), {}, source, payload="w2.xzdio", time=1_700_000_000
    )
    assert read_rpm(source).summary == mark
    assert [path.name for path in tmp_path.rglob("mark*")] == []


def test_texts_of_a_driver() -> None:
    """What the sections of its source RPM get from a declaration: each percent sign stands twice there. Versions of
    kernels and names of folders have none (KbuildRequest.problems, read_tree)."""
    mark = "a%(touch mark)"
    request = KbuildRequest(
        make_variables={"CC": f"gcc-{mark} -x", "FLAG": mark},
        work_dir=mark,
        prepare=(("sh", mark, f"$(XSPACK_TREE){mark}"),),
        modules=(mark,),
        exclude=(mark,),
        unstripped=(mark,),
        own_makes=(("all", mark),),
    )
    texts = [
        field for field in KbuildRequest.__struct_fields__ if field not in ("config", "kbuild_dirs", "flat")
    ]
    assert all(mark in str(getattr(request, field)) for field in texts)
    driver = DriverSource(
        kernel="4.19",
        folder="/lib/modules/4.19/extra",
        request=request,
        symbols=1,
        debug=True,
        expected=(mark,),
    )
    sections = source_sections(driver, "x-1", 1)
    for text in (sections.head, sections.prep, sections.build, sections.install):
        for found in re.finditer(r"(%*)\(touch mark\)", text):
            assert len(found[1]) % 2 == 0, text[max(0, found.start() - 100) : found.end()]
    assert "touch mark" in sections.build
    assert "touch mark" in sections.install


def test_names_of_specs_and_their_sources(tmp_path: Path) -> None:
    need("rpmbuild", "rpmspec")
    folder = tmp_path / "a%(touch mark)b"
    folder.mkdir()
    spec, source = folder / "x %(touch mark)%{y}.spec", folder / "s%(touch mark).txt"
    spec.write_text(
        "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n"
        "%description\nd\n%install\ninstall -D -m 644 %{_sourcedir}/s*.txt %{buildroot}/opt/x\n%files\n/opt/x\n"
    )
    source.write_text("x\n")
    macros = SpecMacros(
        defines=(("unused_one", "a%%(touch mark)"),), files=(b"%unused_two %%(touch mark)\n",)
    )
    assert [identity["name"] for identity, _ in query_spec(spec, [], macros)] == ["x"]
    assert source_spec_name(spec, [], macros) == "x-1-1.src.rpm"
    out, failed = folder / "x-1-1.noarch.rpm", folder / "failed"
    build_spec(spec, [source], macros, [out], failed=failed, source_date_epoch=None)
    assert [file.path for file in read_rpm(out).files] == ["/opt/x"]
    write_spec_source(spec, [source], macros, folder / "x-1-1.src.rpm", source_date_epoch=None)
    assert read_rpm(folder / "x-1-1.src.rpm").name == "x"
    assert [path.name for path in tmp_path.rglob("mark")] == []
    assert not Path("mark").exists()


#: Programs of rpm's, and what calls them.
LOGGED = ("rpmbuild", "rpmspec", "rpmsign", "rpmkeys", "rpm")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each argument of each call of a program of rpm's, a line each, and the files that are named with --macros."""
    log, tools = tmp_path / "log", tmp_path / "tools"
    tools.mkdir()
    for name in LOGGED:
        if real := shutil.which(name):
            (tools / name).write_text(
                f'#!/bin/sh\n{{ echo {name}; printf "%s\\n" "$@"; }} >> {log}\nexec {real} "$@"\n'
            )
            (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return log


def test_no_path_is_an_argument(
    tmp_path: Path, log: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that starts a program of rpm's, below a folder that is one command of a macro; HOME and TMPDIR too."""
    need("rpmbuild", "rpmspec", "rpmsign", "rpmkeys", "gpg")
    folder = tmp_path / "a%(touch mark)%{name}b"
    folder.mkdir()
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    out = folder / "x-1-1.noarch.rpm"
    write_rpm(package("plain"), {}, out, payload="w2.gzdio", time=1_700_000_000, rpmbuild=True)
    write_source_rpm(
        package("plain"),
        {},
        Making("", (), "", "", "", ""),
        {},
        folder / "x-1-1.src.rpm",
        payload="w2.gzdio",
        time=1,
    )
    test_names_of_specs_and_their_sources(folder)
    home = short_dir / "a%(touch mark)%{b}"
    key = make_test_key(home, folder / "KEY", "Odd", 1_500_000_000)
    signed, again = folder / "signed/x.rpm", folder / "again/x.rpm"
    Signer(home, key).sign_rpm(out, signed, 1_700_000_000)
    Signer(home, key).sign_rpm(signed, again, 1_700_000_000)  # one that is signed is rpmsign's
    assert verify_rpm(folder / "KEY", again).accepted
    end_agent(home)
    words = log.read_text(errors="replace").splitlines()
    assert {*words} >= {"rpmbuild", "rpmspec", "rpmsign", "rpmkeys"}
    assert [word for word in words if re.search(r"%\(touch|%\{name\}b", word)] == []
    assert [path for path in (*tmp_path.rglob("mark"), *short_dir.rglob("mark")) if path.is_file()] == []
