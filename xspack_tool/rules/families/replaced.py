"""P7: folders that become something else, which rpm cannot do."""

from __future__ import annotations

from collections.abc import Iterable

from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.families.versions import NEEDS_BASELINE
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, pack_rule

_FOLDER, _LINK, _FILE = "folder", "link", "file"


@pack_rule(
    "P7",
    "E",
    meaning="a folder of the last release is a link or a file now, or a link is a folder now: rpm cannot replace it",
    remedy="keep the path as it was and use a new one, or move the old one away in %pretrans -p <lua>",
    bad="/opt/acme/share was a folder, and is a link to share-2 now",
    good="/opt/acme/share is still a folder; /opt/acme/current is a link to share-2",
)
def same_kinds(context: PackContext) -> Hits:
    """Also where a path is a folder only because something lies below it. Folders of a link's target are none."""
    if context.baseline is None:
        yield Skipped(NEEDS_BASELINE)
        return
    before = _kinds(context.earlier)
    for info in context.rpms:
        moved = " ".join(one.text for one in info.scripts if one.phase == "pretrans")
        for path, kind in sorted(_kinds([info]).items()):
            was = before.get(path, kind)
            # rpm does lay a link over a file, and the other way round.
            if was == kind or _FOLDER not in (was, kind) or (was == _FILE and kind == _FOLDER):
                continue
            if path not in moved:
                yield Hit(path, f"a {was} in the last release, a {kind} now", rpm=info.file_name)


def _kinds(rpms: Iterable[RpmInfo]) -> dict[str, str]:
    """What each path is; folders above are told by what lies below them."""
    kinds: dict[str, str] = {}
    for info in rpms:
        for file in info.files:
            if file.is_ghost:
                continue
            kinds[file.path] = _FOLDER if file.is_dir else _LINK if file.is_link else _FILE
            above = file.path.rsplit("/", 1)[0]
            while above and above not in kinds:
                kinds[above] = _FOLDER
                above = above.rsplit("/", 1)[0]
    return kinds
