"""Folders as payload: those that the build fills, and modes and owners of what is in them."""

from __future__ import annotations

import re

import pytest
from payloads import HEAD, RPM, build, modes, rpm_of, tree
from rpm_asked import asked, query
from trees import Tree

__all__ = ["tree"]


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


# Modes and owners


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
