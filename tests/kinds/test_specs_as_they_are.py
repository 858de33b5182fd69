"""Specs in the style of shipped drivers', one of each kind: unchanged, to what plain rpmbuild makes of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from drivers.test_kit_over_ssh import words_of
from kinds.test_spec_rpm import HEAD, kernel  # noqa: F401 - a fixture
from sshd import Start, serving
from support import need
from trees import Tree

from xspack_tool.rpm.kernel_macros import kernel_macros

#: A folder for each: acme.spec, its sources, and folders that become tar files.
SPECS = Path(__file__).parent / "specs"
MACROS = {"macros": ["acme.macros", "site.macros"]}
DEFINES: dict[str, dict[str, str | int]] = {
    "macros": {"flavour": "plain", "acme_two_lines": "echo 1"},
    "files": {"release_suffix": ".7"},
    "git-archive": {"xsrel": ".4"},
}
#: Of whom the macros have a dist.
TARGETS = {"files": ("xcp-ng-8.3", {"dist": ".xcpng8.3"}), "renamed": ("xcp-ng-8.3", {"dist": ".xcpng8.3"})}
#: What a host sees of an RPM; without times, and what follows from the compression.
SEEN = (
    *(
        "NEVRA",
        "EPOCH",
        "LICENSE",
        "SUMMARY",
        "DESCRIPTION",
        "GROUP",
        "URL",
        "VENDOR",
        "PACKAGER",
        "OS",
        "ARCH",
    ),
    *(
        "PREINPROG",
        "POSTINPROG",
        "PREUNPROG",
        "POSTUNPROG",
        "PRETRANSPROG",
        "POSTTRANSPROG",
        "VERIFYSCRIPTPROG",
    ),
)
LISTS = (
    *(f"{one}NAME %{{{one}FLAGS}} %{{{one}VERSION" for one in ("PROVIDE", "OBSOLETE", "CONFLICT")),
    *(
        f"{one}NAME %{{{one}FLAGS}} %{{{one}VERSION"
        for one in ("RECOMMEND", "SUGGEST", "SUPPLEMENT", "ENHANCE")
    ),
    "CHANGELOGTIME} %{CHANGELOGNAME} %{CHANGELOGTEXT",
    "FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILELINKTOS} %{FILEFLAGS} %{FILEVERIFYFLAGS",
    "POSTINFLAGS",
    "PREFIXES",
)


def asked(rpm: Path, *query: str) -> str:
    words = ["rpm", "-qp", "--nosignature", *query, rpm]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def shape(rpm: Path, folder: Path) -> dict[str, object]:
    """What a host sees of an RPM, as the machine's rpm reads it; modules by their sections."""
    form = "".join(f"{tag}: %{{{tag}}}\\n" for tag in SEEN)
    form += "".join(f"{tag}: [%{{{tag}}}\\n]\\n" for tag in LISTS)
    folder.mkdir(parents=True)
    cpio = subprocess.run(["rpm2cpio", rpm], capture_output=True, check=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=cpio, cwd=folder, check=True)
    requires = "[%{REQUIRENAME} %{REQUIREFLAGS} %{REQUIREVERSION}\\n]"
    return {
        "tags": asked(rpm, "--queryformat", form),
        # How the payload is compressed is the release's.
        "requires": [
            one for one in asked(rpm, "--queryformat", requires).splitlines() if "rpmlib(Payload" not in one
        ],
        "scripts": asked(rpm, "--scripts", "--triggers", "--filetriggers"),
        "content": {
            path.relative_to(folder).as_posix(): content(path)
            for path in sorted(folder.rglob("*"))
            if not path.is_dir() and not path.is_symlink()
        },
    }


def content(path: Path) -> object:
    """A file's bytes; of a program or module all but the digest of its debug data, which names folders."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF":
        return data
    copy = path.with_name(f"{path.name}.noted")
    subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", path, copy], check=True)
    data = copy.read_bytes()
    copy.unlink()
    return data


def laid_out(kind: str, folder: Path) -> list[str]:
    """Copy a spec and its sources, whose folders become what `git archive` makes of them; the sources' names."""
    folder.mkdir()
    names = []
    for path in sorted((SPECS / kind).iterdir()):
        if path.is_file():
            shutil.copy(path, folder)
            names.append(path.name)
        else:
            names.append(f"{path.name}.tar.gz")
            git_archive(path, folder / names[-1])
    return [name for name in names if name != "acme.spec" and not name.endswith("e.macros")]


def git_archive(sources: Path, out: Path) -> None:
    work = out.with_name(f"{sources.name}.git")
    shutil.copytree(sources, work)
    who = {
        f"GIT_{role}_{what}": "a@acme.example"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    when = {f"GIT_{role}_DATE": "1700000000 +0000" for role in ("AUTHOR", "COMMITTER")}
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-q", "-m", "x"],
        ["archive", f"--prefix={sources.name}/", f"--output={out}", "HEAD"],
    ):
        subprocess.run(["git", *words], cwd=work, env={**os.environ, **who, **when}, check=True)
    shutil.rmtree(work)


def plain(
    folder: Path, top: Path, macros: Sequence[str], defines: Mapping[str, str | int]
) -> dict[str, Path]:
    """What rpmbuild itself makes of it with the same macros, the kernel's among the machine's own."""
    said = subprocess.run(["rpm", "--showrc"], capture_output=True, text=True, check=True).stdout
    (own,) = (line.split(": ")[1] for line in said.splitlines() if line.startswith("Macro path: "))
    argv = ["rpmbuild", f"--macros={':'.join([own, *macros])}"]
    argv += [f"--define={name} {body}" for name, body in defines.items()]
    argv += [
        f"--define=_topdir {top}",
        "--define=_wrong_version_format_terminate_build 0",  # a Debian kernel has two dashes
        "--define=_build_id_links none",  # which CentOS 7 knows nothing of
        "--define=_buildshell /bin/bash",  # which is /bin/sh there
        f"--define=_sourcedir {folder}",
    ]
    done = subprocess.run([*argv, "-bb", "--nodeps", folder / "acme.spec"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.name: path for path in (top / "RPMS").rglob("*.rpm")}


@pytest.fixture
def sshd(short_dir: Path) -> Iterator[Start]:
    with serving(short_dir) as start:
        yield start


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "ssh"])
@pytest.mark.parametrize("kind", sorted(path.name for path in SPECS.iterdir()))
def test_a_spec_of_each_kind(
    tmp_path: Path,
    kernel: str,  # noqa: F811
    request: pytest.FixtureRequest,
    kind: str,
    elsewhere: bool,
) -> None:
    """Also by the rpmbuild of a kit on another machine, which has its own dist."""
    need("git", "objcopy", "rpm2cpio", "cpio", "file")
    target, dist = TARGETS.get(kind, ("local", {}))
    defines, macros = DEFINES.get(kind, {}), MACROS.get(kind, [])
    tree = Tree(tmp_path / "tree")
    sources = laid_out(kind, tree.path / "spec")
    words = (
        f'sources=[f"spec/{{name}}" for name in {sources}], macros=[f"spec/{{name}}" for name in {macros}]'
    )
    if elsewhere:
        start: Start = request.getfixturevalue("sshd")
        words += f", ddk={words_of(start(tree=f'/lib/modules/{kernel}/build'))}"
    tree.declare(
        f'env.SpecRpm("spec/acme.spec", {words}, defines={defines})\n', HEAD.replace('"local"', f'"{target}"')
    )
    ran = tree.scons("-j2", "build/rpms").good()
    assert ("Remote " in ran.said) == elsewhere
    ours = {path.name: path for path in (tree.path / "build/rpms").iterdir()}

    release = kernel if elsewhere or target == "local" else "4.19.0+1"
    (tree.path / "kernel.macros").write_text(kernel_macros(release, "updates"))
    files = ["kernel.macros", *(f"spec/{name}" for name in macros)]
    given = {**({} if elsewhere else dist), **defines}
    theirs = plain(tree.path / "spec", tmp_path / "plain", [f"{tree.path}/{name}" for name in files], given)
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        assert shape(ours[name], tmp_path / "ours" / name) == shape(theirs[name], tmp_path / "theirs" / name)
    assert tree.scons("build/rpms").good().built == set()


def test_a_spec_that_reads_its_sources(tmp_path: Path) -> None:
    """While it is read itself, by %include and the like: what they say is known at once."""
    need("rpmbuild", "git")
    tree = Tree(tmp_path / "tree")
    sources = laid_out("included", tree.path / "spec")
    words = f'sources=[f"spec/{{name}}" for name in {sources}]'
    tree.declare(f'env.SpecRpm("spec/acme.spec", {words})\n', HEAD)
    assert tree.scons("build/rpms", "build/srpms").good().built == {
        "build/rpms/acme-included-3.2-4.noarch.rpm",
        "build/srpms/acme-included-3.2-4.src.rpm",
    }
    tree.write({"spec/VERSION": "3.3\n"})
    assert tree.scons("build/rpms").good().built == {"build/rpms/acme-included-3.3-4.noarch.rpm"}
    assert asked(tree.path / "build/rpms/acme-included-3.3-4.noarch.rpm", "-i").endswith("Read me.\n")


def test_a_spec_that_reads_a_source_that_is_built(tmp_path: Path) -> None:
    """It is not there yet, or is that of the last build: the declaration names the RPMs."""
    need("rpmbuild", "git")
    tree = Tree(tmp_path / "tree")
    names = [name for name in laid_out("included", tree.path / "spec") if name != "VERSION"]
    (tree.path / "spec/VERSION").rename(tree.path / "spec/VERSION.in")
    made = 'version = env.Command("spec/VERSION", "spec/VERSION.in", Copy("$TARGET", "$SOURCE"))\n'
    words = f'sources=[version, *(f"spec/{{name}}" for name in {names})]'
    for _ in range(2):
        first, *_, last = (
            tree.declare(f'{made}env.SpecRpm("spec/acme.spec", {words})\n', HEAD).scons().refused()
        )
        assert "cannot open 'VERSION'" in first
        assert last.endswith(
            'if it reads a source that is built, name its RPMs: rpms=["acme-1.0-1.x86_64.rpm"]'
        )
        tree.scons("spec/VERSION").good()
    rpm = "acme-included-3.2-4.noarch.rpm"
    tree.declare(f'{made}env.SpecRpm("spec/acme.spec", {words}, rpms="{rpm}")\n', HEAD)
    assert tree.scons("build/rpms").good().built == {f"build/rpms/{rpm}"}
    tree.write({"spec/VERSION.in": "3.3\n"})
    ran = tree.scons("build/rpms")
    assert ran.status == 2 and 'write rpms=["acme-included-3.3-4.noarch.rpm"]' in ran.said


LATE = """\
Name: late
Source0: VERSION
%s
Release: 1
Summary: Late
License: GPL
BuildArch: noarch
%%description
Late.
%%install
install -D -m 644 %%{SOURCE0} %%{buildroot}/opt/late/VERSION
%%files
/opt/late
"""


@pytest.mark.parametrize(
    "version",
    [
        "%include %{SOURCE0}",
        "%{load:%{SOURCE0}}\nVersion: 1%{?late}",
        "Version: %(sed -n 's/^Version: //p' %{SOURCE0})",
        "%global which VERSION\n%include %{_sourcedir}/%{which}",
    ],
)
def test_a_spec_that_reads_a_source_that_a_later_statement_builds(tmp_path: Path, version: str) -> None:
    """What an earlier build left of it says nothing of the RPMs."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree")
    old, new = ("%late .1\n", "%late .2\n") if "load" in version else ("Version: 1.1\n", "Version: 1.2\n")
    tree.write({"late.spec": LATE % version, "VERSION": old, "VERSION.in": new})
    spec = 'env.SpecRpm("late.spec", sources=["VERSION"]%s)\n'
    later = 'env.Command("VERSION", "VERSION.in", Copy("$TARGET", "$SOURCE"))\n'
    (said,) = tree.declare(f"{spec % ''}{later}", HEAD).scons("build/rpms").refused()
    assert "sources='VERSION': a source that is built, and that the spec reads" in said
    assert said.endswith('name them: rpms=["acme-1.0-1.x86_64.rpm"]')
    rpm = "late-1.2-1.noarch.rpm"
    named = spec % f', rpms="{rpm}"'
    assert tree.declare(f"{named}{later}", HEAD).scons("build/rpms").good().built >= {f"build/rpms/{rpm}"}
    assert tree.declare(f"{later}{named}", HEAD).scons("build/rpms").good().built == set()


def test_a_source_that_is_only_packed_may_be_built_by_a_later_statement(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree")
    tree.write({"late.spec": LATE % "Version: 1", "VERSION": "old\n", "VERSION.in": "new\n"})
    tree.declare(
        'env.SpecRpm("late.spec", sources=["VERSION"])\n'
        'env.Command("VERSION", "VERSION.in", Copy("$TARGET", "$SOURCE"))\n',
        HEAD,
    )
    tree.scons("build/rpms").good()
    assert (tree.path / "VERSION").read_text() == "new\n"
    assert "build/rpms/late-1-1.noarch.rpm" not in tree.scons("build/rpms").good().built


def test_a_spec_with_a_default_for_a_source_that_is_built_makes_no_other_rpm(tmp_path: Path) -> None:
    """Without the source the spec says the same as with what an earlier build left: only rpmbuild tells."""
    need("rpmbuild")
    tree = Tree(tmp_path / "tree")
    spec = LATE % "Version: %(cat %{SOURCE0} 2>/dev/null || echo 1.1)"
    tree.write({"late.spec": spec, "VERSION": "1.1\n", "VERSION.in": "1.2\n"})
    tree.declare(
        'env.SpecRpm("late.spec", sources=["VERSION"])\n'
        'env.Command("VERSION", "VERSION.in", Copy("$TARGET", "$SOURCE"))\n',
        HEAD,
    )
    ran = tree.scons("build/rpms")
    assert ran.status == 2 and "late-1.2-1.noarch.rpm" in ran.said, ran.said
    assert not [name for name in tree.files("build") if name.endswith(".rpm")]
