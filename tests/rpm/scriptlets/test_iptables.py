"""The firewall scriptlets, run with the real iptables in a network namespace of its own."""

from __future__ import annotations

import re
import subprocess

import pytest

from xspack_tool.rpm.scriptlets.firewall import firewall_files, firewall_problems, firewall_scripts
from xspack_tool.rpm.scriptlets.iptables import chain_name

SAVED = "/etc/sysconfig/iptables"
#: Commands run in a network namespace; with NO_RULES they may not touch its rules, as in an installer without them.
_PROC = 'mkdir -p "$2/proc" && mount --bind /proc "$2/proc" && exec "$@"'
NETWORK = ("unshare", "-n", "-m", "sh", "-c", _PROC, "sh")
NO_PROC = ("unshare", "-n")
NO_RULES = ("unshare", "-n", "setpriv", "--bounding-set", "-net_admin")
CHAIN = "pack-acme-agent"
REJECT = "-A RH-Firewall-1-INPUT -j REJECT --reject-with icmp-host-prohibited"
#: The rules that dom0 comes with, in short.
DEFAULT = f"""\
# Generated for a host
*nat
:PREROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:RH-Firewall-1-INPUT - [0:0]
-A INPUT -p 47 -j ACCEPT
-A INPUT -j RH-Firewall-1-INPUT
-A FORWARD -j RH-Firewall-1-INPUT
-A RH-Firewall-1-INPUT -i lo -j ACCEPT
-A RH-Firewall-1-INPUT -p tcp -m tcp --dport 22 -j ACCEPT
{REJECT}
COMMIT
"""
FLAT = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
[5:300] -A INPUT -i lo -j ACCEPT
[0:0] -A INPUT -j DROP
COMMIT
"""
RULES = [
    "-p tcp -m tcp --dport 5900 -j ACCEPT",
    """-p udp -m udp --dport 7000:7010 -m comment --comment "it's \\"ours\\" $HOME" -j ACCEPT""",
]
SCRIPTS = firewall_scripts("acme-agent", RULES)
OURS = [
    f"-A {CHAIN} -p tcp -m tcp --dport 5900 -j ACCEPT",
    f"""-A {CHAIN} -p udp -m udp --dport 7000:7010 -m comment --comment "it\\'s \\"ours\\" $HOME" -j ACCEPT""",
]


def saved_rules(host) -> list[str]:
    """The filter table of the saved file without comments and counters."""
    text = host.read(SAVED).partition("*filter\n")[2].partition("COMMIT")[0]
    lines = [re.sub(r"^\[\d+:\d+\] |\[\d+:\d+\]$", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if not line.startswith("#")]


def loaded_after(host) -> list[str]:
    """What a boot makes of the saved file: the rules as the kernel then has them."""
    script = f"iptables-restore < {SAVED} && iptables -S"
    done = host.try_run(script, wrap=NETWORK)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def expect_in_place(host, into: str = "RH-Firewall-1-INPUT", end: str = REJECT) -> None:
    """The chain is there once, filled, and hooked in right before the end of the other."""
    rules = loaded_after(host)
    assert [line for line in rules if line.startswith(f"-A {CHAIN} ")] == OURS
    assert rules.count(f"-N {CHAIN}") == 1
    hook = f"-A {into} -j {CHAIN}"
    assert rules.count(hook) == 1
    assert rules[rules.index(hook) + 1] == end


@pytest.fixture(params=[NETWORK, NO_PROC, NO_RULES], ids=["host", "bare-chroot", "no-rules"])
def wrap(request) -> tuple[str, ...]:
    return request.param


@pytest.fixture
def dom0(iptables):
    iptables.write(SAVED, DEFAULT, 0o600)
    for path, text in firewall_files("acme-agent", RULES):
        iptables.write(path, text)
    return iptables


def test_the_installer_cannot_load_rules(dom0) -> None:
    assert dom0.try_run(f"iptables-restore < {SAVED}", wrap=NO_RULES).returncode != 0


def test_the_rules_are_there_at_the_next_boot(dom0, wrap) -> None:
    assert dom0.run(SCRIPTS["post"], 1, wrap=wrap) == ""
    expect_in_place(dom0)
    assert (dom0.root / SAVED[1:]).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (dom0.root / "etc/sysconfig").iterdir()) == ["iptables"]


def test_the_default_rules_stay(dom0, wrap) -> None:
    before = loaded_after(dom0)
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    assert [line for line in loaded_after(dom0) if CHAIN not in line] == before
    assert ":PREROUTING ACCEPT" in dom0.read(SAVED)


def test_an_upgrade_adds_nothing_twice(dom0, wrap) -> None:
    for argument in (1, 2, 2):
        dom0.run(SCRIPTS["post"], argument, wrap=wrap)
    dom0.run(SCRIPTS["postun"], 1, wrap=wrap)
    expect_in_place(dom0)


def test_an_upgrade_brings_the_new_rules_alone(dom0, wrap) -> None:
    old = firewall_scripts("acme-agent", ["-p tcp --dport 1 -j ACCEPT", "-p tcp --dport 2 -j DROP"])
    dom0.run(old["post"], 1, wrap=wrap)
    dom0.run(SCRIPTS["post"], 2, wrap=wrap)
    dom0.run(old["postun"], 1, wrap=wrap)
    expect_in_place(dom0)


def test_an_upgrade_to_a_version_without_rules_takes_them_out(dom0, wrap) -> None:
    before = saved_rules(dom0)
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    ((path, _),) = firewall_files("acme-agent", RULES)
    (dom0.root / path.lstrip("/")).unlink()
    dom0.run(SCRIPTS["postun"], 1, wrap=wrap)
    assert saved_rules(dom0) == before


def test_the_last_removal_takes_everything_out(dom0, wrap) -> None:
    before = saved_rules(dom0)
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    assert saved_rules(dom0) != before
    dom0.run(SCRIPTS["postun"], 0, wrap=wrap)
    assert saved_rules(dom0) == before


def test_the_last_removal_takes_the_loaded_rules_out(dom0) -> None:
    both = SCRIPTS["post"] + "set -- 0\n" + SCRIPTS["postun"] + "iptables -S >&2\n"
    said = dom0.run(both, 1, wrap=NETWORK)
    assert CHAIN not in said and REJECT in said


def test_another_pack_keeps_its_rules(dom0, wrap) -> None:
    other = firewall_scripts("acme-agent-2", ["-p tcp --dport 9 -j ACCEPT"])
    dom0.run(other["post"], 1, wrap=wrap)
    alone = sorted(loaded_after(dom0))
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    dom0.run(SCRIPTS["postun"], 0, wrap=wrap)
    assert sorted(loaded_after(dom0)) == alone


def test_input_where_the_default_chain_is_not(dom0, wrap) -> None:
    dom0.write(SAVED, FLAT, 0o600)
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    expect_in_place(dom0, "INPUT", "-A INPUT -j DROP")


def test_a_file_without_rules_of_a_filter(dom0, wrap) -> None:
    dom0.write(SAVED, "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")
    dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    rules = loaded_after(dom0)
    assert f"-A INPUT -j {CHAIN}" in rules
    assert [line for line in rules if line.startswith(f"-A {CHAIN} ")] == OURS


def test_no_saved_file_is_said(dom0, wrap) -> None:
    (dom0.root / SAVED[1:]).unlink()
    said = dom0.run(SCRIPTS["post"], 1, wrap=wrap)
    assert said == f"{SAVED} is not there: no rules to add those of {CHAIN} to\n"
    assert dom0.run(SCRIPTS["postun"], 0, wrap=wrap) == ""


def test_a_rule_that_the_kernel_refuses_changes_nothing_on_a_booted_host(dom0) -> None:
    dom0.fake("/sbin/runlevel")
    scripts = firewall_scripts("acme-agent", ["-p tcp --dport 5900 -j NO_SUCH_TARGET"])
    before = saved_rules(dom0)
    said = dom0.run(scripts["post"] + "iptables -S >&2\n", 1, wrap=NETWORK)
    assert f"iptables did not take the rules of {CHAIN}: none was added\n" in said
    assert f"-N {CHAIN}" not in said.splitlines()
    assert saved_rules(dom0) == before


def test_long_and_odd_names_have_chains_that_fit() -> None:
    names = ["acme-agent", "a" * 23, "a" * 24, "a" * 40, "libacme++", "libacme.x"]
    chains = [chain_name(name) for name in names]
    assert len(set(chains)) == len(names)
    assert all(re.fullmatch(r"pack-[A-Za-z0-9_-]{1,23}", chain) for chain in chains)
    assert chains[0] == CHAIN


WRONG = [
    (7, "a firewall rule must be one line of text"),
    ("-p tcp -j ACCEPT\nreboot", "a firewall rule must be one line of text"),
    ("-p tcp -j 'ACCEPT", "its quotes do not match (No closing quotation)"),
    ("", "a firewall rule must begin with an option"),
    ("ACCEPT tcp 5900", "a firewall rule must begin with an option"),
    ("-A INPUT -p tcp -j ACCEPT", "-A is not for a rule: its chain is made by the package's scriptlets"),
    ("-p tcp -IINPUT -j ACCEPT", "-IINPUT is not for a rule: its chain is made by the package's scriptlets"),
    ("-t nat -p tcp -j ACCEPT", "-t is not for a rule: its chain is made by the package's scriptlets"),
    ("-p tcp --dport 5900", "a rule must have one target"),
    ("-p tcp -j", "a rule must have one target"),
    ("-p tcp -j ACCEPT -j DROP", "a rule must have one target"),
    ("-p tcp -j ACCEPT;reboot", "'ACCEPT;reboot' is not a target"),
    ("--dport 5900 -j ACCEPT", "--dport needs a protocol with ports before it"),
    ("-p icmp --dport 5900 -j ACCEPT", "--dport needs a protocol with ports before it"),
    ("-p tcp --dport 70000 -j ACCEPT", "'70000' is not a port"),
    ("-p tcp --dport 1:2:3 -j ACCEPT", "'1:2:3' is not a port"),
    ("-p tcp --dport $(reboot) -j ACCEPT", "'$(reboot)' is not a port"),
    ("-p tcp --dports 1,2 -j ACCEPT", "--dports needs -m multiport"),
    ("-p tcp -m multiport --dports 1,x:y:z -j ACCEPT", "'x:y:z' is not a port"),
]


@pytest.mark.parametrize(("rule", "why"), WRONG)
def test_rules_are_judged(rule: object, why: str) -> None:
    (problem,) = firewall_problems([rule])
    assert (problem.field, problem.value, problem.rule) == ("firewall[0]", rule, why)
    assert problem.remedy


def test_right_rules_have_no_problems() -> None:
    right = [*RULES, "-p tcp -m multiport --dports 80,443,5900:5910 -j ACCEPT", "-s 10.0.0.0/8 -j DROP",
             "-p tcp --dport ssh -j LOG --log-prefix 'acme: '", "! -i eth0 -p vrrp -j ACCEPT"]  # fmt: skip
    assert firewall_problems(right) == []


def test_a_rule_cannot_run_commands(dom0, wrap) -> None:
    rule = "-p tcp -m comment --comment '$(touch /pwned) `touch /pwned` ; touch /pwned' -j ACCEPT"
    assert firewall_problems([rule]) == []
    dom0.run(firewall_scripts("acme", [rule])["post"], 1, wrap=wrap)
    assert not (dom0.root / "pwned").exists()
    shown = (
        '-A pack-acme -p tcp -m comment --comment "$(touch /pwned) `touch /pwned` ; touch /pwned" -j ACCEPT'
    )
    assert shown in loaded_after(dom0)


def test_no_rules_nothing_to_do() -> None:
    assert firewall_scripts("acme", []) == {} and firewall_files("acme", []) == []


def test_scripts_are_posix(tmp_path) -> None:
    for phase, text in SCRIPTS.items():
        (tmp_path / phase).write_text(text)
        assert subprocess.run(["dash", "-n", str(tmp_path / phase)]).returncode == 0
