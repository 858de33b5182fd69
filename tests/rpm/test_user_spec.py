"""Specs of the user's own, asked and built as vendors write them."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from forge import sections
from rpm_asked import asked, payload, unpack
from support import need

from xspack_tool.errors import StepError
from xspack_tool.rpm import spec as spec_module
from xspack_tool.rpm.user_spec import (
    SpecMacros,
    _definitions,
    build_spec,
    query_spec,
    source_spec_name,
    write_spec_source,
)

SPEC = """\
%global build_for XenServer
Name:           hello
Version:        1.2
Release:        3%{?dist}
Summary:        Says hello
License:        MIT
URL:            https://example.com/hello
Source0:        https://example.com/releases/%{name}-%{version}.tar.gz
Source1:        hello.service
Patch0:         fix.patch
BuildRequires:  gcc, make >= 3
BuildRequires:  a-package-that-no-machine-has
Requires:       bash
Requires:       kernel-uname-r = 4.19.0+1

%description
Says hello.

%package devel
Summary:        What to build against it
BuildArch:      noarch
%description devel
A header.

%prep
%autosetup -p1

%build
%make_build

%install
%make_install
install -D -m 644 %{SOURCE1} %{buildroot}/usr/lib/systemd/system/hello.service

%files
%license LICENSE
%{_bindir}/hello
/usr/lib/systemd/system/hello.service

%files devel
%{_includedir}/hello.h

%changelog
* Fri Nov 20 2026 A Vendor <a@vendor.example> - 1.2-3
- first
"""
MAKEFILE = """\
all: hello
hello: hello.in
	sed s/@WHO@/world/ $< > $@
install:
	install -D -m 755 hello $(DESTDIR)/usr/bin/hello
	install -D -m 644 hello.in $(DESTDIR)/usr/include/hello.h
"""
PATCH = """\
--- a/hello.in
+++ b/hello.in
@@ -1,2 +1,2 @@
 #!/bin/sh
-echo helo @WHO@
+echo hello @WHO@
"""
MACROS = SpecMacros(defines=(("dist", ".xs8"),))


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rpm would keep its database, did it open one."""
    need("rpmbuild", "rpmspec", "make")
    place = tmp_path / "rpmdb"
    monkeypatch.setattr(spec_module, "MACROS", spec_module.MACROS.replace("/nonexistent", str(place)))
    return place


def tree(folder: Path) -> list[Path]:
    """The spec, and its sources."""
    made = folder / "hello-1.2"
    made.mkdir(parents=True)
    for name, text in (
        ("Makefile", MAKEFILE),
        ("hello.in", "#!/bin/sh\necho helo @WHO@\n"),
        ("LICENSE", "MIT\n"),
    ):
        (made / name).write_text(text)
    # The time in gzip's header would be the clock's.
    with (
        gzip.GzipFile(folder / "hello-1.2.tar.gz", "w", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for file in sorted(made.iterdir()):
            info = tarfile.TarInfo(f"hello-1.2/{file.name}")
            info.size, info.mtime = file.stat().st_size, 1_700_000_000
            with file.open("rb") as content:
                archive.addfile(info, content)
    (folder / "hello.service").write_text("[Service]\nExecStart=/usr/bin/hello\n")
    (folder / "fix.patch").write_text(PATCH)
    (folder / "hello.spec").write_text(SPEC)
    return [folder / name for name in ("hello.spec", "hello-1.2.tar.gz", "hello.service", "fix.patch")]


def build(folder: Path, *places: str) -> list[Path]:
    spec, *sources = tree(folder)
    outs = [folder / "out" / place for place in places]
    outs[0].parent.mkdir()
    build_spec(spec, sources, MACROS, outs, failed=folder / "failed", source_date_epoch=None)
    return outs


NAMES = ("hello-1.2-3.xs8.x86_64.rpm", "hello-devel-1.2-3.xs8.noarch.rpm")


def test_what_it_would_make(tmp_path: Path, database: Path) -> None:
    spec, *_ = tree(tmp_path)
    common = {"epoch": 0, "version": "1.2", "release": "3.xs8"}
    assert query_spec(spec, [], MACROS) == [
        [{"name": "hello", **common, "arch": "x86_64"}, ["4.19.0+1"]],
        [{"name": "hello-devel", **common, "arch": "noarch"}, []],
    ]
    assert source_spec_name(spec, [], MACROS) == "hello-1.2-3.xs8.src.rpm"
    assert not database.exists()


def test_sources_patches_and_build_requirements(tmp_path: Path, database: Path) -> None:
    """What is installed here is not asked: where packages are not RPMs, rpm knows of none. As root, rpmbuild would
    even make an empty database to look into."""
    hello, devel = build(tmp_path / "a", *NAMES)
    assert asked(hello, "-l").splitlines() == [
        "/usr/bin/hello",
        "/usr/lib/systemd/system/hello.service",
        "/usr/share/licenses/hello-1.2",
        "/usr/share/licenses/hello-1.2/LICENSE",
    ]
    assert asked(devel, "-l").splitlines() == ["/usr/include/hello.h"]
    assert payload(hello)["/usr/bin/hello"] == b"#!/bin/sh\necho hello world\n"
    assert sorted(os.listdir(tmp_path / "a/out")) == sorted(NAMES)
    assert not database.exists()


def test_the_same_bytes_in_another_folder(tmp_path: Path, database: Path) -> None:
    one, two = (build(tmp_path / folder, *NAMES) for folder in ("a", "another/folder"))
    assert [rpm.read_bytes() for rpm in one] == [rpm.read_bytes() for rpm in two]
    source = []
    for folder in ("a", "another/folder"):
        spec, *sources = tree(tmp_path / folder / "again")
        source.append(tmp_path / folder / "hello-1.2-3.xs8.src.rpm")
        write_spec_source(spec, sources, MACROS, source[-1], source_date_epoch=None)
    assert source[0].read_bytes() == source[1].read_bytes()
    assert not database.exists()


PROGRAM = """\
#include <stdio.h>
int main(void) { puts(__FILE__); return 0; }
"""
COMPILED = """\
%define _rpmfilename %%{ARCH}/%%{NAME}-for-%{flavour}.rpm
Name: tool
Version: 1
Release: 1
Summary: s
License: MIT
Source0: tool.c
%description
d
%build
gcc -g -O0 -o tool %{SOURCE0}
%install
install -D -m 755 tool %{buildroot}/opt/acme/tool
%files
/opt/acme/tool
"""


def compiled(folder: Path, *, brp: bool = True) -> Path:
    """The RPM of a program that holds the path where it was compiled."""
    folder.mkdir(parents=True)
    (folder / "tool.c").write_text(PROGRAM)
    (folder / "tool.spec").write_text(COMPILED)
    out = folder / "tool-1-1.x86_64.rpm"
    macros = SpecMacros(defines=(("flavour", "two\nlines"),), brp=brp)
    build_spec(
        folder / "tool.spec",
        [folder / "tool.c"],
        macros,
        [out],
        failed=folder / "failed",
        source_date_epoch=None,
        jobs=2,
    )
    return out


def test_what_rpm_does_after_install(tmp_path: Path) -> None:
    """As plain rpmbuild; whatever the spec calls the RPM's file, it is found."""
    need("gcc", "strip", "file")
    ours, left = compiled(tmp_path / "a"), compiled(tmp_path / "b", brp=False)
    argv = [
        "rpmbuild",
        "-bb",
        "--define",
        f"_topdir {tmp_path}/plain",
        "--define",
        f"_sourcedir {tmp_path}/a",
    ]
    argv += ["--define", "flavour two", tmp_path / "a/tool.spec"]
    subprocess.run(argv, check=True, capture_output=True)
    (plain,) = (tmp_path / "plain/RPMS").rglob("*.rpm")
    assert plain.name == "tool-for-two.rpm"
    found = {
        name: sections(unpack(rpm, tmp_path / f"{name} files") / "opt/acme/tool")
        for name, rpm in (("ours", ours), ("left", left), ("plain", plain))
    }
    assert found["ours"] == found["plain"]
    assert ".debug_info" not in found["ours"]
    assert ".debug_info" in found["left"]


@pytest.mark.parametrize("brp", [True, False])
def test_compiled_to_the_same_bytes_in_another_folder(tmp_path: Path, brp: bool) -> None:
    """Debug data and __FILE__ hold the path of the source, a build id is a digest of both."""
    need("gcc", "strip", "file")
    one, two = (compiled(tmp_path / name, brp=brp) for name in ("a", "b%(touch %{name})\\c [d]\n'e"))
    assert one.read_bytes() == two.read_bytes()


def failing(folder: Path, old: str, new: str) -> str:
    """The message of a build with another text in the spec; nothing is left but what the command needs."""
    spec, *sources = tree(folder)
    spec.write_text(SPEC.replace(old, new))
    out = folder / "out" / NAMES[0]
    out.parent.mkdir()
    with pytest.raises(StepError) as failed:
        build_spec(spec, sources, MACROS, [out], failed=folder / "failed", source_date_epoch=None)
    assert os.listdir(out.parent) == []
    return str(failed.value)


@pytest.mark.parametrize(
    ("section", "old", "new", "said"),
    [
        ("%prep", "%autosetup -p1", "%setup -q\n%patch0 -p1\n%patch0 -p1", "patch"),
        (
            "%build",
            "%make_build\n",
            "%make_build no-such-target\n",
            "No rule to make target 'no-such-target'",
        ),
        (
            "%install",
            "%make_install\n",
            "%make_install\ncp nothing-here %{buildroot}\n",
            "cannot stat 'nothing-here'",
        ),
        ("%check", "\n%files\n", "\n%check\nfalse so it is\n%files\n", "+ false so it is"),
    ],
)
def test_a_failing_section_in_the_programs_own_words(
    tmp_path: Path, section: str, old: str, new: str, said: str
) -> None:
    """And with a command that fails alike."""
    message = failing(tmp_path, old, new)
    assert message.startswith(f"building hello.spec: rpmbuild ended with status 1 in {section}\n")
    assert said in message
    assert "  BuildRequires that were not found on this machine: a-package-that-no-machine-has\n" in message
    assert "/var/tmp" not in message
    *_, command = message.splitlines()
    again = subprocess.run(
        ["sh", "-c", command.removeprefix("  command: ")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert said in again.stdout


def test_a_good_build_removes_what_a_failed_one_left(tmp_path: Path) -> None:
    failing(tmp_path / "x", "%autosetup -p1", "false")
    assert sorted(os.listdir(tmp_path / "x/failed/SOURCES")) == [
        "fix.patch",
        "hello-1.2.tar.gz",
        "hello.service",
        "hello.spec",
    ]
    spec, *sources = (
        tmp_path / "x" / name for name in ("hello.spec", "hello-1.2.tar.gz", "hello.service", "fix.patch")
    )
    spec.write_text(SPEC)
    outs = [tmp_path / "x/out" / name for name in NAMES]
    build_spec(spec, sources, MACROS, outs, failed=tmp_path / "x/failed", source_date_epoch=None)
    assert not (tmp_path / "x/failed").exists()


def test_a_spec_that_cannot_be_read(tmp_path: Path) -> None:
    """The place is that in the user's file, and there is no folder of ours in the message."""
    spec, *_ = tree(tmp_path)
    spec.write_text(SPEC.replace("Summary:        Says hello", "Sumary: Says hello"))
    with pytest.raises(StepError) as failed:
        query_spec(spec, [], MACROS)
    head, *_ = str(failed.value).splitlines()
    assert head == "reading hello.spec: error: line 5: Unknown tag: Sumary: Says hello"
    assert "/" not in str(failed.value)


BODIES = [
    "",
    "plain",
    "two\nlines",
    "\n\nblank lines\n\n",
    " blanks ",
    "\ttab\t",
    "a\\b",
    "end\\",
    "split\\\nline",
    "{",
    "}",
    "if [ \"$1\" = 1 ]; then\r\n  echo '100 %%'\r\nfi",
    "(",
    ")]",
    "# no comment",
    "\u00a0\u2028",
    "-f x",
    ("y" * 100 + "\n") * 1000,
]


@pytest.mark.parametrize("body", BODIES, ids=[ascii(body)[:20] for body in BODIES])
def test_the_body_of_a_macro_is_whole(body: str) -> None:
    """Only macros in it are expanded."""
    argv = ["rpm", *_definitions([("body", f"{body}%{{nil}}")]), "--eval", "%{body}"]
    whole = ["rpm", *_definitions([("body", body)]), "--eval", "%{body}"]
    for words in (argv, whole):
        done = subprocess.run(words, capture_output=True, check=True)
        assert (done.stdout.decode(), done.stderr) == (body.replace("%%", "%") + "\n", b"")


def test_whose_macro_counts(tmp_path: Path) -> None:
    """defines= before macro files, a later file before an earlier one, all before the release's."""
    spec = tmp_path / "a.spec"
    tags = "Name: a\nVersion: %{one}\nRelease: %{two}.%{three}.%{four}\nSummary: s\nLicense: MIT\n"
    spec.write_text(f"{tags}%description\nd\n%files\n")
    macros = SpecMacros(
        "%one 1\n%two 1\n%three 1\n%four 1\n",
        (b"%two 2\n%three 2\n%four 2", b"%three 3\n%four 3\n"),
        (("four", "4"),),
    )
    ((identity, _),) = query_spec(spec, [], macros)
    assert (identity["version"], identity["release"]) == ("1", "2.3.4")
