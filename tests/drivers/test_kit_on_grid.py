"""Kits as workers of a grid: the bytes that all other kits make, once, and one clear error where that cannot be."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentences
from drivers.test_enclosed_kits import RPM, SPEC, made, podman
from grid_servers import Grid, grid
from kits import DRIVER, HEAD, compiled, words_of
from rebuild.lab import kernel
from sshd import Start
from support import lacks, need, wait_for
from trees import SCONS, Ran, Tree

__all__ = ["podman"]  # a fixture


@pytest.fixture(scope="module")
def running() -> Iterator[Grid]:
    need("rpmbuild", "make", "gcc", "strip")
    with grid() as one:
        yield one


@pytest.fixture
def here(running: Grid, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grid]:
    """The grid without a worker, and a developer's token in the environment."""
    for name, value in running.env().items():
        monkeypatch.setenv(name, value)
    # BuildGrid takes a while to see that the workers of the last test are gone.
    running.kit = f"kit{len(running.workers)}"
    yield running
    running.end_workers()


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Tree]:
    """A kernel tree at a place that is the same in each kit that this machine's own folders make; its kernel is that of
    one test alone, since the grid keeps what was made for it."""
    folder = Path("/var/lib") / f"xspack-test-{os.getpid()}-{tmp_path.name[:20]}"
    try:
        folder.mkdir()
    except PermissionError:
        lacks("root is needed: run the tests as root")
    tree = Tree(folder).write(kernel(text=f"/* {tmp_path} */\n"))
    yield tree
    shutil.rmtree(folder)


def words(grid: Grid, kit: Tree | str, more: str = "") -> str:
    tree = kit if isinstance(kit, str) else kit.path
    return f'env.Ddk(grid="{grid.url}", platform={{"kit": "{grid.kit}"}}, tree="{tree}"{more})'


def declared(folder: Path, kit: str) -> Tree:
    tree = Tree(folder).write(DRIVER)
    tree.declare(f'D("acme", ddk={kit})\n', HEAD)
    return tree


def failed(ran: Ran, status: int = 2) -> str:
    """The error of a run, on one line."""
    assert ran.status == status and "Traceback" not in ran.said, ran.said
    return ran.said


def mark_of(kit: Tree) -> Path:
    """Have the kit's first build stand still, until the file is there that says so."""
    mark, makefile = kit.path / "mark", (kit.path / "Makefile").read_text()
    nap = f"nap:\n\ttest -e {mark} || {{ touch {mark}; exec sleep 600.{os.getpid()}; }}\n"
    kit.write({"Makefile": f"modules: nap\n{makefile}{nap}"})
    return mark


def rooms() -> set[Path]:
    """The folders of jobs on this machine."""
    return set(Path("/var/tmp").glob("xspack-ddk.*"))


def start_scons(tree: Tree, *args: str) -> subprocess.Popen[bytes]:
    argv = [*SCONS, RPM, *args]
    with open(tree.path / "said", "wb") as out:
        return subprocess.Popen(argv, cwd=tree.path, stdout=out, stderr=out, start_new_session=True)


def test_all_kits_make_the_same_bytes(
    here: Grid, sshd: Start, kit: Tree, podman: str, tmp_path: Path
) -> None:
    """With a tree here, by ssh, in a folder, in an image and on a worker."""
    root = tmp_path / "root"
    kit.write(kernel("6.1.0-image"))
    bound = ["--tmpfs", "/var/tmp", "--bind", "{}", "{}", "--proc", "/proc", "--dev", "/dev", "--chdir", "{}"]
    here.start_worker("machine")
    here.start_worker(
        "root", "bwrap", "--unshare-pid", "--ro-bind", str(root), "/", "--tmpfs", "/tmp", *bound
    )
    on_grid = f'env.Ddk(grid="{here.url}", platform={{"kit": "NAME"}}, tree="TREE")'
    kits = {
        "tree here": f'"{kit.path}"',
        "host": words_of(sshd(tree=str(kit.path))),
        "machine's own folders": f'env.Ddk(root="/", tree="{kit.path}")',
        "root": f'env.Ddk(root="{root}", tree="/kernel")',
        "image": f'env.Ddk(image="{podman}", tree="/kernel")',
        "worker": on_grid.replace("NAME", "machine").replace("TREE", str(kit.path)),
        "worker in a root": on_grid.replace("NAME", "root").replace("TREE", "/kernel"),
    }
    digests = {
        name: made(Tree(tmp_path / f"by-{name}".replace(" ", "-")), kit)[1] for name, kit in kits.items()
    }
    assert len(set(digests.values())) == 1, digests


def test_what_somebody_had_made_is_not_made_again(here: Grid, kit: Tree, tmp_path: Path) -> None:
    """The grid's own results: no worker compiles the same for the same kit a second time."""
    here.start_worker(here.kit)
    marked = kit.path / "compiled"
    makefile = (kit.path / "Makefile").read_text()
    kit.write({"Makefile": f"modules: count\n{makefile}count:\n\techo x >> {marked}\n"})
    first, second = (declared(tmp_path / name, words(here, kit)) for name in ("one", "other/clone"))
    assert compiled(first.scons(RPM).good()) and compiled(second.scons(RPM).good())
    assert marked.read_text() == "x\n" and first.digest(RPM) == second.digest(RPM)
    # Another source is another job, and so is another state of the kit.
    second.write({"driver/acme.c": "int other;\n"})
    second.scons(RPM).good()
    assert marked.read_text() == "x\nx\n"
    kit.write({"include/generated/autoconf.h": "#define CONFIG_X86_64 1\n#define CONFIG_NEW 1\n"})
    third = declared(tmp_path / "third", words(here, kit))
    third.scons(RPM).good()
    assert marked.read_text() == "x\nx\nx\n"
    # Nothing to do asks nobody.
    here.end_workers()
    assert third.scons(RPM).good().built == set()


def test_a_worker_builds_a_spec(here: Grid, kit: Tree, tmp_path: Path) -> None:
    """As a folder that holds the same kit does."""
    need("bwrap", "file")
    here.start_worker(here.kit)
    spec = SPEC.format(build="gcc -c -o acme.o %{SOURCE0}")
    tree = Tree(tmp_path / "tree").write(
        {"acme.spec": spec, "acme.c": "int acme;\n", "m": "%flavour 7\n%of_two_lines echo one\n"}
    )
    rpm, digests = "build/rpms/acme-1-7.x86_64.rpm", set()
    for ddk in (f'env.Ddk(root="/", tree="{kit.path}")', words(here, kit)):
        declared = f'env.SpecRpm("acme.spec", sources="acme.c", macros="m", ddk={ddk})\n'
        ran = tree.declare(declared, HEAD).scons(rpm).good()
        assert f"Remote     {rpm}" in ran.said or not ran.built
        digests.add((tree.path / rpm).read_bytes())
        shutil.rmtree(tree.path / "build/rpms")
    assert len(digests) == 1


def test_a_kit_that_changed_is_told(here: Grid, kit: Tree, tmp_path: Path) -> None:
    here.start_worker(here.kit)
    tree = declared(tmp_path / "tree", words(here, kit))
    tree.scons(RPM).good()
    kit.write({"Module.symvers": "0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    tree.write({"driver/acme.c": "int other;\n"})
    assert sentences.KIT_CHANGED in failed(tree.scons(RPM))
    assert compiled(tree.scons(RPM).good())


def test_a_failed_build_tells_the_compiler_s_words(here: Grid, kit: Tree, tmp_path: Path) -> None:
    here.start_worker(here.kit)
    tree = declared(tmp_path / "tree", words(here, kit)).write({"driver/acme.c": "int acme\n"})
    said = failed(tree.scons(RPM))
    assert f"compiling acme-6.1.0-acme: {here.url} kit={here.kit}: " in said
    assert "its rpmbuild failed" in said and "acme.c:1:1: error: " in said


def test_a_killed_worker_s_job_is_done_by_another(here: Grid, kit: Tree, tmp_path: Path) -> None:
    mark = mark_of(kit)
    worker = here.start_worker(here.kit)
    tree = declared(tmp_path / "tree", words(here, kit))
    with start_scons(tree) as scons:
        wait_for(lambda: mark.exists() or scons.poll() is not None)
        os.killpg(worker.pid, signal.SIGKILL)
        here.start_worker(here.kit)
    assert scons.returncode == 0, (tree.path / "said").read_text()
    plain = declared(tmp_path / "plain", words(here, kit))
    plain.scons(RPM).good()
    assert tree.digest(RPM) == plain.digest(RPM)


def test_all_workers_killed_is_one_error_within_the_deadline(here: Grid, kit: Tree, tmp_path: Path) -> None:
    mark = mark_of(kit)
    worker = here.start_worker(here.kit)
    tree = declared(tmp_path / "tree", words(here, kit, ", deadline=15"))
    with start_scons(tree) as scons:
        wait_for(lambda: mark.exists() or scons.poll() is not None)
        os.killpg(worker.pid, signal.SIGKILL)
    said = (tree.path / "said").read_text()
    assert scons.returncode == 2 and said.count("deadline=15 s") == 1 and "Traceback" not in said, said
    assert f"compiling acme-6.1.0-acme: {here.url} kit={here.kit}: " in said


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
def test_an_interrupted_build_ends_the_job(here: Grid, kit: Tree, tmp_path: Path, jobs: str) -> None:
    """Ctrl-C reaches the grid: what compiled there ends, and the next build goes on."""
    mark, before = mark_of(kit), rooms()
    here.start_worker(here.kit)
    tree = declared(tmp_path / "tree", words(here, kit))
    nap = f"sleep 600.{os.getpid()}"
    with start_scons(tree, jobs) as scons:
        wait_for(lambda: mark.exists() or scons.poll() is not None)
        scons.send_signal(signal.SIGINT)
    said = (tree.path / "said").read_text()
    assert scons.returncode == 2 and "Build interrupted." in said and "Traceback" not in said, said
    wait_for(lambda: subprocess.run(["pgrep", "-f", nap], capture_output=True).returncode == 1)
    wait_for(lambda: rooms() <= before)
    assert compiled(tree.scons(RPM).good())


def test_a_kit_that_no_worker_has_is_one_error_within_the_deadline(here: Grid, tmp_path: Path) -> None:
    here.start_worker("another")
    kit = f'env.Ddk(grid="{here.url}", platform={{"kit": "none"}}, deadline=4)'
    (mistake,) = declared(tmp_path / "tree", kit).scons(RPM).refused()
    assert mistake == (
        f"SConstruct:4: KernelModule 'acme': grid='{here.url} kit=none': {sentences.ASKING}: "
        f"{here.url} kit=none: no worker took it within deadline=4 s: is there one with kit=none?; then build again"
    )


def test_a_property_that_the_grid_does_not_know(here: Grid, tmp_path: Path) -> None:
    kit = f'env.Ddk(grid="{here.url}", platform={{"colour": "red"}})'
    (mistake,) = declared(tmp_path / "tree", kit).scons(RPM).refused()
    assert "it refuses the job (FAILED_PRECONDITION: Unregistered platform property" in mistake
    assert "look at platform=, and at the properties of its workers" in mistake


def test_a_full_disk_there_is_one_error(here: Grid, kit: Tree, tmp_path: Path) -> None:
    need("bwrap")
    full = ["bwrap", "--dev-bind", "/", "/", "--size", str(1 << 16), "--tmpfs", "/var/tmp"]
    here.start_worker(here.kit, *full, "--bind", "{}", "{}")
    tree = declared(tmp_path / "tree", words(here, kit, ", deadline=60"))
    tree.write({"driver/big.h": "/* " + hashlib.sha256(b"").hexdigest() * 5000 + " */\n"})
    said = failed(tree.scons(RPM))
    assert said.count(f": {sentences.DISK_FULL}\n") == 1


def test_who_is_let_in(here: Grid, kit: Tree, tmp_path: Path) -> None:
    """Tokens come from the environment or a file, and those who may only work get nothing done."""
    here.start_worker(here.kit)
    token = tmp_path / "token"
    token.write_text(here.tokens["developer"] + "\n")
    tree = declared(tmp_path / "tree", words(here, kit))
    env = {"XSPACK_GRID_TOKEN": "", "XSPACK_GRID_TOKEN_FILE": str(token)}
    assert compiled(tree.scons(RPM, env=env).good())
    wrong = {
        "": "it answers UNAUTHENTICATED, see XSPACK_GRID_TOKEN",
        "x.y.z": "it answers UNAUTHENTICATED, see XSPACK_GRID_TOKEN",
        here.tokens["kit"]: "it answers UNAUTHENTICATED, see XSPACK_GRID_TOKEN",
    }
    for number, (text, why) in enumerate(wrong.items()):
        tree = declared(tmp_path / f"wrong{number}", words(here, kit))
        (mistake,) = tree.scons(RPM, env={"XSPACK_GRID_TOKEN": text}).refused()
        assert why in mistake and (not text or text not in mistake)


def test_a_server_that_nobody_vouches_for(here: Grid, kit: Tree, tmp_path: Path) -> None:
    env = {"SSL_CERT_FILE": ""}
    (mistake,) = declared(tmp_path / "tree", words(here, kit)).scons(RPM, env=env).refused()
    assert sentences.CERTIFICATE in mistake


MISTAKES = {
    'grid="grid.acme.example:50051"': "grid='grid.acme.example:50051': not the URL of a grid; write it as grpcs://HOST:PORT",
    'grid="grpcs://me:secret@grid.acme.example"': "a URL must hold no secret; put the token into the environment",
    'grid="grpc://grid.acme.example"': "a token must not travel by grpc; use grpcs, or unset the token",
    'grid="grpcs://grid.acme.example", deadline=0': "deadline=0: must be a number of seconds up to a day",
    'grid="grpcs://grid.acme.example", root="/"': "a kit must be one of host=, root=, image=, grid=; leave the others",
    'grid="grpcs://grid.acme.example", platform={"kit": 1}': "platform must be a table, text -> text; correct it",
    'root="/", platform={"kit": "one"}': "platform= is for a grid alone; leave it out, or name grid=",
    '"/kit", deadline=5': "deadline=5: deadline= is for a grid alone; leave it out, or name grid=",
}


@pytest.mark.parametrize("given", MISTAKES)
def test_a_wrong_grid_is_a_mistake(tmp_path: Path, given: str) -> None:
    tree = declared(tmp_path / "tree", f"env.Ddk({given})")
    mistakes = tree.scons(RPM, env={"XSPACK_GRID_TOKEN": "a-secret"}).refused()
    assert any(MISTAKES[given] in mistake for mistake in mistakes), mistakes
    assert "secret@" not in str(mistakes) and "a-secret" not in str(mistakes)
