"""The node that tells what a pack needs to know of one RPM, which is read once for it; and those of a pack together."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from SCons.Node import Node

from xspack_tool.errors import Problem, damaged
from xspack_tool.files import write_whole
from xspack_tool.pack.layout import rpm_path
from xspack_tool.plan.node_record import record_of, rpm_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.outside import content_of
from xspack_tool.plan.package import env_cache, folder_of, identity_of, key_folder, slot_of
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import is_on, out_path
from xspack_tool.plan.sources import nodes_of, whole_problems
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.run import INDEX_LIBRARY

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

#: What reads RPMs and their payload for the rules.
READERS = (
    *("rpmfile", "pyelftools", "zstandard", "tree_sitter", "tree_sitter_bash", "tree_sitter_python"),
    *("vermin", "license_expression", "msgspec", "cryptography", "defusedxml"),
)
#: The rooms whose code decides on findings: it is in the keys of what records or judges them.
JUDGING = ("releases", "rules")


class RecordRpm(Step, frozen=True):
    """Two lines: an RPM's part of the index, then its header and what the rules found."""

    label: ClassVar[str] = "Record"
    uses: ClassVar[tuple[str, ...]] = (*READERS, "createrepo_c")
    unkeyed: ClassVar[tuple[str, ...]] = ("profile", "symvers_file", "inbox_place")

    #: Where the RPM is, in the repository.
    location: str
    #: That of the profile, which stands whole in the key of each pack's findings.
    release: str
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

    def is_brief(self) -> bool:
        return self.is_apart() and not self.shellcheck

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.repo.fragment import line_of, make_fragment
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
            record = check_open_rpm(file, str(inputs.rpm), self.profile, driver_data)
        part = make_fragment(inputs.rpm, self.location)
        write_whole(outputs.record, line_of(part) + line_of(record))


def rpm_record(env: Any, rpm: Node, signed: Node) -> Node:
    """The record of one RPM; planned once for each target release."""
    session().need(INDEX_LIBRARY, "the index of a pack")
    planned = record_of(rpm).rpm
    kit = (planned.kit if planned else None) or _kit_of(env)
    profile = profile_of(planned.kit.for_env(env) if planned and planned.kit else env)
    records = env_cache(signed, "record")
    if profile.name not in records:
        tree, inbox = kit.tree if kit else None, _inbox_of(kit)
        step = RecordRpm(
            location=rpm_path(identity_of(rpm).file_name),
            release=profile.digest,
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
        place = out_path(env, "records", *folder, *folder_of(rpm), f"{identity_of(rpm).file_name}.json")
        inputs = {
            "rpm": signed,
            "symvers": _fetched_symvers(env, planned, kit),
            "module_keys": _module_keys(env) if profile.module_signatures else [],
        }
        records[profile.name] = add_step(env, step, inputs=inputs, outputs={"record": place}).record
        slot = slot_of(rpm_of(rpm))
        remove_older(env, records[profile.name], f"record {'/'.join(folder)} {slot}")
    return records[profile.name]


class JoinRecords(Step, frozen=True):
    """The first lines of all records in one file, the second in another, in their order.

    Steps that need all of a pack's RPMs have such a file as a source: for each source of each target SCons has
    something to read, to compare and to write in every build. What the rules find changes nothing in the first.
    """

    label: ClassVar[str] = "Join"

    def run(self, inputs: Named, outputs: Named) -> None:
        parts, records = list[bytes](), list[bytes]()
        for piece in inputs.pieces:
            with open(piece, "rb", buffering=0) as file:  # as many as RPMs, of a few KB each
                content = file.read()
            part, end, record = content.partition(b"\n")
            if record.find(b"\n") != len(record) - 1:
                raise damaged(piece)
            parts.append(part + end)
            records.append(record)
        write_whole(outputs.fragments, b"".join(parts))
        write_whole(outputs.records, b"".join(records))


def join_records(env: Any, place: Callable[[str], str], pieces: list[Node]) -> Named:
    """The ``fragments`` and the ``records`` of several RPMs, in files below ``place``."""
    outputs = {"fragments": place("index.jsonl"), "records": place("records.jsonl")}
    return add_step(env, JoinRecords(), inputs={"pieces": pieces}, outputs=outputs)


def read_records(paths: Sequence[Path]) -> list[Record]:
    """The header and the findings of each RPM, in files of one line each; msgspec, since a pack reads those of all its
    RPMs in every build. Raises BadInput."""
    from xspack_tool.repo.fragment import read_lines
    from xspack_tool.rpm.info import RpmInfo
    from xspack_tool.rules.finding import Finding

    kind: type[Record] = tuple[RpmInfo, list[Finding]]
    return read_lines(kind, paths)


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
