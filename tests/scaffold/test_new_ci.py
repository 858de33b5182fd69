"""xspack new --ci: the files for CI systems, as far as their commands go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from new_trees import BIN, MAKEFILE, driver_sources, new
from pack_maker import PackMaker, package, xspack
from support import ROOT, need_module

from xspack_tool.signing.home import end_agent


def commands_of(ci: str, folder: Path) -> list[str]:
    """The commands of a CI system's file, in their order."""
    if ci == "gitlab":
        commands: list[str] = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["pack"]["script"]
        return commands
    job = yaml.safe_load((folder / ".github/workflows/pack.yml").read_text())["jobs"]["pack"]
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_commands_for_a_ci_system_do_what_they_shall(tmp_path: Path, ci: str) -> None:
    """All but the two that install programs, and the systems' own steps, which run nowhere else."""
    folder = tmp_path / "acme-tools"
    new(folder, "--ci", ci)
    packages, venv, *rest = commands_of(ci, folder)
    assert packages.startswith(
        "apt-get update && apt-get install -y --no-install-recommends git gnupg libglib2.0-0 "
    )
    assert venv == 'python3 -m venv /opt/xspack && /opt/xspack/bin/pip install "$INSTALL_XSPACK"'
    assert len(rest) == 2
    for command in rest:
        assert "/opt/xspack/bin/" in command
        words = ["sh", "-ec", command.replace("/opt/xspack/bin", str(BIN))]
        done = subprocess.run(
            words, cwd=folder, env={**os.environ, "CI": "true"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made = {
        path.name.removeprefix("acme-tools-") for path in (folder / "build").glob("*.*") if path.is_file()
    }
    assert {"1.0.iso", "1.0.iso.sha256", "findings.sarif", "report.html", "1.0.cdx.json"} <= made
    if ci == "gitlab":
        assert json.loads((folder / "gl-code-quality-report.json").read_text()) == []


@pytest.mark.long
def test_what_a_ci_system_installs_is_what_is_said(tmp_path: Path) -> None:
    """xspack came from a folder here, so the wheel is to be made of it; the printed command makes it."""
    need_module("pip", "hatchling")
    said = xspack("new", tmp_path / "a b", "--vendor", "Acme", "--ci", "github").out.splitlines()[-2]
    assert said.startswith("for github: python3 -m pip wheel --no-deps -w ")
    offline = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_DEPS": "1",
    }
    subprocess.run(["sh", "-ec", said.partition(": ")[2]], env=offline, check=True)
    job = yaml.safe_load((tmp_path / "a b/.github/workflows/pack.yml").read_text())
    venv = commands_of("github", tmp_path / "a b")[1].replace("/opt/xspack", str(tmp_path / "venv"))
    subprocess.run(["sh", "-ec", venv], cwd=tmp_path / "a b", env={**offline, **job["env"]}, check=True)
    assert (tmp_path / "venv/bin/xspack").is_file()


@pytest.mark.parametrize(
    ("record", "installed"),
    [
        ("", "xspack==7.1"),
        (
            '{"url": "https://h.example/x.git", "vcs_info": {"commit_id": "abc"}}',
            "xspack @ git+https://h.example/x.git@abc",
        ),
        (
            '{"url": "https://h.example/x-7.1.whl", "archive_info": {}}',
            "xspack @ https://h.example/x-7.1.whl",
        ),
        ('{"url": "file:///home/a%20b", "dir_info": {}}', "tools/xspack-7.1-py3-none-any.whl"),
    ],
)
def test_where_xspack_came_from(tmp_path: Path, record: str, installed: str) -> None:
    """As pip notes it beside what it installed; a CI system gets the same."""
    info = tmp_path / "xspack-7.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xspack\nVersion: 7.1\n")
    if record:
        (info / "direct_url.json").write_text(record)
    code = "from xspack_tool.scaffold.install import installed_from; print(installed_from())"
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert told.stdout == f"{installed}\n"


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_ci_system_signs_by_a_key_of_ones_own(make_pack: PackMaker, tmp_path: Path, ci: str) -> None:
    """The secret key comes from the system's secrets; the pack of an old Makefile lies where that had it."""
    made = make_pack.rpm(package())
    (tmp_path / "rpms").mkdir()
    (tmp_path / "rpms" / made.name).write_bytes(made.read_bytes())
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "precheck.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "RPM-GPG-KEY-Acme").write_bytes(make_pack.key.file.read_bytes())
    assert xspack("new", tmp_path, "--ci", ci, "--ci-install", "xspack").status == 0
    gpg = ["gpg", "--homedir", make_pack.key.home, "--armor", "--export-secret-keys"]
    secret = subprocess.run(gpg, capture_output=True, text=True, check=True).stdout
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (tmp_path / "secret.asc").write_text(secret)
    given = secret if ci == "github" else str(tmp_path / "secret.asc")
    env = {**os.environ, "GNUPGHOME": str(home), "SIGNING_KEY": given, "XSPACK_PASSPHRASE": ""}
    try:
        for command in commands_of(ci, tmp_path)[2:]:
            words = ["sh", "-ec", command.replace("/opt/xspack/bin", str(BIN))]
            done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        end_agent(home)
    assert (tmp_path / "acme-agent.iso").is_file()
    kept = (tmp_path / (".gitlab-ci.yml" if ci == "gitlab" else ".github/workflows/pack.yml")).read_text()
    assert "acme-agent*\n" in kept.replace('"', "")


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_commands_for_a_driver_do_what_they_shall(tmp_path: Path, ci: str) -> None:
    """With the headers of this machine, before there is a kit: a host of this kernel would take it."""
    driver_sources(tmp_path)
    new(tmp_path, "--name", "acme", "--ci", ci)
    for command in commands_of(ci, tmp_path)[2:]:
        words = ["sh", "-ec", command.replace("/opt/xspack/bin", str(BIN))]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
