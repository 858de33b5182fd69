"""What rules advise is right: who does what a remedy says has no such finding any more, and nothing new."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from findings import TABLE
from forge import module
from rules.conftest import SETS_PREVIOUS, profile_of
from support import ROOT, need

from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import Rule, all_rules

ASKED = DriverData(shellcheck=True)
Forge = Callable[..., Path]
GUARD = "if runlevel >/dev/null 2>&1; then\n{}\nfi"
ONLY_AT_LAST = 'if [ "$1" = 0 ]; then\n{}\nfi'
MODULE = "/lib/modules/4.19.0+1/updates/acme.ko"


def findings(rpm: Path, profile: str = "xenserver-8") -> list[Finding]:
    return [one for one in check_rpm(rpm, profile_of(profile), ASKED) if not one.skipped]


def ids(rpm: Path, profile: str = "xenserver-8") -> set[str]:
    return {one.rule for one in findings(rpm, profile)}


def scripts_of(example: str) -> dict[str, str]:
    """The scriptlets of an example on the page."""
    text = re.sub(r"\(on .*\)", "", example)
    parts = re.split(r"^(%\w+).*\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SCRIPTED = [rule for rule in all_rules() if rule.bad.startswith("%p") and rule.good.startswith("%p")]


@pytest.mark.parametrize("rule", SCRIPTED, ids=lambda rule: rule.id)
def test_the_examples_of_the_page(forged: Forge, rule: Rule) -> None:
    if rule.id == "S11":
        need("shellcheck")
    # U2 is for where an installer sets the variable, which no release of today does.
    profile = {"S7": "xenserver-9", "U2": SETS_PREVIOUS}.get(rule.id, "xenserver-8")
    assert rule.id in ids(forged(scripts=scripts_of(rule.bad)), profile)
    assert ids(forged(scripts=scripts_of(rule.good)), profile) == set()


@pytest.mark.parametrize(
    ("rule", "section", "command", "form"),
    [
        ("S2", "%post", "xe host-list || :", GUARD),
        ("S9", "%post", "getent group acme", "{} || :"),
        ("S9", "%pre", "getent group acme", "{}\nexit 0"),
        ("S9", "%post", "getent group acme || exit 1", "getent group acme || :"),
        ("S10", "%post", "modprobe acme || :", "/sbin/depmod 4.19.0+1 || :"),
        ("U4", "%preun", "systemctl disable acme || :", ONLY_AT_LAST),
        ("U1", "%post", "cp $XS_PREVIOUS_INSTALLATION/a /a || :", ":"),
        ("S3", "%post", "iptables -I acme -j DROP\niptables-save > /etc/sysconfig/iptables",
         "iptables-restore < /etc/sysconfig/iptables\n{}"),
        ("S5", "%post", "iptables-save > /etc/sysconfig/iptables",
         "iptables-restore < /etc/sysconfig/iptables\n{}"),
    ],
)  # fmt: skip
def test_a_remedy_of_a_scriptlet(forged: Forge, rule: str, section: str, command: str, form: str) -> None:
    assert rule in ids(forged(scripts={section: command}))
    assert ids(forged(scripts={section: form.format(command)})) == set()


@pytest.mark.parametrize(
    "command", ["systemctl start acme", "systemctl try-restart acme", "/opt/acme/agent &"]
)
def test_no_remedy_advises_what_is_there(forged: Forge, command: str) -> None:
    """A start in the guard that S1 advises is a W alone, and is not told to go into the guard again."""
    (found,) = findings(forged(scripts={"%post": GUARD.format(f"{command}") + "\n:"}))
    assert (found.rule, found.severity) == ("S1", "W")
    assert "runlevel" not in found.remedy
    assert ids(forged(scripts={"%post": "systemctl enable acme || :"})) == set()


@pytest.mark.parametrize("command", ["systemctl start acme", "xe host-list", "modprobe acme"])
def test_one_fault_gives_one_finding(forged: Forge, command: str) -> None:
    """Whose remedy takes a command away is not told of its status besides."""
    assert len(findings(forged(scripts={"%post": command}))) == 1
    assert len(findings(forged(scripts={"%post": f"set -e\n{command}\nexit 0"}))) == 1


@pytest.mark.parametrize("content", [b"#!/bin/sh\r\nexit 0\r\n", b"\xef\xbb\xbf#!/bin/sh\nexit 0\n"])
def test_the_commands_of_b8_mend_the_file(forged: Forge, tmp_path: Path, content: bytes) -> None:
    path, modes = "/opt/acme/run", {"/opt/acme/run": 0o755}
    (found,) = findings(forged(files={path: content}, modes=modes))
    assert found.rule == "B8"
    file = tmp_path / "run"
    file.write_bytes(content)
    command = found.remedy.partition(": ")[2].replace("FILE", str(file))
    subprocess.run(["sh", "-c", command], check=True)
    assert file.read_bytes() == b"#!/bin/sh\nexit 0\n"
    assert findings(forged(files={path: file.read_bytes()}, modes=modes)) == []


@pytest.mark.parametrize("command", ["depmod -a", "depmod 4.4.0+10"])
def test_the_commands_of_k7_mend_the_script(forged: Forge, command: str) -> None:
    driver: Mapping[str, object] = {
        "files": {MODULE: module(license=["GPL"])},
        "lines": ["Requires: kernel-uname-r = 4.19.0+1"],
    }
    bad = findings(forged(scripts={"%post": command, "%postun": command}, **driver))
    assert [one.rule for one in bad] == ["K7", "K7"]
    good = bad[0].remedy.partition(": ")[2]
    assert findings(forged(scripts={"%post": good, "%postun": good}, **driver)) == []


KEPT = "%config(noreplace)"
DRIVER: dict[str, Any] = {
    "files": {MODULE: module(license=["GPL"])},
    "lines": ["Requires: kernel-uname-r = 4.19.0+1"],
    "scripts": {"%post": "/sbin/depmod 4.19.0+1 || :", "%postun": "/sbin/depmod 4.19.0+1 || :"},
}
FILES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # rule: an RPM that it finds, and the same after its remedy was followed
    "P1": (
        {"files": {"/usr/lib/udev/rules.d/70-acme.rules": b"x"}},
        {
            "files": {"/etc/udev/rules.d/70-acme.rules": b"x"},
            "attributes": {"/etc/udev/rules.d/70-acme.rules": KEPT},
        },
    ),
    "P2": (
        {"files": {"/lib/firmware/acme/nic.bin": b"x"}},
        {"files": {"/lib/firmware/updates/4.19.0+1/acme/nic.bin": b"x"}},
    ),
    "P3": (
        {"files": {"/opt/acme/acme.conf": b"x"}, "attributes": {"/opt/acme/acme.conf": "%config"}},
        {"files": {"/etc/acme.conf": b"x"}, "attributes": {"/etc/acme.conf": KEPT}},
    ),
    "P4": (
        {"files": {"/opt/acme/README": b"x"}, "attributes": {"/opt/acme/README": "%doc"}},
        {
            "files": {"/usr/share/doc/acme/README": b"x"},
            "attributes": {"/usr/share/doc/acme/README": "%doc"},
        },
    ),
    "U3": (
        {"files": {"/etc/acme.conf": b"x"}},
        {"files": {"/etc/acme.conf": b"x"}, "attributes": {"/etc/acme.conf": KEPT}},
    ),
    "B6": (
        {"files": {"/opt/acme/run": b"#!/usr/bin/python9\n"}, "modes": {"/opt/acme/run": 0o755}},
        {"files": {"/opt/acme/run": b"#!/usr/bin/python3\n"}, "modes": {"/opt/acme/run": 0o755}},
    ),
    "K2": (
        {**DRIVER, "files": {MODULE.replace("updates", "kernel/drivers/net"): module(license=["GPL"])}},
        DRIVER,
    ),
    "K4": ({**DRIVER, "lines": []}, DRIVER),
    "K8": ({**DRIVER, "files": {**DRIVER["files"], "/lib/modules/4.19.0+1/modules.dep": b"x"}}, DRIVER),
}


@pytest.mark.parametrize("rule", FILES)
def test_a_remedy_of_a_file(forged: Forge, rule: str) -> None:
    bad, good = FILES[rule]
    found = ids(forged(**bad))
    assert rule in found
    assert ids(forged(**good)) == set()


#: Remedies that name what lies outside an RPM (a key, a kit, another package, a declaration of a pack) -> the test that
#: has, beside the bad case, the good one that the remedy leads to.
OUTSIDE = {
    "B3": "rules/test_dependencies.py test_b3_good",
    "B7": "rules/test_libraries.py test_b7_versioned_library",
    "D1": "rules/test_dependencies.py test_d1_good",
    "D2": "rules/test_devices.py test_d2_is_silent_on_what_the_pack_keeps_out",
    "D3": "rules/test_libraries.py test_d3_a_bundled_library",
    "G1": "rules/test_keys.py test_g1_algorithms",
    "G2": "rules/test_keys.py test_g2_name_and_armour",
    "G3": "rules/test_keys.py test_g3_secret_and_second_keys",
    "G4": "rules/test_keys.py test_g4_keys_that_el_9_refuses",
    "K3": "rules/test_kernel.py test_k3_vermagic",
    "K9": "rules/test_kernel.py test_k9_good",
    "K10": "drivers/test_vendor_sources.py test_what_sources_and_kit_tell",
    "K11": "drivers/test_vendor_sources.py test_what_sources_and_kit_tell",
    "K12": "drivers/test_vendor_sources.py test_what_sources_and_kit_tell",
    "M1": "rules/test_multi_version.py test_m1_info_json",
    "M2": "rules/test_multi_version.py test_m2_note",
    "M3": "rules/test_multi_version.py test_m3_variants_apart",
    "M4": "rules/test_multi_version.py test_m4_changed_after_it_was_signed",
    "M5": "rules/test_multi_version.py test_m4_changed_after_it_was_signed",
    "M6": "rules/test_multi_version.py test_m4_changed_after_it_was_signed",
    "P5": "rules/test_dependencies.py test_p5_taking_a_package_s_place_is_no_conflict",
    "P7": "rules/test_owners.py test_p7",
    "R2": "rules/test_remove_packs.py test_a_good_pack",
    "V2": "rules/test_pack.py test_v2_good",
    "X1": "rules/test_pack.py test_x1_uuids",
}


#: Of these the catalogue has, beside bad cases, the good one.
IN_CATALOGUE = {call.partition(" ")[0] for call, findings in TABLE.items() if not findings}


def test_no_rule_is_forgotten() -> None:
    here = {rule.id for rule in SCRIPTED} | FILES.keys() | {"B8", "K7"} | IN_CATALOGUE - OUTSIDE.keys()
    assert here | OUTSIDE.keys() == {rule.id for rule in all_rules()}
    assert not here & OUTSIDE.keys()


@pytest.mark.parametrize("rule", OUTSIDE)
def test_each_other_remedy_has_its_good_case(rule: str) -> None:
    """In a test that finds nothing for it, be it for one of several parameters."""
    file, name = OUTSIDE[rule].split()
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    (test,) = (one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name)
    nothing = ("[]", "''")
    assert any(isinstance(one, ast.expr) and ast.unparse(one) in nothing for one in ast.walk(test))


def test_remedies_name_keywords_and_kinds_that_there_are() -> None:
    known = (ROOT / "docs/declarations.md").read_text(encoding="utf-8")
    for rule in all_rules():
        for keyword in re.findall(r"(?<![\w-])([a-z]\w*)=", rule.remedy):
            assert f"`{keyword}`" in known or f"{keyword}=" in known, (rule.id, keyword)
        for kind in re.findall(r"\benv\.(\w+)", rule.remedy):
            assert kind in known, (rule.id, kind)
