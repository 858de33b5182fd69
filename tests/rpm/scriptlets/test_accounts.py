"""Users and groups of a package: there before its files are, by the real useradd, rpm and systemd-sysusers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LATE, need
from trees import Tree

from xspack_tool.rpm.scriptlets.accounts import Account, account_problems, account_scripts, sysusers_file

HEAD = 'env = Environment(tools=["xspack"], XSPACK_TARGET=ARGUMENTS["target"], XSPACK_LICENSE="MIT")\n'
DECLARED = """\
env.Userspace("acme", version=ARGUMENTS.get("version", "1"), arch="noarch", groups=["acme-data"],
    users=["acme", env.XsUser("acme-web", group="acme-data", groups="acme", home="/srv/acme", comment="Acme's web")],
    files={"/var/lib/acme": env.XsDir(mode=0o700, owner="acme", group="acme"),
           "/srv/acme/key": env.XsFile("key", mode=0o640, owner="acme-web", group="acme-data")})
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """The RPM for a release."""
    need("rpmbuild", "rpm")

    def make(target: str = "xenserver-8", version: str = "1") -> Path:
        tree = Tree(tmp_path / target).write({"key": "secret"}).declare(DECLARED, head=HEAD)
        tree.scons(f"target={target}", f"version={version}", "build").good()
        return tree.path / f"build/rpms/acme-{version}-1.noarch.rpm"

    return make


def install(host, rpm: Path) -> None:
    argv = ["rpm", "--force-debian", f"--root={host.root}", "--nodeps", "--nosignature", "-U", rpm]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LATE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_files_belong_to_them_from_the_beginning(build: Callable[..., Path], host) -> None:
    need("useradd", "groupadd", "getent")
    for program in ("useradd", "groupadd", "getent"):
        host.copy_program(shutil.which(program))
    host.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    host.write("/etc/group", "root:x:0:\n")
    install(host, build())
    users = dict(line.split(":", 1) for line in host.read("/etc/passwd").splitlines())
    groups = dict(line.split(":", 1) for line in host.read("/etc/group").splitlines())
    assert list(users) == ["root", "acme", "acme-web"] and list(groups) == ["root", "acme", "acme-data"]
    _, uid, gid, comment, home, shell = users["acme-web"].split(":")
    assert (comment, home, shell) == ("Acme's web", "/srv/acme", "/sbin/nologin")
    assert gid == groups["acme-data"].split(":")[1] and groups["acme"].endswith(":acme-web")
    found = (host.root / "srv/acme/key").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (int(uid), int(gid), 0o640)
    folder = (host.root / "var/lib/acme").stat()
    assert str(folder.st_uid) == users["acme"].split(":")[1] and folder.st_mode & 0o777 == 0o700
    before = host.read("/etc/passwd")
    install(host, build(version="2"))
    assert host.read("/etc/passwd") == before


def test_sysusers_where_the_release_reads_it(build: Callable[..., Path], host) -> None:
    need("systemd-sysusers")
    paths = [
        subprocess.run(["rpm", "-qpl", build(target)], capture_output=True, text=True).stdout.split()
        for target in ("xenserver-8", "xenserver-9")
    ]
    assert [[path for path in found if "sysusers" in path] for found in paths] == [
        [],
        ["/usr/lib/sysusers.d/acme.conf"],
    ]
    users = [Account("acme", comment="Acme"), Account("acme-web", "acme-data", ("acme",), "/srv", "/bin/sh")]
    path, text = sysusers_file("acme", users, ["extra"])
    host.write(path, text)
    host.write("/etc/passwd", "")
    host.write("/etc/group", "")
    argv = ["systemd-sysusers", f"--root={host.root}", "--replace=/usr/lib/sysusers.d/acme.conf", "-"]
    subprocess.run(argv, input=text, text=True, check=True, capture_output=True, timeout=LATE)
    users_made = {line.split(":")[0]: line.split(":")[4:] for line in host.read("/etc/passwd").splitlines()}
    assert users_made == {"acme": ["Acme", "/", "/sbin/nologin"], "acme-web": ["", "/srv", "/bin/sh"]}
    groups_made = {line.split(":")[0]: line.split(":")[3] for line in host.read("/etc/group").splitlines()}
    assert groups_made == {"acme": "acme-web", "acme-data": "", "extra": ""}


def test_what_cannot_be_made_is_said_and_aborts_nothing(host) -> None:
    host.fake("/usr/bin/getent", "exit 2\n")
    host.fake("/usr/sbin/groupadd", "exit 1\n")
    host.fake("/usr/sbin/useradd", "exit 1\n")
    said = host.run(account_scripts([Account("acme")], [])["pre"], 1)
    assert said == "the group acme could not be made\nthe user acme could not be made\n"


def test_names_and_fields_are_judged() -> None:
    assert account_problems([Account("acme", "acme-data", ("adm",))], ["x_1"]) == []
    users = [
        Account("Acme"),
        Account("a", "b c"),
        Account("x", home="srv"),
        Account("y", shell="/bin/$SH"),
        Account("z", comment='a:"b"'),
        Account("z"),
    ]
    assert [(one.field, one.value) for one in account_problems(users, ["", 5])] == [
        ("users", "Acme"),
        ("users", "b c"),
        *(("groups", ""), ("groups", 5)),
        *(("users", "srv"), ("users", "/bin/$SH"), ("users", 'a:"b"'), ("users", "z")),
    ]
    assert account_scripts([], []) == {}
