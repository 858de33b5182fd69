"""The rendered spec, shown by golden files: ``GOLDEN=update pytest tests/rpm/test_spec.py`` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from support import entry

from xspack_tool.errors import StepError
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.rpm.spec import (
    body,
    escape,
    file_pattern,
    render_changelog,
    render_files,
    render_macros,
    render_spec,
    script_text,
)

GOLDEN = Path(__file__).parent / "golden"


SMALL = Package(name="small", version="1", release="1", summary="A small thing", license="MIT")
FULL = Package(
    name="acme-agent",
    version="5.2~rc1",
    release="1.el7",
    summary="Agent that uses 100% of %{nothing}",
    license="GPL-2.0-only",
    epoch=3,
    description="First line.\n\nA %macro, a % and 100%% stay as they are.",
    vendor="Acme & Sons",
    packager="Acme Builds <builds@acme.example>",
    url="https://acme.example/%20x",
    requires=(Dependency("python3", ">=", "3.6"), Dependency("bash")),
    requires_post=(Dependency("/usr/sbin/depmod"),),
    requires_postun=(Dependency("/usr/sbin/depmod"),),
    provides=(Dependency("vendor-driver"), Dependency("agent", "=", "3:5.2-1")),
    conflicts=(Dependency("acme-legacy", "<", "2"),),
    obsoletes=(Dependency("acme-old", "<=", "1.0-3"),),
    scripts=(
        Script("pre", (ScriptPart('echo "100%"\nprintf \'%s\\n\' "$1"\n'),)),
        Script("post", (ScriptPart("print('%d' % 5)"),), "/usr/bin/python3"),
    ),
    changelog=(
        entry("2026-01-02 Acme Builds <b@acme.example> 3:5.1-1\n- first\n* a star of its own"),
        entry("2026-11-20 Acme Builds <b@acme.example> 3:5.2~rc1-1\n- 50% faster\n\n- and %files"),
    ),
    automatic_dependencies=False,
)
ENTRIES = (
    FileEntry("/etc/acme.conf", "file", 0o640, "root", "adm", role="config"),
    FileEntry("/opt/acme", "dir", 0o755),
    FileEntry("/opt/acme/agent", "file", 0o4755),
    FileEntry("/opt/acme/a b", "file", 0o644),
    FileEntry("/opt/acme/100%[x]*?{y}\"\\~", "file", 0o644),
    FileEntry("/usr/bin/agent", "link", link="/opt/acme/agent"),
    FileEntry("/usr/share/doc/acme-agent/README", "file", 0o644, role="doc"),
    FileEntry("/usr/share/licenses/acme-agent/COPYING", "file", 0o644, role="license"),
    FileEntry("/var/log/acme.log", "file", 0o600, role="ghost"),
)  # fmt: skip


def scripts(package: Package) -> dict[str, str]:
    return {script.phase: script_text(part.text or "" for part in script.parts) for script in package.scripts}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("small.spec", render_spec(SMALL, [], {})),
        ("full.spec", render_spec(FULL, ENTRIES, scripts(FULL))),
        ("macros", render_macros("w2.xzdio")),
    ],
)
def test_golden(name: str, text: str) -> None:
    if os.environ.get("GOLDEN") == "update":
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_a_percent_sign_is_no_macro() -> None:
    assert escape("100% of %{x} and %%") == "100%% of %%{x} and %%%%"


@pytest.mark.parametrize(
    "line",
    ["%files", "%if 1", "  %endif", "%include /etc/passwd", "%changelog", "%package x", "%description -n y"],
)
def test_a_line_that_would_begin_a_section_is_refused(line: str) -> None:
    with pytest.raises(
        StepError, match=r"^script post, line 2: rpmbuild would take .* for its own; reword it$"
    ):
        body("script post", f"true\n{line}\n")


@pytest.mark.parametrize("line", ["echo %files", "%%files", "%filesystem", "printf '%s'", "# %if"])
def test_other_lines_may_hold_percent_signs(line: str) -> None:
    assert body("script post", line) == line.replace("%", "%%")


def test_a_pattern_is_quoted_and_holds_nothing_special() -> None:
    assert file_pattern("/opt/a b") == '"/opt/a b"'
    assert file_pattern('/opt/100%[x]*?{y}"\\~') == '"/opt/100[%%][[]x[]][*][?][{]y???~"'


def test_a_pattern_that_fits_another_path_is_refused() -> None:
    same = [FileEntry(path, "file", 0o644) for path in ('/opt/a"b', "/opt/a\\b", "/opt/acb")]
    assert len(render_files(same)) == 3
    with pytest.raises(StepError, match="cannot tell it from /opt/acb; rename one of them"):
        render_files([*same[:2], FileEntry("/opt/acb", "file", 0o600)])


def test_the_newest_entry_comes_first_and_days_are_english() -> None:
    lines = render_changelog([entry("2024-02-29 A <a@b> 1-1\n- x"), entry("2026-11-20 B <b@b> 2-1\n* y")])
    assert lines == ["* Fri Nov 20 2026 B <b@b> 2-1", " * y", "", "* Thu Feb 29 2024 A <a@b> 1-1", "- x", ""]


def test_parts_of_a_scriptlet_stand_on_lines_of_their_own() -> None:
    assert script_text(["a\n", "\n\nb", "c\n\n"]) == "a\nb\nc"


@pytest.mark.parametrize("line", ["#1 in reliability", "  # indented"])
def test_lines_that_rpmbuild_would_leave_out_are_refused(line: str) -> None:
    package = Package(
        name="x", version="1", release="1", summary="s", license="MIT", description=f"a\n{line}"
    )
    rule = f"rpmbuild takes {line.strip()!r} for a comment and leaves it out; put a word before the #"
    with pytest.raises(StepError, match=re.escape(f"description, line 2: {rule}")):
        render_spec(package, (), {})
    made = entry(f"2026-11-20 A <a@b> 1-1\n- a\n{line}")
    with pytest.raises(StepError, match=re.escape(rule)):
        render_spec(replace(package, description="", changelog=(made,)), (), {})
