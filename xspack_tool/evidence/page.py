"""The report page of a pack: one HTML file that needs nothing else, and no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from xspack_tool.ddk.devices import DeviceRow
from xspack_tool.errors import visible
from xspack_tool.evidence.changes import GENERATED, PackChanges
from xspack_tool.evidence.graph import HEIGHT, draw
from xspack_tool.evidence.inventory import Inventory
from xspack_tool.evidence.text import instant, size_words
from xspack_tool.evidence.timeline import Ran, Timeline
from xspack_tool.evidence.treemap import treemap
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.report import Report

if TYPE_CHECKING:
    from jinja2 import Environment

_MAP = (1000, 320)
#: How wide a box for a kind of step is, in pixels: their names are short.
_STEP = 104
#: More files, or rows of one table, are told as a number.
_SHOWN = 400
#: More packages make no drawing that anyone could read.
_DRAWN = 60


class Page(Struct, frozen=True):
    """What is told: ``sha256`` and ``size`` (bytes) of the ISO, ``title`` of the release it was judged by, the hosts'
    verdicts, the findings, the devices, what changed since an older pack where one was given, and how it was built
    where that is known."""

    inventory: Inventory
    title: str
    sha256: str
    size: int
    verdicts: Sequence[Verdict]
    report: Report
    devices: Sequence[DeviceRow]
    changes: PackChanges | None = None
    timeline: Timeline | None = None


def render_page(page: Page) -> str:
    """The page. Equal pages give equal bytes; every text of a pack is escaped, and what would control a terminal
    or turn the direction of text is made visible."""
    findings = page.report.findings
    needed = page.inventory.required
    names = {component.path: component.info.name for component in page.inventory.components}
    waived = [finding for finding in findings if finding.waived]
    still_open = [finding for finding in findings if not finding.waived and not finding.skipped]
    tiles = treemap(_sizes(page.inventory), *_MAP)
    drawing = None
    if 1 < len(needed) <= _DRAWN:
        drawing = draw({names[path]: [names[one] for one in wanted] for path, wanted in needed.items()})
    parts = {
        "verdict": ("Verdict", True),
        "findings": ("Findings", still_open),
        "waivers": ("Waivers", waived),
        "changes": ("Changes", page.changes),
        "devices": ("Devices", page.devices),
        "packages": ("Packages", True),
        "sizes": ("Sizes", tiles),
        "graph": ("Requirements", drawing and drawing.lines),
        "timeline": ("Build", page.timeline),
        "identity": ("Identity", True),
    }
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            parts=[(id, title) for id, (title, has_content) in parts.items() if has_content],
            colours={name: number for number, name in enumerate(dict.fromkeys(names.values()))},
            inventory=page.inventory,
            built=instant(page.inventory.time),
            unjudged=list(dict.fromkeys(text for verdict in page.verdicts for text in verdict.unjudged)),
            open=still_open,
            waived=waived,
            skipped=_skipped(findings),
            tiles=tiles,
            map_size=_MAP,
            drawing=drawing,
            box_height=HEIGHT,
            longest=_longest(page.timeline) if page.timeline else [],
            steps=draw(page.timeline.needs, _STEP) if page.timeline else None,
            shown=_SHOWN,
        )
    )


def _environment() -> Environment:
    import jinja2
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return visible(value, "\n\t") if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bytes"] = size_words
    environment.filters["of_width"] = lambda pixels: f"{pixels / _MAP[0]:.3%}"
    environment.filters["of_height"] = lambda pixels: f"{pixels / _MAP[1]:.3%}"
    return environment


def _skipped(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """What was lacking -> the rules that could not be checked without it."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding.skipped:
            found.setdefault(finding.found, []).append(finding.rule)
    return found


def _longest(timeline: Timeline) -> list[Ran]:
    """The steps that took longest, in the order in which they began."""
    longest = sorted(timeline.ran, key=lambda one: -one.seconds)[:_DRAWN]
    return sorted(longest, key=lambda one: one.begun)


def _sizes(inventory: Inventory) -> list[tuple[str, int]]:
    """The installed sizes of the largest files, by package and path, and of the rest of each package; without those of
    the two packages that every pack has."""
    generated = [f"{prefix}{inventory.label}" for prefix in GENERATED]
    files = [
        (file.size, component.info.name, file.path)
        for component in inventory.components
        for file in component.info.files
        if file.is_file
        and not file.is_ghost
        and not component.info.is_source
        and component.info.name not in generated
    ]
    files.sort(key=lambda one: (-one[0], one[1:]))
    sizes = [(f"{name}: {path}", size) for size, name, path in files[:_SHOWN]]
    rest: dict[str, int] = {}
    for size, name, _ in files[_SHOWN:]:
        rest[name] = rest.get(name, 0) + size
    return sizes + [(f"{name}: smaller files", size) for name, size in sorted(rest.items())]
