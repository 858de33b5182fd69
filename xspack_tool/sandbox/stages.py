"""What happens to a chroot when a pack is applied, upgraded and removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import BadInput
from xspack_tool.hosts.parsed import ParsedPack, applied_path
from xspack_tool.hosts.reading import open_pack, payloads
from xspack_tool.hosts.xapi import KNOWN_CODES
from xspack_tool.model.profile import Profile
from xspack_tool.pack.document import Document, parse_document
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.releases.known import profile_provides
from xspack_tool.sandbox.dnf import Dnf, precheck_code
from xspack_tool.sandbox.release import base_repository, fill_from_base, install_placeholder
from xspack_tool.sandbox.removal import remove_pack
from xspack_tool.sandbox.root import SandboxRoot
from xspack_tool.sandbox.selection import Selectable, dangling, select, selectable

_ERROR = re.compile(r"""<error[^>]*errorcode=["']([A-Za-z0-9_]+)["']""")
_EDITED = "# changed by an administrator\n"


class Stage(Struct, frozen=True):
    """One thing that was done to the chroot, and what it changed. ``code`` is the error that the user of a
    host would see, empty where all went well; ``order`` what dnf or driver-tool did, ``calls`` what scriptlets called;
    ``config`` maps the old pack's configuration files to what became of them."""

    name: str
    code: str = ""
    why: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    config: tuple[tuple[str, str], ...] = ()


class StageRunner:
    """The transactions with one pack. ``done`` are the stages so far."""

    def __init__(self, work: Path, profile: Profile, base: Path | None, key: Path | None) -> None:
        self.work, self.profile, self.key = work, profile, key
        self.done: list[Stage] = []
        self.assumed: list[str] = []
        self._roots = 0
        self._base = base_repository(base, work / "base") if base else None

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return not any(stage.code for stage in self.done)

    def stages(self, iso: Path, older: Path | None, remove: bool) -> Iterator[Stage]:
        """Do everything that was asked for, until something fails."""
        new = _Unpacked(iso, self.work / "new")
        old = _Unpacked(older, self.work / "old") if older else None
        dnf, before = self._host([new])
        yield from self._take(dnf, new)
        if old is not None and self.good:
            dnf, before = self._host([old, new])
            yield from self._take(dnf, old)
            if self.good:
                edited = _edit(dnf.root, old.pack)
                yield from self._take(dnf, new, edited)
        if remove and self.good:
            yield self._record(self._removed(dnf, new, before))

    def _host(self, packs: list[_Unpacked]) -> tuple[Dnf, dict[str, str]]:
        """A new chroot with the release in it, and what is there before any pack."""
        self._roots += 1
        root = SandboxRoot(self.work / f"root{self._roots}")
        dnf = Dnf(root, self.profile, self.work)
        infos = [info for one in packs for info in one.pack.infos]
        if self._base is not None:
            fill_from_base(dnf, self._base, infos, self.profile)
            root.furnish()
        else:
            root.furnish()
            self.assumed = install_placeholder(dnf, self.profile, infos, self.work)
        return dnf, root.snapshot()

    def _take(self, dnf: Dnf, one: _Unpacked, edited: Mapping[str, str] | None = None) -> Iterator[Stage]:
        stage = self._record(self._precheck(dnf, one))
        yield stage
        if stage.code:
            return
        stage = self._record(self._apply(dnf, one, edited or {}))
        yield stage
        if not stage.code and self.profile.multi_version_drivers:
            for variant in selectable(dnf.root, one.pack.infos):
                yield self._record(_selected(dnf.root, variant))

    def _record(self, stage: Stage) -> Stage:
        self.done.append(stage)
        return stage

    def _precheck(self, dnf: Dnf, pack: _Unpacked) -> Stage:
        name, document = f"precheck {pack.title}", pack.document
        if not document.control:
            return Stage(name, why=("the pack has no control package: xapi checks nothing",))
        before = dnf.root.snapshot()
        outcome = dnf.install(pack.folder, self.key, document.label, [document.control])
        if not outcome.good:
            known = [relation.name for relation in profile_provides(self.profile) if relation.evr]
            return Stage(
                name,
                precheck_code(outcome, pack.pack, known, self.profile.manager),
                outcome.complaints,
                outcome.steps,
            )
        code, why = self._script(dnf.root, pack)
        return _stage(name, dnf.root, before, outcome.steps, code=code, why=why)

    def _script(self, root: SandboxRoot, one: _Unpacked) -> tuple[str, tuple[str, ...]]:
        """Run the pack's own precheck as xapi does: (error code, what it said)."""
        script = one.pack.script("precheck")
        if script is None:
            return "", ()
        if lacking := root.lacks_interpreter(one.pack.texts.get(script.path, "")):
            return "", (f"precheck was not run: the chroot has no {lacking}",)
        done = root.run(script.path)
        if done.status == 0:
            return "", ("precheck ran and agreed",)
        said = _ERROR.search(done.out + done.err)
        code = said[1] if said and said[1] in KNOWN_CODES else "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR"
        return code, (f"precheck ended with status {done.status}", *(done.out + done.err).splitlines()[:10])

    def _apply(self, dnf: Dnf, pack: _Unpacked, edited: Mapping[str, str]) -> Stage:
        before = dnf.root.snapshot()
        outcome = dnf.install(pack.folder, self.key, pack.document.label, ["@update"])
        code, why = "" if outcome.good else "UPDATE_APPLY_FAILED", list(outcome.complaints)
        if outcome.good:
            code, refusals = _applied(dnf.root, pack.document)
            why += refusals
            why += [
                f"{link} leads nowhere now: a variant is to be selected anew" for link in dangling(dnf.root)
            ]
        config = tuple(sorted(_kept(dnf.root, edited)))
        return _stage(
            f"apply {pack.title}", dnf.root, before, outcome.steps, code=code, why=tuple(why), config=config
        )

    def _removed(self, dnf: Dnf, one: _Unpacked, first: dict[str, str]) -> Stage:
        """Whatever is there then and was not before the pack is left behind."""
        before = dnf.root.snapshot()
        found = remove_pack(dnf, one.pack)
        left = [f"left behind: {path}" for path in sorted(dnf.root.snapshot().keys() - first.keys())]
        code = "" if found.good else "removal failed"
        name = f"remove {one.title}"
        return _stage(name, dnf.root, before, found.steps, code=code, why=(*found.complaints, *left))


def _selected(root: SandboxRoot, variant: Selectable) -> Stage:
    """What an administrator does who selects a variant of a driver."""
    before = root.snapshot()
    links, fault = select(root, variant)
    name = f"select {variant.title} for {variant.kernel}"
    return _stage(
        name, root, before, links, code="DRIVER_TOOL_FAILED" if fault else "", why=tuple(fault.splitlines())
    )


class _Unpacked:
    """A pack, and its files as a repository in a folder."""

    def __init__(self, iso: Path, folder: Path) -> None:
        self.pack = open_pack(iso)
        if self.pack.document is None:
            raise BadInput(iso, f"update.xml: {self.pack.document_fault}")
        list(payloads(self.pack, lambda info: False))  # refuses what would unpack to too much
        with IsoReader(iso) as reader:
            reader.extract(folder)
        self.folder = folder
        self.document: Document = self.pack.document

    @property
    def title(self) -> str:
        return f"{self.document.label} {self.document.version}"


def _stage(
    name: str,
    root: SandboxRoot,
    before: Mapping[str, str],
    order: tuple[str, ...],
    *,
    code: str,
    why: tuple[str, ...],
    config: tuple[tuple[str, str], ...] = (),
) -> Stage:
    after = root.snapshot()
    both = before.keys() & after.keys()
    return Stage(
        name,
        code,
        why,
        order,
        tuple(root.calls()),
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(path for path in both if before[path] != after[path])),
        removed=tuple(sorted(before.keys() - after.keys())),
        config=config,
    )


def _applied(root: SandboxRoot, document: Document) -> tuple[str, list[str]]:
    """What xapi finds when it reads the applied records anew."""
    record = root.path / applied_path(document).lstrip("/")
    if not record.is_file():
        return "", [f"there is no {applied_path(document)}: the pack will not be listed as applied"]
    try:
        recorded = parse_document(record.read_bytes(), applied_path(document))
    except BadInput as bad:
        return "UPDATE_APPLY_FAILED", [str(bad)]
    if recorded.uuid != document.uuid:
        return "UPDATE_APPLY_FAILED", [f"{applied_path(document)} says uuid {recorded.uuid}"]
    return "", []


def _edit(root: SandboxRoot, pack: ParsedPack) -> dict[str, str]:
    """Change the configuration files of an installed pack, as an administrator would: path -> content."""
    edited = {}
    for info in pack.infos:
        for file in info.files:
            place = root.path / file.path.lstrip("/")
            if file.is_config and file.is_file and place.is_file() and not place.is_symlink():
                with open(place, "a", encoding="utf-8") as opened:
                    opened.write(_EDITED)
                edited[file.path] = place.read_text("utf-8", "replace")
    return edited


def _kept(root: SandboxRoot, edited: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """What became of each edited file."""
    for path, text in edited.items():
        place = root.path / path.lstrip("/")
        if not place.is_file():
            fate = "removed"
        else:
            fate = "kept as it was edited" if place.read_text("utf-8", "replace") == text else "replaced"
        for ending in (".rpmnew", ".rpmsave"):
            if place.with_name(place.name + ending).exists():
                fate += f", {ending} beside it"
        yield path, fate
