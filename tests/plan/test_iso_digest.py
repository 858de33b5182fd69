"""SCons takes the digest of an ISO that was computed while the ISO was checked, of the file that it is of alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from SCons.Util import hash_file_signature
from trees import Tree

DECLARED = """
import os, sys
import xspack_tool.plan.pack as pack
def heard(event, words):
    if event == "open" and str(words[0]).endswith("/acme-1.iso"):
        print("reads", os.path.basename(words[0]))
sys.addaudithook(heard)
inner = pack.tell_made
def made(iso, *told):
    if {changed}:
        with open(os.open(iso, os.O_WRONLY | os.O_APPEND), "ab") as file:
            file.write(b"more")
        print("changed")
    inner(iso, *told)
pack.tell_made = made
tool = env.Userspace("tool", version="1", arch="noarch", files={{"/opt/tool": "tool"}})
env.Pack("acme", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=[tool],
         unsigned=True)
"""
SEEN = """
import atexit
iso = env.File("build/acme-1.iso")
atexit.register(lambda: print("noted", iso.get_ninfo().csig))
"""


@pytest.mark.parametrize("changed", [False, True])
def test_it_is_the_digest_of_the_file_that_is_there(tmp_path: Path, changed: bool) -> None:
    tree = Tree(tmp_path / "tree").write({"tool": "one\n"})
    tree.declare(DECLARED.format(changed=changed) + SEEN)
    said = tree.real_scons("-j2", "build/acme-1.iso").good().said
    iso = tree.path / "build/acme-1.iso"
    assert f"noted {hash_file_signature(str(iso))}" in said.splitlines()
    opened = said.splitlines().count("reads acme-1.iso")
    # What changes it opens it, and SCons, which has to read it then.
    assert opened == (2 if changed else 0)
    assert not tree.real_scons("build/acme-1.iso").good().built
