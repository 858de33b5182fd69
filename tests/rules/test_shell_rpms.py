"""The rules of scriptlets on real RPMs: the exact finding for a bad one, none for its like done right."""

from __future__ import annotations

from pathlib import Path

import pytest
from forge import Forged, forge, module
from rules.conftest import SETS_PREVIOUS, profile_of

from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.registry import all_rules

RESTORE = "iptables-restore < /etc/sysconfig/iptables"
ADD = "iptables -I RH-Firewall-1-INPUT -p tcp --dport 5900 -j ACCEPT"
SAVE = "iptables-save > /etc/sysconfig/iptables"
RIGHT = {"%post": f"{RESTORE}\n{ADD}\n{SAVE}"}
COPY = 'if [ -n "$XS_PREVIOUS_INSTALLATION" ]; then\n    cp "$XS_PREVIOUS_INSTALLATION/a" /a || :\nfi'
#: rule, profile, scripts of the bad RPM, its finding, scripts of the good one
CASES = [
    ("S1", "xenserver-8", {"%post": "echo\nsystemctl start acme || :"},
     ("E S1 acme-1.0-1.x86_64.rpm: %post:2: 'systemctl start acme' starts acme; enable the unit and let the next boot "
     "start it; what must run at once goes inside: if runlevel >/dev/null 2>&1; then .. fi"),
     {"%post": "systemctl enable acme || :"}),
    ("S2", "xenserver-8", {"%posttrans": "xe host-list"},
     ("E S2 acme-1.0-1.x86_64.rpm: %posttrans:1: 'xe host-list' needs xapi or Xen to run; "
     "put it inside: if runlevel >/dev/null 2>&1; then .. fi"),
     {"%posttrans": "if runlevel >/dev/null 2>&1; then xe host-list; fi"}),
    ("S3", "xenserver-8", {"%post": f"{ADD}\n{SAVE}"},
     (f"E S3 acme-1.0-1.x86_64.rpm: %post:1: 'iptables -I RH-Firewall-1-INPUT -p tcp --dport 5900 -j AC...' with no "
     f"{RESTORE} before it; run {RESTORE} before, or declare firewall=[..]"), RIGHT),
    ("S4", "xenserver-8", {"%post": f"{RESTORE}\n{ADD}"},
     (f"E S4 acme-1.0-1.x86_64.rpm: %post:2: 'iptables -I RH-Firewall-1-INPUT -p tcp --dport 5900 -j AC...' with no "
     f"{SAVE} after it; run {SAVE} after, or declare firewall=[..]"), RIGHT),
    ("S5", "xenserver-8", {"%post": SAVE},
     (f"E S5 acme-1.0-1.x86_64.rpm: %post:1: 'iptables-save' with no {RESTORE} before it; "
     f"run {RESTORE} first, or declare firewall=[..]"), RIGHT),
    ("S6", "xenserver-8", {"%post": f"{RESTORE}\niptables -A INPUT -j ACCEPT\n{SAVE}"},
     ("W S6 acme-1.0-1.x86_64.rpm: %post:2: 'iptables -A INPUT -j ACCEPT' appends to INPUT, where all packets end in a "
     "REJECT before; insert it (-I), or use a chain of the package's own: declare firewall=[..]"),
     {"%post": f"{RESTORE}\niptables -N acme\niptables -A acme -j ACCEPT\n{SAVE}"}),
    ("S7", "xenserver-9", {"%post": "iptables-restore /a"},
     ("E S7 acme-1.0-1.x86_64.rpm: %post:1: 'iptables-restore /a' on XenServer 9, whose firewall is firewalld; "
     "declare firewall=[..], or ship a service file and run firewall-offline-cmd"),
     {"%post": "firewall-offline-cmd --add-service=acme || :"}),
    ("S8", "xenserver-8", {"%triggerin -- bash": "for a in b; do\n    :\nfi"},
     ("W S8 acme-1.0-1.x86_64.rpm: %triggerin:3: sh -n says: syntax error near unexpected token `fi'; "
     "correct the line that the shell names"),
     {"%triggerin -- bash": "for a in b; do\n    :\ndone"}),
    ("S8", "xenserver-8", {"%post": "%systemd_post acme.service\n:"},
     ("E S8 acme-1.0-1.x86_64.rpm: %post:1: '%systemd_post acme.service' is a macro that was not known where the RPM "
     "was built; write in the spec what it stands for, or define it there: no macros of the build machine are used"),
     {"%post": "systemctl preset acme.service || :"}),
    ("S9", "xenserver-8", {"%pre": "getent group acme"},
     ("W S9 acme-1.0-1.x86_64.rpm: %pre:1: 'getent group acme' comes last, and its status may be other than 0; end the "
     "command with || :, or the script with exit 0; a refusal says why before it exits"),
     {"%pre": "getent group acme || :"}),
    ("U1", "xenserver-8", {"%post": f":\n{COPY}"},
     ("W U1 acme-1.0-1.x86_64.rpm: %post:2: reads XS_PREVIOUS_INSTALLATION, which nothing sets on XenServer 8; "
     "leave it out, migrate= as well: keep state where an upgrade of the pack finds it: /etc, with config=; "
     "only installers before release 7.1 set it"),
     {"%post": "echo '$XS_PREVIOUS_INSTALLATION'"}),
    ("U2", SETS_PREVIOUS, {"%post": "touch $XS_PREVIOUS_INSTALLATION || :"},
     ("W U2 acme-1.0-1.x86_64.rpm: %post:1: 'touch $XS_PREVIOUS_INSTALLATION' without testing that "
     'XS_PREVIOUS_INSTALLATION is set; put it inside: if [ -n "$XS_PREVIOUS_INSTALLATION" ]; then .. fi, and copy out '
     "of it only: it is read-only"), {"%post": COPY}),
    ("U4", "xenserver-8", {"%preun": "userdel acme || :"},
     ("W U4 acme-1.0-1.x86_64.rpm: %preun:1: 'userdel acme' runs whatever $1 is; "
     'put it inside: if [ "$1" = 0 ]; then .. fi'),
     {"%preun": 'if [ "$1" = 0 ]; then userdel acme || :; fi', "%postun": "/sbin/depmod"}),
]  # fmt: skip


def findings(rule_id: str, profile: str, rpm: Path) -> list[str]:
    (rule,) = [rule for rule in all_rules() if rule.id == rule_id]
    return [str(finding) for finding in check_rpm(rpm, profile_of(profile), rules=[rule])]


@pytest.mark.parametrize(
    ("rule", "profile", "bad", "finding", "good"), CASES, ids=[case[0] for case in CASES]
)
def test_a_bad_rpm_and_a_good_one(tmp_path, rule, profile, bad, finding, good) -> None:
    assert findings(rule, profile, forge(Forged(scripts=bad), tmp_path)) == [finding]
    assert findings(rule, profile, forge(Forged(scripts=good), tmp_path)) == []


def test_every_rule_of_scriptlets_has_an_example_of_both() -> None:
    families = {
        rule.id: rule for rule in all_rules() if rule.id in {case[0] for case in CASES} | {"K7", "R2"}
    }
    assert set(families) == {case[0] for case in CASES} | {"K7", "R2"}
    assert [id for id, rule in families.items() if not (rule.bad and rule.good)] == []


MODULE = "/lib/modules/4.19.0+1/updates/acme.ko"
DEPMOD = {"%post": "/sbin/depmod 4.19.0+1", "%postun": "/sbin/depmod 4.19.0+1"}
FLAG = ": > /var/lib/rpm-state/regenerate-initrd-4.19.0+1"
REMEDY = "declare it as a KernelModule, which writes them, or run depmod in %post and %postun, dracut in %posttrans"


DRACUT = "dracut -f /boot/initrd-4.19.0+1.img 4.19.0+1"


def k7(tmp_path: Path, scripts: dict[str, str], *symbols: str) -> list[str]:
    content = module(symbols=[f"{symbol} 0x1" for symbol in ("printk", *symbols)])
    rpm = forge(Forged(files={MODULE: content}, scripts=scripts), tmp_path)
    return [line.removeprefix("W K7 acme-1.0-1.x86_64.rpm: ") for line in findings("K7", "xenserver-8", rpm)]


def test_modules_without_depmod(tmp_path) -> None:
    lacks = "it holds kernel modules and runs no depmod after"
    assert k7(tmp_path, {}) == [f"%post: {lacks} installation and removal; {REMEDY}"]
    assert k7(tmp_path, {"%post": "# depmod", "%postun": "depmod() { :; }"}) == k7(tmp_path, {})
    for phase, word in (("%post", "installation"), ("%postun", "removal")):
        rest = {name: text for name, text in DEPMOD.items() if name != phase}
        assert k7(tmp_path, rest) == [f"{phase}: {lacks} {word}; {REMEDY}"]


def test_all_that_lacks_is_one_finding(tmp_path) -> None:
    """Whatever lacks, for however many modules: those of scriptlets that are not there."""
    contents = {f"{MODULE[:-3]}{at}.ko": module(symbols=["scsi_host_alloc 0x1"]) for at in range(3)}
    rpm = forge(Forged(files={**contents, MODULE: module()}), tmp_path)
    (line,) = findings("K7", "xenserver-8", rpm)
    assert line.endswith(
        "acme-1.0-1.x86_64.rpm: %post: it holds kernel modules and runs no depmod after installation and removal; "
        "a host may boot from /lib/modules/4.19.0+1/updates/acme0.ko, and no initrd is made after installation and "
        f"removal; {REMEDY}"
    )


def test_modules_that_are_not_in_the_payload(tmp_path) -> None:
    """They are asked of, too: what lacks is told once, with or without one whose content is there."""
    other = f"{MODULE[:-3]}2.ko"
    for more in ({}, {other: module(symbols=["scsi_host_alloc 0x1"])}):
        forged = Forged(files={MODULE: module(), **more}, attributes={MODULE: "%ghost"})
        (line,) = findings("K7", "xenserver-8", forge(forged, tmp_path))
        assert "runs no depmod after installation and removal" in line
        assert (f"a host may boot from {other}" in line) is bool(more)


def test_a_driver_not_needed_at_boot_needs_no_initrd(tmp_path) -> None:
    assert k7(tmp_path, DEPMOD, "register_netdev") == []


def test_a_driver_that_hosts_boot_from_needs_an_initrd(tmp_path) -> None:
    assert k7(tmp_path, DEPMOD, "scsi_host_alloc") == [
        f"%post: a host may boot from {MODULE}, and no initrd is made after installation and removal; {REMEDY}"
    ]
    scripts = {**DEPMOD, "%posttrans": DRACUT}
    assert k7(tmp_path, scripts, "scsi_host_alloc") == [
        f"%postun: a host may boot from {MODULE}, and no initrd is made after removal; {REMEDY}"
    ]


def test_an_initrd_by_way_of_the_mark_of_the_transaction(tmp_path) -> None:
    scripts = {
        "%post": f"{DEPMOD['%post']}\n{FLAG}",
        "%postun": f"{DEPMOD['%postun']}\nif [ $1 = 0 ]; then {DRACUT}; else\n{FLAG}\nfi",
        "%posttrans": DRACUT,
    }
    assert k7(tmp_path, scripts, "blk_mq_init_queue") == []


def test_a_mark_of_which_no_initrd_comes(tmp_path) -> None:
    scripts = {"%post": f"{DEPMOD['%post']}\n{FLAG}", "%postun": f"{DEPMOD['%postun']}\n{FLAG}"}
    never = "it leaves a flag for an initrd and makes none: no %posttrans runs after the last removal"
    for symbols in ((), ("scsi_host_alloc",)):
        assert [line.split("; ")[0] for line in k7(tmp_path, scripts, *symbols)] == [
            "%post: it leaves a flag for an initrd, and no %posttrans makes one",
            f"%postun: {never}",
        ]


RUNS = "is for the kernel that runs at that time"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/sbin/depmod -a", f"'depmod -a' {RUNS}"),
        ("depmod", f"'depmod' {RUNS}"),
        ("uname -r | grep BOOT || /sbin/depmod -a > /dev/null 2>&1 || true", f"'depmod -a' {RUNS}"),
        ("depmod -a $(uname -r) || :", f"'depmod -a $()' {RUNS}"),
        ("K=`uname -r`\ndepmod $K || :", f"'depmod $()' {RUNS}"),
        ("depmod 4.19.0+2 || :", "'depmod 4.19.0+2' is for kernel 4.19.0+2"),
        ("depmod -a 4.19.0+1 || :", ""),
        ("K=4.19.0+1\ndepmod -b / $K || :", ""),
        ("depmod 4.4.0+10\ndepmod 4.19.0+1", ""),
        ("for K in $(ls /lib/modules); do depmod $K; done", ""),
        ("weak-modules --add-modules", ""),
    ],
)
def test_tables_of_another_kernel(tmp_path, command: str, found: str) -> None:
    said = k7(tmp_path, {"%post": command, "%postun": DEPMOD["%postun"]})
    assert [line.split(": ", 1)[1].split("; ")[0] for line in said] == ([found] if found else [])


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("dracut --force || :", f"'dracut --force' {RUNS}"),
        ("dracut -f /boot/initrd.img", f"'dracut -f /boot/initrd.img' {RUNS}"),
        ("dracut -f /boot/i.img $(uname -r)", f"'dracut -f /boot/i.img $()' {RUNS}"),
        ("mkinitrd -f /boot/i.img 4.4.0+10", "'mkinitrd -f /boot/i.img 4.4.0+10' is for kernel 4.4.0+10"),
        ("dracut -f --kver=4.19.0+1", ""),
        ("dracut -f --kver 4.19.0+1", ""),
        ("dracut -f /boot/initrd-4.19.0+1.img 4.19.0+1", ""),
        ("dracut --regenerate-all --force", ""),
    ],
)
def test_an_initrd_of_another_kernel(tmp_path, command: str, found: str) -> None:
    scripts = {**DEPMOD, "%posttrans": command}
    said = k7(tmp_path, scripts)
    assert [line.split(": ", 1)[1].split("; ")[0] for line in said] == ([found] if found else [])


def test_the_forms_of_kernel_devels_macros(tmp_path) -> None:
    flag, depmod = "> /var/lib/rpm-state/regenerate-initrd-4.19.0+1", "/sbin/depmod 4.19.0+1"
    scripts = {
        "%post": f"{depmod}\n{flag}",
        "%postun": f"{depmod}\nif [ $1 -eq 0 ]; then\n  {DRACUT}\nelse\n  {flag}\nfi",
        "%posttrans": f"if [ -e {flag[2:]} ]; then\n  rm {flag[2:]}\n  {DRACUT}\nfi",
    }
    assert k7(tmp_path, scripts, "scsi_host_alloc") == []


def test_without_modules_nothing_is_asked(tmp_path) -> None:
    assert findings("K7", "xenserver-8", forge(Forged(files={"/a": b"a"}), tmp_path)) == []
