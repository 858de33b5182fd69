"""The engine: one pass over the payload, findings as JSON, rules of the user's own, rules that fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forge import module, needing

from xspack_tool.errors import DeclarationError, StepError
from xspack_tool.releases import load_profile
from xspack_tool.rpm import payload as payload_module
from xspack_tool.rules import registry
from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Finding, Hit, Skipped, from_plain, to_plain
from xspack_tool.rules.registry import (
    Rule,
    all_rules,
    member_rule,
    pack_rule,
    register,
    rpm_rule,
    waiver_problems,
)

Forge = Callable[..., Path]
XS8 = load_profile("xenserver-8")
FORM = 'write it as {"P4": "why the rule does not apply here"}'
WORDS = {"meaning": "it means something", "remedy": "do something"}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    all_rules()
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))


def test_all_findings_of_an_rpm_in_one_list(forged: Forge) -> None:
    files = {"/opt/tool": needing("libc.so.6", "GLIBC_2.34"), "/etc/nic.conf": b"x", "/opt/nic.ko": module()}
    rpm = forged(name="nic-debuginfo", files=files)
    found = [one for one in check_rpm(rpm, XS8) if not one.skipped]
    assert [(one.severity, one.rule, one.where) for one in found] == [
        ("E", "B1", "name"),
        ("E", "B4", "/opt/tool"),
        ("E", "K2", "/opt/nic.ko"),
        ("E", "K4", "Requires"),
        ("W", "K7", "%post"),
        ("W", "U3", "/etc/nic.conf"),
    ]
    said = "a plain file in /etc: an upgrade overwrites the administrator's changes"
    remedy = "mark it %config(noreplace) (config= does)"
    assert str(found[-1]) == f"W U3 {rpm.name}: /etc/nic.conf: {said}; {remedy}"


def test_findings_survive_their_file(forged: Forge) -> None:
    rpm = forged(name="tool", files={"/etc/tool.conf": b"x", "/lib/modules/4.19.0+1/modules.dep": b"x"})
    found = check_rpm(rpm, XS8)
    assert len(found) == 2
    assert found == check_rpm(rpm, XS8)


def test_a_sound_rpm_has_no_findings(forged: Forge) -> None:
    rpm = forged(name="tool", files={"/opt/acme/tool": b"#!/bin/sh\n"}, modes={"/opt/acme/tool": 0o755})
    assert check_rpm(rpm, XS8) == []


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose payload was opened, and what was read of it in blocks."""
    opened: list[str] = []
    original = payload_module.Uncompressed.__init__

    def noted(self: payload_module.Uncompressed, file: object, kind: str, name: str) -> None:
        opened.append(name)
        original(self, file, kind, name)  # type: ignore[arg-type]

    monkeypatch.setattr(payload_module.Uncompressed, "__init__", noted)
    return opened


def test_a_payload_that_no_rule_wants_is_not_unpacked(forged: Forge, unpacked: list[str]) -> None:
    rpm = forged(name="texts", files={"/etc/a.conf": b"x" * 99, "/usr/share/doc/a.html": b"x" * 99})
    check_rpm(rpm, XS8)
    assert unpacked == []


def test_a_payload_is_unpacked_once_for_all_rules(forged: Forge, unpacked: list[str]) -> None:
    rpm = forged(name="nic", files={"/lib/modules/4.19.0+1/updates/a.ko": module(), "/opt/b.py": b"x = 1\n"})
    check_rpm(rpm, XS8)
    assert unpacked == [str(rpm)]


def test_rules_of_the_user_s_own(forged: Forge) -> None:
    @rpm_rule("ACME1", "W", **WORDS)
    def no_opt(context: RpmContext) -> Iterator[Hit]:
        for file in context.info.files:
            if file.path.startswith("/opt/"):
                yield Hit(file.path, "below /opt")

    @member_rule("ACME2", "E", lambda context, file: file.path.endswith(".txt"), **WORDS)
    def no_word(context: RpmContext, member: Member) -> Iterator[Hit]:
        text = member.content(1000)
        if text is None:
            yield Hit(member.file.path, "too long", "I")
        elif b"secret" in text:
            yield Hit(member.file.path, "a secret", line=2, remedy="burn it")

    @pack_rule("ACME3", "I", **WORDS)
    def needs_more(context: PackContext) -> Iterator[Skipped]:
        yield Skipped("needs something")

    rpm = forged(
        name="own", files={"/opt/a.txt": b"\nsecret", "/srv/b.txt": b"x" * 1001, "/srv/c.txt": b"plain"}
    )
    own = [rule for rule in all_rules() if rule.id.startswith("ACME")]
    assert [rule.id for rule in own] == ["ACME1", "ACME2", "ACME3"]
    assert [str(one) for one in check_rpm(rpm, XS8, None, own)] == [
        f"E ACME2 {rpm.name}: /opt/a.txt:2: a secret; burn it",
        f"W ACME1 {rpm.name}: /opt/a.txt: below /opt; do something",
        f"I ACME2 {rpm.name}: /srv/b.txt: too long; do something",
    ]


def test_a_rule_that_fails_says_so(forged: Forge) -> None:
    @rpm_rule("ACME1", "W", **WORDS)
    def broken(context: RpmContext) -> Iterator[Hit]:
        yield Hit("x", str(1 // len(context.info.conflicts)))

    with pytest.raises(StepError) as caught:
        check_rpm(forged(name="own"), XS8, None, [rule for rule in all_rules() if rule.id == "ACME1"])
    text = str(caught.value)
    assert text.startswith("rule ACME1 failed on own-1.0-1.x86_64.rpm: ZeroDivisionError: ")
    assert "(test_engine.py:" in text and "\n" not in text


def test_foreign_text_cannot_steer_a_terminal(forged: Forge) -> None:
    @rpm_rule("ACME1", "W", **WORDS)
    def echo(context: RpmContext) -> Iterator[Hit]:
        yield Hit(context.info.summary, f"\x1b[2J{context.info.vendor}\u202e\n")

    found = check_rpm(forged(name="own"), XS8, None, [rule for rule in all_rules() if rule.id == "ACME1"])
    assert found[0].found == "\\x1b[2J\\u202e\\x0a"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            Rule("acme", "W", "m", "r"),
            ["id='acme': a rule's id must be letters and a number; such as \"ACME1\""],
        ),
        (
            Rule("ACME1", "X", "", " "),  # type: ignore[arg-type]
            [
                'severity=\'X\': not a severity; use "E", "W" or "I"',
                "meaning='': a rule must have a meaning; give a sentence",
                "remedy=' ': a rule must have a remedy; give a sentence",
            ],
        ),
        (Rule("K2", "W", "m", "r"), ["id='K2': the id of another rule: a kernel module is not below "]),
    ],
)
def test_rules_that_are_none(rule: Rule, said: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        register(rule)
    for line in [*said, "check=None: a rule must have a function that checks; give check="]:
        assert f"rule {rule.id}: {line}" in str(caught.value)


def test_the_same_rule_may_be_registered_again() -> None:
    """A SConscript is read once for each variant."""
    for _ in range(2):
        rpm_rule("ACME1", "W", **WORDS)(_nothing)
    assert sum(rule.id == "ACME1" for rule in all_rules()) == 1


def _nothing(context: RpmContext) -> Iterator[Hit]:
    yield from ()


@pytest.mark.parametrize(
    ("waive", "said"),
    [
        (["P4"], [f"waive=['P4']: waivers must be a mapping of rule ids to reasons; {FORM}"]),
        ({"P44": "x"}, ["waive='P44': no rule has this id; did you mean 'P4'?"]),
        ({"zzz": "x"}, ["waive='zzz': no rule has this id; see xspack rules for the list"]),
        ({"P4": " "}, ["waive['P4']=' ': a waiver must give its reason; say why in words"]),
        ({"P4": "read by the installer"}, []),
        ({}, []),
    ],
)
def test_waivers_in_declarations(waive: object, said: list[str]) -> None:
    assert [str(problem) for problem in waiver_problems(waive)] == said


def test_ids_are_in_order() -> None:
    register(Rule("K100", "W", "m", "r", on_rpm=_nothing))
    ids = [rule.id for rule in all_rules()]
    assert ids.index("K9") < ids.index("K100") < ids.index("L1")


def test_fifty_small_rpms_are_judged_quickly(forged: Forge) -> None:
    """All rules over 50 RPMs with a script, a module and settings cost well under a second of one processor."""
    rpm = forged(
        name="small",
        files={
            "/etc/small.conf": b"x=1\n",
            "/opt/small/bin/tool": b"#!/bin/sh\nexit 0\n",
            "/opt/small/lib/tool.py": b"import sys\n\n\ndef main():\n    return sys.argv\n",
            "/opt/small/lib/libx.so": needing("libc.so.6", "GLIBC_2.2.5"),
        },
        modes={"/opt/small/bin/tool": 0o755},
        attributes={"/etc/small.conf": "%config(noreplace)"},
        scripts={
            "%post": "ldconfig || :\nexit 0",
            "%preun": 'if [ "$1" = 0 ]; then rm -f /run/x; fi\nexit 0',
        },
        payload="w2.xzdio",
    )
    assert check_rpm(rpm, XS8) == []
    start = time.process_time()
    for _ in range(50):
        check_rpm(rpm, XS8)
    assert time.process_time() - start < 2


def test_findings_without_what_says_nothing() -> None:
    one = Finding("K2", "E", "found", "remedy", rpm="a.rpm", where="/x")
    said = {
        "rule": "K2",
        "severity": "E",
        "found": "found",
        "remedy": "remedy",
        "rpm": "a.rpm",
        "where": "/x",
    }
    assert to_plain(one) == said
    assert from_plain(said) == one
