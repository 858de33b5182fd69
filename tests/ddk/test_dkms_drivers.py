"""Drivers that nobody here wrote, out of Debian's DKMS packages: unchanged, from dkms.conf to dnf's transaction."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import lacks, need, need_root
from trees import Tree

from xspack_tool.binary.module import ModuleInfo, read_module
from xspack_tool.ddk.devices import device_table
from xspack_tool.ddk.dkms import DkmsConf, parse_dkms
from xspack_tool.ddk.tree import KernelTree, read_tree
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.write import write_rpm

#: One with PCI ids, one with modules in sub-folders, one of two drivers of which one needs the other's symbols.
PACKAGES = ("adv-17v35x-dkms", "xtables-addons-dkms", "ddcci-dkms")
#: Of xtables-addons' 24 modules those in folders of their own; its switches are make variables.
OFF = (
    *(
        "CHAOS",
        "DELUDE",
        "DHCPMAC",
        "DNETMAP",
        "ECHO",
        "IPMARK",
        "LOGMARK",
        "PROTO",
        "SYSRQ",
        "TARPIT",
        "asn",
    ),
    *("condition", "fuzzy", "geoip", "iface", "ipp2p", "ipv4options", "length2", "lscan", "psd", "quota2"),
)

SCONSTRUCT = """
def driver(name, source, **given):
    given.setdefault("version", "1")
    return env.KernelModule(name, summary=name, source=env.Dir(source), license="GPL-2.0-only", **given)

def disk(label, number, *drivers):
    return env.Pack(label, version="1", uuid=f"0f2d1a52-7a55-4f0c-9d0b-00000000000{number}", description=label,
                    packages=drivers, requires=["product-version >= 8.2.0"], key=key)

key = env.TestKey("RPM-GPG-KEY-Test")
adv = driver("adv-17v35x", "adv-17v35x", version="ADV")
tables = driver("xtables-addons", "xtables-addons", version="TABLES", kbuild_dir=["extensions"],
                make_variables=VARIABLES)
ddcci = driver("ddcci", "ddcci", version="DDCCI", kbuild_dir="ddcci")
backlight = driver("ddcci-backlight", "ddcci", version="DDCCI", kbuild_dir="ddcci-backlight",
                   extra_symbols=[ddcci], requires=["ddcci = DDCCI"])
disk("adv-disk", 1, adv)
disk("tables-disk", 2, tables)
disk("ddcci-disk", 3, ddcci, backlight)
"""


@dataclass(frozen=True)
class Built:
    """The tree in which all was built, what each dkms.conf says, and the kernel."""

    tree: Tree
    confs: dict[str, DkmsConf]
    kernel: KernelTree


def fetch(folder: Path) -> dict[str, Path]:
    """The sources of each package, by its name without -dkms."""
    need("apt-get", "dpkg-deb")
    options = ["-q", "-o", "APT::Sandbox::User=root"]
    done = subprocess.run(
        ["apt-get", *options, "download", *PACKAGES], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lacks(f"Debian's packages are needed: {done.stderr.strip()}")
    found = {}
    for package in PACKAGES:
        (deb,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, folder / package], check=True)
        (found[package.removesuffix("-dkms")],) = (folder / package / "usr/src").iterdir()
    return found


@pytest.fixture(scope="module")
def built(headers: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Three driver disks."""
    need("rpmbuild", "rpmsign", "gpg")
    tree = Tree(tmp_path_factory.mktemp("dkms") / "tree")
    sources = fetch(tmp_path_factory.mktemp("debs"))
    confs = {name: parse_dkms((folder / "dkms.conf").read_text()) for name, folder in sources.items()}
    for name, folder in sources.items():
        shutil.copytree(folder, tree.path / name)
    variables = {**confs["xtables-addons"].make_variables, **{f"build_{name}": "" for name in OFF}}
    text = SCONSTRUCT.replace("VARIABLES", repr(variables))
    for word, name in (("ADV", "adv-17v35x"), ("TABLES", "xtables-addons"), ("DDCCI", "ddcci")):
        text = text.replace(word, confs[name].version)
    head = 'env = Environment(tools=["xspack"], XSPACK_TARGET="local", ENV={"PATH": "/usr/bin:/bin"}, '
    tree.declare(text, head + f'XSPACK_DDK="{headers}")\n')
    tree.scons("-j2").good()
    kernel = read_tree("", headers)
    assert isinstance(kernel, KernelTree)
    return Built(tree, confs, kernel)


def test_what_the_dkms_confs_say(built: Built) -> None:
    assert built.confs["adv-17v35x"].kbuild_dirs == ("",)
    assert built.confs["xtables-addons"].kbuild_dirs == ("extensions",)
    assert built.confs["ddcci"].kbuild_dirs == ("ddcci", "ddcci-backlight")
    assert [module.name for module in built.confs["ddcci"].modules] == ["ddcci", "ddcci-backlight"]


@pytest.mark.parametrize(
    ("disk", "modules"),
    [
        ("adv-disk", {"adv17v35x.ko"}),
        ("tables-disk", {"ACCOUNT/xt_ACCOUNT.ko", "compat_xtables.ko", "pknock/xt_pknock.ko"}),
        ("ddcci-disk", {"ddcci.ko", "ddcci-backlight.ko"}),
    ],
)
def test_dnf_installs_them(
    built: Built, scratch_root: Path, tmp_path: Path, disk: str, modules: set[str]
) -> None:
    infos = install(built, disk, scratch_root, tmp_path)
    assert set(infos) == modules
    assert {info.kernel for info in infos.values()} == {built.kernel.kernel}
    assert not any(b"/.work/" in path.read_bytes() for path in places(scratch_root, built.kernel).values())
    # What the kernel itself will look up: each symbol with its CRC, from the kernel or from the drivers.
    exported = {**crcs(built.kernel.symvers)}
    for symvers in (built.tree.path / "build/modules").glob("*.symvers"):
        exported |= crcs(symvers)
    for info in infos.values():
        assert info.versions == {name: exported[name] for name in info.versions}
    subprocess.run(["depmod", "-b", scratch_root, built.kernel.kernel], capture_output=True, check=True)
    dependencies = (scratch_root / f"lib/modules/{built.kernel.kernel}/modules.dep").read_text()
    if disk == "ddcci-disk":
        assert infos["ddcci-backlight.ko"].depends == ("ddcci",)
        assert "updates/ddcci-backlight.ko: updates/ddcci.ko\n" in dependencies
    if disk == "tables-disk":
        assert infos["pknock/xt_pknock.ko"].name == "xt_pknock"
        assert "updates/pknock/xt_pknock.ko:" in dependencies
    if disk == "adv-disk":
        rows = device_table(infos.values())
        assert (
            rows and {row.id.bus for row in rows} == {"pci"} and {row.id.vendor for row in rows} >= {"13fe"}
        )


def crcs(symvers: Path) -> dict[str, int]:
    lines = (line.split("\t") for line in symvers.read_text().splitlines())
    return {line[1]: int(line[0], 16) for line in lines}


def extract(iso: Path, folder: Path) -> None:
    """Every file of an ISO, by its Rock Ridge name."""
    options = ["isoinfo", "-R", "-i", iso]
    listed = subprocess.run([*options, "-f"], capture_output=True, text=True, check=True).stdout.splitlines()
    for name in listed:
        if "." in Path(name).name:
            place = folder / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(subprocess.run([*options, "-x", name], capture_output=True, check=True).stdout)


def places(root: Path, kernel: KernelTree) -> dict[str, Path]:
    folder = root / "lib/modules" / kernel.kernel / "updates"
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.ko")}


def install(built: Built, disk: str, root: Path, work: Path) -> dict[str, ModuleInfo]:
    """Apply the disk as xapi's package manager does, into a root with nothing but a stand-in of dom0."""
    need("dnf", "createrepo_c", "busybox", "depmod", "isoinfo")
    need_root()
    (iso,) = (built.tree.path / "build").glob(f"{disk}-*.iso")
    pack, dom0 = work / "pack", work / "dom0"
    extract(iso, pack)
    dom0.mkdir()
    stand_in(dom0, built.kernel)
    subprocess.run(["createrepo_c", "-q", dom0], check=True)
    key = built.tree.path / "build/keys/RPM-GPG-KEY-Test"
    (work / "dnf.conf").write_text(
        "[main]\nkeepcache=0\nreposdir=/dev/null\ngpgcheck=1\nrepo_gpgcheck=1\ninstallonlypkgs=\ngroup_command=compat\n"
        f"cachedir={work}/cache\nlogdir={work}\npersistdir={work}/persist\n"
        f"[disk]\nname=disk\nbaseurl=file://{pack}\ngpgkey=file://{key}\n"
        f"[dom0]\nname=dom0\nbaseurl=file://{dom0}\ngpgcheck=0\nrepo_gpgcheck=0\n"
    )
    common = ["dnf", "-y", "--noplugins", "-c", work / "dnf.conf", "--installroot", root]
    for group in ("@update", "@drivers"):
        words = [*common, "--releasever=7", "--forcearch=x86_64", "install", group]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    called = (root / "called").read_text().splitlines()
    assert f"depmod {built.kernel.kernel}" in called
    return {name: read_module(path) for name, path in places(root, built.kernel).items()}


def stand_in(folder: Path, kernel: KernelTree) -> None:
    """An RPM with what drivers need of dom0: a shell, and programs that note how they are called."""
    note = '#!/bin/sh\necho "${0##*/} $*" >> /called\n'
    programs = [
        FileEntry(f"/usr/sbin/{name}", "file", 0o755, text=note) for name in ("depmod", "dracut", "udevadm")
    ]
    busybox = shutil.which("busybox")
    assert busybox
    applets = ("sh", "rm", "touch", "true", "mkdir", "cat", "test")
    package = Package(
        "dom0-stand-in",
        "8.2.0",
        "1",
        "dom0",
        "GPL-2.0-only",
        entries=(
            *programs,
            FileEntry("/bin/busybox", "file", 0o755, source="busybox"),
            *(FileEntry(f"/bin/{name}", "link", link="busybox") for name in applets),
            FileEntry("/sbin", "link", link="usr/sbin"),
            FileEntry("/var/lib/rpm-state", "dir"),
            FileEntry("/run", "dir"),
        ),
        provides=(
            Dependency("kernel-uname-r", "=", kernel.kernel),
            Dependency("product-version", "=", "8.2.0"),
            Dependency("/bin/sh"),
        ),
        automatic_dependencies=False,
    )
    contents = {"busybox": Path(busybox)}
    write_rpm(package, contents, folder / package.file_name, payload="w2.xzdio", time=CONSTANT_TIME)
