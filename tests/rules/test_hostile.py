"""Mutated RPMs go through all rules: findings or one line of refusal, never a crash or a hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import module, needing
from hypothesis import given, settings
from hypothesis import strategies as st

from xspack_tool.errors import BadInput
from xspack_tool.releases import load_profile
from xspack_tool.rules.engine import check_rpm

XS8 = load_profile("xenserver-8")
SCRIPT = 'if [ "$1" = 1 ]; then\n  systemctl start acme || :\nfi\ncat <<E >/etc/x\n$XS_PREVIOUS_INSTALLATION\nE\nexit 0'


@pytest.fixture(scope="module")
def seed(forged: Callable[..., Path]) -> bytes:
    """An RPM with something for every kind of rule, its payload open to mutation."""
    files = {
        "/lib/modules/4.19.0+1/updates/acme.ko": module(alias=["pci:v*d*sv*sd*bc*sc*i*"], symbols=["a 0x1"]),
        "/opt/acme/lib.so": needing("libc.so.6", "GLIBC_2.34"),
        "/opt/acme/tool.py": b"#!/usr/bin/python3\nimport sys\nprint(f'{sys.argv}')\n",
        "/etc/acme.conf": b"x=1\n",
    }
    scripts = {"%post": SCRIPT, "%triggerin -- bash": "exit 0"}
    return forged(name="seed", files=files, scripts=scripts, payload="w.ufdio").read_bytes()


@settings(max_examples=200)
@given(
    places=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)),
        min_size=1,
        max_size=8,
    )
)
def test_mutated_rpms_are_judged_or_refused(
    seed: bytes, tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, bytes]]
) -> None:
    data = bytearray(seed)
    for where, new in places:
        at = int(where * len(data))
        data[at : at + len(new)] = new[: len(data) - at]
    path = tmp_path_factory.getbasetemp() / "mutated.rpm"
    path.write_bytes(data)
    start = time.process_time()
    try:
        check_rpm(path, XS8)
    except BadInput as refused:
        assert "\n" not in str(refused)
    assert time.process_time() - start < 5
