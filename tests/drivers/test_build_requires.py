"""BuildRequires of a spec: refused before %prep where rpm's database knows the machine, told where it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kits import HEAD, words_of
from rebuild.lab import kernel
from sshd import Start
from support import lacks, need, need_root
from trees import Ran, Tree

SPEC = """\
Name: acme
Version: 1
Release: 1
Summary: s
License: MIT
BuildArch: noarch
BuildRequires: /bin/sh, acme-devel >= 2
%description
d
%prep
echo it begins >&2
%install
install -D -m 644 /dev/null %{buildroot}/opt/acme/empty
%files
/opt/acme
"""
#: A package of a machine that rpm manages.
OWN = """\
Name: {name}
Version: {version}
Release: 1
Summary: s
License: MIT
BuildArch: noarch
Provides: {provides}
%description
d
%files
"""
RPM = "build/rpms/acme-1-1.noarch.rpm"


class Machine:
    """This machine as one that rpm manages, for what is started by the words ``within``."""

    def __init__(self, folder: Path) -> None:
        need("rpmbuild", "rpm", "unshare", "mount")
        need_root()
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
            lacks("the right to mount is needed")
        self.folder, self.database = folder, folder / "database"
        macros = Path("/usr/lib/rpm/macros").read_text()
        folder.mkdir()
        (folder / "macros").write_text(f"{macros}\n%_dbpath {self.database}\n")
        mount = 'mount --bind "$1" /usr/lib/rpm/macros && shift && exec "$@"'
        self.within = ["unshare", "--mount", "sh", "-c", mount, "sh", str(folder / "macros")]

    def install(self, name: str, version: int, provides: str = "acme") -> None:
        spec = self.folder / f"{name}.spec"
        spec.write_text(OWN.format(name=name, version=version, provides=provides))
        argv = ["rpmbuild", "-bb", f"--define=_topdir {self.folder}/top", spec]
        subprocess.run(argv, check=True, capture_output=True)
        rpm = self.folder / f"top/RPMS/noarch/{name}-{version}-1.noarch.rpm"
        argv = ["rpm", "--dbpath", self.database, "-U", "--justdb", "--nodeps", "--nosignature", rpm]
        subprocess.run(argv, check=True, capture_output=True)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "ssh"])
def test_where_rpm_knows_the_machine(tmp_path: Path, request: pytest.FixtureRequest, elsewhere: bool) -> None:
    """rpmbuild compares them, with their versions, as ever; nodeps=True is rpmbuild's option."""
    machine = Machine(tmp_path / "machine")
    machine.install("bash", 5, "/bin/sh")
    machine.install("acme-devel", 1)
    tree = Tree(tmp_path / "tree").write({"acme.spec": SPEC})
    kit, within = "", machine.within
    if elsewhere:
        there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
        start: Start = request.getfixturevalue("sshd")
        kit, within = f", ddk={words_of(start(tree=str(there.path), within=within))}", []

    def built(more: str = "") -> Ran:
        tree.declare(f'env.SpecRpm("acme.spec"{kit}{more})\n', HEAD)
        return tree.real_scons(RPM, within=within)

    ran = built()
    assert ran.status == 2 and "acme-devel >= 2" in ran.said and "bash" not in ran.said, ran.said
    assert "dnf builddep" in ran.said and "it begins" not in ran.said
    assert RPM in built(", nodeps=True").good().built
    (tree.path / RPM).unlink()
    machine.install("acme-devel", 3)
    ran = built().good()
    assert RPM in ran.built and "BuildRequires" not in ran.said


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "ssh"])
def test_where_it_does_not(tmp_path: Path, request: pytest.FixtureRequest, elsewhere: bool) -> None:
    """Packages have other names there: what is not found by name is told, and the RPM is built."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"acme.spec": SPEC})
    kit = ""
    if elsewhere:
        there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
        start: Start = request.getfixturevalue("sshd")
        kit = f", ddk={words_of(start(tree=str(there.path)))}"
    tree.declare(f'env.SpecRpm("acme.spec"{kit})\n', HEAD)
    ran = tree.scons(RPM).good()
    place = "there" if elsewhere else "on this machine"
    assert f"xspack: acme: warning: BuildRequires that were not found {place}: acme-devel >= 2\n" in ran.said
    ran = tree.scons(RPM).good()
    assert ran.built == set() and "BuildRequires" not in ran.said
