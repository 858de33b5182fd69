"""What foreign files are read by, a kind of file each: its originals, and the readers that a changed one meets.

A reader may refuse a file in words (an XspackError, or a Refused of the cache). Anything else that it raises is a
fault, and so is a word of it that would reach a terminal or a page raw.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from forge import Forged, forge, module
from module_keys import make_pair, signed_by
from msgspec.structs import replace
from pack_maker import PACK, PackMaker, make_key, package
from soak.commands import (
    OF_PACKS,
    OF_RPMS,
    by_commands,
    harmless,
    harmless_form,
    harmless_in_colour,
    harmless_page,
)
from soak.mutate import mutated
from support import ROOT

from xspack_tool.binary.compressed import compression
from xspack_tool.binary.module import parse_module
from xspack_tool.binary.signature import read_certificates, verify
from xspack_tool.cache import keys as cache_keys
from xspack_tool.cache.entry import Refused, entry_of, sign_entry, take, verified_entry
from xspack_tool.cache.keys import read_secret, read_signing, read_trusted
from xspack_tool.cli.context import pack_context
from xspack_tool.cli.verify import rule_findings
from xspack_tool.ddk.compile_commands import write_compile_commands
from xspack_tool.ddk.dkms import parse_dkms
from xspack_tool.ddk.inbox import read_inbox
from xspack_tool.errors import BadInput, Place, XspackError
from xspack_tool.evidence.changes import pack_changes
from xspack_tool.evidence.formats import FORMATS
from xspack_tool.evidence.inventory import inventory_of
from xspack_tool.evidence.page import Page, render_page
from xspack_tool.evidence.provenance import Artifact, provenance
from xspack_tool.evidence.timeline import Ran, Timeline, read_timeline, write_timeline
from xspack_tool.evidence.verdicts import judge_hosts
from xspack_tool.files import file_digest
from xspack_tool.hosts.index import read_groups, read_index
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import Script, ScriptPart
from xspack_tool.pack.document import parse_document
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.plan.notes import read_notes, write_notes
from xspack_tool.plan.pack import read_number
from xspack_tool.plan.record import read_records
from xspack_tool.plan.verdict import read_report
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease
from xspack_tool.repo.fragment import line_of, make_fragment, read_fragments
from xspack_tool.repo.repodata import iso_names
from xspack_tool.rpm.openpgp import armoured_key_ids, key_ids
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_open_rpm
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import Report, as_json, as_text, judge
from xspack_tool.rules.sarif import as_sarif
from xspack_tool.sandbox.stages import _Unpacked
from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import read_public_key

#: The release that packs are judged by, and when.
_PROFILE, _NOW = "xenserver-8", 1_700_000_000
_DKMS = b"""\
PACKAGE_NAME="acme"
PACKAGE_VERSION=1.0
BUILT_MODULE_NAME[0]="acme"
BUILT_MODULE_LOCATION[0]="src/"
DEST_MODULE_LOCATION[0]="/updates"
MAKE[0]="make KVER=$kernelver CONFIG_ACME=m -C ${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build/src"
PATCH[0]="a.patch"
PATCH_MATCH[0]="^4.19"
if true; then AUTOINSTALL="yes"; fi
BUILD_EXCLUSIVE_KERNEL="^4\\.19"
"""
_SCRIPTS = (Script("post", parts=(ScriptPart("if [ $1 -gt 1 ]; then\n  echo ${x:-$(date)}\nfi\n"),)),)


@dataclass(frozen=True)
class Kind:
    """A kind of file. ``read(content, place)`` meets a changed one, which lies at ``place`` too where ``on_disk``;
    ``share`` is its part of the time."""

    originals: list[bytes]
    read: Callable[[bytes, Path], object]
    share: int
    on_disk: bool = False
    #: Of packed files, the contents are changed.
    packed: bool = False
    #: How much of the beginning is changed, where the rest is of no interest.
    head: int | None = None

    def input(self, rng: random.Random) -> bytes:
        """A changed file."""
        original = rng.choice(self.originals)
        if self.packed and rng.random() < 0.9:
            return gzip.compress(mutated(gzip.decompress(original), rng, self.originals), 1, mtime=0)
        if self.head is not None and rng.random() < 0.9:
            return mutated(original[: self.head], rng, self.originals) + original[self.head :]
        return mutated(original, rng, self.originals)


def try_one(kind: Kind, content: bytes, place: Path) -> bool:
    """Have a file read; whether it was taken. Raises for every fault."""
    if kind.on_disk:
        place.write_bytes(content)
    try:
        kind.read(content, place)
    except Refused:
        return False
    except XspackError as refused:
        said = str(refused)
        harmless(said, "the message")
        assert not isinstance(refused, BadInput) or "\n" not in said, said
        return False
    return True


class _Shelf:
    """An index's files as the reader of indexes takes them from an ISO."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.path, self.files = Path("soak.iso"), files

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def read(self, name: str, most: int = 1 << 30) -> bytes:
        return self.files[name]

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.files[name])


def _read_header(content: bytes, place: Path) -> None:
    read_info(io.BytesIO(content), "soak.rpm")


def _read_rpm(content: bytes, place: Path) -> None:
    """As the rules read it, each form in which they tell of it, and its whole payload."""
    file = io.BytesIO(content)
    info, findings = check_open_rpm(file, "soak.rpm", load_profile(_PROFILE), DriverData())
    _tell(Report(info.name, info.version, tuple(findings)), ())
    info, offset = read_info(file, "soak.rpm")
    for _, member in payload_of(file, info, offset, "soak.rpm"):
        while member.read(1 << 16):
            pass


def _read_tree(content: bytes, place: Path) -> None:
    with IsoReader(place) as iso:
        for entry in iso.entries:
            if entry.kind == "file":
                with iso.open(entry.path) as file:
                    while file.read(1 << 16):
                        pass


def _read_iso(content: bytes, place: Path) -> None:
    """All that commands do with a pack short of starting programs, and each form in which they tell of it."""
    pack = hash_rpms(open_pack(place))
    profile = load_profile(_PROFILE)
    findings = rule_findings(pack, profile, DriverData())
    report = judge(pack_context(pack, profile, None, None, _NOW, None), findings)
    verdicts = judge_hosts(pack, Host(KnownRelease(profile, pack.infos, None)))
    changes = pack_changes(pack, pack, (), ())
    assert not changes.any
    _tell(report, verdicts)
    inventory = inventory_of(pack, profile.name)
    harmless_page(render_page(Page(inventory, "soak", "", 0, verdicts, report, [], changes)))


def _tell(report: Report, verdicts: Sequence[Verdict]) -> None:
    """All that is told of findings: to CI systems, on a terminal, in a build's log and its files."""
    for name, form in FORMATS.items():
        harmless_form(name, form("soak.iso", verdicts, report))
    place = {(report.label, ""): Place("SConstruct", 1)}
    harmless(as_text([report], places=place, width=80), "the report")
    harmless_in_colour(as_text([report], colour=True), "the report")
    harmless(as_json(report), "the file of findings")
    harmless(as_sarif(report, all_rules(), "1", place), "the build's SARIF")


def _read_signature(content: bytes, place: Path) -> None:
    armoured_key_ids(content)
    key_ids(content)


def _read_cache_key(content: bytes, place: Path) -> None:
    with_words(lambda: read_trusted([str(place)]))
    with_words(lambda: read_signing(str(place)))
    read_secret(content.decode("utf-8", "replace"), "soak")


def with_words(read: Callable[[], object]) -> None:
    """Go on after what is refused in words."""
    try:
        read()
    except XspackError as refused:
        harmless(str(refused), "the message")


def _own_files(content: bytes, place: Path) -> None:
    """Files of a build, by each of their readers."""
    with_words(lambda: read_fragments([place]))
    with_words(lambda: read_records([place]))
    with_words(lambda: iso_names(place))
    with_words(lambda: read_number(place))
    with_words(lambda: _tell(read_report(place), ()))
    read_timeline(place, "")
    read_notes(place)
    write_compile_commands(place.with_name("commands"), [place])


def _read_dkms(content: bytes, place: Path) -> None:
    parse_dkms(content.decode("utf-8", "replace"), "soak.conf")


def _certificates_for(driver: bytes) -> Callable[[bytes, Path], None]:
    """A reader of certificates, by which the signature of a module is verified."""
    signature = parse_module("soak.ko", io.BytesIO(driver)).signature
    assert signature is not None

    def read(content: bytes, place: Path) -> None:
        verify(signature.signers[0], read_certificates(place))

    return read


def _read_inbox(content: bytes, place: Path) -> None:
    read_inbox(place).drivers("pci:v00008086d000010FBsv*sd*bc*sc*i*")


def _read_unpacked(content: bytes, place: Path) -> None:
    """What `xspack try` reads of a pack before any program is started."""
    folder = place.with_name("unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    _Unpacked(place, folder)


@contextmanager
def kinds() -> Iterator[dict[str, Kind]]:
    """All kinds by their names, made of packs and keys of their own."""
    with tempfile.TemporaryDirectory(prefix="xs-soak-", dir="/tmp") as name:
        folder = Path(name)
        key = make_key(folder, "RPM-GPG-KEY-Soak")
        try:
            yield _kinds(folder, PackMaker(folder, key))
        finally:
            end_agent(key.home)


def _kinds(folder: Path, maker: PackMaker) -> dict[str, Kind]:
    packages = [
        package(),
        package("acme-tools", {f"/opt/t/{n}": "#!/bin/sh\nexec true\n" for n in range(12)}, scripts=_SCRIPTS),
        package("acme-nic", {"/lib/modules/4.19.0+1/updates/acme.ko": "\x7fELF no module\n"}, arch="x86_64"),
    ]
    rpms = [
        maker.rpm(one, how) for one, how in zip(packages, ("w2.gzdio", "w1.xzdio", "w2.zstdio"), strict=True)
    ]
    pack = {"precheck": "#!/bin/sh\nexit 0\n", "remove": "#!/bin/sh\n"}
    wanted = (Dependency("product-version", ">=", "8.2.0"),)
    isos = [
        maker(),
        maker(replace(PACK, requires=wanted, driver_disk=True), packages, **pack),  # type: ignore[arg-type]
    ]
    images = [iso.read_bytes() for iso in isos]
    shelves = [dict(_index(iso)) for iso in isos]
    rpm_bytes = [rpm.read_bytes() for rpm in rpms]
    return {
        "RPM headers": Kind(rpm_bytes, _read_header, 14, head=6000),
        "RPMs": Kind(rpm_bytes, _read_rpm, 14),
        "ISO trees": Kind(images, _read_tree, 10, on_disk=True, head=60_000),
        "ISOs": Kind(images, _read_iso, 18, on_disk=True),
        "update.xml": Kind(
            [_member(iso, "update.xml") for iso in isos], lambda content, _: parse_document(content), 10
        ),
        **_repodata(shelves),
        **_keys(folder, maker, isos),
        **_cache(folder),
        "modules": Kind(_modules(folder), _read_module, 4),
        **_by_commands(folder, maker, images, rpm_bytes),
        "files of a build": Kind(_built(folder, rpms, shelves), _own_files, 5, on_disk=True),
    }


def _modules(folder: Path) -> list[bytes]:
    plain = module(alias=["pci:v00008086d000010FBsv*sd*bc*sc*i*"], symbols=["printk 0x1"])
    return [module(), plain, signed_by(plain, make_pair(folder / "module-keys"))]


def _by_commands(folder: Path, maker: PackMaker, images: list[bytes], rpms: list[bytes]) -> dict[str, Kind]:
    """Packs, RPMs and the files that commands are given besides, as users have them looked at."""
    pair = make_pair(folder / "module-key")
    driver = signed_by(module(alias=["pci:v00008086d000010FBsv*sd*bc*sc*i*"], symbols=["printk 0x1"]), pair)
    nic = Forged("acme-nic", files={"/lib/modules/4.19.0+1/updates/acme.ko": driver})
    good = maker(PACK, [forge(nic, folder / "forged")])
    certificate = pair.certificate.read_bytes()
    stated = [
        Artifact(good.name, file_digest(good)),
        Artifact("Packages/acme-nic-1.0-1.x86_64.rpm", "0" * 64),
    ]
    alias = b"alias pci:v00008086d000010FBsv*sd*bc*sc*i* ixgbe\nalias usb:v0B95p1790d*dc*dsc*dp*ic*isc*ip*in* ax\n"
    given = {
        "provenance": (
            [provenance(stated, stated, {"label": "acme"}, {"xspack": "1"}).encode()],
            "--provenance",
        ),
        "waivers": ([b'L1 = "it does"\n["acme-nic-1.0-1.x86_64.rpm"]\nK3 = "so it is"\n'], "--waive"),
        "lists of devices": ([alias], "--inbox"),
        "Module.symvers": ([b"0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\n" * 3], "--symvers"),
        "profiles": ([(ROOT / f"xspack_tool/releases/{_PROFILE}.toml").read_bytes()], "--target"),
    }
    found = {
        name: Kind(originals, by_commands([f"verify GOOD {option} FILE"], good), 2)
        for name, (originals, option) in given.items()
    }
    images = [*images, good.read_bytes()]
    return {
        "packs by commands": Kind(images, by_commands(OF_PACKS, good, ".iso"), 14),
        "RPMs by commands": Kind(rpms, by_commands(OF_RPMS, good, ".rpm"), 8),
        "packs that are tried": Kind(images, _read_unpacked, 3, on_disk=True),
        "dkms.conf": Kind([_DKMS], _read_dkms, 2),
        "certificates": Kind([certificate], _certificates_for(driver), 2, on_disk=True),
        **found,
    }


def _member(iso: Path, name: str) -> bytes:
    with IsoReader(iso) as reader:
        return reader.read(name)


def _index(iso: Path) -> Iterator[tuple[str, bytes]]:
    with IsoReader(iso) as reader:
        for entry in reader.entries:
            if entry.path.startswith("repodata/") and entry.kind == "file":
                yield entry.path, reader.read(entry.path)


def _repodata(shelves: list[dict[str, bytes]]) -> dict[str, Kind]:
    """Each file of the index, changed while the others are whole."""

    def reads(ending: str) -> Callable[[bytes, Path], object]:
        def read(content: bytes, place: Path) -> None:
            shelf = shelves[-1]
            name = next(name for name in shelf if name.endswith(ending))
            read_index(_Shelf({**shelf, name: content}))  # type: ignore[arg-type]

        return read

    found = {}
    for ending, packed in (("repomd.xml", False), ("primary.xml.gz", True), ("filelists.xml.gz", True)):
        files = [content for shelf in shelves for name, content in shelf.items() if name.endswith(ending)]
        found[ending] = Kind(files, reads(ending), 4, packed=packed)
    comps = [content for shelf in shelves for name, content in shelf.items() if "comps" in name]
    plain = [gzip.decompress(one) if compression(one[:8]) == "gzip" else one for one in comps]

    def read_comps(content: bytes, place: Path) -> None:
        read_groups(content.decode("utf-8", "replace"), "comps.xml")

    return {**found, "comps.xml": Kind(plain, read_comps, 3)}


def _keys(folder: Path, maker: PackMaker, isos: list[Path]) -> dict[str, Kind]:
    armoured = maker.key.file.read_bytes()
    binary = base64.b64decode(b"".join(armoured.split(b"\n\n", 1)[1].split(b"\n=")[0].split()))

    def read_key(content: bytes, place: Path) -> None:
        read_public_key(place)

    signatures = [
        _member(iso, f"{name}.asc") for iso in isos for name in ("update.xml", "repodata/repomd.xml")
    ]
    return {
        "keys": Kind([armoured, binary], read_key, 6, on_disk=True),
        "signatures": Kind([*signatures, binary], _read_signature, 2),
    }


def _cache(folder: Path) -> dict[str, Kind]:
    """The signature beside an entry, the entry itself, and the keys that sign."""
    cache_keys.make_pair(folder / "cache-key")
    signer, trusted = read_signing(str(folder / "cache-key")), read_trusted([str(folder / "cache-key.pub")])
    entry = folder / "0123456789abcdef"
    entry.write_bytes(b"what was built\n" * 300)
    text = sign_entry(entry_of(str(entry), entry.name), signer).encode()

    def read_text(content: bytes, place: Path) -> None:
        taken = verified_entry(content, entry.name, trusted)
        assert taken == entry_of(str(entry), entry.name), "another entry was taken for a signed one"

    def read_entry(content: bytes, place: Path) -> None:
        take(str(place), verified_entry(text, entry.name, trusted), None)
        assert content == entry.read_bytes(), "another file was taken for a signed one"

    keys = [(folder / name).read_bytes() for name in ("cache-key", "cache-key.pub")]
    return {
        "signatures of cache entries": Kind([text], read_text, 4),
        "cache entries": Kind([entry.read_bytes()], read_entry, 3, on_disk=True),
        "cache keys": Kind(keys, _read_cache_key, 3, on_disk=True),
    }


def _read_module(content: bytes, place: Path) -> None:
    parse_module("soak.ko", io.BytesIO(content))


def _built(folder: Path, rpms: list[Path], shelves: list[dict[str, bytes]]) -> list[bytes]:
    """Fragments, records and an index, as a build keeps them."""
    record = folder / "record"
    found = [shelves[0]["repodata/repomd.xml"]]
    for rpm in rpms:
        found.append(line_of(make_fragment(rpm, f"Packages/{rpm.name}")).encode())
        with rpm.open("rb") as file:
            record.write_text(line_of(check_open_rpm(file, rpm.name, load_profile(_PROFILE), DriverData())))
        found.append(record.read_bytes())
        with rpm.open("rb") as file:
            _, findings = check_open_rpm(file, rpm.name, load_profile(_PROFILE), DriverData())
        found.append(as_json(Report("acme", "1", tuple(findings))).encode())
    write_timeline(
        record, Timeline("", (Ran("a", "Sign", 0.0, 1.0, "new"),), {"Sign": 2}, {}, {"Sign": ["Rpm"]})
    )
    found.append(record.read_bytes())
    write_notes(record, {"a": [1, 2], "b": {"c": "d"}})
    found.append(record.read_bytes())
    commands = [{"file": "a.c", "directory": "/d", "arguments": ["gcc", "-c", "a.c"]}]
    return [*found, b"1234567\n", json.dumps(commands).encode()]
