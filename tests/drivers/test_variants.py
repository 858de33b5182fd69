"""Variants of a driver, as XenServer 9 lets an administrator select one."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drivers.conftest import release
from forge import Forged, forge
from module_keys import make_pair
from pack_maker import program, xspack
from rpm_asked import payload
from support import ROOT, need, need_root
from trees import Tree

from xspack_tool.binary.elf import read_elf
from xspack_tool.binary.signature import read_certificates, verify
from xspack_tool.ddk.variant import note_object
from xspack_tool.rpm.read import read_rpm

#: The copy of xcp-python-libs' module that judges, where one is named.
DMV = os.environ.pop("XSPACK_DMV", "")  # no variable of a build, so builds refuse it
NINE = (ROOT / "xspack_tool/releases/xenserver-9.toml").read_text()
HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="nine.toml")\n'
KEYS = 'env["XSPACK_MODULE_KEYS"] = ["cert.pem"]\n'
DECLARED = """\
def D(name, **more):
    return env.KernelModule(name, ddk="{0}", sign_key=["key.pem", "cert.pem"], summary="Acme", **more)
generic = D("acme_nic-generic", version="2.1", source="one", variant="generic", priority=10)
dell = D("acme_nic-dell", version="2.2", source="two", variant="dell", status="beta", category="storage")
env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22", description="d", packages=[generic, dell],
         requires=["product-version >= 9"], key=env.TestKey("KEY"))
"""
ID = {"vendor_id": "1af4", "subvendor_id": "*", "subdevice_id": "*"}


@dataclass(frozen=True)
class Made:
    """The tree with its pack, and the kernel."""

    tree: Tree
    kernel: str

    def files(self, rpm: str) -> dict[str, bytes]:
        """The payload of an RPM by its paths."""
        return payload(self.tree.path / rpm)


@pytest.fixture(scope="module")
def made(trees: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two variants of a driver, signed, in one pack for a release that has driver-tool."""
    need("openssl", "readelf")
    kernel, kit = next(iter(trees.items()))
    tree = Tree(tmp_path_factory.mktemp("variants") / "tree")
    source = (ROOT / "examples/driver/driver/acme_nic.c").read_text()
    for name, text in (("one", source), ("two", source.replace("0x10f1", "0x10f9"))):
        tree.write({f"{name}/acme_nic.c": text, f"{name}/Kbuild": "obj-m := acme_nic.o\n"})
    tree.write({"nine.toml": NINE.replace("kernels = []", f'kernels = ["{kernel}"]')})
    make_pair(tree.path)
    tree.declare(DECLARED.format(kit), HEAD + KEYS)
    ran = tree.scons("pack", env={"LDFLAGS_MODULE": "", "GNUPGHOME": ""}).good()
    assert " 0 errors, 0 warnings" in ran.said
    return Made(tree, kernel)


RPMS = {
    "generic": ("build/rpms/acme_nic-generic-2.1-1.x86_64.rpm", "2.1"),
    "dell": ("build/rpms/acme_nic-dell-2.2-1.x86_64.rpm", "2.2"),
}


@pytest.mark.parametrize("variant", RPMS)
def test_what_lies_where(made: Made, variant: str) -> None:
    rpm, version = RPMS[variant]
    folder = f"/lib/modules/{made.kernel}/dmv/acme_nic/{version}"
    files = made.files(rpm)
    assert set(files) == {f"{folder}/acme_nic.ko", f"{folder}/info.json"}
    assert read_rpm(made.tree.path / rpm).scripts == ()
    elf = read_elf(io.BytesIO(files[f"{folder}/acme_nic.ko"]), "acme_nic.ko")
    assert elf.variant == variant
    assert elf.signature is not None
    (signer,) = elf.signature.signers
    assert verify(signer, read_certificates(made.tree.path / "cert.pem")) == "good"


def test_info_json(made: Made) -> None:
    info = {name: json.loads(_info(made, name)) for name in RPMS}
    assert info["generic"] == {
        "name": "acme_nic",
        "category": "network",
        "description": "Acme",
        "variant": "generic",
        "version": "2.1",
        "priority": 10,
        "status": "production",
        "pci_ids": {"acme_nic.ko": [{**ID, "device_id": "10f1"}, {**ID, "device_id": "10f2"}]},
    }
    assert (info["dell"]["category"], info["dell"]["status"], info["dell"]["priority"]) == (
        "storage",
        "beta",
        0,
    )
    assert [one["device_id"] for one in info["dell"]["pci_ids"]["acme_nic.ko"]] == ["10f2", "10f9"]


def _info(made: Made, variant: str) -> bytes:
    rpm, _ = RPMS[variant]
    return next(content for path, content in made.files(rpm).items() if path.endswith("/info.json"))


def test_readelf_shows_the_note(made: Made, tmp_path: Path) -> None:
    for variant, (rpm, _) in RPMS.items():
        module = next(content for path, content in made.files(rpm).items() if path.endswith(".ko"))
        (tmp_path / "acme.ko").write_bytes(module)
        said = program("readelf", "-nW", tmp_path / "acme.ko").stdout
        note = said.partition(".note.XenServer")[2]
        data = " ".join(f"{byte:02x}" for byte in f"{variant}\0".encode())
        assert re.search(rf"XenServer\s.*NT_VERSION.*description data: {data}\b", note, re.DOTALL), said


@pytest.mark.parametrize("variant", RPMS)
def test_the_hosts_own_reader_reads_the_note(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The kernel shows the section of a loaded module as a file, which dmv.py reads."""
    need("objcopy")
    rpm, _ = RPMS[variant]
    (tmp_path / "acme.ko").write_bytes(
        next(text for path, text in made.files(rpm).items() if path.endswith(".ko"))
    )
    shown = tmp_path / "shown"
    program("objcopy", "-O", "binary", "--only-section=.note.XenServer", tmp_path / "acme.ko", shown)
    if DMV:
        monkeypatch.syspath_prepend(Path(DMV).parents[1])
        theirs: Any = importlib.import_module("xcp.dmv")
        path = SimpleNamespace(splitext=os.path.splitext, join=os.path.join, isfile=lambda _: True)
        monkeypatch.setattr(theirs, "os", SimpleNamespace(path=path))
        monkeypatch.setattr(theirs, "open", lambda *_: shown.open("rb"), raising=False)
        assert theirs.get_active_variant(["acme_nic.ko"]) == variant
    else:
        with shown.open("rb") as file:
            owner, size, kind = struct.unpack("III", file.read(12))
            assert (file.read(owner), kind) == (b"XenServer", 1)  # and with no zero byte
            file.read(-owner % 4)
            assert file.read(size)[:-1] == variant.encode("ascii")


TWICE = """\
kits = [env.Ddk(tree, release=release) for tree, release in KITS]
def D(name, **more):
    sign = ["key.pem", "cert.pem"]
    return env.KernelModule(name, ddk=kits, sign_key=sign, summary="Acme", kernel_in_name=True, **more)
rpms = [D("acme_nic-generic", version="2.1", source="one", variant="generic", priority=10),
        D("acme_nic-dell", version="2.2", source="two", variant="dell")]
env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e25", description="d", packages=rpms,
         requires=["product-version >= 9"], key=env.TestKey("KEY"))
"""


def installed(tree: Tree, kernels: list[str], root: Path) -> None:
    """Have dnf install all RPMs of the tree, for releases that have those kernels."""
    repository = root.parent / "repository"
    repository.mkdir()
    words = tuple(f"Provides: kernel-uname-r = {kernel}" for kernel in kernels)
    host = forge(Forged(name="host", arch="noarch", lines=words), root.parent)
    for rpm in (host, *tree.path.glob("build/rpms/*.rpm")):
        (repository / rpm.name).write_bytes(rpm.read_bytes())
    program("createrepo_c", "-q", repository)
    names = [rpm.name.removesuffix(".rpm") for rpm in repository.glob("acme*.rpm")]
    assert len(names) == 2 * len(kernels)
    options = [
        f"--installroot={root}",
        f"--repofrompath=acme,file://{repository}",
        "--repo=acme",
        "--releasever=9",
    ]
    options += ["--nogpgcheck", "--setopt=reposdir=/dev/null", f"--setopt=cachedir={root.parent}/cache"]
    program("dnf", "-y", "-q", *options, "install", *names)


def depmod(root: Path, symvers: str, kernel: str) -> str:
    """What depmod says of the modules whose symbols the kernel does not have."""
    words = ["depmod", "-b", str(root), "-e", "-E", symvers, kernel]
    return subprocess.run(words, capture_output=True, text=True, check=True).stderr


def test_two_variants_for_two_kernels_in_one_root(made: Made, trees: dict[str, str], tmp_path: Path) -> None:
    """dnf puts them side by side; each, selected as driver-tool does it, loads on both kernels, as far as depmod and
    modprobe can tell."""
    need_root()
    need("dnf", "createrepo_c", "depmod", "modprobe", "readelf")
    tree = Tree(tmp_path / "tree")
    kernels = ", ".join(f'"{kernel}"' for kernel in trees)
    tree.write({"nine.toml": NINE.replace("kernels = []", f"kernels = [{kernels}]")})
    for name in ("one", "two"):
        tree.write(
            {
                f"{name}/{file}": (made.tree.path / name / file).read_bytes()
                for file in ("acme_nic.c", "Kbuild")
            }
        )
    tree.write({name: (made.tree.path / name).read_bytes() for name in ("key.pem", "cert.pem")})
    kits = [(folder, "nine.toml") for folder in trees.values()]
    ran = tree.declare(f"KITS = {kits}\n{TWICE}", HEAD + KEYS).scons("pack").good()
    assert " 0 errors, 0 warnings" in ran.said
    root = tmp_path / "root"
    installed(tree, list(trees), root)
    for kernel, folder in trees.items():
        modules = root / "lib/modules" / kernel
        assert {path.parent.name for path in modules.glob("dmv/acme_nic/*/info.json")} == {"2.1", "2.2"}
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            (modules / name).touch()
        (modules / "updates").mkdir()
        for version, variant in (("2.1", "generic"), ("2.2", "dell")):
            module = modules / "dmv/acme_nic" / version / "acme_nic.ko"
            data = " ".join(f"{byte:02x}" for byte in f"{variant}\0".encode())
            assert data in program("readelf", "-nW", module).stdout
            link = modules / "updates/acme_nic.ko"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../dmv/acme_nic/{version}/acme_nic.ko")
            assert depmod(root, f"{folder}/Module.symvers", kernel) == ""
            assert "acme_nic.ko needs unknown symbol" in depmod(root, "/dev/null", kernel)  # it does look
            said = program("modprobe", "--dry-run", "-v", "-d", root, "-S", kernel, "acme_nic").stdout
            assert said.split()[:2] == ["insmod", f"{root}/lib/modules/{kernel}/updates/acme_nic.ko"]


LSPCI = '00:15.3 "0200" "1af4" "10f9" -r01 -p00 "15ad" "07a0"\n00:01.0 "0604" "8086" "7191" -r01 -p00 "" ""\n'
#: What driver-tool -l says of the pack on a machine with that hardware.
LISTED = {
    "acme_nic": {
        "type": "network",
        "friendly_name": "acme_nic",
        "description": "Acme",
        "info": "acme_nic",
        "variants": {
            "generic": {"version": "2.1", "hardware_present": False, "priority": 10, "status": "production"},
            "dell": {"version": "2.2", "hardware_present": True, "priority": 0, "status": "beta"},
        },
    }
}


def test_what_the_hosts_own_reader_lists_and_selects(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By xcp/dmv.py of xcp-python-libs where the machine has it (XSPACK_DMV is its path), else by its rules."""
    root = tmp_path / "lib/modules"
    for rpm, _ in RPMS.values():
        for path, content in made.files(rpm).items():
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    updates, dmv = (root / made.kernel / name for name in ("updates", "dmv"))
    if DMV:
        monkeypatch.syspath_prepend(Path(DMV).parents[1])
        theirs: Any = importlib.import_module("xcp.dmv")
        monkeypatch.setattr(theirs, "get_all_kabi_dirs", lambda: [(made.kernel, str(updates), str(dmv))])
        monkeypatch.setattr(theirs.subprocess, "run", lambda argv, **_: SimpleNamespace(stdout=LSPCI))
        manager = theirs.DriverMultiVersionManager()
        manager.parse_dmv_list()
        listed = manager.get_dmv_list()["drivers"]
        assert manager.create_dmv_symlink("acme_nic", "2.2")
    else:
        listed = by_its_rules(sorted(dmv.rglob("info.json")))
        updates.mkdir()
        for module in dmv.joinpath("acme_nic", "2.2").rglob("*.ko"):
            (updates / module.name).symlink_to(module)
    listed["acme_nic"]["type"] = "network"  # of several variants, that of whichever was read first
    assert listed == LISTED
    assert [(path.name, path.resolve()) for path in updates.iterdir()] == [
        ("acme_nic.ko", (dmv / "acme_nic/2.2/acme_nic.ko").resolve())
    ]


def by_its_rules(files: list[Path]) -> dict[str, Any]:
    """Drivers by name, their variants by theirs; hardware is present where one id of any module fits it."""
    drivers: dict[str, Any] = {}
    for file in files:
        data = json.loads(file.read_text(encoding="ascii"))
        driver = drivers.setdefault(
            data["name"],
            {
                "type": data["category"],
                "friendly_name": data["name"],
                "description": data["description"],
                "info": data["name"],
                "variants": {},
            },
        )
        ids = [row for rows in data["pci_ids"].values() for row in rows]
        driver["variants"][data["variant"]] = {
            "version": data["version"],
            "hardware_present": any((row["vendor_id"], row["device_id"]) == ("1af4", "10f9") for row in ids),
            "priority": data["priority"],
            "status": data["status"],
        }
    return drivers


def test_the_same_declaration_is_classic_elsewhere(trees: dict[str, str], tmp_path: Path) -> None:
    kernel, kit = next(iter(trees.items()))
    tree = Tree(tmp_path / "tree").write({"eight.toml": release(kernel, "8.2.1")})
    tree.write({"one/acme.c": (ROOT / "examples/driver/driver/acme_nic.c").read_text()})
    tree.write({"one/Kbuild": "obj-m := acme.o\n"})
    declared = (
        f'env.KernelModule("acme", version="1", source="one", ddk="{kit}", variant="generic", priority=1)\n'
    )
    tree.declare(declared, HEAD.replace("nine.toml", "eight.toml")).scons(".").good()
    info = read_rpm(tree.path / "build/rpms/acme-1-1.x86_64.rpm")
    assert [file.path for file in info.files if file.is_file] == [f"/lib/modules/{kernel}/updates/acme.ko"]
    assert {one.phase for one in info.scripts} >= {"post", "postun"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('variant="a/b"', "variant='a/b': must be letters, digits and _ . @ (xapi refuses others)"),
        ('variant="ü"', "variant='ü': must be letters, digits and _ . @ (xapi refuses others)"),
        ('variant="x", status="ü"', "status='ü': must be one line of ASCII text, as info.json holds it"),
        ('variant="x", priority="high"', "priority='high': priority must be a whole number from 0"),
    ],
)
def test_what_no_host_could_select(made: Made, tmp_path: Path, more: str, said: str) -> None:
    tree = Tree(tmp_path / "tree").write({"nine.toml": (made.tree.path / "nine.toml").read_text()})
    tree.write({"one/Kbuild": "obj-m := acme.o\n", "one/acme.c": ""})
    kit = re.search('ddk="([^"]+)"', (made.tree.path / "SConstruct").read_text())
    assert kit is not None
    text = f'env.KernelModule("acme", version="1", source="one", ddk="{kit[1]}", {more})\n'
    assert any(said in line for line in tree.declare(text, HEAD).scons(".").refused())


def test_two_variants_in_one_folder(made: Made, tmp_path: Path) -> None:
    text = (made.tree.path / "SConstruct").read_text().replace('version="2.2"', 'version="2.1"')
    tree = Tree(tmp_path / "tree").write({"nine.toml": (made.tree.path / "nine.toml").read_text()})
    for name in ("one", "two"):
        tree.write({f"{name}/acme_nic.c": "", f"{name}/Kbuild": "obj-m := acme_nic.o\n"})
    for name in ("key.pem", "cert.pem"):
        tree.write({name: (made.tree.path / name).read_bytes()})
    (said,) = tree.write({"SConstruct": text}).scons("pack").refused()
    assert (
        f"version='{made.kernel} dmv/acme_nic/2.1': already taken by KernelModule 'acme_nic-generic'" in said
    )


def test_the_note_is_an_object_that_binutils_read(tmp_path: Path) -> None:
    need("readelf", "ld")
    (tmp_path / "note.o").write_bytes(note_object("generic", "x86_64"))
    done = subprocess.run(["readelf", "-aW", tmp_path / "note.o"], capture_output=True, text=True)
    assert done.stderr == ""
    program("ld", "-r", "-o", tmp_path / "linked.o", tmp_path / "note.o")
    with open(tmp_path / "linked.o", "rb") as file:
        assert read_elf(file, "linked.o").variant == "generic"


def test_what_info_and_devices_show(made: Made) -> None:
    iso = made.tree.path / "build/disk-1.iso"
    said = xspack("info", iso, "--json").json
    assert [(one["driver"], one["variant"], one["version"], one["priority"]) for one in said["variants"]] == [
        ("acme_nic", "generic", "2.1", 10),
        ("acme_nic", "dell", "2.2", 0),
    ]
    assert [(one["variant"], [who["hash"] for who in one["signers"]]) for one in said["modules"]] == [
        ("dell", ["sha256"]),
        ("generic", ["sha256"]),
    ]
    lines = [" ".join(line.split()) for line in xspack("info", iso).out.splitlines()]
    at = lines.index("DRIVER VARIANT VERSION PRIORITY STATUS CATEGORY KERNEL")
    assert lines[at + 1 : at + 3] == [
        f"acme_nic generic 2.1 10 production network {made.kernel}",
        f"acme_nic dell 2.2 0 beta storage {made.kernel}",
    ]
    at = lines.index("MODULE SIGNED BY HASH KEY")
    place = f"/lib/modules/{made.kernel}/dmv/acme_nic/2.2/acme_nic.ko"
    assert lines[at + 1].startswith(f"{place} Acme sha256 ")
    rows = xspack("devices", iso, "--json").json
    assert [(row["device"], row["variant"]) for row in rows] == [
        ("10f1", "generic"),
        ("10f2", "dell"),
        ("10f2", "generic"),
        ("10f9", "dell"),
    ]
    head, *rest = xspack("devices", iso).out.splitlines()
    assert head.split() == ["BUS", "ID", "SUBSYSTEM", "CLASS", "MODULE", "VARIANT", "INBOX", "NAME"]
    assert ["acme_nic", "generic"] in [line.split()[2:4] for line in rest]


def test_what_diff_shows(made: Made, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    for path in (
        "nine.toml",
        "cert.pem",
        "key.pem",
        "SConstruct",
        *(f"{name}/Kbuild" for name in ("one", "two")),
    ):
        tree.write({path: (made.tree.path / path).read_bytes()})
    for name in ("one", "two"):
        tree.write({f"{name}/acme_nic.c": (made.tree.path / name / "acme_nic.c").read_text()})
    text = (tree.path / "SConstruct").read_text()
    for old, new in (
        ('"2.2"', '"2.3"'),
        ('"2.1"', '"2.4"'),
        ("priority=10", "priority=7"),
        ('disk", version="1"', 'disk", version="2"'),
    ):
        text = text.replace(old, new)
    tree.write({"SConstruct": text.replace("2e22", "2e24")}).scons("pack").good()
    old, new = made.tree.path / "build/disk-1.iso", tree.path / "build/disk-2.iso"
    changes = xspack("diff", old, new, "--json").json["variants"]
    assert [(one["kind"], one["what"], one["old"], one["new"]) for one in changes] == [
        ("~", f"acme_nic dell for {made.kernel}: version", "2.2", "2.3"),
        ("~", f"acme_nic generic for {made.kernel}: version", "2.1", "2.4"),
        ("~", f"acme_nic generic for {made.kernel}: priority", "10", "7"),
    ]
    said = xspack("diff", old, new).out
    assert f"~ acme_nic dell for {made.kernel}: version: 2.2 -> 2.3" in said
    _upgraded(made, old, new)


def _upgraded(made: Made, old: Path, new: Path) -> None:
    """An upgrade that takes the version away that is selected leaves links that lead nowhere, and says so."""
    need_root()
    need("dnf", "busybox")
    done = xspack("try", new, "--upgrade-from", old, "--target", made.tree.path / "nine.toml", "--json")
    assert done.status == 0, done.out + done.err
    applied = [stage["why"] for stage in done.json["stages"] if stage["name"] == "apply disk 2"]
    link = f"/lib/modules/{made.kernel}/updates/acme_nic.ko"
    assert applied == [[], [f"{link} leads nowhere now: a variant is to be selected anew"]]


def test_try_selects_as_driver_tool_does(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_root()
    need("dnf", "busybox")
    iso, key = made.tree.path / "build/disk-1.iso", made.tree.path / "build/keys/KEY"
    target = ["--target", made.tree.path / "nine.toml"]
    done = xspack("try", iso, "--key", key, *target, "--json")
    assert done.status == 0, done.out + done.err
    stages = {stage["name"]: stage for stage in done.json["stages"]}
    link = f"/lib/modules/{made.kernel}/updates/acme_nic.ko"
    dell, generic = (f"select acme_nic {name} for {made.kernel}" for name in ("dell 2.2", "generic 2.1"))
    assert list(stages)[-2:] == [dell, generic]  # what the installer proposes comes last
    folder = f"/usr/lib/modules/{made.kernel}/updates"  # to which /lib leads
    assert stages[dell]["added"] == [folder, f"{folder}/acme_nic.ko"]
    assert stages[generic]["changed"] == [f"{folder}/acme_nic.ko"]
    calls = ["weak-modules --no-initramfs --add-modules", "depmod -a"]
    assert stages[dell]["calls"] == stages[generic]["calls"] == calls
    for stage, version in ((dell, "2.2"), (generic, "2.1")):
        module = f"/lib/modules/{made.kernel}/dmv/acme_nic/{version}/acme_nic.ko"
        assert stages[stage]["order"] == [f"{link} -> {module}"]
        assert selected_by_the_hosts_own(made, tmp_path / version, monkeypatch, version) == {link: module}
    said = xspack("try", iso, *target).out
    assert f"{dell}: good" in said
    assert f"  {link} -> {module}" in said
    assert "  called: depmod -a" in said


def selected_by_the_hosts_own(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> dict[str, str]:
    """The links that dmv.py's selection makes of the packed files, or (without it) those that its source says."""
    root = tmp_path / "there"
    for rpm, _ in RPMS.values():
        for path, content in made.files(rpm).items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    modules = root / "lib/modules" / made.kernel
    called: list[list[str]] = []
    if DMV:
        monkeypatch.syspath_prepend(Path(DMV).parents[1])
        theirs: Any = importlib.import_module("xcp.dmv")
        monkeypatch.setattr(
            theirs,
            "get_all_kabi_dirs",
            lambda: [(made.kernel, str(modules / "updates"), str(modules / "dmv"))],
        )

        def note(argv: list[str], **_: Any) -> SimpleNamespace:
            called.append(argv)
            return SimpleNamespace(stdout=made.kernel)

        monkeypatch.setattr(theirs.subprocess, "run", note)
        assert theirs.DriverMultiVersionManager().create_dmv_symlink("acme_nic", version)
        programs = [" ".join([Path(argv[0]).name, *argv[1:]]) for argv in called]
        assert programs[:2] == ["weak-modules --no-initramfs --add-modules", "depmod -a"]
    else:
        (modules / "updates").mkdir()
        for module in (modules / "dmv/acme_nic" / version).rglob("*.ko"):
            (modules / "updates" / module.name).symlink_to(module)
    return {
        f"/{path.relative_to(root)}": str(path.readlink()).removeprefix(str(root))
        for path in (modules / "updates").iterdir()
    }
