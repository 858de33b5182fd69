"""Specs of the user's own, asked and built as vendors write them."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from support import need

from xspack_tool.errors import StepError
from xspack_tool.rpm import spec as spec_module
from xspack_tool.rpm.user_spec import build_spec, query_spec, source_spec_name, write_spec_source

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
DEFINES = (("dist", ".xs8"),)


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
    build_spec(spec, sources, DEFINES, outs, payload="w2.xzdio", source_date_epoch=None)
    return outs


def asked(rpm: Path, *options: str) -> list[str]:
    argv = ["rpm", "-qp", "--nosignature", *options, rpm]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


NAMES = ("hello-1.2-3.xs8.x86_64.rpm", "hello-devel-1.2-3.xs8.noarch.rpm")


def test_what_it_would_make(tmp_path: Path, database: Path) -> None:
    spec, *_ = tree(tmp_path)
    common = {"epoch": 0, "version": "1.2", "release": "3.xs8"}
    assert query_spec(spec, DEFINES) == [
        [{"name": "hello", **common, "arch": "x86_64"}, ["4.19.0+1"]],
        [{"name": "hello-devel", **common, "arch": "noarch"}, []],
    ]
    assert source_spec_name(spec, DEFINES) == "hello-1.2-3.xs8.src.rpm"
    assert not database.exists()


def test_sources_patches_and_build_requirements(tmp_path: Path, database: Path) -> None:
    """What is installed here is not asked: where packages are not RPMs, rpm knows of none. As root, rpmbuild would
    even make an empty database to look into."""
    hello, devel = build(tmp_path / "a", *NAMES)
    assert asked(hello, "-l") == [
        "/usr/bin/hello",
        "/usr/lib/systemd/system/hello.service",
        "/usr/share/licenses/hello-1.2",
        "/usr/share/licenses/hello-1.2/LICENSE",
    ]
    assert asked(devel, "-l") == ["/usr/include/hello.h"]
    unpacked = subprocess.run(["rpm2cpio", hello], capture_output=True, check=True).stdout
    assert b"#!/bin/sh\necho hello world\n" in unpacked
    assert sorted(os.listdir(tmp_path / "a/out")) == sorted(NAMES)
    assert not database.exists()


def test_the_same_bytes_in_another_folder(tmp_path: Path, database: Path) -> None:
    one, two = (build(tmp_path / folder, *NAMES) for folder in ("a", "another/folder"))
    assert [rpm.read_bytes() for rpm in one] == [rpm.read_bytes() for rpm in two]
    source = []
    for folder in ("a", "another/folder"):
        spec, *sources = tree(tmp_path / folder / "again")
        source.append(tmp_path / folder / "hello-1.2-3.xs8.src.rpm")
        write_spec_source(spec, sources, DEFINES, source[-1], payload="w2.xzdio", source_date_epoch=None)
    assert source[0].read_bytes() == source[1].read_bytes()
    assert not database.exists()


def test_a_failing_section_in_rpmbuilds_own_words(tmp_path: Path) -> None:
    spec, *sources = tree(tmp_path)
    spec.write_text(SPEC.replace("%make_build\n", "%make_build no-such-target\n"))
    out = tmp_path / "out" / NAMES[0]
    out.parent.mkdir()
    with pytest.raises(StepError) as failed:
        build_spec(spec, sources, DEFINES, [out], payload="w2.xzdio", source_date_epoch=None)
    assert "No rule to make target 'no-such-target'" in str(failed.value)
    assert str(failed.value).startswith("building hello.spec: rpmbuild ended with status 1\n")
    assert os.listdir(out.parent) == []
