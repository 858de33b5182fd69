"""Real transactions in a chroot: order, files, configuration, what is left, and the codes of failures."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pack_maker import PACK, UUID, PackMaker, package, xspack
from support import ROOT, lacks, need, need_root, wait_for

from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.scriptlets.remove import removal_script

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
        requires_post=(Dependency("acme-runtime", ">=", "2"),),
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
        *("/etc/acme.conf", "/opt/acme", "/opt/acme/new", "/var/update/applied"),
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
            *("/etc/acme.conf.rpmnew", "/etc/acme.conf.rpmsave", "/opt/acme", "/var/acme-state"),
            *(f"/var/update/{UUID}", "/var/update/applied"),
        )
    ]


AGENT = package(entries=(FileEntry("/opt/acme-agent", "file", text="x\n", mode=0o644),))
TOOLS = package("acme-tools", entries=(FileEntry("/opt/acme-tools", "file", text="x\n", mode=0o644),))
RAN = "remove ran; what it told rpm, yum or dnf to erase was erased"
NO_XAPI = "there is no xapi: xe was a stub, which names this one host and does nothing else"
LEFT = [f"left behind: {path}" for path in (f"/var/update/{UUID}", "/var/update/applied")]


def removed(make_pack: PackMaker, script: str, *packages: Package) -> dict[str, Any]:
    """What the removal of a pack with this remove script came to."""
    iso = make_pack(PACK, packages or (AGENT, TOOLS), remove=script, signer=None)
    said = xspack("try", iso, "--remove", "--json")
    assert said.err == ""
    stage: dict[str, Any] = said.json["stages"][-1]
    assert stage["name"] == "remove acme 5.2"
    assert said.status == bool(stage["code"])
    return stage


def test_the_remove_script_really_runs(make_pack: PackMaker) -> None:
    script = removal_script("acme", UUID, "control-acme", "update-acme", ["acme-agent", "acme-tools"])
    stage = removed(make_pack, script)
    assert (stage["code"], stage["why"]) == ("", [RAN, NO_XAPI, *LEFT])
    first, *payload, last = [step for step in stage["order"] if step.startswith("erasing")]
    assert (first, last) == ("erasing update-acme-5.2-1.noarch", "erasing control-acme-5.2-1.noarch")
    assert set(payload) == {"erasing acme-agent-5.2-1.noarch", "erasing acme-tools-5.2-1.noarch"}
    host = "00000000-0000-4000-8000-000000000001"
    assert stage["calls"] == [
        "xe host-list --minimal",
        f"xe update-pool-clean uuid={UUID}",
        f"xe update-resync-host host-uuid={host}",
        f"xe update-destroy uuid={UUID}",
    ]
    gone = {"/opt/acme-agent", "/opt/acme-tools", f"/var/update/applied/{UUID}", f"/var/update/{UUID}/remove"}
    assert (set(stage["removed"]), stage["added"]) == (gone, [])


def test_what_rpm_refuses_the_script_is_told(make_pack: PackMaker) -> None:
    """And what it tidies up behind rpm is gone: it did not run ahead of it."""
    script = """#!/bin/sh
rpm -e acme-agent && exit 9
rpm -q acme-agent nothing && exit 9
yum clean all && exit 9
yum -q -y remove update-acme || exit 9
rpm -e acme-agent
rpm -e acme-tools
rmdir /opt || exit 9
rpm -e --root /tmp control-acme; rpm -i http://acme.example/x.rpm; rpm -qa
rpm -e control-acme
xe vm-list
exit 3
"""
    stage = removed(make_pack, script)
    assert stage["code"] == "removal failed"
    knows = "xspack's rpm knows -q NAME and -e NAME alone, not:"
    assert stage["why"] == [
        "remove ended with status 3",
        "error: Failed dependencies: acme-agent >= 5.2-1 is needed by (installed) update-acme-5.2-1.noarch",
        "acme-agent-5.2-1.noarch package nothing is not installed",
        "xspack's yum knows remove NAME alone, not: clean all",
        f"{knows} -e --root /tmp control-acme",
        f"{knows} -i http://acme.example/x.rpm",
        f"{knows} -qa",
        RAN,
        NO_XAPI,
        *LEFT,
    ]


def test_what_the_script_leaves_installed(make_pack: PackMaker) -> None:
    stage = removed(make_pack, "#!/bin/sh\ndnf -y remove update-acme\nrpm -e acme-agent\n")
    assert stage["code"] == "removal failed"
    assert stage["why"][:2] == ["remove left installed: acme-tools, control-acme", RAN]


def test_a_scriptlet_that_asks_rpm_meanwhile_is_not_kept_waiting(make_pack: PackMaker) -> None:
    asking = replace(AGENT, scripts=scripts(preun="rpm -q acme-agent >/var/log/asked 2>&1 || :\n"))
    stage = removed(make_pack, "#!/bin/sh\nrpm -e update-acme\nrpm -e acme-agent control-acme\n", asking)
    assert (stage["code"], stage["why"]) == ("", [RAN, *LEFT])


def test_a_remove_script_that_cannot_run(make_pack: PackMaker) -> None:
    """The pack is taken off in the right order then."""
    stage = removed(make_pack, "#!/opt/acme/bin/runner\n")
    assert (stage["code"], stage["why"]) == (
        "",
        ["remove was not run: the chroot has no /opt/acme/bin/runner", *LEFT],
    )


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


def test_firewall_rules_are_there_and_gone(make_pack: PackMaker) -> None:
    """The stub for iptables keeps what it was told: a loop until a deletion fails ends."""
    loop = "while iptables -D INPUT -p tcp --dport 5900 -j ACCEPT 2>/dev/null; do :; done\n"
    rule = "iptables -C INPUT -p tcp --dport 5900 -j ACCEPT || exit 3\n"
    post = f"iptables -N acme && iptables -I INPUT 1 -p tcp --dport 5900 -j ACCEPT\n{rule}"
    preun = f"{loop}iptables -F acme && iptables -X acme || exit 3\n! iptables -L acme || exit 4\n"
    iso = make_pack(PACK, [package(scripts=scripts(post=post, preun=preun))])
    said = xspack("try", iso, "--remove", "--json").json
    assert said["good"], said
    calls = [call for stage in said["stages"] for call in stage["calls"]]
    assert calls.count("iptables -D INPUT -p tcp --dport 5900 -j ACCEPT") == 2


def test_a_loop_that_a_stand_in_feeds_ends(make_pack: PackMaker) -> None:
    iso = make_pack(PACK, [package(scripts=scripts(post="while firewall-cmd --quiet; do :; done\n"))])
    said = xspack("try", iso, "--json").json
    assert said["good"], said
    assert [len(stage["calls"]) for stage in said["stages"]][-1] == 200


def test_folders_that_every_host_has(make_pack: PackMaker) -> None:
    post = "echo 1 >/var/lib/rpm-state/acme\necho options acme x=1 >/etc/modprobe.d/acme.conf\n"
    posttrans = "rm /var/lib/rpm-state/acme /etc/modprobe.d/acme.conf\n"
    iso = make_pack(PACK, [package(scripts=scripts(post=post, posttrans=posttrans))])
    said = xspack("try", iso, "--json").json
    assert said["good"], said
    assert not any("scriptlet failed" in line for stage in said["stages"] for line in stage["why"])


def test_a_pack_that_crashes_dnf(
    make_pack: PackMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged index does. Here dnf does it by itself: not every version crashes on the same one."""
    real, mine = shutil.which("dnf"), tmp_path / "dnf"
    crash = f"ulimit -c 0; exec {sys.executable} -c 'import ctypes; ctypes.string_at(0)'"
    mine.write_text(f'#!/bin/sh\ncase "$*" in *@update*) {crash} ;; esac\nexec {real} "$@"\n')
    mine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = xspack("try", make_pack())
    assert (said.status, said.err) == (1, "")
    assert "UPDATE_APPLY_FAILED\n  Error: dnf crashed (SIGSEGV)\n" in said.out


def test_a_requirement_that_no_release_could_provide(make_pack: PackMaker) -> None:
    """A damaged header's, or one that would begin lines of a spec: it is missing, as on a host."""
    iso = make_pack(NEW, [package(requires=(Dependency("acme-runtime", ">=", "2"),))])

    def change(folder: Path) -> None:
        rpm = folder / "Packages/acme-agent-5.2-1.noarch.rpm"
        rpm.write_bytes(rpm.read_bytes().replace(b"acme-runtime\0", b"\0cme-runtime\0"))

    said = xspack("try", make_pack.changed(iso, change))
    assert (said.status, said.err) == (1, "")
    assert "UPDATE_APPLY_FAILED" in said.out


def test_rpms_own_reason_is_shown(make_pack: PackMaker) -> None:
    """A folder that is a link in the new version; two packages with one file."""
    old = make_pack(OLD, [package(version="5.1", files={"/opt/acme/share/file": "1\n"})])
    new = package(version="5.2", entries=(FileEntry("/opt/acme/share", "link", link="/usr/share"),))
    said = xspack("try", make_pack(NEW, [new]), "--upgrade-from", old, "--json").json
    assert not said["good"]
    why = said["stages"][-1]["why"]
    assert any("/opt/acme/share" in line and "already exists as a directory" in line for line in why), why
    both = [package(name, files={"/opt/acme/one": name}) for name in ("acme-a", "acme-b")]
    why = xspack("try", make_pack(NEW, both), "--json").json["stages"][-1]["why"]
    assert any(line.startswith("file /opt/acme/one conflicts between attempted installs") for line in why), (
        why
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["post", "remove"])
def test_a_signal_leaves_nothing(make_pack: PackMaker, tmp_path: Path, number: int, where: str) -> None:
    """No process, and no folder."""
    script = "sleep 6000\n"
    started = package(scripts=scripts(post=script) if where == "post" else ())
    iso = make_pack(PACK, [started], remove=f"#!/bin/sh\n{script}" if where == "remove" else None)
    argv = [sys.executable, "-m", "xspack_tool.cli", "try", str(iso), "--remove"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None and not _running(tmp_path):
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait() == {signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
    assert process.stderr and b"Traceback" not in process.stderr.read()
    wait_for(lambda: _running(tmp_path) == [])  # what was killed need not be gone yet
    assert list(tmp_path.iterdir()) == []


def _running(folder: Path) -> list[str]:
    """The processes that have their root in a folder and sleep there."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            if str(folder) in os.readlink(place / "root") and b"6000" in words:
                found.append(place.name)
    return found
