"""The same pack from every kind of tree and with every option of SCons that changes what is built, or how."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sentences
from support import need
from trees import Tree

ENVIRONMENT = 'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="MIT")\n'
DECLARATION = """\
agent = env.Userspace(
    "agent", version="1.0", arch="x86_64",
    files={"/opt/agent/bin/agent": env.Program("agent", "agent.c"),
           "/opt/agent/bin/ctl": env.XsFile("ctl.sh", mode=0o755),
           "/opt/agent/share": env.Dir("share"),
           "/opt/agent/made": env.Command("made.txt", "made.in", "cp $SOURCE $TARGET")},
    config={"/etc/agent.conf": "agent.conf"}, docs=["README"], scripts={"post": env.File("post.sh")},
    systemd_units="agent.service",
)
pack = env.Pack(
    "agents", version="1.0", uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66", description="Agents", packages=agent,
    requires="product-version >= 8.2.0", precheck="precheck.sh", key=env.TestKey("KEY"),
)
env.Alias("pack", pack)
"""
SOURCES: dict[str, str | bytes] = {
    "agent.c": "int main(void) { return 0; }\n",
    "ctl.sh": "#!/bin/sh\n",
    "share/deep/data": b"\0\1\2",
    "share/#odd $NAME": "odd\n",
    "made.in": "made\n",
    "agent.conf": "a = 1\n",
    "README": "read me\n",
    "post.sh": "echo done\n",
    "agent.service": "[Service]\nExecStart=/opt/agent/bin/agent\n",
    "precheck.sh": "#!/bin/sh\nexit 0\n",
}
#: All that a build leaves below XSPACK_OUT, but for the keyring.
MADE = {
    "agents-1.0.iso",
    *(
        f"agents-1.0.{end}"
        for end in ("iso.sha256", "cdx.json", "spdx.json", "provenance.json", "provenance.json.asc")
    ),
    "keys/KEY",
    "packs/agents/index.jsonl",
    "packs/agents/records.jsonl",
    "packs/agents/generated/index.jsonl",
    "packs/agents/generated/records.jsonl",
    "packs/agents/installed-size",
    "packs/agents/time",
    "packs/agents/update.xml",
    "packs/agents/update.xml.asc",
    "packs/agents/repodata/repomd.xml",
    "packs/agents/repodata/repomd.xml.asc",
    *(f"packs/agents/repodata/{name}.xml.gz" for name in ("primary", "filelists", "other", "comps")),
    "packs/agents/repodata/comps.xml",
    *(
        f"{folder}/{name}-1.0-1.{arch}.rpm{ending}"
        for folder, ending in (("rpms", ""), ("signed/KEY", ""), ("records/local/KEY", ".json"))
        for name, arch in (("agent", "x86_64"), ("update-agents", "noarch"), ("control-agents", "noarch"))
    ),
}


def plant(path: Path, below: str = "") -> Tree:
    """The sources, in the top folder or below it."""
    need("rpmbuild", "rpmsign", "gpg", "gcc")
    tree = Tree(path).write({f"{below}{name}": content for name, content in SOURCES.items()})
    (tree.path / below / "share/link").symlink_to("deep/data")
    (tree.path / below / "share/empty").mkdir()
    return tree


def made(tree: Tree, out: str = "build") -> set[str]:
    """What lies below XSPACK_OUT, but the keyring, the journal and findings."""
    others = (".xspack/", "keys/gnupg/", "agents-findings.")
    return {name for name in tree.files(out) if not name.startswith(others)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Built by one SConstruct in one folder."""
    tree = plant(tmp_path_factory.mktemp("plain") / "tree").declare(DECLARATION, head=ENVIRONMENT)
    tree.scons("pack").good()
    return tree


def test_one_folder(plain: Tree) -> None:
    assert made(plain) == MADE
    assert plain.scons("pack").good().said == f"{sentences.UP_TO_DATE}\n"


LAYOUTS = {
    "subfolder": 'SConscript("sub/SConscript")\n',
    "variant": 'SConscript("sub/SConscript", variant_dir="variant")\n',
    "variant without copies": 'SConscript("sub/SConscript", variant_dir="variant", duplicate=False)\n',
    "variant of the top": 'SConscript("SConscript", variant_dir="variant")\n',
    "variant elsewhere": 'VariantDir("variant/deep", "sub", duplicate=False)\nSConscript("variant/deep/SConscript")\n',
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_give_the_same_bytes(plain: Tree, tmp_path: Path, layout: str) -> None:
    below = "" if layout == "variant of the top" else "sub/"
    tree = plant(tmp_path / "tree", below).write({f"{below}SConscript": ENVIRONMENT + DECLARATION})
    tree.declare("", head=LAYOUTS[layout])
    tree.scons("pack").good()
    assert made(tree) == MADE
    assert tree.digest("build/rpms/agent-1.0-1.x86_64.rpm") == plain.digest(
        "build/rpms/agent-1.0-1.x86_64.rpm"
    )
    assert tree.scons("pack").good().said == f"{sentences.UP_TO_DATE}\n"
    # A changed byte reaches the ISO from there, too; so does a new file in a folder.
    tree.write({f"{below}share/deep/data": b"\0\1\3"})
    assert changed_payload(tree.scons("pack").good().built)
    tree.write({f"{below}share/deep/new": "new\n"})
    assert changed_payload(tree.scons("pack").good().built)
    assert tree.scons("pack").good().built == set()


def changed_payload(built: set[str]) -> bool:
    """Whether the RPM of the payload was built, and all that depends on its bytes."""
    rpm = "agent-1.0-1.x86_64.rpm"
    wanted = {
        f"build/rpms/{rpm}",
        f"build/signed/KEY/{rpm}",
        f"build/records/local/KEY/{rpm}.json",
        "build/agents-1.0.iso",
    }
    return built >= {
        *wanted,
        "build/packs/agents/repodata/repomd.xml",
        "build/packs/agents/repodata/repomd.xml.asc",
    }


def test_the_key_alone_decides_the_signatures(plain: Tree, tmp_path: Path) -> None:
    """With the same key, two folders give the same ISO."""
    tree = plant(tmp_path / "tree").declare(DECLARATION, head=ENVIRONMENT)
    shutil.copytree(plain.path / "build/keys", tree.path / "build/keys")
    tree.scons("-j2", "pack").good()
    assert tree.digest("build/agents-1.0.iso") == plain.digest("build/agents-1.0.iso")


def test_two_jobs_and_going_on_after_a_failure(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    faulty = 'env.Userspace("faulty", version="1", files={"/opt/f": env.Command("f", [], "false")})\n'
    tree.declare(DECLARATION + faulty, head=ENVIRONMENT)
    ran = tree.real_scons("-j2", "-k", ".")
    assert ran.status == 2 and "[f] Error 1" in ran.said
    assert made(tree) == MADE


def test_a_dry_run_builds_nothing(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree").declare(DECLARATION, head=ENVIRONMENT)
    before = tree.files()
    ran = tree.scons("-n", "pack").good()
    assert {
        f"build/{name}" for name in MADE if name.endswith((".rpm", ".iso", ".xml.asc", "installed-size"))
    } <= ran.built
    assert tree.files() == before and not (tree.path / "build").exists()
    tree.scons("pack").good()
    content = {name: tree.digest(name) for name in tree.files()}
    tree.scons("-n", "-c", "pack").good()
    assert {name: tree.digest(name) for name in tree.files()} == content
    assert tree.scons("-q", "pack").status == 0


def test_clean_removes_all(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree").declare(DECLARATION, head=ENVIRONMENT)
    before = tree.files()
    tree.scons("pack").good()
    tree.scons("-c", "pack").good()
    assert tree.files() == before
    assert not (tree.path / "build/keys/gnupg").exists()
    # It builds again, with a key of its own.
    assert "build/agents-1.0.iso" in tree.scons("pack").good().built


def test_a_tree_of_dependencies_is_shown(plain: Tree) -> None:
    said = plain.scons("--tree=prune", "pack").good().said
    for name in ("agents-1.0.iso", "signed/KEY/agent-1.0-1.x86_64.rpm", "rpms/agent-1.0-1.x86_64.rpm"):
        assert f"+-build/{name}\n" in said
    assert "+-share/deep/data\n" in said and "+-agent.o\n" in said


def test_a_cache_of_another_tree(tmp_path: Path) -> None:
    """What depends on sources alone comes out of the cache; signatures and the ISO never do."""
    head = ENVIRONMENT + f'CacheDir("{tmp_path}/cache")\n'
    first = plant(tmp_path / "one").declare(DECLARATION, head=head)
    first.scons("pack").good()
    second = plant(tmp_path / "two").declare(DECLARATION, head=head)
    ran = second.scons("pack").good()
    assert "Retrieved `build/rpms/agent-1.0-1.x86_64.rpm' from cache\n" in ran.said
    assert not any("signed/" in line or ".iso" in line or ".asc" in line for line in retrieved(ran.said))
    assert made(second) == MADE
    rpm = "build/rpms/agent-1.0-1.x86_64.rpm"
    assert first.digest(rpm) == second.digest(rpm)


def retrieved(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Retrieved ")]


def test_an_older_version_goes_when_the_new_one_is_there(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree").declare(DECLARATION, head=ENVIRONMENT)
    tree.scons("pack").good()
    tree.write({"build/rpms/foreign-1.0-1.noarch.rpm": "not ours\n"})
    tree.declare(DECLARATION.replace('version="1.0"', 'version="1.1"'), head=ENVIRONMENT)
    tree.scons("pack").good()
    foreign = "rpms/foreign-1.0-1.noarch.rpm"
    assert made(tree) == {foreign, *(name.replace("1.0", "1.1") for name in MADE)}
    tree.scons("-c", "pack").good()
    assert made(tree) == {foreign}


def test_sub_packages_of_a_spec_go_with_their_version(tmp_path: Path) -> None:
    need("rpmbuild")
    spec = "Name: x\nVersion: {}\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n"
    spec += "%package doc\nSummary: s\n%description doc\nd\n%files\n%files doc\n"
    tree = Tree(tmp_path / "tree").declare('env.SpecRpm("x.spec")\n', head=ENVIRONMENT)
    tree.write({"x.spec": spec.format("1")}).scons().good()
    assert tree.files("build/rpms") == {"x-1-1.noarch.rpm", "x-doc-1-1.noarch.rpm"}
    tree.write({"x.spec": spec.format("2")}).scons().good()
    assert tree.files("build/rpms") == {"x-2-1.noarch.rpm", "x-doc-2-1.noarch.rpm"}


def test_packages_reach_a_pack_through_install_and_alias(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    tree.declare(
        DECLARATION.replace("packages=agent", 'packages=[env.Alias("rpms", env.Install("out", agent))]'),
        head=ENVIRONMENT,
    )
    tree.scons("pack").good()
    assert made(tree) == MADE
