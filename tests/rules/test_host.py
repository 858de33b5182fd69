"""X2: what the release's rpm and installer can read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.releases import load_profile
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import all_rules

Verdict = Callable[..., list[str]]


def test_x2_a_payload_that_is_no_cpio(forged: Callable[..., Path]) -> None:
    info = replace(read_rpm(forged(files={"/opt/x": b"x"})), payload_format="drpm")
    (rule,) = (rule for rule in all_rules() if rule.id == "X2")
    assert rule.on_rpm
    (hit,) = rule.on_rpm(RpmContext(info, load_profile("xenserver-8")))
    assert isinstance(hit, Hit) and hit.found == "in the format 'drpm', not cpio"


def test_x2_a_payload_whose_requirement_was_taken_out(forged: Callable[..., Path], tmp_path: Path) -> None:
    data = forged(payload="w3.zstdio", files={"/opt/x": b"x"}).read_bytes()
    path = tmp_path / "x.rpm"
    path.write_bytes(
        data.replace(b"rpmlib(PayloadIsZstd)", b"rpmlib(FileDigests)\0\0"[:21].replace(b"\0", b")"))
    )
    rules = [rule for rule in all_rules() if rule.id == "X2"]
    found = [str(one) for one in check_rpm(path, load_profile("xenserver-8"), None, rules)]
    assert (
        "E X2 acme-1.0-1.x86_64.rpm: payload: compressed with zstd, which XenServer 8 cannot unpack; "
        in found[-1]
    )
