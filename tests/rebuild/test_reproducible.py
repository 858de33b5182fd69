"""All examples, built in two folders, at two times, by two users with other settings: the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from module_keys import make_pair
from support import ROOT, need, need_root

#: Two worlds: what differs between them shall not be seen in any output.
FIRST = {
    "umask": 0o022,
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "1",
    "HOME": "",
    "mtime": 1_500_000_000,
}
SECOND = {
    "umask": 0o077,
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Pacific/Apia",
    "PYTHONHASHSEED": "4242",
    "HOME": "home of another",
    "mtime": 1_900_000_000,
}
LEFT_OUT = shutil.ignore_patterns("build", "*.o", "acme-agent", ".sconsign*", "__pycache__")


def copy_examples(folder: Path, world: Mapping[str, Any], keys: Path) -> Path:
    """The examples as a checkout of somebody else's, with a keyring in the place of that of their test key."""
    tree = folder / "tree"
    shutil.copytree(ROOT / "examples", tree / "examples", ignore=LEFT_OUT)
    shutil.copytree(ROOT / "xspack_tool", tree / "xspack_tool", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "site_scons", tree / "site_scons", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "SConstruct", tree / "SConstruct")
    shutil.copytree(keys, tree / "build/keys", ignore=shutil.ignore_patterns("S.*"))
    for place, folders, files in os.walk(tree):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            mode = os.stat(path).st_mode & 0o777
            os.chmod(path, (0o777 if mode & 0o100 else 0o666) & ~world["umask"])
            os.utime(path, (world["mtime"], world["mtime"]))
    (tree / "build/keys/gnupg").chmod(0o700)
    return tree


def build(tree: Path, world: Mapping[str, Any], jobs: int, user: int) -> dict[str, bytes]:
    """Every output of `scons pack check` there."""
    home = tree.parent / (world["HOME"] or "home")
    home.mkdir()
    (home / ".rpmmacros").write_text(f"%packager {world['TZ']}\n%_buildhost {world['TZ']}\n%dist .x\n")
    if user:
        for place, folders, files in os.walk(tree.parent):
            for name in (".", *folders, *files):
                os.chown(os.path.join(place, name), user, user, follow_symlinks=False)
    env = {name: str(value) for name, value in world.items() if name.isupper()} | {"HOME": str(home)}
    # Python itself may lie in root's own folder: the other user may read everything, and write nothing of root's.
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *reads] if user else []
    done = subprocess.run(
        [*become, sys.executable, "-m", "SCons", "-Q", f"-j{jobs}", "pack", "check"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], **env},
        umask=world["umask"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    found = (path for path in (tree / "build").rglob("*") if path.is_file())
    names = {path.relative_to(tree / "build").as_posix(): path for path in found}
    # compile_commands.json is an editor's: its format demands this machine's own absolute paths.
    ours = {
        name
        for name in names
        if not re.match(r"\.xspack/|keys/gnupg/|modules/\.work/|compile_commands", name)
    }
    return {name: names[name].read_bytes() for name in sorted(ours)}


@pytest.fixture(scope="module")
def keys(short: Path) -> Path:
    """The throwaway keys of the examples: a folder for build/keys."""
    from xspack_tool.model.changelog import CONSTANT_TIME
    from xspack_tool.signing.home import end_agent
    from xspack_tool.signing.keys import make_test_key

    name = "RPM-GPG-KEY-Acme-Test"
    folder = short / "keys"
    folder.mkdir()
    make_test_key(folder / "gnupg", folder / name, name, CONSTANT_TIME)
    end_agent(folder / "gnupg")
    pair = make_pair(short / "pair")
    pair.key.rename(folder / "module.key")
    pair.certificate.rename(folder / "module.pem")
    return folder


def test_two_worlds(short: Path, keys: Path) -> None:
    """As root in one, as nobody in the other; with one job and with two."""
    need("rpmbuild", "rpmsign", "make", "gcc", "setpriv")
    need_root()
    found = []
    for number, (world, jobs, user) in enumerate(((FIRST, 1, 0), (SECOND, 2, 65534))):
        folder = short / ("a" if number == 0 else "another-folder.with=a+longer-name-ü")
        folder.mkdir()
        tree = copy_examples(folder, world, keys)
        found.append(build(tree, world, jobs, user))
    first, second = found
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    examples = [place.parent.name for place in (ROOT / "examples").glob("*/SConstruct")]
    assert len([name for name in first if name.endswith(".iso")]) >= len(examples) > 6
    assert [name for name in first if name.startswith("modules/") and name.endswith(".tar")]
