"""The trees that `xspack new` begins: made, built, and what the rules found in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sentences
from pack_maker import xspack
from support import ROOT, lacks, need

from xspack_tool.releases.local import kernel_trees

BIN = Path(sys.executable).parent


def driver_sources(folder: Path) -> None:
    """A driver that this machine's headers compile."""
    need("make", "gcc", "strip")
    if not kernel_trees():
        lacks("a kernel build tree is needed: apt-get install linux-headers-amd64")
    (folder / "acme.c").write_text((ROOT / "examples/driver/driver/acme_nic.c").read_text())
    (folder / "Kbuild").write_text("obj-m := acme.o\n")


def scons(folder: Path) -> str:
    """What `scons pack` prints; it must do well, twice, the second time having nothing to do."""
    said = []
    for _ in range(2):
        done = subprocess.run([BIN / "scons", "-Q", "pack"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
    assert said[1] == f"{sentences.UP_TO_DATE}\n"
    return said[0]


def findings(folder: Path) -> list[tuple[str, str]]:
    """What the rules found, without what could not be checked."""
    (file,) = (folder / "build").glob("*-findings.json")
    return [
        (one["rule"], one["found"])
        for one in json.loads(file.read_text())["findings"]
        if not one.get("skipped")
    ]


def new(folder: Path, *options: str | Path) -> list[str]:
    """The names of the files that were made."""
    said = xspack("new", folder, "--vendor", "Acme Ltd", *options)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    return [os.path.relpath(line, folder) for line in lines if not line.startswith(("now: ", "for "))]


MAKEFILE = """\
LABEL := acme-agent
PACK_VERSION := 5.2
RPM_FILE := rpms/acme-agent-5.2-1.noarch.rpm
ARGS = --base-requires "product-version >= 8.2.0" \\
\t--after-apply restartXAPI,restartHost
GPG_UID = $(shell gpg --batch -k --with-colons 2>/dev/null | awk -F: '$$1=="uid" {print $$10; exit}')

$(LABEL).iso: $(RPM_FILE) precheck.sh
\t@echo making $@
\tbuild-update --uuid 9a1f0f0e-1111-4222-8333-44445555bbbb --label "$(LABEL)" --version $(PACK_VERSION) \\
\t\t--description "Acme monitoring" $(ARGS) --precheck precheck.sh --key "$(GPG_UID)" --no-passphrase \\
\t\t--keyfile RPM-GPG-KEY-Acme --rollups 9a1f0f0e-1111-4222-8333-44445555aaaa -o $@ $<

clean:
\trm -f $(LABEL).iso
"""
