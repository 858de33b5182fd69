"""The commands on the pages print what the pages say."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from pack_maker import xspack
from support import ROOT, need, need_root

from xspack_tool import cli

SCRIPT = ROOT / "docs/commands/render.py"


def test_each_command_has_a_page() -> None:
    names = {cli.load(module).name for module in cli.MODULES}
    assert {page.stem for page in SCRIPT.parent.glob("*.md")} == names


def test_the_pages_show_real_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """To bring them up to date: python docs/commands/render.py"""
    need("dnf", "busybox", "gcc", "rpmbuild", "rpmsign", "gpg")
    need_root()
    spec = importlib.util.spec_from_file_location("render", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "render", render)
    spec.loader.exec_module(render)
    for page, text in render.render_all().items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: run docs/commands/render.py"


def test_every_option_is_on_its_page() -> None:
    for module in cli.MODULES:
        name = cli.load(module).name
        said = xspack(name, "--help").out
        options = {word.strip("[],") for word in said.split() if word.startswith(("--", "[--"))} - {
            "--json",
            "--color",
        }
        page = (SCRIPT.parent / f"{name}.md").read_text(encoding="utf-8")
        assert [option for option in sorted(options) if option not in page] == ["--help"], name
