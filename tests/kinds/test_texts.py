"""Texts of declarations arrive as they were written, or are refused with a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rebuild.lab import kernel
from support import need
from trees import Tree

from xspack_tool.kinds import all_kinds
from xspack_tool.rpm.read import read_rpm

FIELDS = [(kind.__name__, name) for kind in all_kinds() for name in kind.FIELDS]


def test_a_control_character_in_any_field(tmp_path: Path) -> None:
    """As a text, in a list, as a key or a value of a table: the field is named, and where it is."""
    forms = ('"a\\x0c"', '["b", "a\\x0c"]', '{"a\\x0c": "b"}', '{"b": ["a\\x0c"]}')
    tree = Tree(tmp_path / "tree").write({"f": "f\n"})
    lines = [f'env.{kind}("f", {field}={form})\n' for kind, field in FIELDS for form in forms]
    mistakes = tree.declare("".join(lines)).scons("build").refused()
    first = 2  # the line after the environment
    for at, (kind, field) in enumerate(FIELDS):
        for line in range(first + at * len(forms), first + (at + 1) * len(forms)):
            said = re.compile(rf"SConstruct:{line}: {kind} 'f': {field}='a\\x0c': .*U\+000C at character 2;")
            assert any(map(said.match, mistakes)), (kind, field, line)


TEXTS = """\
kw = dict(version="2", description="Sends reports.\\n#1 in reliability\\n  # and more\\nC# in C:\\\\", changelog=[
    "2026-11-20 A <a@b.example> 2-1\\n#1234 fixed\\n- b", "2026-11-01 A <a@b.example> 1-1\\n- first\\n#end"])
env.Userspace("one", files={"/opt/f": "f"}, scripts={"post": "# a\\n#%if\\necho 'a\\\\%{b' \\\\"}, **kw)
env.Firmware("two", files={"f": "f"}, **kw)
env.KernelModule("three", source="driver", ddk="kernel", **kw)
"""


def test_lines_that_begin_with_a_hash(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write(
        {"f": "f\n", "driver/Kbuild": "obj-m := a.o\n", "driver/a.c": "int a;\n"}
    )
    tree.write({f"kernel/{name}": text for name, text in kernel().items()})
    tree.declare(TEXTS).scons("build/rpms").good()
    found = {info.name: info for info in map(read_rpm, (tree.path / "build/rpms").rglob("*.rpm"))}
    assert set(found) == {"one", "two", "three"}
    for info in found.values():
        assert info.description == "Sends reports.\n#1 in reliability\n  # and more\nC# in C:\\"
        assert [entry[2] for entry in info.changelog] == ["#1234 fixed\n- b", "- first\n#end"]
    assert [script.text for script in found["one"].scripts] == ["# a\n#%if\necho 'a\\%{b' \\"]


@pytest.mark.parametrize(
    ("given", "field", "line"),
    [
        ('description="a\\n#1 in b"', "description='#1 in b'", 2),
        ('changelog=["2026-11-20 A <a@b.example> 2-1\\n#12 fixed"]', "changelog='#12 fixed'", 1),
    ],
)
def test_what_rpmbuild_would_drop_is_refused(tmp_path: Path, given: str, field: str, line: int) -> None:
    """Before anything is built, where rpmbuild writes by choice, or a driver's source RPM; where it is found to be
    needed while files are read (a script in Perl), then."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"f": "f\n", "p": "#!/usr/bin/perl\nuse strict;\n"})
    tree.write({"driver/Kbuild": "obj-m := a.o\n", "driver/a.c": "int a;\n"})
    tree.write({f"kernel/{name}": text for name, text in kernel().items()})
    tree.declare(
        f'more = dict(version="2", {given})\n'
        'env.Userspace("one", files={"/opt/f": "f"}, XSPACK_WRITER="rpmbuild", **more)\n'
        'env.Userspace("two", files={"/opt/p": env.XsFile("p", mode=0o755)}, **more)\n'
        'env.KernelModule("three", source="driver", ddk="kernel", **more)\n'
    )
    rule = f"{field}: rpmbuild takes line {line} for a comment and leaves it out; put a word before the #"
    said = [
        f"SConstruct:{at}: {target}: {rule}"
        for at, target in ((3, "Userspace 'one'"), (5, "KernelModule 'three'"))
    ]
    assert tree.scons("build").refused() == said
    tree.scons("build/rpms/three-2-1.x86_64.rpm").good()
    ran = tree.scons("build/rpms/two-2-1.x86_64.rpm")
    assert ran.status == 2 and "for a comment and leaves it out; put a word before the #" in ran.said
