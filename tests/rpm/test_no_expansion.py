"""Every place where a text of the user's enters a spec, a macro file or a command line of rpm's: none is expanded, and
what stands in %(..) is not run."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest
from support import need

from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.source import write_source_rpm
from xspack_tool.rpm.spec import Making
from xspack_tool.rpm.user_spec import SpecMacros, build_spec, query_spec, source_spec_name, write_spec_source
from xspack_tool.rpm.write import write_rpm


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


def test_fields_of_a_package(tmp_path: Path, mark: str) -> None:
    declared = package(mark)
    out = tmp_path / "a%(touch mark)%{name}" / declared.file_name
    out.parent.mkdir()
    write_rpm(declared, {}, out, payload="w2.xzdio", time=1_700_000_000)
    info = read_rpm(out)
    for field in ("summary", "license", "vendor", "packager", "url"):
        assert getattr(info, field) == getattr(declared, field), field
    assert info.description == f"d\n{mark}"
    assert [file.path for file in info.files] == sorted(entry.path for entry in declared.entries)
    assert [file.link for file in info.files if file.link] == [mark]
    assert {script.text for script in info.scripts} == {f": '{mark}'"}
    assert [text for _, _, text in info.changelog] == [f"- {mark}"]
    # A field that is added to Package must be shown here, or need none.
    shown = {field.name for field in dataclasses.fields(Package)}
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

    making = Making("", (), "", "", "", "")
    source = out.with_name("x-1-1.src.rpm")
    write_source_rpm(declared, {}, making, {}, source, payload="w2.xzdio", time=1_700_000_000)
    assert read_rpm(source).summary == mark
    assert [path.name for path in tmp_path.rglob("mark*")] == []


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
    assert [identity["name"] for identity, _ in query_spec(spec, macros)] == ["x"]
    assert source_spec_name(spec, macros) == "x-1-1.src.rpm"
    out, failed = folder / "x-1-1.noarch.rpm", folder / "failed"
    build_spec(spec, [source], macros, [out], failed=failed, source_date_epoch=None)
    assert [file.path for file in read_rpm(out).files] == ["/opt/x"]
    write_spec_source(spec, [source], macros, folder / "x-1-1.src.rpm", source_date_epoch=None)
    assert read_rpm(folder / "x-1-1.src.rpm").name == "x"
    assert [path.name for path in tmp_path.rglob("mark")] == []
    assert not Path("mark").exists()
