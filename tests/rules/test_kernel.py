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


def test_k1_module_outside_an_rpm(pack_verdict: Verdict) -> None:
    paths = ("update.xml", "Packages/acme-nic-2.1-1.x86_64.rpm", "drivers/acme.ko", "drivers/acme.ko.xz")
    assert pack_verdict("K1", iso_paths=paths) == [
        "E drivers/acme.ko: a kernel module outside an RPM",
        "E drivers/acme.ko.xz: a kernel module outside an RPM",
    ]


def test_k1_good(pack_verdict: Verdict, forged: Callable[..., Path], ko: bytes) -> None:
    rpm = forged(name="acme-nic", files={PLACE: ko}, lines=KERNEL)
    assert pack_verdict("K1", [rpm], iso_paths=("update.xml", "acme.ko.txt", f"Packages/{rpm.name}")) == []


@pytest.mark.parametrize(
    ("path", "profile", "said"),
    [
        (f"/lib/modules/{K}/kernel/drivers/net/acme.ko", "xenserver-8", "E {}: a kernel module in kernel"),
        (f"/lib/modules/{K}/extra/acme.ko", "xenserver-8", "E {}: a kernel module in extra"),
        (f"/lib/modules/{K}/extra/acme.ko.xz", "xenserver-8", "E {}: a kernel module in extra"),
        (
            f"/lib/modules/{K}/override/acme.ko.gz",
            "citrix-hypervisor-8.2",
            "E {}: a kernel module in override",
        ),
        ("/opt/acme/acme.ko", "xenserver-8", "E {}: a kernel module outside /lib/modules"),
        (f"/lib/modules/{K}/acme.ko", "xenserver-8", "E {}: a kernel module outside /lib/modules"),
        (
            f"/lib/modules/{K}/override/acme.ko",
            "xcp-ng-8.3",
            "W {}: a kernel module in override, which XCP-ng 8.3 takes, other hosts do not",
        ),
        (
            f"/lib/modules/{K}/extra/acme.ko",
            "xcp-ng-8.2",
            "W {}: a kernel module in extra, which XCP-ng 8.2 takes, other hosts do not",
        ),
        (PLACE, "xenserver-8", None),
        (f"{PLACE}.xz", "xenserver-8", None),
        (f"/usr/lib/modules/{K}/updates/deep/acme.ko", "xenserver-8", None),
        ("/opt/acme/acme.ko.conf", "xenserver-8", None),
        ("/opt/acme/notes.kot", "xenserver-8", None),
    ],
)
def test_k2_place(verdict: Verdict, path: str, profile: str, said: str | None) -> None:
    assert verdict("K2", profile, files={path: b"x"}) == ([said.format(path)] if said else [])


def test_k2_a_link_to_a_module_is_none(verdict: Verdict) -> None:
    assert verdict("K2", files={"/opt/acme/acme.ko": PLACE}) == []


def test_k3_folder_and_requirement(verdict: Verdict, ko: bytes) -> None:
    other = "/lib/modules/4.4.0+10/updates/acme.ko"
    files = {PLACE: ko, other: module("4.4.0+10 SMP")}
    assert verdict("K3", files=files, lines=["Requires: kernel-uname-r = 4.9.1"]) == [
        "E /lib/modules/4.19.0+1: modules for a kernel that is not required; required is 4.9.1",
        "E /lib/modules/4.4.0+10: modules for a kernel that is not required; required is 4.9.1",
        "E Requires: kernel-uname-r = 4.9.1, but the modules are for 4.19.0+1, 4.4.0+10",
    ]


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
def test_k3_vermagic(verdict: Verdict, ending: str) -> None:
    pack = {"": bytes, ".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0)}[ending]
    old = pack(module("4.4.0+10 SMP mod_unload modversions "))
    path = f"{PLACE}{ending}"
    assert verdict("K3", files={path: old}, lines=KERNEL) == [
        f"E {path}: its vermagic is for 4.4.0+10, its folder for 4.19.0+1"
    ]
    assert verdict("K3", files={path: pack(module())}, lines=KERNEL) == []


@pytest.mark.parametrize("flags", ["", " ", " SMP", " SMP mod_unload modversions RANDSTRUCT_PLUGIN_0123 "])
def test_k3_flags_of_vermagic_do_not_count(verdict: Verdict, flags: str) -> None:
    assert verdict("K3", files={PLACE: module(f"{K}{flags}")}, lines=KERNEL) == []


@pytest.mark.parametrize("content", [b"text", b"\x7fELF" + b"\xff" * 200, b""])
def test_k3_what_is_no_module(verdict: Verdict, content: bytes) -> None:
    assert verdict("K3", files={PLACE: content}, lines=KERNEL) == [
        f"E {PLACE}: it has no vermagic, so no kernel loads it"
    ]


def test_k3_a_damaged_compressed_module_is_refused(verdict: Verdict) -> None:
    with pytest.raises(BadInput) as caught:
        verdict("K3", files={f"{PLACE}.xz": lzma.compress(module())[:-30]}, lines=KERNEL)
    assert str(caught.value) == f"acme-1.0-1.x86_64.rpm: {PLACE}.xz: truncated: it ends too early"


def test_k3_a_kernel_with_several_dashes(verdict: Verdict) -> None:
    kernel = "6.1.0-18-amd64"
    files = {f"/lib/modules/{kernel}/updates/acme.ko": module(f"{kernel} SMP preempt mod_unload")}
    assert verdict("K3", files=files, lines=[f"Requires: kernel-uname-r = {kernel}"]) == []


@pytest.mark.parametrize("lines", [[], ["Requires: kernel-uname-r"], [f"Requires: kernel-uname-r >= {K}"]])
def test_k4_no_kernel_required(verdict: Verdict, ko: bytes, lines: list[str]) -> None:
    assert verdict("K4", files={PLACE: ko}, lines=lines) == [
        "E Requires: kernel modules, and no requirement kernel-uname-r = <kernel>"
    ]


def test_k4_good(verdict: Verdict, ko: bytes) -> None:
    assert verdict("K4", files={PLACE: ko}, lines=KERNEL) == []
    assert verdict("K4", files={"/opt/acme/tool": b"x"}) == []


def test_k5_other_kernel(verdict: Verdict) -> None:
    files = {"/lib/modules/4.4.0+10/updates/acme.ko": module("4.4.0+10 SMP")}
    lines = ["Requires: kernel-uname-r = 4.4.0+10"]
    assert verdict("K5", files=files, lines=lines) == [
        "E /lib/modules/4.4.0+10: XenServer 8 runs 4.19.0+1, not 4.4.0+10"
    ]
    assert verdict("K5", "xenserver-9", files=files, lines=lines) == [
        "W /lib/modules/4.4.0+10: the profile xenserver-9 names no kernel to compare with"
    ]


def test_k5_good(verdict: Verdict, ko: bytes) -> None:
    assert verdict("K5", files={PLACE: ko}, lines=KERNEL) == []
    assert verdict("K5", files={"/opt/acme/tool": b"x"}, lines=["Requires: kernel-uname-r = 4.4.0+10"]) == []


def test_k6_driver_pack_without_release(
    pack_verdict: Verdict, forged: Callable[..., Path], ko: bytes
) -> None:
    driver = forged(name="acme-nic", files={PLACE: ko}, lines=KERNEL)
    said = ["W requires: a driver pack with no requirement on product-version or platform-version"]
    assert pack_verdict("K6", [driver]) == said
    assert pack_verdict("K6", [driver], requires=["xapi-core >= 1.0"]) == said
    assert pack_verdict("K6", driver_disk=True) == said


def test_k6_good(pack_verdict: Verdict, forged: Callable[..., Path], ko: bytes) -> None:
    driver = forged(name="acme-nic", files={PLACE: ko}, lines=KERNEL)
    for requirement in ("product-version >= 8.2.0", "platform-version >= 3.2.1"):
        assert pack_verdict("K6", [driver], requires=[requirement]) == []
    assert pack_verdict("K6", [forged(name="acme-tool", files={"/opt/acme/tool": b"x"})]) == []


@pytest.mark.parametrize(
    "name", ["dep", "dep.bin", "alias", "alias.bin", "symbols.bin", "softdep", "devname", "pcimap"]
)
def test_k8_depmods_files(verdict: Verdict, name: str) -> None:
    path = f"/lib/modules/{K}/modules.{name}"
    assert verdict("K8", files={path: b"x"}) == [f"E {path}: a file that depmod writes"]


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


def test_k9_without_symvers(verdict: Verdict, ko: bytes) -> None:
    said = (
        "not checked: needs the kernel's Module.symvers: set XSPACK_DDK to a kernel build tree that has one"
    )
    assert verdict("K9", files={PLACE: ko}, lines=KERNEL) == [f"I : {said}"]
    assert verdict("K9", files={"/opt/acme/tool": b"x"}) == []


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
