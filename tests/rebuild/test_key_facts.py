"""What gpg said of a public key file is known in the next build, as long as the file is the same."""

from __future__ import annotations

from pathlib import Path

from rebuild.lab import LabKey
from support import need
from trees import HEAD, Tree

from xspack_tool.signing.verify import is_signed_by

HEARD = """
import sys
def heard(event, words):
    if event == "subprocess.Popen":
        print("asks", *words[1])
sys.addaudithook(heard)
"""
DECLARED = """
a = env.Userspace("a", version="1", arch="noarch", files={"/opt/a": "f"})
env.Pack("p", version="1", uuid="9a1f0f0e-0000-4000-8000-000000000000", description="d", packages=a, key="KEY",
         requires="product-version >= 8.2.0")
"""


def test_gpg_tells_of_a_key_once(tmp_path: Path, lab_key: LabKey) -> None:
    need("gpg")
    tree = Tree(tmp_path / "tree").write({"f": "1\n", "KEY": lab_key.public})
    tree.declare(HEARD + DECLARED, head=HEAD.replace(")\n", f', XSPACK_GNUPGHOME="{lab_key.home}")\n'))

    def asked() -> int:
        """How often gpg was asked what a key file holds."""
        ran = tree.scons().good()
        assert "build/p-1.iso" in ran.built
        document = tree.path / "build/packs/p/update.xml"
        assert is_signed_by(tree.path / "KEY", document, document.with_name("update.xml.asc"))
        return sum(line.startswith("asks gpg") and "import-show" in line for line in ran.said.splitlines())

    assert asked() == 1
    tree.write({"f": "2\n"})
    assert asked() == 0
    tree.write({"KEY": lab_key.other})
    assert asked() == 1
    tree.write({"f": "3\n", "KEY": lab_key.public})
    assert asked() == 1
