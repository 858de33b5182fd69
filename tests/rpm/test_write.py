"""RPMs as they are written, looked at with rpm itself."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from rpm_asked import query, requires
from rpm_packages import FUNNY as _FUNNY
from support import entry, need, need_root

from xspack_tool.errors import StepError
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.write import RPM_HOME, SCRIPT_GENERATOR, payload_option, rpmbuild_command, write_rpm

TIME = 1763632800
SMALL = Package(name="small", version="1", release="1", summary="A small thing", license="MIT", arch="noarch")
#: Names that rpmbuild's patterns and macros take for something else, too.
FUNNY = (
    *_FUNNY,
    *(
        "%{lua:io.open('a','w')} 5%",
        "it's 'a*'",
        "Release notes [v2].txt",
        "50% faster.txt",
        "a * b",
        "a ? b",
    ),
    *("{a, b}", "} {", "a [b", "% dir", 'say "b"', "back \\ slash"),
)


def write(
    package: Package, folder: Path, contents: Mapping[str, Path] | None = None, payload: str = "w2.xzdio"
) -> Path:
    need("rpmbuild", "rpm")
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / package.file_name
    write_rpm(package, contents or {}, out, payload=payload, time=TIME)
    assert [path.name for path in folder.iterdir()] == [out.name]
    return out


def every_tag(rpm: Path) -> list[str]:
    """All that the header says, for a difference that can be read."""
    argv = ["rpm", "-qp", "--nosignature", "--xml", rpm]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


# Payload


def test_funny_names_keep_their_content_and_modes(tmp_path: Path) -> None:
    entries, contents = [], {}
    for number, name in enumerate(sorted(FUNNY)):
        source = tmp_path / "sources" / str(number)
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"content of {name}")
        # Modes differ, so that a pattern which fits two names would show.
        mode = 0o640 if set(name) & set('"\\') else 0o644 if number % 2 else 0o600
        entries.append(FileEntry(f"/opt/f/{name}", "file", mode, source=name))
        contents[name] = source
    rpm = write(replace(SMALL, entries=tuple(entries)), tmp_path / "out", contents)
    found = query(rpm, "[%{FILENAMES} %{FILEMODES:octal} %{FILEDIGESTS}\n]")
    assert sorted(found) == sorted(
        f"{one.path} 100{one.mode or 0:o} {hashlib.sha256(contents[one.source].read_bytes()).hexdigest()}"
        for one in entries
    )


@pytest.mark.parametrize("pair", [("a%b", "a*b"), ("a[b", "a]b"), ("x?", "x~"), ("x{", "x}")])
def test_names_that_one_pattern_would_fit_keep_their_own_modes(tmp_path: Path, pair: tuple[str, str]) -> None:
    entries = [
        FileEntry(f"/opt/{name}", "file", mode, owner=owner, text=name)
        for name, mode, owner in zip(pair, (0o600, 0o755), ("root", "bin"), strict=True)
    ]
    rpm = write(replace(SMALL, entries=tuple(entries)), tmp_path)
    found = query(rpm, "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}\n]")
    assert found == [f"/opt/{pair[0]} 100600 root", f"/opt/{pair[1]} 100755 bin"]


def test_modes_owners_links_and_folders(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o700)
    entries = (
        FileEntry("/etc/acme.conf", "file", 0o640, "acme", "adm", text="a", role="config"),
        FileEntry("/opt/acme", "dir", 0o2750, "acme", "acme"),
        FileEntry("/opt/acme/absolute", "link", link="/etc/acme.conf"),
        FileEntry("/opt/acme/dangling", "link", link="no such"),
        FileEntry("/opt/acme/empty", "dir"),
        FileEntry("/opt/acme/program", "file", source="program"),
        FileEntry("/opt/acme/relative", "link", link="../acme/program"),
        FileEntry("/opt/acme/secret", "file", 0o000, text="s"),
        FileEntry("/opt/acme/setuid", "file", 0o4755, text="x"),
        FileEntry("/usr/share/doc/acme/README", "file", text="read", role="doc"),
        FileEntry("/usr/share/licenses/acme/COPYING", "file", text="copy", role="license"),
        FileEntry("/var/log/acme.log", "file", 0o600, text="", role="ghost"),
    )
    rpm = write(replace(SMALL, entries=entries), tmp_path / "out", {"program": tmp_path / "program"})
    form = "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEFLAGS:fflags}| %{FILENAMES} %{FILELINKTOS}\n]"
    assert [line.rstrip() for line in query(rpm, form)] == [
        "-rw-r----- acme adm cn| /etc/acme.conf",
        "drwxr-s--- acme acme | /opt/acme",
        "lrwxrwxrwx root root | /opt/acme/absolute /etc/acme.conf",
        "lrwxrwxrwx root root | /opt/acme/dangling no such",
        "drwxr-xr-x root root | /opt/acme/empty",
        "-rwxr-xr-x root root | /opt/acme/program",
        "lrwxrwxrwx root root | /opt/acme/relative ../acme/program",
        "---------- root root | /opt/acme/secret",
        "-rwsr-xr-x root root | /opt/acme/setuid",
        "-rw-r--r-- root root d| /usr/share/doc/acme/README",
        "-rw-r--r-- root root l| /usr/share/licenses/acme/COPYING",
        "-rw------- root root g| /var/log/acme.log",
    ]
    assert set(query(rpm, "[%{FILEMTIMES}\n]")) == {str(TIME)}


def test_an_archive_is_unfolded(tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(b"module")
    (tmp_path / "a.ko").chmod(0o644)
    with tarfile.open(tmp_path / "modules.tar", "w") as archive:
        archive.add(tmp_path / "a.ko", "deep/a.ko")
    package = replace(SMALL, entries=(FileEntry("/lib/modules/1/updates", "archive", source="modules"),))
    rpm = write(package, tmp_path / "out", {"modules": tmp_path / "modules.tar"})
    assert query(rpm, "[%{FILENAMES} %{FILEMODES:octal}\n]") == ["/lib/modules/1/updates/deep/a.ko 100644"]


@pytest.mark.parametrize("name", ["../escape", "/absolute", "a/../../b"])
def test_an_archive_with_a_way_out_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    package = replace(SMALL, entries=(FileEntry("/opt/x", "archive", source="bad"),))
    with pytest.raises(StepError, match="is no plain file below the archive's root"):
        write_rpm(
            package, {"bad": tmp_path / "bad.tar"}, tmp_path / "out/x.rpm", payload="w2.xzdio", time=TIME
        )
    assert list(tmp_path.glob("out/*")) == []


def test_it_installs_as_declared(tmp_path: Path, scratch_root: Path) -> None:
    need_root()
    entries = (
        FileEntry("/opt/a/empty", "dir", 0o750),
        FileEntry("/opt/a/l", "link", link="t"),
        FileEntry("/opt/a/t", "file", 0o755, text="text\n"),
    )
    rpm = write(replace(SMALL, entries=entries), tmp_path)
    subprocess.run(["rpm", "--root", scratch_root, "-i", "--nosignature", "--nodeps", rpm], check=True)
    assert (scratch_root / "opt/a/t").read_text() == "text\n"
    assert os.readlink(scratch_root / "opt/a/l") == "t"
    assert stat.S_IMODE((scratch_root / "opt/a/empty").stat().st_mode) == 0o750


# Facts


def test_header_facts(tmp_path: Path) -> None:
    package = Package(
        name="acme-agent",
        version="5.2~rc1",
        release="1.el7",
        epoch=3,
        summary="Uses 100% of %{nothing}",
        license="GPL-2.0-only",
        description="First line.\n\n%macro and %% stay.",
        vendor="Ääcme & Sons",
        packager="Acme <builds@acme.example>",
        url="https://acme.example/%20x",
        requires=(Dependency("python3", ">=", "3.6"), Dependency("bash")),
        requires_post=(Dependency("/usr/sbin/depmod"),),
        provides=(Dependency("vendor-driver"),),
        conflicts=(Dependency("acme-legacy", "<", "2"),),
        obsoletes=(Dependency("acme-old", "<=", "1:1.0-3"),),
    )
    rpm = write(package, tmp_path)
    form = (
        "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SUMMARY}|%{LICENSE}|%{VENDOR}|%{PACKAGER}|%{URL}\n"
    )
    values = "acme-agent|3|5.2~rc1|1.el7|x86_64|Uses 100% of %{nothing}|GPL-2.0-only|Ääcme & Sons"
    assert query(rpm, form) == [f"{values}|Acme <builds@acme.example>|https://acme.example/%20x"]
    assert query(rpm, "%{DESCRIPTION}") == ["First line.", "", "%macro and %% stay."]
    assert set(requires(rpm)) == {"python3 >= 3.6", "bash", "/usr/sbin/depmod"}
    assert query(rpm, "[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\n]").count("/usr/sbin/depmod post") == 1
    assert query(rpm, "[%{PROVIDENEVRS}\n]") == [
        "acme-agent = 3:5.2~rc1-1.el7",
        "acme-agent(x86-64) = 3:5.2~rc1-1.el7",
        "vendor-driver",
    ]
    assert query(rpm, "[%{CONFLICTNEVRS}\n]") == ["acme-legacy < 2"]
    assert query(rpm, "[%{OBSOLETENEVRS}\n]") == ["acme-old <= 1:1.0-3"]
    assert query(rpm, "%{BUILDTIME} %{BUILDHOST} %{OS} %{RPMVERSION}\n")[0].startswith(
        f"{TIME} xspack linux "
    )


def test_scriptlets_are_as_they_were_written(tmp_path: Path) -> None:
    text = (
        '# a comment, 50% of it\necho "100%" \\\n    two\nprintf \'%s %d\\n\' "$1" 5\ncat <<EOF\n\n  %{kept}\nEOF\n'
        "test -d /x && date +%Y%m%d || :"
    )
    phases = ("pretrans", "pre", "post", "preun", "postun", "posttrans")
    scripts = tuple(Script(phase, (ScriptPart(f"{text}\n# {phase}"),)) for phase in phases)
    rpm = write(replace(SMALL, scripts=scripts), tmp_path)
    tags = ("PRETRANS", "PREIN", "POSTIN", "PREUN", "POSTUN", "POSTTRANS")
    for phase, tag in zip(phases, tags, strict=True):
        assert "\n".join(query(rpm, f"%{{{tag}}}\n")) == f"{text}\n# {phase}"
        assert query(rpm, f"%{{{tag}PROG}}\n") == ["/bin/sh"]


def test_a_scriptlet_of_a_file_in_its_own_interpreter(tmp_path: Path) -> None:
    (tmp_path / "post.py").write_text("#!/usr/bin/python3\nprint('%s' % 1)\n")
    package = replace(SMALL, scripts=(Script("post", (ScriptPart(None, "p"),), "/usr/bin/python3"),))
    rpm = write(package, tmp_path / "out", {"p": tmp_path / "post.py"})
    assert query(rpm, "%{POSTINPROG}\n%{POSTIN}\n") == [
        "/usr/bin/python3",
        "#!/usr/bin/python3",
        "print('%s' % 1)",
    ]
    assert set(requires(rpm)) == {"/usr/bin/python3"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/usr/bin/perl\n", "script post: p is for /usr/bin/perl, but the scriptlet runs in /bin/sh"),
        (b"echo \xff\n", "script post: p is not UTF-8"),
        (b"echo \0\n", "script post: p holds a NUL: no script"),
    ],
)
def test_a_built_scriptlet_that_cannot_be_one(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "p").write_bytes(content)
    package = replace(SMALL, scripts=(Script("post", (ScriptPart(None, "p"),)),))
    with pytest.raises(StepError) as caught:
        write_rpm(package, {"p": tmp_path / "p"}, tmp_path / "out/x.rpm", payload="w2.xzdio", time=TIME)
    assert str(caught.value).startswith(words)
    assert list(tmp_path.glob("out/*")) == []


def test_changelog(tmp_path: Path) -> None:
    older = entry("2026-01-02 Acme <b@acme.example> 1-1\n- first\n* a star")
    newer = entry("2026-11-20 Acme <b@acme.example> 2-1\n- 50% of %{it}")
    rpm = write(replace(SMALL, changelog=(older, newer)), tmp_path)
    assert query(rpm, "[%{CHANGELOGTIME:day}|%{CHANGELOGNAME}|%{CHANGELOGTEXT}\n]") == [
        "Fri Nov 20 2026|Acme <b@acme.example> 2-1|- 50% of %{it}",
        "Fri Jan 02 2026|Acme <b@acme.example> 1-1|- first",
        " * a star",
    ]


# Automatic dependencies


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a versioned symbol, and a program that uses it."""
    need("gcc")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "lib.c").write_text("int acme(void) { return 5; }\n")
    (folder / "main.c").write_text("int acme(void); int main(void) { return acme(); }\n")
    (folder / "lib.map").write_text("ACME_1.0 { global: acme; };\n")
    soname = "-Wl,-soname,libacme.so.1,--version-script=lib.map"
    subprocess.run(["gcc", "-shared", "-fPIC", soname, "-o", "libacme.so.1", "lib.c"], cwd=folder, check=True)
    subprocess.run(["gcc", "-o", "main", "main.c", "./libacme.so.1"], cwd=folder, check=True)
    return folder


def test_automatic_dependencies(tmp_path: Path, binaries: Path) -> None:
    (tmp_path / "tool").write_text("#!/opt/acme/python\n")
    entries = (
        FileEntry("/opt/acme/lib/libacme.so.1", "file", 0o755, source="lib"),
        FileEntry("/opt/acme/main", "file", 0o755, source="main"),
        FileEntry("/opt/acme/tool", "file", 0o755, source="tool"),
        FileEntry("/opt/acme/unused", "file", 0o644, text="#!/opt/no/interpreter\n"),
    )
    package = replace(SMALL, arch="x86_64", entries=entries)
    contents = {"lib": binaries / "libacme.so.1", "main": binaries / "main", "tool": tmp_path / "tool"}
    rpm = write(package, tmp_path / "out", contents)
    found = set(requires(rpm))
    # Which symbol versions of libc a program needs is its linker's.
    libc = {line for line in found if line.startswith("libc.so.6(GLIBC_")}
    assert libc and found - libc == {
        "/opt/acme/python",
        "libacme.so.1()(64bit)",
        "libacme.so.1(ACME_1.0)(64bit)",
        "libc.so.6()(64bit)",
        "rtld(GNU_HASH)",
    }
    assert {line for line in query(rpm, "[%{PROVIDENEVRS}\n]") if line.startswith("lib")} == {
        "libacme.so.1()(64bit)",
        "libacme.so.1(ACME_1.0)(64bit)",
    }
    silent = write(
        replace(package, automatic_dependencies=False),
        tmp_path / "silent",
        contents,
    )
    assert requires(silent) == []


def test_the_payload_is_left_alone(tmp_path: Path, binaries: Path) -> None:
    """No stripping, no compressing of manual pages, no mangling of first lines."""
    entries = (
        FileEntry("/opt/acme/main", "file", 0o755, source="main"),
        FileEntry("/usr/share/man/man1/acme.1", "file", text="manual"),
    )
    rpm = write(replace(SMALL, arch="x86_64", entries=entries), tmp_path / "out", {"main": binaries / "main"})
    digest = hashlib.sha256((binaries / "main").read_bytes()).hexdigest()
    assert query(rpm, "[%{FILENAMES} %{FILEDIGESTS}\n]") == [
        f"/opt/acme/main {digest}",
        f"/usr/share/man/man1/acme.1 {hashlib.sha256(b'manual').hexdigest()}",
    ]


# The format


def test_what_rpm_4_11_reads(tmp_path: Path) -> None:
    rpm = write(replace(SMALL, entries=(FileEntry("/opt/a", "file", text="a" * 100_000),)), tmp_path)
    assert query(rpm, "%{PAYLOADFORMAT} %{PAYLOADCOMPRESSOR} %{PAYLOADFLAGS} %{FILEDIGESTALGO}\n") == [
        "cpio xz 2 8"
    ]
    features = {line for line in query(rpm, "[%{REQUIRENAME}\n]") if line.startswith("rpmlib(")}
    assert features == {
        f"rpmlib({name})"
        for name in ("CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix", "PayloadIsXz")
    }
    said = subprocess.run(
        ["rpmkeys", "-Kv", "--nosignature", rpm], capture_output=True, text=True, check=True
    )
    assert "    MD5 digest: OK\n" in said.stdout
    assert query(rpm, "%{SIGMD5}\n")[0] != "(none)"
    # RPMSIGTAG_PAYLOADSIZE, what rpm 4.11 shows progress by.
    assert int(query(rpm, "%{ARCHIVESIZE}\n")[0]) > 100_000


def test_a_large_payload_is_compressed_in_two_threads() -> None:
    assert payload_option("w2.xzdio", 1 << 20) == "w2.xzdio"
    assert payload_option("w2.xzdio", 16 << 20) == "w2T2.xzdio"
    assert payload_option("w19.zstdio", 1 << 30) == "w19.zstdio"


def test_two_folders_two_umasks_and_two_hosts_give_equal_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = (
        FileEntry("/opt/a/data", "file", source="data"),
        FileEntry("/opt/a/empty", "dir"),
        FileEntry("/opt/a/link", "link", link="data"),
    )
    package = replace(SMALL, entries=entries, changelog=(entry("2026-11-20 A <a@b.c> 1-1\n- x"),))
    made = []
    for number, umask in enumerate((0o022, 0o077)):
        source = tmp_path / f"source{number}/data"
        source.parent.mkdir()
        source.write_bytes(b"data")
        source.chmod(0o666 & ~umask)
        os.utime(source, (number, number))
        if number:
            home = tmp_path / "home"
            home.mkdir()
            (home / ".rpmmacros").write_text(
                "%_binary_payload w9.gzdio\n%dist .evil\n%vendor Evil\n%packager Evil\n%_topdir /nonexistent\n"
                "%__os_install_post touch %{buildroot}/evil\n%optflags -O9\n%_buildhost evil\n"
            )
            (home / ".rpmrc").write_text("buildarchtranslate: x86_64: i386\n")
            for name, value in (
                ("HOME", str(home)),
                ("TZ", "Asia/Tokyo"),
                ("LANG", "de_DE.UTF-8"),
                ("RPM_BUILD_NCPUS", "7"),
            ):
                monkeypatch.setenv(name, value)
        before = os.umask(umask)
        try:
            made.append(
                write(package, tmp_path / f"a folder of another length {number * 'x'}", {"data": source})
            )
        finally:
            os.umask(before)
    assert every_tag(made[0]) == every_tag(made[1])
    assert made[0].read_bytes() == made[1].read_bytes()
    assert query(made[0], "%{VENDOR} %{PACKAGER}\n") == ["(none) (none)"]


def test_every_time_is_the_packages_even_in_the_future(tmp_path: Path) -> None:
    """rpmbuild lowers later times to SOURCE_DATE_EPOCH; nothing raises earlier ones, as those of now are then."""
    need("rpmbuild", "rpm")
    entries = (
        FileEntry("/opt/a", "dir"),
        FileEntry("/opt/a/data", "file", text="x"),
        FileEntry("/opt/a/link", "link", link="data"),
        FileEntry("/opt/b", "link", link="a"),
    )
    out = tmp_path / "small.rpm"
    future = 4102444800
    write_rpm(replace(SMALL, entries=entries), {}, out, payload="w2.xzdio", time=future)
    assert query(out, "[%{FILENAMES} %{FILEMTIMES}\n]") == [
        f"{path} {future}" for path in ("/opt/a", "/opt/a/data", "/opt/a/link", "/opt/b")
    ]


def test_macros_of_the_machine_have_no_say(tmp_path: Path) -> None:
    """Of all the places where rpm looks for macros and settings, /etc/rpm and those of vendors are not read."""
    need("rpm")
    own = tmp_path / "macros"
    own.write_text("%_buildhost xspack\n")
    _, *options = rpmbuild_command("noarch", [own], tmp_path)
    argv = ["rpm", *(option for option in options if option.startswith(("--macros", "--rcfile"))), "--showrc"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in shown.splitlines() if line.startswith("Macro path: "))
    files = line.removeprefix("Macro path: ").split(":")
    assert files[-1] == str(own)
    assert not [name for name in files if name.startswith(("/etc/", "~")) or "macros.d" in name]
    places = {str(Path(name).parent) for name in files[:-1]} - {str(SCRIPT_GENERATOR.parent)}
    assert places == {f"{RPM_HOME}", f"{RPM_HOME}/fileattrs", f"{RPM_HOME}/platform/x86_64-linux"}


def test_a_percent_sign_behind_a_backslash(tmp_path: Path) -> None:
    """rpm's reader of lines takes the two for one sign."""
    text = "echo 'a\\%{b \\\\%{c} \\\\\\%d \\%%{e'\necho done"
    rpm = write(
        replace(SMALL, scripts=(Script("post", (ScriptPart(text),)),), description="%\\%{x"), tmp_path
    )
    assert "\n".join(query(rpm, "%{POSTIN}")) == text
    assert query(rpm, "%{DESCRIPTION}") == ["%\\%{x"]


def test_a_folder_whose_name_rpm_takes_for_a_pattern(tmp_path: Path) -> None:
    """rpm would pass over macro files there without a word: the clock's time, the host's name, its own payload."""
    rpm = write(SMALL, tmp_path / "a tree [of] {mine}*, it's:x")
    plain = rpm.rename(tmp_path / rpm.name)
    assert query(plain, "%{BUILDTIME} %{BUILDHOST} %{PAYLOADCOMPRESSOR}") == [f"{TIME} xspack xz"]
