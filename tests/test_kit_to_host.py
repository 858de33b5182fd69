"""docs/kit-to-host.md: its commands make a key, and its SConstruct a pack that hosts with that key take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pack_maker import xspack
from support import ROOT, blocks, need

PAGE = "docs/kit-to-host.md"
AGENT = '#include <stdio.h>\nint main(void) { puts("agent"); return 0; }\n'


@pytest.fixture
def home(tmp_path: Path, short_dir: Path) -> Path:
    """A keyring whose agent asks nobody: the passphrase lies in a file."""
    home = short_dir / "gnupg"
    home.mkdir(mode=0o700)
    (tmp_path / "passphrase").write_text("battery horse\n")
    (home / "gpg.conf").write_text(f"batch\npinentry-mode loopback\npassphrase-file {tmp_path}/passphrase\n")
    (home / "gpg-agent.conf").write_text("allow-loopback-pinentry\n")
    return home


@pytest.mark.parametrize("zig", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_key_as_the_page_makes_it_signs_a_pack_as_it_declares_it(
    tmp_path: Path, home: Path, zig: bool
) -> None:
    need("gpg", "gcc")
    make_key, in_ci = blocks(PAGE, "sh")
    (sconstruct,) = blocks(PAGE, "python")
    tree = tmp_path / "tree"
    tree.mkdir()
    env = {**os.environ, "GNUPGHOME": str(home)}
    subprocess.run(["sh", "-ec", make_key], cwd=tree, env=env, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=env, check=True)
    (tree / "agent.c").write_text(AGENT)
    (tree / "SConstruct").write_text(sconstruct)
    if not zig:
        # The compiler of the page is 80 MB, from a registry; what it is for, a program that needs no newer glibc,
        # holds for a static one.
        compiler = re.search(r'"python3 -m ziglang cc .*"', sconstruct)
        assert compiler
        (tree / "SConstruct").write_text(sconstruct.replace(compiler[0], '"gcc -static"'))
    env = {**os.environ, "XSPACK_PASSPHRASE": "battery horse", "ACME_SECRET_KEY_FILE": "acme-secret.asc"}
    env |= {
        "TMPDIR": str(home),
        "SCONSFLAGS": f"--site-dir={ROOT / 'site_scons'}",
    }  # a socket's path is short
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    if zig:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path / "zig", "ziglang"],
            check=True,
        )
        env["PYTHONPATH"] = str(tmp_path / "zig")
    done = subprocess.run(["sh", "-ec", in_ci], cwd=tree, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = xspack("verify", tree / "build/acme-suite-5.2.iso", "--key", tree / "RPM-GPG-KEY-Acme")
    assert (said.status, said.out.count(": takes it")) == (0, 3), said.out
