"""K: each rule on RPMs that break it, and on those that look as if."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import module

from xspack_tool.errors import BadInput
from xspack_tool.rules.context import DriverData

Verdict = Callable[..., list[str]]
K = "4.19.0+1"
PLACE = f"/lib/modules/{K}/updates/acme.ko"
KERNEL = [f"Requires: kernel-uname-r = {K}"]


@pytest.fixture(scope="module")
def ko() -> bytes:
    return module()


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
def test_k3_vermagic(verdict: Verdict, ending: str) -> None:
    pack = {"": bytes, ".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0)}[ending]
    old = pack(module("4.4.0+10 SMP mod_unload modversions "))
    path = f"{PLACE}{ending}"
    assert verdict("K3", files={path: old}, lines=KERNEL) == [
        f"E {path}: its vermagic is for 4.4.0+10, its folder for 4.19.0+1"
    ]
    assert verdict("K3", files={path: pack(module())}, lines=KERNEL) == []


@pytest.mark.parametrize("content", [b"text", b"\x7fELF" + b"\xff" * 200, b""])
def test_k3_what_is_no_module(verdict: Verdict, content: bytes) -> None:
    assert verdict("K3", files={PLACE: content}, lines=KERNEL) == [
        f"E {PLACE}: it has no vermagic, so no kernel loads it"
    ]


def test_k3_a_damaged_compressed_module_is_refused(verdict: Verdict) -> None:
    with pytest.raises(BadInput) as caught:
        verdict("K3", files={f"{PLACE}.xz": lzma.compress(module())[:-30]}, lines=KERNEL)
    assert str(caught.value) == f"acme-1.0-1.x86_64.rpm: {PLACE}.xz: truncated: it ends too early"


def test_k8_good(verdict: Verdict, ko: bytes) -> None:
    files = {
        PLACE: ko,
        f"/lib/modules/{K}/modules.order": b"x",
        f"/lib/modules/{K}/updates/modules.dep": b"x",
        "/usr/share/doc/acme/modules.alias": b"x",
        f"/lib/modules/{K}/modules.alias": b"",
    }
    assert verdict("K8", files=files, attributes={f"/lib/modules/{K}/modules.alias": "%ghost"}) == []


@pytest.fixture(scope="module")
def symvers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ddk") / "Module.symvers"
    lines = [f"0x{n:08x}\tsymbol_{n}\tvmlinux\tEXPORT_SYMBOL\t\n" for n in range(1, 9)]
    path.write_text("".join(lines))
    return path


def test_k9_other_crcs(verdict: Verdict, symvers: Path) -> None:
    files = {PLACE: module(symbols=[f"symbol_{n} 0x{n + (n > 3):x}" for n in range(1, 9)])}
    said = "symbol_4 0x00000005 (there 0x00000004), symbol_5 0x00000006 (there 0x00000005)"
    assert verdict("K9", driver_data=DriverData(symvers=symvers), files=files, lines=KERNEL) == [
        f"E {PLACE}: other CRCs than in Module.symvers: {said}, symbol_6 0x00000007 (there 0x00000006) and 2 more"
    ]


def test_k9_good(verdict: Verdict, symvers: Path) -> None:
    same = module(symbols=["symbol_1 0x1", "symbol_2 0x2", "exported_by_another_driver 0x99"])
    assert verdict("K9", driver_data=DriverData(symvers=symvers), files={PLACE: same}, lines=KERNEL) == []
    assert verdict("K9", driver_data=DriverData(symvers=symvers), files={PLACE: module()}, lines=KERNEL) == []


def test_k9_what_is_no_symvers(verdict: Verdict, tmp_path: Path, ko: bytes) -> None:
    path = tmp_path / "Module.symvers"
    path.write_text("no such lines\n")
    for driver_data, why in (
        (DriverData(symvers=path), f"{path}: no Module.symvers: not lines of a CRC, a symbol and a module"),
        (DriverData(symvers=tmp_path / "none"), f"{tmp_path}/none: No such file or directory"),
    ):
        with pytest.raises(BadInput) as caught:
            verdict("K9", driver_data=driver_data, files={PLACE: module(symbols=["a 0x1"])}, lines=KERNEL)
        assert str(caught.value) == why
