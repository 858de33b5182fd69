"""A machine without rpm: a minimal Debian with Python, gpg and GLib makes a pack that rpm, gpg and dnf judge."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forge import Forged, forge
from support import ROOT, lacks, need, need_module, need_root, short_folder

from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.signing.home import end_agent

NEEDED = "python3,python3-venv,gpg,gpg-agent,libglib2.0-0,ca-certificates"
#: Scriptlets would need a shell on the host.
DNF = """\
[main]
reposdir=/dev/null
cachedir={folder}/cache
logdir={folder}
persistdir={folder}/persist
group_command=compat
tsflags=noscripts
gpgcheck=1
repo_gpgcheck=1
[acme]
name=acme
baseurl=file://{pack}
gpgkey=file://{key}
"""
DECLARED = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT")
packages = [
    env.Userspace("acme-%s" % name, version="1", vendor="Acme", **more)
    for name, more in {
        "tool": {"files": {"/opt/acme/tool": "tool.sh"}, "config": {"/etc/acme.conf": "acme.conf"}},
        "data": {"files": {"/opt/acme/data": env.Dir("data")}, "scripts": {"post": "true"}},
    }.items()
]
env.Pack("acme", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=packages,
         key=env.TestKey("RPM-GPG-KEY-Acme"))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of the machine, with the wheel of this checkout in /opt/venv and a tree in /tree."""
    need_root()
    need("debootstrap", "unshare")
    need_module("pip", "hatchling")
    with short_folder() as top:
        root = top / "root"
        words = ["debootstrap", "--variant=minbase", f"--include={NEEDED}", "bookworm", root]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            lacks(f"Debian's packages cannot be had: {done.stdout[-400:]}{done.stderr[-400:]}")
        wheels = ["wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", root / "opt", ROOT]
        subprocess.run([sys.executable, "-m", "pip", *wheels], check=True)
        (wheel,) = (root / "opt").glob("xspack-*.whl")
        for file in map(Path, ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")):
            shutil.copy(file, root / file.relative_to("/"))
        inside(root, "python3 -m venv /opt/venv")
        inside(root, f"/opt/venv/bin/pip install -q /opt/{wheel.name}")
        tree = root / "tree"
        (tree / "data/more").mkdir(parents=True)
        (tree / "SConstruct").write_text(DECLARED)
        (tree / "tool.sh").write_text("#!/bin/sh\necho tool\n")
        (tree / "acme.conf").write_text("a = 1\n")
        (tree / "data/more/table").write_text("1\n")
        yield root
        end_agent(tree / "build/keys/gnupg")


def inside(root: Path, command: str) -> str:
    """What a command says there, with no more of ours than /proc, /dev and the network."""
    mounts = 'mount -t proc none "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$1" /bin/sh -c "$2"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounts, "sh", root, command],
        env={"PATH": "/opt/venv/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def outside(*words: str | Path) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.long
def test_a_signed_pack_is_built_where_no_rpm_is(machine: Path, tmp_path: Path) -> None:
    need("gpg", "rpm", "rpmkeys", "dnf")
    there = {path.name for folder in ("usr/bin", "usr/sbin") for path in (machine / folder).iterdir()}
    assert not there & {"rpm", "rpmbuild", "rpmsign", "rpmkeys", "dnf", "createrepo_c", "gcc"}
    assert not (machine / "usr/lib/rpm").exists()
    assert list((machine / "usr/lib").rglob("librpm*")) == []

    assert "rpm" not in inside(machine, "cd /tree && scons -Q pack | grep -v [.]rpm: || true")
    assert "is up to date" in inside(machine, "cd /tree && scons -Q pack")
    judged = inside(machine, "cd /tree && xspack verify build/acme-1.iso --key build/keys/RPM-GPG-KEY-Acme")
    assert "installer: takes it" in judged

    pack, key = tmp_path / "pack", machine / "tree/build/keys/RPM-GPG-KEY-Acme"
    with IsoReader(machine / "tree/build/acme-1.iso") as reader:
        reader.extract(pack)
    host, database = tmp_path / "host", tmp_path / "database"
    outside("rpmkeys", "--dbpath", database, "--import", key)
    rpms = sorted(pack.rglob("*.rpm"))
    assert len(rpms) == 3
    for rpm in rpms:
        assert "digests signatures OK" in outside("rpm", "--dbpath", database, "-K", rpm)
    (home := tmp_path / "gpg").mkdir(mode=0o700)
    outside("gpg", "--homedir", home, "--no-autostart", "--import", key)
    for signed in ("update.xml", "repodata/repomd.xml"):
        said = outside("gpg", "--homedir", home, "--verify", pack / f"{signed}.asc", pack / signed)
        assert "Good signature" in said

    shell = forge(Forged("shell", lines=["Provides: /bin/sh"]), tmp_path)
    outside("rpm", "--root", host, "--nosignature", "--nodeps", "-i", shell)
    (tmp_path / "dnf.conf").write_text(DNF.format(folder=tmp_path, pack=pack, key=key))
    words = ["--noplugins", "--releasever=7", "--forcearch=x86_64", f"--installroot={host}"]
    outside("dnf", "-y", "-c", tmp_path / "dnf.conf", *words, "install", "@update")
    outside("rpm", "--root", host, "--verify", "--nodeps", "acme-tool", "acme-data")
    assert (host / "opt/acme/data/more/table").read_text() == "1\n"
