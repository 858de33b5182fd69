"""A small host in a folder, in which scriptlets run as rpm runs them: by a real shell, in a chroot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import LATE, lacks, need

_APPLETS = (
    "sh awk basename cat chmod chown cmp cp cut dirname env false grep head ln ls mkdir mktemp mv rm sed sort stat"
    " readlink tail touch tr true"
)
SHELLS = ("busybox", "dash", "bash")
_LOG = '#!/bin/sh\necho "${0##*/} $*" >> /log\n'


@dataclass(frozen=True)
class Host:
    """A root folder with one of the shells as /bin/sh and busybox's programs."""

    root: Path

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """A file of the host's."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def fake(self, path: str, then: str = "") -> None:
        """A stand-in for a program, which logs how it was called and then runs ``then``."""
        self.write(path, _LOG + then, 0o755)

    def calls(self) -> list[str]:
        """What the stand-ins logged since the last time."""
        log = self.root / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def copy_program(self, path: str) -> None:
        """A program of this machine with the libraries it is linked to."""
        wanted = [path]
        linked = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        wanted += re.findall(r"(/\S+) \(0x", linked)
        for name in wanted:
            target = self.root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy2(os.path.realpath(name), target)

    def run(
        self,
        text: str,
        argument: int = 1,
        env: Mapping[str, str] | None = None,
        wrap: tuple[str, ...] = (),
    ) -> str:
        """Run a scriptlet with rpm's argument; its messages. It must end with status 0."""
        done = self.try_run(text, (str(argument),), env, wrap)
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    def try_run(
        self,
        text: str,
        arguments: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        wrap: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        self.write("/scriptlet", text)
        return subprocess.run(
            [*wrap, "chroot", str(self.root), "/bin/sh", "/scriptlet", *arguments],
            env={"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", **(env or {})},
            capture_output=True,
            text=True,
            timeout=LATE,
        )


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, scratch_root: Path) -> Host:
    """A host for each of the shells."""
    return make_host(scratch_root, request.param)


def make_host(scratch_root: Path, shell: str) -> Host:
    """A host in an empty folder, with that shell."""
    need("busybox", "ldd", shell)
    made = Host(scratch_root)
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "tmp", "var/lib", "run", "dev"):
        (scratch_root / folder).mkdir(parents=True)
    (scratch_root / "dev/null").write_text("")
    busybox = str(shutil.which("busybox"))
    made.copy_program(busybox)
    shutil.copy2(busybox, scratch_root / "bin/busybox")
    for applet in _APPLETS.split():
        (scratch_root / "bin" / applet).symlink_to("busybox")
    if shell != "busybox":
        made.copy_program(f"/bin/{shell}")
        (scratch_root / "bin/sh").unlink()
        (scratch_root / "bin/sh").symlink_to(shell)
    return made


@pytest.fixture(params=("busybox", "bash"))
def iptables(request: pytest.FixtureRequest, scratch_root: Path) -> Host:
    """A host with the real iptables, to be run in a network of its own (``wrap=NETWORK``)."""
    host = make_host(scratch_root, request.param)
    need("unshare", "iptables-legacy", "setpriv")
    tried = subprocess.run(["unshare", "-n", "iptables-legacy", "-S"], capture_output=True, text=True)
    if tried.returncode:
        lacks(f"iptables must work in a network namespace: {tried.stderr.strip()}")
    multi = os.path.realpath(str(shutil.which("iptables-legacy")))
    host.copy_program(multi)
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (host.root / "sbin" / name).symlink_to(multi)
    extensions = next(Path("/usr").glob("lib*/**/xtables/libxt_tcp.so")).parent
    target = host.root / str(extensions).lstrip("/")
    target.mkdir(parents=True)
    for name in ("libxt_tcp", "libxt_udp", "libxt_comment", "libxt_standard", "libipt_REJECT"):
        shutil.copy2(extensions / f"{name}.so", target)
    return host
