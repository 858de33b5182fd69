"""An index made of fragments, judged by dnf and by createrepo_c's own reader."""

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import time

import msgspec
import pytest
from support import need

from xspack_tool.errors import BadInput
from xspack_tool.model.pack import Pack
from xspack_tool.repo.comps import comps_xml
from xspack_tool.repo.fragment import line_of, make_fragment, read_fragments
from xspack_tool.repo.repodata import RECORDS, iso_names, write_repodata

PACK = Pack("acme", "1", "9a1f0f0e-0000-4000-8000-000000000001", "d", "RPM-GPG-KEY-Acme", driver_disk=True)
REVISION = 1600000000


@pytest.fixture
def fragments(rpms):
    return [make_fragment(path, f"Packages/{path.name}") for path in rpms.values()]


def test_a_fragment_says_what_the_rpm_is(rpms, tmp_path):
    found = make_fragment(rpms["two"], "Packages/x & y.rpm")
    content = rpms["two"].read_bytes()
    expected = {
        "name": "two",
        "epoch": 3,
        "version": "1.0",
        "release": "1",
        "arch": "noarch",
        "location": "Packages/x & y.rpm",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "installed_size": 4,
        "build_time": 1601553600,
    }
    assert {
        name: value for name, value in msgspec.structs.asdict(found).items() if name in expected
    } == expected
    assert found.evr == "3:1.0-1"
    assert '<time file="1601553600" build="1601553600"/>' in found.primary
    assert '<location href="Packages/x &amp; y.rpm"/>' in found.primary
    assert "<summary>two &lt;&amp;&gt; summary</summary>" in found.primary
    assert "<file>/opt/two/file</file>" in found.filelists
    assert "- new</changelog>" in found.other
    (tmp_path / "line").write_text(line_of(found))
    (tmp_path / "lines").write_text(line_of(found) * 2)
    assert read_fragments([tmp_path / "line", tmp_path / "lines"]) == [found] * 3
    assert json.loads(line_of(found))["name"] == "two"
    # Neither the file's own time nor its place shows.
    copy = tmp_path / "elsewhere.rpm"
    shutil.copy(rpms["two"], copy)
    os.utime(copy, (1, 1))
    assert make_fragment(copy, "Packages/x & y.rpm") == found


@pytest.mark.parametrize("content", [b"", b"no rpm", None])
def test_what_is_no_rpm_is_one_line(content, rpms, tmp_path):
    bad = tmp_path / "bad.rpm"
    bad.write_bytes(rpms["one"].read_bytes()[:900] if content is None else content)
    with pytest.raises(BadInput) as caught:
        make_fragment(bad, "Packages/bad.rpm")
    assert str(caught.value).startswith(f"{bad}: cannot be indexed: ")
    assert "\n" not in str(caught.value)


def test_the_index_is_a_function_of_its_fragments(fragments, tmp_path):
    write_repodata(fragments, comps_xml(PACK.groups, PACK.update_name), tmp_path / "a", REVISION)
    random.Random(1).shuffle(fragments)
    write_repodata(fragments, comps_xml(PACK.groups, PACK.update_name), tmp_path / "b", REVISION)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"repomd.xml", *RECORDS.values()} == {path.name for path in (tmp_path / "b").iterdir()}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for name in names - {"repomd.xml", "comps.xml"}:
        # gzip, no time, no name, and the operating system that every zlib on Linux writes
        header = (tmp_path / "a" / name).read_bytes()[:10]
        assert header[:8] == b"\x1f\x8b\x08\0\0\0\0\0" and header[9] == 3
    repomd = (tmp_path / "a/repomd.xml").read_text()
    assert repomd.count(f"<timestamp>{REVISION}</timestamp>") == 5
    assert f"<revision>{REVISION}</revision>" in repomd
    assert "sha512" not in repomd and str(tmp_path) not in repomd
    assert gzip.decompress((tmp_path / "a/comps.xml.gz").read_bytes()).decode() == comps_xml(
        PACK.groups, PACK.update_name
    )


def test_names_in_the_pack_bear_the_checksum(fragments, tmp_path):
    write_repodata(fragments, comps_xml(PACK.groups, PACK.update_name), tmp_path, REVISION)
    expected = {
        name: f"repodata/{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}-{name}"
        for name in RECORDS.values()
    }
    assert iso_names(tmp_path / "repomd.xml") == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<repomd", "is not XML: unclosed token: line 1, column 0"),
        ("<repomd/>", "not an index that was written for a pack"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "declares a document type"),
    ],
)
def test_foreign_indexes(text, why, tmp_path):
    (tmp_path / "repomd.xml").write_text(text)
    with pytest.raises(BadInput) as caught:
        iso_names(tmp_path / "repomd.xml")
    assert str(caught.value).startswith(f"{tmp_path}/repomd.xml: {why}") and "\n" not in str(caught.value)


def test_five_hundred_fragments_are_quick(fragments, tmp_path):
    files = "".join(f"  <file>/opt/one/file-{n}</file>\n" for n in range(50))
    many = [
        msgspec.structs.replace(
            fragments[0],
            location=f"Packages/{n}.rpm",
            filelists=fragments[0].filelists.replace("</package>", f"{files}</package>"),
        )
        for n in range(500)
    ]
    times = []
    for _ in range(3):
        start = time.process_time()
        write_repodata(many, comps_xml(PACK.groups, PACK.update_name), tmp_path, REVISION)
        times.append(time.process_time() - start)
    assert min(times) < 0.3


def test_dnf_reads_it_and_checks_its_signature(fragments, rpms, tmp_path):
    need("dnf", "gpg")
    pack, key = tmp_path / "pack", tmp_path / "key"
    write_repodata(fragments, comps_xml(PACK.groups, PACK.update_name), tmp_path / "index", REVISION)
    (pack / "repodata").mkdir(parents=True)
    (pack / "Packages").mkdir()
    for name, href in iso_names(tmp_path / "index/repomd.xml").items():
        shutil.copy(tmp_path / "index" / name, pack / href)
    shutil.copy(tmp_path / "index/repomd.xml", pack / "repodata")
    for path in rpms.values():
        shutil.copy(path, pack / "Packages")

    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--batch", "--quiet", "--passphrase=", "--pinentry-mode=loopback"]
    short = os.path.relpath(home)
    env = {**os.environ, "GNUPGHOME": short if len(short) < len(str(home)) else str(home)}
    subprocess.run([*gpg, "--quick-gen-key", "a@b.example", "rsa2048", "sign", "never"], check=True, env=env)
    subprocess.run([*gpg, "--armor", "--detach-sign", pack / "repodata/repomd.xml"], check=True, env=env)
    key.write_bytes(
        subprocess.run([*gpg, "--armor", "--export"], check=True, env=env, capture_output=True).stdout
    )
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True, env=env)

    (tmp_path / "dnf.conf").write_text(
        f"[main]\nreposdir=/dev/null\ncachedir={tmp_path}/cache\nlogdir={tmp_path}\npersistdir={tmp_path}/persist\n"
        f"group_command=compat\n"
        f"[acme]\nname=acme\nbaseurl=file://{pack}\ngpgcheck=0\nrepo_gpgcheck=1\ngpgkey=file://{key}\n"
    )

    def dnf(*words):
        common = ["dnf", "-y", "--quiet", "--noplugins", "-c", tmp_path / "dnf.conf", "--releasever=7"]
        root = ["--forcearch=x86_64", f"--installroot={tmp_path}/root"]
        return subprocess.run([*common, *root, *words], capture_output=True, text=True, check=False)

    found = dnf("repoquery", "--qf", "%{name}|%{epoch}|%{location}|%{size}")
    assert found.returncode == 0, found.stderr
    assert set(found.stdout.split()) == {
        f"{name}|{3 if name == 'two' else 0}|Packages/{path.name}|{path.stat().st_size}"
        for name, path in rpms.items()
    }
    groups = dnf("group", "list", "--ids").stdout
    assert "update (update)" in groups and "drivers (drivers)" in groups
    assert dnf("install", "@drivers").returncode == 0
    installed = subprocess.run(
        ["rpm", f"--root={tmp_path}/root", "-qa"], capture_output=True, text=True, check=True
    )
    assert installed.stdout == "update-acme-1.0-1.noarch\n"

    repomd = (pack / "repodata/repomd.xml").read_text()
    (pack / "repodata/repomd.xml").write_text(repomd.replace("<revision>1", "<revision>2"))
    shutil.rmtree(tmp_path / "root")  # the cache is in there
    refused = dnf("repoquery")
    assert refused.returncode != 0 and "GPG" in refused.stderr
