"""Worker processes make the same bytes, fail in the same words, and end with SCons."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from made_by import NOTED, processes
from support import wait_for
from trees import SCONS, Ran, Tree

KEY = 'key = env.TestKey("RPM-GPG-KEY-Lab")\n'
PACKAGES = """\
packages = [
    env.Userspace(
        f"acme-{n}", version="1", arch="noarch", summary="A part", files={f"/opt/acme/{n}": f"part{n}"},
        scripts={"post": "case $1 in 1) echo one ;; esac"},
    )
    for n in range(6)
]
"""
PACK = """\
pack = env.Pack(
    "acme", version="1", uuid="0c6b2b9e-7c6d-4f5e-9c8a-2f1f3f6f8e11", description="Parts", packages=packages, key=key
)
"""


def tree(folder: Path, text: str = KEY + PACKAGES + PACK) -> Tree:
    made = Tree(folder).declare(text)
    return made.write({f"part{n}": f"#!/bin/sh\necho {n}\n" * 50 for n in range(6)})


def same_words(ran: Ran) -> list[str]:
    return sorted(line for line in ran.said.splitlines() if "scons: building terminated" not in line)


def test_the_same_bytes_as_with_one_job(tmp_path: Path) -> None:
    keys = Tree(tmp_path / "keys").declare(KEY)
    keys.scons().good()
    key = keys.path / "build/keys"
    mine = f"env['XSPACK_GNUPGHOME'] = {str(key / 'gnupg')!r}\nkey = {str(key / 'RPM-GPG-KEY-Lab')!r}\n"
    one, two = (tree(tmp_path / name, NOTED + mine + PACKAGES + PACK) for name in ("one", "two"))
    one.scons("-j1").good()
    two.scons("-j2").good()
    for name in one.files("build"):
        if not name.startswith(".xspack/"):
            assert one.digest(f"build/{name}") == two.digest(f"build/{name}"), name
    (scons,) = {pid for pids in processes(one).values() for pid in pids}
    made_by = processes(two)
    assert scons not in made_by["RPM"] and len(made_by["RPM"]) == 2
    # What gpg's agent does, what tells of this run, and what comes last stay with SCons.
    assert made_by["Sign"] == made_by["Judge"] == made_by["ISO"] == made_by["Join"]
    assert not made_by["Sign"] & made_by["RPM"]


def test_large_files_stay_with_scons(tmp_path: Path) -> None:
    """Libraries compress them in threads of their own."""
    made = tree(tmp_path / "t", NOTED + KEY + PACKAGES + PACK)
    made.write({"part1": bytes(8 << 20)})
    made.scons("-j2").good()
    made_by = processes(made)
    assert made_by["ISO"] < made_by["RPM"] and len(made_by["RPM"]) > 1
    assert not made_by["ISO"] & made_by["Record"]  # it is small when it is compressed


#: What is loaded ahead, told as soon as nobody asks for it but the steps that need it.
AHEAD = """
import atexit, sys, xspack_tool.plan.ahead as ahead
def told():
    print("not loaded:", sorted({*modules} - {*sys.modules}))
modules, ahead.HERE, ahead._RULES = [*ahead.HERE], HERE, RULES
atexit.register(told)
"""


def test_what_is_loaded_beside_workers_is_needed_by_the_pack(tmp_path: Path) -> None:
    text = AHEAD.replace("HERE, RULES", '(), ("os", "getpid")')
    ran = tree(tmp_path / "none", text + KEY + PACKAGES + PACK).real_scons("-j2")
    assert "not loaded: []" in ran.good().said
    broken = AHEAD.replace("HERE, RULES", '("no.such.module", "this"), ("os", "no_such_function")')
    ran = tree(tmp_path / "broken", broken + KEY + PACKAGES + PACK).real_scons("-j2")
    assert "The Zen of Python" in ran.good().said  # what cannot be loaded keeps nothing else from it


@pytest.mark.parametrize("jobs", [1, 2])
def test_little_to_do_is_done_by_scons(tmp_path: Path, jobs: int) -> None:
    made = tree(tmp_path / "t", NOTED + KEY + PACKAGES + PACK)
    made.scons("-j1").good()
    (made.path / "made-by").unlink()
    made.write({"part3": "another\n"})
    made.scons(f"-j{jobs}").good()
    assert {len(pids) for pids in processes(made).values()} == {1}
    assert len({pid for pids in processes(made).values() for pid in pids}) == 1


def test_what_fails_is_said_in_the_same_words(tmp_path: Path) -> None:
    """A script with a NUL is found when the RPM is written."""
    text = KEY + PACKAGES.replace(
        'scripts={"post": "case $1 in 1) echo one ;; esac"}', 'scripts={"post": "#post"}'
    )
    one, two = (
        tree(tmp_path / name, text.replace('"#post"', 'File("post")') + PACK) for name in ("one", "two")
    )
    for made in (one, two):
        made.write({"post": b"echo \0\n"})
    first, second = one.scons("-j1", "-k"), two.scons("-j2", "-k")
    assert (first.status, second.status) == (2, 2)
    assert same_words(first) == same_words(second)
    assert "holds a NUL: no script" in first.said
    assert "Traceback" not in second.said
    assert one.files("build/rpms") == two.files("build/rpms") == set()


#: A step that ends the process in which it runs, or raises what nobody foresaw.
BROKEN = """\
import os, signal
from xspack_tool.plan.record import RecordRpm
run = RecordRpm.run
def broken(self, inputs, outputs):
    if "acme-3" in str(outputs.record) and os.getpid() != SCONS:
        {what}
    run(self, inputs, outputs)
SCONS = os.getpid()
RecordRpm.run = broken
"""


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """Its step fails in words; the rest is made, by the other one and by SCons."""
    made = tree(
        tmp_path / "t", BROKEN.format(what="os.kill(os.getpid(), signal.SIGKILL)") + KEY + PACKAGES + PACK
    )
    ran = made.scons("-j2", "-k")
    assert ran.status == 2
    assert (
        "Record: the process that worked on it was ended by SIGKILL; if memory ran out, build with -j1"
        in ran.said
    )
    assert "acme-3-1-1.noarch.rpm.json" in ran.said and "Traceback" not in ran.said
    assert len(made.files("build/rpms")) == 6
    made.scons("-j1").good()


def test_all_workers_are_killed(tmp_path: Path) -> None:
    text = BROKEN.format(what="os.kill(os.getpid(), signal.SIGKILL)").replace('"acme-3" in', '"acme-" in')
    made = tree(tmp_path / "t", text + KEY + PACKAGES + PACK)
    ran = made.scons("-j2", "-k")
    assert ran.status == 2
    assert ran.said.count("was ended by SIGKILL") == 2
    assert len(made.files("build/rpms")) == 6 and len(made.files("build/records")) == 4


def test_what_nobody_foresaw_comes_back_as_itself(tmp_path: Path) -> None:
    made = tree(
        tmp_path / "t", BROKEN.format(what="raise ZeroDivisionError('by no chance')") + KEY + PACKAGES + PACK
    )
    ran = made.scons("-j2", "--debug=stacktrace")
    assert ran.status == 2
    assert "ZeroDivisionError : by no chance" in ran.said
    assert ", in broken" in ran.said


#: RPMs whose record takes long, and programs that a worker waits for.
SLOW = """\
import os
from xspack_tool.plan.record import RecordRpm
from xspack_tool.run import run
def slow(self, inputs, outputs):
    open(Dir("#").abspath + f"/waits-{os.getpid()}", "w").close()
    run(["sh", "-c", "sleep 601; :"], timeout=900)
RecordRpm.run = slow
"""


def sleepers(folder: Path) -> list[str]:
    """The processes that have this folder as their working directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # also of what has ended and was not waited for
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
    return found


def parents(folder: Path) -> set[int]:
    """Those that started the programs which steps wait for."""
    found = set()
    for pid in sleepers(folder):
        with suppress(OSError):
            _, name, rest = re.split(r"[()]", Path(f"/proc/{pid}/stat").read_text())
            if name == "sh":
                found.add(int(rest.split()[1]))
    return found


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("group", [True, False], ids=["as from a terminal", "alone"])
def test_nothing_outlives_scons(tmp_path: Path, which: signal.Signals, group: bool) -> None:
    made = tree(tmp_path / "t", SLOW + KEY + PACKAGES + PACK)
    argv = ["env", "--default-signal=INT,TERM", *SCONS, "-j2"]
    with open(tmp_path / "said", "wb") as said:
        scons = subprocess.Popen(argv, cwd=made.path, stdout=said, stderr=said, start_new_session=True)
    wait_for(lambda: len(list(made.path.glob("waits-*"))) == 2)
    (os.killpg if group else os.kill)(scons.pid, which)
    assert scons.wait(60) in (2, -which)
    # What SCons itself could not end, for it was killed, are programs alone, as ever: see run.work_folder.
    workers = {path.name.removeprefix("waits-") for path in made.path.glob("waits-*")}
    wait_for(lambda: not workers & set(sleepers(made.path)))
    text = (tmp_path / "said").read_text()
    assert "Traceback" not in text, text
    if which != signal.SIGKILL:
        wait_for(lambda: sleepers(made.path) == [])
    for pid in sleepers(made.path):
        os.kill(int(pid), signal.SIGKILL)


def test_a_worker_that_was_stopped_ends_with_scons(tmp_path: Path) -> None:
    made = tree(tmp_path / "t", SLOW + KEY + PACKAGES + PACK)
    argv = ["env", "--default-signal=INT,TERM", *SCONS, "-j2"]
    with open(tmp_path / "said", "wb") as said:
        scons = subprocess.Popen(argv, cwd=made.path, stdout=said, stderr=said, start_new_session=True)
    wait_for(lambda: len(parents(made.path)) == 2)
    for worker in parents(made.path):
        os.kill(worker, signal.SIGSTOP)
    scons.terminate()
    try:
        assert scons.wait(60) == 2
        wait_for(lambda: sleepers(made.path) == [])
    finally:
        for pid in sleepers(made.path):
            os.kill(int(pid), signal.SIGKILL)


def test_programs_end_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    made = tree(tmp_path / "t", SLOW + KEY + PACKAGES + PACK)
    with open(tmp_path / "said", "wb") as said:
        scons = subprocess.Popen([*SCONS, "-j2", "-k"], cwd=made.path, stdout=said, stderr=said)
    wait_for(lambda: len(list(made.path.glob("waits-*"))) == 2)
    for path in made.path.glob("waits-*"):
        os.kill(int(path.name.removeprefix("waits-")), signal.SIGKILL)
    # SCons does the rest itself, and waits for programs of its own then.
    wait_for(lambda: len(list(made.path.glob("waits-*"))) == 3)
    wait_for(lambda: parents(made.path) == {scons.pid})
    scons.terminate()
    scons.wait(60)
    wait_for(lambda: sleepers(made.path) == [])


OWN_KIND = """\
from xspack_tool.plan.step import Step, add_step
class Own(Step, frozen=True):
    label = "Own"
    number: int
    def is_apart(self): return True
    def run(self, inputs, outputs):
        outputs.made.write_text(f"{self.number} {inputs.part.read_text()}")
for n in range(6):
    add_step(env, Own(n), inputs={"part": File(f"part{n}")}, outputs={"made": f"build/own{n}"})
"""


def test_steps_of_a_sconstruct(tmp_path: Path) -> None:
    """A step that is defined there is done by a worker if it says so."""
    made = tree(tmp_path / "t", NOTED + OWN_KIND + KEY + PACKAGES + PACK)
    made.scons("-j2").good()
    assert (made.path / "build/own3").read_text() == "3 " + (made.path / "part3").read_text()
    scons = processes(made)["ISO"]
    assert not processes(made)["Own"] & scons


RULE = """\
seen = []
def counts(context):
    seen.append(context)
    return ()
env.XsRule("ACME1", "W", meaning="counts", remedy="none", check=counts)
import atexit
atexit.register(lambda: open(Dir("#").abspath + "/seen", "w").write(str(len(seen))))
"""


def test_rules_of_a_user_run_in_scons(tmp_path: Path) -> None:
    """They may keep something between two RPMs."""
    made = tree(tmp_path / "t", RULE + KEY + PACKAGES + PACK)
    made.scons("-j2").good()
    assert int((made.path / "seen").read_text()) == 7
