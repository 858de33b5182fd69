"""A tree that is declared by a table, changed in one place, and built: which steps ran, and which bytes came."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import labels
from trees import Ran, Tree

from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key

#: What lies beside an ISO follows it; tests/plan/test_beside.py and test_report.py have those steps.
_BESIDE = {"SBOM", "Origin", "Attest", "Report"}
_STEP = re.compile(rf"^({'|'.join(sorted(labels() - _BESIDE))}) +(\S+)$", re.M)
_EXPLAINED = re.compile(r"^scons: rebuilding `(?P<target>[^']+)' (?P<why>.*\n(?: .*\n)*)", re.M)

#: The declarations are Python expressions, so that a table in a test can hold env.XsFile(..) and the like.
READER = """\
import json, os, sys
sys.path.insert(0, Dir("#dists").abspath)
if "LAB_BEGUN" in os.environ:
    open(os.environ["LAB_BEGUN"], "w").close()
if "LAB_KILL" in os.environ:
    import itertools, SCons.dblite
    number, which, when = os.environ["LAB_KILL"].split()
    count, replace, scons = itertools.count(1), os.replace, os.getpid()
    def end_then(*given):
        last = next(count) == int(number)
        if last and when == "before":
            os.kill(scons, int(which))
        replace(*given)
        if last and when == "after":
            os.kill(scons, int(which))
    os.replace = end_then
    SCons.dblite._Dblite._os_replace = staticmethod(end_then)
lab = json.load(open(File("#lab.json").abspath))
Decider(lab["decider"])
env = Environment(tools=["xspack"], ENV={"PATH": "/usr/bin:/bin"}, **lab["env"])
if lab["cache"]:
    env.CacheDir(lab["cache"])
Export("env", "lab")
if lab["variant"] is None:
    SConscript("src/SConscript")
else:
    SConscript("src/SConscript", variant_dir="variant", duplicate=lab["variant"])
"""
DECLARE = """\
import hashlib
Import("env", "lab")
made = {}
def sha256(name):
    return hashlib.sha256(File(name).srcnode().get_contents()).hexdigest()
def declare(kind, name, given):
    values = {key: eval(text, {"env": env, "made": made, "sha256": sha256}) for key, text in given.items()}
    # A submission is of what was declared before.
    first = eval(name, {"made": made}) if name.startswith("made[") else name
    made[name] = getattr(env, kind)(first, **values)
for kind, name, given in lab["declared"]:
    declare(kind, name, given)
"""

Declaration = tuple[str, str, Mapping[str, str]]


class Lab(Tree):
    """A tree with ``src/``, ``lab.json`` and what is built below ``build/``."""

    def __init__(self, path: Path, files: Mapping[str, str | bytes], variant: int | None = None) -> None:
        super().__init__(path)
        self.write({"SConstruct": READER, "src/SConscript": DECLARE, **files})
        for program in path.glob("*/scripts/sign-file"):
            program.chmod(0o755)
        self.variant = variant
        self.cache = ""
        self.built_with: object = None

    def declare_all(self, declared: Iterable[Declaration], env: Mapping[str, Any] | None = None) -> None:
        """Write what the next run shall read."""
        settings = {"XSPACK_LICENSE": "MIT", **(env or {})}
        lab = {
            "env": settings,
            "declared": [list(one) for one in declared],
            "variant": self.variant,
            "cache": self.cache,
            "decider": "content",
        }
        self.write({"lab.json": json.dumps(lab)})

    def outputs(self) -> dict[str, str]:
        """Every file below build/ but the keyring and our own notes -> its SHA-256. With LAB_KILL="N SIGNAL before"
        in its environment a build is sent a signal before a process of it gives the Nth file its name, or "after"."""
        found = {}
        for name in sorted(self.files("build")):
            if not name.startswith((".xspack/", "keys/gnupg/", "modules/.work/")):
                found[name] = hashlib.sha256((self.path / "build" / name).read_bytes()).hexdigest()
        return found


@dataclass(frozen=True)
class LabKey:
    """A keyring with two keys, and the content of their public key files."""

    home: Path
    public: str
    other: str


@contextmanager
def lab_keys() -> Iterator[LabKey]:
    """Two RSA keys in a folder with a path short enough for gpg's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="xs-key-", dir="/tmp"))
    make_test_key(folder / "gnupg", folder / "KEY", "Lab", 1_500_000_000)
    make_test_key(folder / "gnupg", folder / "KEY2", "Other", 1_500_000_000)
    yield LabKey(folder / "gnupg", (folder / "KEY").read_text(), (folder / "KEY2").read_text())
    end_agent(folder / "gnupg")
    shutil.rmtree(folder)


def steps(ran: Ran) -> set[str]:
    """``Step target`` of each step that ran; targets relative to build/."""
    return {f"{step} {target.removeprefix('build/')}" for step, target in _STEP.findall(ran.said)}


def explained(ran: Ran) -> dict[str, str]:
    """Target, relative to build/ -> what --debug=explain said of it, in one line."""
    found = _EXPLAINED.finditer(ran.said)
    return {one["target"].removeprefix("build/"): " ".join(one["why"].split()) for one in found}


def strange_tool(tree: Tree, tool: str) -> dict[str, str]:
    """An environment in which a program, or a Python distribution, says it is of another version."""
    if tool not in ("rpm", "gpg"):
        tree.write(
            {f"dists/{tool}-99.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {tool}\nVersion: 99\n"}
        )
        return {}
    real = shutil.which(tool)
    place = f"tools/{tool}/{tool}"
    says = f'if [ "$*" = --version ]; then {real} --version | sed "1s/[0-9.]*$/2.9.99/"; else exec {real} "$@"; fi'
    tree.write({place: f"#!/bin/sh\n{says}\n"})
    (tree.path / place).chmod(0o755)
    return {"PATH": f"{(tree.path / place).parent}:{os.environ['PATH']}"}


def kernel(name: str = "6.1.0-acme", text: str = "") -> dict[str, str]:
    """A kernel build tree whose Makefile compiles each C file to a module of its own: the graph is looked at
    here, kbuild itself elsewhere."""
    makefile = (
        "modules:\n"
        "\tset -e; for c in $(M)/*.c; do\\\n"
        "\t  $(if $(CC),$(CC),gcc) $(KCFLAGS) $(if $(FLAG),-D$(FLAG)) -c $$c -o $${c%.c}.ko; done\n"
        "\techo '0x1 acme_'$(notdir $(M))' acme EXPORT_SYMBOL' | tr ' ' '\\t' > $(M)/Module.symvers\n"
    )
    return {
        "Makefile": makefile,
        "include/generated/utsrelease.h": f'#define UTS_RELEASE "{name}"\n',
        "include/generated/autoconf.h": f"#define CONFIG_X86_64 1\n{text}",
        "Module.symvers": "",
        "scripts/sign-file": '#!/bin/sh\ncat "$3" >> "$4"\n',
    }
