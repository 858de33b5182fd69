"""The site of docs/: it builds without a broken link, and what it claims is shown by tests that are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support import ROOT, need_module


def test_the_site_builds_and_no_link_is_broken(tmp_path: Path) -> None:
    """A page that is in no menu, and a link or anchor that leads nowhere, are warnings, and with --strict errors."""
    need_module("mkdocs")
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    assert {
        page
        for page in pages
        if page.name != "index" and not (tmp_path / "site" / page / "index.html").is_file()
    } == set()


def test_a_broken_link_is_told(tmp_path: Path) -> None:
    need_module("mkdocs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# a\n[b](nowhere.md)\n")
    settings = (ROOT / "mkdocs.yml").read_text().split("nav:\n  - index.md")[0]
    (tmp_path / "mkdocs.yml").write_text(settings)
    words = ["-m", "mkdocs", "build", "--strict"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr


def test_each_claim_of_the_comparison_is_shown_by_a_test() -> None:
    page = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    head, *claims = rows
    assert (head[1], head[-1], len({len(row) for row in rows})) == ("xspack", "shown by", 1)
    unshown = [
        row[0] for row in claims if row[1] != "no" and not re.fullmatch(r"`tests/\S+::test_\w+`", row[-1])
    ]
    assert unshown == []
    lost = []
    for file, name in re.findall(r"`(tests/\S+\.py)::(test_\w+)`", page):
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M):
            lost.append(f"{file}::{name}")
    assert lost == []
