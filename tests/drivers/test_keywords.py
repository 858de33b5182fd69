"""What a driver can be declared with: a source RPM, dkms.conf, firmware, debug data, a key that signs modules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from forge import sections
from rpm_asked import asked, payload
from support import need
from trees import Tree

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="local", XSPACK_DDK="{ddk}",
                  ENV={{"PATH": "/usr/bin:/bin"}})
"""
RPM = "build/rpms/acme-2.1-1.x86_64.rpm"
CORE = """\
#include <linux/module.h>
int acme_core(void) { return 0; }
EXPORT_SYMBOL_GPL(acme_core);
MODULE_LICENSE("GPL");
"""
NIC = """\
#include <linux/module.h>
int acme_core(void);
static int __init start(void) { return acme_core() + ACME; }
module_init(start);
MODULE_LICENSE("GPL");
"""
DKMS = """\
PACKAGE_NAME="acme"
PACKAGE_VERSION="2.1"
MAKE="make -C $kernel_source_dir M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build/src ACME=5 OTHER=6"
BUILT_MODULE_NAME="acme"
BUILT_MODULE_LOCATION="src"
DEST_MODULE_LOCATION="/kernel/drivers/net"
"""


@pytest.fixture
def head(trees: dict[str, str]) -> str:
    return HEAD.format(ddk=next(iter(trees.values())))


@pytest.fixture
def kernel(trees: dict[str, str]) -> str:
    return next(iter(trees))


def test_a_source_rpm_rebuilds_alone(trees: dict[str, str], head: str, tmp_path: Path) -> None:
    core = {"core/Kbuild": "obj-m := acme_core.o\n", "core/acme_core.c": CORE}
    nic = {"nic/Kbuild": "ccflags-y += -DACME=$(ACME)\nobj-m := acme.o\n", "nic/acme.c": NIC}
    tree = Tree(tmp_path / "tree").write(
        {**core, **nic, "acme.conf": "x\n", "post.sh": "echo $1 > /dev/null\n"}
    )
    tree.declare(
        'core = env.KernelModule("acme-core", version="2.1", source="core")\n'
        'nic = env.KernelModule("acme", version="2.1", source="nic", extra_symbols=core, make_variables={"ACME": 3},\n'
        '    config={"/etc/acme.conf": "acme.conf"}, firmware={"acme/fw.bin": "acme.conf"},\n'
        '    scripts={"post": env.File("post.sh")})\n'
        'env.Alias("pack", env.Pack("acme-disk", version="2.1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22",\n'
        '    description="d", packages=[core, nic], unsigned=True, requires=["product-version >= 8"]))\n',
        head,
    )
    tree.scons("pack").good()
    assert not (tree.path / "build/srpms").exists()
    source = tree.path / "build/srpms/acme-2.1-1.src.rpm"
    assert tree.scons("build/srpms/acme-2.1-1.src.rpm").good().built == {"build/srpms/acme-2.1-1.src.rpm"}
    top = tmp_path / "top"
    defines = [f"--define=_topdir {top}", f"--define=kernel_tree {next(iter(trees.values()))}"]
    subprocess.run(["rpmbuild", "--rebuild", "--quiet", *defines, source], check=True, capture_output=True)
    (rebuilt,) = top.rglob("*.rpm")
    made = tree.path / RPM
    assert rebuilt.name == made.name
    assert payload(rebuilt) == payload(made) and any(name.endswith("acme.ko") for name in payload(made))
    for query in ("--requires", "--provides", "--scripts", "--dump"):
        assert asked(rebuilt, query) == asked(made, query), query


def test_what_a_dkms_conf_says(head: str, kernel: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/dkms.conf": DKMS,
            "driver/src/Kbuild": "ccflags-y += -DACME=$(ACME)$(OTHER)\nobj-m := acme.o\n",
            "driver/src/acme.c": NIC.replace("acme_core() +", "").replace("int acme_core(void);\n", ""),
        }
    )
    given = 'env.KernelModule("acme", dkms="driver/dkms.conf", make_variables={"OTHER": 7})\n'
    tree.declare(given, head).scons().good()
    assert set(payload(tree.path / RPM)) == {f"/lib/modules/{kernel}/updates/acme.ko"}

    tree.write({"driver/src/Kbuild": "obj-m := other.o\n", "driver/src/other.c": CORE})
    ran = tree.scons()
    assert ran.status == 2 and "kbuild did not make acme; it made other.ko" in ran.said


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (
            "VERSION=1\n",
            (
                "a dkms.conf assigns PACKAGE_NAME, plainly and under no condition; "
                "give version=, kbuild_dir= and the like"
            ),
        ),
        (
            DKMS + 'POST_BUILD="configure"\n',
            (
                "its POST_BUILD is not supported; do what it does with prepare=, and give kbuild_dir= and "
                "make_variables= instead of dkms="
            ),
        ),
        (
            DKMS + 'BUILD_EXCLUSIVE_KERNEL="^2"\n',
            (
                "its BUILD_EXCLUSIVE_KERNEL is for other kernels: ^2; leave this kit out, or give version=, "
                "kbuild_dir= and the like instead of dkms="
            ),
        ),
    ],
)
def test_a_dkms_conf_that_cannot_be_followed(head: str, tmp_path: Path, conf: str, said: str) -> None:
    tree = Tree(tmp_path / "tree").write({"driver/dkms.conf": conf, "driver/Kbuild": ""})
    tree.declare('env.KernelModule("acme", version="2", source="driver", dkms="driver/dkms.conf")\n', head)
    assert tree.scons().refused() == [f"SConstruct:3: KernelModule 'acme': dkms='driver/dkms.conf': {said}"]


def test_what_modprobe_is_told(head: str, tmp_path: Path) -> None:
    """A file of its own, which the administrator may change; D2 is content with a blacklisted driver."""
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/Kbuild": "obj-m := acme.o\n",
            "driver/acme.c": "#include <linux/module.h>\n#include <linux/pci.h>\n"
            "static const struct pci_device_id ids[] = {{PCI_DEVICE(0x8086, 0x100e)}, {}};\n"
            'MODULE_DEVICE_TABLE(pci, ids);\nMODULE_LICENSE("GPL");\n',
            "inbox": "alias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000\n",
        }
    )
    ddk = re.search(r'XSPACK_DDK="([^"]+)"', head)
    assert ddk
    lines = '["options acme queues=4", "KEEP e1000"]'
    text = (
        f'nic = env.KernelModule("acme", version="1", source="driver", ddk=env.Ddk("{ddk[1]}", inbox="inbox"),\n'
        f"    modprobe={lines})\n"
        'fw = env.Firmware("acme-fw", version="1", files={"acme/x": "inbox"}, modprobe="options acme fw=1")\n'
        'tool = env.Userspace("acme-tool", version="1", modprobe="softdep acme pre: e1000")\n'
        'env.Alias("pack", env.Pack("acme-disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22",\n'
        '    description="d", packages=[nic, fw, tool], unsigned=True, requires=["product-version >= 8"]))\n'
    )
    tree.declare(text.replace("KEEP", "blacklst"), head)
    (said,) = tree.scons().refused()
    assert said == (
        "SConstruct:3: KernelModule 'acme': modprobe='blacklst e1000': modprobe has no command 'blacklst'; "
        "did you mean 'blacklist'?"
    )
    ran = tree.declare(text.replace("KEEP", "blacklist"), head).scons("pack").good()
    assert " D2 " not in ran.said
    kept = {"acme": "options acme queues=4\nblacklist e1000\n", "acme-fw": "options acme fw=1\n"}
    kept["acme-tool"] = "softdep acme pre: e1000\n"
    for name, content in kept.items():
        (rpm,) = (tree.path / "build/rpms").glob(f"{name}-1-1.*.rpm")
        assert payload(rpm)[f"/etc/modprobe.d/{name}.conf"] == content.encode()
        assert f"/etc/modprobe.d/{name}.conf" in asked(rpm, "-c")
    assert "I D2 " in tree.declare(text.replace("KEEP", "alias x"), head).scons("pack").good().said


def test_debug_data_stays_out_of_the_pack(head: str, kernel: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write({"driver/Kbuild": "obj-m := acme.o\n", "driver/acme.c": CORE})
    tree.declare(
        'driver = env.KernelModule("acme", version="2.1", source="driver", debuginfo=True)\n'
        'env.Alias("debug", driver[1:])\n'
        'env.Alias("pack", env.Pack("disk", version="2.1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22",\n'
        '    description="d", packages=driver, unsigned=True, requires=["product-version >= 8"]))\n',
        head,
    )
    tree.scons("pack").good()
    assert tree.files("build/rpms") == {
        "acme-2.1-1.x86_64.rpm",
        "update-disk-2.1-1.noarch.rpm",
        "control-disk-2.1-1.noarch.rpm",
    }
    apart = "acme-debuginfo-2.1-1.x86_64.rpm"
    assert tree.scons("debug").good().built == {f"build/rpms/{apart}"}
    path = f"/usr/lib/debug/lib/modules/{kernel}/updates/acme.ko.debug"
    assert set(payload(tree.path / "build/rpms" / apart)) == {path}
    (tmp_path / "acme.debug").write_bytes(payload(tree.path / "build/rpms" / apart)[path])
    assert ".debug_info" in sections(tmp_path / "acme.debug")


def test_signed_modules(head: str, kernel: str, tmp_path: Path) -> None:
    need("openssl")
    tree = Tree(tmp_path / "tree").write({"driver/Kbuild": "obj-m := acme.o\n", "driver/acme.c": CORE})
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Acme"]
    for name in ("one", "two"):
        files = ["-keyout", tree.path / f"{name}.key", "-out", tree.path / f"{name}.pem"]
        subprocess.run([*request, *files], check=True, capture_output=True)
    sign = 'env.KernelModule("acme", version="2.1", source="driver", sign_key=["{0}.key", "{0}.pem"])\n'
    tree.declare(sign.format("one"), head).scons(RPM).good()
    place = f"/lib/modules/{kernel}/updates/acme.ko"
    signed = payload(tree.path / RPM)[place]
    assert signed.endswith(b"~Module signature appended~\n")
    tree.declare(sign.format("two"), head).scons(RPM).good()
    again = payload(tree.path / RPM)[place]
    assert again.endswith(b"~Module signature appended~\n") and again != signed
    database = (tree.path / ".sconsign.dblite").read_bytes()
    assert b".key" not in database and b"PRIVATE KEY" not in database

    tree.declare('env.KernelModule("acme", version="2.1", source="driver", sign_key="one.pem")\n', head)
    assert tree.scons().refused() == [
        (
            "SConstruct:3: KernelModule 'acme': sign_key=['one.pem']: modules must be signed with a private key "
            "and its certificate; name both files, the key first"
        )
    ]
