"""A kit behind a real sshd on loopback: builds, failures, and that nothing is left there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sentences
from msgspec.structs import replace
from sshd import Sshd, Start, keygen
from support import lacks, wait_for

from xspack_tool.ddk.kbuild import build_modules
from xspack_tool.ddk.modules import Outputs
from xspack_tool.ddk.remote import RemoteFacts, build_remote, compile_remote, fetch_symvers, read_facts
from xspack_tool.ddk.request import KbuildRequest
from xspack_tool.ddk.source_rpm import DriverSource, source_sections, write_source_tar
from xspack_tool.ddk.ssh import RemoteDdk, ssh_command
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import StepError
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.package import Package
from xspack_tool.rpm.source import write_source_rpm
from xspack_tool.rpm.spec import Making


@pytest.fixture
def kit(sshd: Start, tree: KernelTree) -> Sshd:
    """A kit with an installed kernel's tree."""
    return sshd(tree=str(tree.path))


SPEC = """\
Name: tiny
Version: 1
Release: 1
Summary: tiny
License: MIT
%global debug_package %{{nil}}
%description
tiny
%package debuginfo
Summary: debug
%description debuginfo
debug
%build
{build}
%install
mkdir -p %{{buildroot}}/opt
echo "%{{kernel_tree}} $SOURCE_DATE_EPOCH $HOME" > %{{buildroot}}/opt/tiny
%files
/opt/tiny
%files debuginfo
"""


@pytest.fixture
def source_rpm(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a source RPM that compiles nothing: its %build is given."""

    def make(build: str = "true") -> Path:
        spec = tmp_path / "tiny.spec"
        spec.write_text(SPEC.format(build=build))
        top = ["--define", f"_topdir {tmp_path}/srpm"]
        subprocess.run(["rpmbuild", "-bs", "--quiet", *top, spec], check=True)
        return tmp_path / "srpm/SRPMS/tiny-1-1.src.rpm"

    return make


NAME = "tiny-1-1.x86_64.rpm"


def build(kit: Sshd, facts: RemoteFacts, source: Path, out: Path) -> Path:
    build_remote(kit.ddk, facts, source, [out / NAME], time=CONSTANT_TIME, cache_file=out / "kit.json")
    return out / NAME


def failing(kit: Sshd, facts: RemoteFacts, source: Path, out: Path) -> str:
    """What is said when a build fails; no output and nothing on the kit may be left then."""
    with pytest.raises(StepError) as failure:
        build(kit, facts, source, out)
    assert not out.exists() or not list(out.glob("*tiny*"))
    wait_for(lambda: list(kit.room.iterdir()) == [])
    return str(failure.value)


def test_facts_are_asked_for_once(kit: Sshd, tree: KernelTree, tmp_path: Path) -> None:
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    assert (facts.kernel, facts.arch, facts.tree) == (tree.kernel, tree.arch, str(tree.path))
    assert facts.compiler.startswith("gcc ") and facts.rpm.startswith("RPM version ") and facts.release
    kit.process.terminate()
    kit.process.wait()
    assert read_facts(kit.ddk, tmp_path / "kit.json") == facts
    with pytest.raises(StepError, match=r"root@127\.0\.0\.1: it cannot be reached: check host= and port="):
        read_facts(kit.ddk, tmp_path / "another.json")
    assert not (tmp_path / "another.json").exists()


def test_the_same_modules_as_here(
    kit: Sshd, tree: KernelTree, tiny: Path, tmp_path: Path, listing: Callable[[Path], dict[str, Path]]
) -> None:
    tiny.joinpath("tiny.c").write_text(
        "#include <linux/module.h>\nint tiny(void) { WARN_ON(1); return 0; }\nEXPORT_SYMBOL(tiny);\n"
        'MODULE_LICENSE("GPL");\n'
    )
    outputs = Outputs(tmp_path / "m.tar", tmp_path / "m.symvers")
    build_modules(tree, listing(tiny), tmp_path / "work", outputs)
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    driver = DriverSource(facts.kernel, f"/lib/modules/{facts.kernel}/updates", KbuildRequest())
    sections = source_sections(driver, "tiny-1", CONSTANT_TIME)
    making = Making(
        sections.head, ("tiny-1.tar",), sections.prep, sections.build, sections.install, sections.file_list
    )
    write_source_tar(tmp_path / "tiny-1.tar", "tiny-1", listing(tiny), CONSTANT_TIME)
    source = tmp_path / "tiny-1-1.src.rpm"
    package = Package("tiny", "1", "1", "tiny", "GPL-2.0-only")
    tars = {"tiny-1.tar": tmp_path / "tiny-1.tar"}
    write_source_rpm(package, {}, making, tars, source, payload="w2.xzdio", time=CONSTANT_TIME)
    (work := tmp_path / "made").mkdir()
    made = compile_remote(
        kit.ddk, facts, source, work, cache_file=tmp_path / "kit.json", sources=listing(tiny), name="tiny"
    )
    assert made.symvers == (tmp_path / "m.symvers").read_text()
    assert list(kit.room.iterdir()) == []
    assert list(made.modules) == ["tiny.ko"]
    with tarfile.open(outputs.modules) as archive:
        here = archive.extractfile("tiny.ko")
        assert here is not None
        assert made.modules["tiny.ko"].read_bytes() == here.read()
    (noted,) = made.commands
    assert (noted["directory"], noted["file"]) == (str(tree.path), str(tiny / "tiny.c"))


def content_of(rpm: Path, path: str) -> bytes:
    import rpmfile

    with rpmfile.open(str(rpm)) as opened:
        return bytes(opened.extractfile(f".{path}").read())


def test_rpms_come_back_without_debuginfo(
    kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path], tree: KernelTree
) -> None:
    dead, alive = (kit.room / f"xspack-ddk.{pid}.abcdef" for pid in (4194304, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    built = build(kit, facts, source_rpm(), tmp_path / "out")
    words = content_of(built, "/opt/tiny").decode().split()
    assert words[:2] == [str(tree.path), str(CONSTANT_TIME)]
    assert words[2].startswith(f"{kit.room}/xspack-ddk.")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [NAME]
    assert list(kit.room.iterdir()) == [alive]


def test_a_failed_build_tells_the_kits_words(
    kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path]
) -> None:
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    said = failing(kit, facts, source_rpm("echo 'acme.c:3: error: bad' >&2\nexit 1"), tmp_path / "out")
    head = "building tiny-1-1.src.rpm on root@127.0.0.1: root@127.0.0.1: its rpmbuild failed in %build\n"
    assert said.startswith(f"{head}    acme.c:3: error: bad")


def test_a_lost_connection_and_a_retry(kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path]) -> None:
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    mark = tmp_path / "alive"
    source = source_rpm(f"touch {mark}\nsleep 60; touch {mark}.after")

    def cut() -> None:
        wait_for(mark.exists)
        for session in kit.sessions():
            os.kill(session, signal.SIGKILL)

    cutter = threading.Thread(target=cut)
    cutter.start()
    said = failing(kit, facts, source, tmp_path / "out")
    cutter.join()
    reason = "the connection was lost; nothing of the build is kept, there or here: build again"
    assert said.startswith(f"building tiny-1-1.src.rpm on root@127.0.0.1: root@127.0.0.1: {reason}\n")
    assert build(kit, facts, source_rpm(), tmp_path / "out").is_file()


def test_a_killed_client_leaves_nothing(kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path]) -> None:
    """The build there ends when ours is killed, and takes its folder with it."""
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    mark = tmp_path / "alive"
    source = source_rpm(f"touch {mark}\nsleep 60")
    child = os.fork()
    if not child:
        os.setsid()
        build(kit, facts, source, tmp_path / "out")
        os._exit(0)
    wait_for(mark.exists)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_for(lambda: list(kit.room.iterdir()) == [])
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(kit.room) not in listed


def test_several_builds_at_once(kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path]) -> None:
    facts = read_facts(kit.ddk, tmp_path / "kit.json")
    twice = replace(kit, ddk=replace(kit.ddk, jobs=2))
    # None ends before two are there.
    two, mark = f"[ $(ls {kit.room} | wc -l) -ge 2 ]", tmp_path / "two"
    source = source_rpm(f"until [ -e {mark} ]; do {two} && touch {mark}; sleep 0.05; done; sleep 1")
    builds = [
        threading.Thread(target=build, args=(twice, facts, source, tmp_path / f"out{number}"))
        for number in range(3)
    ]
    for thread in builds:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in builds):
        seen = max(seen, len(list(kit.room.iterdir())))
        time.sleep(0.02)
    assert seen == 2
    assert all((tmp_path / f"out{number}" / NAME).is_file() for number in range(3))


def test_another_host_key(kit: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "known"
    other.write_text(
        f"[127.0.0.1]:{kit.ddk.port} {keygen(tmp_path / 'other').with_suffix('.pub').read_text()}"
    )
    for known in (other, tmp_path / "empty"):
        known.touch()
        with pytest.raises(
            StepError, match=r"root@127\.0\.0\.1: its host key is not the one in known_hosts: "
        ):
            read_facts(replace(kit.ddk, known_hosts=known), tmp_path / "kit.json")


def test_a_key_that_is_not_let_in(kit: Sshd, tmp_path: Path) -> None:
    stranger = replace(kit.ddk, identity=keygen(tmp_path / "stranger"))
    with pytest.raises(StepError, match=r"root@127\.0\.0\.1: access denied without a password: "):
        read_facts(stranger, tmp_path / "kit.json")


@pytest.mark.parametrize(("program", "package"), [("gcc", "gcc"), ("rpmbuild", "rpm-build")])
def test_a_kit_without_a_program(
    sshd: Start, tmp_path: Path, tree: KernelTree, program: str, package: str
) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for name in [
        "sh",
        "rpmbuild",
        "make",
        "gcc",
        "strip",
        "tar",
        "base64",
        "sha256sum",
        "setsid",
        "sed",
        "head",
        "uname",
        "cut",
        "rpm",
    ]:
        if name != program:
            (path / name).symlink_to(shutil.which(name) or "/bin/false")
    kit = sshd(environment={"PATH": str(path)}, tree=str(tree.path))
    expected = f": {program} not found; there: dnf install {package} "
    with pytest.raises(StepError, match=expected):
        read_facts(kit.ddk, tmp_path / "kit.json")


def test_a_kit_without_a_tree(kit: Sshd, tmp_path: Path) -> None:
    with pytest.raises(
        StepError, match=r": there is no built kernel tree at /nowhere: install kernel-devel there$"
    ):
        read_facts(replace(kit.ddk, tree="/nowhere"), tmp_path / "kit.json")


def test_the_tree_that_a_kit_has(sshd: Start, tmp_path: Path, flavours: list[KernelTree]) -> None:
    """Without tree= it is that of the kernel that runs there; of several others none is guessed."""
    if any(Path("/lib/modules", tree.kernel, "build").resolve() != tree.path for tree in flavours):
        lacks("kernel build trees below /lib/modules are needed: apt-get install linux-headers-amd64")
    uname = tmp_path / "uname"
    uname.touch(mode=0o755)
    kit = sshd(environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    for tree in flavours:
        uname.write_text(f"#!/bin/sh\necho {tree.kernel}\n")
        facts = read_facts(kit.ddk, tmp_path / f"kit of {tree.kernel}")
        assert (facts.kernel, facts.tree) == (tree.kernel, str(tree.path))
    uname.write_text("#!/bin/sh\necho none\n")
    said = r"it has several kernel build trees, among them /\S+ and /\S+: name one of them, tree=$"
    with pytest.raises(StepError, match=said):
        read_facts(kit.ddk, tmp_path / "kit.json")


def copy_of(kit: Sshd, tree: KernelTree, place: Path) -> Sshd:
    """The kit with a copy of what tells its tree from others."""
    for name in ("Module.symvers", "include/generated/utsrelease.h", "include/generated/autoconf.h"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.path / name, place / name)
    return replace(kit, ddk=replace(kit.ddk, tree=str(place)))


def test_a_kit_that_changed(
    kit: Sshd, tmp_path: Path, source_rpm: Callable[..., Path], tree: KernelTree
) -> None:
    place, out = tmp_path / "tree", tmp_path / "out"
    kit = copy_of(kit, tree, place)
    facts = read_facts(kit.ddk, out / "kit.json")
    with (place / "Module.symvers").open("a") as symvers:
        symvers.write("0x00000001\tnew\tvmlinux\tEXPORT_SYMBOL\t\n")
    said = failing(kit, facts, source_rpm(), out)
    assert said.endswith(f": {sentences.KIT_CHANGED}, for the new one")
    assert not (out / "kit.json").exists()
    assert build(kit, read_facts(kit.ddk, out / "kit.json"), source_rpm(), out).is_file()


def test_the_symbols_of_its_kernel(kit: Sshd, tree: KernelTree, tmp_path: Path) -> None:
    facts, out = read_facts(kit.ddk, tmp_path / "kit.json"), tmp_path / "new/kit.symvers"
    fetch_symvers(kit.ddk, facts, out, cache_file=tmp_path / "kit.json")
    assert out.read_bytes() == tree.symvers.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["kit.symvers"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, rf"{sentences.KIT_CHANGED}, for the new one$"),
        (b"0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n", r"the kit has changed since it was first asked; "),
        (b"0x1\t\xff\n", r"8 bytes came instead of '6': its login shell must print nothing, "),
        (16777217, r"its Module\.symvers has 16777217 bytes: no kernel's has more than 16777216$"),
    ],
)
def test_no_symbols_but_those_of_its_kernel(
    kit: Sshd, tree: KernelTree, tmp_path: Path, content: bytes | int | None, said: str
) -> None:
    """Another file than was meant, and one that is no list of symbols, is not taken."""
    ddk, symvers = copy_of(kit, tree, tmp_path / "tree").ddk, tmp_path / "tree/Module.symvers"
    facts = read_facts(ddk, tmp_path / "kit.json")
    if content is None:
        (tmp_path / "tree/include/generated/autoconf.h").write_text("")
    elif isinstance(content, int):
        os.truncate(symvers, content)
    else:
        symvers.write_bytes(content)
        facts = read_facts(ddk, tmp_path / "kit cache of the new") if b"\xff" in content else facts
    with pytest.raises(StepError, match=f"^fetching its Module.symvers: root@127.0.0.1: {said}"):
        fetch_symvers(ddk, facts, tmp_path / "out", cache_file=tmp_path / "kit.json")
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "kit.json").exists() is ("has changed" not in said)


def test_a_full_disk(sshd: Start, tmp_path: Path, source_rpm: Callable[..., Path], tree: KernelTree) -> None:
    room = tmp_path / "full"
    room.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", room], capture_output=True, check=False
    )
    if mount.returncode:
        lacks("the right to mount a tmpfs is needed")
    try:
        kit = sshd(room=room, tree=str(tree.path))
        facts = read_facts(kit.ddk, tmp_path / "kit.json")
        said = failing(kit, facts, source_rpm("head -c 1000000 /dev/zero > big"), tmp_path / "out")
        assert f": {sentences.DISK_FULL}\n" in said
    finally:
        subprocess.run(["umount", "-l", room], check=True)


@pytest.mark.parametrize(
    ("ddk", "problem"),
    [
        (RemoteDdk("-oProxyCommand=x"), "host='-oProxyCommand=x': not a host as ssh takes it; write it as "),
        (RemoteDdk("root@-x"), "host='root@-x': not a host as ssh takes it; write it as "),
        (RemoteDdk("a", port=0), "port=0: a port must be a number from 1 to 65535; leave it out for 22"),
        (
            RemoteDdk("a", identity=Path("/none")),
            "identity='/none': file not found; name one that is there",
        ),
        (
            RemoteDdk("a", tree="x"),
            "tree='x': must be an absolute path on the kit; name its kernel build tree",
        ),
        (RemoteDdk("a", jobs=0), "jobs=0: must be 1 or more; give 1 or more"),
    ],
)
def test_problems(ddk: RemoteDdk, problem: str) -> None:
    (found,) = ddk.problems()
    assert str(found).startswith(problem)


def test_nothing_is_asked_and_all_is_checked() -> None:
    words = ssh_command(RemoteDdk("root@ddk-8.4", 2222, Path("/k"), Path("/known")))
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes"} < set(words)
    assert words[-6:] == ["-i", "/k", "-p", "2222", "--", "root@ddk-8.4"]
    assert RemoteDdk("root@ddk-8.4").problems() == RemoteDdk("root@[fe80::1%eth0]").problems() == []
