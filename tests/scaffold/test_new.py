"""xspack new: what it makes builds at once, and the rules find nothing."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest
from new_trees import BIN, MAKEFILE, driver_sources, findings, new, scons
from pack_maker import PackMaker, package, xspack
from support import need, need_root

from xspack_tool.hosts.reading import open_pack
from xspack_tool.scaffold.found import build_update_words


def test_a_pack_of_programs(tmp_path: Path) -> None:
    folder = tmp_path / "acme-tools"
    assert new(folder, "--ci", "gitlab") == [
        "payload/hello.sh",
        "payload/settings.conf",
        ".gitlab-ci.yml",
        "SConstruct",
    ]
    scons(folder)
    assert findings(folder) == []
    pack = open_pack(folder / "build/acme-tools-1.0.iso")
    assert sorted(info.nevra for info in pack.infos) == [
        "acme-tools-1.0-1.noarch",
        "control-acme-tools-1.0-1.noarch",
        "update-acme-tools-1.0-1.noarch",
    ]
    said = xspack("bump", folder / "SConstruct", "-m", "second").out.splitlines()
    assert said == ["acme-tools: 1.0 -> 1.1", "acme-tools: 1.0 -> 1.1", "acme-tools: new uuid"]
    scons(folder)
    assert findings(folder) == []
    later = open_pack(folder / "build/acme-tools-1.1.iso").document
    assert later is not None and pack.document is not None
    assert later.uuid != pack.document.uuid


@pytest.mark.parametrize("dkms", [True, False])
def test_a_driver_disk_of_the_sources_there(tmp_path: Path, dkms: bool) -> None:
    driver_sources(tmp_path)
    if dkms:
        (tmp_path / "dkms.conf").write_text(
            'PACKAGE_NAME="acme"\nPACKAGE_VERSION="2.3"\nBUILT_MODULE_NAME[0]="acme"\n'
            'DEST_MODULE_LOCATION[0]="/updates"\nAUTOINSTALL="yes"\n'
        )
    assert new(tmp_path, *([] if dkms else ["--name", "acme"])) == ["SConstruct"]
    scons(tmp_path)
    assert findings(tmp_path) == []
    pack = open_pack(tmp_path / f"build/acme-disk-{'2.3' if dkms else '1.0'}.iso")
    assert pack.index is not None and pack.index.group("drivers") is not None


def test_a_pack_of_the_rpms_there(make_pack: PackMaker, tmp_path: Path) -> None:
    for name in ("acme-one", "acme-two"):
        made = make_pack.rpm(package(name, vendor="Acme Ltd"))
        (tmp_path / made.name).write_bytes(made.read_bytes())
    assert new(tmp_path, "--name", "acme") == ["SConstruct"]
    scons(tmp_path)
    assert findings(tmp_path) == []
    assert {info.name for info in open_pack(tmp_path / "build/acme-1.0.iso").infos} == {
        *("acme-one", "acme-two", "update-acme", "control-acme")
    }


def test_a_call_of_build_update(
    make_pack: PackMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_pack.rpm(package())
    (tmp_path / "rpms").mkdir()
    (tmp_path / "rpms" / made.name).write_bytes(made.read_bytes())
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "precheck.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "RPM-GPG-KEY-Acme").write_bytes(make_pack.key.file.read_bytes())
    said = xspack("new", tmp_path)
    assert (said.status, said.err) == (0, "")
    monkeypatch.setenv("GNUPGHOME", str(make_pack.key.home))
    scons(tmp_path)
    document = open_pack(tmp_path / "acme-agent.iso").document
    assert document is not None
    assert (document.label, document.version, document.uuid) == (
        *("acme-agent", "5.2", "9a1f0f0e-1111-4222-8333-44445555bbbb"),
    )
    assert document.after_apply == ("restartXAPI", "restartHost")
    assert [one.uuid for one in document.rollups] == ["9a1f0f0e-1111-4222-8333-44445555aaaa"]
    assert (document.key, document.control) == ("RPM-GPG-KEY-Acme", "control-acme-agent")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "Makefile",
            "A = x y\n\nall: b\n\tbuild-update --a $(A) -o $@ $<",
            ["--a", "x", "y", "-o", "all", "b"],
        ),
        ("Makefile", 'A = "x y"\nall:\n\t-@sudo build-update --a $(A) # c', ["--a", "x y"]),
        ("Makefile", "all:\n\tX=1 /opt/build-update \\\n\t--a '$$B' >log 2>&1 || exit 1", ["--a", "$B"]),
        ("pack.mk", "B := build-update\nbuild-update:\n\twhich $B\n\t$(B) --a `x`c", ["--a", "`x`c"]),
        (
            "p.sh",
            'A="x y"\nif test z; then\n  B=1\nfi\nbuild-update --a "$A" $A -b${B} $C',
            ["--a", *["x y", "x", "y"], "-b1"],
        ),
        (
            "pack",
            "#!/bin/sh\necho build-update\nexport D='/o p'\n\"$D/build-update\" --a \\\n  b\\ c && true",
            ["--a", "b c"],
        ),
        ("p.sh", "build-update --a $(cat x) 'b\nc'", ["--a", "$(cat x)", "b\nc"]),
    ],
)
def test_the_words_of_a_call(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    (tmp_path / name).write_text(f"{text}\n")
    assert build_update_words(tmp_path / name) == words


def test_it_asks_on_a_terminal(tmp_path: Path) -> None:
    """Again where an answer cannot be right, and says why."""
    ours, theirs = pty.openpty()
    argv = [BIN / "xspack", "new", tmp_path / "acme"]
    wrong = {
        "firmware": "'firmware' must be one of userspace, driver, driver-disk, from-build-update",
        "driver": f"{tmp_path}/acme: no Kbuild, Makefile with obj-m or dkms.conf there",
        "a b": "a label must be letters, digits, _ and - (xapi refuses others)",
        "me": "must be a name and a mail address; write 'Name <mail>'",
        "xcp-ng-8.33": "did you mean 'xcp-ng-8.3'?",
        "lost.pub": "--key lost.pub: no such file",
        "jenkins": "'jenkins' must be one of none, github, gitlab",
    }
    typed = ["firmware", "driver", "", "a b", "", "", 'Acme "A" Ltd', "", "me", "", "xcp-ng-8.33", ""]
    typed += ["lost.pub", "", "jenkins", "gitlab"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{answer}\n" for answer in typed).encode())
        said = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while block := os.read(ours, 1 << 16):
                said += block
        assert process.wait() == 0, said.decode()
    os.close(ours)
    for why in wrong.values():
        assert said.decode().count(why) == 1
    scons(tmp_path / "acme")
    assert findings(tmp_path / "acme") == []
    assert 'XSPACK_VENDOR="Acme \\"A\\" Ltd"' in (tmp_path / "acme/SConstruct").read_text()
    assert (tmp_path / "acme/.gitlab-ci.yml").is_file()


def test_no_answer_is_no_mistake_of_ours(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [BIN / "xspack", "new", tmp_path / "acme"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, b"\n\x04")
        assert process.stderr is not None
        assert process.stderr.read().endswith("xspack: no answer; nothing was written\n")
        assert process.wait() == 2
    os.close(ours)
    assert not (tmp_path / "acme").exists()


def test_it_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "payload").mkdir()
    for name in ("SConstruct", "payload/hello.sh"):
        (tmp_path / name).write_text("mine\n")
    said = xspack("new", tmp_path, "--vendor", "Acme", "--name", "acme")
    assert said.status == 1
    assert said.err == (
        f"xspack: {tmp_path}: payload/hello.sh, SConstruct: there already; xspack new writes over nothing\n"
    )
    assert not (tmp_path / ".gitignore").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "give --vendor: nobody can be asked here"),
        (
            ["--vendor", "A", "--key", "lost.pub"],
            "--key lost.pub: no such file; name the file of your public key",
        ),
        (["--vendor", "A\nB"], "--vendor='A\\nB': must be one line of text"),
        (["--vendor", "A", "--packager", "me"], "--packager='me': must be a name and a mail address"),
        (["--vendor", "A", "--name", "a b/c"], "--name='a b/c'"),
    ],
)
def test_wrong_answers(tmp_path: Path, options: list[str], why: str) -> None:
    said = xspack("new", tmp_path / "x", *options)
    assert said.status == 2
    assert why in said.err
    assert not (tmp_path / "x").exists()


def test_where_it_was_killed_it_goes_on(tmp_path: Path) -> None:
    names = new(tmp_path, "--name", "acme")
    assert names[-1] == "SConstruct"
    for name in names[1:]:
        (tmp_path / name).unlink()
    assert new(tmp_path, "--name", "acme") == names


def test_any_text_is_meant_as_it_is(tmp_path: Path) -> None:
    """By a shell that copies the last line, by Python, and by SCons."""
    who = 'A "quote" \\ $x ${y} $(id)'
    said = xspack("new", tmp_path / "a b/é $z", "--vendor", who)
    assert said.out.splitlines()[-1].startswith(f"now: cd '{tmp_path}/a b/é $z' && ")
    scons(tmp_path / "a b/é $z")
    for note in ("costs $5", "and ${more}"):
        assert xspack("bump", tmp_path / "a b/é $z/SConstruct", "-m", note).status == 0
    scons(tmp_path / "a b/é $z")
    info = next(info for info in open_pack(tmp_path / "a b/é $z/build/z-1.2.iso").infos if info.name == "z")
    assert info.vendor == who
    assert [(author.partition(" <")[0], text) for _, author, text in info.changelog] == [
        (f"{who} Builds", "- and ${more}"),
        (f"{who} Builds", "- costs $5"),
        (f"{who} Builds", "- first release"),
    ]


@pytest.mark.parametrize("first", ["own", "link", "other", "none"])
def test_the_scons_that_has_xspack_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The first one on the PATH may be another tool's, which knows no xspack."""
    place = BIN if first == "own" else tmp_path / "bin"
    (tmp_path / "bin").mkdir()
    if first == "link":
        (place / "scons").symlink_to(BIN / "scons")
    elif first == "other":
        (place / "scons").write_text("#!/bin/sh\n")
        (place / "scons").chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.chdir(tmp_path)
    said = xspack("new", "--vendor", "Acme", "--name", "acme").out.splitlines()[-1]
    assert said == ("now: scons pack" if first in ("own", "link") else f"now: {BIN}/scons pack")


def test_a_release_that_is_not_known_is_told_at_once(tmp_path: Path) -> None:
    said = xspack("new", tmp_path / "acme", "--vendor", "Acme", "--target", "xcp-ng-8.33")
    assert (said.status, (tmp_path / "acme").exists()) == (2, False)
    assert said.err.startswith(
        "xspack: XSPACK_TARGET='xcp-ng-8.33': dom0 profile not found; did you mean 'xcp-ng-8.3'?"
    )


def test_a_driver_without_kernel_headers(tmp_path: Path) -> None:
    need("unshare")
    need_root()
    (tmp_path / "Kbuild").write_text("obj-m := acme.o\n")
    (tmp_path / "acme.c").write_text("")
    hide = 'mount -t tmpfs none /usr/src && mount -t tmpfs none /lib/modules && exec "$@"'
    hidden = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    words = [*hidden, BIN / "xspack", "new", "--vendor", "Acme"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "xspack: no kernel headers here to compile against: apt-get install linux-headers-amd64 "
        "(EL: dnf install kernel-devel), or name the kernel build tree of the release with --ddk DIR\n"
    )
    new(tmp_path, "--ddk", "/kits/8", "--name", "acme")
    text = (tmp_path / "SConstruct").read_text()
    (tmp_path / "SConstruct").write_text(text.replace('ddk="/kits/8"', "ddk=env.XsKernelTrees()[-1:]"))
    words = [*hidden, BIN / "scons", "-Q", "pack"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "IndexError" in done.stdout + done.stderr) == (2, False)
    assert "KernelModule 'acme': ddk=None: modules are compiled against" in done.stderr
