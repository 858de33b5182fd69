"""Our generators for scripts, for rpmbuild and in process, find what rpm's own does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rpm_asked import requires
from rpm_oracle import class_by_magic
from support import lacks, need

from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.automatic import Classify, class_of, classify, find_dependencies
from xspack_tool.rpm.contents import collect
from xspack_tool.rpm.relations import Relations, UnusualError
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


def scripts_of_the_machine() -> Iterator[Path]:
    """Executable scripts in /usr/bin; all below /usr with LONG_TESTS=1."""
    for folder, _, names in os.walk("/usr" if os.environ.get("LONG_TESTS") == "1" else "/usr/bin"):
        for path in (Path(folder, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111:
                with path.open("rb") as file:
                    if file.read(2) == b"#!":
                        yield path


def interpreters(path: Path, class_of_file: Classify) -> tuple[bytes, str]:
    """A script's class, and what the package that holds it requires of an interpreter, or why rpmbuild is asked."""
    (file,) = collect([FileEntry("/opt/script", "file", 0o755, source="script")], {"script": path})
    classify([file], class_of_file)
    needed = Relations()
    try:
        find_dependencies([file], Relations(), needed)
    except UnusualError as why:
        return file.kind, str(why)
    return file.kind, repr(list(needed))


def test_the_plain_rule_finds_what_libmagic_would_have_found() -> None:
    """But for scripts that libmagic takes for something else: of awk for Perl, of node for no script."""
    different, count = {}, 0
    for path in scripts_of_the_machine():
        count += 1
        (_, mine), (kind, theirs) = interpreters(path, class_of), interpreters(path, class_by_magic)
        if mine != theirs and not re.match(rb"awk or perl script|(?!.* script[, ])", kind):
            different[path] = (mine, theirs, kind)
    assert different == {}
    assert count > 10
