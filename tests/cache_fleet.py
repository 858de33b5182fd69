"""Clones of one tree that share a cache: ``from cache_fleet import Fleet``."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from cache_servers import WRITER, nginx, seaweedfs
from grid_servers import casd
from rebuild.lab import Lab, kernel, steps
from support import need_module
from trees import Ran

from xspack_tool.cache.keys import make_pair

BIG = random.Random(1).randbytes(200_000)
DECLARED = [
    ("Userspace", "p", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/p/f': 'f'}"}),
    (
        "Userspace",
        "big",
        {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/p/big': env.XsFile('big', mode=0o755)}"},
    ),
    ("KernelModule", "k", {"version": "'1'", "source": "env.Dir('driver')", "ddk": "'#kernel'"}),
]
RPMS = {"rpms/p-1-1.noarch.rpm", "rpms/big-1-1.noarch.rpm", "rpms/k-1-1.x86_64.rpm"}
SHARED = RPMS | {"modules/k-6.1.0-acme.tar", "modules/k-6.1.0-acme.symvers"}
TARGETS = ("build/rpms", "build/modules")


class Fleet:
    """Clones of one tree in folders of several names, each with a home and an empty local cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.key = folder / "key"
        make_pair(self.key)
        self.reader = {"XSPACK_CACHE_TRUST": f"{self.key}.pub", "XSPACK_CACHE_SECONDS": "2.5"}
        self.writer = {**self.reader, "XSPACK_CACHE_SIGN_KEY": str(self.key)}

    def clone(self) -> Lab:
        self.count += 1
        lab = Lab(
            self.folder / ("d" * self.count) / "tree",
            {
                "src/f": "f\n",
                "src/big": BIG,
                "src/driver/Kbuild": "obj-m := a.o\n",
                "src/driver/a.c": "int a;\n",
                **{f"kernel/{name}": text for name, text in kernel().items()},
            },
        )
        lab.declare_all(DECLARED)
        return lab

    def run(self, lab: Lab, env: Mapping[str, str], *words: str) -> Ran:
        home = lab.path.parent / "home"
        return lab.scons(*TARGETS, *words, env={**env, "XDG_CACHE_HOME": str(home)})


def made(ran: Ran) -> set[str]:
    """The files that were built."""
    return {line.split(" ", 1)[1] for line in steps(ran)}


def told(ran: Ran) -> list[str]:
    """What was said of caches but the last line."""
    lines = [line for line in ran.said.splitlines() if line.startswith("xspack: ") and "cache" in line]
    return [line for line in lines if not line.startswith("xspack: cache ")]


def counted(ran: Ran) -> str:
    """The counts of the last line, without what depends on the time."""
    (line,) = (
        line
        for line in ran.said.splitlines()
        if line.startswith(("xspack: cache http", "xspack: cache grpc"))
    )
    return ", ".join(line.split(": ", 2)[2].split(", ")[:3])


@contextlib.contextmanager
def by_http(folder: Path) -> Iterator[dict[str, str]]:
    with nginx(folder) as server:
        yield {"XSPACK_CACHE": server.url}


@contextlib.contextmanager
def by_s3(folder: Path) -> Iterator[dict[str, str]]:
    with seaweedfs(folder) as endpoint:
        yield {**endpoint, **WRITER, "XSPACK_CACHE": "s3://acme/builds"}


@contextlib.contextmanager
def by_grid(folder: Path) -> Iterator[dict[str, str]]:
    need_module("grpc", "buildgrid")
    folder.mkdir()
    with casd(folder) as url:
        yield {"XSPACK_CACHE": url}
