"""What a declaration names, as files: folders file by file, links, several files, what is still to be built."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import SCons.Environment
from rpm_asked import asked, payload, query
from support import need
from trees import Tree, fields

from xspack_tool.plan.sources import TreeItem, walk

HEAD = 'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="MIT")\n'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpm")
    return Tree(tmp_path / "tree").write(
        {"a.txt": "a", "b.txt": "b", "share/one": "1", "share/deep/two": "2"}
    )


def rpm_of(tree: Tree, name: str = "x") -> Path:
    return next((tree.path / "build/rpms").glob(f"{name}-*.rpm"))


def modes(tree: Tree, name: str = "x") -> list[str]:
    """Mode, path and link target of each file of the RPM."""
    found = query(rpm_of(tree, name), "[%{FILEMODES:octal} %{FILENAMES} %{FILELINKTOS}\n]")
    return [line.rstrip() for line in found]


def content(tree: Tree, path: str) -> str:
    """The text of a file of the RPM."""
    return payload(rpm_of(tree))[path].decode()


def build(tree: Tree, files: str, head: str = HEAD, more: str = "") -> list[str]:
    tree.declare(f'env.Userspace("x", version="1", files={files})\n{more}', head=head)
    tree.scons().good()
    return modes(tree)


def test_a_folder_file_by_file(tree: Tree) -> None:
    (tree.path / "share/empty/inner").mkdir(parents=True)
    (tree.path / "share/link").symlink_to("deep/two")
    (tree.path / "share/away").symlink_to("/nonexistent")
    (tree.path / "share/folder").symlink_to("deep")
    (tree.path / "share/one").chmod(0o750)
    assert build(tree, '{"/opt/x": "share"}') == [
        "40755 /opt/x",
        "120777 /opt/x/away /nonexistent",
        "40755 /opt/x/deep",
        "100644 /opt/x/deep/two",
        "40755 /opt/x/empty",
        "40755 /opt/x/empty/inner",
        "120777 /opt/x/folder deep",
        "120777 /opt/x/link deep/two",
        "100755 /opt/x/one",
    ]
    assert tree.scons().good().built == set()


RPM = {"build/rpms/x-1-1.x86_64.rpm"}


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "one").write_text("other"),
        lambda top: (top / "one").chmod(0o755),
        lambda top: (top / "deep/new").write_text("new"),
        lambda top: (top / "deep/two").unlink(),
        lambda top: (top / "deep/two").rename(top / "deep/three"),
        lambda top: (top / "empty/inner").rmdir(),
        lambda top: (top / "another").mkdir(),
        lambda top: [(top / "link").unlink(), (top / "link").symlink_to("deep")],
        lambda top: [(top / "link").unlink(), (top / "link").write_text("1")],
    ],
    ids=["content", "mode", "new", "gone", "renamed", "no folder", "folder", "link", "link to file"],
)
def test_no_change_in_a_folder_is_missed(tree: Tree, change: object) -> None:
    (tree.path / "share/empty/inner").mkdir(parents=True)
    (tree.path / "share/link").symlink_to("one")
    before = build(tree, '{"/opt/x": env.Dir("share")}')
    change(tree.path / "share")  # type: ignore[operator]
    assert tree.scons().good().built == RPM
    after = modes(tree)
    assert tree.scons().good().built == set()
    assert after != before or change is None or (tree.path / "share/one").read_text() == "other"


def test_what_is_built_in_a_folder_is_part_of_it(tree: Tree) -> None:
    """Even before it is there for the first time, and wherever its builder is declared."""
    made = 'env.Command("share/made", "a.txt", [Copy("$TARGET", "$SOURCE"), Chmod("$TARGET", 0o755)])\n'
    found = build(tree, '{"/opt/x": env.Dir("share")}', head=HEAD + made)
    assert "100755 /opt/x/made" in found
    assert tree.scons().good().built == set()


def test_a_built_file_may_be_declared_later(tree: Tree) -> None:
    made = 'env.Command("late", "a.txt", Copy("$TARGET", "$SOURCE"))\n'
    assert build(tree, '{"/opt/late": "late"}', more=made)[-1] == "100644 /opt/late"


def test_several_files_go_below_the_destination(tree: Tree) -> None:
    assert build(tree, '{"/opt/x": env.Glob("*.txt"), "/opt/y/": "a.txt", "/opt/z/": env.Dir("share")}') == [
        *("40755 /opt/x", "100644 /opt/x/a.txt", "100644 /opt/x/b.txt"),
        *("40755 /opt/y", "100644 /opt/y/a.txt"),
        *("40755 /opt/z", "40755 /opt/z/deep", "100644 /opt/z/deep/two", "100644 /opt/z/one"),
    ]


def test_one_file_in_two_places_with_modes_of_their_own(tree: Tree) -> None:
    files = '{"/opt/x/a": env.XsFile("a.txt", mode=0o600), "/opt/x/b": "a.txt", "/opt/x/c": env.XsLink("a")}'
    assert build(tree, files)[1:] == ["100600 /opt/x/a", "100644 /opt/x/b", "120777 /opt/x/c a"]


def test_special_files_are_named(tree: Tree) -> None:
    """A socket or a pipe can be in no package; leaving it out silently would be a surprise."""
    os.mkfifo(tree.path / "share/pipe")
    tree.declare('env.Userspace("x", version="1", files={"/opt/x": "share"})\n', head=HEAD)
    rule = "neither file, folder nor link"
    assert tree.scons().refused() == [
        f"SConstruct:2: Userspace 'x': files='share/pipe': {rule}; remove it, or name the files one by one"
    ]


def test_a_name_that_is_no_text_is_named(tree: Tree) -> None:
    os.rename(tree.path / "share/one", os.fsencode(tree.path / "share") + b"/\xff")
    tree.declare('env.Userspace("x", version="1", files={"/opt/x": "share"})\n', head=HEAD)
    (said,) = tree.scons().refused()
    assert fields([said]) == [r"SConstruct:2: Userspace 'x': files='/opt/x/\udcff'"]


def test_what_is_built_into_a_folder_is_no_part_of_it(tree: Tree) -> None:
    """The top of a tree as payload: neither what xspack builds there, nor what SCons and git keep there."""
    (tree.path / ".git").mkdir()
    (tree.path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    first = build(tree, '{"/opt/x": "."}')
    assert tree.scons().good().built == set()
    assert [line for line in first if "/build" in line or "/.git" in line or "/.scons" in line] == []
    assert "100644 /opt/x/a.txt" in first


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    env = SCons.Environment.Environment(tools=[], XSPACK_OUT="build")
    assert walk(env, env.Dir(str(tmp_path / "gone"))) == [TreeItem("", wrong="No such file or directory")]


def test_what_was_found_out_is_remembered(tree: Tree) -> None:
    """A prebuilt RPM is read once, and again when it is another file."""
    need("rpmbuild")
    build(tree, '{"/opt/x": "a.txt"}')
    (tree.path / "given").mkdir()
    (tree.path / "build/rpms/x-1-1.x86_64.rpm").rename(tree.path / "given/x.rpm")
    tree.declare('env.PrebuiltRpm("given/x.rpm")\n', head=HEAD)
    assert tree.scons().good().built == RPM
    facts = tree.path / "build/.xspack/read-cache.json"
    kept, stamp = facts.read_text(), facts.stat().st_mtime_ns
    assert '"name": "x"' in kept
    assert tree.scons().good().built == set()
    assert facts.stat().st_mtime_ns == stamp
    # Damage in there costs time only, and is told.
    facts.write_text("{")
    assert tree.scons().good().built == set()
    facts.unlink()
    assert tree.scons().good().built == set()
    # Another RPM under the same name.
    other = Tree(tree.path.parent / "other").write({"a.txt": "other"})
    build(other, '{"/opt/x": "a.txt"}')
    (other.path / "build/rpms/x-1-1.x86_64.rpm").replace(tree.path / "given/x.rpm")
    assert tree.scons().good().built == RPM


def test_explain_names_the_field_that_changed(tree: Tree) -> None:
    build(tree, '{"/opt/x": "a.txt"}')
    tree.declare('env.Userspace("x", version="1", summary="new", files={"/opt/x": "a.txt"})\n', head=HEAD)
    (tree.path / "a.txt").write_text("changed")
    said = tree.scons("--debug=explain").good().said
    assert "scons: rebuilding `build/rpms/x-1-1.x86_64.rpm' because" in said
    assert "`a.txt' changed\n" in said
    assert '           package.summary: "x for XenServer hosts" -> "new"\n' in said


# One and many


@pytest.mark.parametrize(
    "value",
    [
        'env.Glob("*.txt")',
        'Glob("*.txt")',
        '["a.txt"]',
        '("a.txt",)',
        '(f for f in ["a.txt"])',
        "dict.keys({'a.txt': 1})",
    ],
)
def test_a_list_means_a_folder_be_it_of_one(tree: Tree, value: str) -> None:
    one = build(tree, f'{{"/opt/x/tools": {value}}}')
    assert one == (many := ["40755 /opt/x", "40755 /opt/x/tools", "100644 /opt/x/tools/a.txt"]) + (
        ["100644 /opt/x/tools/b.txt"] if "Glob" in value else []
    )
    (tree.path / "b.txt").unlink()
    assert build(tree, f'{{"/opt/x/tools": {value}}}') == many
    assert build(tree, f'{{"/opt/x/tools/": {value}}}') == many
    assert (
        build(tree, f'{{"/opt/x/tools": env.XsFile({value}, mode=0o600)}}')[-1] == "100600 /opt/x/tools/a.txt"
    )


def test_what_a_builder_returns_for_one_target_is_the_file(tree: Tree) -> None:
    files = '{"/opt/a": env.Command("c", "a.txt", Copy("$TARGET", "$SOURCE")), "/opt/d": env.InstallAs("d", "a.txt")}'
    assert build(tree, files) == ["100644 /opt/a", "100644 /opt/d"]


def test_a_list_of_one_that_may_mean_both_is_refused(tree: Tree) -> None:
    lists = ('env.Install("i", "a.txt")', '["tools"]', 'Glob("tool*")')
    tree.write({"tools": "t"})
    files = ", ".join(f'"/opt/{n}/tools": {value}' for n, value in enumerate(lists))
    tree.declare(f'env.Userspace("x", version="1", files={{{files}}})\n', head=HEAD)
    rule = "a list of one file: is that the file, or a folder for {}?"
    remedy = "take [0] of the list for the file, or end the path with /"
    assert tree.scons().refused() == [
        f"SConstruct:2: Userspace 'x': files='/opt/{n}/tools': {rule.format(name)}; {remedy}"
        for n, name in enumerate(("a.txt", "tools", "tools"))
    ]
    files = ", ".join(f'"/opt/{n}/tools": {value}[0]' for n, value in enumerate(lists))
    assert [line for line in build(tree, f"{{{files}}}") if line.startswith("1")] == [
        f"100644 /opt/{n}/tools" for n in range(3)
    ]


# Whatever SCons takes as a source


def test_values_aliases_and_entries(tree: Tree) -> None:
    """An alias is what it stands for when everything was read; a name may become a folder, or a file."""
    more = """\
env.Alias("group", ["a.txt", env.Command("made", "b.txt", Copy("$TARGET", "$SOURCE"))])
env.Alias("outer", ["group", "b.txt"])
env.Command("later", "a.txt", Copy("$TARGET", "$SOURCE"))
env.Install("stage/sub", "b.txt")
"""
    files = """{
        "/opt/x/group": env.Alias("group"), "/opt/x/outer": env.Alias("outer"), "/opt/x/entry": env.Entry("later"),
        "/opt/x/value": env.Value("text\\n"), "/opt/x/number": env.XsFile(env.Value(5), mode=0o600, owner="bin"),
        "/opt/x/bytes": env.Value(b"bytes"), "/opt/x/stage": "stage", "/opt/x/folder": env.Entry("share"),
    }"""
    found = build(tree, files, more=more)
    assert (
        found
        == sorted(found, key=lambda line: line.split()[1])
        == [
            "40755 /opt/x",
            "100644 /opt/x/bytes",
            "100644 /opt/x/entry",
            *("40755 /opt/x/folder", "40755 /opt/x/folder/deep", "100644 /opt/x/folder/deep/two"),
            "100644 /opt/x/folder/one",
            *("40755 /opt/x/group", "100644 /opt/x/group/a.txt", "100644 /opt/x/group/made"),
            "100600 /opt/x/number",
            *("40755 /opt/x/outer", "100644 /opt/x/outer/a.txt", "100644 /opt/x/outer/b.txt"),
            "100644 /opt/x/outer/made",
            *("40755 /opt/x/stage", "40755 /opt/x/stage/sub", "100644 /opt/x/stage/sub/b.txt"),
            "100644 /opt/x/value",
        ]
    )
    assert content(tree, "/opt/x/value") == "text\n" and content(tree, "/opt/x/number") == "5"
    assert tree.scons().good().built == set()
    tree.declare((tree.path / "SConstruct").read_text().replace("text", "other"), head="")
    assert tree.scons().good().built == RPM
    assert content(tree, "/opt/x/value") == "other\n"


NOTHING = "no file is named for this destination; name one, correct the pattern, or leave the destination out"
NO_TEXT = (
    "the content of a file must be a text, which stands in the SConstruct; "
    'write env.Value("text"), or have a builder make a file'
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "[]",
            NOTHING,
        ),
        (
            'Glob("none*")',
            NOTHING,
        ),
        (
            "(f for f in [])",
            NOTHING,
        ),
        (
            'env.Alias("empty")',
            "the alias stands for nothing; give the alias targets, or leave the destination out",
        ),
        (
            "env.Value(None)",
            NO_TEXT,
        ),
        (
            'env.Value({"a": 1})',
            NO_TEXT,
        ),
        (
            'env.Value(b"\\xff")',
            NO_TEXT,
        ),
        (
            '["a.txt", env.Value("x")]',
            "a Value has no name to go below a folder; name it alone, with the path it becomes",
        ),
        ("{'a.txt'}", None),
        ("None", None),
    ],
)
def test_what_is_no_source_is_refused_with_a_word(tree: Tree, value: str, said: str | None) -> None:
    tree.declare(f'env.Userspace("x", version="1", files={{"/opt/a": {value}}})\n', head=HEAD)
    (mistake,) = tree.scons().refused()
    if said is None:
        said = "files must be a table, destination -> file, folder, XsFile, XsDir or XsLink; correct it"
        assert mistake.endswith(f"{said}, or leave it out")
    else:
        assert mistake == f"SConstruct:2: Userspace 'x': files='/opt/a': {said}"


# Folders that the build fills

FILLERS = {
    "Install": 'env.Install("stage", ["a.txt", "share"])\n',
    "Command": 'env.Command("stage/sub/c", "a.txt", [Copy("$TARGET", "$SOURCE"), Chmod("$TARGET", 0o755)])\n',
    "link": 'env.Command(["stage/f", "stage/l"], "a.txt", [Copy("$TARGET", "$SOURCE"), "ln -sf f ${TARGETS[1]}"])\n',
    "undeclared": 'env.Command("stage/s", "a.txt", ["mkdir -p stage/u/e", "cp a.txt stage/u/f", '
    '"ln -sf ../f stage/u/l", Touch("$TARGET")])\n',
    "as a whole": 'env.Command(env.Dir("stage"), "a.txt", "mkdir -p $TARGET/u && cp $SOURCE $TARGET/u/f")\n',
    "stamp": 'made = env.Command("stamp", "a.txt", "mkdir -p stage && cp a.txt stage/f && touch $TARGET")\n'
    'env.Depends(env.Dir("stage"), made)\n',
}
FILLED = {
    "Install": [
        "100644 a.txt",
        "40755 share",
        "40755 share/deep",
        "100644 share/deep/two",
        "100644 share/one",
    ],
    "Command": ["40755 sub", "100755 sub/c"],
    "link": ["100644 f", "120777 l f"],
    "undeclared": ["100644 s", "40755 u", "40755 u/e", "100644 u/f", "120777 u/l ../f"],
    "as a whole": ["40755 u", "100644 u/f"],
    "stamp": ["100644 f"],
}


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("named", ['"stage"', 'env.Dir("stage")'])
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_folder_is_what_it_is_when_the_build_has_filled_it(
    tree: Tree, filler: str, named: str, order: str
) -> None:
    """On a clean checkout, whichever comes first; the second build has nothing to do, a change is seen."""
    declared = f'env.Userspace("x", version="1", files={{"/opt/x": {named}}})\n'
    parts = (FILLERS[filler], declared) if order == "before" else (declared, FILLERS[filler])
    tree.declare("".join(parts), head=HEAD)
    wanted = [
        "40755 /opt/x",
        *(f"{line.split()[0]} /opt/x/{' '.join(line.split()[1:])}" for line in FILLED[filler]),
    ]
    tree.scons("build").good()
    assert modes(tree) == wanted
    assert tree.scons("build").good().built == set()
    if filler != "as a whole":  # SCons itself makes a folder once, whatever becomes of its sources
        (tree.path / "a.txt").write_text("changed")
        assert tree.scons("build").good().built == RPM
        assert tree.scons("build").good().built == set()
    (tree.path / "stage/by-hand").write_text("kept by hand")
    assert tree.scons("build").good().built == RPM
    assert "100644 /opt/x/by-hand" in modes(tree)


def test_what_a_built_folder_must_not_hold_is_said(tree: Tree) -> None:
    made = 'env.Command(env.Dir("stage"), "a.txt", "mkdir -p stage && mkfifo stage/p")\n'
    tree.declare(f'{made}env.Userspace("x", version="1", files={{"/opt/x": env.Dir("stage")}})\n', head=HEAD)
    ran = tree.scons("build")
    assert ran.status == 2 and "stage/p': neither file, folder nor link" in ran.said
    assert "Traceback" not in ran.said
    made = 'env.Command(env.Dir("stage"), "a.txt", "mkdir -p stage && cp a.txt stage/b.txt")\n'
    both = '{"/opt/x": env.Dir("stage"), "/opt/x/b.txt": "b.txt"}'
    other = Tree(tree.path.parent / "other").write({"a.txt": "", "b.txt": ""})
    other.declare(f'{made}env.Userspace("x", version="1", files={both})\n', head=HEAD)
    ran = other.scons("build")
    assert ran.status == 2
    assert "/opt/x/b.txt: provided twice, once by a folder that was built; keep one of them" in ran.said


# Versioned libraries

LIBRARY = """\
lib = env.SharedLibrary("l", ["l.c"], SHLIBVERSION="1.2.3", SONAME="libl.so.1")
"""


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ('{"/opt/x/": lib}', ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
        ('{"/opt/x": [lib, "a.txt"]}', ["a.txt", "libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
        ('{"/opt/x/libl.so.1.2.3": lib}', ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
        ('{"/opt/x/libl.so.1": env.XsFile(lib)}', ["libl.so 1", "libl.so.1"]),
        ('{"/opt/x/libl.so": lib}', ["libl.so", "libl.so.1 0"]),
        (
            '{"/opt/x/": lib, "/opt/x/libl.so": env.XsLink("libl.so.1")}',
            ["libl.so 1", "libl.so.1 3", "libl.so.1.2.3"],
        ),
        (
            '{"/opt/x": (env.InstallVersionedLib("stage", lib), env.Dir("stage"))[1]}',
            ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"],
        ),
        ('{"/opt/x": (env.Install("stage", lib), env.Dir("stage"))[1]}', ["libl.so.1.2.3"]),
        ('{"/opt/x/": env.Install("stage", lib)}', ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
        ('{"/opt/x/": env.InstallAs("stage/libl.so.1", lib)}', ["libl.so 1", "libl.so.1"]),
        ('{"/opt/x/": env.InstallVersionedLib("stage", lib)}', ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
        ('{"/opt/x": env.Alias("libs", lib)}', ["libl.so 3", "libl.so.1 3", "libl.so.1.2.3"]),
    ],
)
def test_a_versioned_library_is_shipped_with_its_links(tree: Tree, files: str, there: list[str]) -> None:
    """Wherever it is named, also where it comes out of a cache, which keeps no links."""
    need("gcc")
    head = HEAD.replace("tools=[", 'tools=["default", ').replace('"default", "default"', '"default"')
    tree.write({"l.c": "int f(void) { return 1; }\n"})
    names = {"0": "libl.so", "1": "libl.so.1", "3": "libl.so.1.2.3"}
    wanted = [
        f"120777 /opt/x/{line[0]} {names[line[1]]}" if len(line := text.split()) > 1 else f"/opt/x/{text}"
        for text in there
    ]
    head += 'CacheDir("cache")\n' + LIBRARY
    found = [line for line in build(tree, files, head=head) if "/opt/x/" in line]
    assert [line.split(" ", 1)[1] if line[:2] == "10" else line for line in found] == wanted
    assert tree.scons().good().built == set()
    tree.scons("-c", "build").good()
    for path in tree.path.glob("**/libl.so*"):
        path.unlink()
    tree.scons().good()
    assert [line for line in modes(tree) if "/opt/x/" in line] == found


# Modes and owners of folders


def owned(tree: Tree) -> list[str]:
    """Mode, owner, group and path of each file of the RPM."""
    return query(rpm_of(tree), "[%{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]")


@pytest.mark.parametrize(
    ("value", "top", "folder", "file", "program"),
    [
        (
            'env.XsFile("tree", mode=0o600, owner="bin")',
            "700 bin:root",
            "700 bin:root",
            "600 bin:root",
            "600 bin:root",
        ),
        (
            'env.XsFile(env.Dir("tree"), mode=0o640, group="adm")',
            "750 root:adm",
            "750 root:adm",
            "640 root:adm",
            "640 root:adm",
        ),
        ('env.XsFile("tree", owner="bin")', "755 bin:root", "755 bin:root", "644 bin:root", "755 bin:root"),
        (
            'env.XsDir("tree", mode=0o750, owner="bin", group="adm")',
            "750 bin:adm",
            "750 bin:adm",
            "640 bin:adm",
            "750 bin:adm",
        ),
        (
            'env.XsDir("tree", mode=0o2770)',
            "2770 root:root",
            "2770 root:root",
            "640 root:root",
            "750 root:root",
        ),
        (
            'env.XsDir("tree", mode=0o700, file_mode="0400")',
            "700 root:root",
            "700 root:root",
            "400 root:root",
            "400 root:root",
        ),
        ('"tree"', "755 root:root", "755 root:root", "644 root:root", "755 root:root"),
    ],
)
@pytest.mark.parametrize("is_built", [False, True])
def test_modes_and_owners_hold_for_a_folder_and_below(
    tree: Tree, value: str, top: str, folder: str, file: str, program: str, is_built: bool
) -> None:
    tree.write({"tree/sub/file": "f", "tree/program": "#!/bin/sh\n"})
    (tree.path / "tree/program").chmod(0o755)
    more = 'env.Command("tree/sub/built", "a.txt", Copy("$TARGET", "$SOURCE"))\n' if is_built else ""
    build(tree, f'{{"/srv/x": {value}}}', more=more)
    wanted = {"": top, "/sub": folder, "/sub/file": file, "/program": program}
    wanted |= {"/sub/built": file} if is_built else {}
    found = [re.sub(r"^(100|40|4)", "", line) for line in owned(tree)]
    assert found == [f"{wanted[path]} /srv/x{path}" for path in sorted(wanted)]


def test_an_empty_folder_of_ones_own(tree: Tree) -> None:
    """Which git cannot hold; and one within a folder that is packaged otherwise."""
    files = """{"/var/lib/x": env.XsDir(mode=0o700, owner="bin"), "/opt/x": "share",
                "/opt/x/deep": env.XsDir(mode=0o711), "/opt/y/": env.XsDir()}"""
    build(tree, files)
    assert [line for line in owned(tree) if line[0] == "4"] == [
        "40755 root:root /opt/x",
        "40711 root:root /opt/x/deep",
        "40755 root:root /opt/y",
        "40700 bin:root /var/lib/x",
    ]


def test_configuration_in_a_folder_is_configuration(tree: Tree) -> None:
    tree.declare('env.Userspace("x", version="1", config={"/etc/x": "share"})\n', head=HEAD)
    tree.scons().good()
    assert asked(rpm_of(tree), "-c").split() == ["/etc/x/deep/two", "/etc/x/one"]


@pytest.mark.parametrize(
    "mode", ["755", "644", "600", "700", "640", "750", "777", "400", "500", "1777", "2755", "555"]
)
def test_a_mode_in_decimal_is_refused(tree: Tree, mode: str) -> None:
    tree.declare(
        f'env.Userspace("x", version="1", files={{"/opt/a": env.XsFile("a.txt", mode={mode}),\n'
        f'    "/opt/b": env.XsFile("a.txt", mode="{mode}"), "/opt/c": env.XsFile("a.txt", mode=0o{mode})}})\n',
        head=HEAD,
    )
    rule = f"the mode of /opt/a is given in decimal, it would be 0o{int(mode):o}"
    remedy = f'write mode=0o{mode}, or mode="{int(mode):04o}" if that is meant'
    assert tree.scons().refused() == [f"SConstruct:2: Userspace 'x': files={mode}: {rule}; {remedy}"]
