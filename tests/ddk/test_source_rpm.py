"""A driver's source RPM: rebuilt by plain rpmbuild, it gives the same modules."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ddk.test_request import USUAL, VERSIONS
from msgspec.structs import replace
from rpm_asked import asked, payload, query
from support import need

from xspack_tool.ddk.kbuild import build_modules
from xspack_tool.ddk.modules import Outputs
from xspack_tool.ddk.request import KbuildRequest
from xspack_tool.ddk.source_rpm import DriverSource, source_sections, write_source_tar
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.source import write_source_rpm
from xspack_tool.rpm.spec import Making
from xspack_tool.rpm.write import write_rpm

Listing = Callable[[Path], dict[str, Path]]

FILES = {
    "core/Kbuild": "obj-m := acme_core.o\n",
    "core/acme_core.c": "#include <linux/module.h>\nint acme_other(void);\n"
    "int acme_core(void) { WARN_ON(ACME != 5); return acme_other(); }\n"
    'EXPORT_SYMBOL_GPL(acme_core);\nMODULE_LICENSE("GPL");\n',
    "nic/Makefile": "obj-y += hw/\nccflags-y += -I$(TOP)/include\n",
    "nic/hw/Makefile": "obj-$(CONFIG_ACME_NIC) := acme-nic.o\nccflags-y += -I$(TOP)/include\n",
    "nic/hw/acme-nic.c": '#include <linux/module.h>\n#include "acme.h"\n'
    "#if !IS_MODULE(CONFIG_ACME_NIC)\n#error\n#endif\n"
    "static int __init start(void) { return acme_core(); }\n"
    'module_init(start);\nMODULE_LICENSE("GPL");\n',
    "include/acme.h": "int acme_core(void);\n",
}
OTHER = {
    "Kbuild": "obj-m := other.o\n",
    "other.c": "#include <linux/module.h>\nint acme_other(void) { return 0; }\n"
    'EXPORT_SYMBOL(acme_other);\nMODULE_LICENSE("GPL");\n',
}
REQUEST = KbuildRequest(
    ("core", "nic"), {"KCFLAGS": "-DACME=5", "TOP": "$(XSPACK_SOURCES)", "X": "100%'\"$$"}, {"ACME_NIC": "m"}
)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _programs() -> None:
    need("rpmbuild", "make", "gcc")


def test_rebuild_gives_the_same(tree: KernelTree, tmp_path: Path, listing: Listing) -> None:
    folder = f"/lib/modules/{tree.kernel}/updates"
    other, acme = write(tmp_path / "other", OTHER), write(tmp_path / "acme", FILES)
    (tmp_path / "acme.conf").write_text("x\n")
    build_modules(tree, listing(other), tmp_path / "w1", Outputs(tmp_path / "o.tar", tmp_path / "o.symvers"))
    outputs = Outputs(tmp_path / "acme.tar")
    symbols = [tmp_path / "o.symvers"]
    build_modules(
        tree, listing(acme), tmp_path / "w2", outputs, request=REQUEST, extra_symbols=symbols, jobs=2
    )

    rest = Package(
        "acme",
        "1.0",
        "1",
        summary="Acme's 100% driver",
        license="GPL-2.0-only",
        arch=tree.arch,
        requires=(Dependency("kernel-uname-r", "=", tree.kernel),),
        entries=(
            FileEntry("/etc/acme.conf", "file", role="config", source="conf"),
            FileEntry("/etc/acme", "link", link="acme.conf"),
        ),
        scripts=(Script("post", (ScriptPart("depmod"),)),),
    )
    binary = replace(rest, entries=(*rest.entries, FileEntry(folder, "archive", source="modules")))
    local = tmp_path / "local" / binary.file_name
    local.parent.mkdir()
    contents = {"conf": tmp_path / "acme.conf"}
    write_rpm(binary, {**contents, "modules": outputs.modules}, local, payload="w2.xzdio", time=CONSTANT_TIME)

    made = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        source, out = tmp_path / place / "acme-1.0.tar", tmp_path / place / "acme-1.0-1.src.rpm"
        write_source_tar(source, "acme-1.0", listing(acme), CONSTANT_TIME)
        sections = source_sections(
            DriverSource(tree.kernel, folder, REQUEST, len(symbols)), "acme-1.0", CONSTANT_TIME
        )
        making = Making(
            sections.head,
            (source.name, "0.symvers"),
            sections.prep,
            sections.build,
            sections.install,
            sections.file_list,
        )
        sources = {source.name: source, "0.symvers": tmp_path / "o.symvers"}
        write_source_rpm(rest, contents, making, sources, out, payload="w2.xzdio", time=CONSTANT_TIME)
        made.append(out)
    assert made[0].read_bytes() == made[1].read_bytes()
    assert query(made[0], "[%{FILENAMES}\\n]") == [
        "0.symvers",
        "acme-1.0.tar",
        "acme.spec",
        "payload.tar",
    ]
    assert query(made[0], "%{BUILDHOST}") == ["xspack"]
    assert str(tmp_path) not in asked(made[0], "--qf", "%{SPEC}")

    nowhere = run_rebuild(made[0], tmp_path / "top", tmp_path)
    assert nowhere.returncode != 0
    assert (
        f"no kernel build tree at {tmp_path}: rpmbuild --define 'kernel_tree FOLDER' names" in nowhere.stderr
    )

    rebuilt = rebuild(made[0], tmp_path / "top", tree)
    assert [path.name for path in rebuilt] == [binary.file_name]
    assert payload(rebuilt[0]) == payload(local)
    with tarfile.open(outputs.modules) as archive:
        assert {f"{folder}/{name}" for name in archive.getnames()} < set(payload(local))
    modes = "--qf=[%{FILENAMES}%{FILEMODES:octal}%{FILEUSERNAME}\\n]"
    for option in ("--requires", "--provides", "--scripts", modes):
        assert asked(rebuilt[0], option) == asked(local, option), option


def rebuild(source: Path, top: Path, tree: KernelTree) -> list[Path]:
    """What ``rpmbuild --rebuild`` makes with the machine's own macros."""
    done = run_rebuild(source, top, tree.path)
    assert done.returncode == 0, done.stderr + done.stdout
    return sorted(top.rglob("*.rpm"))


def run_rebuild(source: Path, top: Path, kernel_tree: Path) -> subprocess.CompletedProcess[str]:
    defines = {"_topdir": str(top), "_tmppath": str(top), "kernel_tree": str(kernel_tree)}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    command = ["rpmbuild", "--rebuild", *words, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_spec_of_the_smallest_driver() -> None:
    driver = DriverSource("4.19.0+1", "/lib/modules/4.19.0+1/updates", KbuildRequest())
    sections = source_sections(driver, "tiny-1.0", 5)
    assert (
        sections.head.splitlines()[0] == "%{!?kernel_tree: %global kernel_tree /lib/modules/4.19.0+1/build}"
    )
    assert sections.prep.splitlines()[-1] == "%setup -q -n tiny-1.0"
    usual = " ".join(f'{name}="{"$kernel" if name in VERSIONS else "$tree"}"' for name in USUAL)
    maps = '"$map"="$sources"\'=. \'"$map"="$tree"=/usr/src/kernel'
    no_data = (
        "$(if $(objtree),$(if $(CONFIG_GENDWARFKSYMS)"
        "$(and $(CONFIG_DEBUG_INFO_BTF_MODULES),$(wildcard $(objtree)/vmlinux)),,-g0))"
    )
    assert sections.build.splitlines()[-2:] == [
        "macros=",
        (
            f'(cd "$sources"/. && make %{{?_smp_mflags}} -C "$tree" M="$sources" {usual} '
            f"'KCFLAGS={no_data} '{maps} KAFLAGS={maps} modules"
            ' ${prefix:+"CC=$prefix $cc"})'
        ),
    ]
