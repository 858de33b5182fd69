"""The node that judges a pack, by what was recorded of each of its RPMs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from SCons.Node import Node

from xspack_tool.errors import damaged
from xspack_tool.files import write_whole
from xspack_tool.model.pack import Pack
from xspack_tool.plan.keys import SigningKey, public_key
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.outside import REPOSITORIES, repository, state_of
from xspack_tool.plan.package import identity_of
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.record import READERS, read_records, rules_signature
from xspack_tool.plan.sarif import sarif_of
from xspack_tool.plan.session import belong, session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.verdict import is_strict, note_report, take_part

if TYPE_CHECKING:
    from xspack_tool.model.profile import Profile

#: What reads releases and packs besides RPMs.
PACK_READERS = (*READERS, "solv", "createrepo_c", "pycdlib", "python_gnupg")


class Judged(Struct, frozen=True):
    """The payload of a pack, and what the rules found in its RPMs: a file of the payload's, one of the generated
    ones'."""

    payload: list[Node]
    records: Node
    generated: Node


class JudgePack(Step, frozen=True):
    """``<label>-findings.json``; it is written whatever was found."""

    label: ClassVar[str] = "Judge"
    uses: ClassVar[tuple[str, ...]] = PACK_READERS
    unkeyed: ClassVar[tuple[str, ...]] = ("base", "baseline")

    pack: Pack
    profile: Profile
    releases: tuple[Profile, ...]
    rules: Callable[[], str]
    waive: tuple[tuple[str, str], ...]
    #: RPM -> (rule, reason) of the waivers in its own declaration.
    waive_rpms: dict[str, tuple[tuple[str, str], ...]]
    #: What tells that the base repository and the baseline, which lie outside the tree, changed.
    outside: Callable[[], list[Any]]
    with_source: tuple[str, ...]
    #: The file names of the payload, in the order of its records.
    rpms: tuple[str, ...]
    submission: bool
    #: The text of a remove script that is generated.
    remove: str
    base: Path | None
    baseline: Path | None

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.rules.context import PackContext, modules_of
        from xspack_tool.rules.report import Waivers, as_json, judge

        payload = read_records([inputs.records])
        if tuple(info.file_name for info, _ in payload) != self.rpms:
            raise damaged(inputs.records)
        records = [*payload, *read_records([inputs.generated])]
        key: Path | None = next(iter(inputs.key), None)
        script: Path | None = next(iter(inputs.remove), None)
        precheck: Path | None = next(iter(inputs.precheck), None)
        context = PackContext(
            pack=self.pack.holding(any(modules_of(info) for info, _ in payload)),
            profile=self.profile,
            releases=self.releases,
            rpms=tuple(info for info, _ in payload),
            with_source=frozenset(self.with_source),
            submission=self.submission,
            key=public_key(key) if key else None,
            key_name=self.pack.key,
            signed=tuple(info for info, _ in records) if key else (),
            now=int(time.time()),
            base=self.base,
            baseline=self.baseline,
            remove_script=_text(script) if script else self.remove or None,
            precheck_script=_text(precheck) if precheck else None,
        )
        by_rpm = {info.file_name: findings for info, findings in payload}
        waivers = Waivers(dict(self.waive), {rpm: dict(own) for rpm, own in self.waive_rpms.items()})
        report = judge(context, by_rpm, waivers)
        write_whole(outputs.findings, as_json(report))
        note_report(outputs.findings, report)


def _text(script: Path) -> str:
    """A script with its line ends as they are; a rule judges them."""
    return script.read_bytes().decode("utf-8", "replace")


def pack_findings(
    env: Any,
    pack: Pack,
    judged: Judged,
    key: SigningKey | None,
    remove: Node | str | None,
    waive: Any,
    *,
    precheck: Node | None = None,
    submission: bool = False,
) -> Node:
    """The findings file of a pack. With ``submission`` the pack is judged as one that is handed in, under names of
    its own."""
    base, baseline = map(functools.partial(repository, env), REPOSITORIES)
    planned = [(rpm, found) for rpm in judged.payload if (found := record_of(rpm).rpm)]
    session().declared.update({(pack.label, one.identity.file_name): one.place for _, one in planned})
    step = JudgePack(
        pack=pack,
        profile=profile_of(env),
        releases=_releases(env, judged.payload),
        rules=rules_signature,
        waive=tuple(waive),
        waive_rpms={one.identity.file_name: tuple(sorted(one.waive)) for _, one in planned if one.waive},
        outside=lambda: [state_of(base), state_of(baseline)],
        with_source=tuple(sorted({one.identity.name for rpm, one in planned if record_of(rpm).source_rpm})),
        rpms=tuple(identity_of(rpm).file_name for rpm in judged.payload),
        submission=submission,
        remove=remove if isinstance(remove, str) else "",
        base=base,
        baseline=baseline,
    )
    inputs = {
        "records": judged.records,
        "generated": judged.generated,
        "key": [key.node] if key else [],
        "remove": [remove] if isinstance(remove, Node) else [],
        "precheck": [precheck] if precheck else [],
    }
    stem = f"{pack.label}-{'submission-' if submission else ''}findings"
    outputs = {"findings": out_path(env, f"{stem}.json")}
    findings: Node = add_step(env, step, inputs=inputs, outputs=outputs, cached=False).findings
    sarif_of(env, findings, pack.label)
    if not submission:
        belong([findings], session().current)
        take_part(findings, is_strict(env))
        session().aliases.append(("check", pack.label, [findings]))
    return findings


def _releases(env: Any, payload: list[Node]) -> tuple[Profile, ...]:
    """The releases that the drivers of a pack are for, if there are several."""
    kits = [
        planned.kit
        for rpm in payload
        if (planned := record_of(rpm).rpm) and planned.kit and planned.kit.release
    ]
    found = {profile.name: profile for kit in kits if (profile := profile_of(kit.for_env(env)))}
    return tuple(found[name] for name in sorted(found)) if len(found) > 1 else ()
