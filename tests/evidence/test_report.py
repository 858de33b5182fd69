"""The report page, as a browser shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser
from msgspec.structs import replace
from pack_maker import PACK, PackMaker, package, xspack
from support import need

from xspack_tool.evidence.graph import draw
from xspack_tool.evidence.timeline import Ran, Timeline, timeline_place, write_timeline
from xspack_tool.evidence.treemap import treemap
from xspack_tool.files import file_digest
from xspack_tool.model.dependency import Dependency

#: The smallest contrast of readable text (WCAG 2.2, 1.4.3).
_READABLE = 4.5
#: The contrast of each text with what is behind it, as [ratio, text].
_CONTRASTS = """(() => {
  const luminance = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const shape = ['g', 'svg'].includes(at.tagName) && at.querySelector(':scope > rect');
      if (shape) return getComputedStyle(shape).fill;
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    if (element.tagName === 'title') continue;
    const style = getComputedStyle(element);
    const pair = [luminance(element.tagName === 'text' ? style.fill : style.color), luminance(behind(element))];
    pair.sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), element.textContent.slice(0, 40)]);
  }
  return found;
})()"""
#: The classes of what is cut or can be moved sideways; an ellipsis shows that a name goes on.
_WIDER = """[...document.body.querySelectorAll('*')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
  .filter(e => getComputedStyle(e).textOverflow !== 'ellipsis' && e.tagName !== 'THEAD' && !e.closest('svg'))
  .map(e => e.className)"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    need("chromium")
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(make_pack: PackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a pack with everything that a page can tell: changes, findings, a graph, hostile texts."""
    hostile = package(
        "acme-hostile",
        files={"/etc/acme.txt": "1", f"/opt/acme/<script>alert(1)<.script>{'x' * 180}": "<b>bold</b>"},
        summary="</title><script>alert(1)</script><img src=x onerror=alert(2)>",
        license='"><svg onload=alert(3)>',
    )
    needy = package("acme-top", requires=(Dependency("acme-agent"),))
    new = make_pack(replace(PACK, version="5.3", uuid=PACK.uuid[:-1] + "9"), [package(), hostile, needy])
    old = make_pack(PACK, [package(), package("acme-gone")])
    ran = [
        Ran(f"build/rpms/<b>{n}</b>{'x' * 90}.rpm", "RPM", n / 10, n / 10, '"><script>alert(4)</script>')
        for n in range(80)
    ]
    needs = {"ISO": ["RPM", "Facts"], "RPM": ["Facts"], "Facts": []}
    timeline = Timeline(file_digest(new), tuple(ran), {"RPM": 200, "ISO": 1, "Facts": 9}, {"RPM": 2}, needs)
    write_timeline(timeline_place(new.parent, PACK.label), timeline)
    file = tmp_path_factory.mktemp("page") / "page.html"
    said = xspack("report", new, "--against", old, "--target", "xcp-ng-8.3", "-o", file)
    assert (said.status, said.out, said.err) == (0, f"{file}\n", "")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_a_browser_shows_it(chromium: Browser, page: Path, width: int, scheme: str) -> None:
    chromium.show(page, width, scheme)
    chromium.screenshot(page.with_name(f"{width}-{scheme}.png"))
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    # Nothing but the two drawings is wider than its place, and these can be moved in it.
    assert chromium.ask(_WIDER) in ([], ["wide"], ["wide", "wide"])
    assert [event["request"]["url"] for event in chromium.told("Network.requestWillBeSent")] == [
        page.as_uri()
    ]
    assert chromium.told("Log.entryAdded") == []
    assert chromium.told("Runtime.exceptionThrown") == []
    assert chromium.ask("document.querySelectorAll('script, img, [onload], [onerror]').length") == 0
    pale = [(ratio, text) for ratio, text in chromium.ask(_CONTRASTS) if ratio < _READABLE]
    assert pale == []


def test_what_is_printed_is_dark_on_white(chromium: Browser, page: Path) -> None:
    """By a reader whose system is dark, too; browsers leave backgrounds out."""
    chromium.show(page, 800, "dark")
    chromium.call(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    try:
        assert chromium.ask("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
        pale = [(ratio, text) for ratio, text in chromium.ask(_CONTRASTS) if ratio < _READABLE]
        assert pale == []
    finally:
        chromium.call("Emulation.setEmulatedMedia", media="")


def test_it_says_what_is_in_the_pack(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"<h2 id=\"\w+\">(.*?)</h2>", text) == [
        "Verdict",
        "Findings",
        "Changes since acme 5.2",
        "Packages",
        "Sizes",
        "What requires what",
        "How it was built",
        "Identity",
    ]
    links = re.findall(r'<a href="#(\w+)">', text)
    assert links == re.findall(r'<h2 id="(\w+)">', text)
    assert '<p class="banner bad">✘ Not taken by installer.</p>' in text
    assert "&lt;/title&gt;&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert '<td>RPM</td><td class="number">200</td><td class="number">80</td>' in text
    assert '<td class="number">2</td><td class="number">118</td>' in text


def test_a_timeline_of_another_iso_or_damaged_is_none(make_pack: PackMaker, tmp_path: Path) -> None:
    iso = make_pack(PACK, [package("acme-quiet")])
    place = timeline_place(iso.parent, PACK.label)
    for content in (b"", b"[1]", b'{"sha256": "0"', b"\xff"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        assert xspack("report", iso, "-o", tmp_path / "page.html").status == 0
    write_timeline(place, Timeline("0" * 64, (), {}, {}, {}))
    assert xspack("report", iso, "-o", tmp_path / "page.html").status == 0
    assert "How it was built" not in (tmp_path / "page.html").read_text()


def test_equal_packs_have_equal_pages(make_pack: PackMaker, tmp_path: Path) -> None:
    iso = make_pack(PACK, [package()])
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for file in pages:
        assert xspack("report", iso, "-o", file).status == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_page_is_not_begun_for_what_is_no_pack(tmp_path: Path) -> None:
    bad = tmp_path / "bad.iso"
    bad.write_bytes(b"nothing")
    assert xspack("report", bad).status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.iso"]


def test_tiles_fill_the_map_by_their_sizes() -> None:
    sizes = [(f"file{n}", n * 1000) for n in range(30)]
    tiles = treemap(sizes, 1000, 320)
    assert [tile.size for tile in tiles] == sorted((size for _, size in sizes if size), reverse=True)
    share = 1000 * 320 / sum(size for _, size in sizes)
    for tile in tiles:
        assert tile.width * tile.height == pytest.approx(tile.size * share)
        assert tile.x >= -1e-6 and tile.y >= -1e-6
        assert tile.x + tile.width <= 1000 + 1e-6 and tile.y + tile.height <= 320 + 1e-6
    assert treemap([], 10, 10) == treemap([("empty", 0)], 10, 10) == []


def test_a_drawing_of_a_circle_ends() -> None:
    drawing = draw({"a": ["b"], "b": ["a", "c"], "c": []})
    assert {box.name for box in drawing.boxes} == {"a", "b", "c"}
    assert len(drawing.lines) == 3


def test_a_package_stands_behind_all_that_require_it() -> None:
    drawing = draw({"pack": ["base", "top"], "top": ["base"], "base": ["not in the pack"]})
    columns = sorted((box.x, box.name) for box in drawing.boxes)
    assert [name for _, name in columns] == ["pack", "top", "base"]
    assert len({x for x, _ in columns}) == 3
    assert len(drawing.lines) == 2  # that the pack requires the base follows from the others
