"""M: variants of drivers, and signed modules."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forge import module

Verdict = Callable[..., list[str]]
K = "6.6.0"
PLACE = f"/lib/modules/{K}/dmv/acme/2.1"
NINE = "xenserver-9"
ROW = {"vendor_id": "1af4", "device_id": "10f1", "subvendor_id": "*", "subdevice_id": "*"}
WORDS = "vendor_id, device_id, subvendor_id and subdevice_id, four lower-case digits each or *"
DAMAGED = "its signature is damaged, or of a kind that no kernel takes"
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
        (b"{", ["E {}: no JSON in ASCII, which driver-tool reads"]),
        (
            info(description="ü").decode("unicode_escape").encode(),
            ["E {}: no JSON in ASCII, which driver-tool reads"],
        ),
        (b"[]", ["E {}: no table"]),
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


def test_m2_note(verdict: Verdict) -> None:
    assert verdict("M2", NINE, files={f"{PLACE}/acme.ko": module(K)}) == [
        f"E {PLACE}/acme.ko: no note of XenServer with the name of its variant"
    ]
    assert verdict("M2", NINE, files={f"/lib/modules/{K}/updates/acme.ko": module(K)}) == []


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


def signed(content: bytes, signature: bytes, kind: int = 2, length: int | None = None) -> bytes:
    end = struct.pack(">BBBBB3xI", 0, 0, kind, 0, 0, len(signature) if length is None else length)
    return content + signature + end + b"~Module signature appended~\n"


SEQUENCE = b"\x30\x82\x01\x00" + bytes(256)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ko: ko, "not signed"),
        (lambda ko: signed(ko, SEQUENCE), ""),
        (lambda ko: signed(ko, SEQUENCE)[:-1], "not signed"),
        (lambda ko: signed(ko, SEQUENCE[:-1]), DAMAGED),
        (
            lambda ko: signed(ko, SEQUENCE, kind=1),
            "its signature is damaged, or of a kind that no kernel takes",
        ),
        (
            lambda ko: signed(ko, SEQUENCE, length=1 << 30),
            "its signature is damaged, or of a kind that no kernel takes",
        ),
    ],
)
def test_m4_signature(verdict: Verdict, change: Callable[[bytes], bytes], said: str) -> None:
    path = f"/lib/modules/{K}/updates/acme.ko"
    files = {path: change(module(K))}
    assert verdict("M4", NINE, files=files) == ([f"E {path}: {said}"] if said else [])
    assert verdict("M4", "xenserver-8", files=files) == []


def test_variants_are_not_in_effect(verdict: Verdict) -> None:
    """They lie beside updates/ and need no depmod, where driver-tool links what is selected."""
    files = {f"{PLACE}/acme.ko": module(K)}
    assert verdict("K2", NINE, files=files) == verdict("K7", NINE, files=files) == []
    assert verdict("K2", "xenserver-8", files=files) == [f"E {PLACE}/acme.ko: a kernel module in dmv"]
