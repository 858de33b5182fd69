"""Every mistake in a declaration is told with its place, target, field, value, rule and remedy; all of them at
once, before anything is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT, need
from trees import Ran, Tree

from xspack_tool.signing.keys import make_test_key

#: What the declarations below name.
WORLD = {
    "a.txt": "a\n",
    "a.conf": "b\n",
    "tree/a.txt": "c\n",
    "good.spec": "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\n%files\n",
}
START = """\
from uuid import uuid4
env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT")
good = env.Userspace("good", version="1", files={"/opt/g": "a.txt"})
def S(**more): return {"version": "1", "files": {"/opt/a": "a.txt"}, **more}
def P(**more):
    return {"version": "1", "uuid": str(uuid4()), "description": "d", "packages": good, "unsigned": True, **more}
prebuilt = "acme-tools-5.2-1.noarch.rpm"
"""
RELATION = 'a dependency is a name, or name, operator and version with blanks between; write it as "name >= version"'
ENTRY = 'write it as "2026-11-20 Name <mail> 1.0-1\\n- what changed"'
NOT_THERE = "no such file, and nothing builds it; make it, or correct the name"
NOT_A_NAME = "an RPM's name is letters, digits and . _ + -; choose such a name"
NOT_A_UUID = "not a uuid; make one with: python3 -m uuid  (or uuidgen)"
VOLUME = "a volume id is 1 to 32 letters, digits and _; shorten it, or give volume_id= of its own"
NO_KEY = "no such public key file; export it with: gpg --armor --export FINGERPRINT, or try out with env.TestKey(..)"
ONE_NAME = "a declaration begins with its one name; everything else is a keyword"
FILE_TABLE = "takes a table, destination -> file, folder, XsFile or XsLink; write it so, or leave it out"
FOR_KERNELS = "install the kernel's development package (kernel-devel, linux-headers) and name its folder"
SAME = "5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66"

#: A declaration in one line -> what is said of it, after the place. {here} is that place, {top} the tree.
TABLE: dict[str, list[str]] = {
    # Keywords
    'env.Userspace("k1", **S(versin="1"))': ["Userspace 'k1': versin='1': unknown keyword; did you mean 'version'?"],
    'env.Pack("k2", **P(after_aply=["restartHost"], colour=1))': [
        "Pack 'k2': after_aply=['restartHost']: unknown keyword; did you mean 'after_apply'?",
        "Pack 'k2': colour=1: unknown keyword; the keywords are version, uuid, description, packages, key, unsigned, "
        "requires, after_apply, precheck, remove, rollups, enforce_homogeneity, driver_disk, volume_id, vendor, "
        "target, waive",
    ],
    'env.PrebuiltRpm(prebuilt, target="k3.rpm", sha265="")': [
        "PrebuiltRpm 'acme-tools-5.2-1.noarch.rpm': sha265='': unknown keyword; did you mean 'sha256'?"
    ],
    'env.Userspace("k4", **S(files={"/opt/a": env.XsFile("a.txt", mod=0o755)}))': [
        "XsFile 'a.txt': mod=493: unknown keyword; did you mean 'mode'?"
    ],
    'env.Userspace("k5")': ["Userspace 'k5': version=None: is missing; give the version of the RPM"],
    'env.Pack("k6", unsigned=True)': [
        "Pack 'k6': version=None: is missing; give the version of the pack",
        "Pack 'k6': uuid=None: is missing; give the uuid of this version of this pack",
        "Pack 'k6': description=None: is missing; give the one line that administrators see",
        "Pack 'k6': packages=None: is missing; give the packages that the pack holds",
    ],
    # Names, versions, labels, uuids
    'env.Userspace("bad name", **S())': [f"Userspace 'bad name': name='bad name': {NOT_A_NAME}"],
    'env.Userspace("-n", **S())': [f"Userspace '-n': name='-n': {NOT_A_NAME}"],
    "env.Userspace()": [f'Userspace(): {ONE_NAME}; write env.Userspace("name", version=.., ..)'],
    'env.Pack("a", "b")': [f"Pack('a', 'b'): {ONE_NAME}; write env.Pack(\"name\", version=.., ..)"],
    'env.Userspace("v1", **S(version="1-2"))': [
        "Userspace 'v1': version='1-2': a version holds no '-'; put what follows it into release"
    ],
    'env.Userspace("v2", **S(version=1.5))': ["Userspace 'v2': version=1.5: version takes a text; write it so, or leave it out"],
    'env.Userspace("v3", **S(release="1 2"))': [
        "Userspace 'v3': release='1 2': a release is letters, digits and . _ + ~; give a string such as release=\"1.0\""
    ],
    'env.Userspace("v4", **S(version="1^git"))': [
        "Userspace 'v4': version='1^git': a version is letters, digits and . _ + ~; "
        'give a string such as version="1.0"'
    ],
    'env.Userspace("v5", **S(epoch=-1))': [
        "Userspace 'v5': epoch=-1: epoch takes a whole number from 0; write it so, or leave it out"
    ],
    'env.Userspace("v6", **S(arch="x86-64"))': ["Userspace 'v6': arch='x86-64': no architecture of dom0; did you mean 'x86_64'?"],
    'env.Userspace("v7", **S(summary="two\\nlines"))': [
        "Userspace 'v7': summary='two\\nlines': summary is one line of text; give a text without line breaks"
    ],
    'env.Userspace("v8", **S(summary="\\udcff"))': [
        "Userspace 'v8': summary='\\udcff': a text is Unicode without NUL; rename it, or write it as UTF-8"
    ],
    'env.Clone(XSPACK_LICENSE="").Userspace("v9", version="1")': [
        "Userspace 'v9': license='': an RPM names its licence; give an SPDX expression as license=, or set XSPACK_LICENSE"
    ],
    'env.Pack("bad label", **P())': [
        "Pack 'bad label': label='bad label': a label is letters, digits, _ and - (xapi refuses others); "
        "choose such a label"
    ],
    'env.Pack("main", **P())': ["Pack 'main': label='main': 'main' is yum's own section; choose another label"],
    'env.Pack("u1", **P(uuid="1234", rollups=["x"]))': [
        f"Pack 'u1': uuid='1234': {NOT_A_UUID}",
        f"Pack 'u1': rollups='x': {NOT_A_UUID}",
    ],
    f'env.Pack("u2", **P(uuid="{SAME.upper()}"))': [
        f"Pack 'u2': uuid='{SAME.upper()}': hosts want the uuid in lower case; write \"{SAME}\""
    ],
    f'env.Pack("u3", **P(uuid="{SAME}")); env.Pack("u4", **P(uuid="{SAME}"))': [
        f"Pack 'u4': uuid='{SAME}': already taken by Pack 'u3' at {{here}}; "
        "make a new one: a uuid stands for one version of one pack"
    ],
    # Dependencies
    'env.Userspace("d1", **S(requires=["python >> 3"]))': [
        "Userspace 'd1': requires='python >> 3': unknown operator '>>'; use one of < <= = >= >"
    ],
    'env.Userspace("d2", **S(requires=["(a or b)"]))': [
        "Userspace 'd2': requires='(a or b)': rpm 4.11 on the hosts knows no rich dependencies; "
        "name one capability an entry"
    ],
    'env.Userspace("d3", **S(provides="a b"))': [f"Userspace 'd3': provides='a b': {RELATION}"],
    'env.Userspace("d4", **S(conflicts=[">= 3 4"]))': [
        "Userspace 'd4': conflicts='>= 3 4': '>=' is no name of a capability; write \"name >= version\""
    ],
    'env.Userspace("d5", **S(obsoletes=["a < 1^"]))': [
        "Userspace 'd5': obsoletes='a < 1^': '1^' is no version; write it as [epoch:]version[-release]"
    ],
    'env.Userspace("d6", **S(requires=[5]))': [
        "Userspace 'd6': requires=5: a dependency is a text; write it as \"name >= version\""
    ],
    'env.Pack("d7", **P(requires="product-version => 8.2.0"))': [
        "Pack 'd7': requires='product-version => 8.2.0': unknown operator '=>'; use one of < <= = >= >"
    ],
    # Missing sources
    'env.Userspace("m1", **S(files={"/opt/a": "no.txt"}, docs=["NO"], scripts={"post": env.File("no.sh")}))': [
        f"Userspace 'm1': files='no.txt': {NOT_THERE}",
        f"Userspace 'm1': docs='NO': {NOT_THERE}",
        f"Userspace 'm1': scripts='no.sh': {NOT_THERE}",
    ],
    'env.Userspace("m2", **S(config={"/etc/a": "no.conf"}, systemd_units="no.service"))': [
        f"Userspace 'm2': config='no.conf': {NOT_THERE}",
        f"Userspace 'm2': systemd_units='no.service': {NOT_THERE}",
    ],
    'env.Userspace("m3", **S(files={"/opt/a": env.Dir("nodir")}))': [
        "Userspace 'm3': files='nodir': no such folder; make it, or name another"
    ],
    'env.Userspace("m4", **S(udev_rules="tree"))': [
        "Userspace 'm4': udev_rules='tree': a folder, where a file is wanted; name the files in it"
    ],
    'env.Pack("m5", **P(precheck="no.sh", remove="gone.sh"))': [
        f"Pack 'm5': precheck='no.sh': {NOT_THERE}",
        f"Pack 'm5': remove='gone.sh': {NOT_THERE}",
    ],
    'env.PrebuiltRpm("no.rpm")': ["PrebuiltRpm 'no.rpm': no such RPM; correct the name, or put the file there"],
    'env.PrebuiltRpm("a.txt")': ["PrebuiltRpm 'a.txt': no RPM: it does not begin as one; name a binary RPM"],
    'env.SpecRpm("no.spec")': [
        "SpecRpm 'no.spec': no such spec; it must be there while the SConstruct is read; correct the name"
    ],
    'env.SpecRpm("good.spec", sources=["no.tgz", "a.txt", "tree/a.txt"])': [
        "SpecRpm 'good.spec': sources='no.tgz': no such file; name each source file of the spec",
        "SpecRpm 'good.spec': sources='a.txt': two sources of one name; rename one of them",
    ],
    'env.KernelModule("m6", version="1", source="tree")': [
        "KernelModule 'm6': ddk=None: modules are compiled against the kernel of the release; "
        "set XSPACK_DDK, or give ddk=, a kernel build tree"
    ],
    'env.KernelModule("m7", version="1", ddk="tree")': [
        "KernelModule 'm7': source=None: is missing; give the folder with the driver's sources and its Kbuild or Makefile",
        f"KernelModule 'm7': ddk='{{top}}/tree': no kernel build tree: it has no Makefile; {FOR_KERNELS}",
    ],
    # Digests
    f'env.PrebuiltRpm(prebuilt, target="h1.rpm", sha256="{"0" * 64}")': [
        f"PrebuiltRpm 'acme-tools-5.2-1.noarch.rpm': sha256='{'0' * 64}': the file's SHA-256 is "
        "b33e03a1e3b8e76d7476d9398dd5f20092aa4592033b7f292e918fe2c0002374; get the right file, or correct sha256="
    ],
    'env.PrebuiltRpm(prebuilt, target="h2.rpm", sha256="12")': [
        "PrebuiltRpm 'acme-tools-5.2-1.noarch.rpm': sha256='12': not a SHA-256; "
        "give its 64 hexadecimal digits, as sha256sum prints them"
    ],
    # Destinations
    'env.Userspace("t1", **S(files={"/opt/x": "a.txt", "/opt//./x": "a.conf"}))': [
        "Userspace 't1': files='/opt/x': provided twice, by files=a.txt and by files=a.conf; keep one of them"
    ],
    'env.Userspace("t2", **S(files={"/etc/x": "a.txt"}, config={"//etc/x": "a.conf"}))': [
        "Userspace 't2': config='/etc/x': provided twice, by files=a.txt and by config=a.conf; keep one of them"
    ],
    'env.Userspace("t3", **S(docs=["a.txt", "tree/a.txt"]))': [
        "Userspace 't3': docs='/usr/share/doc/t3/a.txt': provided twice, by docs=a.txt and by docs=tree/a.txt; "
        "keep one of them"
    ],
    'env.Userspace("t4", **S(files={"/opt/x": env.Dir("tree"), "/opt/x/a.txt": env.XsLink("b")}))': [
        "Userspace 't4': files='/opt/x/a.txt': provided twice, by files=tree/a.txt and by files=b; keep one of them"
    ],
    'env.Userspace("t5", **S(files={"/opt/x": "a.txt", "/opt/x/y": "a.conf"}))': [
        "Userspace 't5': files='/opt/x/y': /opt/x is a file, so nothing can lie below it; choose another destination"
    ],
    'env.Userspace("t6", **S(files={"opt/x": "a.txt", "/opt/../../x": "a.txt", "/opt/a\\nb": "a.txt"}))': [
        "Userspace 't6': files='opt/x': a destination is an absolute path; begin it with /",
        "Userspace 't6': files='/opt/../../x': a destination holds no '..'; write the path it means",
        "Userspace 't6': files='/opt/a\\nb': a path is UTF-8 without control characters; rename it",
    ],
    'env.Firmware("t7", version="1", files={"/lib/firmware/a.bin": "a.txt"})': [
        "Firmware 't7': files='/lib/firmware/a.bin': firmware is named as the driver asks for it, relative to the "
        "firmware folder; write 'a.bin', or vendor/name"
    ],
    # Outputs
    'env.Userspace("o1", **S()); env.Userspace("o1", **S())': [
        "Userspace 'o1': target='build/rpms/o1-1-1.x86_64.rpm': already taken by Userspace 'o1' at {here}; "
        "rename one of them"
    ],
    'env.Userspace("o2", **S(target="o.rpm")); env.Userspace("o3", **S(target="./o.rpm"))': [
        "Userspace 'o3': target='o.rpm': already taken by Userspace 'o2' at {here}; rename one of them"
    ],
    'env.Userspace("o4", **S(target="tree"))': ["Userspace 'o4': target='tree': a folder, where a file is wanted; name a file"],
    'env.Pack("o5", **P()); env.Pack("o5", **P(uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c67"))': [
        "Pack 'o5': target='build/o5-1.iso': already taken by Pack 'o5' at {here}; rename one of them"
    ],
    'env.Pack("o6", **P()); env.Pack("o6", **P(version="2", uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c68"))': [
        "Pack 'o6': label='o6': already taken by Pack 'o6' at {here}; choose another label, or set another XSPACK_OUT"
    ],
    'env.Pack("o7", **P(packages=[good, env.Userspace("good", **S(version="2"))]))': [
        "Pack 'o7': packages='good': good.x86_64 comes twice, from Userspace 'good' and Userspace 'good'; "
        "keep one version of it"
    ],
    # The pack's own words
    'env.Pack("g1", **P(after_apply=["restartHosts", "restartXAPI", "reboot"]))': [
        "Pack 'g1': after_apply='restartHosts': xapi knows no such guidance and would drop the whole list; "
        "did you mean 'restartHost'?",
        "Pack 'g1': after_apply='reboot': xapi knows no such guidance and would drop the whole list; "
        "use one of restartXAPI, restartHost, restartPV, restartHVM",
    ],
    'env.Pack("y1", **P(unsigned=False))': [
        "Pack 'y1': key=None: a pack without a key is one that no host takes; "
        "name the public key file, use env.TestKey(..), or say unsigned=True"
    ],
    'env.Pack("y2", **P(key="RPM-GPG-KEY-No"))': [f"Pack 'y2': key='RPM-GPG-KEY-No': {NO_KEY}"],
    'env.Pack("y3", **P(key="a.txt"))': [
        "Pack 'y3': key='a.txt': {top}/a.txt: holds no OpenPGP key; export one with: gpg --armor --export FINGERPRINT; "
        "name the armoured public key of your release key"
    ],
    'env.Pack("y4", **P(key=["a.txt", "a.conf"]))': [
        "Pack 'y4': key=['a.txt', 'a.conf']: key takes one file: a path, or what a builder returns; "
        "write it so, or leave it out",
    ],
    'env.TestKey("../key")': [
        "TestKey '../key': hosts keep a key under its file name: letters, digits and . _ + -; "
        "name it as RPM-GPG-KEY-Acme-Test"
    ],
    'env.Pack("a-label-that-is-longer-than-a-volume-id", **P())': [
        "Pack 'a-label-that-is-longer-than-a-volume-id': volume_id='a_label_that_is_longer_than_a_volume_id_1': "
        + VOLUME
    ],
    'env.Pack("l1", **P(volume_id="with-dash"))': [f"Pack 'l1': volume_id='with-dash': {VOLUME}"],
    'env.Pack("e1", **P(packages=[]))': ["Pack 'e1': packages=[]: a pack without packages; name at least one package"],
    'env.Pack("e2", **P(packages=["a.txt"]))': [
        "Pack 'e2': packages='a.txt': not a package of xspack; name what env.Userspace, env.PrebuiltRpm and the like return"
    ],
    # The rest
    'env.Userspace("c1", **S(changelog=["today: all new"]))': [
        f"Userspace 'c1': changelog='today: all new': a changelog entry is a dated head line and its text; {ENTRY}"
    ],
    'env.Userspace("c2", **S(changelog="2026-13-01 A <a@b> 1-1\\n- x"))': [
        "Userspace 'c2': changelog='2026-13-01 A <a@b> 1-1\\n- x': 2026-13-01 is no day of the calendar; " + ENTRY
    ],
    'env.Userspace("s1", **S(scripts={"pots": "true"}))': [
        "Userspace 's1': scripts='pots': no such scriptlet; did you mean 'post'?"
    ],
    'env.Userspace("s2", **S(scripts="true"))': [
        "Userspace 's2': scripts='true': scripts takes a table, scriptlet -> shell text or file; "
        "write it so, or leave it out"
    ],
    'env.Userspace("f1", **S(files={"/opt/a": env.XsFile("a.txt", mode="755", owner="no one")}))': [
        "Userspace 'f1': files='755': the mode of /opt/a is a number from 0 to 0o7777; write it as mode=0o755",
        "Userspace 'f1': files='no one': the owner of /opt/a is the name of an account; write it as owner=\"root\"",
    ],
    'env.Userspace("f2", **S(files="a.txt"))': [f"Userspace 'f2': files='a.txt': files {FILE_TABLE}"],
    'env.Userspace("f3", **S(files={"/opt/a": 5}))': [f"Userspace 'f3': files={{{{'/opt/a': 5}}}}: files {FILE_TABLE}"],
    'env.Userspace("w1", **S(waive={"P44": "because"}))': ["Userspace 'w1': waive='P44': no rule has this id; did you mean 'P4'?"],
    'env.Userspace("x1", **S(systemd_units=["a.txt"]))': [
        "Userspace 'x1': systemd_units='a.txt': a unit's name is letters, digits, : _ . - and a suffix such as "
        ".service; rename the file, such as acme.service"
    ],
    'Environment(tools=["xspack"], XSPACK_TARGET="xenserver8").Userspace("x2", version="1", license="MIT")': [
        "Environment: XSPACK_TARGET='xenserver8': no such dom0 profile; did you mean 'xenserver-8'? known are "
        "citrix-hypervisor-8.2, local, xcp-ng-8.2, xcp-ng-8.3, xenserver-8, xenserver-9, or the path of a TOML file "
        "of your own"
    ],
    # Several in one declaration: none hides another.
    'env.Userspace("z1", **S(version="1-2", release="3 4", requires=["a b"], files={"x": "no.txt"}, vendr="x"))': [
        "Userspace 'z1': vendr='x': unknown keyword; did you mean 'vendor'?",
        "Userspace 'z1': files='x': a destination is an absolute path; begin it with /",
        f"Userspace 'z1': requires='a b': {RELATION}",
        "Userspace 'z1': version='1-2': a version holds no '-'; put what follows it into release",
        "Userspace 'z1': release='3 4': a release is letters, digits and . _ + ~; "
        'give a string such as release="1.0"',
        f"Userspace 'z1': files='no.txt': {NOT_THERE}",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """All these declarations in one SConstruct."""
    need("rpmbuild", "gpg")
    tree = Tree(tmp_path_factory.mktemp("bad") / "tree").write(WORLD)
    prebuilt = ROOT / "examples/prebuilt/acme-tools-5.2-1.noarch.rpm"
    tree.write({prebuilt.name: prebuilt.read_bytes()})
    return tree.declare("\n".join([*TABLE, ""]), head=START)


@pytest.fixture(scope="module")
def ran(tree: Tree) -> Ran:
    return tree.scons("-k", "-j2", ".")


@pytest.mark.parametrize("declaration", TABLE)
def test_a_mistake_is_told(ran: Ran, tree: Tree, declaration: str) -> None:
    here = f"SConstruct:{START.count(chr(10)) + 1 + list(TABLE).index(declaration)}"
    said = [line for line in ran.mistakes if line.startswith(f"{here}: ")]
    wanted = [f"{here}: {text.format(here=here, top=tree.path)}" for text in TABLE[declaration]]
    assert said == wanted


def test_nothing_is_built_and_all_are_counted(ran: Ran, tree: Tree) -> None:
    count = sum(map(len, TABLE.values()))
    assert ran.refused() and len(ran.mistakes) == count
    assert ran.said.startswith(f"scons: *** {count} mistakes in the declarations, nothing was built\n")
    assert tree.files() == {*WORLD, "SConstruct", "acme-tools-5.2-1.noarch.rpm"}


def test_help_works_all_the_same(tree: Tree) -> None:
    said = tree.real_scons("-h").good().said
    assert "Userspace 'good' -> build/rpms/good-1-1.x86_64.rpm\n" in said
    assert "mistake" not in said
