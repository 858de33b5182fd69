"""The one-line example of each keyword is what its kind takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import ROOT, need
from trees import Tree

from xspack_tool.kinds import all_kinds
from xspack_tool.signing.keys import make_test_key

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", XSPACK_GNUPGHOME="#home")
driver = env.PrebuiltRpm("acme-tools-5.2-1.noarch.rpm")
agent = env.Userspace("acme-agent", version="1", files={"/opt/a": "agent"})
pack = env.Pack("acme-base", version="1", uuid="9a1f0f0e-4bd1-4bb3-8a5e-000000000000", description="d",
                packages=driver, key="RPM-GPG-KEY-Acme")
"""
#: How each kind is declared without the keyword.
BASES = {
    "Userspace": '"acme", version="1", files={"/opt/acme/f": "agent"}',
    "Firmware": '"acme-firmware", version="1", files={"acme/f": "nic.bin"}',
    "KernelModule": '"acme-nic", version="1", source="driver", ddk="kernel"',
    "PrebuiltRpm": '"acme-tools-5.2-1.noarch.rpm", target="#build/tools.rpm"',
    "SpecRpm": '"acme.spec", sources=["acme-stack-1.0.tar.gz", "fix.patch"]',
    "Pack": '"acme", version="1", uuid="9a1f0f0e-4bd1-4bb3-8a5e-111111111111", description="d", packages=agent, '
    'key="RPM-GPG-KEY-Acme"',
    "Submission": "pack",
}
#: What stands in the way of an example, or what it needs beside it.
WITH = {
    "KernelModule.flavour": "kernel_in_name=True",
    "KernelModule.dkms": "",
    "Pack.releases": "uuid=None",
    "Pack.unsigned": "key=None",
    **{
        f"KernelModule.{name}": 'XSPACK_TARGET="xenserver-9", variant="generic"'
        for name in ("driver", "priority", "status", "category")
    },
    "KernelModule.variant": 'XSPACK_TARGET="xenserver-9"',
}
SPEC = """\
Name: acme-stack
Version: 1
Release: 1
Summary: s
License: MIT
Source0: acme-stack-1.0.tar.gz
Patch0: fix.patch
%description
%files
"""
PAIRS = [(kind, keyword) for kind in all_kinds() for keyword in kind.FIELDS]


def test_each_keyword_has_one() -> None:
    assert [f"{kind.__name__}.{name}" for kind, name in PAIRS if not kind.FIELDS[name].example] == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    need("gpg", "rpmspec", "make", "gcc")
    files = (
        *(
            "agent",
            "acme.conf",
            "share/x",
            "README",
            "COPYING",
            "preun.sh",
            "nic.bin",
            "configure.sh",
            "precheck.sh",
        ),
        *("Module.symvers", "modules.key", "modules.crt", "acme.service", "70-acme.rules", "acme.logrotate"),
        *("acme-stack-1.0.tar.gz", "fix.patch", "acme.macros", "acme-tools-5.2-1.src.rpm"),
        *("driver/core/Kbuild", "driver/nic/Kbuild", "driver/Kbuild", "driver/configure.sh"),
    )
    tree = Tree(tmp_path_factory.mktemp("examples") / "tree").write(dict.fromkeys(files, "#!/bin/sh\n"))
    tree.write({"acme.spec": SPEC, "dkms.conf": 'PACKAGE_NAME="acme"\nPACKAGE_VERSION="1"\n'})
    shutil.copy(ROOT / "examples/prebuilt/acme-tools-5.2-1.noarch.rpm", tree.path)
    make_test_key(tree.path / "home", tree.path / "RPM-GPG-KEY-Acme", "Acme", 1600000000)
    kernel = next(path.parent for path in Path("/usr/src").glob("linux-headers-*/Module.symvers"))
    (tree.path / "kernel").symlink_to(kernel)
    return tree


@pytest.mark.parametrize(("kind", "keyword"), PAIRS, ids=[f"{kind.__name__}-{name}" for kind, name in PAIRS])
def test_its_kind_takes_it(tree: Tree, kind: type, keyword: str) -> None:
    """Nothing is wrong with it, as far as reading tells."""
    name = kind.__name__
    given = f"**{{**dict({BASES[name].split(', ', 1)[1] if ', ' in BASES[name] else ''})"
    more = WITH.get(f"{name}.{keyword}", "")
    value = kind.FIELDS[keyword].example
    words = f"{given}, **dict({more}), **dict({keyword}={value})}}"
    subject = BASES[name].split(", ", 1)[0]
    tree.declare(f"made = env.{name}({subject}, {words})\nDefault(made)\n", head=HEAD)
    ran = tree.scons("-n", env={"XSPACK_REPORT": "0"})
    assert (ran.status, ran.mistakes) == (0, []), ran.said
