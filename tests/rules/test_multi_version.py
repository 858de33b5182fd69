"""M: variants of drivers, and signed modules."""

from __future__ import annotations

import json
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentences
from forge import module
from module_keys import Pair, appended, make_pair, signed_by
from pack_maker import PackMaker, program, xspack
from support import ROOT
from trees import Tree

from xspack_tool.binary.signature import read_certificates
from xspack_tool.rules.context import DriverData

Verdict = Callable[..., list[str]]
K = "6.6.0"
PLACE = f"/lib/modules/{K}/dmv/acme/2.1"
NINE = "xenserver-9"
ROW = {"vendor_id": "1af4", "device_id": "10f1", "subvendor_id": "*", "subdevice_id": "*"}
WORDS = "vendor_id, device_id, subvendor_id and subdevice_id, four lower-case digits each or *"
INFO: dict[str, Any] = {
    "name": "acme",
    "category": "network",
    "description": "Acme",
    "variant": "generic",
    "version": "2.1",
    "priority": 1,
    "status": "production",
    "pci_ids": {"acme.ko": [ROW]},
}


def info(**changes: Any) -> bytes:
    return json.dumps({**INFO, **changes}).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (info(), []),
        (b"{", ["E {}: no table of JSON in ASCII, which driver-tool reads"]),
        (
            info(description="ü").decode("unicode_escape").encode(),
            ["E {}: no table of JSON in ASCII, which driver-tool reads"],
        ),
        (b"[]", ["E {}: no table of JSON in ASCII, which driver-tool reads"]),
        (info(priority=True), ["E {}: missing or of a wrong type: priority"]),
        (
            info(version="2.2"),
            ["E {}: version is '2.2', its folder is '2.1', which driver-tool selects it by"],
        ),
        (info(priority="1", status=None), ["E {}: missing or of a wrong type: status, priority"]),
        (info(name="other"), ["E {}: name is 'other', its folder is 'acme': it is not found by its name"]),
        (info(variant="a b"), ["E {}: variant 'a b': xapi takes letters, digits and _ . @ alone"]),
        (info(variant="a-b"), ["W {}: variant 'a-b' has a hyphen, which xapi's own check does not know"]),
        (
            info(pci_ids={"other.ko": []}),
            [
                "E {}: pci_ids lacks acme.ko, which is never selected or seen as active",
                "E {}: pci_ids names other.ko, which does not lie beside it",
            ],
        ),
        (
            info(pci_ids={"acme.ko": [{**ROW, "device_id": "10F1"}]}),
            [f"E {{}}: pci_ids of acme.ko are no list of {WORDS}"],
        ),
        (info(pci_ids={"acme.ko": []}), []),
    ],
)
def test_m1_info_json(verdict: Verdict, text: bytes, said: list[str]) -> None:
    files = {f"{PLACE}/acme.ko": b"x", f"{PLACE}/info.json": text}
    assert verdict("M1", NINE, files=files) == [line.format(f"{PLACE}/info.json") for line in said]
    assert verdict("M1", "xenserver-8", files=files) == []


NO_NOTE = (
    "no note of XenServer with the name of its variant, as driver-tool reads it: type 1, an owner of 9 bytes"
)


def noted(*notes: tuple[bytes, int, str], folder: Path) -> bytes:
    """A module with such notes: owner, type, text."""
    data = b""
    for owner, kind, text in notes:
        words = text.encode() + b"\0"
        parts = (owner + b"\0" * (-len(owner) % 4), words + b"\0" * (-len(words) % 4))
        data += struct.pack("<III", len(owner), len(words), kind) + b"".join(parts)
    (folder / "note").write_bytes(data)
    (folder / "acme.ko").write_bytes(module(K))
    section = f".note.XenServer={folder / 'note'}"
    program("objcopy", "--add-section", section, folder / "acme.ko", folder / "noted.ko")
    return (folder / "noted.ko").read_bytes()


XS, XS_ZERO = b"XenServer", b"XenServer\0"


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ([], [NO_NOTE]),
        ([(XS, 1, "generic")], []),
        ([(XS_ZERO, 1, "generic")], [NO_NOTE]),  # dmv.py compares with XenServer, and goes on
        ([(XS_ZERO, 1, "generic"), (XS, 1, "generic")], []),
        ([(XS, 2, "x"), (b"Acme", 1, "x"), (XS, 1, "generic")], []),
        ([(XS, 2, "x"), (b"Acme", 1, "x"), (XS, 3, "x"), (XS, 1, "generic")], [NO_NOTE]),  # it reads three
        ([(XS, 1, "dell")], ["its note says the variant 'dell', info.json 'generic'"]),
    ],
)
def test_m2_note(
    verdict: Verdict, tmp_path: Path, notes: list[tuple[bytes, int, str]], said: list[str]
) -> None:
    content = noted(*notes, folder=tmp_path) if notes else module(K)
    files = {f"{PLACE}/acme.ko": content, f"{PLACE}/info.json": info()}
    assert verdict("M2", NINE, files=files) == [f"E {PLACE}/acme.ko: {line}" for line in said]
    assert verdict("M2", NINE, files={f"/lib/modules/{K}/updates/acme.ko": module(K)}) == []


def test_m1_modules_that_no_host_selects(verdict: Verdict) -> None:
    ids = {"acme.ko": [ROW]}
    files = {
        f"{PLACE}/acme.ko": module(K),
        f"{PLACE}/info.json": info(pci_ids=ids),
        f"{PLACE}/deep/other.ko": module(K),
        f"/lib/modules/{K}/dmv/acme/2.2/more.ko.xz": lzma.compress(module(K)),
        f"/lib/modules/{K}/dmv/acme/stray.ko": module(K),
    }
    assert verdict("M1", NINE, files=files) == [
        f"E /lib/modules/{K}/dmv/acme/2.1/deep/other.ko: no info.json beside it: driver-tool fails once it is selected",
        f"E /lib/modules/{K}/dmv/acme/2.2/more.ko.xz: compressed: driver-tool selects files called *.ko alone",
        f"E /lib/modules/{K}/dmv/acme/stray.ko: not in a folder dmv/<driver>/<version>: driver-tool does not find it",
    ]


def test_m3_variants_apart(pack_verdict: Verdict, forged: Callable[..., Path]) -> None:
    one = forged(name="one", files={f"{PLACE}/acme.ko": b"1", f"{PLACE}/info.json": info()})
    same = forged(name="same", files={f"{PLACE}/info.json": info()})
    other = forged(name="other", files={f"{PLACE[:-1]}2/acme.ko": b"1", f"{PLACE[:-1]}2/info.json": info()})
    link = forged(name="link", files={f"/lib/modules/{K}/updates/acme.ko": b"1"})
    again = forged(name="again", files={f"/lib/modules/{K}/updates/acme.ko": b"2"})
    assert pack_verdict("M3", [one, other], NINE) == []
    assert pack_verdict("M3", [one, same], NINE) == [
        f"E {same.name}: {PLACE}: {one.name} has a variant there, too"
    ]
    assert pack_verdict("M3", [one, link], NINE) == [
        f"E {link.name}: /lib/modules/{K}/updates/acme.ko: {one.name} has a variant of it, whose link would stand there"
    ]
    assert pack_verdict("M3", [link, again], NINE) == [
        f"E {again.name}: /lib/modules/{K}/updates/acme.ko: {link.name} owns it, too"
    ]


NINE_TREE = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", XSPACK_TARGET="xenserver-9")\n'
DISK = """\
env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e31", description="d", packages=[{}],
         requires=["product-version >= 9"], key=env.TestKey("KEY"))
"""


@pytest.mark.parametrize(
    ("changes", "folder", "twice"),
    [
        ({"version": "2.2"}, f"{PLACE[:-1]}2", True),
        ({"version": "2.2", "variant": "dell"}, f"{PLACE[:-1]}2", False),
        ({"name": "other"}, PLACE.replace("acme", "other"), False),
        ({}, PLACE.replace(K, "6.6.1"), False),
        ({"variant": ["generic"]}, f"{PLACE[:-1]}2", False),  # M1's
    ],
)
@pytest.mark.parametrize("rpms", [1, 2])
def test_m3_one_of_a_name(
    make_pack: PackMaker,
    forged: Callable[..., Path],
    changes: dict[str, str],
    folder: str,
    twice: bool,
    rpms: int,
) -> None:
    """Two variants of one name in a pack, in one RPM or in two, as verify finds them."""
    one = {f"{PLACE}/acme.ko": b"1", f"{PLACE}/info.json": info()}
    two = {f"{folder}/acme.ko": b"2", f"{folder}/info.json": info(**changes)}
    brought = [one | two] if rpms == 1 else [one, two]
    packed = [forged(name=f"acme{at}", files=files) for at, files in enumerate(brought)]
    words = f"the pack has the variant 'generic' of 'acme' for {K} more than once: driver-tool and xe list one of them"
    found = xspack("verify", make_pack(packages=packed), "--target", NINE, "--json").json["findings"]
    said = [(one["severity"], one["rpm"], one["where"]) for one in found if one["found"] == words]
    places = [(packed[0], PLACE), (packed[-1], folder)] if twice else []
    assert said == [("W", rpm.name, f"{place}/info.json") for rpm, place in places]
    assert [one["rule"] for one in found].count("M3") == len(places)


def test_m3_one_of_a_name_in_a_build(tmp_path: Path, forged: Callable[..., Path]) -> None:
    tree = Tree(tmp_path / "tree")
    for at in (1, 2):
        place = f"{PLACE[:-1]}{at}"
        files = {f"{place}/acme.ko": b"x", f"{place}/info.json": info(version=f"2.{at}")}
        tree.write({f"{at}.rpm": forged(name=f"acme{at}", files=files).read_bytes()})
    tree.declare(DISK.format('env.PrebuiltRpm("1.rpm"), env.PrebuiltRpm("2.rpm")'), NINE_TREE)
    assert tree.scons("check", env={"GNUPGHOME": ""}).said.count("W M3 disk: acme") == 2
    tree.declare(DISK.format('env.PrebuiltRpm("1.rpm")'), NINE_TREE)
    assert " M3 " not in tree.scons("check", env={"GNUPGHOME": ""}).said


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("other"), "Other")


AT = f"/lib/modules/{K}/updates/acme.ko"
KO = module(K)


def judged(verdict: Verdict, content: bytes, *known: Pair, profile: str = NINE) -> list[str]:
    """What M4 to M6 say of a module whose hosts know those keys."""
    driver_data = DriverData(module_keys=tuple(pair.certificate for pair in known))
    rules = ("M4", "M5", "M6")
    return [
        f"{rule} {said}"
        for rule in rules
        for said in verdict(rule, profile, driver_data, files={AT: content})
    ]


def test_m4_not_signed(verdict: Verdict, pair: Pair) -> None:
    cut = signed_by(KO, pair)[:-1]
    assert judged(verdict, KO, pair) == judged(verdict, cut, pair) == [f"M4 E {AT}: not signed"]
    assert judged(verdict, KO, profile="xenserver-8") == []


def test_m4_no_kernel_reads_it(verdict: Verdict, pair: Pair) -> None:
    assert judged(verdict, appended(KO, b"x" * 99), pair) == [
        f"M4 E {AT}: its signature: it is damaged: not PKCS #7"
    ]
    assert judged(verdict, signed_by(KO, pair, "sha256", "-nocerts"), pair) == [
        f"M4 E {AT}: its signature: {sentences.ATTRIBUTES}"
    ]


def test_m4_changed_after_it_was_signed(verdict: Verdict, pair: Pair, other: Pair) -> None:
    good = signed_by(KO, pair)
    assert judged(verdict, good, pair) == judged(verdict, good, other, pair) == []
    said = [f"M4 E {AT}: its signature is that of another content: it was changed after it was signed"]
    for place in (40, len(KO) // 2, len(KO) - 1):
        flipped = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        assert judged(verdict, flipped, pair) == said
    assert (
        judged(verdict, good + good[len(KO) :], pair) == said
    )  # signed twice, the second time as if it were not
    assert judged(verdict, lzma.compress(good), pair) == []


def test_m5_signed_by_whom_nobody_knows(verdict: Verdict, pair: Pair, other: Pair) -> None:
    good = signed_by(KO, pair)
    (one,) = read_certificates(pair.certificate)
    key = f"{one.serial_number:040X}"
    who = f"Acme (key {':'.join(key[at : at + 2] for at in range(0, 40, 2))})"
    assert judged(verdict, good, other) == [f"M5 E {AT}: signed by {who}, whom hosts do not know"]
    unknown = "whom XenServer 9 knows is not known here, nor whether they were changed since"
    assert judged(verdict, good) == [f"M5 W : modules are signed by {who}; {unknown}"]


def test_m5_the_keys_of_a_profile(verdict: Verdict, pair: Pair, other: Pair, tmp_path: Path) -> None:
    text = (ROOT / "xspack_tool/releases/xenserver-9.toml").read_text()
    keys = f"module_keys = ['''{pair.certificate.read_text()}''']"
    own = tmp_path / "own.toml"
    own.write_text(text.replace("module_keys = []", keys).replace("= []\n[prov", "= []\n[prov"))
    good = signed_by(KO, pair)
    assert judged(verdict, good, profile=str(own)) == []
    assert judged(verdict, signed_by(KO, other), profile=str(own))[0].startswith("M5 E")
    assert judged(verdict, signed_by(KO, other), other, profile=str(own)) == []
    changed = KO[:-1] + bytes([KO[-1] ^ 1])
    assert judged(verdict, appended(changed, good[len(KO) : -40]), profile=str(own))[0].startswith("M4 E")


def test_m6_an_old_hash(verdict: Verdict, pair: Pair, tmp_path: Path) -> None:
    old = signed_by(KO, pair, "sha1")
    assert judged(verdict, old, pair) == [f"M6 W {AT}: signed with sha1, which kernels of today do not take"]
    text = (ROOT / "xspack_tool/releases/xenserver-9.toml").read_text()
    own = tmp_path / "own.toml"
    own.write_text(text.replace("module_hashes = []", 'module_hashes = ["sha512"]'))
    for name, content in (("sha1", old), ("sha256", signed_by(KO, pair))):
        assert judged(verdict, content, pair, profile=str(own)) == [
            f"M6 E {AT}: signed with {name}; XenServer 9 takes sha512"
        ]
    assert judged(verdict, signed_by(KO, pair, "sha512"), pair, profile=str(own)) == []


def test_variants_are_not_in_effect(verdict: Verdict) -> None:
    """They lie beside updates/ and need no depmod, where driver-tool links what is selected."""
    files = {f"{PLACE}/acme.ko": module(K)}
    assert verdict("K2", NINE, files=files) == verdict("K7", NINE, files=files) == []
    assert verdict("K2", "xenserver-8", files=files) == [f"E {PLACE}/acme.ko: a kernel module in dmv"]
