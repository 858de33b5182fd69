"""Carrying state over from the previous installation, run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xspack_tool.rpm.scriptlets.migrate import migrate_problems, migrate_script

PATHS = ["/etc/acme.conf", "/var/lib/acme", "/etc/it's $(touch pwned)"]
POST = migrate_script(PATHS, "acme")["post"]
ENV = {"XS_PREVIOUS_INSTALLATION": "/mnt/old"}


@pytest.fixture
def upgraded(host):
    """A host with the package's defaults, and the root that was before below /mnt/old."""
    host.write("/etc/acme.conf", "default\n", 0o644)
    host.write("/var/lib/acme/db", "empty\n", 0o644)
    host.write("/mnt/old/etc/acme.conf", "mine\n", 0o640)
    host.write("/mnt/old/var/lib/acme/db", "full\n", 0o600)
    host.write("/mnt/old/var/lib/acme/.hidden/deep/er", "x\n", 0o400)
    os.chown(host.root / "mnt/old/etc/acme.conf", 12, 34)
    os.chown(host.root / "mnt/old/var/lib/acme", 56, 78)
    (host.root / "mnt/old/var/lib/acme").chmod(0o750)
    return host


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_mode & 0o7777, found.st_uid, found.st_gid


def test_files_keep_content_mode_and_owner(upgraded) -> None:
    assert upgraded.run(POST, 1, ENV) == ""
    assert upgraded.read("/etc/acme.conf") == "mine\n"
    assert owner_and_mode(upgraded.root / "etc/acme.conf") == (0o640, 12, 34)
    assert upgraded.read("/etc/acme.conf.rpmnew") == "default\n"


def test_folders_are_merged(upgraded) -> None:
    upgraded.write("/var/lib/acme/new-default", "stays\n")
    upgraded.run(POST, 1, ENV)
    lib = upgraded.root / "var/lib/acme"
    assert owner_and_mode(lib) == (0o750, 56, 78)
    assert sorted(str(path.relative_to(lib)) for path in lib.rglob("*") if path.is_file()) == [
        ".hidden/deep/er", "db", "db.rpmnew", "new-default",
    ]  # fmt: skip
    assert upgraded.read("/var/lib/acme/db") == "full\n"
    assert owner_and_mode(lib / "db") == (0o600, 0, 0)
    assert owner_and_mode(lib / ".hidden/deep/er")[0] == 0o400


def test_the_same_content_leaves_nothing_beside(upgraded) -> None:
    upgraded.write("/etc/acme.conf", "mine\n", 0o644)
    upgraded.run(POST, 1, ENV)
    assert not (upgraded.root / "etc/acme.conf.rpmnew").exists()
    assert owner_and_mode(upgraded.root / "etc/acme.conf") == (0o640, 12, 34)


def test_a_second_run_changes_nothing(upgraded) -> None:
    upgraded.run(POST, 1, ENV)
    upgraded.run(POST, 2, ENV)
    assert upgraded.read("/etc/acme.conf") == "mine\n"
    assert upgraded.read("/etc/acme.conf.rpmnew") == "default\n"


def test_the_previous_root_is_left_as_it_was(upgraded) -> None:
    before = {path: owner_and_mode(path) for path in (upgraded.root / "mnt").rglob("*")}
    upgraded.run(POST, 1, ENV)
    assert {path: owner_and_mode(path) for path in (upgraded.root / "mnt").rglob("*")} == before


@pytest.mark.parametrize(
    "env", [{}, {"XS_PREVIOUS_INSTALLATION": ""}, {"XS_PREVIOUS_INSTALLATION": "/nowhere"}]
)
def test_without_a_previous_installation_nothing_happens(upgraded, env) -> None:
    assert upgraded.run(POST, 1, env) == ""
    assert upgraded.read("/etc/acme.conf") == "default\n"


def test_what_was_not_there_before_is_skipped(host) -> None:
    (host.root / "mnt/old").mkdir(parents=True)
    host.write("/etc/acme.conf", "default\n")
    assert host.run(POST, 1, ENV) == ""
    assert host.read("/etc/acme.conf") == "default\n"


def test_odd_names_are_names(upgraded) -> None:
    upgraded.write("/mnt/old" + PATHS[2], "odd\n")
    upgraded.run(POST, 1, ENV)
    assert upgraded.read(PATHS[2]) == "odd\n"
    assert not list(upgraded.root.rglob("pwned"))


def test_a_link_is_carried_over_as_a_link(upgraded) -> None:
    upgraded.write("/etc/shadow", "secret\n", 0o600)
    (upgraded.root / "mnt/old/etc/acme.conf").unlink()
    (upgraded.root / "mnt/old/etc/acme.conf").symlink_to("/etc/shadow")
    (upgraded.root / "mnt/old/var/lib/acme/link").symlink_to("../../../../../etc")
    upgraded.run(POST, 1, ENV)
    assert os.readlink(upgraded.root / "etc/acme.conf") == "/etc/shadow"
    assert os.readlink(upgraded.root / "var/lib/acme/link") == "../../../../../etc"
    assert upgraded.read("/etc/acme.conf.rpmnew") == "default\n"


@pytest.mark.parametrize("target", ["/var/elsewhere", "../elsewhere"])
def test_a_path_behind_a_link_is_refused(upgraded, target: str) -> None:
    upgraded.write("/var/elsewhere/acme/db", "of the new root\n")
    old = upgraded.root / "mnt/old/var"
    old.joinpath("lib").rename(old / "moved")
    old.joinpath("lib").symlink_to(target)
    upgraded.write("/mnt/old/elsewhere/acme/db", "elsewhere\n")
    said = upgraded.run(POST, 1, ENV)
    assert said == "acme: /var/lib/acme of the previous installation lies behind a link: not carried over\n"
    assert upgraded.read("/var/lib/acme/db") == "empty\n"


def test_a_link_in_place_of_the_default_is_not_written_through(upgraded) -> None:
    upgraded.write("/etc/shadow", "secret\n")
    (upgraded.root / "etc/acme.conf").unlink()
    (upgraded.root / "etc/acme.conf").symlink_to("/etc/shadow")
    upgraded.run(POST, 1, ENV)
    assert upgraded.read("/etc/shadow") == "secret\n"
    assert upgraded.read("/etc/acme.conf") == "mine\n"
    assert os.readlink(upgraded.root / "etc/acme.conf.rpmnew") == "/etc/shadow"


def test_a_failure_is_said_and_does_not_abort(upgraded) -> None:
    said = upgraded.run("ulimit -f 0\n" + POST, 1, ENV)
    assert "acme: /etc/acme.conf of the previous installation could not be carried over\n" in said
    assert upgraded.read("/etc/acme.conf") == "default\n"
    assert [path.name for path in (upgraded.root / "etc").iterdir()] == ["acme.conf"]


def test_paths_are_judged() -> None:
    assert migrate_problems(PATHS) == [] and migrate_script([], "acme") == {}
    wrong = ["etc/a", "/a/../b", "/a\nb", 7]
    found = [(problem.field, problem.value) for problem in migrate_problems([PATHS[0], *wrong])]
    assert found == [(f"migrate[{number}]", path) for number, path in enumerate(wrong, 1)]
