"""The packages of the release and of the pack in one libsolv pool: who provides what, who owns a path."""

from __future__ import annotations

import operator
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from xspack_tool.binary.compressed import Uncompressed, compression
from xspack_tool.errors import BadInput
from xspack_tool.model.dependency import Dependency
from xspack_tool.releases.trees import Tree, open_tree, read_rpms
from xspack_tool.repo import REPOMD
from xspack_tool.repo.repomd import MAX_REPOMD, parse_repomd
from xspack_tool.rpm.info import EQUAL, GREATER, LESS, PayloadFile, Relation, RpmInfo

#: More than the index of any release takes unpacked.
_MAX_INDEX = 1024**3
#: Versions of which rpm's order is that of their numbers.
_NUMBERS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
_HOLDS = {"<": operator.lt, ">": operator.gt, "=": operator.eq}
_FLAGS = {"<": LESS, ">": GREATER, "=": EQUAL, "<=": LESS | EQUAL, ">=": GREATER | EQUAL}


def relation(dependency: Dependency) -> Relation:
    """A declared dependency as a header would hold it."""
    return Relation(dependency.name, _FLAGS.get(dependency.operator, 0), dependency.evr)


def compare_evr(one: str, other: str) -> int:
    """-1, 0 or 1 as rpm orders ``[epoch:]version[-release]``; a release that only one has counts."""
    pool = _pool()  # libsolv's own values do not keep it alive
    repo = pool.add_repo("")
    first, second = repo.add_solvable(), repo.add_solvable()
    first.evr, second.evr = one, other
    return int(first.evrcmp(second))


def satisfies(provides: Mapping[str, str], wanted: Relation) -> bool:
    """Whether capabilities with their versions meet a relation, as rpm judges."""
    evr = provides.get(wanted.name, "")
    if _NUMBERS.fullmatch(evr) and _NUMBERS.fullmatch(wanted.evr) and wanted.operator:
        # Releases are numbered so; to load libsolv takes longer than all other rules over a small pack.
        have, asked = _numbers(evr), _numbers(wanted.evr)
        return any(_HOLDS[sign](have, asked) for sign in wanted.operator)
    pool = _pool()
    solvable = pool.add_repo("").add_solvable()
    solvable.name, solvable.evr, solvable.arch = "release", "0", "noarch"
    for name, evr in provides.items():
        solvable.add_provides(_dep(pool, Relation(name, EQUAL if evr else 0, evr)))
    pool.createwhatprovides()
    return bool(pool.whatprovides(_dep(pool, wanted)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class Owner(Struct, frozen=True):
    """A package of the release that owns a path; ``file`` is None where its RPM is not at hand."""

    name: str
    nevra: str
    file: PayloadFile | None


class PackageSet:
    """Answers about the release's packages (``base``; None: none are known) and the RPMs of the pack together."""

    def __init__(self, base: Path | None, rpms: Iterable[RpmInfo], arch: str) -> None:
        self.path, self.rpms = base, tuple(rpms)
        self._pool = _pool(arch or "x86_64")
        self._base = self._pool.add_repo("base")
        self._infos: dict[int, RpmInfo] = {}
        if base is not None:
            with open_tree(base) as tree:
                is_indexed = REPOMD in tree.paths()
                if is_indexed:
                    self._read_index(tree)
            if not is_indexed:
                self._read_headers(base)
        pack = self._pool.add_repo("pack")
        self._pack = {_add(pack, info).id: info for info in self.rpms}
        probe = pack.add_solvable()
        probe.name, probe.evr, probe.arch = "xspack-probe", "0", "noarch"
        for info in self.rpms:
            for file in info.files:
                probe.add_requires(self._pool.str2id(file.path))
        self._pool.addfileprovides()
        self._pool.createwhatprovides()

    def is_provided(self, wanted: Relation) -> bool:
        """Whether the release or the pack provides it."""
        return bool(self._pool.whatprovides(_dep(self._pool, wanted)))

    def providers(self, wanted: Relation) -> tuple[list[RpmInfo], list[str]]:
        """The RPMs of the pack, and the packages of the release (names with version), that provide it."""
        found = self._pool.whatprovides(_dep(self._pool, wanted))
        pack = [self._pack[one.id] for one in found if one.id in self._pack]
        return pack, sorted(str(one) for one in found if one.id not in self._pack)

    def owners(self, path: str) -> list[Owner]:
        """The packages of the release that own a path."""
        found = self._pool.whatprovides(self._pool.str2id(path))
        return [
            Owner(one.name, str(one), self._file(one, path))
            for one in sorted(found, key=str)
            if one.id not in self._pack and one.name != "xspack-probe"
        ]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the release's packages."""
        return frozenset(one.name for one in self._base.solvables)

    @cached_property
    def sources(self) -> dict[str, set[str]]:
        """Source packages of the release: name -> ``version-release`` of each that something was built of."""
        found: dict[str, set[str]] = {}
        for one in self._base.solvables:
            info = self._infos.get(one.id)
            source = split_source(info.source_rpm if info else one.lookup_sourcepkg() or "")
            if source:
                found.setdefault(source[0], set()).add(source[1])
        return found

    def _file(self, solvable: Any, path: str) -> PayloadFile | None:
        """The path in the header of the release's RPM, if that can be read."""
        if solvable.id not in self._infos and self.path is not None:
            location = solvable.lookup_location()[0]
            with open_tree(self.path) as tree:
                if location not in tree.paths():
                    return None
                self._infos[solvable.id] = _read(tree, location)
        info = self._infos.get(solvable.id)
        return next((file for file in (info.files if info else ()) if file.path == path), None)

    def _read_headers(self, path: Path) -> None:
        for _, info in read_rpms(path):
            solvable = _add(self._base, info)
            self._infos[solvable.id] = info

    def _read_index(self, tree: Tree) -> None:
        import solv

        records = _records(tree)
        for kind, flags in (("primary", 0), ("filelists", solv.Repo.REPO_EXTEND_SOLVABLES)):
            if kind not in records:
                raise BadInput(f"{tree.name}: {REPOMD}", f"it names no {kind}")
            with _unpacked(tree, records[kind]) as file:
                opened = solv.xfopen_fd(f"{kind}.xml", os.dup(file.fileno()))
                if opened is None or not self._base.add_rpmmd(opened, None, flags):
                    raise BadInput(f"{tree.name}: {records[kind]}", f"cannot be read: {self._pool.errstr}")
        if self._base.isempty():
            raise BadInput(tree.name, "its index names no package")


def split_source(source_rpm: str) -> tuple[str, str] | None:
    """``net-snmp-5.7-1.el7.src.rpm`` as (name, version-release); None for what is no such name."""
    parts = source_rpm.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc").rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if len(parts) == 3 else None


def _pool(arch: str = "x86_64") -> Any:
    import solv

    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    return pool


def _dep(pool: Any, wanted: Relation) -> Any:
    import solv

    if wanted.name.startswith("("):
        return pool.parserpmrichdep(wanted.name) or pool.str2id(wanted.name)
    signs = {"<": solv.REL_LT, ">": solv.REL_GT, "=": solv.REL_EQ}
    flags = sum(signs[sign] for sign in wanted.operator)
    name = pool.str2id(wanted.name)
    return pool.rel2id(name, pool.str2id(wanted.evr), flags) if flags else name


def _add(repo: Any, info: RpmInfo) -> Any:
    """An RPM as a solvable; its files are capabilities as well."""
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = info.name, info.evr, info.arch
    pool = repo.pool
    for dependency in info.provides:
        solvable.add_provides(_dep(pool, dependency))
    for file in info.files:
        solvable.add_provides(pool.str2id(file.path))
    for dependency in info.requires:
        solvable.add_requires(_dep(pool, dependency))
    return solvable


def _read(tree: Tree, location: str) -> RpmInfo:
    from xspack_tool.rpm.read import read_info

    with tree.open(location) as file:
        return read_info(file, f"{tree.name}: {location}")[0]


def _records(tree: Tree) -> dict[str, str]:
    """The paths of repomd.xml by type."""
    with tree.open(REPOMD) as file:
        content = file.read(MAX_REPOMD + 1)
    return {record.type: record.href for record in parse_repomd(content, f"{tree.name}: {REPOMD}")}


def _unpacked(tree: Tree, path: str) -> IO[bytes]:
    """A file of the index, uncompressed, as a temporary file at its beginning."""
    name = f"{tree.name}: {path}"
    target = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    try:
        with tree.open(path) as file:
            kind = compression(file.read(8)) or "none"
            file.seek(0)
            for block in _blocks(Uncompressed(file, kind, name), name):
                target.write(block)
    except OSError as why:
        target.close()
        raise BadInput(name, why.strerror or str(why)) from None
    target.seek(0)
    return target


def _blocks(stream: Uncompressed, name: str) -> Iterator[bytes]:
    left = _MAX_INDEX
    while block := stream.read(256 * 1024):
        left -= len(block)
        if left < 0:
            raise BadInput(name, "unpacks to more than any index has")
        yield block
