"""Packages of every form that a declaration can have: (name, package, inputs), for the two writers to be compared."""

from __future__ import annotations

import datetime
import gzip
import lzma
import random
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart

FILE = FileEntry
BINARY = Package("case", "1.0", "1", "A case", "MIT")
PLAIN = replace(BINARY, arch="noarch")
#: Names that rpm, shells, globs or XML take for something else.
FUNNY = (
    *("a b", " lead", "trail ", "ümlaut", "日本", "100%", "%files", "%%", "[x]", "{a,b}", "a*", "a?", "~", "a~"),
    "%{x}",
    *("#hash", "back\\slash", 'quo"te', "apo'strophe", "do$llar", "`tick`", "semi;colon", "am&per", "<tag>", "-dash"),
    *("[a]{b,c}*%~", "a{b}{c,d}", "[!x]", "[a-z]", "]["),
    *(".hidden", "a=b", "a:b", "comma,", "(paren)", "^", "!", "pipe|", "x" * 240),
)  # fmt: skip
_SCRIPT = (
    '# a comment, 50% of it\necho "100%" \\\n    two\nprintf \'%s %d\\n\' "$1" 5\ncat <<EOF\n\n  %{kept}\nEOF\n'
    "test -d /x && date +%Y%m%d || :"
)
_ALL_PHASES = ("pretrans", "pre", "post", "preun", "postun", "posttrans")


@dataclass(frozen=True)
class Case:
    """A package, its inputs in the order of what has no text, and how its payload is to be written."""

    plain: Package
    inputs: list[Path] = field(default_factory=list)
    payload: str = "w2.xzdio"
    time: int = 1763632800

    @property
    def contents(self) -> dict[str, Path]:
        return {str(number): path for number, path in enumerate(self.inputs)}

    @property
    def package(self) -> Package:
        """The package with names for its inputs."""
        names = map(str, range(len(self.inputs)))
        entries = tuple(
            replace(entry, source=next(names))
            if entry.kind in ("file", "archive") and entry.text is None
            else entry
            for entry in self.plain.entries
        )
        scripts = tuple(
            replace(
                script,
                parts=tuple(replace(p, source=next(names)) if p.text is None else p for p in script.parts),
            )
            for script in self.plain.scripts
        )
        return replace(self.plain, entries=entries, scripts=scripts)


def texts(*contents: str, mode: int = 0o644) -> tuple[FileEntry, ...]:
    return tuple(FILE(f"/opt/t/{n}", "file", mode, text=text) for n, text in enumerate(contents))


def compile_files(folder: Path) -> dict[str, Path]:
    """ELF files of many forms, by name; gcc must be there."""

    def gcc(*words: str) -> None:
        subprocess.run(["gcc", *words], cwd=folder, check=True)

    (folder / "lib.c").write_text("int acme(void) { return 5; }\n")
    (folder / "main.c").write_text("int acme(void); int main(void) { return acme(); }\n")
    (folder / "alone.c").write_text("int main(void) { return 0; }\n")
    (folder / "lib.map").write_text("ACME_1.0 { global: acme; };\nACME_1.1 { } ACME_1.0;\n")
    gcc(
        "-shared", "-fPIC", "-Wl,-soname,libacme.so.1,--version-script=lib.map", "-o", "libacme.so.1", "lib.c"
    )
    gcc("-shared", "-fPIC", "-o", "plugin.so", "lib.c")
    gcc("-shared", "-fPIC", "-o", "libnoname.so", "lib.c")
    gcc("-o", "main", "main.c", "./libacme.so.1")
    gcc("-no-pie", "-o", "main-nopie", "main.c", "./libacme.so.1")
    gcc("-Wl,--hash-style=sysv", "-o", "main-sysv", "main.c", "./libacme.so.1")
    gcc("-Wl,--hash-style=both", "-o", "main-both", "main.c", "./libacme.so.1")
    gcc("-static", "-o", "main-static", "alone.c")
    gcc("-s", "-o", "main-stripped", "main.c", "./libacme.so.1")
    gcc("-g", "-o", "main-debug", "main.c", "./libacme.so.1")
    gcc("-c", "-o", "obj.o", "lib.c")
    image = bytearray((folder / "main").read_bytes())
    struct.pack_into("<Q", image, 40, 0)
    struct.pack_into("<H", image, 60, 0)
    (folder / "no-sections").write_bytes(image)
    (folder / "mod.ko.xz").write_bytes(lzma.compress((folder / "obj.o").read_bytes()))
    (folder / "mod.ko.gz").write_bytes(gzip.compress((folder / "obj.o").read_bytes(), mtime=0))
    return {path.name: path for path in folder.iterdir() if path.suffix not in (".c", ".map")}


def cases(folder: Path) -> Iterator[tuple[str, Case]]:  # noqa: PLR0915  # a list of cases
    """The packages that need no compiler."""

    def data(name: str, content: bytes | str, mode: int = 0o644) -> Path:
        place = folder / name
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    rand = random.Random(7)
    yield "empty", Case(PLAIN)
    yield "empty-x86", Case(BINARY)
    yield "one-dir", Case(replace(PLAIN, entries=(FILE("/opt/a", "dir"),)))
    yield "zero-byte", Case(replace(PLAIN, entries=(*texts(""), FILE("/opt/b", "file", 0o755, text=""))))
    yield "roles", Case(replace(BINARY, entries=_roles()), [data("program", "#!/bin/sh\n", 0o700)])
    links = (
        FILE("/usr/share/doc/x/l", "link", link="y"),
        FILE("/etc/l", "link", link="/etc/m", role="config"),
    )
    yield "doc-link", Case(replace(PLAIN, entries=links))
    modes = [0o640 if set(n) & set('"\\') else 0o644 if i % 2 else 0o600 for i, n in enumerate(sorted(FUNNY))]
    yield (
        "funny",
        Case(
            replace(
                PLAIN,
                entries=tuple(
                    FILE(f"/opt/f/{n}", "file", mode) for n, mode in zip(sorted(FUNNY), modes, strict=True)
                ),
            ),
            [data(f"funny{i}", f"content of {n}") for i, n in enumerate(sorted(FUNNY))],
        ),
    )
    paths = ["/a/b/x", "/a/c", "/a/b-c/d", "/a/b/y/z", "/a/d", "/a.b/c", "/a/b/z", "/z", "/a/e/f", "/a/zz"]
    yield "dirs-unsorted", Case(replace(PLAIN, entries=tuple(FILE(p, "file", text=p) for p in paths)))
    yield "metadata", Case(_metadata())
    parts = lambda phase: (ScriptPart(f"{_SCRIPT}\n# {phase}\n\n"), ScriptPart("x  \n"))  # noqa: E731
    yield "scripts", Case(replace(PLAIN, scripts=tuple(Script(p, parts(p)) for p in _ALL_PHASES)))
    from_files = (
        Script("post", (ScriptPart(None),), "/usr/bin/python3"),
        Script("preun", (ScriptPart("\n \n"),)),
        Script("postun", (ScriptPart(None),), "/bin/bash"),
    )
    yield (
        "script-files",
        Case(
            replace(PLAIN, scripts=from_files),
            [
                data("post.py", "#!/usr/bin/python3\nprint('%s' % 1)\n"),
                data("postun.sh", "#!/bin/bash\necho ü\r\n"),
            ],
        ),
    )
    yield "changelog", Case(replace(PLAIN, changelog=_changelog()))
    start = datetime.date(2000, 1, 1)
    long = tuple(
        ChangelogEntry(
            start + datetime.timedelta(days=n), f"A{n} <a@b> 1-{n}", f"- change {n}\n- and {n * 7}"
        )
        for n in range(1200)
    )
    yield "long-changelog", Case(replace(PLAIN, changelog=long))
    first_lines = (
        *("#!/bin/sh\n", "#!/bin/bash -eu\nexit 0\n", "#! \t /usr/bin/python3\n", "#!/bin/sh\r\nexit 0\r\n"),
        *("#!/usr/bin/env bash\n", "#!/usr/bin/env /opt/acme/shell\n", "#!/bin/sh", "#!relative\n"),
        *(
            "\n#!/bin/late\n",
            "#!/opt/acme/%name\n",
            "#!/opt/a'b\n",
            "#!\n",
            "#!/bin/sh\0\1\2binary",
            "# plain\n",
        ),
        *(
            "#!/usr/bin/awk -f\n",
            "#!/usr/bin/node\n",
            "#!/usr/bin/lua\n",
            "#!/usr/bin/make -f\n",
            "#!/bin/ksh\n",
        ),
        *(
            "#!/usr/bin/php\n",
            "#!/usr/bin/tclsh\n",
            "#!/usr/bin/ruby\n",
            "#!/opt/acme/own --x\n",
            "#!/bin/\u00fc\n",
        ),
        "#!/usr/bin/env python3\nimport os\n",
    )
    yield "interpreters", Case(replace(PLAIN, entries=texts(*first_lines, mode=0o755)))
    yield "not-executable", Case(replace(PLAIN, entries=texts(*first_lines)))
    kinds = (
        *("plain\n", "<?xml version='1.0'?>\n<a/>\n", "<html><body></body></html>\n", ".TH A 1\n.SH NAME\n"),
        *(
            '{"a": 1}\n',
            "[Unit]\nDescription=x\n",
            "P" * 70000,
            "\u00e9\u4e2d\n",
            "#include <a.h>\nint main() {}\n",
        ),
        *(
            "From: a@b\nSubject: c\n\n",
            "%PDF-1.4\n",
            "-----BEGIN CERTIFICATE-----\nMII\n",
            "import os\n",
            "\r\n\r\n",
        ),
    )
    yield "kinds", Case(replace(PLAIN, entries=texts(*kinds)))
    suffixes = ("a.c", "a.h", "a.la", ".c", "x.cc")
    by_name = tuple(FILE(f"/opt/s/{n}", "file", text="x\n") for n in suffixes)
    yield "suffixes", Case(replace(PLAIN, entries=by_name))
    device = (FILE("/dev/x", "file", text="abc\n"), FILE("/dev/y", "link", link="x"), FILE("/dev", "dir"))
    yield "dev", Case(replace(PLAIN, entries=device))
    yield "python", Case(replace(PLAIN, entries=_python()))
    yield "unit", Case(_unit())
    yield "aarch64", Case(replace(BINARY, arch="aarch64", entries=texts("x")))
    yield "i686", Case(replace(BINARY, arch="i686", entries=texts("#!/bin/sh\n", mode=0o755)))
    odd = replace(
        BINARY, name="libacme++-1.0_x", version="1.2.3+git~a", release="4.el7.5", entries=texts("x")
    )
    yield "odd-name", Case(odd)
    yield "long-name", Case(replace(BINARY, name="n" * 80, entries=texts("x")))
    config = (FILE("/etc/a", "file", text="x", role="config"),)
    after = (Dependency("case", "=", "12:1.0-1"),)
    yield "epoch-config", Case(replace(BINARY, epoch=12, entries=config, requires=after))
    yield "no-automatic", Case(replace(BINARY, automatic_dependencies=False, entries=config))
    much = replace(PLAIN, entries=texts("abc\n" * 1000))
    for payload in ("w9.gzdio", "w1.gzdio", "w6.xzdio", "w0.xzdio", "w9.xzdio", "w0.ufdio", "w.ufdio"):
        yield f"payload-{payload}", Case(much, payload=payload)
    many = tuple(FILE(f"/opt/many/{n % 37}/{n:05d}", "file", text=f"{n}\n") for n in range(1500))
    yield "many", Case(replace(PLAIN, entries=many))
    yield (
        "fillers",
        Case(replace(PLAIN, entries=tuple(FILE(f"/o/{n}", "file", text="x" * n) for n in range(9)))),
    )
    half = data("mid.bin", rand.randbytes(1 << 20) + b"text and text\n" * (1 << 17))
    yield "middle", Case(replace(PLAIN, entries=(FILE("/opt/data", "file"),)), [half])
    link_names = (
        FILE("/opt/l1", "link", link="/usr/bin/python3"),
        FILE("/opt/l2", "link", link="../x y"),
        FILE("/opt/l3.c", "link", link="a.c"),
        FILE("/opt/l4", "link", link="日本"),
    )
    yield "links", Case(replace(PLAIN, entries=link_names))
    named = ("rpmlib(X) <= 1", "/bin/sh", "config(case) = 1.0-1", "libc.so.6(GLIBC_2.4)(64bit)")
    needed = tuple(Dependency(*one.split()) for one in named)
    both = (*config, FILE("/opt/s", "file", 0o755, text="#!/bin/sh\n"))
    yield "rpm-lib", Case(replace(PLAIN, requires=needed, entries=both))
    padded = {"summary": "  padded  ", "vendor": " v ", "packager": " p ", "group": "  g "}
    yield "blanks", Case(replace(PLAIN, **padded, description="   lead\n\ttab  \n"))
    prefix = (
        FILE("/usr/share/docker/x", "file", 0o755, text="#!/bin/sh\n"),
        FILE("/usr/share/doc/y", "file", 0o755, text="#!/bin/ksh\n"),
        FILE("/usr/share/man/z", "file", text="z"),
        FILE("/usr/doc/z", "file", text="z"),
    )
    yield "doc-prefix", Case(replace(PLAIN, entries=prefix))
    all_modes = (0, 0o1, 0o10, 0o100, 0o111, 0o444, 0o644, 0o755, 0o1755, 0o2755, 0o4755, 0o7777)
    with_modes = tuple(FILE(f"/opt/m{m:04o}", "file", m, text="#!/bin/sh\n") for m in all_modes)
    yield "modes", Case(replace(PLAIN, entries=with_modes))
    yield "oldest", Case(replace(PLAIN, entries=texts("x")), time=1)
    yield "newest", Case(replace(PLAIN, entries=texts("x")), time=4102444800)
    strange = "a\r\nb \r\n\x0bc\u2028d\x85e\n\nend\n"
    scripts = (
        Script("pre", (ScriptPart("echo a\r\necho b\\\n"),)),
        Script("post", (ScriptPart("  \n"),)),
        Script("preun", ()),
        Script("postun", (ScriptPart("\n\n  x\n\n\t\n"),)),
    )
    yield "line-ends", Case(replace(PLAIN, description=strange, scripts=scripts))
    yield "no-group", Case(replace(PLAIN, group="", license=" MIT AND (GPL-2.0-only) "))
    special = (FILE("/opt/a", "file", 0o4755, text=""), FILE("/opt/b", "file", 0o1644, text=""))
    yield "special-bits", Case(replace(PLAIN, entries=special))
    tilde = {"requires": (Dependency("a", ">=", "1~rc1"),), "provides": (Dependency("zz(x)", "=", "3"),)}
    yield "tilde", Case(replace(PLAIN, **tilde))
    archive = folder / "modules.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("z.ko", "deep/a.ko"):
            tar.add(data("member", f"module {name}" * 999), name)
    yield "archive", Case(replace(BINARY, entries=(FILE("/lib/modules/1/updates", "archive"),)), [archive])
    big = data(
        "big.bin", b"".join(rand.randbytes(700_000) + b"the quick brown fox\n" * 60_000 for _ in range(10))
    )
    yield "blocks", Case(replace(PLAIN, entries=(FILE("/opt/big", "file"), *texts("s"))), [big])
    edge = data("edge.bin", bytes(18 * (1 << 20)))
    yield "blocks-zeros", Case(replace(PLAIN, entries=(FILE("/opt/big", "file"),)), [edge])


def elf_cases(files: dict[str, Path]) -> Iterator[tuple[str, Case]]:
    """The packages of compiled files."""
    names = sorted(files)
    for mode in (0o755, 0o644):
        entries = tuple(FILE(f"/opt/acme/lib/{name}", "file", mode) for name in names)
        yield f"elf-{mode:o}", Case(replace(BINARY, entries=entries), [files[name] for name in names])
    special = (FILE("/opt/a", "file", 0o6755), FILE("/opt/b", "file", 0o2711), FILE("/opt/c", "file", 0o4000))
    chosen = [files["main"], files["libacme.so.1"], files["main"]]
    yield "elf-special", Case(replace(BINARY, entries=special), chosen)
    silent = replace(BINARY, automatic_dependencies=False, entries=(FILE("/usr/bin/main", "file", 0o755),))
    yield "elf-silent", Case(silent, [files["main"]])
    ghost = (
        FILE("/etc/g", "file", role="ghost", text="abc"),
        FILE("/usr/bin/g", "file", 0o755, role="ghost"),
    )
    yield "elf-ghost", Case(replace(BINARY, entries=ghost), [files["main"]])
    yield "noarch-object", Case(replace(PLAIN, entries=(FILE("/opt/x.ko", "file"),)), [files["obj.o"]])


def _roles() -> tuple[FileEntry, ...]:
    return (
        FILE("/etc/acme.conf", "file", 0o640, "acme", "adm", text="a", role="config"),
        FILE("/etc/acme-missing.conf", "file", text="a", role="config-missingok"),
        FILE("/etc/acme-other.conf", "file", text="a", role="config-replace"),
        FILE("/etc/acme-third.conf", "file", text="a", role="config-replace-missingok"),
        FILE("/opt/acme", "dir", 0o2750, "acme", "acme"),
        FILE("/opt/acme/absolute", "link", link="/etc/acme.conf"),
        FILE("/opt/acme/dangling", "link", link="no such"),
        FILE("/opt/acme/empty", "dir"),
        FILE("/opt/acme/program", "file"),
        FILE("/opt/acme/relative", "link", link="../acme/program"),
        FILE("/opt/acme/secret", "file", 0o000, text="s"),
        FILE("/opt/acme/setuid", "file", 0o4755, text="x"),
        FILE("/opt/acme/sticky", "dir", 0o1777),
        FILE("/usr/share/doc/acme", "dir", role="doc"),
        FILE("/usr/share/doc/acme/README", "file", text="read", role="doc"),
        FILE("/usr/share/licenses/acme/COPYING", "file", text="copy", role="license"),
        FILE("/usr/share/man/man1/acme.1", "file", text=".TH ACME 1\n.SH NAME\nacme\n"),
        FILE("/var/g", "dir", role="ghost"),
        FILE("/var/log/acme.log", "file", 0o600, text="", role="ghost"),
        FILE("/var/log/acme.sh", "file", 0o755, text="#!/bin/ghost\n", role="ghost"),
    )


def _metadata() -> Package:
    return Package(
        name="acme-agent",
        version="5.2~rc1",
        release="1.el7",
        epoch=3,
        summary="Uses 100% of %{nothing}",
        license="GPL-2.0-only",
        description="First line.\n\n%macro and %% stay.  \nlast\\\nline \\\n\n\n",
        vendor="Ääcme & Sons",
        packager="Acme <builds@acme.example>",
        url="https://acme.example/%20x",
        requires=(
            Dependency("python3", ">=", "3.6"),
            *map(Dependency, ("bash", "bash", "zlib")),
            Dependency("sh-utils", "<", "2~a"),
        ),
        requires_post=(Dependency("/usr/sbin/depmod"), Dependency("bash")),
        requires_postun=(Dependency("/usr/sbin/depmod"),),
        provides=(Dependency("vendor-driver"), Dependency("v", "=", "1:2-3")),
        conflicts=(Dependency("acme-legacy", "<", "2"),),
        obsoletes=(Dependency("acme-old", "<=", "1:1.0-3"), Dependency("acme-older")),
    )


def _changelog() -> tuple[ChangelogEntry, ...]:
    day = datetime.date
    return (
        ChangelogEntry(day(2026, 1, 2), "Acme <b@acme.example> 1-1", "- first\n* a star"),
        ChangelogEntry(
            day(2026, 11, 20),
            "Ünal  <b@acme.example>  2-1",
            "- 50% of %{it}\n  - deeper\n\n- blank above\n %%\u2028sep",
        ),
        ChangelogEntry(day(2024, 2, 29), "x", "leap"),
        ChangelogEntry(day(2026, 1, 2), "Other", "* same day"),
    )


def _python() -> tuple[FileEntry, ...]:
    return (
        FILE("/usr/lib/python3.6/site-packages/acme/__init__.py", "file", text="import os\n"),
        FILE("/usr/lib64/python2.7/x.so", "file", text="x"),
        FILE("/usr/lib/python3.6/dir.py", "dir"),
        FILE("/usr/lib/python3.6/l.py", "link", link="x.py"),
        FILE("/usr/bin/python3.9", "file", 0o755, text="#!/bin/sh\n"),
        FILE("/usr/lib/python3.6/site-packages/a.dist-info", "dir"),
        FILE("/opt/python3.6/a.py", "file", 0o755, text="#!/usr/bin/env python3\n"),
        FILE("/usr/lib/python3.6/y/usr/lib/python3.7/z.py", "file", text=""),
    )


def _unit() -> Package:
    entries = (
        FILE("/usr/lib/systemd/system/acme.service", "file", text="[Unit]\nDescription=Acme\n"),
        FILE("/etc/udev/rules.d/70-acme.rules", "file", text='ACTION=="add"\n', role="config"),
        FILE("/etc/logrotate.d/acme", "file", text="/var/log/x {\n}\n", role="config"),
    )
    scripts = (
        Script("post", (ScriptPart("systemctl daemon-reload\n"),)),
        Script("preun", (ScriptPart("if [ $1 = 0 ]; then :; fi"),)),
        Script("postun", (ScriptPart(":"),)),
    )
    return replace(PLAIN, entries=entries, scripts=scripts)
