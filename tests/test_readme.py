"""The README and the page on extending say what is: their code is built, or is the very file they show."""

from __future__ import annotations

import re
from pathlib import Path

from support import ROOT, blocks, need
from trees import Tree

from xspack_tool.kinds import validators
from xspack_tool.kinds.reference import reference_page


def test_the_first_pack_of_the_readme_builds_as_it_stands(tmp_path: Path) -> None:
    need("rpmbuild", "rpmsign", "gpg")
    (sconstruct,) = blocks("README.md", "python")
    tree = Tree(tmp_path)
    (tmp_path / "SConstruct").write_text(sconstruct)
    (tmp_path / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "acme.conf").write_text("# Acme\n")
    tree.scons("pack").good()
    assert (tmp_path / "build" / "acme-pack-1.0.iso").is_file()
    assert tree.scons("pack").good().built == set()


def test_the_readme_has_the_two_commands_and_every_kind() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\./bootstrap (\S+)", blocks("README.md", "sh")[0], re.M) == ["scons", "pytest"]
    kinds = re.findall(r"^\| `(\w+)` \|.*?\]\((\S+?)\)", page, re.M)
    assert [name for name, _ in kinds] == [
        "Userspace",
        "Firmware",
        "KernelModule",
        "PrebuiltRpm",
        "SpecRpm",
        "Pack",
        "Submission",
    ]
    assert all((ROOT / folder / "SConstruct").is_file() for _, folder in kinds)


def test_the_site_begins_with_the_same_first_pack() -> None:
    assert blocks("docs/index.md", "sh") == blocks("README.md", "sh")[1:2]


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert missing == []


EXAMPLE = ROOT / "examples" / "custom_kind"


def test_the_page_on_extending_shows_the_example_itself() -> None:
    tool, *_, sconstruct = blocks("docs/extending.md", "python")
    assert tool == (EXAMPLE / "python_app.py").read_text(encoding="utf-8")
    assert sconstruct == (EXAMPLE / "SConstruct").read_text(encoding="utf-8")


def test_the_page_on_extending_names_every_validator() -> None:
    known = {
        name: one.words for name, one in vars(validators).items() if isinstance(one, validators.Validator)
    }
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", page, re.M)) == known


def test_a_rule_of_the_page_on_extending_judges(tmp_path: Path) -> None:
    need("gpg")
    (sconstruct,) = blocks("README.md", "python")
    rule = blocks("docs/extending.md", "python")[1]
    head, rest = sconstruct.split("tools = env.Userspace", 1)
    tree = Tree(tmp_path).write({"hello.sh": "#!/bin/sh\n", "acme.conf": "#\n"})
    tree.write({"SConstruct": f"{head.replace('Acme', 'Else')}{rule}tools = env.Userspace{rest}"})
    ran = tree.scons("pack")
    assert ran.status == 2
    assert (
        "E ACME1 acme-pack: acme-tools-1.0-1.noarch.rpm: vendor: the vendor is 'Else'; set XSPACK_VENDOR"
        in ran.said
    )


def test_the_page_of_declarations_is_what_the_kinds_say() -> None:
    page = (ROOT / "docs" / "declarations.md").read_text(encoding="utf-8")
    remedy = "make it anew: python -m xspack_tool.kinds.reference docs/declarations.md"
    assert page == reference_page(), remedy
