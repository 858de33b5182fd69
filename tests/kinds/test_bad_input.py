"""Every mistake in a declaration is told with its place, target, field, value, rule and remedy; all of them at
once, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentences
from mistakes import START, TABLE, WORLD
from support import ROOT, need
from trees import Ran, Tree

from xspack_tool.kinds import all_kinds
from xspack_tool.signing.keys import make_test_key


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """All these declarations in one SConstruct."""
    need("rpmbuild", "gpg")
    tree = Tree(tmp_path_factory.mktemp("bad") / "tree").write(WORLD)
    prebuilt = ROOT / "examples/prebuilt/acme-tools-5.2-1.noarch.rpm"
    tree.write({prebuilt.name: prebuilt.read_bytes()})
    return tree.declare("\n".join([*TABLE, ""]), head=START)


@pytest.fixture(scope="module")
def ran(tree: Tree) -> Ran:
    return tree.scons("-j2", ".")


@pytest.mark.parametrize("declaration", TABLE)
def test_a_mistake_is_told(ran: Ran, tree: Tree, declaration: str) -> None:
    here = f"SConstruct:{START.count(chr(10)) + 1 + list(TABLE).index(declaration)}"
    said = [line for line in ran.mistakes if line.startswith(f"{here}: ")]
    wanted = [f"{here}: {text}" for text in TABLE[declaration]]
    keywords = ", ".join(next(kind for kind in all_kinds() if kind.__name__ == "PrebuiltRpm").FIELDS)
    for name, value in (("here", here), ("top", str(tree.path)), ("keywords of PrebuiltRpm", keywords)):
        wanted = [text.replace(f"{{{name}}}", value) for text in wanted]
    assert said == wanted


def test_nothing_is_built_and_all_are_counted(ran: Ran, tree: Tree) -> None:
    count = sum(map(len, TABLE.values()))
    assert ran.refused() and len(ran.mistakes) == count
    assert ran.said.startswith(f"scons: *** {count} {sentences.MISTAKES}\n")
    assert tree.files() == {*WORLD, "SConstruct", "acme-tools-5.2-1.noarch.rpm"}


def test_help_works_all_the_same(tree: Tree) -> None:
    said = tree.real_scons("-h").good().said
    assert "Userspace 'good' -> build/rpms/good-1-1.x86_64.rpm\n" in said
    assert "mistake" not in said


def test_a_key_whose_secret_key_is_elsewhere(tree: Tree, tmp_path: Path, short_dir: Path) -> None:
    key = make_test_key(short_dir / "gnupg", tmp_path / "there/RPM-GPG-KEY-X", "RPM-GPG-KEY-X", 1577836800)
    (short_dir / "other").mkdir(mode=0o700)
    packs = 'env.Pack("x", **P(key="RPM-GPG-KEY-X", unsigned=False))\n'
    there = Tree(tmp_path / "there").write(WORLD).declare(packs, head=START)
    said = there.scons(f"XSPACK_GNUPGHOME={short_dir}/other").refused()
    rule = f"{short_dir}/other holds no secret key {key.fingerprint}"
    remedy = "import it there, or set XSPACK_GNUPGHOME to the keyring that has it"
    assert said == [f"SConstruct:{START.count(chr(10)) + 1}: Pack 'x': key='RPM-GPG-KEY-X': {rule}; {remedy}"]
    assert there.scons("-n", f"XSPACK_GNUPGHOME={short_dir}/gnupg").good()


JUNK = """\
5, -1, True, "", " ", "junk junk", "x\\ny", "\\0", "\\udcff", b"x", "\\u00fc/\\U0001f600",
"$(", "$(x$)", "$NO", "${", "tree",
[], [None], [[]], ["tree"], ["a", 5], {}, {"a": 5}, {5: None}, {"": {}}, {"/a": ["a.txt", None]}, object(), lambda: 1
"""
ANYTHING = """\
needed = {{"version": "1", "source": "tree", "packages": good, "uuid": str(uuid4()), "description": "d"}}
names = {{"PrebuiltRpm": prebuilt, "SpecRpm": "good.spec", "Dkms": "tree"}}
for kind, fields in {fields!r}.items():
    for value in ({junk}):
        getattr(env, kind)(value)
        for field, required in fields.items():
            given = {{key: needed[key] for key, yes in fields.items() if yes and key in needed}}
            getattr(env, kind)(names.get(kind, "junk"), **{{**given, field: value}})
    print("read", kind)
"""


def test_no_value_of_any_field_ends_in_a_traceback(tree: Tree, tmp_path: Path) -> None:
    fields = {
        kind.__name__: {name: field.required for name, field in kind.FIELDS.items()} for kind in all_kinds()
    }
    there = Tree(tmp_path / "there").write(WORLD | {"a": "x"})
    there.declare(ANYTHING.format(fields=fields, junk=JUNK), head=START + 'prebuilt = "no.rpm"\n')
    ran = there.scons()
    assert [line for line in ran.said.splitlines() if line.startswith("read ")] == [
        f"read {kind}" for kind in fields
    ]
    assert len(ran.refused()) > 1000


HELPERS = """\
options = {{
    "XsFile": ["mode", "owner", "group"], "XsDir": ["mode", "owner", "group", "file_mode"],
    "XsLink": [], "TestKey": [], "XsKernelTrees": [],
    "XsUser": ["group", "groups", "home", "shell", "comment"],
    "XsPatch": ["flaw", "effect", "seen_by_customers"],
    "XsRule": ["meaning", "remedy", "check", "on", "wants", "bad", "good"],
    "Ddk": ["host", "port", "identity", "known_hosts", "jobs", "release", "inbox"],
    "XsStatusReport": ["pii", "files", "directories", "commands", "min_size", "max_time", "mime", "checked", "hidden"],
}}
for helper, known in options.items():
    call = getattr(env, helper)
    for number, value in enumerate(({junk})):
        results = [call(), call("a", "b", "c"), call("a", unknown=value), call(value)]
        results += [call("a", **{{option: value}}) for option in known]
        if helper == "XsKernelTrees":
            continue
        for result in results:
            env.Userspace(f"u{{number}}", **S(files={{"/opt/a": result}}, status_report=result, users=result))
            if helper == "Ddk":
                env.KernelModule(f"m{{number}}", version="1", source="tree", ddk=result)
    print("read", helper)
"""


def test_no_argument_of_a_helper_ends_in_a_traceback(tree: Tree, tmp_path: Path) -> None:
    there = Tree(tmp_path / "there").write(WORLD | {"a": "x"})
    ran = there.declare(HELPERS.format(junk=JUNK), head=START).scons()
    read = [line.split()[1] for line in ran.said.splitlines() if line.startswith("read ")]
    assert read == [
        "XsFile",
        "XsDir",
        "XsLink",
        "TestKey",
        "XsKernelTrees",
        "XsUser",
        "XsPatch",
        "XsRule",
        "Ddk",
        "XsStatusReport",
    ], ran.said
    assert len(ran.refused()) > 1000
