"""What foreign files are read by, a kind of file each: its originals, and the readers that a changed one meets.

A reader may refuse a file in words (an XspackError, or a Refused of the cache). Anything else that it raises is a
fault, and so is a word of it that would reach a terminal or a page raw.
"""

from __future__ import annotations

import base64
import gzip
import io
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from forge import module
from pack_maker import PACK, PackMaker, make_key, package
from soak.mutate import mutated

from xspack_tool.binary.compressed import compression
from xspack_tool.binary.module import parse_module
from xspack_tool.cache.entry import Refused, entry_of, sign_entry, take, verified_entry
from xspack_tool.cache.keys import make_pair, read_secret, read_signing, read_trusted
from xspack_tool.cli.context import pack_context
from xspack_tool.cli.verify import rule_findings
from xspack_tool.errors import UNSEEN, BadInput, XspackError
from xspack_tool.evidence.changes import pack_changes
from xspack_tool.evidence.formats import FORMATS
from xspack_tool.evidence.inventory import inventory_of
from xspack_tool.evidence.page import Page, render_page
from xspack_tool.evidence.verdicts import judge_hosts
from xspack_tool.hosts.index import read_groups, read_index
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import Script, ScriptPart
from xspack_tool.pack.document import parse_document
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.plan.findings import read_records, write_record
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease
from xspack_tool.repo.fragment import make_fragment, read_fragments
from xspack_tool.repo.repodata import iso_names
from xspack_tool.rpm.openpgp import armoured_key_ids, key_ids
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_open_rpm
from xspack_tool.rules.report import as_text, judge
from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import read_public_key

#: The release that packs are judged by, and when.
_PROFILE, _NOW = "xenserver-8", 1_700_000_000
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


def harmless(text: str, what: str) -> None:
    """Raise AssertionError where a text would do harm to who looks at it."""
    bad = UNSEEN.search(text.replace("\n", "").replace("\t", ""))
    assert bad is None, f"{what} holds {bad[0]!r} raw: ..{text[max(0, bad.start() - 60) : bad.end() + 20]!r}"


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
    """As the rules read it, and its whole payload."""
    file = io.BytesIO(content)
    check_open_rpm(file, "soak.rpm", load_profile(_PROFILE), DriverData())
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
    for name, form in FORMATS.items():
        harmless(form("soak.iso", verdicts, report), name)
    harmless(as_text([report]), "the report")
    inventory = inventory_of(pack, profile.name)
    harmless(render_page(Page(inventory, "soak", "", 0, verdicts, report, [], changes)), "the page")


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
    iso_names(place)


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
        "modules": Kind([module(), module(symbols=["printk 0x1"])], _read_module, 4),
        "files of a build": Kind(_built(folder, rpms, shelves), _own_files, 5, on_disk=True),
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
    make_pair(folder / "cache-key")
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
        found.append(make_fragment(rpm, f"Packages/{rpm.name}").to_json().encode())
        with rpm.open("rb") as file:
            write_record(record, check_open_rpm(file, rpm.name, load_profile(_PROFILE), DriverData()))
        found.append(record.read_bytes())
    return found
