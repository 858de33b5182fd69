"""What a declaration says of a payload beyond its files: kinds of configuration, ghosts, what rpm finds by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from rpm_asked import query
from support import need
from trees import Tree

HEAD = 'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="MIT")\n'
FORM = 'write it as "name >= version"'
LIBRARY = """\
lib = env.SharedLibrary("libcrypto.so.10", "l.c", SHLIBPREFIX="", SHLIBSUFFIX="",
                        LINKFLAGS="-shared -Wl,-soname,libcrypto.so.10")
prog = env.Program("prog", "m.c", LIBS=[File("libcrypto.so.10")])
files = {"/opt/x/lib/libcrypto.so.10": lib, "/opt/x/bin/prog": prog, "/opt/x/bin/sh": env.XsFile("t.sh", mode=0o755)}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpm")
    return Tree(tmp_path / "tree").write({"a.conf": "a", "b.conf": "b", "c.conf": "c", "d.conf": "d"})


def header(tree: Tree, form: str) -> list[str]:
    return query(next((tree.path / "build/rpms").glob("x-*.rpm")), form)


def test_kinds_of_configuration_and_ghosts(tree: Tree) -> None:
    tree.declare(
        """env.Userspace("x", version="1", arch="noarch", ghost={"/var/log/x.log": 0o640, "/etc/x.state": "0600"},
    config={"/etc/a": "a.conf", "/etc/b": env.XsConfig("b.conf", noreplace=False, mode=0o600),
            "/etc/c": env.XsConfig("c.conf", missingok=True),
            "/etc/d": env.XsConfig("d.conf", noreplace=False, missingok=True, group="adm")})
""",
        head=HEAD,
    ).scons("build").good()
    assert header(tree, "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:octal} %{FILEGROUPNAME}\\n]") == [
        "/etc/a cn 100644 root",
        "/etc/b c 100600 root",
        "/etc/c cmn 100644 root",
        "/etc/d cm 100644 adm",
        "/etc/x.state g 100600 root",
        "/var/log/x.log g 100640 root",
    ]


@pytest.mark.parametrize(
    ("more", "provides", "requires"),
    [
        ("", True, True),
        ('hide_provides="libcrypto.so.10*"', False, True),
        ('hide_provides=["no", "libcrypto.so.1?(*"], hide_requires="libcrypto.so.10*"', False, False),
        ("automatic_provides=False", False, True),
        ("automatic_requires=False", True, False),
        ("automatic_provides=False, automatic_requires=False, requires='libcrypto.so.10'", False, False),
    ],
)
def test_what_rpm_finds_by_itself(tree: Tree, more: str, provides: bool, requires: bool) -> None:
    need("gcc")
    tree.write({"l.c": "int f(void) { return 1; }\n", "t.sh": "#!/bin/sh\n"})
    tree.write({"m.c": "int f(void);\nint main(void) { return f(); }\n"})
    declared = f'env.Userspace("x", version="1", files=files{", " * bool(more)}{more})\n'
    tree.declare(LIBRARY + declared, head=HEAD).scons("build").good()
    name = "libcrypto.so.10()(64bit)"
    assert (name in header(tree, "[%{PROVIDES}\\n]")) == provides
    found = header(tree, "[%{REQUIRES}\\n]")
    assert (name in found) == requires
    automatic = "automatic_requires=False" not in more
    assert ("/bin/sh" in found) == automatic and ("libc.so.6()(64bit)" in found) == automatic
    assert "x" in header(tree, "[%{PROVIDES}\\n]")
    assert ("libcrypto.so.10" in found) == ("requires='" in more)


@pytest.mark.parametrize("pattern", ["a b", "lib[ab]", "a%{b}", "", "a\\\\", "^a"])
def test_a_pattern_that_is_none(tree: Tree, pattern: str) -> None:
    tree.declare(f'env.Userspace("x", version="1", hide_requires=["{pattern}"])\n', head=HEAD)
    rule = "a pattern must be a name in which * and ? stand for any characters; write it as 'libcrypto.so.*'"
    shown = pattern.replace("\\\\", "\\")
    assert tree.scons("build").refused() == [f"SConstruct:2: Userspace 'x': hide_requires={shown!r}: {rule}"]


def test_triggers(tree: Tree) -> None:
    tree.write({"t.sh": "#!/bin/bash\necho file\n"})
    tree.declare(
        """env.Userspace("x", version="1", arch="noarch", scripts={"posttrans": "echo last"}, triggers={
    "triggerin kernel-xen >= 4.19": "echo 100% in $1", "triggerun kernel-xen": "echo un",
    "triggerpostun bash, x < 2:1-1": File("t.sh"), "triggerprein dash": ""})
""",
        head=HEAD,
    ).scons("build").good()
    assert header(tree, "[%{TRIGGERTYPE} %{TRIGGERCONDS}|%{TRIGGERSCRIPTPROG}|%{TRIGGERSCRIPTS}\\n]") == [
        "in kernel-xen >= 4.19|/bin/sh|echo 100% in $1",
        "postun bash, x < 2:1-1|/bin/bash|#!/bin/bash",
        "echo file",
        "prein dash|/bin/sh|",
        "un kernel-xen|/bin/sh|echo un",
    ]
    assert header(tree, "%{POSTTRANS}") == ["echo last"]
    assert tree.scons("build").good().built == set()
    (tree.path / "t.sh").write_text("#!/bin/bash\necho other\n")
    assert tree.scons("build").good().built == {"build/rpms/x-1-1.noarch.rpm"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trigerin bash", "triggers='trigerin bash': no such trigger; did you mean 'triggerin'?"),
        (
            "triggerin",
            f"triggers='': a dependency must be a name, or name, operator and version with blanks between; {FORM}",
        ),
    ],
)
def test_a_trigger_that_is_none(tree: Tree, words: str, said: str) -> None:
    tree.declare(f'env.Userspace("x", version="1", triggers={{"{words}": "true"}})\n', head=HEAD)
    assert tree.scons("build").refused() == [f"SConstruct:2: Userspace 'x': {said}"]
