"""The scriptlets of systemd units, run; the real systemctl works on the links where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from support import need

from xspack_tool.rpm.scriptlets.units import unit_problems, unit_scripts

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
WANTED = "etc/systemd/system/multi-user.target.wants/acme.service"
SCRIPTS = unit_scripts(["acme.service"], "acme")


@pytest.fixture
def unit_host(host):
    """A host whose release disables every unit by its presets, with the real systemctl."""
    need("systemctl")
    host.copy_program(shutil.which("systemctl"))
    host.write("/usr/lib/systemd/system/acme.service", UNIT)
    host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    return host


def enabled(host) -> bool:
    return (host.root / WANTED).is_symlink()


def test_a_first_installation_enables(unit_host) -> None:
    assert unit_host.run(SCRIPTS["post"], 1) == ""
    assert enabled(unit_host)


def test_an_upgrade_leaves_alone_what_the_administrator_disabled(unit_host) -> None:
    unit_host.run(SCRIPTS["post"], 1)
    (unit_host.root / WANTED).unlink()
    unit_host.run(SCRIPTS["post"], 2)
    unit_host.run(SCRIPTS["preun"], 1)
    unit_host.run(SCRIPTS["postun"], 1)
    assert not enabled(unit_host)


def test_an_upgrade_keeps_what_is_enabled(unit_host) -> None:
    unit_host.run(SCRIPTS["post"], 1)
    unit_host.run(SCRIPTS["post"], 2)
    unit_host.run(SCRIPTS["preun"], 1)
    assert enabled(unit_host)


def test_the_last_removal_disables(unit_host) -> None:
    unit_host.run(SCRIPTS["post"], 1)
    assert unit_host.run(SCRIPTS["preun"], 0) == ""
    assert not enabled(unit_host)


@pytest.mark.parametrize(
    ("preset", "result"),
    [
        ("disable acme.service\n", False),
        ("disable acme*\n", False),
        ("# disable acme.service\nenable ac*\ndisable *\n", True),
        ("disable other.service\n", True),
    ],
)
def test_a_preset_of_the_administrator_stands(unit_host, preset: str, result: bool) -> None:
    unit_host.write("/etc/systemd/system-preset/00-site.preset", preset)
    unit_host.run(SCRIPTS["post"], 1)
    assert enabled(unit_host) is result


def test_a_manager_is_asked_only_where_one_runs(host) -> None:
    host.fake("/bin/systemctl")
    scripts = unit_scripts(["acme.service", "acme@.service"], "acme")
    host.run(scripts["preun"], 0)
    host.run(scripts["postun"], 0)
    assert host.calls() == ["systemctl --no-reload disable acme.service acme@.service"]
    (host.root / "run/systemd/system").mkdir(parents=True)
    host.run(scripts["preun"], 0)
    host.run(scripts["postun"], 0)
    assert host.calls() == [
        "systemctl --no-reload disable acme.service acme@.service",
        "systemctl stop acme.service acme@*.service",
        "systemctl daemon-reload",
    ]


def test_nothing_is_ever_started(host) -> None:
    host.fake("/bin/systemctl")
    (host.root / "run/systemd/system").mkdir(parents=True)
    for argument in (1, 2):
        host.run(SCRIPTS["post"], argument)
    assert host.calls() == [
        "systemctl --no-reload preset acme.service",
        "systemctl --no-reload enable acme.service",
        "systemctl daemon-reload",
        "systemctl daemon-reload",
    ]


def test_a_systemctl_that_fails_aborts_nothing(host) -> None:
    host.fake("/bin/systemctl", "echo no >&2; exit 1\n")
    assert [host.run(text, argument) for text in SCRIPTS.values() for argument in (0, 1)] == [""] * 8


def test_no_units_no_scriptlets() -> None:
    assert unit_scripts([], "acme") == {}


def test_names_are_judged() -> None:
    assert unit_problems(["acme.service", "acme@.service", "var-lib.mount", "acme-x.timer"]) == []
    wrong = ["acme", "a b.service", "a;b.service", "$(x).service"]
    assert [(problem.field, problem.value) for problem in unit_problems(wrong)] == [
        ("systemd_units", name) for name in wrong
    ]


def test_the_verdict_of_the_real_systemctl_is_used(unit_host) -> None:
    unit_host.run(SCRIPTS["post"], 1)
    done = subprocess.run(
        ["systemctl", f"--root={unit_host.root}", "is-enabled", "acme.service"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "enabled\n"
