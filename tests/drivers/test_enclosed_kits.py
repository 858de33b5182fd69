"""Kits as folders and as images: what they make is what a machine with them makes, and nothing gets out of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentences
from kits import DRIVER, HEAD, SPEC, compiled, words_of
from rebuild.lab import kernel
from rpm_asked import asked, payload
from sshd import Start
from support import lacks, need, need_root, wait_for
from trees import SCONS, Ran, Tree

RPM = "build/rpms/acme-2.1-1.x86_64.rpm"


@pytest.fixture
def kit(tmp_path: Path) -> Tree:
    """A kernel tree that is the same inside and outside: this machine's own folders are the root."""
    need("rpmbuild", "make", "gcc", "strip")
    folder = Path("/var/lib") / f"xspack-test-{os.getpid()}-{tmp_path.name[:20]}"
    try:
        folder.mkdir()
    except PermissionError:
        lacks("root is needed: run the tests as root")
    yield Tree(folder).write(kernel("6.1.0-kit"))  # type: ignore[misc]
    shutil.rmtree(folder)


def without_bwrap(folder: Path) -> dict[str, str]:
    """A PATH without bubblewrap, with everything else; not below /tmp, which is another in there."""
    folder.mkdir()
    for place in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in os.scandir(place):
            if program.name != "bwrap" and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program.path)
    return {"PATH": str(folder)}


def made(tree: Tree, kit: str, env: dict[str, str] | None = None) -> tuple[Ran, str]:
    tree.write(DRIVER).declare(f'D("acme", ddk={kit})\n', HEAD)
    ran = tree.scons(RPM, env=env).good()
    return ran, tree.digest(RPM)


@pytest.fixture(autouse=True)
def _room_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where jobs have their folders: other tests have theirs elsewhere."""
    (tmp_path / "room").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "room"))


def leftovers() -> list[Path]:
    return list(Path(os.environ["TMPDIR"]).glob("xspack-kit.*"))


def test_a_root_makes_the_bytes_that_a_machine_makes(sshd: Start, kit: Tree, tmp_path: Path) -> None:
    """By bubblewrap, and by chroot where that is not installed."""
    need("bwrap", "unshare")
    _, there = made(Tree(tmp_path / "ssh"), words_of(sshd(tree=str(kit.path))))
    root = f'env.Ddk(root="/", tree="{kit.path}")'
    ran, here = made(Tree(tmp_path / "bwrap"), root)
    assert compiled(ran) and here == there
    ran, chroot = made(Tree(tmp_path / "chroot"), root, without_bwrap(kit.path / "programs"))
    assert compiled(ran) and chroot == there
    assert leftovers() == []
    # Nothing to do is nothing to do.
    assert Tree(tmp_path / "bwrap").scons(RPM).good().built == set()


def spec_of(path: Path) -> Tree:
    """A tree with a spec that asks for macros of the kit, of a file, and of rpm."""
    return Tree(path).write(
        {
            "acme.spec": SPEC.format(build="gcc -c -o acme.o %{SOURCE0}"),
            "acme.c": "int acme;\n",
            "m": "%flavour 7\n%of_two_lines echo one\n",
        }
    )


SPEC_RPM = "build/rpms/acme-1-7.x86_64.rpm"


def made_of_spec(tree: Tree, kit: str) -> tuple[Ran, object]:
    tree.declare(f'env.SpecRpm("acme.spec", sources="acme.c", macros="m", ddk={kit})\n', HEAD)
    ran = tree.scons(SPEC_RPM).good()
    rpm = tree.path / SPEC_RPM
    return ran, [payload(rpm), asked(rpm, "--requires", "--provides", "--scripts", "-l", "--dump", "-i")]


def test_a_root_builds_a_spec(kit: Tree, tmp_path: Path) -> None:
    """As this machine does, with the macros of the kit's kernel."""
    need("bwrap", "file")
    tree = spec_of(tmp_path / "tree")
    _, here = made_of_spec(tree, f'"{kit.path}"')
    ran, there = made_of_spec(tree, f'env.Ddk(root="/", tree="{kit.path}")')
    assert f"Remote     {SPEC_RPM}" in ran.said and leftovers() == []
    assert here == there and "regenerate-initrd-6.1.0-kit" in str(there)
    assert tree.scons(SPEC_RPM).good().built == set()


@pytest.mark.parametrize("program", ["bwrap", "unshare"])
def test_what_is_compiled_there_gets_out_nowhere(kit: Tree, tmp_path: Path, program: str) -> None:
    """No network, nothing that can be written but the job's folder, nothing of the caller's environment."""
    need_root()
    need(program)
    makefile = (kit.path / "Makefile").read_text()
    kit.write(
        {
            "Makefile": "modules: look\n" + makefile + "look:\n"
            "\t! touch /etc/xspack-was-here $(CURDIR)/here\n"
            "\t! (exec 3<>/dev/tcp/127.0.0.1/$(PORT))\n"
            '\ttest -z "$$SECRET" && test "$$HOME" = /var/tmp/xspack-ddk\n'
            '\ttest "$$(grep -c : /proc/net/dev)" = 1\n',
        }
    )
    tree = Tree(tmp_path / "tree")
    env = {"SECRET": "x", **(without_bwrap(kit.path / "programs") if program == "unshare" else {})}
    ran, _ = made(tree, f'env.Ddk(root="/", tree="{kit.path}")', env)
    assert compiled(ran)
    assert not Path("/etc/xspack-was-here").exists() and not (kit.path / "here").exists()


def test_a_root_that_changed_is_told(kit: Tree, tmp_path: Path) -> None:
    need("bwrap")
    tree = Tree(tmp_path / "tree")
    made(tree, f'env.Ddk(root="/", tree="{kit.path}")')
    kit.write({"Module.symvers": "0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    tree.write({"driver/acme.c": "int other;\n"})
    ran = tree.scons(RPM)
    assert ran.status == 2 and sentences.KIT_CHANGED in ran.said
    assert compiled(tree.scons(RPM).good())


def test_a_failed_build_there_is_told_and_leaves_nothing(kit: Tree, tmp_path: Path) -> None:
    need("bwrap")
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/acme.c": "int acme\n"})
    tree.declare(f'D("acme", ddk=env.Ddk(root="/", tree="{kit.path}"))\n', HEAD)
    ran = tree.scons(RPM)
    assert ran.status == 2 and "compiling acme-6.1.0-kit: /: " in ran.said
    assert (
        "its rpmbuild failed" in ran.said
        and "acme.c:1:1: error: " in ran.said
        and "Traceback" not in ran.said
    )
    assert leftovers() == []


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs have their folder on a disk with next to no space."""
    (place := tmp_path / "full").mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place]
    if subprocess.run(words, capture_output=True).returncode:
        lacks("the right to mount a tmpfs is needed")
    monkeypatch.setenv("TMPDIR", str(place))
    yield
    subprocess.run(["umount", "-l", place], check=True)


FULL = f": {sentences.DISK_FULL}\n"


@pytest.mark.parametrize("program", ["bwrap", "unshare"])
def test_a_full_disk_is_one_error(kit: Tree, tmp_path: Path, full_disk: None, program: str) -> None:
    need(program)
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/noise": os.urandom(200_000)})
    tree.declare(f'D("acme", ddk=env.Ddk(root="/", tree="{kit.path}"))\n', HEAD)
    ran = tree.scons(RPM, env=without_bwrap(kit.path / "programs") if program == "unshare" else {})
    assert ran.status == 2 and ran.said.count(FULL) == 1 and "Traceback" not in ran.said, ran.said
    assert leftovers() == []


def sleeping(nap: str) -> str:
    return subprocess.run(["pgrep", "-f", f"sleep {nap}"], capture_output=True, text=True).stdout


def test_a_killed_build_leaves_nothing(kit: Tree, tmp_path: Path) -> None:
    """What was compiling ends with it, and the next build removes its folder."""
    need("bwrap", "pgrep")
    makefile, nap = (kit.path / "Makefile").read_text(), f"600.{os.getpid()}"
    kit.write({"Makefile": f"modules: nap\n{makefile}nap:\n\tsleep {nap}\n"})
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tree.declare(f'D("acme", ddk=env.Ddk(root="/", tree="{kit.path}"))\n', HEAD)
    with subprocess.Popen(
        [*SCONS, RPM], cwd=tree.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as scons:
        wait_for(lambda: bool(sleeping(nap)) or scons.poll() is not None)
        assert sleeping(nap)
        scons.kill()
    wait_for(lambda: not sleeping(nap))
    kit.write({"Makefile": makefile})
    assert leftovers()
    assert compiled(tree.scons(RPM).good())
    assert leftovers() == []


MISTAKES = {
    'root="src"': "root='{tree}/src': not the root folder of a kit: bin/sh not found; unpack an image there",
    'root="/", tree="kernel"': "tree='kernel': must be an absolute path on the kit; name its kernel build tree",
    'root="/", tree="/none"': f"root='/': {sentences.ASKING}: /: there is no built kernel tree at /none",
    'image="acme/kit:8.3"': "image='acme/kit:8.3': an image must be named by its digest, NAME@sha256:..; podman",
    'image="acme/kit@sha256:0"': "image='acme/kit@sha256:0': an image must be named by its digest",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_wrong_kit_is_a_mistake(tmp_path: Path, words: str) -> None:
    need("bwrap")
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tree.declare(f'D("acme", ddk=env.Ddk({words}))\n', HEAD)
    mistakes = tree.scons(RPM).refused()
    assert len(mistakes) == 1, mistakes
    (mistake,) = mistakes
    assert MISTAKES[words].format(tree=tree.path) in mistake and mistake.startswith("SConstruct:4: ")


def test_a_kit_is_at_one_place(kit: Tree, tmp_path: Path) -> None:
    need("bwrap")
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tree.declare(f'D("acme", ddk=env.Ddk(root="/", host="kit", tree="{kit.path}"))\n', HEAD)
    (mistake,) = tree.scons(RPM).refused()
    assert mistake.endswith(
        ": root='/': a kit must be one of host=, root=, image=, grid=; leave the others out"
    )


# podman: where it runs.

#: What a kit needs, besides the folders of rpm's and gcc's own programs.
PROGRAMS = (
    *(
        "sh",
        "bash",
        "env",
        "rpm",
        "rpmbuild",
        "rpm2cpio",
        "make",
        "gcc",
        "cc",
        "as",
        "strip",
        "objdump",
        "tar",
        "gzip",
        "xz",
    ),
    *(
        "base64",
        "sha256sum",
        "setsid",
        "cpio",
        "find",
        "sed",
        "grep",
        "mkdir",
        "rm",
        "mv",
        "cp",
        "cat",
        "head",
        "cut",
    ),
    *(
        "tail",
        "tr",
        "wc",
        "uname",
        "mktemp",
        "chmod",
        "chown",
        "ls",
        "ln",
        "id",
        "touch",
        "install",
        "test",
        "dirname",
    ),
    *(
        "basename",
        "true",
        "sort",
        "uniq",
        "xargs",
        "file",
        "ldd",
        "awk",
        "sleep",
        "hostname",
        "readlink",
        "expr",
    ),
)


def small_root(root: Path) -> Path:
    """This machine's programs that compile a toy driver, with their libraries, and nothing else."""
    files = {Path(found) for name in PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))}
    machine = subprocess.run(
        ["gcc", "-dumpmachine"], capture_output=True, text=True, check=True
    ).stdout.strip()
    cc1 = subprocess.run(
        ["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True
    ).stdout.strip()
    files |= {
        Path(cc1),
        Path(f"/usr/bin/{machine}-as"),
        Path("/usr/bin/mawk"),
        Path("/usr/include/stdc-predef.h"),
        Path("/usr/share/misc/magic.mgc"),  # what rpm calls the files
    }
    files |= {path for path in Path("/usr/lib/rpm").rglob("*") if path.is_file()}
    files |= {path for path in Path("/usr/lib").glob(f"{machine}/rpm-plugins/*") if path.is_file()}
    programs = [path for path in files if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    words = {word for line in said.splitlines() for word in line.split() if word.startswith("/")}
    files |= {Path(word) for word in words if not word.endswith(":")}
    for name in ("proc", "dev", "tmp", "var/tmp", "var/lib/rpm", "etc"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for path in filter(Path.is_file, files):
        place = root / str(path.parent.resolve() / path.name).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    Tree(root / "kernel").write(kernel("6.1.0-image"))
    return root


#: Of a machine that may not raise its limits, and has both kinds of control groups.
ENGINE = """\
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
"""


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of an image with a kit, as podman has it."""
    need_root()
    need("podman", "bwrap", "rpmbuild", "make", "gcc", "strip", "file")
    runtime = next((name for name in ("runc", "crun") if shutil.which(name)), "")
    (tmp_path / "containers.conf").write_text(ENGINE.format(runtime=runtime))
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    root = small_root(tmp_path / "root")
    subprocess.run(["tar", "-cf", tmp_path / "layer.tar", "-C", root, "."], check=True)

    def ask(*words: str) -> str:
        done = subprocess.run(["podman", *words], capture_output=True, text=True)
        if done.returncode:
            lacks(f"podman runs no container here: {done.stderr.strip()}")
        return done.stdout.strip()

    ask("import", "-q", str(tmp_path / "layer.tar"), "localhost/xspack-test")
    digest = ask("image", "inspect", "--format", "{{.Digest}}", "localhost/xspack-test")
    ask("run", "--rm", "--network=none", f"localhost/xspack-test@{digest}", "/bin/true")
    yield f"localhost/xspack-test@{digest}"  # type: ignore[misc]
    ask("rmi", "--force", "localhost/xspack-test")


def test_an_image_makes_the_bytes_that_its_root_makes(podman: str, tmp_path: Path) -> None:
    _, by_root = made(Tree(tmp_path / "by-root"), f'env.Ddk(root="{tmp_path}/root", tree="/kernel")')
    ran, by_image = made(Tree(tmp_path / "by-image"), f'env.Ddk(image="{podman}", tree="/kernel")')
    assert compiled(ran) and by_image == by_root
    # What fails there is told as anywhere, and no container stays.
    tree = Tree(tmp_path / "by-image").write({"driver/acme.c": "int acme\n"})
    ran = tree.scons(RPM)
    assert ran.status == 2 and "its rpmbuild failed" in ran.said and "acme.c:1:1: error: " in ran.said
    listed = subprocess.run(["podman", "ps", "-aq"], capture_output=True, text=True, check=True).stdout
    assert (leftovers(), listed) == ([], "")


def test_podman_takes_a_temporary_folder_of_any_name(
    podman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a folder here and one there podman reads a colon."""
    odd = tmp_path / 'a:b,c "d"\n%e'
    odd.mkdir()
    monkeypatch.setenv("TMPDIR", str(odd))
    ran, by_image = made(Tree(tmp_path / "by-image"), f'env.Ddk(image="{podman}", tree="/kernel")')
    assert compiled(ran) and by_image
    assert list(odd.iterdir()) == []


def test_an_image_builds_a_spec(podman: str, tmp_path: Path) -> None:
    """As its root does, and as this machine with that kernel; a failure in its own words, and nothing stays."""
    tree = spec_of(tmp_path / "tree")
    _, here = made_of_spec(spec_of(tmp_path / "here"), f'"{tmp_path}/root/kernel"')
    _, by_root = made_of_spec(
        spec_of(tmp_path / "by-root"), f'env.Ddk(root="{tmp_path}/root", tree="/kernel")'
    )
    ran, by_image = made_of_spec(tree, f'env.Ddk(image="{podman}", tree="/kernel")')
    assert f"Remote     {SPEC_RPM}" in ran.said
    assert here == by_root == by_image and "regenerate-initrd-6.1.0-image" in str(here)
    assert tree.scons(SPEC_RPM).good().built == set()
    tree.write({"acme.c": "int acme\n"})
    ran = tree.scons(SPEC_RPM)
    assert (
        ran.status == 2 and "its rpmbuild failed in %build" in ran.said and "acme.c:1:1: error: " in ran.said
    )
    listed = subprocess.run(["podman", "ps", "-aq"], capture_output=True, text=True, check=True).stdout
    assert (leftovers(), listed) == ([], "")


def test_an_image_that_is_not_there_is_told(podman: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write(DRIVER)
    image = f"localhost/xspack-none@sha256:{'0' * 64}"
    tree.declare(f'D("acme", ddk=env.Ddk(image="{image}", tree="/kernel"))\n', HEAD)
    (mistake,) = tree.scons(RPM).refused()
    assert f"image='{image}': {sentences.ASKING}: {image}: it cannot be run" in mistake


def test_a_full_disk_behind_an_image_is_one_error(podman: str, tmp_path: Path, full_disk: None) -> None:
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/noise": os.urandom(200_000)})
    tree.declare(f'D("acme", ddk=env.Ddk(image="{podman}", tree="/kernel"))\n', HEAD)
    ran = tree.scons(RPM)
    assert ran.status == 2 and ran.said.count(FULL) == 1 and "Traceback" not in ran.said, ran.said
    assert leftovers() == []
