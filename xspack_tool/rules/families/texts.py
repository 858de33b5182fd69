"""X4: texts of a header that no index can hold."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.model.syntax import no_text
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, rpm_rule


@rpm_rule(
    "X4",
    "E",
    meaning="a control character in a text of the index, which is not XML then: yum and dnf refuse the pack",
    remedy="take it out of the spec, or of what the RPM was made of",
    bad="a form feed in %description, as some editors put between pages",
    good="lines of plain UTF-8",
)
def texts_of_the_index(context: RpmContext) -> Hits:
    for where, text in _texts(context.info):
        if wrong := no_text(text):
            yield Hit(where, wrong)


def _texts(info: RpmInfo) -> Iterator[tuple[str, str]]:
    """What createrepo_c writes into primary, filelists and other, each with its place."""
    for name in ("summary", "description", "license", "vendor", "packager", "url"):
        yield name, getattr(info, name)
    for file in info.files:
        yield "a path", file.path.replace("\n", "\0")
    for name in ("requires", "provides", "conflicts", "obsoletes"):
        for relation in getattr(info, name):
            yield name, str(relation)
    for _, author, text in info.changelog:
        yield "changelog", f"{author}\n{text}"
