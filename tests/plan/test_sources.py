"""What a declaration names, as files: folders file by file, links, several files, what is still to be built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import SCons.Environment
from payloads import HEAD, RPM, build, content, modes, tree
from rebuild.lab import kernel
from support import need
from trees import Tree, fields

import xspack_tool
from xspack_tool.plan.sources import TreeItem, walk

__all__ = ["tree"]


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
    assert '"name":"x"' in kept
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


BUILT = 'env.Command("{0}", "new", Copy("$TARGET", "$SOURCE"))\n'
FILE = 'env.Userspace("x", version="1", files={"/opt/a": "a.txt"})\n'
READ = "it must exist while the SConstruct is read, and is built later"


@pytest.mark.parametrize("first", [True, False])
def test_a_profile_that_is_built_is_refused(tree: Tree, first: bool) -> None:
    """It is read while the SConstruct is, and would count as an earlier build left it."""
    profile = next(Path(xspack_tool.__file__).parent.rglob("xcp-ng-8.3.toml")).read_text()
    tree.write({"mine.toml": profile, "new": profile.replace(".xcpng8.3", ".new")})
    built = BUILT.format("mine.toml")
    head = HEAD.rstrip(" )\n") + ')\nenv["XSPACK_TARGET"] = "./mine.toml"\n'
    tree.declare(built + FILE if first else FILE + built, head=head)
    (said,) = tree.scons().refused()
    assert said.endswith(f"XSPACK_TARGET='mine.toml': {READ}; commit the file")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["Module.symvers", "include/generated/utsrelease.h"])
def test_a_kernel_tree_that_is_built_is_refused(tree: Tree, first: bool, name: str) -> None:
    files = {f"kernel/{path}": text for path, text in kernel().items()}
    tree.write({**files, "new": "", "driver/a.c": "", "driver/Kbuild": "obj-m := a.o\n"})
    built = BUILT.format(f"kernel/{name}")
    driver = 'env.KernelModule("a", version="1", source="driver", ddk="kernel")\n'
    tree.declare(built + driver if first else driver + built, head=HEAD)
    assert any(
        said.endswith(f"ddk='kernel/{name}': {READ}; build the kernel before, in a run of its own")
        for said in tree.scons().refused()
    )


def test_pointers_in_the_place_of_files(tmp_path: Path) -> None:
    """A device would be given them, and of a driver's sources the compiler, who says something else."""
    lfs = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    tree = Tree(tmp_path / "tree").write({f"kernel/{path}": content for path, content in kernel().items()})
    tree.write(
        {"lfs.bin": lfs, "good.bin": "version 1\n", "driver/Kbuild": "obj-m := a.o\n", "driver/a.c": ""}
    )
    tree.write({"other/Kbuild": "obj-m := a.o\n", "other/a.c": "", "other/deep/lfs.bin": lfs})
    (tree.path / "other/annex.bin").symlink_to("../.git/annex/objects/ab/cd/SHA256E-s5/SHA256E-s5")
    (tree.path / "other/none.h").symlink_to("../made/later.h")
    (tree.path / "annex.bin").symlink_to(".git/annex/objects/ab/cd/SHA256E-s5--0.bin/SHA256E-s5--0.bin")
    tree.declare(
        'files = {f"acme/{name}": f"{name}.bin" for name in ("lfs", "annex", "good")}\n'
        'env.Firmware("f", version="1", license="MIT", kernel="6.1.0-acme", files=files)\n'
        'env.KernelModule("d", version="1", license="MIT", source="driver", ddk="kernel", firmware=files)\n'
        'env.KernelModule("o", version="1", license="MIT", source="other", ddk="kernel")\n'
    )
    said = [line.partition("': ")[2] for line in tree.scons("build/rpms").refused()]
    pointers = [("annex", "git-annex", "git annex get"), ("lfs", "Git LFS", "git lfs pull")]
    folders = {"annex": "other", "lfs": "other/deep"}
    assert sorted(said) == [
        f"{field}='{place}{name}.bin': a pointer of {what}, not the file itself; fetch it: {command} {name}.bin"
        for field in ("files", "firmware", "source")
        for name, what, command in pointers
        for place in [f"{folders[name]}/" if field == "source" else ""]
    ]
