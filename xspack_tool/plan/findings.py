"""The nodes that judge: the rules over each RPM, once, and over each pack."""

from __future__ import annotations

import functools
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SCons.Node import Node

from xspack_tool.model.pack import Pack
from xspack_tool.plan.keys import SigningKey
from xspack_tool.plan.memo import file_sha256, sha256_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import (
    built_of,
    env_cache,
    folder_of,
    identity_of,
    key_folder,
    slot_of,
    source_rpm_of,
    write_whole,
)
from xspack_tool.plan.profile import out_path, profile_of
from xspack_tool.plan.session import session
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.verdict import is_strict, take_part

if TYPE_CHECKING:
    from typing import TypeAlias

    import msgspec

    from xspack_tool.model.profile import Profile
    from xspack_tool.plan.ddk import Kit
    from xspack_tool.plan.package import Built
    from xspack_tool.rpm.info import RpmInfo
    from xspack_tool.rules.context import Inbox
    from xspack_tool.rules.finding import Finding

    Record: TypeAlias = tuple[RpmInfo, list[Finding]]

_RULES = Path(__file__).parent.parent / "rules"


@dataclass(frozen=True)
class Judged:
    """The payload of a pack, and the records of what the rules found in its RPMs: those of the payload in one file,
    then one of each generated RPM."""

    payload: list[Node]
    records: list[Node]


def rpm_record(env: Any, rpm: Node, signed: Node) -> Node:
    """The record of one RPM: its header, and what the rules found; planned once for each target release."""
    built = built_of(rpm)
    kit = (built.kit if built else None) or _kit_of(env)
    profile = profile_of(built.kit.for_env(env) if built and built.kit else env)
    planned = env_cache(signed, "record")
    if profile.name not in planned:
        symvers = kit.tree.symvers if kit and kit.tree else None
        fetched = _fetched_symvers(env, built, kit)
        inbox = _inbox_of(kit)

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.rpm.read import open_rpm
            from xspack_tool.rules.context import RpmFacts
            from xspack_tool.rules.engine import check_open_rpm

            facts = RpmFacts(
                symvers=sources[1] if fetched else symvers, inbox=_read_inbox(inbox) if inbox else None
            )
            with open_rpm(sources[0]) as file:
                write_record(targets[0], check_open_rpm(file, str(sources[0]), profile, facts))

        facts = {
            "profile": profile,
            "rules": rules_signature(),
            "symvers": kit.tree.digest if kit and kit.tree else "",
            "inbox": content_of(env, inbox),
        }
        folder = [profile.name, *key_folder(signed)]
        place = out_path(env, "findings", *folder, *folder_of(rpm), f"{identity_of(rpm).file_name}.json")
        planned[profile.name] = add_step(env, [place], [signed, *fetched], Step("Check", facts, perform))[0]
        slot = slot_of(rpm.attributes.xspack)
        remove_older(env, planned[profile.name], f"findings {'/'.join(folder)} {slot}")
    return planned[profile.name]


def content_of(env: Any, path: Path | None) -> str:
    """A digest of a list of devices, or of a folder with some, that lies outside the tree; remembered."""
    if path is None:
        return ""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(
        "".join(file_sha256(env, env.File(str(file))) for file in files).encode()
    ).hexdigest()


def _kit_of(env: Any) -> Kit | None:
    """The kit of XSPACK_DDK. Most trees have none, and need not load what knows kits."""
    if not env.get("XSPACK_DDK"):
        return None
    from xspack_tool.plan.ddk import Kit, kit_of

    kit = kit_of(env)
    return kit if isinstance(kit, Kit) else None


def _fetched_symvers(env: Any, built: Built | None, kit: Kit | None) -> list[Node]:
    """The Module.symvers of a kit on another machine, for an RPM that holds modules; none of other RPMs is judged
    by it, and they need no machine."""
    if kit is None or built is None or not (built.holds_modules or built.kernels):
        return []
    from xspack_tool.plan.ddk import fetched_symvers

    node = fetched_symvers(env, kit)
    return [] if node is None else [node]


def _inbox_of(kit: Kit | None) -> Path | None:
    if kit is None:
        return None
    from xspack_tool.plan.ddk import inbox_of

    return inbox_of(kit)


def _read_inbox(path: Path) -> Inbox:
    from xspack_tool.ddk.inbox import read_inbox

    return read_inbox(path)


def write_record(path: Path, record: Record) -> None:
    """Write the header and the findings of an RPM to a file, as one line."""
    import msgspec

    write_whole(path, msgspec.json.encode(record).decode() + "\n")


def read_records(paths: Paths) -> list[Record]:
    """The records in files of :func:`write_record`, or in files that hold the lines of several; msgspec, since a
    pack reads those of all its RPMs in every build."""
    return [record for path in paths for record in _decoder().decode_lines(path.read_bytes())]


@functools.cache
def _decoder() -> msgspec.json.Decoder[Record]:
    import msgspec

    from xspack_tool.rpm.info import RpmInfo
    from xspack_tool.rules.finding import Finding

    return msgspec.json.Decoder(tuple[RpmInfo, list[Finding]])


def pack_findings(
    env: Any,
    pack: Pack,
    judged: Judged,
    key: SigningKey | None,
    remove: Node | str | None,
    waive: Any,
    *,
    submission: bool = False,
) -> list[Node]:
    """``<label>-findings.json`` and its SARIF twin; they are written whatever was found. With ``submission`` the
    pack is judged as one that is handed in, under names of its own."""
    profile = profile_of(env)
    named = {name: env.subst(f"${name}") for name in ("XSPACK_BASE_REPO", "XSPACK_BASELINE")}
    base, baseline = (_outside(env, value) for value in named.values())
    of_rpms = {
        built.identity.file_name: dict(built.waive)
        for rpm in judged.payload
        if (built := built_of(rpm)) and built.waive
    }
    with_source = frozenset(
        built.identity.name for rpm in judged.payload if source_rpm_of(rpm) and (built := built_of(rpm))
    )
    releases = _releases(env, judged.payload)
    count = len(judged.payload)

    def perform(targets: Paths, sources: Paths) -> None:
        from xspack_tool.rules.context import PackContext
        from xspack_tool.rules.registry import all_rules
        from xspack_tool.rules.report import Waivers, as_json, as_sarif, judge
        from xspack_tool.signing.keys import read_public_key

        records = read_records(sources[: len(judged.records)])
        more = list(sources[len(judged.records) :])
        context = PackContext(
            pack=pack,
            profile=profile,
            releases=releases,
            rpms=tuple(info for info, _ in records[:count]),
            with_source=with_source,
            submission=submission,
            key=read_public_key(more.pop(0)) if key else None,
            key_name=pack.key,
            signed=tuple(info for info, _ in records) if key else (),
            now=int(time.time()),
            base=base,
            baseline=baseline,
            remove_script=more.pop(0).read_text(encoding="utf-8") if isinstance(remove, Node) else remove,
        )
        found = {info.file_name: findings for info, findings in records[:count]}
        report = judge(context, found, Waivers(dict(waive), of_rpms))
        write_whole(targets[1], as_sarif(report, all_rules()))
        write_whole(targets[0], as_json(report))
        session().reports[pack.label] = report

    facts = {
        "pack": pack,
        "profile": profile,
        "releases": releases,
        "rules": rules_signature(),
        "waive": [list(waive), [[name, sorted(own.items())] for name, own in sorted(of_rpms.items())]],
        "outside": [_state(base), _state(baseline)],
        "with_source": sorted(with_source),
        "submission": submission,
        "remove": remove if isinstance(remove, str) else "",
        "order": [identity_of(rpm).file_name for rpm in judged.payload],
    }
    sources = [*judged.records, *([key.node] if key else []), *([remove] if isinstance(remove, Node) else [])]
    stem = f"{pack.label}-{'submission-' if submission else ''}findings"
    targets = [out_path(env, f"{stem}.{ending}") for ending in ("json", "sarif")]
    take_part(is_strict(env))
    nodes = add_step(env, targets, sources, Step("Judge", facts, perform), cached=False)
    if submission:
        return nodes
    session().findings.append(nodes[0])
    env.Alias("check", nodes)
    return nodes


def _releases(env: Any, payload: list[Node]) -> tuple[Profile, ...]:
    """The releases that the drivers of a pack are for, if there are several."""
    kits = [built.kit for rpm in payload if (built := built_of(rpm)) and built.kit and built.kit.release]
    found = {profile.name: profile for kit in kits if (profile := profile_of(kit.for_env(env)))}
    return tuple(found[name] for name in sorted(found)) if len(found) > 1 else ()


@functools.cache
def rules_signature() -> str:
    """What findings depend on besides their input: our rules as they are, and the user's own."""
    digest = hashlib.sha256()
    for path in sorted(_RULES.rglob("*.py")):
        digest.update(path.read_bytes())
    for rule in session().rules:
        digest.update(rule.signature.encode())
    return digest.hexdigest()


def _outside(env: Any, value: str) -> Path | None:
    if value.startswith("file:/"):
        value = "/" + value.removeprefix("file:").lstrip("/")
    return Path(env.Dir(".").Entry(value).srcnode().get_abspath()) if value else None


def _state(place: Path | None) -> Any:
    """What tells that a repository outside the tree changed: its index, or what is known of its files from outside."""
    if place is None:
        return None
    from xspack_tool.rules.trees import repository_files

    try:
        return [_file_state(file) for file in repository_files(place)]
    except OSError:
        return None


def _file_state(file: Path) -> list[Any]:
    if file.name == "repomd.xml":
        return [sha256_of(file)]
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns]
