"""The nodes that judge: the rules over each RPM, once, and over each pack."""

from __future__ import annotations

import collections
import functools
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from SCons.Node import Node

from xspack_tool.errors import BadInput, Problem, damaged
from xspack_tool.files import file_digest, write_whole
from xspack_tool.model.pack import Pack
from xspack_tool.plan.keys import SigningKey, public_key
from xspack_tool.plan.node_record import record_of, rpm_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import env_cache, folder_of, identity_of, key_folder, slot_of
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.read_cache import file_sha256, read_cached
from xspack_tool.plan.sarif import sarif_of
from xspack_tool.plan.scons import built_above, built_below, built_problems
from xspack_tool.plan.session import belong, session
from xspack_tool.plan.settings import is_on, out_path
from xspack_tool.plan.sources import is_dir, nodes_of, whole_problems
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.plan.verdict import is_strict, note_report, take_part

if TYPE_CHECKING:
    from typing import TypeAlias

    from xspack_tool.ddk.inbox import Inbox
    from xspack_tool.model.driver import DriverNotes
    from xspack_tool.model.profile import Profile
    from xspack_tool.plan.ddk import Kit
    from xspack_tool.plan.package import PlannedRpm
    from xspack_tool.rpm.info import RpmInfo
    from xspack_tool.rules.finding import Finding

    Record: TypeAlias = tuple[RpmInfo, list[Finding]]

#: What reads RPMs and their payload for the rules, and what reads releases and packs besides.
READERS = (
    *("rpmfile", "pyelftools", "zstandard", "tree_sitter", "tree_sitter_bash", "tree_sitter_python"),
    *("vermin", "license_expression", "msgspec", "cryptography", "defusedxml"),
)
PACK_READERS = (*READERS, "solv", "createrepo_c", "pycdlib", "python_gnupg")
#: The variables that name what lies outside the tree.
REPOSITORIES = ("XSPACK_BASE_REPO", "XSPACK_BASELINE")
#: The rooms whose code decides on findings: it is in the keys of these.
JUDGING = ("releases", "rules")


class Judged(Struct, frozen=True):
    """The payload of a pack, and the records of what the rules found in its RPMs: those of the payload in one file,
    then one of each generated RPM."""

    payload: list[Node]
    joined: Node
    generated: list[Node]


class CheckRpm(Step, frozen=True):
    """The record of one RPM: its header, and what the rules found."""

    label: ClassVar[str] = "Check"
    uses: ClassVar[tuple[str, ...]] = READERS
    unkeyed: ClassVar[tuple[str, ...]] = ("symvers_file", "inbox_place")

    profile: Profile
    rules: Callable[[], str]
    #: Digests of what lies outside the tree: the kernel build tree of a kit, and the devices that the release drives.
    symvers: str
    inbox: str
    #: The version of shellcheck, empty where it is not asked.
    shellcheck: str
    #: What the declaration of a driver tells.
    driver: Callable[[], DriverNotes] | None
    symvers_file: Path | None
    inbox_place: Path | None

    def is_apart(self) -> bool:
        return not session().rules  # what they remember is in this process

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.rpm.read import open_rpm
        from xspack_tool.rules.context import DriverData
        from xspack_tool.rules.engine import check_open_rpm

        fetched: Path | None = next(iter(inputs.symvers), self.symvers_file)
        inbox = _read_inbox(self.inbox_place) if self.inbox_place else None
        driver_data = DriverData(
            symvers=fetched,
            inbox=inbox,
            driver=self.driver() if self.driver else None,
            module_keys=tuple(inputs.module_keys),
            shellcheck=bool(self.shellcheck),
        )
        with open_rpm(inputs.rpm) as file:
            write_record(outputs.record, check_open_rpm(file, str(inputs.rpm), self.profile, driver_data))


def rpm_record(env: Any, rpm: Node, signed: Node) -> Node:
    """The record of one RPM; planned once for each target release."""
    planned = record_of(rpm).rpm
    kit = (planned.kit if planned else None) or _kit_of(env)
    profile = profile_of(planned.kit.for_env(env) if planned and planned.kit else env)
    records = env_cache(signed, "record")
    if profile.name not in records:
        tree, inbox = kit.tree if kit else None, _inbox_of(kit)
        step = CheckRpm(
            profile=profile,
            rules=rules_signature,
            symvers=tree.digest if tree else "",
            inbox=content_of(env, inbox),
            shellcheck=version_of(env, "shellcheck") if is_on(env, "XSPACK_SHELLCHECK") else "",
            driver=planned.notes if planned else None,
            symvers_file=tree.symvers if tree else None,
            inbox_place=inbox,
        )
        folder = [profile.name, *key_folder(signed)]
        place = out_path(env, "findings", *folder, *folder_of(rpm), f"{identity_of(rpm).file_name}.json")
        inputs = {
            "rpm": signed,
            "symvers": _fetched_symvers(env, planned, kit),
            "module_keys": _module_keys(env) if profile.module_signatures else [],
        }
        records[profile.name] = add_step(env, step, inputs=inputs, outputs={"record": place}).record
        slot = slot_of(rpm_of(rpm))
        remove_older(env, records[profile.name], f"findings {'/'.join(folder)} {slot}")
    return records[profile.name]


def _module_keys(env: Any) -> list[Node]:
    """The files of XSPACK_MODULE_KEYS. One that is not there is reported with the other mistakes."""
    name = "XSPACK_MODULE_KEYS"
    value = env.get(name) or []
    key_nodes = nodes_of(env, value.split() if isinstance(value, str) else value)
    for node in key_nodes:
        session().checks.append(functools.partial(whole_problems, name, node))
        if not node.exists() and not node.has_builder():
            problem = Problem(name, str(node), "no such file", "name files of certificates, in PEM or DER")
            if problem not in session().general.problems:
                session().general.problems.append(problem)
    return key_nodes


def content_of(env: Any, path: Path | None) -> str:
    """A digest of a list of devices, or of a folder with some, that lies outside the tree; cached."""
    if path is None:
        return ""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    nodes = [env.File(str(file)) for file in files]
    session().checks.append(
        functools.partial(_built_files, "inbox", nodes, "name a list that is there before the build")
    )
    return hashlib.sha256("".join(file_sha256(env, node) for node in nodes).encode()).hexdigest()


def _built_files(field: str, nodes: Sequence[Node], remedy: str) -> list[Problem]:
    """The files of a list of devices, or of a repository, that the build makes: they were read as they were."""
    return [problem for node in nodes for problem in built_problems(field, node, remedy)]


def _kit_of(env: Any) -> Kit | None:
    """The kit of XSPACK_DDK. Most trees have none, and need not load what knows kits."""
    if not env.get("XSPACK_DDK"):
        return None
    from xspack_tool.plan.ddk import Kit, kit_of

    kit = kit_of(env)
    return kit if isinstance(kit, Kit) else None


def _fetched_symvers(env: Any, planned: PlannedRpm | None, kit: Kit | None) -> list[Node]:
    """The Module.symvers of a kit on another machine, for an RPM that holds modules; none of other RPMs is judged
    by it, and they need no machine."""
    if kit is None or planned is None or not (planned.holds_modules or planned.kernels):
        return []
    from xspack_tool.plan.ddk import fetched_symvers

    node = fetched_symvers(env, kit)
    return [] if node is None else [node]


def _inbox_of(kit: Kit | None) -> Path | None:
    if kit is None:
        return None
    from xspack_tool.plan.ddk import inbox_of

    return inbox_of(kit)


def inbox_of_env(env: Any) -> Inbox | None:
    """The devices that the release of XSPACK_DDK drives, where that is at hand."""
    place = _inbox_of(_kit_of(env))
    return _read_inbox(place) if place else None


def _read_inbox(path: Path) -> Inbox:
    from xspack_tool.ddk.inbox import read_inbox

    return read_inbox(path)


def write_record(path: Path, record: Record) -> None:
    """Write the header and the findings of an RPM to a file, as one line."""
    import msgspec

    write_whole(path, msgspec.json.encode(record).decode() + "\n")


def read_records(paths: Sequence[Path]) -> list[Record]:
    """The records in files of :func:`write_record`, or in files that hold the lines of several; msgspec, since a
    pack reads those of all its RPMs in every build."""
    from xspack_tool.repo.fragment import read_lines
    from xspack_tool.rpm.info import RpmInfo
    from xspack_tool.rules.finding import Finding

    kind: type[Record] = tuple[RpmInfo, list[Finding]]
    return read_lines(kind, paths)


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

        payload = read_records([inputs.joined])
        if tuple(info.file_name for info, _ in payload) != self.rpms:
            raise damaged(inputs.joined)
        records = [*payload, *read_records(inputs.generated)]
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
    base, baseline = map(functools.partial(_repository, env), REPOSITORIES)
    planned = [(rpm, found) for rpm in judged.payload if (found := record_of(rpm).rpm)]
    session().declared.update({(pack.label, one.identity.file_name): one.place for _, one in planned})
    step = JudgePack(
        pack=pack,
        profile=profile_of(env),
        releases=_releases(env, judged.payload),
        rules=rules_signature,
        waive=tuple(waive),
        waive_rpms={one.identity.file_name: tuple(sorted(one.waive)) for _, one in planned if one.waive},
        outside=lambda: [_state(base), _state(baseline)],
        with_source=tuple(sorted({one.identity.name for rpm, one in planned if record_of(rpm).source_rpm})),
        rpms=tuple(identity_of(rpm).file_name for rpm in judged.payload),
        submission=submission,
        remove=remove if isinstance(remove, str) else "",
        base=base,
        baseline=baseline,
    )
    inputs = {
        "joined": judged.joined,
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


def rules_signature() -> str:
    """What findings depend on besides their input: our rules as they are, and the user's own. Asked once everything
    was read, since a rule may be added anywhere."""
    own = sorted(rule.signature for rule in session().rules)
    return hashlib.sha256("\0".join([_own_rules(), *own]).encode()).hexdigest()


@functools.cache
def _own_rules() -> str:
    digest = hashlib.sha256()
    for room in JUDGING:
        for path in sorted((Path(__file__).parent.parent / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def outside(env: Any, value: str) -> Path | None:
    """The place of a repository that lies outside the tree, if there is one."""
    value = env.subst(value)
    if value.startswith("file:/"):
        value = "/" + value.removeprefix("file:").lstrip("/")
    return Path(env.Dir(".").Entry(value).srcnode().get_abspath()) if value else None


def _repository(env: Any, name: str) -> Path | None:
    """The place that a variable names, to be looked at when everything was read."""
    place = outside(env, f"${name}")
    if place is not None:
        session().checks.append(_repository_check(env, name, place))
    return place


def _repository_check(env: Any, name: str, place: Path) -> Callable[[], list[Problem]]:
    """A check, for every build, that a repository that rules compare with is there and can be read: without it they
    would pass what they are for."""

    def check() -> list[Problem]:
        from xspack_tool.releases.packages import PackageSet
        from xspack_tool.releases.trees import read_rpms, repository_root

        def read() -> bool:
            if name == "XSPACK_BASE_REPO":
                PackageSet(place, (), "")
            else:
                collections.deque(read_rpms(place), maxlen=0)
            return True

        try:
            read_cached(env, f"{name} {place}", _state(place), read)
        except BadInput as error:
            why = error.why
        except OSError as error:
            why = error.strerror or str(error)
        else:
            remedy = (
                "name a folder into which the build puts nothing, or build it before, in a run of its own"
            )
            return _built_files(name, _built_of(env.fs.Entry(str(repository_root(place)))), remedy)
        remedy = f"name a folder, repository or ISO that is there, or leave {name} out"
        return [Problem(name, str(place), f"cannot be read: {why}", remedy)]

    return check


def _built_of(entry: Node) -> list[Node]:
    """What the build makes of a repository, which may lie outside the tree."""
    from xspack_tool.releases.trees import is_repository_file

    top = entry.disambiguate()
    if above := built_above(top):
        return [above]
    return [
        node
        for node in built_below(top)
        if node is top or is_dir(node) or is_repository_file(node.get_path(top))
    ]


def _state(place: Path | None) -> Any:
    """What tells that a repository outside the tree changed: its index, or what is known of its files from outside.
    Raises OSError where it cannot be read."""
    if place is None:
        return None
    from xspack_tool.releases.trees import repository_files

    return [_file_state(file) for file in repository_files(place)]


def _file_state(file: Path) -> list[Any]:
    if file.name == "repomd.xml":
        return [file_digest(file)]
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns, os.access(file, os.R_OK)]
