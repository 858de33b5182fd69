"""The packs of all examples, judged by the programs that hosts use: gpg, rpm, dnf.

Nothing of xspack reads them here; the ISO is taken apart by isoinfo.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import sentences
from forge import Forged, forge
from rpm_asked import query, requires, unpack
from support import ROOT, lacks, need, need_root
from trees import Tree

from xspack_tool.releases.local import kernel_trees
from xspack_tool.signing.home import end_agent

KEY = "RPM-GPG-KEY-Acme-Test"
#: Label -> version, uuid, whether it is a driver disk, and its payload.
PACKS = {
    "acme-agent-pack": ("5.2", "6bb9d5ab-1e0a-4a4b-9d0f-2f1d1c0d7f11", False, ["acme-agent-5.2-1.x86_64"]),
    "acme-firmware": (
        "9.0",
        "3c8f0a8e-94d1-4c39-8f3f-7d0a3f2c6d33",
        False,
        ["acme-nic-firmware-9.0-1.noarch"],
    ),
    "acme-nic-disk": ("2.1", "0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22", True, ["acme-nic-2.1-1.x86_64"]),
    "acme-report-pack": ("1.3", "5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66", False, ["acme-report-1.3-1.noarch"]),
    "acme-san-suite": (
        "3.0",
        "7e2b4f0c-5a3d-4f8e-9a61-0c9d8e7f6a77",
        True,
        ["acme-san-3.0-1.x86_64", "acme-san-firmware-3.0-1.noarch", "acme-san-tool-3.0-1.noarch"],
    ),
    "acme-stack-pack": (
        "1.0",
        "d8a3b1f0-6c0e-4f0b-a7e5-13c8f5b0aa55",
        False,
        ["acme-stack-1.0-1.acme.noarch", "acme-stack-doc-1.0-1.acme.noarch"],
    ),
    "acme-tools-pack": ("5.2", "b1b5c6a4-0e57-4a3e-8a55-c1a0c9a5e244", False, ["acme-tools-5.2-1.noarch"]),
}
#: What xapi writes (pack-format.md), for a folder in place of its own web server.
YUM_CONF = """\
[main]
keepcache=0
reposdir=/dev/null
gpgcheck=1
repo_gpgcheck=1
installonlypkgs=
group_command=compat

[{label}]
name={label}
baseurl=file://{folder}
gpgkey=file://{key}
"""
#: Programs that scriptlets of these packs call: each stand-in notes how it was called.
CALLED = ("sbin/depmod", "bin/systemctl", "bin/dracut", "sbin/dracut", "bin/udevadm", "sbin/udevadm")


def program(*argv: Any, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is text."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, errors="replace", env=environment, **more
    )
    assert not check or done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Examples:
    """Where all examples were built, and the folder each pack was taken apart into."""

    tree: Tree
    key: Path
    packs: dict[str, Path]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    need("rpmbuild", "rpmsign", "rpmkeys", "gpg", "gcc", "isoinfo")
    if not kernel_trees():
        lacks(
            "a kernel build tree is needed: apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)"
        )
    tree = Tree(tmp_path_factory.mktemp("examples") / "tree")
    for name in program("git", "-C", ROOT, "ls-files", "SConstruct", "examples").stdout.splitlines():
        (tree.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree.path / name)
    tree.real_scons("-j2", "pack").good()
    packs = {label: tree.path.parent / label for label in PACKS}
    for label, folder in packs.items():
        take_apart(tree.path / f"build/{label}-{PACKS[label][0]}.iso", folder)
    yield Examples(tree, tree.path / "build/keys" / KEY, packs)
    end_agent(tree.path / "build/keys/gnupg")


def take_apart(iso: Path, folder: Path) -> None:
    """Extract an ISO by its Rock Ridge names, as the kernel shows them to a host."""
    for path in program("isoinfo", "-R", "-f", "-i", iso).stdout.splitlines():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.count("/") > 1 or "." in path:
            with place.open("wb") as out:
                subprocess.run(["isoinfo", "-R", "-x", path, "-i", str(iso)], stdout=out, check=True)


@pytest.fixture(scope="module")
def keyring(examples: Examples) -> Iterator[Path]:
    """A keyring with nothing but the exported key, trusted as xapi trusts its own."""
    home = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
    program(*gpg, "--import", examples.key)
    shown = program(*gpg, "--with-colons", "--list-keys").stdout
    program(*gpg, "--import-ownertrust", input=f"{re.search('fpr:+([0-9A-F]+):', shown)[1]}:6:\n")  # type: ignore[index]
    yield home
    end_agent(home)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def rpm_keys(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of rpm's with the exported key."""
    folder = tmp_path_factory.mktemp("rpmdb")
    program("rpmkeys", "--dbpath", folder, "--import", examples.key)
    return folder


def gpg_status(keyring: Path, signature: Path, signed: Path) -> set[str]:
    """The words of gpg's status lines, as xapi reads them."""
    argv = ["gpg", "--homedir", keyring, "--status-fd", "1", "--verify", signature, signed]
    said = program(*argv, check=False).stdout
    return {line.split()[1] for line in said.splitlines() if line.startswith("[GNUPG:]")}


def rpms_of(examples: Examples, label: str) -> list[Path]:
    return sorted(examples.packs[label].glob("Packages/*.rpm"))


# The ISO


@pytest.mark.parametrize("label", PACKS)
def test_what_is_on_the_iso(examples: Examples, label: str) -> None:
    version, _, _, payload = PACKS[label]
    folder = examples.packs[label]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    index = {
        name
        for name in files
        if re.fullmatch(r"repodata/[0-9a-f]{64}-(primary|filelists|other)\.xml\.gz", name)
    }
    groups = {name for name in files if re.fullmatch(r"repodata/[0-9a-f]{64}-comps\.xml(\.gz)?", name)}
    assert (len(index), len(groups)) == (3, 2)
    generated = [f"{kind}-{label}-{version}-1.noarch" for kind in ("update", "control")]
    assert files - index - groups == {
        *("update.xml", "update.xml.asc", "repodata/repomd.xml", "repodata/repomd.xml.asc"),
        *(f"Packages/{name}.rpm" for name in [*payload, *generated]),
    }
    said = program("isoinfo", "-d", "-i", examples.tree.path / f"build/{label}-{version}.iso").stdout
    assert f"Volume id: {re.sub('[-.]', '_', f'{label}_{version}')}\n" in said
    assert "Rock Ridge signatures version 1 found" in said


@pytest.mark.parametrize("label", PACKS)
def test_update_xml(examples: Examples, label: str) -> None:
    version, uuid, _, payload = PACKS[label]
    update = ElementTree.parse(examples.packs[label] / "update.xml").getroot()
    size = sum(int(*query(examples.packs[label] / f"Packages/{name}.rpm", "%{SIZE}\n")) for name in payload)
    restart = "restartHost" if label in ("acme-nic-disk", "acme-firmware", "acme-san-suite") else None
    assert update.tag == "update"
    assert {name: value for name, value in update.attrib.items() if name != "enforce-homogeneity"} == {
        "name-label": label,
        "version": version,
        "uuid": uuid,
        "installation-size": str(size),
        "key": KEY,
        "control": f"control-{label}",
        **({"after-apply-guidance": restart} if restart else {}),
    }
    assert update.get("enforce-homogeneity") in (None, "false")
    assert [child.tag for child in update] == ["name-description"] and update[0].text


# Signatures


@pytest.mark.parametrize("file", ["update.xml", "repodata/repomd.xml"])
@pytest.mark.parametrize("label", PACKS)
def test_detached_signatures(examples: Examples, keyring: Path, label: str, file: str) -> None:
    place = examples.packs[label] / file
    signature = place.with_name(f"{place.name}.asc")
    assert signature.read_text().startswith("-----BEGIN PGP SIGNATURE-----\n")
    assert gpg_status(keyring, signature, place) >= {"GOODSIG", "VALIDSIG", "TRUST_ULTIMATE"}


@pytest.mark.parametrize("label", PACKS)
def test_rpm_finds_every_digest_and_signature_good(
    examples: Examples, keyring: Path, rpm_keys: Path, label: str
) -> None:
    listed = program("gpg", "--homedir", keyring, "--with-colons", "--list-keys").stdout
    key_id = re.search("^pub:.*", listed, re.MULTILINE)[0].split(":")[4]  # type: ignore[index]
    for rpm in rpms_of(examples, label):
        said = program("rpmkeys", "--dbpath", rpm_keys, "-Kv", rpm).stdout.splitlines()[1:]
        assert sorted(line.strip() for line in said) == [
            "Header SHA1 digest: OK",
            "Header SHA256 digest: OK",
            f"{sentences.HEADER_SIGNATURE} {key_id[-8:].lower()}: OK",
            "MD5 digest: OK",
            "Payload SHA256 digest: OK",
        ], rpm.name


def flipped(source: Path, folder: Path, at: int) -> Path:
    """A copy of a file with one bit of the byte at ``at`` turned over."""
    content = bytearray(source.read_bytes())
    content[at] ^= 1
    place = folder / source.name
    place.write_bytes(content)
    return place


def test_a_flipped_byte_in_an_rpm_is_refused(examples: Examples, rpm_keys: Path, tmp_path: Path) -> None:
    rpm = rpms_of(examples, "acme-agent-pack")[0]
    # Both headers begin with this; lead and padding of the first are not read by anyone.
    signatures, header = (found.start() for found in re.finditer(b"\x8e\xad\xe8\x01", rpm.read_bytes()))
    for at in (signatures + 20, header + 5, header + 200, header + 2000, rpm.stat().st_size - 1):
        bad = flipped(rpm, tmp_path, at)
        assert program("rpmkeys", "--dbpath", rpm_keys, "-K", bad, check=False).returncode != 0, at


@pytest.mark.parametrize("file", ["update.xml", "repodata/repomd.xml"])
def test_a_flipped_byte_in_a_signed_file_is_refused(
    examples: Examples, keyring: Path, tmp_path: Path, file: str
) -> None:
    place = examples.packs["acme-nic-disk"] / file
    bad = flipped(place, tmp_path, place.stat().st_size // 2)
    status = gpg_status(keyring, place.with_name(f"{place.name}.asc"), bad)
    assert "BADSIG" in status and not status & {"GOODSIG", "VALIDSIG"}


# Transactions


@pytest.fixture(scope="module")
def root(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root into which all packs go, one after the other."""
    yield from make_root(examples, tmp_path_factory.mktemp("forge"))


def make_root(examples: Examples, scratch: Path) -> Iterator[Path]:
    """A root that stands for a host: busybox, programs that note how they were called, and one RPM that provides
    what the packs require of a release."""
    need_root()
    need("dnf", "busybox")
    root = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    for folder in ("bin", "sbin", "usr", "dev", "run", "var/lib/rpm-state", "etc/pki/rpm-gpg", "boot"):
        (root / folder).mkdir(parents=True)
    for folder in ("bin", "sbin"):
        (root / "usr" / folder).symlink_to(f"../{folder}")
    busybox = shutil.which("busybox")
    assert busybox
    shutil.copy(busybox, root / "bin/busybox")
    for name in ("sh", "cat", "mkdir", "rm", "ls", "basename"):
        (root / "bin" / name).symlink_to("busybox")
    for name in CALLED:
        (root / name).write_text('#!/bin/sh\necho "${0##*/} $*" >> /calls\n')
        (root / name).chmod(0o755)
    (root / "dev/null").touch()
    shutil.copy(examples.key, root / "etc/pki/rpm-gpg" / KEY)
    rpms = [rpm for label in PACKS for rpm in rpms_of(examples, label)]
    wanted = {line for rpm in rpms for line in requires(rpm)}
    own = {name for rpm in rpms for name in query(rpm, "[%{PROVIDENAME}\n]")}
    stand_in = Forged(
        "stand-in", lines=sorted(provision(line) for line in wanted if line.split()[0] not in own)
    )
    rpm = forge(stand_in, scratch)
    program("rpm", "--root", root, "--nosignature", "--nodeps", "-i", rpm)
    yield root
    shutil.rmtree(root)


def provision(requirement: str) -> str:
    """The line that provides what a requirement asks for."""
    name, *relation = requirement.split()
    if name == "product-version":
        relation = ["=", "8.2.1"]
    return f"Provides: {name} = {relation[1]}" if relation else f"Provides: {name}"


def dnf(
    root: Path, folder: Path, label: str, wanted: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """What xapi does with its package manager."""
    conf = folder.parent / f"{folder.name}.conf"
    conf.write_text(YUM_CONF.format(label=label, folder=folder, key=root / "etc/pki/rpm-gpg" / KEY))
    words = [
        "-y",
        "--noplugins",
        "-c",
        conf,
        "--installroot",
        root,
        "--releasever",
        "7",
        "--forcearch",
        "x86_64",
    ]
    return program("dnf", *words, "install", wanted, check=check)


@pytest.fixture(scope="module", params=PACKS)
def applied(request: pytest.FixtureRequest, examples: Examples, root: Path) -> str:
    """The label of a pack after both transactions."""
    label: str = request.param
    (root / "calls").unlink(missing_ok=True)
    dnf(root, examples.packs[label], label, f"control-{label}")
    assert installed(root, "control-*") == installed_controls(root, label)
    dnf(root, examples.packs[label], label, "@update")
    return label


def installed(root: Path, pattern: str) -> set[str]:
    said = program("rpm", "--root", root, "-qa", "--queryformat", "%{NAME}\n", pattern).stdout
    return set(said.split()) - {"gpg-pubkey"}


def installed_controls(root: Path, label: str) -> set[str]:
    """The control packages of this pack and those before it; nothing else of this pack is there yet."""
    assert f"update-{label}" not in installed(root, "update-*")
    labels = list(PACKS)
    return {f"control-{one}" for one in labels[: labels.index(label) + 1]}


def test_the_payload_is_there(examples: Examples, root: Path, applied: str) -> None:
    """Every file with its mode, owner, link and content, as its RPM says: rpm itself compares them."""
    for rpm in rpms_of(examples, applied):
        (name,) = query(rpm, "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n")
        # It compares size, mode, owner, link and digest.
        assert program("rpm", "--root", root, "-V", "--nodeps", "--noscripts", name).stdout == ""


def test_the_applied_record(examples: Examples, root: Path, applied: str) -> None:
    _, uuid, _, _ = PACKS[applied]
    text = (root / "var/update/applied" / uuid).read_text()
    record, document = (
        ElementTree.fromstring(text),
        ElementTree.parse(examples.packs[applied] / "update.xml").getroot(),
    )
    without = {name: value for name, value in document.attrib.items() if name not in ("key", "control")}
    assert record.attrib == without and record.findtext("name-description") == document.findtext(
        "name-description"
    )
    reboots = (
        (root / "run/reboot-required.hfxs").read_text()
        if (root / "run/reboot-required.hfxs").exists()
        else ""
    )
    assert (uuid in reboots) == ("restartHost" in document.get("after-apply-guidance", ""))


#: The payload as a host shows it: mode, owner, group, path, target. {kernel} is that of the build tree.
EXPECTED = {
    "acme-agent-pack": """
        644 0 0 /etc/acme-agent.conf
        644 0 0 /etc/logrotate.d/acme-agent
        644 0 0 /etc/udev/rules.d/70-acme.rules
        755 0 0 /opt/acme/
        755 0 0 /opt/acme/bin/
        755 0 0 /opt/acme/bin/acme-agent
        755 0 0 /opt/acme/share/
        644 0 0 /opt/acme/share/metrics
        755 0 0 /opt/acme/share/plugins/
        644 0 0 /opt/acme/share/plugins/README
        link 0 0 /usr/bin/acme-agent -> /opt/acme/bin/acme-agent
        644 0 0 /usr/lib/systemd/system/acme-agent.service
        755 0 0 /usr/share/doc/acme-agent/
        644 0 0 /usr/share/doc/acme-agent/README.md
        """,
    "acme-firmware": """
        755 0 0 /lib/firmware/updates/4.19.0+1/
        755 0 0 /lib/firmware/updates/4.19.0+1/acme/
        644 0 0 /lib/firmware/updates/4.19.0+1/acme/nic.bin
        755 0 0 /usr/share/licenses/acme-nic-firmware/
        644 0 0 /usr/share/licenses/acme-nic-firmware/LICENCE.acme
        """,
    "acme-nic-disk": """
        644 0 0 /lib/modules/{kernel}/updates/acme_nic.ko
        """,
    "acme-report-pack": """
        755 0 0 /opt/acme-report/
        755 0 0 /opt/acme-report/acme_report/
        644 0 0 /opt/acme-report/acme_report/__init__.py
        644 0 0 /opt/acme-report/acme_report/__main__.py
        755 0 0 /usr/bin/acme-report
        """,
    "acme-san-suite": """
        644 0 0 /etc/acme-san.conf
        755 0 0 /lib/firmware/updates/{kernel}/
        755 0 0 /lib/firmware/updates/{kernel}/acme/
        644 0 0 /lib/firmware/updates/{kernel}/acme/san.bin
        644 0 0 /lib/modules/{kernel}/updates/acme_san.ko
        755 0 0 /opt/acme-san/
        755 0 0 /opt/acme-san/bin/
        755 0 0 /opt/acme-san/bin/acme-san
        755 0 0 /usr/share/licenses/acme-san-firmware/
        644 0 0 /usr/share/licenses/acme-san-firmware/LICENCE.acme
        755 0 0 /var/update/7e2b4f0c-5a3d-4f8e-9a61-0c9d8e7f6a77/precheck
        """,
    "acme-stack-pack": """
        644 0 0 /etc/acme-stack.conf
        755 0 0 /opt/acme-stack/
        755 0 0 /opt/acme-stack/bin/
        755 0 0 /opt/acme-stack/bin/stackctl
        755 0 0 /usr/share/doc/acme-stack/
        644 0 0 /usr/share/doc/acme-stack/SETTINGS
        """,
    "acme-tools-pack": """
        755 0 0 /opt/acme-tools/
        755 0 0 /opt/acme-tools/bin/
        755 0 0 /opt/acme-tools/bin/acme-list
        """,
}
DRIVER_CALLS = """\
depmod {kernel}
dracut -f /boot/initrd-{kernel}.img {kernel}
udevadm trigger --attr-nomatch=driver
udevadm settle -t 30
"""
#: What the scriptlets of a pack called in the two transactions.
CALLS = {
    "acme-agent-pack": "systemctl --no-reload preset acme-agent.service\n"
    "systemctl --no-reload enable acme-agent.service\n",
    "acme-nic-disk": DRIVER_CALLS,
    "acme-san-suite": DRIVER_CALLS,
}
KERNEL = (list(kernel_trees()) or [""])[-1]


def shown(root: Path, path: str) -> str:
    """A path as a host shows it."""
    place = root / path.lstrip("/")
    found = place.lstat()
    link = f" -> {os.readlink(place)}" if place.is_symlink() else ""
    mode = "link" if link else f"{stat.S_IMODE(found.st_mode):o}"
    return f"{mode} {found.st_uid} {found.st_gid} {path}{'/' if place.is_dir() and not link else ''}{link}"


def test_the_paths_that_a_host_shows(examples: Examples, root: Path, applied: str) -> None:
    paths = {path for rpm in rpms_of(examples, applied) for path in query(rpm, "[%{FILENAMES}\n]")}
    record = f"644 0 0 /var/update/applied/{PACKS[applied][1]}"
    wanted = EXPECTED[applied].format(kernel=KERNEL).split("\n")
    assert sorted(shown(root, path) for path in paths) == sorted(
        [*filter(None, map(str.strip, wanted)), record]
    )


def test_what_the_scriptlets_called(root: Path, applied: str) -> None:
    calls = root / "calls"
    assert (calls.read_text() if calls.exists() else "") == CALLS.get(applied, "").format(kernel=KERNEL)


@pytest.mark.parametrize(("label", "module"), [("acme-nic-disk", "acme_nic"), ("acme-san-suite", "acme_san")])
def test_a_driver_is_for_the_kernel_that_its_rpm_says(
    examples: Examples, label: str, module: str, tmp_path: Path
) -> None:
    need("modinfo")
    rpm = examples.packs[label] / f"Packages/{PACKS[label][3][0]}.rpm"
    assert f"kernel-uname-r = {KERNEL}" in requires(rpm) and "vendor-driver" in query(
        rpm, "[%{PROVIDENEVRS}\n]"
    )
    unpack(rpm, tmp_path)
    driver = tmp_path / f"lib/modules/{KERNEL}/updates/{module}.ko"
    vermagic = program("modinfo", "-F", "vermagic", driver).stdout
    assert vermagic.split()[0] == KERNEL
    assert program("modinfo", "-F", "firmware", driver).stdout.startswith("acme/")


# What hosts refuse


@pytest.fixture(scope="module")
def fresh(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another root, into which nothing goes."""
    yield from make_root(examples, tmp_path_factory.mktemp("forge"))


def damaged(examples: Examples, tmp_path: Path, pattern: str, at: int) -> Path:
    """A copy of a pack with one flipped byte in the first file that matches."""
    folder = tmp_path / "pack"
    shutil.copytree(examples.packs["acme-firmware"], folder)
    place = sorted(folder.glob(pattern))[0]
    shutil.copy(flipped(place, tmp_path, at if at >= 0 else place.stat().st_size + at), place)
    return folder


@pytest.mark.parametrize(
    ("pattern", "at", "wanted", "words"),
    [
        (
            "repodata/repomd.xml",
            200,
            "control-acme-firmware",
            "repomd.xml GPG signature verification error: Bad GPG signature",
        ),
        (
            "repodata/repomd.xml.asc",
            200,
            "control-acme-firmware",
            "repomd.xml GPG signature verification error",
        ),
        ("repodata/*primary.xml.gz", 100, "control-acme-firmware", "checksum"),
        ("Packages/control-*.rpm", -20, "control-acme-firmware", "incorrect checksum"),
        ("Packages/acme-nic-firmware-*.rpm", -20, "@update", "incorrect checksum"),
    ],
)
def test_dnf_refuses_a_flipped_byte(
    examples: Examples, fresh: Path, tmp_path: Path, pattern: str, at: int, wanted: str, words: str
) -> None:
    folder = damaged(examples, tmp_path, pattern, at)
    done = dnf(fresh, folder, "acme-firmware", wanted, check=False)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert installed(fresh, "*") == {"stand-in"}


def test_the_installer_takes_a_driver_disk(
    examples: Examples, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It asks for the group `drivers`; other packs have none."""
    for root in make_root(examples, tmp_path_factory.mktemp("forge")):
        dnf(root, examples.packs["acme-nic-disk"], "acme-nic-disk", "@drivers")
        assert installed(root, "*") == {"stand-in", "update-acme-nic-disk", "acme-nic"}
        refused = dnf(root, examples.packs["acme-agent-pack"], "acme-agent-pack", "@drivers", check=False)
        assert "Module or Group 'drivers' is not available" in refused.stdout + refused.stderr
