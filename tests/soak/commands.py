"""Commands that meet a changed pack, as a user runs them: whatever they print, and each page that they write, does no
harm, and is what its form says."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from pack_maker import UUID, xspack

from xspack_tool.errors import UNSEEN, XspackError
from xspack_tool.evidence.formats import FORMATS

#: What colours a line, and no more.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: Texts that a changed file may hold, and no page as its own: see ``mutate``.
_ACTIVE = ("script", "img", "iframe", "object", "embed", "link", "form")


def harmless(text: str, what: str) -> None:
    """Raise AssertionError where a text would do harm to who looks at it."""
    bad = re.search(UNSEEN, text.replace("\n", "").replace("\t", ""))
    assert bad is None, f"{what} holds {bad[0]!r} raw: ..{text[max(0, bad.start() - 60) : bad.end() + 20]!r}"


def harmless_in_colour(text: str, what: str) -> None:
    """The same, for what is written to a terminal."""
    harmless(_COLOUR.sub("", text), what)


class _Tags(HTMLParser):
    """Nothing on a page runs, or is loaded."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in _ACTIVE, f"the page holds <{tag}>"
        names = [name for name, _ in attrs if name.startswith("on") or name in ("src", "srcset", "action")]
        assert not names, f"the page holds <{tag} {names[0]}=>"


def harmless_page(text: str) -> None:
    """An HTML page on which a pack is told of."""
    harmless(text, "the page")
    _Tags().feed(text)


def harmless_form(name: str, text: str) -> None:
    """What a CI system reads: each form is whole."""
    harmless(text, name)
    if name == "junit":
        ElementTree.fromstring(text.encode())
    elif name == "github":
        assert all(line.startswith("::") for line in text.split("\n") if line), text
    else:
        json.loads(text)


#: What a changed pack meets, FILE being it and GOOD one that is whole.
OF_PACKS = (
    "info FILE",
    "info FILE --json",
    "info FILE --color=always",
    "verify FILE",
    "verify FILE --json",
    "verify FILE --color=always",
    "verify FILE --introduced GOOD --baseline GOOD",
    "verify GOOD --introduced FILE --baseline FILE --base FILE",
    *(f"verify FILE --format={name}" for name in FORMATS),
    "devices FILE",
    "devices FILE --json",
    "devices FILE --color=always",
    "diff FILE GOOD",
    "diff GOOD FILE --markdown",
    "diff FILE GOOD --markdown",
    "diff GOOD FILE --json",
    "diff GOOD FILE --color=always",
    "diff FILE FILE --summary",
    "sbom FILE",
    "sbom FILE --format=spdx",
    "report FILE -o OUT/page.html",
    "report FILE --against GOOD -o OUT/page.html",
    "report GOOD --against FILE -o OUT/page.html",
    "unpack FILE OUT/unpacked",
)
OF_RPMS = (
    "devices FILE",
    "devices FILE --json",
    "sbom FILE",
    "sbom FILE --format=spdx",
    "verify GOOD --source FILE",
    f"build-update FILE --uuid {UUID} -l acme -v 1 -d acme -o OUT/out.iso",
)


def by_commands(commands: Sequence[str], good: Path, ending: str = "") -> Callable[[bytes, Path], None]:
    """A reader of changed files by one of the commands; the content tells by which."""

    def read(content: bytes, place: Path) -> None:
        named, out = place.with_name(f"named{ending}"), place.with_name("out")
        named.write_bytes(content)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        words = commands[zlib.crc32(content) % len(commands)]
        given = {"FILE": str(named), "GOOD": str(good)}
        said = xspack(*(given.get(word, word.replace("OUT", str(out))) for word in words.split()))
        _judge(words, said.status, said.out, said.err)
        for page in out.glob("*.html"):
            harmless_page(page.read_text(encoding="utf-8"))

    return read


def _judge(words: str, status: int, out: str, err: str) -> None:
    harmless_in_colour(out, words)
    harmless_in_colour(err, words)
    assert status in (0, 1) or "--target FILE" in words, f"{words} ended with {status}: {err}"
    refused = err.startswith("xspack: ")
    assert err.count("\n") <= 1 or not refused, err
    form = re.search(r"--format=(\w+)", words)
    if refused:
        raise XspackError(err)
    if form and form[1] in FORMATS:
        harmless_form(form[1], out)
    elif words.startswith("sbom") or "--json" in words:
        json.loads(out)
