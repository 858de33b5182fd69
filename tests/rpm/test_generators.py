"""Our generators for scripts, for rpmbuild and in process, find what rpm's own does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rpm_asked import requires
from support import lacks, need

from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.write import RPM_HOME, takes_macros_as_generators, write_rpm

SCRIPTS = [
    b"#!/bin/sh\n",
    b"#!/bin/bash -eu\nexit 0\n",
    b"#! \t /usr/bin/python3\n",
    b"#!/bin/sh\r\nexit 0\r\n",
    b"#!/usr/bin/env bash\n",
    b"#!/usr/bin/env /opt/acme/shell\n",
    b"#!/bin/sh",
    b"#!relative\n",
    b"\n#!/bin/late\n",
    b"#!/opt/acme/%name\n",
    b"#!/opt/a'b\n",
]


@pytest.mark.parametrize("rpmbuild", [True, False])
@pytest.mark.parametrize("text", SCRIPTS, ids=[repr(text.decode()) for text in SCRIPTS])
def test_the_same_interpreters(text: bytes, rpmbuild: bool, tmp_path: Path) -> None:
    need("rpmbuild", "rpm")
    if not takes_macros_as_generators():
        lacks("rpm 4.16 or later is needed: it takes a macro for a generator")
    script = tmp_path / "script"
    script.write_bytes(text)
    script.chmod(0o755)
    asked = subprocess.run(
        [RPM_HOME / "script.req"], input=f"{script}\n", capture_output=True, text=True, check=True
    )
    entries = (FileEntry("/opt/script", "file", source="script"),)
    package = Package("x", "1", "1", "x", "MIT", arch="noarch", entries=entries)
    rpm = tmp_path / package.file_name
    write_rpm(package, {"script": script}, rpm, payload="w2.xzdio", time=1_700_000_000, rpmbuild=rpmbuild)
    assert sorted(requires(rpm)) == sorted({" ".join(line.split()) for line in asked.stdout.splitlines()})
