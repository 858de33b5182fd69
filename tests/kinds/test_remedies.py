"""What the words on a mistake advise is right: who does it has no mistake any more.

What a remedy spells out is taken from its words; what it leaves to the reader stands in ``BY_HAND``, which names every
other declaration of mistakes.txt.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mistakes import START, TABLE, WORLD
from support import ROOT, need
from trees import Ran, Tree

PREBUILT = ROOT / "examples/prebuilt/acme-tools-5.2-1.noarch.rpm"
SPEC = WORLD["good.spec"]
#: What the remedies say to make.
MADE: dict[str, str | bytes] = {
    **dict.fromkeys(("no.txt", "NO", "no.sh", "gone.sh", "no.conf", "no.tgz", "nodir/a"), "#!/bin/sh\n"),
    **dict.fromkeys(("no.service", "acme.service"), "[Service]\nExecStart=/bin/true\n"),
    "no.spec": SPEC.replace("Name: x", "Name: y"),
}


def _literal(declaration: str, value: str, new: str) -> str:
    """The declaration with another value: as a text, or as a keyword that it has."""
    assert value in declaration, (declaration, value)
    return declaration.replace(value, new, 1)


def _keyword(declaration: str, found: re.Match[str]) -> str:
    return _literal(declaration, f"{found[1]}=", f"{found[2]}=")


def _value(declaration: str, found: re.Match[str]) -> str:
    return _literal(declaration, found[1], found[2])


def _changelog(declaration: str, found: re.Match[str]) -> str:
    return re.sub(r"(changelog=\[?)\".*?\"", lambda begin: f'{begin[1]}"{found[1]}"', declaration)


def _sign(declaration: str, found: re.Match[str]) -> str:
    code = int(found[1], 16)
    spelt = {f"\\x{code:02x}", f"\\u{code:04x}", "\\r" if code == 13 else f"\\x{code:02x}"}
    for one in spelt:
        declaration = declaration.replace(one, "")
    return declaration


def _uuid(declaration: str, found: re.Match[str]) -> str:
    made = subprocess.run(found[2], shell=True, check=True, capture_output=True, text=True).stdout.strip()
    return _literal(declaration, found[1], made)


#: A line of words -> what is done with the declaration.
FROM_WORDS: dict[str, Callable[[str, re.Match[str]], str]] = {
    r" (\w+)=.*: unknown keyword; did you mean '(\w+)'\?$": _keyword,
    r"='([^']*)': .*; did you mean '([^']*)'\?": _value,
    r"='([^']*)': .*; (?:write|give a string such as \w+=) ?[\"']([^\"' ]*)[\"'](?:, or vendor/name)?$": _value,
    r"='([^']*)': the file's SHA-256 is (\w+);": _value,
    r"='([^']*)': not a uuid; make one with: (.*)$": _uuid,
    r"changelog='.*; write it as \"(2026.*)\"$": _changelog,
    r" there is U\+(\w{4}) at character .*; take it out": _sign,
    r"files='(75x)': .*; write it as mode=(0o755)$": lambda text, found: _literal(
        text, f'"{found[1]}"', found[2]
    ),
    r"files='(no one)': .*; write it as owner=\"(root)\"$": _value,
    # Made: the file stands in MADE.
    r": (?:not found, and nothing builds it|folder not found); make it": lambda text, found: text,
}
U = "env.Userspace"
BY_HAND = {
    # the declaration begins so: what becomes of it
    'env.PrebuiltRpm(prebuilt, target="k3.rpm"': 'env.PrebuiltRpm(prebuilt, target="k3.rpm")',
    f'{U}("k5"': f'{U}("k5", version="1")',
    'env.Pack("k6"': 'env.Pack("k6", unsigned=True, version="1", uuid=str(uuid4()), description="d", packages=good)',
    f'{U}("bad name"': f'{U}("bad_name", **S())',
    f'{U}("-n"': f'{U}("n-", **S())',
    f"{U}()": f'{U}("name", version="1")',
    'env.Pack("a", "b")': 'env.Pack("name", **P())',
    f'{U}("v1"': f'{U}("v1", **S(version="1", release="2"))',
    f'{U}("v2"': f'{U}("v2", **S(version="1.5"))',
    f'{U}("v5"': f'{U}("v5", **S(epoch=0)); {U}("v5b", **S())',
    f'{U}("v7"': f'{U}("v7", **S(summary="one line"))',
    f'{U}("v8"': f'{U}("v8", **S(summary="\\xff"))',
    "env.Clone(XSPACK_LICENSE": 'env.Clone(XSPACK_LICENSE="").Userspace("v9", version="1", license="MIT")',
    'env.Pack("bad label"': 'env.Pack("good-label", **P())',
    'env.Pack("main"': 'env.Pack("main-pack", **P())',
    'env.Pack("u3"': 'env.Pack("u3", **P()); env.Pack("u4", **P())',
    f'{U}("d1"': f'{U}("d1", **S(requires=["a < 3", "b <= 3", "c = 3", "d >= 3", "e > 3"]))',
    f'{U}("d2"': f'{U}("d2", **S(requires=["a", "b"]))',
    f'{U}("d3"': f'{U}("d3", **S(provides="name >= version"))',
    f'{U}("d4"': f'{U}("d4", **S(conflicts=["name >= version"]))',
    f'{U}("d5"': f'{U}("d5", **S(obsoletes=["a < 2:1-1"]))',
    f'{U}("d6"': f'{U}("d6", **S(requires=["name >= version"]))',
    'env.Pack("d7"': 'env.Pack("d7", **P(requires="product-version >= 8.2.0"))',
    f'{U}("m4"': f'{U}("m4", **S(udev_rules="tree/a.txt"))',
    'env.PrebuiltRpm("no.rpm")': 'env.PrebuiltRpm("there.rpm", target="m6.rpm")',
    'env.PrebuiltRpm("a.txt")': 'env.PrebuiltRpm(prebuilt, target="m7.rpm")',
    'env.SpecRpm("good.spec"': 'env.SpecRpm("good.spec", sources=["no.tgz", "a.txt"])',
    'env.PrebuiltRpm(prebuilt, target="h2.rpm"': (
        'from hashlib import sha256; env.PrebuiltRpm(prebuilt, target="h2.rpm", '
        'sha256=sha256(open("acme-tools-5.2-1.noarch.rpm", "rb").read()).hexdigest())'
    ),
    f'{U}("t1"': f'{U}("t1", **S(files={{"/opt/x": "a.txt"}}))',
    f'{U}("t2"': f'{U}("t2", **S(config={{"//etc/x": "a.conf"}}))',
    f'{U}("t3"': f'{U}("t3", **S(docs=["tree/a.txt"]))',
    f'{U}("t4"': f'{U}("t4", **S(files={{"/opt/x": env.Dir("tree")}}))',
    f'{U}("t5"': f'{U}("t5", **S(files={{"/opt/x": "a.txt", "/opt/y/y": "a.conf"}}))',
    f'{U}("t6"': f'{U}("t6", **S(files={{"/opt/x": "a.txt", "/x": "a.txt", "/opt/ab": "a.txt"}}))',
    f'{U}("t7"': f'{U}("t7", **S(files={{"/opt/x/a": env.XsLink("../b"), "/opt/y": env.XsLink("/opt/z")}}))',
    f'{U}("t8"': f'{U}("t8", **S(files={{"/opt/n": "a.txt"}}))',
    f'{U}("t9"': f'{U}("t9", **S(files={{"/opt/x": env.XsLink("n")}}))',
    f'{U}("o1"': f'{U}("o1", **S()); {U}("o1b", **S())',
    f'{U}("o2"': f'{U}("o2", **S(target="o.rpm")); {U}("o3", **S(target="./o3.rpm"))',
    f'{U}("o4"': f'{U}("o4", **S(target="tree.rpm"))',
    'env.Pack("o5"': 'env.Pack("o5", **P()); env.Pack("o5b", **P())',
    'env.Pack("o6"': (
        'env.Pack("o6", **P()); env.Pack("o6b", **P()); env.Clone(XSPACK_OUT="o6").Pack("o6", **P(version="2"))'
    ),
    'env.Pack("o7"': f'env.Pack("o7", **P(packages=[good])); {U}("good", **S(version="2"))',
    'env.Pack("o8"': f'env.Pack("o8", **P(packages=[{U}("twice", **S(version="2"))]))',
    'env.Pack("g1"': (
        'env.Pack("g1", **P(after_apply=["restartHost", "restartXAPI"])); env.Pack("g2", **P(after_apply="restartPV"))'
    ),
    'env.Pack("y1"': 'env.Pack("y1", **P(unsigned=True)); env.Pack("y1k", **P(**KEY))',
    'env.Pack("y2"': 'env.Pack("y2", **P(key=env.TestKey("K2"), unsigned=False))',
    'env.Pack("y3"': 'env.Pack("y3", **P(**KEY))',
    'env.Pack("y4"': 'env.Pack("y4", **P(**KEY))',
    'env.TestKey("../key"': 'env.TestKey("RPM-GPG-KEY-Acme-Test")',
    'env.Pack("a-label-that': (
        'env.Pack("a-label-that-is-short", **P()); env.Pack("a-label-that-is-longer-than-a-volume-id", '
        '**P(volume_id="LONG"))'
    ),
    'env.Pack("l1"': 'env.Pack("l1", **P(volume_id="with_no_dash"))',
    'env.Pack("e1"': 'env.Pack("e1", **P(packages=[good]))',
    'env.Pack("e2"': 'env.Pack("e2", **P(packages=[str(good[0])]))',
    f'{U}("c3"': f'{U}("c3", **S(changelog="2026-11-20 A <a@b> 1-1\\n- x"))',
    f'{U}("c4"': f'{U}("c4", **S(changelog="2026-11-20 A <a@b> 1-1\\n- x"))',
    f'{U}("s2"': f'{U}("s2", **S(scripts={{"post": "true"}}))',
    f'{U}("f2"': f'{U}("f2", **S(files={{"/opt/a": "a.txt"}}))',
    f'{U}("f3"': f'{U}("f3", **S(files={{"/opt/a": env.XsLink("b")}})); {U}("f3b", version="1")',
    f'{U}("x1"': f'{U}("x1", **S(systemd_units=["acme.service"]))',
    f'{U}("ty1"': (
        f'{U}("ty1", **S(users=["acme", env.XsUser("acmed")], changelog=["2026-11-20 Name <mail> 1.0-1\\n- what"], '
        'status_report=env.XsStatusReport("acme", pii="no", files="/var/log/acme.log")))'
    ),
    f'{U}("ty2"': f'{U}("ty2", **S(provides="a = 1", conflicts="b >= 5", obsoletes=["c"]))',
    f'{U}("ty3"': (
        f'{U}("ty3", **S(firewall="-p tcp --dport 80 -j ACCEPT", migrate=["/etc/acme"], waive={{"P4": "read by it"}}))'
    ),
    'env.Pack("ty4"': 'env.Pack("ty4", **P(after_apply="restartHost", requires="product-version >= 8.2"))',
    f'{U}("z1"': (
        f'{U}("z1", **S(version="1", release="1.0", requires=["name >= version"], files={{"/x": "no.txt"}}, '
        'vendor="x"))'
    ),
    'env.Pack("n1"': (
        f'env.Pack("n1", **P(packages={U}("n2", **S(target="n/1.rpm")), **KEY)); '
        f'env.Pack("n3", **P(packages={U}("n2b", **S(target="n/2.rpm")), **KEY))'
    ),
    'env.Pack("n4"': 'env.Pack("n4", **P(**KEY)); env.Pack("n5", **P(key=env.Clone(XSPACK_OUT="o").TestKey("KEYO")))',
    "env.PrebuiltRpm(prebuilt, target=prebuilt": 'env.PrebuiltRpm(prebuilt, target="n6.rpm")',
    # The kernel's development package: tests/drivers compile with it.
    'env.KernelModule("m6"': "",
    'env.KernelModule("m7"': "",
}


def mended(declaration: str) -> str:
    """The declaration as it is when each of its remedies was followed."""
    by_hand = [text for begin, text in BY_HAND.items() if declaration.startswith(begin)]
    if by_hand:
        return by_hand[0]
    for line in TABLE[declaration]:
        applied = [(do, found) for words, do in FROM_WORDS.items() if (found := re.search(words, line))]
        assert applied, f"no test follows this remedy: {line}"
        do, found = applied[0]
        declaration = do(declaration, found)
    return declaration


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    need("rpmbuild", "gpg")
    tree = Tree(tmp_path_factory.mktemp("mended") / "tree").write({**WORLD, **MADE})
    tree.write({PREBUILT.name: PREBUILT.read_bytes(), "there.rpm": PREBUILT.read_bytes()})
    return tree.declare("\n".join([*map(mended, TABLE), ""]), head=START).scons("-n", ".")


@pytest.mark.parametrize("declaration", TABLE)
def test_who_follows_a_remedy_has_no_mistake(ran: Ran, declaration: str) -> None:
    here = f"SConstruct:{START.count(chr(10)) + 1 + list(TABLE).index(declaration)}: "
    assert [line for line in ran.mistakes if line.startswith(here)] == [], mended(declaration)


def test_nothing_else_is_wrong(ran: Ran) -> None:
    ran.good()


def test_each_is_followed_by_its_words_where_it_can(tmp_path: Path) -> None:
    left = {begin for begin in BY_HAND if not any(one.startswith(begin) for one in TABLE)}
    assert left == set()
