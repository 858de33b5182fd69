"""Findings through SCons: what they stop, how they are shown, waived and written, and a user's own rule."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sentences
from support import need
from trees import Tree, fields

KEY = 'key = env.TestKey("RPM-GPG-KEY-T")\n'
PACK = """
env.Alias("pack", env.Pack("{label}", version="1", uuid="6bb9d5ab-1e0a-4a4b-9d0f-2f1d1c0d7f{n:02}", description="x",
    packages=[env.Userspace("acme{n}", version="1", arch="noarch", files={{"{path}": "f"}}, {more})],
    requires=["product-version >= 8.2.0"], key=key, {pack}))
"""
STARTS = 'scripts={"post": "service acme start || :"}'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpmsign", "gpg")
    return Tree(tmp_path / "tree").write({"f": "f\n"})


def declare(tree: Tree, *packs: dict[str, str], head: str = "") -> Tree:
    """Packs a, b, .. of one package each; ``more`` are keywords of the package, ``pack`` of the pack."""
    texts = [
        PACK.format(label="ab"[n], n=n, **{"more": "", "pack": "", "path": f"/opt/acme{n}/f", **given})
        for n, given in enumerate(packs)
    ]
    return tree.declare(KEY + head + "".join(texts))


def shown(said: str) -> list[str]:
    """The findings among what a build printed, and the counts."""
    lines = said.splitlines()
    told = [line for line in lines if not line.startswith("build/")]  # a line of a pack that was made
    return [line for line in told if line[:2] in ("E ", "W ") or line.endswith(" waived")]


STARTED = (
    "E S1 a: acme0-1-1.noarch.rpm: %post:1: 'service acme start' starts acme; enable the unit and let the next boot "
    "start it; what must run at once goes inside: if runlevel >/dev/null 2>&1; then .. fi"
)
STARTED_HERE = f"{STARTED} [SConstruct:5]"


def test_an_error_stops_its_pack_alone_and_the_old_iso_stays(tree: Tree) -> None:
    declare(tree, {}, {}).scons("-k", "pack").good()
    old = (tree.path / "build/a-1.iso").read_bytes()
    ran = declare(tree, {"more": STARTS}, {"more": 'summary="new"'}).scons("-k", "pack")
    assert ran.status == 2
    assert shown(ran.said) == [
        STARTED_HERE,
        "a-1: 1 error, 0 warnings, 0 notes, 0 waived",
    ]
    assert re.search(r"^build/b-1\.iso: .* 0 errors, 0 warnings, 0 notes, 0 waived$", ran.said, re.M)
    why = "1 E findings stop the pack, see below and a-findings.json; the last good ISO stays"
    assert f"scons: *** [build/a-1.iso] {why}" in ran.said
    assert (tree.path / "build/a-1.iso").read_bytes() == old
    assert "build/b-1.iso" in ran.built


def test_a_precheck_that_cannot_start(tree: Tree) -> None:
    tree.write({"pre.sh": b"#!/bin/sh\r\nexit 0\r\n"})
    ran = declare(tree, {"pack": 'precheck="pre.sh"'}).scons("pack")
    assert ran.status == 2
    assert shown(ran.said)[0].startswith(
        "E B8 a: precheck:1: #!/bin/sh with a CR: no interpreter is called so; "
    )
    tree.write({"pre.sh": b"#!/bin/sh\nexit 0\n"}).scons("pack").good()


def test_all_packs_are_judged_before_one_stops_the_build(tree: Tree) -> None:
    ran = declare(tree, {"more": STARTS}, {"more": STARTS.replace("acme", "other")}).scons("pack")
    assert ran.status == 2
    assert [line.split(": ")[0] for line in shown(ran.said)] == ["E S1 a", "E S1 b", "a-1", "b-1"]
    assert not list(tree.path.glob("build/*.iso"))
    # They are told again by the next build, though nothing is judged anew.
    again = tree.scons("pack")
    assert again.status == 2 and shown(again.said)[0] == STARTED_HERE and "Judge" not in again.said


def test_a_warning_stops_where_it_shall(tree: Tree) -> None:
    declare(tree, {"path": "/etc/acme"})
    ran = tree.scons("pack").good()
    assert shown(ran.said)[0].startswith("W U3 a: acme0-1-1.noarch.rpm: /etc/acme: ")
    strict = tree.scons("XSPACK_STRICT=1", "pack")
    assert strict.status == 2
    assert "0 E and 1 W findings stop the pack" in strict.said
    tree.scons("XSPACK_STRICT=0", "pack").good()


def test_check_makes_no_iso_and_tells_by_its_status(tree: Tree) -> None:
    ran = declare(tree, {"more": STARTS}).scons("check")
    assert ran.status == 2
    assert shown(ran.said)[0] == STARTED_HERE
    assert not list(tree.path.glob("build/*.iso"))
    assert tree.scons("check").status == 2
    good = declare(tree, {}).scons("check").good()
    assert shown(good.said) == ["a-1: 0 errors, 0 warnings, 0 notes, 0 waived"]


def test_waivers_are_shown_with_their_reasons(tree: Tree) -> None:
    waived = f'{STARTS}, waive={{"S1": "a helper that ends at once"}}'
    ran = declare(tree, {"more": waived, "pack": 'waive={"P4": "no use"}'}).scons("pack").good()
    assert shown(ran.said) == [
        f"{STARTED} (waived: a helper that ends at once) [SConstruct:5]",
        "W P4 a: waive: waive={'P4': ..} waives nothing; take the waiver out [SConstruct:4]",
    ]
    assert re.search(r"^build/a-1\.iso: .* 0 errors, 1 warning, 0 notes, 1 waived$", ran.said, re.M)
    report = json.loads((tree.path / "build/a-findings.json").read_text())
    assert report["counts"] == {"error": 0, "note": 0, "warning": 1}
    assert [(one["rule"], one.get("waived", "")) for one in report["findings"] if not one.get("skipped")] == [
        ("S1", "a helper that ends at once"),
        ("P4", ""),
    ]
    sarif = json.loads((tree.path / "build/a-findings.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    suppressed = [result for result in sarif["runs"][0]["results"] if "suppressions" in result]
    assert [result["ruleId"] for result in suppressed] == ["S1"]
    assert lines_in(tree) == {"S1": ("SConstruct", 5), "P4": ("SConstruct", 4)}


def lines_in(tree: Tree) -> dict[str, tuple[str, int]]:
    """Rule -> where the SARIF file shows its finding."""
    (run,) = json.loads((tree.path / "build/a-findings.sarif").read_text())["runs"]
    found = {one["ruleId"]: one["locations"][0]["physicalLocation"] for one in run["results"]}
    return {rule: (at["artifactLocation"]["uri"], at["region"]["startLine"]) for rule, at in found.items()}


def test_a_line_that_moves_builds_nothing_and_is_told(tree: Tree) -> None:
    waived = {"more": f'{STARTS}, waive={{"S1": "a helper that ends at once"}}'}
    declare(tree, waived).scons("pack").good()
    assert lines_in(tree) == {"S1": ("SConstruct", 5)}
    assert declare(tree, waived, head="\n\n").scons("pack").good().built == set()
    assert lines_in(tree) == {"S1": ("SConstruct", 7)}
    sarif = tree.path / "build/a-findings.sarif"
    whole, state = sarif.read_text(), sarif.stat()
    tree.scons("pack").good()
    assert sarif.stat() == state
    sarif.write_text("cut")
    tree.scons("pack").good()
    assert sarif.read_text() == whole
    tree.scons("-c", "pack").good()
    assert not sarif.exists()


def test_unknown_ids_and_empty_reasons_are_mistakes(tree: Tree) -> None:
    mistakes = declare(tree, {"pack": 'waive={"S99": "x", "S1": " "}'}).scons("pack").refused()
    assert fields(mistakes) == [
        "SConstruct:4: Pack 'a': waive='S99'",
        "SConstruct:4: Pack 'a': waive['S1']=' '",
    ]


RULE = """
from xspack_tool.rules.finding import Hit
def signed_by_acme(context):
    if context.info.vendor != "Acme":
        yield Hit("vendor", f"the vendor is {context.info.vendor!r}")
env.XsRule("ACME1", "E", meaning="our packages bear our name", remedy="set XSPACK_VENDOR", check=signed_by_acme)
"""


def test_a_users_own_rule(tree: Tree) -> None:
    ran = declare(tree, {"more": 'vendor="Else"'}, head=RULE).scons("pack")
    assert ran.status == 2
    assert shown(ran.said) == [
        "E ACME1 a: acme0-1-1.noarch.rpm: vendor: the vendor is 'Else'; set XSPACK_VENDOR [SConstruct:11]",
        "a-1: 1 error, 0 warnings, 0 notes, 0 waived",
    ]
    # Another rule under the id is judged anew, though no RPM changed.
    other = RULE.replace('!= "Acme"', '== "Acme"')
    ran = declare(tree, {"more": 'vendor="Else"'}, head=other).scons("pack").good()
    assert "RPM " not in ran.said and "Record " in ran.said


def test_a_users_rule_is_looked_at_itself(tree: Tree) -> None:
    head = RULE.replace('"ACME1", "E"', '"S1", "Q"').replace(
        'remedy="set XSPACK_VENDOR"', 'remedy="", on="iso"'
    )
    assert declare(tree, {}, head=head).scons("pack").refused() == [
        "SConstruct:8: XsRule 'S1': on='iso': not a place where a rule looks; use one of rpm, pack, member",
    ]
    head = RULE.replace('"ACME1", "E"', '"S1", "E"')
    (mistake,) = declare(tree, {}, head=head).scons("pack").refused()
    assert mistake.startswith("SConstruct:8: rule S1: id='S1': the id of another rule: ")


def test_an_unchanged_rpm_is_not_judged_again(tree: Tree) -> None:
    declare(tree, {}, {}).scons("pack").good()
    ran = declare(tree, {}, {"more": 'summary="new"'}).scons("pack").good()
    assert "acme0-1-1" not in ran.said
    assert tree.scons("pack").good().said == f"{sentences.UP_TO_DATE}\n"
