"""bootstrap: what it finds missing, what it says and installs, and that a set-up machine is left alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import LATE, ROOT, wait_for

from xspack_tool.run import INDEX_LIBRARY, PACKAGES

#: What bootstrap itself runs, and a shell script's everyday needs.
REAL = ("cat", "chmod", "cksum", "cmp", "env", "flock", "mkdir", "mv", "sh", "sleep", "touch")
NEEDED = tuple(sorted({*PACKAGES, "strip", "depmod", "cpio", "xz", "createrepo_c"}))
WANTED = ("ssh", "sshd", "genisoimage", "iptables")

#: Stands for a Python: its virtual environment is a folder with a python that notes what it was asked for.
PYTHON = """\
case "$1" in
    -c) exit 0 ;;
    -m) echo "venv $4" >>"$LOG"; mkdir -p "$4/bin" ;;
esac
cat >"$4/bin/python" <<'END'
#!/bin/sh
case "$*" in
    *requirements.lock*) echo "libraries" >>"$LOG"; sleep "${PIP_TAKES:-0}"; exit "${PIP_ENDS:-0}" ;;
    *) echo "project" >>"$LOG" ;;
esac
END
chmod +x "$4/bin/python"
"""
#: Stands for apt-get: knows packages after an update only, and brings the programs of rpm and gnupg.
APT = """\
echo "apt-get $* ($DEBIAN_FRONTEND)" >>"$LOG"
case "$*" in
    update) touch "$LOG.updated"; exit ;;
    *linux-headers*|*python3-venv*) exit 100 ;;
esac
[ -e "$LOG.updated" ] || exit 100
[ -n "${APT_BRINGS_NOTHING:-}" ] && exit
for program in rpmbuild rpmsign rpmkeys gpg; do touch "$BIN/$program"; chmod +x "$BIN/$program"; done
"""


@dataclass(frozen=True)
class Machine:
    """A checkout, and a PATH that holds nothing but what a test put there."""

    checkout: Path
    bin: Path
    log: Path

    def program(self, name: str, text: str = "") -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}")
        (self.bin / name).chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.bin / name).unlink()

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {"PATH": str(self.bin), "LOG": str(self.log), "BIN": str(self.bin), "HOME": str(self.bin)}
        return {**own, **more}

    def run(self, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "bootstrap", *words],
            env=self.environment(more),
            cwd=cwd or self.checkout,
            capture_output=True,
            text=True,
            timeout=LATE,
        )

    def logged(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    @property
    def made(self) -> list[str]:
        return [f"venv {self.checkout}/.venv", "libraries", "project"]


@pytest.fixture
def machine(short_dir: Path) -> Machine:
    """A Debian machine where all is installed, nothing is set up, and nobody may become root."""
    folder = Path(os.path.realpath(short_dir))
    made = Machine(folder / "a checkout", folder / "bin", folder / "log")
    made.checkout.mkdir()
    made.bin.mkdir()
    shutil.copy(ROOT / "bootstrap", made.checkout)
    (made.checkout / "requirements.lock").write_text("")
    (made.checkout / "pyproject.toml").write_text("")
    for name in REAL:
        (made.bin / name).symlink_to(str(shutil.which(name)))
    for name in (*NEEDED, *WANTED, "busybox"):
        made.program(name)
    made.program("python3", PYTHON)
    made.program("apt-get", APT)
    made.program("dpkg", "echo amd64")
    made.program("id", "echo 1000")
    made.program("sudo", "exit 1")
    # Whether this machine has kernel headers and the like is not what is tested, unless a test removes this.
    (made.checkout / ".venv").mkdir()
    (made.checkout / ".venv/xspack-wanted").touch()
    return made


@pytest.mark.parametrize("shell", [["dash", "-n"], ["bash", "--posix", "-n"], ["sh", "-n"]], ids=" ".join)
def test_syntax(shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not here")
    done = subprocess.run([*shell, ROOT / "bootstrap"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_program_of_xspack_is_known() -> None:
    rows = re.findall(r"^(\S+) (\S+) (\S+)$", (ROOT / "bootstrap").read_text(), re.MULTILINE)
    table = {program: (debian, el) for program, debian, el in rows}
    wanted = {name: packages for name, packages in PACKAGES.items() if name != INDEX_LIBRARY}
    assert {name: table.get(name) for name in wanted} == wanted
    assert "createrepo_c" in table  # which brings that library


def test_first_run_sets_up_and_later_runs_only_run(machine: Machine) -> None:
    first = machine.run("sh", "-c", "echo out")
    assert (first.returncode, first.stdout) == (0, "out\n")
    assert first.stderr == f"bootstrap: making {machine.checkout}/.venv\n"
    assert machine.logged() == machine.made
    for name in ("apt-get", "dpkg", "id", "sudo", "python3", "flock"):
        machine.remove(name)
        machine.program(name, f"echo {name} >>$LOG; exit 1")
    again = machine.run("sh", "-c", "echo out")
    assert (again.returncode, again.stdout, again.stderr) == (0, "out\n", "")
    assert machine.logged() == []


def test_runs_in_the_callers_folder_with_its_words_and_status(machine: Machine) -> None:
    machine.run()
    script = 'pwd; printf "<%s>" "$@"; echo; echo "$VIRTUAL_ENV"; exit 7'
    done = machine.run("sh", "-c", script, "-", "two words", "", "*", cwd=machine.bin)
    assert done.returncode == 7
    assert done.stdout.splitlines() == [str(machine.bin), "<two words><><*>", f"{machine.checkout}/.venv"]
    machine.program("../a checkout/.venv/bin/mine", "echo mine")
    assert machine.run("mine", cwd=Path("/")).stdout == "mine\n"


def test_can_be_named_without_a_folder(machine: Machine) -> None:
    done = subprocess.run(
        ["sh", "bootstrap", "sh", "-c", "echo $VIRTUAL_ENV"],
        env=machine.environment({}),
        cwd=machine.checkout,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{machine.checkout}/.venv\n"


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_another_lock_makes_another_environment(machine: Machine, file: str) -> None:
    machine.run()
    machine.logged()
    (machine.checkout / file).write_text("# new\n")
    assert machine.run().returncode == 0
    assert machine.logged() == machine.made
    assert machine.run().returncode == 0
    assert machine.logged() == []


def test_a_moved_checkout_makes_another_environment(machine: Machine) -> None:
    machine.run()
    machine.logged()
    moved = Machine(machine.checkout.rename(machine.bin.parent / "moved"), machine.bin, machine.log)
    assert moved.run().returncode == 0
    assert moved.logged() == moved.made


def test_missing_without_root_is_said_with_the_command(machine: Machine) -> None:
    machine.remove("rpmbuild", "gpg", "rpmsign")
    done = machine.run("sh", "-c", "echo ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "bootstrap: system packages are missing; as root, run this, then bootstrap again:\n"
        "bootstrap:   apt-get install -y --no-install-recommends rpm gnupg\n"
    )
    assert machine.logged() == []


def test_missing_without_root_on_el(machine: Machine) -> None:
    machine.remove("rpmbuild", "gpg", "rpmsign", "apt-get")
    done = machine.run("true")
    assert done.returncode == 1
    assert done.stderr.endswith("\nbootstrap:   dnf install -y rpm-build rpm-sign gnupg2\n")


def test_neither_apt_nor_dnf(machine: Machine) -> None:
    machine.remove("rpmbuild", "dnf", "apt-get")
    done = machine.run("true")
    assert done.returncode == 1
    assert done.stderr == (
        "bootstrap: neither apt-get nor dnf is here; install what EL calls: rpm-build dnf\n"
    )


def test_root_installs_and_renews_old_lists(machine: Machine) -> None:
    machine.remove("rpmbuild", "gpg")
    machine.program("id", "echo 0")
    done = machine.run("sh", "-c", "echo ran")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    install = "apt-get install -y --no-install-recommends rpm gnupg (noninteractive)"
    assert machine.logged() == [install, "apt-get update ()", install, *machine.made]


def test_sudo_without_a_password_installs(machine: Machine) -> None:
    machine.remove("gpg")
    machine.program("sudo", '[ "$1" = -n ] || exit 1; shift; echo "sudo $*" >>$LOG; exec "$@"')
    machine.program("true")
    Path(f"{machine.log}.updated").touch()
    assert machine.run().returncode == 0
    words = "apt-get install -y --no-install-recommends gnupg"
    assert machine.logged() == [
        "sudo true",
        f"sudo env DEBIAN_FRONTEND=noninteractive {words}",
        f"{words} (noninteractive)",
        *machine.made,
    ]


def test_a_package_that_brings_nothing_is_an_error(machine: Machine) -> None:
    machine.remove("rpmbuild")
    machine.program("id", "echo 0")
    Path(f"{machine.log}.updated").touch()
    done = machine.run("true", APT_BRINGS_NOTHING="yes")
    assert done.returncode == 1
    assert done.stderr == "bootstrap: still missing after their installation: rpm\n"


def test_a_package_that_cannot_be_had_is_an_error(machine: Machine) -> None:
    machine.remove("rpmbuild")
    machine.program("id", "echo 0")
    machine.program("apt-get", 'echo "E: no network" >&2; exit 100')
    done = machine.run("true")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        *["E: no network"] * 3,
        "bootstrap: these packages could not be installed, see above: rpm",
    ]


def test_what_is_only_wanted_is_tried_once_and_stops_nothing(machine: Machine) -> None:
    (machine.checkout / ".venv/xspack-wanted").unlink()
    machine.remove("genisoimage")
    machine.program("id", "echo 0")
    machine.program("apt-get", "exit 100")
    first = machine.run("sh", "-c", "echo ran")
    assert (first.returncode, first.stdout) == (0, "ran\n")
    assert "bootstrap: genisoimage cannot be had here; what needs it is left out" in first.stderr.splitlines()
    again = machine.run("sh", "-c", "echo ran")
    assert (again.stdout, again.stderr) == ("ran\n", "")


def test_ci_asks_for_what_a_set_up_machine_was_not_asked_for(machine: Machine) -> None:
    machine.program("id", "echo 0")
    machine.program("apt-get", "exit 100")
    assert " cannot be had here" not in machine.run().stderr
    said = machine.run(CI="true").stderr.splitlines()
    assert "bootstrap: firewalld cannot be had here; what needs it is left out" in said
    assert machine.run(CI="true").stderr == ""


def test_what_is_only_wanted_is_named_without_root(machine: Machine) -> None:
    (machine.checkout / ".venv/xspack-wanted").unlink()
    machine.remove("genisoimage")
    first = machine.run()
    assert first.returncode == 0
    named = (
        "bootstrap: some examples and tests also want, as root: apt-get install -y --no-install-recommends "
    )
    assert [
        line for line in first.stderr.splitlines() if line.startswith(named) and "genisoimage" in line.split()
    ]
    assert machine.run().stderr == ""


def test_debians_python_without_venv_is_completed(machine: Machine) -> None:
    machine.program("debian-python", "exit 1")
    done = machine.run("true", PYTHON="debian-python")
    assert done.returncode == 1
    assert done.stderr.endswith("\nbootstrap:   apt-get install -y --no-install-recommends python3-venv\n")


def test_a_distributions_python_goes_before_another(machine: Machine) -> None:
    """pyenv's is found first, and is compiled without a profile."""
    asked = 'if [ "$1" = -c ]; then [ "$3" = "" ]; exit; fi\necho "pyenv made it" >>"$LOG"\n'
    machine.program("python3.13", asked + PYTHON)
    assert machine.run().returncode == 0
    assert machine.logged() == machine.made
    (machine.checkout / "requirements.lock").write_text("changed")
    assert machine.run(PYTHON="python3.13").returncode == 0
    assert machine.logged() == ["pyenv made it", *machine.made]


def test_failed_libraries_leave_no_environment_that_passes_for_whole(machine: Machine) -> None:
    done = machine.run("true", PIP_ENDS="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"bootstrap: {machine.checkout}/.venv could not be made, see above"
    machine.logged()
    assert machine.run("sh", "-c", "echo ran").stdout == "ran\n"
    assert machine.logged() == machine.made


def start(machine: Machine, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [machine.checkout / "bootstrap", "sh", "-c", "echo ran"],
        env=machine.environment(more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_at_the_libraries(machine: Machine) -> bool:
    return machine.log.exists() and "libraries" in machine.log.read_text()


def test_killed_half_way_the_next_run_repairs(machine: Machine) -> None:
    first = start(machine, PIP_TAKES="60")
    wait_for(lambda: is_at_the_libraries(machine))
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    machine.logged()
    done = machine.run("sh", "-c", "echo ran")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert machine.logged() == machine.made


def test_two_at_once_make_one_environment(machine: Machine) -> None:
    first = start(machine, PIP_TAKES="1")
    wait_for(lambda: is_at_the_libraries(machine))
    second = start(machine)
    said = [process.communicate(timeout=LATE) for process in (first, second)]
    assert [out for out, _ in said] == ["ran\n", "ran\n"]
    assert said[1][1] == "bootstrap: waiting for another bootstrap in this folder\n"
    assert machine.logged() == machine.made


def test_a_checkout_that_cannot_be_written(machine: Machine) -> None:
    if os.geteuid() == 0:
        shutil.rmtree(machine.checkout / ".venv")
        nobody = [str(shutil.which("setpriv")), "--reuid=65534", "--regid=65534", "--clear-groups"]
        words = [*nobody, machine.checkout / "bootstrap"]
        done = subprocess.run(words, env=machine.environment({}), capture_output=True, text=True)
    else:
        machine.checkout.chmod(0o555)
        done = machine.run()
        machine.checkout.chmod(0o755)
    assert done.returncode == 1
    why = "cannot be written, and has no .venv that fits requirements.lock"
    assert done.stderr.splitlines()[-1] == f"bootstrap: {machine.checkout} {why}"


BACKEND = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "tiny-1.dist-info"
    with zipfile.ZipFile(f"{folder}/tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "def main(): print('tiny')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\ntiny = tiny:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "tiny-1-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
"""


def test_with_a_real_python(machine: Machine) -> None:
    machine.remove("python3")
    machine.program("python3.13", f'exec {sys.executable} "$@"')
    (machine.checkout / "backend.py").write_text(BACKEND)
    (machine.checkout / "pyproject.toml").write_text(PROJECT)
    done = machine.run("tiny")
    assert (done.returncode, done.stdout) == (0, "tiny\n"), done.stderr
