"""Signed modules that were changed later, and keys that hosts do not know: at build time and by verify."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import Forged, forge
from module_keys import Pair, make_pair, signed_by
from pack_maker import xspack
from support import ROOT
from trees import Tree

K = "6.6.0"
AT = f"/lib/modules/{K}/updates/acme.ko"
HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="nine.toml")\n'
DECLARED = """\
rpm = env.PrebuiltRpm("acme-1.0-1.x86_64.rpm", waive={"K4": "-", "K7": "-", "B2": "-"})
env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e23", description="d", packages=[rpm],
         requires=["product-version >= 9"], key=env.TestKey("KEY"), waive=WAIVED)
"""
CHANGED = f"{AT}: its signature is that of another content: it was changed after it was signed"


def stripped(content: bytes) -> bytes:
    """The module as strip leaves it, which knows nothing of signatures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "acme.ko")
        path.write_bytes(content)
        subprocess.run(["strip", "--strip-debug", path], check=True)
        return path.read_bytes()


def flipped(content: bytes) -> bytes:
    return content[:70] + bytes([content[70] ^ 1]) + content[71:]


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Pair]:
    """A compiled module with debug data, signed, and its key."""
    folder = tmp_path_factory.mktemp("acme")
    source = f'__attribute__((section(".modinfo"))) char v[] = "vermagic={K} SMP"; int acme(void) {{ return 1; }}\n'
    (folder / "acme.c").write_text(source)
    subprocess.run(["gcc", "-g", "-c", "-o", folder / "acme.ko", folder / "acme.c"], check=True)
    pair = make_pair(folder)
    return signed_by((folder / "acme.ko").read_bytes(), pair), pair


def tree_with(content: bytes, pair: Pair, folder: Path, waived: str = "{}") -> Tree:
    """A tree that packs the module in an RPM that came from elsewhere."""
    nine = (ROOT / "xspack_tool/releases/xenserver-9.toml").read_text()
    rpm = forge(Forged(files={AT: content}, license="GPL-2.0-only"), folder)
    tree = Tree(folder / "tree").write({"nine.toml": nine.replace("kernels = []", f'kernels = ["{K}"]')})
    tree.write({"acme-1.0-1.x86_64.rpm": rpm.read_bytes(), "cert.pem": pair.certificate.read_bytes()})
    return tree.declare(DECLARED.replace("WAIVED", waived), HEAD)


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        (bytes, "", ""),
        (flipped, "M4", CHANGED),
        (stripped, "M4", f"{AT}: not signed"),
        (lambda content: stripped(content) + content[-800:], "M4", CHANGED),
    ],
    ids=["as it is", "flipped", "stripped", "stripped and signed by its old end"],
)
def test_changed_after_it_was_signed(
    acme: tuple[bytes, Pair], tmp_path: Path, change: Callable[[bytes], bytes], rule: str, said: str
) -> None:
    content, pair = acme
    tree = tree_with(change(content), pair, tmp_path)
    ran = tree.scons("pack", "XSPACK_MODULE_KEYS=cert.pem")
    assert ran.status == (2 if rule else 0), ran.said
    assert not rule or f"{rule}" in ran.said
    assert said in ran.said
    tree.declare(
        DECLARED.replace("WAIVED", f'{{"{rule}": "to see what verify says"}}' if rule else "{}"), HEAD
    )
    tree.scons("pack", "XSPACK_MODULE_KEYS=cert.pem").good()
    iso, key = tree.path / "build/disk-1.iso", tree.path / "build/keys/KEY"
    words = ["--key", key, "--target", tree.path / "nine.toml", "--module-keys", pair.certificate]
    done = xspack("verify", iso, *words)
    lines = [line for line in done.out.splitlines() if " M4" in line]
    assert len(lines) == bool(rule), done.out
    assert all("E " in line for line in lines)
    assert said in done.out


def test_whom_hosts_know(acme: tuple[bytes, Pair], tmp_path: Path) -> None:
    """With a list an error, without one a warning; another list judges anew, and nothing else is built."""
    content, pair = acme
    tree = tree_with(content, pair, tmp_path / "one")
    other = make_pair(tmp_path / "other", "Other")
    tree.write({"other.pem": other.certificate.read_bytes()})
    assert "W M5" in tree.scons("pack").good().said
    ran = tree.scons("pack", "XSPACK_MODULE_KEYS=other.pem")
    assert ran.status == 2
    assert f"{AT}: signed by Acme (key " in ran.said
    ran = tree.scons("pack", "XSPACK_MODULE_KEYS=other.pem cert.pem").good()
    assert " M5" not in ran.said
    assert not [line for line in ran.said.splitlines() if line.startswith("Sign ")]


def test_a_list_that_is_not_there(acme: tuple[bytes, Pair], tmp_path: Path) -> None:
    tree = tree_with(*acme, tmp_path)
    (said,) = tree.scons("pack", "XSPACK_MODULE_KEYS=none.pem").refused()
    assert "XSPACK_MODULE_KEYS='none.pem': no such file; name files of certificates, in PEM or DER" in said
    ran = tree.scons("pack", "XSPACK_MODULE_KEYS=nine.toml")
    assert ran.status == 2
    assert "nine.toml: not a certificate (X.509 in PEM or DER)" in ran.said


def test_a_list_is_named_as_its_sconscript_sees_it(acme: tuple[bytes, Pair], tmp_path: Path) -> None:
    tree = tree_with(*acme, tmp_path)
    for name in ("cert.pem", "acme-1.0-1.x86_64.rpm"):
        tree.write({f"sub/{name}": (tree.path / name).read_bytes()})
        (tree.path / name).unlink()
    head = HEAD.replace("nine.toml", "#nine.toml").replace(")", ', XSPACK_MODULE_KEYS="cert.pem")')
    tree.write({"sub/SConscript": head + DECLARED.replace("WAIVED", "{}")}).declare(
        'SConscript("sub/SConscript")\n', ""
    )
    assert "0 errors, 0 warnings" in tree.scons("pack").good().said
