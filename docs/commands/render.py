"""Runs the commands on these pages and writes what they print: `python docs/commands/render.py`.

A block that begins with ```console holds command lines (`$ xspack ..`) and their output. The packs are made here, in
a temporary folder. Key ids, which differ from key to key, are written as ones; a test compares the pages with
what they would be.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from xspack_tool.cli import build_update_main, main, make_parser
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.write import write_rpm
from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key

PAGES = Path(__file__).parent
MANUAL = PAGES.parent / "man/xspack.1"
TIME = 1601553600
UUIDS = {"5.1": "9a1f0f0e-1111-4222-8333-444455556661", "5.2": "9a1f0f0e-1111-4222-8333-444455556662"}
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MODULE = """\
.section .modinfo,"a"
.asciz "name=acme"
.asciz "vermagic=4.19.0+1 SMP mod_unload modversions "
.asciz "license=GPL"
.asciz "alias=pci:v0000EEE1d00001041sv*sd*bc*sc*i*"
.asciz "alias=pci:v0000EEE1d0000FFF0sv*sd*bc*sc*i*"
"""
_POST = "/sbin/depmod 4.19.0+1\n"


def packages(folder: Path, version: str) -> list[Path]:
    """The RPMs of one version: an agent, and from 5.2 on a driver."""
    agent = Package(
        name="acme-agent",
        version=version,
        release="1",
        summary="Acme monitoring agent",
        license="MIT",
        arch="noarch",
        entries=(
            FileEntry("/etc/acme.conf", "file", text=f"version = {version}\n", mode=0o644, role="config"),
            FileEntry("/opt/acme/agent", "file", text=f"#!/bin/sh\necho {version}\n", mode=0o755),
        ),
    )
    made = [folder / agent.file_name]
    write_rpm(agent, {}, made[0], payload="w2.xzdio", time=TIME)
    if version == "5.2":
        module = folder / "acme.ko"
        argv = ["gcc", "-c", "-x", "assembler", "-", "-o", str(module)]
        subprocess.run(argv, input=_MODULE, text=True, check=True)
        driver = Package(
            name="acme-nic",
            version="2.1",
            release="1",
            summary="Acme NIC driver",
            license="GPL-2.0-only",
            entries=(
                FileEntry("/lib/modules/4.19.0+1/updates/acme.ko", "file", mode=0o644, source="acme.ko"),
            ),
            requires=(Dependency("kernel-uname-r", "=", "4.19.0+1"),),
            provides=(Dependency("vendor-driver"),),
            scripts=(Script("post", (ScriptPart(_POST),)), Script("postun", (ScriptPart(_POST),))),
            automatic_dependencies=False,
        )
        made.append(folder / driver.file_name)
        write_rpm(driver, {"acme.ko": module}, made[1], payload="w2.xzdio", time=TIME)
    return made


@contextlib.contextmanager
def workshop() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the packs that the pages are about, and what to write in place of key ids."""
    with tempfile.TemporaryDirectory(prefix="xs-", dir="/tmp") as scratch:
        folder, hidden = Path(scratch), {}
        for number, name in enumerate(("Acme", "New"), 1):
            home = folder / f"keys-{name.lower()}"
            key = make_test_key(home, folder / f"RPM-GPG-KEY-{name}", f"Acme {name}", TIME)
            hidden[key.fingerprint], hidden[key.key_id] = str(number) * 40, str(number) * 16
        (folder / "modules.alias").write_text("alias pci:v0000EEE1d00001041sv*sd*bc*sc*i* virtio_pci\n")
        for version in UUIDS:
            for rpm in packages(folder, version):
                print("made", rpm.name, file=sys.stderr)
            words = (
                f"--label acme-suite --version {version} --uuid {UUIDS[version]} -d 'Acme drivers and agent'"
            )
            words += " --key 'Acme Acme' --keyfile RPM-GPG-KEY-Acme --gnupghome keys-acme"
            words += f" --base-requires 'product-version >= 8.2.0' -o acme-suite-{version}.iso"
            rpms = sorted(folder.glob(f"acme-agent-{version}*.rpm")) + sorted(folder.glob("acme-nic*.rpm"))
            run(f"build-update {words} {' '.join(rpm.name for rpm in rpms)}", folder)
        yield folder, hidden
        for name in ("acme", "new"):
            end_agent(folder / f"keys-{name}")


def run(line: str, folder: Path) -> str:
    """What a command line prints, run in ``folder``, with its status where it is not 0."""
    program, *argv = shlex.split(line)
    entry = {"xspack": main, "build-update": build_update_main}[program]
    out, before = io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = entry(argv)
    finally:
        os.chdir(before)
    return out.getvalue() + (f"(exit status {status})\n" if status else "")


def rendered(text: str, folder: Path, hidden: dict[str, str]) -> str:
    """A page with what its commands print today."""

    def block(found: re.Match[str]) -> str:
        said = []
        for line in found[1].splitlines():
            if line.startswith("$ "):
                said.append(f"{line}\n{run(line[2:], folder)}")
        return "```console\n" + "".join(said) + "```"

    done = _BLOCK.sub(block, text)
    for secret, shown in hidden.items():
        done = done.replace(secret, shown)
    return done


def render_all() -> dict[Path, str]:
    """Every page as it should be."""
    with workshop() as (folder, hidden):
        pages = sorted(PAGES.glob("*.md"))
        done = {page: rendered(page.read_text(encoding="utf-8"), folder, hidden) for page in pages}
    return done | {MANUAL: manual()}


def manual() -> str:
    """The manual page of all commands."""
    from argparse_manpage.manpage import Manpage

    given = {"date": "xspack", "project_name": "xspack", "manual_title": "xspack"}
    given["description"] = "makes, judges, tries and changes supplemental packs"
    os.environ["COLUMNS"] = "100"  # what argparse wraps at
    return str(Manpage(make_parser(), given)).rstrip() + "\n"


if __name__ == "__main__":
    for place, content in render_all().items():
        place.write_text(content, encoding="utf-8")
