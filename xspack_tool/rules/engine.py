"""Runs the rules: over one RPM, and over a pack."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from xspack_tool.errors import StepError, XspackError, visible
from xspack_tool.model.profile import Profile
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import open_rpm, read_info
from xspack_tool.rules.context import DriverData, PackContext, RpmContext
from xspack_tool.rules.finding import Finding, Skipped
from xspack_tool.rules.member import PayloadMember
from xspack_tool.rules.registry import Hits, Rule, all_rules


def check_rpm(
    path: str | Path,
    profile: Profile,
    driver_data: DriverData | None = None,
    rules: Sequence[Rule] | None = None,
) -> list[Finding]:
    """All findings on one RPM: a function of the file, the profile, the driver data and the rules alone.

    The payload is unpacked only if a rule wants the content of a file, once for all rules, and no further
    than the last wanted file. Raises BadInput for what is no sound RPM, StepError for a rule that fails.
    """
    with open_rpm(path) as file:
        return check_open_rpm(file, str(path), profile, driver_data, rules)[1]


def check_open_rpm(
    file: BinaryIO,
    name: str,
    profile: Profile,
    driver_data: DriverData | None = None,
    rules: Sequence[Rule] | None = None,
    header: tuple[RpmInfo, int] | None = None,
) -> tuple[RpmInfo, list[Finding]]:
    """The header and the findings, as of :func:`check_rpm`, of a file that is open already; ``name`` is for
    messages, ``header`` what read_info() said of it, where that was called before."""
    chosen = all_rules() if rules is None else rules
    info, offset = header or read_info(file, name)
    context = RpmContext(info, profile, driver_data or DriverData())
    findings = [
        finding
        for rule in chosen
        if (check := rule.on_rpm) is not None
        for finding in _run(rule, info.file_name, check, context)
    ]
    findings += _check_members(file, offset, name, context, chosen)
    return info, sorted(set(findings), key=lambda finding: finding.order)


def check_pack(context: PackContext, rules: Sequence[Rule] | None = None) -> list[Finding]:
    """All findings on the pack as a whole. Raises StepError for a rule that fails itself."""
    chosen = all_rules() if rules is None else rules
    found = [
        finding
        for rule in chosen
        if (check := rule.on_pack) is not None
        for finding in _run(rule, "", check, context)
    ]
    return sorted(set(found), key=lambda finding: finding.order)


def _check_members(
    file: BinaryIO, offset: int, name: str, context: RpmContext, rules: Sequence[Rule]
) -> Iterator[Finding]:
    wanted = _wanted(context, rules)
    if not wanted:
        return
    for names, stream in payload_of(file, context.info, offset, name):
        asked = {entry.path: wanted.pop(entry.path) for entry in names if entry.path in wanted}
        if asked:
            yield from _check_member(names, asked, stream, context)
        if not wanted:
            return


def _check_member(
    names: Sequence[PayloadFile], asked: dict[str, list[Rule]], stream: BinaryIO, context: RpmContext
) -> Iterator[Finding]:
    """One content under each of its names that a rule asked for."""
    member = PayloadMember(names[-1], stream, context.info.file_name)
    try:
        for entry in names:
            member.file = entry
            for rule in asked.get(entry.path, ()):
                if (check := rule.on_member) is not None:
                    yield from _run(rule, context.info.file_name, check, context, member)
    finally:
        member.close()


def _wanted(context: RpmContext, rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """The paths whose content a rule wants, and those rules."""
    found: dict[str, list[Rule]] = {}
    readers = [(rule, rule.wants) for rule in rules if rule.on_member and rule.wants]
    for file in context.info.files:
        if file.is_file and not file.is_ghost:
            asking = [rule for rule, wants in readers if wants(context, file)]
            if asking:
                found[file.path] = asking
    return found


def _run(rule: Rule, rpm: str, check: Callable[..., Hits], *given: object) -> Iterator[Finding]:
    """A rule's hits as findings; foreign text in them is made harmless for a terminal."""
    try:
        hits = list(check(*given))
    except XspackError:
        raise
    except Exception as why:
        frame = traceback.extract_tb(why.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        about = f" on {rpm}" if rpm else ""
        raise StepError(f"rule {rule.id} failed{about}: {type(why).__name__}: {why} ({place})") from why
    for hit in hits:
        if isinstance(hit, Skipped):
            text = f"not checked: {hit.needs}"
            yield Finding(rule.id, "I", text, "", rpm=rpm, skipped=True)
            continue
        yield Finding(
            rule.id,
            hit.severity or rule.severity,
            visible(hit.found),
            hit.remedy or rule.remedy,
            rpm=hit.rpm or rpm,
            where=visible(hit.where),
            line=hit.line,
            unless_shipped=hit.unless_shipped,
            unless_provided=hit.unless_provided,
            unless_kept_out=hit.unless_kept_out,
            keeps_out=hit.keeps_out,
            unless_alone=hit.unless_alone,
        )
