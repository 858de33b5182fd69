"""Real transactions in a scratch root: order, files, configuration, what is left, and the codes of failures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pack_maker import PACK, UUID, PackMaker, package, xspack
from support import ROOT, lacks, need, need_root

from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart

NEW = replace(PACK, requires=(Dependency("product-version", ">=", "8.2.0"),))
OLD = replace(NEW, version="5.1", uuid=UUID[:-1] + "1")


@pytest.fixture(autouse=True)
def _tools() -> None:
    need_root()
    need("dnf", "busybox", "rpmbuild")


def scripts(**texts: str) -> tuple[Script, ...]:
    return tuple(Script(phase, (ScriptPart(text),)) for phase, text in texts.items())


def agent(version: str, config: str, more: str) -> Package:
    """A package with two configuration files, one of them the administrator's to keep."""
    return package(
        version=version,
        arch="noarch",
        requires=(Dependency("acme-runtime", ">=", "2"),),
        entries=(
            FileEntry("/etc/acme.conf", "file", text=config, mode=0o644, role="config"),
            FileEntry(f"/opt/acme/{more}", "file", text=f"{version}\n", mode=0o644),
        ),
        scripts=scripts(
            post="depmod 4.19.0+1\niptables-restore < /etc/sysconfig/iptables\niptables -A INPUT -p tcp -j ACCEPT\n"
            "iptables-save > /etc/sysconfig/iptables\n",
            preun="echo going > /var/acme-state\n",
            posttrans="dracut -f /boot/initrd-4.19.0+1.img 4.19.0+1\n",
        ),
    )


def stages(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in said["stages"]}


def test_apply_upgrade_and_remove(make_pack: PackMaker) -> None:
    old = make_pack(OLD, [agent("5.1", "port = 1\n", "old")])
    new = make_pack(NEW, [agent("5.2", "port = 2\n", "new")], precheck="#!/bin/sh\nexit 0\n")
    key = make_pack.key.file
    result = xspack("try", new, "--upgrade-from", old, "--remove", "--key", key, "--json")
    assert (result.status, result.err) == (0, "")
    found = result.json
    assert found["assumed"] == ["acme-runtime >= 2"]
    names = ["precheck acme 5.2", "apply acme 5.2", "precheck acme 5.1", "apply acme 5.1"]
    assert [stage["name"] for stage in found["stages"]] == [*names, *names[:2], "remove acme 5.2"]
    first, upgrade, removal = found["stages"][1], found["stages"][5], found["stages"][6]
    assert found["stages"][0]["why"] == ["precheck ran and agreed"]
    assert first["order"] == [
        "installing acme-agent-5.2-1.noarch",
        "running scriptlet acme-agent-5.2-1.noarch",
        "installing update-acme-5.2-1.noarch",
        "running scriptlet acme-agent-5.2-1.noarch",
    ]
    assert first["calls"] == [
        *("depmod 4.19.0+1", "iptables-restore", "iptables -A INPUT -p tcp -j ACCEPT", "iptables-save"),
        "dracut -f /boot/initrd-4.19.0+1.img 4.19.0+1",
    ]
    assert first["added"] == [
        *("/etc/acme.conf", "/opt", "/opt/acme", "/opt/acme/new", "/var/update/applied"),
        f"/var/update/applied/{UUID}",
    ]
    assert upgrade["config"] == [["/etc/acme.conf", "kept as it was edited, .rpmnew beside it"]]
    assert upgrade["added"] == [
        *("/etc/acme.conf.rpmnew", "/opt/acme/new", "/var/acme-state", f"/var/update/applied/{UUID}"),
    ]
    assert upgrade["removed"] == ["/opt/acme/old", f"/var/update/applied/{OLD.uuid}"]
    left = [line for line in removal["why"] if line.startswith("left behind: ")]
    assert left == [
        f"left behind: {path}"
        for path in (
            *("/etc/acme.conf.rpmnew", "/etc/acme.conf.rpmsave", "/opt", "/opt/acme", "/var/acme-state"),
            *(f"/var/update/{UUID}", "/var/update/applied"),
        )
    ]


def test_failures_have_the_codes_that_a_host_shows(make_pack: PackMaker) -> None:
    refuse = (
        "#!/bin/sh\necho '<error errorcode=\"{}\"><found>1</found><required>2</required></error>'\nexit 1\n"
    )
    version = "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION"
    too_new = replace(PACK, requires=(Dependency("product-version", ">=", "99"),))
    packs = [
        (make_pack(NEW, precheck=refuse.format(version)), "precheck", version),
        (make_pack(NEW, precheck=refuse.format("ACME")), "precheck", "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR"),
        (make_pack(too_new), "precheck", version),
        (make_pack(PACK, [package(scripts=scripts(pre="exit 1\n"))]), "apply", "UPDATE_APPLY_FAILED"),
    ]
    for iso, stage, code in packs:
        result = xspack("try", iso, "--json")
        assert result.status == 1
        assert (result.json["stages"][-1]["name"], result.json["stages"][-1]["code"]) == (
            f"{stage} acme 5.2",
            code,
        )


def test_signatures_count_where_the_key_is_given(make_pack: PackMaker, keys: dict[str, Any]) -> None:
    result = xspack("try", make_pack(NEW), "--key", keys["Other"].file)
    assert result.status == 1
    assert result.out.startswith("precheck acme 5.2: UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED\n")


def test_a_release_of_its_own_packages(make_pack: PackMaker, tmp_path: Path) -> None:
    """With --base nothing is assumed: what it does not have is missing."""
    release = package("my-release", provides=(Dependency("product-version", "=", "8.2.1"),))
    make_pack.rpm(release).rename(tmp_path / release.file_name)
    good = xspack("try", make_pack(NEW), "--base", tmp_path, "--json")
    assert (good.status, good.json["assumed"]) == (0, [])
    wanting = make_pack(NEW, [package(requires=(Dependency("acme-runtime"),))])
    bad = xspack("try", wanting, "--base", tmp_path, "--json")
    assert (bad.status, bad.json["stages"][-1]["code"]) == (1, "UPDATE_APPLY_FAILED")
    assert any("nothing provides acme-runtime needed by" in line for line in bad.json["stages"][-1]["why"])


def test_without_root_user_namespaces_do(make_pack: PackMaker) -> None:
    """Of a process that is told that it is not root; whoever runs the tests is, and maps to it."""
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True).returncode:
        lacks("user namespaces are needed: sysctl kernel.unprivileged_userns_clone=1")
    code = "import os, sys; os.geteuid = lambda: 1000; from xspack_tool.cli import main; sys.exit(main())"
    argv = [sys.executable, "-c", code, "try", make_pack(PACK)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "apply acme 5.2: good\n" in done.stdout


def test_without_both_it_says_so(
    make_pack: PackMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert xspack("try", make_pack(PACK)).err == (
        "xspack: trying a pack needs root or user namespaces: run it as root, or allow them with "
        "sysctl kernel.unprivileged_userns_clone=1\n"
    )
