"""The generated RPMs, written by rpmbuild and asked by rpm."""

import subprocess

import msgspec
import pytest
from rpm_asked import asked, payload, requires
from support import need

from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import Pack, Rollup
from xspack_tool.pack.document import parse_document, render_applied
from xspack_tool.pack.generated import control_package, update_package
from xspack_tool.rpm.write import write_rpm

UUID, OLDER = "9a1f0f0e-0000-4000-8000-000000000001", "9a1f0f0e-0000-4000-8000-000000000000"
PACK = Pack(
    label="acme",
    version="5.2",
    uuid=UUID,
    description="100% of 'it' costs $HOME `id` \\ %(id) %{name}",
    key="RPM-GPG-KEY-Acme",
    requires=(Dependency("product-version", ">=", "8.2.0"),),
    after_apply=("restartHost",),
    rollups=(Rollup(OLDER, "acme-old"),),
    has_precheck=True,
    has_remove=True,
    vendor="Acme",
)
PAYLOAD = [("two", "3:1.0-1"), ("one", "2.0-4.el7")]


@pytest.fixture
def written(tmp_path):
    need("rpmbuild", "rpm")

    def write(package, contents=()):
        out = tmp_path / package.file_name
        write_rpm(package, dict(contents), out, payload="w2.xzdio", time=1600000000)
        return out

    return write


def test_the_update_rpm(written, tmp_path):
    applied = render_applied(PACK, 12345)
    package = update_package(PACK, PAYLOAD, applied)
    assert package.problems() == []
    rpm = written(package)
    assert rpm.name == "update-acme-5.2-1.noarch.rpm"
    assert requires(rpm) == ["/bin/sh", "one >= 2.0-4.el7", "two >= 3:1.0-1"]
    assert asked(rpm, "-lv").split()[:4:3] == ["-rw-r--r--", "root"]
    assert asked(rpm, "-l") == f"/var/update/applied/{UUID}\n"
    assert payload(rpm) == {f"/var/update/applied/{UUID}": applied.encode()}
    assert asked(rpm, "--qf", "%{DESCRIPTION}") == PACK.description


def test_what_it_does_after_the_transaction(written, tmp_path):
    rpm = written(update_package(PACK, PAYLOAD, render_applied(PACK, 1)))
    script = asked(rpm, "--qf", "%{POSTTRANS}")
    # The script as rpm would run it, with the host's folders below tmp_path.
    run, var = tmp_path / "run", tmp_path / "var"
    run.mkdir()
    (var / "update/applied").mkdir(parents=True)
    moved = script.replace("/run/", f"{run}/").replace("/var/", f"{var}/")
    subprocess.run(["sh", "-eu"], input=moved, text=True, check=True)
    subprocess.run(["sh", "-eu"], input=moved, text=True, check=True)
    assert (run / "reboot-required.hfxs").read_text() == f"{UUID}\n{UUID}\n"
    records = list((var / "update/applied").iterdir())
    assert [path.name for path in records] == [OLDER]
    record = parse_document(records[0])
    assert (record.uuid, record.label, record.description) == (OLDER, "acme-old", PACK.description)


def test_without_guidance_and_rollups_there_is_no_script():
    plain = msgspec.structs.replace(PACK, after_apply=("restartXAPI",), rollups=())
    assert update_package(plain, PAYLOAD, "<update/>\n").scripts == ()


def test_the_control_rpm(written, tmp_path):
    precheck, remove = tmp_path / "p.sh", tmp_path / "r.py"
    precheck.write_text("#!/bin/sh\nexit 0\n")
    remove.write_text("#!/usr/bin/python\n")
    package = control_package(PACK)
    assert package.problems() == []
    rpm = written(package, {"remove": remove, "precheck": precheck})
    assert rpm.name == "control-acme-5.2-1.noarch.rpm"
    assert requires(rpm) == ["/bin/sh", "/usr/bin/python", "product-version >= 8.2.0"]
    listed = [line.split() for line in asked(rpm, "-lv").splitlines()]
    assert [(words[0], words[2], words[3], words[-1]) for words in listed] == [
        ("-rwxr-xr-x", "root", "root", f"/var/update/{UUID}/precheck"),
        ("-rwxr-xr-x", "root", "root", f"/var/update/{UUID}/remove"),
    ]
    assert asked(rpm, "--scripts") == ""


def test_a_control_rpm_may_hold_a_requirement_alone(written):
    bare = msgspec.structs.replace(PACK, has_precheck=False, has_remove=False)
    assert asked(written(control_package(bare)), "-l") in ("", "(contains no files)\n")
