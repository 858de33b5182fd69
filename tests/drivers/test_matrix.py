"""One driver for several kernels: an RPM for each, and a pack of each release, or one of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from rebuild.lab import kernel
from support import need, need_root
from trees import Tree

from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.releases import load_profile
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.read import read_rpm
from xspack_tool.sandbox.stages import StageRunner

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="xcp-ng-8.3",
                  ENV={"PATH": "/usr/bin:/bin"})
def D(name, **more):
    return env.KernelModule(name, **{"version": "2.1", "source": env.Dir("driver"), **more})
"""
UUIDS = [f"0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e2{number}" for number in range(3)]
PACKS = """\
kits = [env.Ddk("{0}", release="one.toml"), env.Ddk("{1}", release="two.toml")]
nic = D("acme-nic", ddk=kits)
old = D("acme-old", ddk=kits, kernel_in_name=True)
tool = env.Userspace("acme-tool", version="1", arch="noarch", files={{"/opt/acme/tool": "driver/Kbuild"}})
key = env.TestKey("KEY")
each = env.Pack("acme", version="2.1", description="d", packages=[nic, tool], key=key,
                releases={{"one.toml": "{2[0]}", "two.toml": "{2[1]}"}})
every = env.Pack("acme-all", version="2.1", description="d", packages=[old, tool], key=key, uuid="{2[2]}",
                 requires=["product-version >= 8.2.1"])
env.Alias("pack", [each, every])
"""


@dataclass(frozen=True)
class Made:
    tree: Tree
    kernels: list[str]

    def rpms(self, iso: str) -> dict[str, RpmInfo]:
        """The RPMs of a pack, by name."""
        folder = self.tree.path / ".isos" / iso
        if not folder.exists():
            with IsoReader(self.tree.path / "build" / iso) as reader:
                reader.extract(folder)
        return {info.name: info for info in map(read_rpm, sorted((folder / "Packages").iterdir()))}


@pytest.fixture(scope="module")
def made(trees: dict[str, str], world: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    need("rpmsign")
    tree = Tree(tmp_path_factory.mktemp("matrix") / "tree").write(world)
    tree.declare(PACKS.format(*trees.values(), UUIDS), HEAD)
    tree.scons("pack", "-j2").good()
    return Made(tree, list(trees))


def relations(info: RpmInfo, *names: str) -> set[str]:
    """The requirements of these names."""
    return {str(one) for one in info.requires if one.name in names}


def test_an_rpm_for_each_kernel(made: Made) -> None:
    one, two = made.kernels
    assert made.tree.files("build/rpms") == {
        "one/acme-nic-2.1-1.x86_64.rpm",
        "two/acme-nic-2.1-1.x86_64.rpm",
        f"acme-old-modules-xen-{one}-2.1-1.x86_64.rpm",
        f"acme-old-modules-xen-{two}-2.1-1.x86_64.rpm",
        "acme-tool-1-1.noarch.rpm",
        *(f"{kind}-{label}-2.1-1.noarch.rpm" for kind in ("update", "control") for label in LABELS),
    }
    for folder, kernel_name in (("one", one), ("two", two)):
        info = read_rpm(made.tree.path / f"build/rpms/{folder}/acme-nic-2.1-1.x86_64.rpm")
        assert relations(info, "kernel-uname-r") == {f"kernel-uname-r = {kernel_name}"}
        assert [file.path for file in info.files] == [f"/lib/modules/{kernel_name}/updates/acme.ko"]
    assert made.tree.scons("pack").good().built == set()


LABELS = ("acme-one", "acme-two", "acme-all")


@pytest.mark.parametrize(("label", "product"), [("acme-one", "8.2.1"), ("acme-two", "8.3.0")])
def test_a_pack_of_each_release(made: Made, label: str, product: str) -> None:
    rpms = made.rpms(f"{label}-2.1.iso")
    assert set(rpms) == {"acme-nic", "acme-tool", f"update-{label}", f"control-{label}"}
    kernel_name = made.kernels[label == "acme-two"]
    assert relations(rpms["acme-nic"], "kernel-uname-r") == {f"kernel-uname-r = {kernel_name}"}
    assert relations(rpms[f"control-{label}"], "product-version") == {f"product-version >= {product}"}
    assert relations(rpms[f"update-{label}"], "acme-nic", "acme-tool") == {
        "acme-nic >= 2.1-1",
        "acme-tool >= 1-1",
    }


def test_one_pack_of_all_kernels(made: Made) -> None:
    rpms = made.rpms("acme-all-2.1.iso")
    drivers = {f"acme-old-modules-xen-{name}" for name in made.kernels}
    assert set(rpms) == {*drivers, "acme-tool", "update-acme-all", "control-acme-all"}
    wanted = {str(one) for one in rpms["update-acme-all"].requires if not one.name.startswith("rpmlib")}
    assert wanted == {"acme-old-modules >= 2.1-1", "acme-tool >= 1-1"}
    for name in drivers:
        assert "acme-old-modules = 2.1-1" in {str(one) for one in rpms[name].provides}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("pack", ["each", "all"])
def test_dnf_installs_what_fits_the_host(made: Made, short_dir: Path, pack: str, number: int) -> None:
    need_root()
    need("dnf", "busybox")
    release = ("one", "two")[number]
    label = f"acme-{release}" if pack == "each" else "acme-all"
    profile = load_profile(str(made.tree.path / f"{release}.toml"))
    trial = StageRunner(short_dir, profile, None, made.tree.path / "build/keys/KEY")
    stages = list(trial.stages(made.tree.path / f"build/{label}-2.1.iso", None, False))
    assert trial.good, [stage.why for stage in stages]
    modules = {path for stage in stages for path in stage.added if path.endswith(".ko")}
    assert modules == {f"/usr/lib/modules/{made.kernels[number]}/updates/acme.ko"}


def test_a_host_of_another_release_refuses(made: Made, short_dir: Path) -> None:
    need_root()
    need("dnf", "busybox")
    older = load_profile(str(made.tree.path / "one.toml"))
    trial = StageRunner(short_dir, older, None, made.tree.path / "build/keys/KEY")
    stages = list(trial.stages(made.tree.path / "build/acme-two-2.1.iso", None, False))
    assert [stage.code for stage in stages] == ["UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION"]


# What is rebuilt, with kernel trees that make a module in a moment.

KITS = {f"{name}/{file}": text for name in ("a", "b") for file, text in kernel(f"6.1.0-{name}").items()}
DRIVER = {"driver/acme.c": "int acme;\n", "driver/Kbuild": "obj-m := acme.o\n"}


def test_only_the_changed_kit_compiles_again(tmp_path: Path) -> None:
    need("make", "gcc", "strip", "rpmbuild")
    tree = Tree(tmp_path / "tree").write({**KITS, **DRIVER})
    tree.declare('D("acme", ddk=["a", "b"])\n', HEAD)
    assert tree.scons("build/rpms").good().built == {
        *(f"build/modules/6.1.0-{kit}/acme-6.1.0-{kit}.tar" for kit in "ab"),
        *(f"build/rpms/6.1.0-{kit}/acme-2.1-1.x86_64.rpm" for kit in "ab"),
    }
    # The same module comes out of the changed tree, so that the RPM stays.
    tree.write({"b/Module.symvers": "0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    assert tree.scons("build/rpms").good().built == {"build/modules/6.1.0-b/acme-6.1.0-b.tar"}
    tree.declare('D("acme", ddk=["b"], version="3")\n', HEAD)
    assert "build/rpms/acme-3-1.x86_64.rpm" in tree.scons("build/rpms").good().built


def test_symbols_are_those_of_the_same_kit(tmp_path: Path) -> None:
    need("make", "gcc", "strip", "rpmbuild")
    tree = Tree(tmp_path / "tree").write({**KITS, **DRIVER})
    tree.declare(
        'core = D("core", ddk=["a", "b"], debuginfo=True)\nD("nic", ddk=["b", "a"], extra_symbols=core)\n',
        HEAD,
    )
    target = "build/rpms/6.1.0-b/nic-2.1-1.x86_64.rpm"
    assert tree.scons(target).good().built == {
        "build/modules/6.1.0-b/core-6.1.0-b.tar",
        "build/modules/6.1.0-b/nic-6.1.0-b.tar",
        target,
    }
    assert relations(read_rpm(tree.path / target), "core") == {"core >= 2.1-1"}


TWO_NAMES = "say which release each is for: env.Ddk(.., release=..)"
#: Lists of devices that are none -> their text, and what is said of them.
INBOXES: dict[str, tuple[str | None, str]] = {
    "modules.alias": (None, "list of devices not found"),
    "empty.alias": ("", "names no PCI, USB or HID device"),
    "comments.alias": ("# Aliases extracted\nalias fs-ext4 ext4\n", "names no PCI, USB or HID device"),
    "notes.alias": (
        "no aliases\n",
        "none of modules.alias, modules.builtin.modinfo, modules.builtin.alias, modules.pcimap",
    ),
    "driver": (
        None,
        (
            "a folder with neither modules nor one of "
            "modules.alias, modules.builtin.modinfo, modules.builtin.alias, modules.pcimap"
        ),
    ),
}
BAD = {
    'D("m1", ddk=["a", "c"])': [f"KernelModule 'm1': ddk='6.1.0-a': two kits for 6.1.0-a; {TWO_NAMES}"],
    'D("m2", ddk=["a", "none"], version="1-2")': [
        (
            "KernelModule 'm2': ddk='{top}/none': kernel build tree not found; install the kernel's development "
            "package (kernel-devel, linux-headers) and name its folder"
        ),
        "KernelModule 'm2': version='1-2': a version must not contain '-'; put what follows it into release",
    ],
    'D("m3", ddk=["a", "b"], requires=["x >> 1"])': [
        "KernelModule 'm3': requires='x >> 1': unknown operator '>>'; use one of < <= = >= >"
    ],
    'P("p1", packages=D("m4", ddk=["a", "b"]))': [
        (
            "Pack 'p1': packages='m4': m4.x86_64 is built for several kits, under one name; "
            "give it kernel_in_name=True, or make a pack of each release: releases={{release: uuid, ..}}"
        )
    ],
    'P("p2", uuid=None, packages=D("m5", ddk=["a"]), releases={"one.toml": U(1), "none.toml": U(2)})': [
        (
            "Pack 'p2': releases='{top}/none.toml': the profile cannot be read: No such file or "
            "directory; name an existing file"
        )
    ],
    'P("p3", uuid=None, packages=D("m6", ddk=["a"]), releases={"one.toml": U(3), "xcp-ng-8.3": U(4)})': [
        (
            "Pack 'p3': releases='xcp-ng-8.3': KernelModule 'm6' is not built for xcp-ng-8.3; give it a kit of that "
            'release: ddk=[.., env.Ddk(tree, release="xcp-ng-8.3")]'
        )
    ],
    'P("p4", releases={"one.toml": U(5)}, packages=D("m7", ddk="a"))': [
        "Pack 'p4': uuid='{uuid}': releases= has the uuid of each pack; leave uuid= out"
    ],
    'D("m8", ddk="a", extra_symbols=D("m9", ddk="b"))': [
        "KernelModule 'm8': extra_symbols='m9': KernelModule 'm9' is not built for 6.1.0-a; give it the same ddk="
    ],
    'D("m11", ddk="a", extra_symbols=env.Userspace("u", version="1", files={"/opt/x": "driver/Kbuild"}))': [
        "KernelModule 'm11': extra_symbols='u': Userspace 'u' is not a driver; name a driver, or a Module.symvers"
    ],
    'env.Ddk("a", relase="xcp-ng-8.3")': [
        "Ddk 'a': relase='xcp-ng-8.3': unknown keyword; did you mean 'release'?"
    ],
    "env.Ddk()": [
        (
            "Ddk '': tree='': a kit must be a kernel build tree here, or a machine, a root folder, an image or "
            "a grid that has one; "
            'write env.Ddk("/usr/src/..") or env.Ddk(host="root@kit")'
        )
    ],
    **{
        f'D("m10", ddk=env.Ddk("a", inbox="{name}"))': [
            f"KernelModule 'm10': inbox='{{top}}/{name}': {said}; name a modules.alias, or a folder with modules"
        ]
        for name, (_, said) in INBOXES.items()
    },
}
START = (
    HEAD
    + """\
def U(number): return f"0f2d1a52-7a55-4f0c-9d0b-00000000000{number}"
def P(name, **more):
    return env.Pack(name, **{"version": "1", "uuid": U(9), "description": "d", "unsigned": True, **more})
"""
)


def test_mistakes_in_a_matrix_are_told_once(tmp_path: Path, world: dict[str, str]) -> None:
    tree = Tree(tmp_path / "tree").write({**KITS, **DRIVER})
    tree.write({name: text for name, (text, _) in INBOXES.items() if text is not None})
    one = world["one.toml"].split("kernels = ")[1].split("\n")[0]
    tree.write({f"c/{file}": text for file, text in kernel("6.1.0-a").items()})
    tree.write({"one.toml": world["one.toml"].replace(one, '["6.1.0-a", "6.1.0-b"]')})
    for number, (declaration, said) in enumerate(BAD.items()):
        tree.declare(f"{declaration}\n", START)
        words = {"top": tree.path, "uuid": "0f2d1a52-7a55-4f0c-9d0b-000000000009"}
        # The place is that of the helper that declares.
        found = [line.partition(": ")[2] for line in tree.scons().refused()]
        assert found == [text.format(**words) for text in said], number
