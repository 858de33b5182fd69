"""Reading RPMs: what a sound one says, and that no other does harm."""

from __future__ import annotations

import os
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import need

from xspack_tool.errors import BadInput
from xspack_tool.rpm.header import Outline, read_outline
from xspack_tool.rpm.info import EQUAL, GREATER, Relation, Scriptlet
from xspack_tool.rpm.openpgp import key_ids
from xspack_tool.rpm.payload import payload
from xspack_tool.rpm.read import read_info, read_rpm

Forge = Callable[..., Path]
FILES = {
    "/opt/dir/one": b"first",
    "/opt/dir/two": b"second" * 5000,
    "/opt/link": "/opt/dir/one",
    "/opt/empty": None,
}


def contents(path: Path) -> dict[str, bytes]:
    """Everything in the payload, by path."""
    return {name.path: data for names, stream in payload(path) for data in [stream.read()] for name in names}


def refusal(path: Path) -> str:
    """Why an RPM is refused, without its name; it must be one line that begins with the name."""
    with pytest.raises(BadInput) as caught:
        read_rpm(path)
        contents(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def headers(data: bytes) -> tuple[int, int]:
    """Where the signature header and the header begin."""
    count, size = struct.unpack_from("!II", data, 96 + 8)
    end = 96 + 16 + count * 16 + size
    return 96, end + -end % 8


def test_the_outline_says_what_the_whole_says(forged: Forge) -> None:
    path = forged(name="outlined", files=FILES)
    with open(path, "rb") as file:
        info, offset = read_info(file, str(path))
        assert read_outline(file, str(path)) == Outline(info.build_time, offset)


def test_everything_that_a_header_says(forged: Forge) -> None:
    info = read_rpm(
        forged(
            name="full",
            lines=[
                "Epoch: 3",
                "Vendor: Ärger & Söhne",
                "URL: https://acme.example",
                "Packager: Acme <builds@acme.example>",
                "Requires: bash >= 4.2",
                "Requires(post): /sbin/depmod",
                "Provides: vendor-driver",
                "Conflicts: acme-legacy",
                "Obsoletes: acme-old < 2",
            ],
            scripts={
                "%pre": "echo pre",
                "%post -p /sbin/ldconfig": "",
                "%postun -p <lua>": "print(1)",
                "%posttrans": "echo posttrans",
                "%triggerin -- bash": "echo in",
                "%triggerun -- bash": "echo un",
                "%transfiletriggerin -- /lib/modules": "echo files",
                "%changelog": "* Fri Nov 20 2026 Acme Builds <builds@acme.example> 1.0-1\n- listen on IPv6",
            },
            files={"/etc/full.conf": b"x=1\n", "/usr/share/doc/full/README": b"read", **FILES},
            attributes={"/etc/full.conf": "%config(noreplace)", "/usr/share/doc/full/README": "%doc"},
            modes={"/opt/dir/one": 0o4755},
        )
    )
    assert (info.nevra, info.file_name) == ("full-3:1.0-1.x86_64", "full-1.0-1.x86_64.rpm")
    assert (info.vendor, info.url, info.license) == ("Ärger & Söhne", "https://acme.example", "MIT")
    assert (info.packager, info.build_host, info.build_time) == (
        "Acme <builds@acme.example>",
        "forge",
        1600000000,
    )
    assert (info.source_rpm, info.is_source) == ("full-1.0-1.src.rpm", False)
    assert (info.payload_format, info.payload_compressor, info.installed_size) == ("cpio", "gzip", 30025)
    assert info.has_md5 and info.has_sha256_header and len(info.payload_digest) == 64 and info.signed_by == ()
    assert Relation("bash", GREATER | EQUAL, "4.2") in info.requires
    assert [str(relation) for relation in info.conflicts + info.obsoletes] == ["acme-legacy", "acme-old < 2"]
    assert "vendor-driver" in map(str, info.provides)
    assert info.scripts == (
        Scriptlet("pre", "/bin/sh", "echo pre"),
        Scriptlet("post", "/sbin/ldconfig", ""),
        Scriptlet("postun", "<lua>", "print(1)"),
        Scriptlet("posttrans", "/bin/sh", "echo posttrans"),
        Scriptlet("triggerin", "/bin/sh", "echo in"),
        Scriptlet("triggerun", "/bin/sh", "echo un"),
        Scriptlet("transfiletriggerin", "/bin/sh", "echo files"),
    )
    assert info.changelog == ((1795176000, "Acme Builds <builds@acme.example> 1.0-1", "- listen on IPv6"),)
    files = {file.path: file for file in info.files}
    assert list(files) == sorted(files)
    assert (files["/opt/dir/one"].mode, files["/opt/link"].link) == (0o104755, "/opt/dir/one")
    assert files["/opt/empty"].is_dir and files["/opt/link"].is_link and files["/opt/dir/two"].size == 30000
    assert files["/etc/full.conf"].is_config and files["/etc/full.conf"].is_noreplace
    assert (files["/etc/full.conf"].owner, files["/etc/full.conf"].group) == ("root", "root")


def test_a_source_rpm(forged: Forge) -> None:
    info = read_rpm(forged(name="source", source=True))
    assert (info.is_source, info.source_rpm, [file.path for file in info.files]) == (True, "", ["spec"])


def test_a_package_without_files(forged: Forge) -> None:
    path = forged(name="nothing")
    assert (read_rpm(path).files, contents(path)) == ((), {})


@pytest.mark.parametrize(
    "way", ["w1.gzdio", "w2.xzdio", "w9.xzdio", "w9.bzdio", "w1.lzdio", "w3.zstdio", "w.ufdio"]
)
def test_each_compression(forged: Forge, way: str) -> None:
    path = forged(name="packed", payload=way, files=FILES)
    assert contents(path) == {name: data for name, data in FILES.items() if isinstance(data, bytes)}


def test_only_what_is_asked_for_is_read(forged: Forge) -> None:
    steps = payload(forged(name="packed", payload="w2.xzdio", files=FILES))
    next(steps)
    names, stream = next(steps)
    assert (names[0].path, stream.read(6)) == ("/opt/dir/two", b"second")


def test_hard_links_share_one_content(forged: Forge, tmp_path: Path) -> None:
    spec = tmp_path / "linked.spec"
    spec.write_text(
        "Name: linked\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\n"
        "%install\nmkdir -p %{buildroot}/opt\nprintf same >%{buildroot}/opt/a\n"
        "ln %{buildroot}/opt/a %{buildroot}/opt/b\nln %{buildroot}/opt/a %{buildroot}/opt/c\n%files\n/opt/*\n"
    )
    argv = [
        "rpmbuild",
        "-bb",
        "--quiet",
        f"--define=_topdir {tmp_path}",
        f"--define=_rpmdir {tmp_path}",
        str(spec),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    found = [
        ([name.path for name in names], stream.read())
        for names, stream in payload(next(tmp_path.rglob("*.rpm")))
    ]
    assert found == [(["/opt/a", "/opt/b", "/opt/c"], b"same")]


def test_who_signed_it(forged: Forge, short_dir: Path) -> None:
    need("gpg", "rpmsign")
    short_dir.chmod(0o700)
    gpg = ["gpg", "--homedir", str(short_dir), "--batch", "--passphrase", "", "--quiet"]
    subprocess.run(
        [*gpg, "--quick-generate-key", "forge", "rsa2048", "sign"], check=True, capture_output=True
    )
    listed = subprocess.run(
        [*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True
    )
    fingerprint = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr"))
    copy = short_dir / "signed.rpm"
    copy.write_bytes(forged(name="packed", files=FILES).read_bytes())
    defines = [
        f"--define=_gpg_name {fingerprint}",
        f"--define=_gpg_path {short_dir}",
        "--define=__gpg /usr/bin/gpg",
    ]
    subprocess.run(["rpmsign", "--addsign", *defines, str(copy)], check=True, capture_output=True)
    assert read_rpm(copy).signed_by == (fingerprint[-16:],)
    made = subprocess.run(
        [*gpg, "--detach-sign", "--output", "-"], input=b"x", check=True, capture_output=True
    )
    assert key_ids(made.stdout) == [fingerprint[-16:]]
    subprocess.run(["gpgconf", "--homedir", str(short_dir), "--kill", "all"], check=True)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x88", b"\xc2\xff", b"\xc2\x05\x04\x00\x01\x08\x00", b"\xff" * 300]
)
def test_no_signature_no_key_id(data: bytes) -> None:
    assert key_ids(data) == []


@pytest.mark.parametrize("content", [b"", b"short", b"#!/bin/sh\n" * 100, b"\xed\xab\xee\xdb" + b"\0" * 92])
def test_no_rpm(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.rpm"
    path.write_bytes(content)
    why = (
        "not an RPM: it does not begin as one"
        if len(content) < 96 or content[0] == 35
        else "truncated in its signature header"
    )
    assert refusal(path) == why


def test_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.rpm") == "No such file or directory"
    assert refusal(tmp_path) == "not a regular file"


def test_a_device_is_not_read() -> None:
    assert refusal(Path("/dev/zero")) == "not a regular file"


def test_truncated_anywhere(forged: Forge, altered: Forge) -> None:
    path = forged(name="packed", files=FILES)
    size = path.stat().st_size
    for kept in {*range(0, size, 97), size - 1, size - 9, *range(90, 130)}:
        assert refusal(altered(path, size=kept)).startswith(("truncated", "not an RPM", "damaged"))


def test_a_header_of_100_mb(tmp_path: Path, forged: Forge) -> None:
    data = forged(name="packed", files=FILES).read_bytes()
    for at, what in zip(headers(data), ("signature header", "header"), strict=True):
        path = tmp_path / "huge.rpm"
        path.write_bytes(data[:at] + struct.pack("!4sIII", b"\x8e\xad\xe8\x01", 0, 4, 100_000_000))
        os.truncate(path, 110_000_000)
        tracemalloc.start()
        why = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert why == f"its {what} claims 4 tags in 100000000 bytes, more than rpm takes on the hosts"
        assert peak < 2_000_000


@pytest.mark.parametrize(
    ("count", "size", "why"),
    [
        (0xFFFFFFFF, 16, "its header claims 4294967295 tags in 16 bytes, more than rpm takes on the hosts"),
        (1000, 30_000_000, "truncated: its header claims more than the file holds"),
        (1, 16, "damaged: its header has no room for what tag 63 claims"),
        (0, 16, "its header's name is ''"),
        (0, 0, "its header's name is ''"),
    ],
)
def test_a_header_that_lies_about_its_size(
    forged: Forge, tmp_path: Path, count: int, size: int, why: str
) -> None:
    data = bytearray(forged(name="packed", files=FILES).read_bytes())
    struct.pack_into("!II", data, headers(data)[1] + 8, count, size)
    path = tmp_path / "liar.rpm"
    path.write_bytes(data)
    assert refusal(path) == why


def entry(data: bytes, tag: int) -> int:
    """Where the header's index has the entry of a tag."""
    start = headers(data)[1] + 16
    return next(at for at in range(start, len(data), 16) if struct.unpack_from("!I", data, at)[0] == tag)


@pytest.mark.parametrize(
    ("tag", "field", "value", "why"),
    [
        (1000, 12, 2, "damaged: its header has no room for what tag 1000 claims"),
        (1117, 12, 5000, "damaged: its header has no room for what tag 1117 claims"),
        (1028, 12, 100_000_000, "damaged: its header has no room for what tag 1028 claims"),
        (1028, 8, 0x7FFFFFFF, "damaged: its header has no room for what tag 1028 claims"),
        (1028, 4, 12, "damaged: its header has no room for what tag 1028 claims"),
        (1028, 4, 3, "damaged: its header has filesizes of a type that it cannot have"),
        (1028, 0, 1000, "damaged: its header has a tag twice"),
        (1028, 0, 1999, "damaged: its header's lists of files differ in length"),
        (1000, 0, 1998, "its header's name is ''"),
    ],
)
def test_an_index_that_lies(
    forged: Forge, tmp_path: Path, tag: int, field: int, value: int, why: str
) -> None:
    data = bytearray(forged(name="packed", files=FILES).read_bytes())
    struct.pack_into("!I", data, entry(data, tag) + field, value)
    path = tmp_path / "liar.rpm"
    path.write_bytes(data)
    assert refusal(path) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([(b"/opt/dir/\0", b"/opt/../d\0")], "its path '/opt/../done' is not a plain one"),
        ([(b"/opt/dir/\0", b"/opt/../.\0")], "its path '/opt/../.one' is not a plain one"),
        ([(b"/opt/dir/\0", b"opt//dir/\0")], "its path 'opt//dir/one' is not a plain one"),
        ([(b"/opt/dir/\0", b"/opt/./x/\0")], "its path '/opt/./x/one' is not a plain one"),
        ([(b"/opt/dir/\0", b"/opt/d\n//\0")], "its path '/opt/d\\n//one' is not a plain one"),
        ([(b"one\0two\0empty\0", b"one\0t/o\0empty\0")], "its path '/opt/dir/t/o' is not a plain one"),
        ([(b"one\0two\0empty\0", b"one\0one\0empty\0")], "damaged: it has a path twice"),
        (
            [(b"one\0two\0empty\0", b"one\0\xff\xfeo\0empty\0")],
            "its header's basenames is not UTF-8: b'\\xff\\xfeo'",
        ),
        ([(b"\0forged\0", b"\0forg\xe9d\0")], "its header's summary is not UTF-8: b'forg\\xe9d'"),
        ([(b"\0packed\0", b"\0pac/ed\0")], "its header's name is 'pac/ed'"),
        (
            [(b"/opt/dir/one\0", b"../../../etc\0")],
            "its link '/opt/link' leads above the root: '../../../etc'",
        ),
    ],
)
def test_paths_and_texts_that_are_tricks(
    forged: Forge, altered: Forge, changes: list[tuple[bytes, bytes]], why: str
) -> None:
    assert refusal(altered(forged(name="packed", files=FILES), *changes)) == why


def test_a_path_through_a_link_of_the_same_rpm(forged: Forge, altered: Forge) -> None:
    path = forged(name="through", files={"/opt/dir/one": b"x", "/opt/lnk": "/etc"})
    why = refusal(altered(path, (b"/opt/dir/\0", b"/opt/lnk/\0")))
    assert why == "its path '/opt/lnk/one' leads through its own link '/opt/lnk'"


def test_absolute_and_climbing_links_that_stay_inside_are_sound(forged: Forge) -> None:
    path = forged(
        name="links", files={"/opt/a/b/up": "../../../etc/x", "/opt/abs": "/usr/bin/true", "/opt/abs2": "y"}
    )
    assert [file.link for file in read_rpm(path).files] == ["../../../etc/x", "/usr/bin/true", "y"]


def plain(forged: Forge, **fields: object) -> Path:
    """An RPM whose payload is not compressed, so that it can be altered in place."""
    return forged(name="plain", payload="w.ufdio", files=FILES, **fields)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            [(b"./opt/dir/one\0", b"./../dir/evil\0")],
            "its payload holds '/../dir/evil', which is not in its header",
        ),
        (
            [(b"./opt/dir/two\0", b"./opt/dir/one\0")],
            "its payload holds '/opt/dir/one', which is not in its header",
        ),
        (
            [(b"./opt/dir/one\0", b"/etc//passwd!\0")],
            "its payload holds '/etc//passwd!', which is not in its header",
        ),
        ([(b"./opt/dir/one\0", b"./opt/\xff\xfe\xfd/one\0")], None),
        (
            [(b"0000000500000000", b"0000FFFF00000000")],
            "damaged: '/opt/dir/one' is not as long as its header says",
        ),
        (
            [(b"0000000500000000", b"0000000000000000")],
            "damaged: '/opt/dir/one' is not as long as its header says",
        ),
        (
            [(b"0000000500000000", b"+000000500000000")],
            "its payload holds what is no cpio archive, which xspack does not read",
        ),
        (
            [(b"TRAILER!!!", b"TRAILER???")],
            "its payload holds 'TRAILER???', which is not in its header",
        ),
        (
            [(b"07070100", b"07070X00")],
            "its payload holds files of 4 GiB and more, which xspack does not read",
        ),
    ],
)
def test_payloads_that_lie(
    forged: Forge, altered: Forge, changes: list[tuple[bytes, bytes]], why: str | None
) -> None:
    said = refusal(altered(plain(forged), *changes))
    assert said == why if why else said.endswith("which is not in its header")


def test_a_payload_of_another_kind_than_said(forged: Forge, altered: Forge) -> None:
    data = forged(name="packed", files=FILES)
    assert refusal(altered(data, (b"\0gzip\0", b"\0lzma\0"))) == "its payload is gzip, its header says lzma"
    assert refusal(altered(data, (b"\0cpio\0", b"\0tar4\0"))) == "its payload is 'tar4', not cpio"


def test_a_damaged_payload(forged: Forge, tmp_path: Path) -> None:
    for way, why in (
        ("w2.xzdio", "Corrupt input data"),
        ("w1.gzdio", "Error -3"),
        ("w9.bzdio", "Invalid data stream"),
    ):
        data = bytearray(forged(name="packed", payload=way, files=FILES).read_bytes())
        data[-60:-40] = b"\xff" * 20
        path = tmp_path / "damaged.rpm"
        path.write_bytes(data)
        assert refusal(path).startswith(f"damaged payload: {why}") or refusal(path).startswith("truncated")


def test_a_bomb_is_stopped_by_its_own_header(forged: Forge, altered: Forge) -> None:
    """100 MB that compress to 100 kB: the header says how much a member may have."""
    path = forged(name="bomb", files={"/opt/zeros": bytes(100_000_000)})
    size = struct.pack("!I", 100_000_000)
    tracemalloc.start()
    why = refusal(altered(path, (size, struct.pack("!I", 1000))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert why == "damaged: '/opt/zeros' is not as long as its header says"
    assert peak < 4_000_000


def test_an_absurd_size(forged: Forge, tmp_path: Path) -> None:
    files = {f"/opt/{n:02}": b"x" for n in range(20)}
    data = bytearray(forged(name="absurd", files=files).read_bytes())
    at = entry(data, 1028)
    _, _, offset, count = struct.unpack_from("!IIII", data, at)
    start = headers(data)[1]
    entries = struct.unpack_from("!I", data, start + 8)[0]
    struct.pack_into(f"!{count}I", data, start + 16 + entries * 16 + offset, *[0xFFFFFFFF] * count)
    path = tmp_path / "absurd.rpm"
    path.write_bytes(data)
    assert refusal(path) == "claims to unpack to more than 64 GiB"


MUTATIONS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["set", "cut", "double", "flip"]),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


def mutated(data: bytes, mutations: list[tuple[float, str, bytes]]) -> bytes:
    """The data with some places overwritten, cut out, doubled or flipped."""
    for where, how, new in mutations:
        at = int(where * len(data))
        if how == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "cut":
            data = data[:at] + data[at + new[0] :]
        elif how == "double":
            data = data[:at] + data[at : at + new[0]] + data[at:]
        else:
            data = data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + len(new)]) + data[at + len(new) :]
    return data


@pytest.fixture(scope="module")
def seeds(forged: Forge) -> list[bytes]:
    """Sound RPMs to start from: with a payload that can be mutated itself, and with compressed ones."""
    scripts = {"%post": "echo x", "%triggerin -- bash": "echo y"}
    ways = ("w.ufdio", "w1.gzdio", "w2.xzdio")
    return [forged(name="seed", payload=way, files=FILES, scripts=scripts).read_bytes() for way in ways]


@settings(max_examples=400)
@given(which=st.integers(0, 2), mutations=MUTATIONS)
def test_mutated_rpms_are_read_or_refused(
    seeds: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    mutations: list[tuple[float, str, bytes]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.rpm"
    path.write_bytes(mutated(seeds[which], mutations))
    try:
        read_rpm(path)
        contents(path)
    except BadInput as refused:
        assert str(refused).startswith(f"{path}: ")
        assert "\n" not in str(refused)


@settings(max_examples=300)
@given(data=st.binary(max_size=400))
def test_random_signatures_give_no_error(data: bytes) -> None:
    for key in key_ids(b"\xc2" + data):
        assert len(key) == 16
