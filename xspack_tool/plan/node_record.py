"""What xspack stores about a node, in one record on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from SCons.Node import Node

if TYPE_CHECKING:
    from xspack_tool.plan.pack import Packed
    from xspack_tool.plan.package import Declared, PlannedRpm
    from xspack_tool.plan.session import Declaration
    from xspack_tool.plan.step import Planned, Step


class NodeRecord(Struct):
    """``attributes.xspack`` of each node that a declaration made. A field that does not apply is empty."""

    #: The step that makes it.
    step: Planned | None = None
    #: The declarations that it belongs to.
    declarations: tuple[Declaration, ...] = ()
    #: Whether it stands for a faulty declaration.
    is_broken: bool = False
    #: Of an RPM: what was declared, its whole declaration, its source RPM, and its modules' Module.symvers.
    rpm: PlannedRpm | None = None
    declared: Declared | None = None
    source_rpm: Node | None = None
    symvers: Node | None = None
    #: The name of the key that an RPM is signed with.
    key: str = ""
    #: The folder of the secret key that belongs to a public key file.
    keyring: Path | None = None
    #: What was planned from it already, by what for.
    derived: dict[str, dict[Any, Node]] = field(default_factory=dict)
    #: Of an ISO: its pack, and the name that the pack was declared by.
    pack: Packed | None = None
    pack_name: str = ""
    #: The ISO of which a file tells, beside it.
    about: Node | None = None


_EMPTY = NodeRecord()


def record_of(node: Node) -> NodeRecord:
    """The record of a node, to read; an empty one where xspack knows nothing of it."""
    return getattr(node.attributes, "xspack", _EMPTY)


def own_record(node: Node) -> NodeRecord:
    """The record of a node, to write to."""
    if not hasattr(node.attributes, "xspack"):
        node.attributes.xspack = NodeRecord()
    record: NodeRecord = node.attributes.xspack
    return record


def step_of(node: Node) -> Step | None:
    """The step that makes a node of ours."""
    planned = record_of(node).step
    return planned.step if planned else None


def planned_of(node: Node) -> Planned:
    """The step that was planned for a node of ours."""
    step = record_of(node).step
    assert step is not None, f"{node} is not made by a step of xspack"
    return step


def rpm_of(node: Node) -> PlannedRpm:
    """What is known of a node that is an RPM of ours."""
    rpm = record_of(node).rpm
    assert rpm is not None, f"{node} is not an RPM of xspack"
    return rpm


def pack_of(iso: Node) -> Packed:
    """The pack of an ISO of ours."""
    pack = record_of(iso).pack
    assert pack is not None, f"{iso} is not the ISO of a pack"
    return pack
