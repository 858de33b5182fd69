"""Every block of every page is tried: a shell's here as it is printed, the others where this table says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from support import ROOT, blocks, need

#: Pages whose blocks for a shell are run here, in a folder with what they name.
RUN = (
    "docs/commands/bump.md",
    "docs/commands/cache-key.md",
    "docs/commands/completion.md",
    "docs/commands/diff.md",
    "docs/commands/new.md",
    "docs/commands/report.md",
    "docs/commands/sbom.md",
    "docs/commands/stubs.md",
)
#: What tries the other blocks: page, language, what a block begins with -> a test, or why none can.
ELSEWHERE = {
    ("CONTRIBUTING.md", "sh", "./bootstrap scons pack"): ".ci/run",
    ("CONTRIBUTING.md", "sh", "uv pip compile"): "asks a registry for whatever is newest",
    (
        "README.md",
        "python",
        "env = ",
    ): "tests/test_readme.py::test_the_first_pack_of_the_readme_builds_as_it_stands",
    ("README.md", "sh", "./bootstrap scons pack"): ".ci/run",
    (
        "README.md",
        "sh",
        "apt-get install",
    ): "tests/test_packaging.py::test_the_first_pack_of_a_newcomer",
    (
        "docs/index.md",
        "sh",
        "apt-get install",
    ): "tests/test_packaging.py::test_the_first_pack_of_a_newcomer",
    (
        "README.md",
        "sh",
        "uv tool install .",
    ): "tests/test_packaging.py::test_each_line_of_the_readme_gives_both_programs",
    ("docs/commands/*", "console", "$ "): "tests/cli/test_pages.py::test_the_pages_show_real_output",
    ("docs/containers.md", "sh", "podman build"): "tests/test_container.py::test_its_image_builds_a_pack",
    ("docs/containers.md", "sh", "podman run"): "tests/test_container.py::test_its_image_builds_a_pack",
    ("docs/design.md", "", "SConstruct"): "a picture",
    ("docs/dkms-packages.md", "python", "driver = "): "tests/drivers/debian_dkms.py",
    (
        "docs/drivers.md",
        "python",
        "",
    ): "tests/drivers/test_page.py::test_every_sconstruct_of_the_page_is_tried_here",
    (
        "docs/drivers.md",
        "sh",
        "rpmbuild --rebuild",
    ): "tests/ddk/test_source_rpm.py::test_rebuild_gives_the_same",
    (
        "docs/drivers.md",
        "text",
        "generic = ",
    ): "tests/test_examples.py::test_an_example_builds_in_a_copy_of_it_alone",
    (
        "docs/extending.md",
        "python",
        "from xspack_tool.rules.finding",
    ): "tests/test_readme.py::test_a_rule_of_the_page_on_extending_judges",
    ("docs/extending.md", "python", ""): "tests/test_packaging.py::test_a_kind_that_is_a_package_of_its_own",
    ("docs/extending.md", "toml", ""): "tests/test_packaging.py::test_a_kind_that_is_a_package_of_its_own",
    (
        "docs/fleet.md",
        "nginx",
        "",
    ): "tests/cache/test_shared.py::test_the_server_of_the_page_works_as_it_says",
    (
        "docs/fleet.md",
        "python",
        "by_root = ",
    ): "tests/drivers/test_enclosed_kits.py::test_an_image_makes_the_bytes_that_its_root_makes",
    (
        "docs/fleet.md",
        "python",
        "kit = ",
    ): "tests/drivers/test_kit_on_grid.py::test_all_kits_make_the_same_bytes",
    (
        "docs/fleet.md",
        "sh",
        "xspack cache-key",
    ): "tests/cache/test_shared.py::test_a_second_clone_builds_nothing",
    (
        "docs/fleet.md",
        "sh",
        "pip install 'xspack[cache]'",
    ): "tests/cache/test_shared.py::test_a_second_clone_builds_nothing",
    (
        "docs/fleet.md",
        "sh",
        "podman create",
    ): "needs XCP-ng's registry, a DDK virtual machine or a mirror; the page says so",
    (
        "docs/fleet.md",
        "sh",
        "pip install 'xspack[grid]'",
    ): "tests/drivers/test_kit_on_grid.py::test_who_is_let_in",
    (
        "docs/fleet.md",
        "sh",
        "pip install 'buildgrid",
    ): "tests/drivers/test_kit_on_grid.py::test_who_is_let_in",
    (
        "docs/fleet.md",
        "sh",
        "buildbox-casd",
    ): "tests/cache/test_shared_by_grid.py::test_a_kit_s_store_has_what_the_grid_has",
    ("docs/fleet.md", "yaml", ""): "tests/drivers/test_kit_on_grid.py::test_who_is_let_in",
    ("docs/from-build-update.md", "make", ""): "tests/cli/test_moving_in.py::test_both_make_the_same_pack",
    ("docs/from-build-update.md", "python", ""): "tests/cli/test_moving_in.py::test_both_make_the_same_pack",
    (
        "docs/kit-to-host.md",
        "python",
        "",
    ): "tests/test_kit_to_host.py::test_a_key_as_the_page_makes_it_signs_a_pack_as_it_declares_it",
    (
        "docs/kit-to-host.md",
        "sh",
        "",
    ): "tests/test_kit_to_host.py::test_a_key_as_the_page_makes_it_signs_a_pack_as_it_declares_it",
    ("docs/kit-to-host.md", "text", ""): "on a host",
    ("docs/kit-to-host.md", "xml", ""): "for the installer of a host",
    ("docs/rules.md", "text", ""): "tests/rules/test_docs.py",
}


def all_blocks() -> Iterator[tuple[str, str, str]]:
    """Page, language and text of each block."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in sorted(pages):
        name = str(page.relative_to(ROOT))
        for language, text in re.findall(
            r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.M | re.S
        ):
            yield name, language, text


def tried_by(page: str, language: str, text: str) -> str:
    """What tries a block; empty where nothing is said of it."""
    if language == "sh" and page in RUN:
        return "here"
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    for (of, name, begin), where in ELSEWHERE.items():
        if of in (page, f"{Path(page).parent}/*") and name == language and first.startswith(begin):
            return where
    return ""


def test_every_block_is_tried_or_says_why_not() -> None:
    assert [block for block in all_blocks() if not tried_by(*block)] == []
    used = {tried_by(*block) for block in all_blocks()}
    assert {*ELSEWHERE.values(), "here"} - used == set()
    tests = [where for where in used if where.startswith("tests/")]
    lost = []
    for where in tests:
        file, _, name = where.partition("::")
        if f"def {name}(" not in f"def ({(ROOT / file).read_text()}":
            lost.append(where)
    assert lost == []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the packs that the pages are about and a tree of a newcomer's, and an environment."""
    need("gcc", "gpg")
    spec = spec_from_file_location("render_for_blocks", ROOT / "docs/commands/render.py")
    assert spec is not None and spec.loader is not None
    render = module_from_spec(spec)
    sys.modules[spec.name] = render
    spec.loader.exec_module(render)
    home = tmp_path_factory.mktemp("home")
    with render.workshop() as (folder, _):
        env = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home)}
        (folder / "build/rpms").mkdir(parents=True)
        (folder / "acme-agent-5.2-1.noarch.rpm").rename(folder / "build/rpms/acme-agent-5.2-1.noarch.rpm")
        (folder / "site_scons").mkdir()
        (folder / "site_scons/python_app.py").write_text(
            (ROOT / "examples/custom_kind/python_app.py").read_text()
        )
        subprocess.run(
            ["xspack", "new", "--kind", "userspace", "--vendor", "Acme"], cwd=folder, env=env, check=True
        )
        yield folder, env


@pytest.mark.parametrize("page", RUN)
def test_a_shell_runs_what_is_printed(world: tuple[Path, dict[str, str]], page: str) -> None:
    folder, env = world
    before = set(folder.rglob("*")) | set(Path(env["HOME"]).rglob("*"))
    texts = blocks(page, "sh")
    assert texts
    for text in texts:
        done = subprocess.run(["sh", "-ec", text], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
    made = set(folder.rglob("*")) | set(Path(env["HOME"]).rglob("*"))
    assert made != before or page.endswith(("sbom.md", "bump.md")), "a block that leaves nothing"
