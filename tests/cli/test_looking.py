"""info, diff, devices, rules, unpack: what they print, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from binary.test_module import squeezed
from forge import module
from msgspec.structs import asdict, replace
from pack_maker import PACK, UUID, PackMaker, package, xspack

from xspack_tool.evidence.text import size_words
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import Rollup
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.write import write_rpm

KERNEL = "4.19.0+1"
ALIASES = ("pci:v00008086d00001533sv*sd*bc*sc*i*", "pci:v00008086d0000FFF0sv*sd*bc*sc*i*")

DRIVER = Package(
    name="acme-nic",
    version="2.1",
    release="1",
    summary="Acme NIC",
    license="GPL-2.0-only",
    entries=(FileEntry(f"/lib/modules/{KERNEL}/updates/acme.ko", "file", mode=0o644, source="acme.ko"),),
    automatic_dependencies=False,
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver's RPM: one module that claims two devices."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "acme.ko").write_bytes(
        module(f"{KERNEL} SMP mod_unload modversions ", name=["acme"], alias=ALIASES)
    )
    rpm = folder / DRIVER.file_name
    write_rpm(DRIVER, {"acme.ko": folder / "acme.ko"}, rpm, payload="w2.gzdio", time=0)
    return rpm


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release's modules.alias."""
    file = tmp_path_factory.mktemp("inbox") / "modules.alias"
    file.write_text("alias pci:v00008086d00001533sv*sd*bc*sc*i* igb\n")
    return file


def test_devices(make_pack: PackMaker, driver: Path, inbox: Path) -> None:
    for file in (driver, driver.with_name("acme.ko"), make_pack(PACK, [driver])):
        rows = xspack("devices", file, "--inbox", inbox, "--json").json
        assert [(row["bus"], row["vendor"], row["device"], row["module"], row["inbox"]) for row in rows] == [
            ("pci", "8086", "1533", "acme", ["igb"]),
            ("pci", "8086", "fff0", "acme", []),
        ]
    (empty := inbox.with_name("empty.alias")).write_text("# Aliases extracted from modules themselves.\n")
    refused = xspack("devices", driver, "--inbox", empty)
    assert (refused.status, refused.err) == (1, f"xspack: {empty}: names no PCI, USB or HID device\n")
    said = xspack("devices", driver, "--inbox", inbox).out.splitlines()
    assert said[0].split() == ["BUS", "ID", "SUBSYSTEM", "CLASS", "MODULE", "INBOX", "NAME"]
    assert said[1].split()[:4] == ["pci", "8086:1533", "acme", "igb"]
    assert said[-1] == "2 devices claimed by 1 module, 1 of them supported by the release already"


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst"])
def test_compressed_modules_are_read_as_others(
    make_pack: PackMaker, driver: Path, tmp_path: Path, kind: str
) -> None:
    """By each command, and as those of the release."""
    folder, plain = tmp_path, driver.with_name("acme.ko")
    path = folder / f"acme.ko.{kind}"
    path.write_bytes(squeezed(kind, plain.read_bytes()))
    entry = FileEntry(f"/lib/modules/{KERNEL}/updates/{path.name}", "file", mode=0o644, source=path.name)
    rpm = folder / driver.name
    package = replace(DRIVER, entries=(entry,))
    write_rpm(package, {path.name: path}, rpm, payload="w2.gzdio", time=0)

    (folder / "here/kernel").mkdir(parents=True)
    (folder / "here/kernel" / path.name).write_bytes(squeezed(kind, module(name=["igb"], alias=ALIASES[:1])))
    for file, like in ((path, plain), (rpm, driver)):
        rows, others = (
            xspack("devices", one, "--inbox", folder / "here", "--json").json for one in (file, like)
        )
        assert rows == others and [row["inbox"] for row in rows] == [["igb"], []]
    old, new = (make_pack(PACK, [one]) for one in (driver, rpm))
    devices, others = (xspack("info", pack, "--json").json["devices"] for pack in (new, old))
    assert devices == others and len(devices) == 2
    said = xspack("diff", old, new)
    assert said.status == 0 and f"updates/{path.name}" in said.out and "device" not in said.out, said.out


def test_info_of_a_driver_disk(make_pack: PackMaker, driver: Path) -> None:
    pack = replace(
        PACK,
        driver_disk=True,
        requires=(Dependency("product-version", ">=", "8.2.0"),),
        after_apply=("restartHost",),
        rollups=(Rollup(UUID[:-1] + "0", "acme"),),
        enforce_homogeneity=True,
    )
    iso = make_pack(pack, [driver])
    key = make_pack.key
    said = xspack("info", iso, "--key", key.file).out
    by = key.public.key_id
    assert said.splitlines()[:16] == [
        "PACK             acme-5.2.iso",
        "label            acme",
        "version          5.2",
        f"uuid             {UUID}",
        "description      Acme drivers and agent",
        f"installed size   {size_words(driver.with_name('acme.ko').stat().st_size)}",
        "after apply      restartHost",
        "all hosts alike  yes",
        "key              RPM-GPG-KEY-Acme",
        f"signed           update.xml by {by} (good); repodata/repomd.xml by {by} (good)",
        "control          control-acme",
        "requires         product-version >= 8.2.0",
        f"rolls up         {UUID[:-1]}0 (acme)",
        "groups           update, drivers",
        "volume id        ACME_5_2",
        "devices          2",
    ]
    assert "acme-nic-2.1-1.x86_64" in said
    assert [row["module"] for row in xspack("info", iso, "--json").json["devices"]] == ["acme", "acme"]


def test_info_of_a_damaged_pack_says_what_is_wrong(make_pack: PackMaker) -> None:
    iso = make_pack.changed(make_pack(), lambda folder: (folder / "update.xml").unlink())
    said = xspack("info", iso)
    assert said.status == 1
    assert said.out.splitlines()[1] == "update.xml  missing"


OLD = package(
    "acme-agent",
    {"/opt/acme/agent": "one\n", "/opt/acme/gone": "\n", "/etc/acme.conf": "a\n"},
    version="5.1",
    requires=(Dependency("bash"),),
)
NEW = Package(
    **{
        **asdict(package("acme-agent", {"/opt/acme/agent": "two\n", "/etc/acme.conf": "a\n"}, version="5.2")),
        "scripts": (Script("post", (ScriptPart("true"),)),),
        "requires": (Dependency("python3", ">=", "3.6"),),
    }
)


def test_diff(make_pack: PackMaker, driver: Path) -> None:
    old = make_pack(replace(PACK, version="5.1", uuid=UUID[:-1] + "1"), [OLD, package("acme-legacy")])
    new = make_pack(PACK, [NEW, driver])
    said = xspack("diff", old, new)
    assert said.status == 0
    lines = said.out.splitlines()
    varying = ("installation size", "/var/update/applied/", "+ device: pci 8086:")
    assert [sum(words in line for line in lines) for words in varying] == [1, 2, 2]
    assert [line for line in lines if not any(words in line for words in varying)] == [
        "pack",
        "  ~ version: 5.1 -> 5.2",
        f"  ~ uuid: {UUID[:-1]}1 -> {UUID}",
        "- acme-legacy-5.2-1.noarch",
        "+ acme-nic-2.1-1.x86_64",
        "acme-agent.noarch",
        "  ~ version: 5.1-1 -> 5.2-1",
        "  + requires: /bin/sh",
        "  - requires: bash",
        "  + requires: python3 >= 3.6",
        "  + script %post",
        "  ~ /opt/acme/agent: other content of the same size",
        "  - /opt/acme/gone: -rw-r--r-- 1 bytes",
        "update-acme.noarch",
        "  ~ version: 5.1-1 -> 5.2-1",
        "  - requires: acme-agent >= 5.1-1",
        "  + requires: acme-agent >= 5.2-1",
        "  - requires: acme-legacy >= 5.2-1",
        "  + requires: acme-nic >= 2.1-1",
        "devices",
        (
            "acme 5.1 -> acme 5.2: 1 RPM added (acme-nic-2.1-1.x86_64), 1 RPM removed (acme-legacy-5.2-1.noarch), "
            "1 RPM changed (acme-agent 5.1-1 -> 5.2-1), 2 devices added"
        ),
    ]
    assert xspack("diff", old, new, "--summary").out == lines[-1] + "\n"
    assert xspack("diff", old, new, "--exit-code").status == 1
    assert xspack("diff", new, new, "--exit-code").status == 0
    assert xspack("diff", old, new, "--json").json["rpms_added"] == ["acme-nic-2.1-1.x86_64"]


def test_rules() -> None:
    rules = xspack("rules", "--json").json
    assert {"K1", "K2", "S1", "X3"} <= {rule["id"] for rule in rules}
    assert all(rule["severity"] in "EWI" and rule["meaning"] for rule in rules)
    said = xspack("rules", "k2").out
    assert said.startswith(
        "K2 (E): a kernel module is not below /lib/modules/<kernel>/updates\n  what to do: "
    )
    wrong = xspack("rules", "K99")
    assert (wrong.status, wrong.err.partition(";")[0]) == (2, "xspack: no rule is called 'K99'")
