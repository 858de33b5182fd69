"""How each pack came to be is noted when the build has ended, for `xspack report`; with XSPACK_REPORT its page is
written, too, which costs as much as `xspack report` does.

Both tell how long steps took, so neither is a target: nothing depends on them, they are never compared, and a build
that makes nothing leaves them alone. What the page tells besides is told by `xspack report` of the same ISO in the
same words.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SCons.Script
from msgspec.structs import replace
from SCons.Node import Node, executed, up_to_date

from xspack_tool.errors import XspackError
from xspack_tool.files import write_whole
from xspack_tool.model.pack import Pack
from xspack_tool.plan.asked import reached
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.outputs import journal_of, remove
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.scons import end_with
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import is_on, out_path

if TYPE_CHECKING:
    from xspack_tool.evidence.page import Page
    from xspack_tool.evidence.timeline import Timeline


def report_of(env: Any, pack: Pack, iso: Node, beside: Sequence[Node], key: Node | None) -> None:
    """Have the timeline of a pack noted, and its page written beside its ISO; with ``-c`` the page goes."""
    page = Path(os.path.dirname(iso.get_abspath()), f"{pack.label}-report.html")
    journal_of(env).keep(page)
    if SCons.Script.GetOption("clean"):
        env.Clean(iso, str(page))
    session().at_end.append(lambda: _note_timeline(env, pack, iso, beside, page))
    if is_on(env, "XSPACK_REPORT"):
        session().at_end.append(lambda: _write(env, pack, iso, key, page))


def _note_timeline(env: Any, pack: Pack, iso: Node, beside: Sequence[Node], page: Path) -> None:
    if iso.get_state() != executed or SCons.Script.GetOption("no_exec"):
        return
    with suppress(OSError):
        page.unlink(missing_ok=True)  # that of another ISO
    from xspack_tool.evidence.timeline import write_timeline

    with suppress(OSError):  # the report does without
        digest, _, _ = Path(f"{iso.get_abspath()}.sha256").read_text(encoding="utf-8").partition(" ")
        write_timeline(_timeline_place(env, pack), _timeline(digest, [iso, *beside]))


def _timeline_place(env: Any, pack: Pack) -> Path:
    from xspack_tool.evidence.timeline import timeline_place

    return timeline_place(Path(env.Dir(out_path(env)).get_abspath()), pack.label)


def _write(env: Any, pack: Pack, iso: Node, key: Node | None, page: Path) -> None:
    state = iso.get_state()
    if state != executed and (state != up_to_date or page.exists()):
        return
    if any(map(SCons.Script.GetOption, ("no_exec", "question", "clean"))):
        return
    from xspack_tool.evidence.page import render_page
    from xspack_tool.evidence.timeline import read_timeline

    try:
        told = _page(env, iso, key)
        timeline = read_timeline(_timeline_place(env, pack), told.sha256)
        write_whole(page, render_page(replace(told, timeline=timeline)))
    except (XspackError, OSError) as error:
        remove(str(page))  # that of another ISO
        sys.stderr.write(f"xspack: {page.name}: {error}\n")
        end_with(2)


def _page(env: Any, iso: Node, key: Node | None) -> Page:
    """The report page of an ISO; its RPMs were checked when they were made."""
    from xspack_tool.ddk.devices import device_table, read_names
    from xspack_tool.evidence.changes import pack_changes
    from xspack_tool.evidence.inventory import inventory_of
    from xspack_tool.evidence.modules import modules_of_pack
    from xspack_tool.evidence.page import Page
    from xspack_tool.evidence.verdicts import judge_hosts
    from xspack_tool.files import file_digest
    from xspack_tool.hosts.reading import hash_rpms, open_pack
    from xspack_tool.hosts.release import Host
    from xspack_tool.plan.outside import REPOSITORIES, outside
    from xspack_tool.plan.record import inbox_of_env
    from xspack_tool.plan.verdict import read_report
    from xspack_tool.releases.known import KnownRelease

    path, profile, names = Path(iso.get_abspath()), profile_of(env), read_names()
    pack = hash_rpms(open_pack(path, Path(key.get_abspath()) if key else None))
    devices = device_table(modules_of_pack(pack), inbox_of_env(env), names)
    base, baseline = (outside(env, f"${name}") for name in REPOSITORIES)
    changes = None
    if baseline and baseline.is_file():
        old = open_pack(baseline)
        changes = pack_changes(old, pack, device_table(modules_of_pack(old), names=names), devices)
    return Page(
        inventory=inventory_of(pack, profile.name),
        title=profile.title,
        sha256=file_digest(path),
        size=path.stat().st_size,
        verdicts=judge_hosts(pack, Host(KnownRelease(profile, pack.infos, base))),
        report=read_report(Path(session().isos[iso].get_abspath())),
        devices=devices,
        changes=changes,
    )


def _timeline(sha256: str, nodes: Sequence[Node]) -> Timeline:
    """What of the steps that nodes need ran in this run."""
    from xspack_tool.evidence.timeline import Ran, Timeline

    maybe_steps = map(_step_of, reached(nodes))
    steps = {planned.nodes[0]: planned for planned in maybe_steps if planned}
    ran = {node: session().ran[node] for node in steps if node in session().ran}
    start = min((begun for begun, _, _ in ran.values()), default=0.0)
    word_of = {node: planned.step.label for planned in steps.values() for node in planned.nodes}
    counts, fetched, needs = dict[str, int](), dict[str, int](), dict[str, set[str | None]]()
    for node, planned in steps.items():
        word = planned.step.label
        counts[word] = counts.get(word, 0) + 1
        if node.get_state() == executed and node not in ran:
            fetched[word] = fetched.get(word, 0) + 1
        needs.setdefault(word, set()).update(map(word_of.get, node.sources))
    return Timeline(
        sha256,
        tuple(
            Ran(str(node), steps[node].step.label, round(begun - start, 3), round(ended - begun, 3), why)
            for node, (begun, ended, why) in sorted(ran.items(), key=lambda one: one[1])
        ),
        dict(sorted(counts.items())),
        fetched,
        {word: sorted(filter(None, others - {word})) for word, others in sorted(needs.items())},
    )


def _step_of(node: Node) -> Any:
    return record_of(node).step
