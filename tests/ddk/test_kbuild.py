"""Drivers compiled by the real kbuild against installed kernel headers."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
from elftools.elf.elffile import ELFFile
from msgspec.structs import replace
from support import lacks, need

from xspack_tool.binary.module import read_module
from xspack_tool.ddk.compiler import differ, find_compiler
from xspack_tool.ddk.kbuild import BuildResult, build_modules, error_lines, warning_lines
from xspack_tool.ddk.module_key import ModuleKey
from xspack_tool.ddk.modules import Outputs
from xspack_tool.ddk.request import Compiler, KbuildRequest
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import StepError
from xspack_tool.model.changelog import CONSTANT_TIME

Listing = Callable[[Path], dict[str, Path]]


@pytest.fixture
def build(tree: KernelTree, listing: Listing) -> Callable[..., BuildResult]:
    """Build the driver in a folder; the outputs lie beside the work folder."""

    def run_build(folder: Path, work: Path, **options: object) -> BuildResult:
        outputs = Outputs(work.with_suffix(".tar"), work.with_suffix(".symvers"))
        return build_modules(tree, listing(folder), work, outputs, jobs=2, **options)  # type: ignore[arg-type]

    return run_build


Build = Callable[..., BuildResult]


def test_incremental(driver: Path, tmp_path: Path, build: Build) -> None:
    work = tmp_path / "work"
    before = {path: path.read_bytes() for path in driver.rglob("*")}
    assert len(build(driver, work).compiled) == 20
    assert {path: path.read_bytes() for path in driver.rglob("*")} == before
    first = work.with_suffix(".tar").read_bytes()

    driver.joinpath("part7.c").write_text('#include "acme.h"\nint acme_part7(void) { return ACME + 7; }\n')
    result = build(driver, work)
    assert result.compiled == ("part7.o",)
    assert re.findall(r"CC \[M\]  \S+", result.log) == ["CC [M]  part7.o"]
    changed = work.with_suffix(".tar").read_bytes()
    assert changed != first

    assert build(driver, work).compiled == ()
    assert work.with_suffix(".tar").read_bytes() == changed

    driver.joinpath("part7.c").unlink()
    with pytest.raises(StepError, match=r"No rule to make target '[^']*part7.o'"):
        build(driver, work)


def test_equal_bytes_from_different_folders(tiny: Path, tmp_path: Path, build: Build) -> None:
    build(tiny, tmp_path / "one")
    build(tiny.rename(tmp_path / "renamed"), tmp_path / "deeper" / "two")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "deeper/two.tar").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "one.tar").read_bytes()


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Modules in two kbuild folders, one of them with a sub-folder, which needs the other's symbol."""
    folder = tmp_path / "family"
    texts = {
        "core/Kbuild": "obj-m := acme_core.o\n",
        "core/acme_core.c": "#include <linux/module.h>\nint acme_core(void) { return 1; }\n"
        'EXPORT_SYMBOL_GPL(acme_core);\nMODULE_LICENSE("GPL");\n',
        "nic/Makefile": "obj-y += hw/\n",
        "nic/hw/Makefile": "obj-$(CONFIG_ACME_NIC) := acme-nic.o\n",
        "nic/hw/acme-nic.c": "#include <linux/module.h>\nint acme_core(void);\n"
        "#if !IS_MODULE(CONFIG_ACME_NIC) || CONFIG_ACME_QUEUES != 8\n#error switches\n#endif\n"
        "static int __init start(void) { return acme_core(); }\nmodule_init(start);\n"
        'MODULE_LICENSE("GPL");\n',
    }
    for name, text in texts.items():
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).write_text(text)
    return folder


CONFIG = {"ACME_NIC": "m", "CONFIG_ACME_QUEUES": "8"}


def test_folders_switches_and_archive(family: Path, tmp_path: Path, build: Build) -> None:
    request = KbuildRequest(("core", "nic"), {}, CONFIG)
    result = build(family, tmp_path / "work", request=request, expected=["acme-core", "acme_nic"])
    assert result.modules == ("acme_core.ko", "hw/acme-nic.ko")
    with tarfile.open(tmp_path / "work.tar") as archive:
        members = [(m.name, m.mode, m.uid, m.gid, m.mtime) for m in archive]
    assert members == [(name, 0o644, 0, 0, CONSTANT_TIME) for name in result.modules]
    symbol, name, module, kind = (tmp_path / "work.symvers").read_text().rstrip("\n\t").split("\t")
    assert (name, module, kind) == ("acme_core", "core/acme_core", "EXPORT_SYMBOL_GPL")
    assert re.fullmatch("0x[0-9a-f]{8}", symbol)


def test_extra_symbols(family: Path, tmp_path: Path, build: Build) -> None:
    build(family, tmp_path / "core", request=KbuildRequest(("core",)))
    nic = KbuildRequest(("nic",), {}, CONFIG)
    with pytest.raises(StepError, match=r'ERROR: modpost: "acme_core" \[.*acme-nic.ko\] undefined!'):
        build(family, tmp_path / "nic", request=nic)
    assert not (tmp_path / "nic.tar").exists()
    result = build(family, tmp_path / "nic", request=nic, extra_symbols=[tmp_path / "core.symvers"])
    assert result.modules == ("hw/acme-nic.ko",)


def test_an_error_shows_the_compilers_words_and_the_users_file(
    tiny: Path, tmp_path: Path, build: Build
) -> None:
    build(tiny, tmp_path / "work")
    good = tiny.joinpath("tiny.c").read_text()
    tiny.joinpath("tiny.c").write_text(good + "int broken(void) { return nothing; }\n")
    with pytest.raises(StepError) as failure:
        build(tiny, tmp_path / "work")
    text = str(failure.value)
    assert text.startswith("compiling modules: make ended with status 2\n")
    assert f"{tiny}/tiny.c:3:27: error: " in text
    assert "undeclared (first use in this function)" in text
    assert "\n  command: make -j2 -C /usr/src/" in text
    assert list(tmp_path.glob("*work*.tar")) == []
    tiny.joinpath("tiny.c").write_text(good)
    assert build(tiny, tmp_path / "work").modules == ("tiny.ko",)


def test_a_module_that_is_made_no_more_disappears(tiny: Path, tmp_path: Path, build: Build) -> None:
    tiny.joinpath("other.c").write_text(tiny.joinpath("tiny.c").read_text())
    tiny.joinpath("Kbuild").write_text("obj-m := tiny.o other.o\n")
    assert build(tiny, tmp_path / "work").modules == ("other.ko", "tiny.ko")
    tiny.joinpath("Kbuild").write_text("obj-m := tiny.o\n")
    assert build(tiny, tmp_path / "work").modules == ("tiny.ko",)


def test_no_module(tiny: Path, tmp_path: Path, build: Build) -> None:
    with pytest.raises(StepError, match=r"^kbuild did not make tinier; it made tiny.ko$"):
        build(tiny, tmp_path / "work", expected=["tiny", "tinier"])
    tiny.joinpath("Kbuild").write_text("obj-$(CONFIG_TINY) := tiny.o\n")
    with pytest.raises(StepError, match=r"^kbuild made no module: no Kbuild or Makefile adds one to obj-m;"):
        build(tiny, tmp_path / "work")
    with pytest.raises(StepError, match=r"^the driver's folder 'src' holds neither Kbuild nor Makefile: "):
        build(tiny, tmp_path / "work", request=KbuildRequest(("src",)))


def test_bad_places(tiny: Path, tmp_path: Path, tree: KernelTree, build: Build) -> None:
    with pytest.raises(StepError, match=r"^'\.\./tiny\.c' must be a path below the driver's source folder$"):
        build_modules(tree, {"../tiny.c": tiny / "tiny.c"}, tmp_path / "w", Outputs(tmp_path / "o.tar"))


def test_a_missing_compiler_is_named(tiny: Path, tmp_path: Path, build: Build) -> None:
    with pytest.raises(
        StepError, match=r"^compiling modules for kernel .*: no-such-gcc not found; the kernel was "
    ):
        build(tiny, tmp_path / "work", request=KbuildRequest(make_variables={"CC": "no-such-gcc"}))
    with pytest.raises(StepError, match=r"no-such-ccache not found; "):
        build(tiny, tmp_path / "work", compiler=Compiler("gcc", "", "no-such-ccache"))


def test_each_kernel(tiny: Path, tmp_path: Path, flavours: list[KernelTree], listing: Listing) -> None:
    """One staged copy goes from kernel to kernel, and never takes an object of another along."""
    work, out = tmp_path / "work", tmp_path / "out.tar"
    for tree in (*flavours, flavours[0]):
        result = build_modules(tree, listing(tiny), work, Outputs(out), jobs=2)
        assert result.compiled == ("tiny.o",)
        assert read_module(work / "finished/tiny.ko").kernel == tree.kernel
    assert len({tree.kernel for tree in flavours}) == len(flavours)


def test_no_debug_data_where_it_would_be_stripped(
    tiny: Path, tmp_path: Path, tree: KernelTree, listing: Listing
) -> None:
    """The module is the one that is built with it, but for the build id, which covers what is stripped."""
    made: dict[bool, bytes] = {}
    for debug in (False, True):
        work, outputs = tmp_path / f"work-{debug}", Outputs(tmp_path / f"m-{debug}.tar")
        if debug:
            outputs = replace(outputs, debuginfo=tmp_path / "d.tar")
        build_modules(tree, listing(tiny), work, outputs)
        [linked] = (path for path in work.rglob("tiny.ko") if path.parent.name != "finished")
        with linked.open("rb") as file:
            assert ELFFile(file).has_dwarf_info() is debug
        stripped = tmp_path / f"{debug}.ko"
        subprocess.run(
            ["strip", "--strip-debug", "-R", ".note.gnu.build-id", "-o", stripped, linked], check=True
        )
        made[debug] = stripped.read_bytes()
    assert made[False] == made[True]


def test_debug_data_apart(tiny: Path, tmp_path: Path, tree: KernelTree, listing: Listing) -> None:
    """The separate debug data belongs to the module: one build id; and holds no path of this machine's."""
    outputs = Outputs(tmp_path / "m.tar", debuginfo=tmp_path / "d.tar")
    build_modules(tree, listing(tiny), tmp_path / "work", outputs)
    files = unpack(tmp_path / "m.tar") | unpack(tmp_path / "d.tar")
    assert sorted(files) == ["tiny.ko", "tiny.ko.debug"]
    found = {}
    for name, content in files.items():
        elf = ELFFile(io.BytesIO(content))
        found[name] = next(elf.get_section_by_name(".note.gnu.build-id").iter_notes())["n_desc"]
        assert elf.has_dwarf_info() is (name == "tiny.ko.debug")
    assert found["tiny.ko"] == found["tiny.ko.debug"]
    assert str(tmp_path).encode() not in files["tiny.ko.debug"]


def unpack(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]


def test_signed(tiny: Path, tmp_path: Path, tree: KernelTree, listing: Listing) -> None:
    """A module signed as the kernel itself does; the same bytes each time."""
    need("openssl")
    if not (tree.path / "scripts/sign-file").is_file():
        lacks("scripts/sign-file of the kernel tree is needed: apt-get install linux-kbuild-6.1")
    words = "openssl req -new -x509 -newkey rsa:2048 -nodes -days 99 -subj /CN=Acme -keyout k.pem -out c.pem"
    subprocess.run(words.split(), cwd=tmp_path, check=True, capture_output=True)
    key = ModuleKey(str(tmp_path / "k.pem"), tmp_path / "c.pem")
    tars = []
    for work in ("one", "two"):
        tars.append(tmp_path / f"{work}.tar")
        build_modules(tree, listing(tiny), tmp_path / work, Outputs(tars[-1]), sign_key=key)
    assert tars[0].read_bytes() == tars[1].read_bytes()
    signed = unpack(tars[0])["tiny.ko"]
    assert signed.endswith(b"~Module signature appended~\n")
    length = int.from_bytes(signed[-32:-28], "big")
    (tmp_path / "signature").write_bytes(signed[-40 - length : -40])
    (tmp_path / "content").write_bytes(signed[: -40 - length])
    verify = "openssl cms -verify -binary -inform DER -in signature -content content -certfile c.pem"
    subprocess.run([*verify.split(), "-noverify", "-nointern"], cwd=tmp_path, check=True, capture_output=True)


def test_ccache(
    tiny: Path, tmp_path: Path, tree: KernelTree, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind ccache the modules are the same; when the staged copy is lost, objects come from the cache."""
    need("ccache")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "cache"))
    build(tiny, tmp_path / "plain")
    compiler = find_compiler(tree, {}, "ccache")
    build(tiny, tmp_path / "cached", compiler=compiler)
    assert (tmp_path / "plain.tar").read_bytes() == (tmp_path / "cached.tar").read_bytes()
    shutil.rmtree(tmp_path / "cached")
    build(tiny, tmp_path / "cached", compiler=compiler)
    assert (tmp_path / "plain.tar").read_bytes() == (tmp_path / "cached.tar").read_bytes()
    said = subprocess.run(["ccache", "--print-stats"], capture_output=True, text=True, check=True).stdout
    hits = dict(line.split("\t") for line in said.splitlines())
    assert int(hits["direct_cache_hit"]) + int(hits["preprocessed_cache_hit"]) > 0


_BUILD = """
import sys
from pathlib import Path
from xspack_tool.ddk.kbuild import build_modules
from xspack_tool.ddk.modules import Outputs
from xspack_tool.ddk.tree import read_tree
sources = {path.name: path for path in Path(sys.argv[2]).iterdir()}
build_modules(read_tree("", sys.argv[1]), sources, Path(sys.argv[3]), Outputs(Path(sys.argv[3] + ".tar")))
"""


def test_a_build_whose_parent_was_killed(tiny: Path, tmp_path: Path, tree: KernelTree, build: Build) -> None:
    """kbuild goes on for a while then: the next build waits for it, and starts afresh."""
    mark = tmp_path / "mark"
    kbuild = tiny.joinpath("Kbuild")
    plain = kbuild.read_text()
    stands = f"touch {mark}; until [ -e {mark}.go ]; do sleep 0.05; done; touch {mark}.after"
    kbuild.write_text(f"{plain}ifeq ($(wildcard {mark}),)\n$(shell {stands})\nendif\n")
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", _BUILD, tree.path, tiny, tmp_path / "work"], cwd=root)
    while not mark.exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert not Path(f"{mark}.after").exists()
    kbuild.write_text(plain)
    # By then the next build has most likely come to where it waits; one that is later finds nothing to wait for.
    Timer(2, Path(f"{mark}.go").touch).start()
    assert build(tiny, tmp_path / "work").compiled == ("tiny.o",)
    assert Path(f"{mark}.after").exists()
    build(tiny, tmp_path / "clean")
    assert (tmp_path / "work.tar").read_bytes() == (tmp_path / "clean.tar").read_bytes()


def test_error_lines() -> None:
    said = "warning: x\n  caret\na.c:1: error: bad\n   1 | bad\n     | ^\nnote\nmake: *** [a.o] Error 1\n"
    assert error_lines(said) == ["a.c:1: error: bad", "   1 | bad", "     | ^", "make: *** [a.o] Error 1"]
    assert error_lines("error: 1\nerror: 2\nerror: 3\n", limit=1) == ["error: 1", "(2 more lines)"]


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (
            "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils) 2.40",
            "gcc-12 (Debian x) 12.3.0",
            False,
        ),
        ("gcc version 7.3.0 (GCC)", "gcc (Debian 12.2.0-14) 12.2.0", True),
        ("gcc (GCC) 4.8.5 20150623 (Red Hat 4.8.5-28)", "gcc (GCC) 4.8.5 20150623 (Red Hat 4.8.5-44)", False),
        ("gcc (GCC) 4.8.5 20150623", "x86_64-linux-gnu-gcc-12 (Debian 12) 12.2.0", True),
        ("gcc (GCC) 14.0.6", "Debian clang version 14.0.6", True),
        ("clang version 17.0.6 (https://github.com/llvm (x) 3.1)", "Debian clang version 17.0.1", False),
        ("", "gcc (Debian 12.2.0-14) 12.2.0", False),
        ("a compiler of our own", "gcc (Debian 12.2.0-14) 12.2.0", False),
    ],
)
def test_compilers_that_differ(one: str, other: str, differs: bool) -> None:
    assert differ(one, other) is differs and differ(other, one) is differs


def test_warnings_are_told_once() -> None:
    lines = [f"acme.c:{number}:1: warning: unused" for number in range(22)]
    assert warning_lines("\n".join(["  CC acme.o", *lines, *lines])) == [*lines[:20], "(2 more warnings)"]
    assert warning_lines("  LD acme.ko\n") == []
