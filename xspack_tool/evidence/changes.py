"""What changed between two RPMs, and between two packs: pure functions of their headers and documents."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from xspack_tool.ddk.devices import DeviceRow
from xspack_tool.errors import counted
from xspack_tool.evidence.modules import INFO_KEYS, PackedVariant, variants_of_pack
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.pack.layout import SIGNED
from xspack_tool.rpm.info import PayloadFile, RpmInfo

#: What a header says in one text.
_TEXTS = ("summary", "description", "license", "vendor", "packager", "url")
#: How the names of the two generated RPMs begin.
GENERATED = ("update-", "control-")
_RELATIONS = ("requires", "provides", "conflicts", "obsoletes")


class Change(Struct, frozen=True):
    """One difference: ``what`` it is about, its kind (``+``, ``-`` or ``~``), and the two sides in words."""

    kind: str
    what: str
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        sides = " -> ".join(side for side in (self.old, self.new) if side)
        return f"{self.kind} {self.what}" + (f": {sides}" if sides else "")


class PackChanges(Struct, frozen=True):
    """The differences of two packs. ``changed`` has those of each RPM that is in both, by name and
    architecture; RPMs without any are left out."""

    old: str
    new: str
    document: tuple[Change, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[Change, ...]]
    devices: tuple[Change, ...]
    variants: tuple[Change, ...] = ()

    @property
    def any(self) -> bool:
        """Whether the packs differ at all."""
        return bool(
            self.document or self.added or self.removed or self.changed or self.devices or self.variants
        )

    @property
    def summary(self) -> str:
        """One line for release notes; the RPMs that are made for every pack are left out."""
        changed = [which for which in self.changed if not which.startswith(GENERATED)]
        added, removed = (
            [nevra for nevra in side if not nevra.startswith(GENERATED)]
            for side in (self.added, self.removed)
        )
        parts = [
            _counted(len(added), "RPM", f"added ({', '.join(added)})"),
            _counted(len(removed), "RPM", f"removed ({', '.join(removed)})"),
            _counted(len(changed), "RPM", f"changed ({', '.join(map(self._step, changed))})"),
            _counted(sum(one.kind == "+" for one in self.devices), "device", "added"),
            _counted(sum(one.kind == "-" for one in self.devices), "device", "removed"),
        ]
        said = ", ".join(filter(None, parts))
        return f"{self.old} -> {self.new}: {said or ('other metadata' if self.any else 'no change')}"

    def _step(self, which: str) -> str:
        name = which.rpartition(".")[0]
        version = next((one for one in self.changed[which] if one.what == "version"), None)
        return f"{name} {version.old} -> {version.new}" if version else name


def _counted(count: int, word: str, rest: str) -> str:
    return f"{counted(count, word)} {rest}" if count else ""


def pack_changes(
    old: ParsedPack, new: ParsedPack, old_devices: Iterable[DeviceRow], new_devices: Iterable[DeviceRow]
) -> PackChanges:
    """The differences of two packs. The two generated RPMs are compared as all others."""
    before = {f"{info.name}.{info.arch}": info for info in old.infos}
    after = {f"{info.name}.{info.arch}": info for info in new.infos}
    both = {which: tuple(rpm_changes(before[which], after[which])) for which in before if which in after}
    return PackChanges(
        old=_title(old),
        new=_title(new),
        document=tuple(_document_changes(old, new)),
        added=tuple(after[which].nevra for which in sorted(after.keys() - before.keys())),
        removed=tuple(before[which].nevra for which in sorted(before.keys() - after.keys())),
        changed={which: found for which, found in sorted(both.items()) if found},
        devices=tuple(_set_changes("device", map(_device, old_devices), map(_device, new_devices))),
        variants=tuple(_variant_changes(variants_of_pack(old), variants_of_pack(new))),
    )


def _title(pack: ParsedPack) -> str:
    return f"{pack.document.label} {pack.document.version}" if pack.document else pack.path.name


def _device(row: DeviceRow) -> str:
    name = " ".join(filter(None, (row.vendor_name, row.device_name)))
    module = f"{row.module} of {row.variant}" if row.variant else row.module
    return f"{row.id.bus} {row.id.vendor}:{row.id.device} {module}" + (f" ({name})" if name else "")


def _variant_changes(old: Iterable[PackedVariant], new: Iterable[PackedVariant]) -> Iterable[Change]:
    """What became of each variant, which is the same where driver and name are, whatever its version."""
    before, after = ({_which(variant): variant for variant in side} for side in (old, new))
    for which in sorted(before.keys() | after.keys()):
        pair = before.get(which), after.get(which)
        there = [variant for variant in pair if variant]
        if len(there) == 1:
            yield Change("+" if pair[0] is None else "-", which, new=there[0].folder)
            continue
        infos = (
            {f"{which}: {key}": str(variant.info.get(key, "")) for key in INFO_KEYS} for variant in there
        )
        yield from _field_changes(*infos)


def _which(one: PackedVariant) -> str:
    return f"{one.driver} {one.info.get('variant', one.folder)} for {one.kernel}"


def _document_changes(old: ParsedPack, new: ParsedPack) -> Iterable[Change]:
    yield from _field_changes(_document_fields(old), _document_fields(new))
    for path in SIGNED:
        yield from _field_changes(
            {f"{path} signed by": ", ".join(old.signers.get(path, ()))},
            {f"{path} signed by": ", ".join(new.signers.get(path, ()))},
        )
    groups = [
        [
            f"{group.id}: {name}"
            for group in (pack.index.groups if pack.index else ())
            for name in group.packages
        ]
        for pack in (old, new)
    ]
    yield from _set_changes("group", *groups)


def _document_fields(pack: ParsedPack) -> dict[str, str]:
    document = pack.document
    if document is None:
        return {"update.xml": pack.document_fault, "volume id": pack.volume_id}
    values = {name.replace("_", " "): _words(value) for name, value in asdict(document).items()}
    return {**values, "volume id": pack.volume_id}


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one.uuid} ({one.label})" if hasattr(one, "uuid") else str(one) for one in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def rpm_changes(old: RpmInfo, new: RpmInfo) -> Iterable[Change]:
    """The differences of two RPMs of one name."""
    yield from _field_changes({"version": old.evr}, {"version": new.evr})
    yield from _field_changes(*({name: getattr(info, name) for name in _TEXTS} for info in (old, new)))
    yield from _field_changes(
        {"signed by": ", ".join(old.signed_by)}, {"signed by": ", ".join(new.signed_by)}
    )
    yield from _field_changes({"payload": _payload(old)}, {"payload": _payload(new)})
    for name in _RELATIONS:
        yield from _set_changes(name, *(_relations(info, name) for info in (old, new)))
    yield from _script_changes(old, new)
    yield from _file_changes(old.files, new.files)
    for when, who, text in new.changelog:
        if (when, who, text) not in old.changelog:
            day = datetime.fromtimestamp(when, timezone.utc).date()
            yield Change("+", "changelog", new=f"{day} {who} {' '.join(text.split())}")


def _relations(info: RpmInfo, name: str) -> set[str]:
    """The relations of that name; not the RPM's provision of itself, which is its version again."""
    own = (info.name, f"{info.name}(x86-64)", f"config({info.name})")
    return {str(one) for one in getattr(info, name) if one.name not in own}


def _payload(info: RpmInfo) -> str:
    return f"{info.payload_format} {info.payload_compressor}"


def _script_changes(old: RpmInfo, new: RpmInfo) -> Iterable[Change]:
    before, after = ({one.phase: (one.interpreter, one.text) for one in info.scripts} for info in (old, new))
    for phase in sorted(before.keys() | after.keys()):
        if before.get(phase) != after.get(phase):
            kind = "+" if phase not in before else "-" if phase not in after else "~"
            yield Change(kind, f"script %{phase}")


def _file_changes(old: Iterable[PayloadFile], new: Iterable[PayloadFile]) -> Iterable[Change]:
    before, after = {file.path: file for file in old}, {file.path: file for file in new}
    for path in sorted(before.keys() | after.keys()):
        old_file, new_file = before.get(path), after.get(path)
        if old_file is None or new_file is None:
            there = old_file or new_file
            assert there is not None  # the path comes from one of the two
            yield Change("+" if old_file is None else "-", path, new=_attributes(there))
            continue
        if _attributes(old_file) != _attributes(new_file):
            yield Change("~", path, _attributes(old_file), _attributes(new_file))
        elif old_file.digest != new_file.digest:
            yield Change("~", path, new="other content of the same size")


def _attributes(file: PayloadFile) -> str:
    """Mode, owner, size and kind of a file, as far as they say something."""
    mode = stat.filemode(file.mode)
    owner = "" if (file.owner, file.group) == ("root", "root") else f" {file.owner}:{file.group}"
    size = f" {file.size} bytes" if file.is_file else f" -> {file.link}" if file.is_link else ""
    config = " config" + ("(noreplace)" if file.is_noreplace else "") if file.is_config else ""
    return f"{mode}{owner}{size}{config}{' ghost' if file.is_ghost else ''}"


def _field_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[Change]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after:
            yield Change("~" if before and after else "+" if after else "-", name, before, after)


def _set_changes(what: str, old: Iterable[str], new: Iterable[str]) -> Iterable[Change]:
    before, after = set(old), set(new)
    for one in sorted(before | after):
        if (one in before) != (one in after):
            yield Change("+" if one in after else "-", what, new=one)
