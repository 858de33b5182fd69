"""What an ELF file provides and requires, in the words and the order of rpm 4.18's tools/elfdeps.c."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.rpm.relations import UnusualError

MAGIC = b"\x7fELF"
#: Sections of symbol versions have less entries, tables of names less bytes; more would cost time or memory.
_MAX_ENTRIES, _MAX_SECTION = 1 << 18, 64 << 20
_EXEC, _DYN = 2, 3
_PT_INTERP = 3
_STRTAB, _DYNAMIC, _NOBITS, _VERDEF, _VERNEED = 3, 6, 8, 0x6FFFFFFD, 0x6FFFFFFE
_NEEDED, _HASH, _SONAME, _DEBUG, _GNU_HASH = 1, 4, 14, 21, 0x6FFFFEF5
#: Machines whose 64-bit libraries have no mark of their own: Alpha, by both its numbers.
_UNMARKED = (41, 0x9026)
_SPACE = b" \t\n\r\f\v"

#: Gives up to so many bytes of the file from an offset.
Read = Callable[[int, int], bytes]


class _Section(Struct, frozen=True):
    kind: int
    offset: int
    size: int
    link: int
    info: int
    entry: int


class _Dynamic(Struct, frozen=True):
    """What the dynamic section says."""

    needed: tuple[bytes, ...] = ()
    soname: bytes | None = None
    has_hash: bool = False
    has_gnu_hash: bool = False
    has_debug: bool = False


def dependencies(read: Read, name: bytes, executable: bool) -> tuple[list[bytes], list[bytes]]:
    """What a file provides and requires; ``name`` is its base name.

    Raises UnusualError where libelf might see it otherwise, and StepError for one that is made to cost time.
    """
    if read(0, 4) != MAGIC:  # such as a compressed module, whose class may name what is in it
        return [], []
    try:
        return _Image(read).dependencies(name, executable)
    except struct.error:
        raise UnusualError("a truncated ELF file") from None


def _is_skipped(library: bytes) -> bool:
    """Names that elfdeps leaves away: those without .so, and plugins that do not begin with lib."""
    if not library.strip(_SPACE) or b".so" not in library:
        return True
    return not library.startswith((b"ld.", b"ld-", b"ld64.", b"ld64-", b"lib"))


class _Image:
    """An ELF file by its headers."""

    def __init__(self, read: Read) -> None:
        self.read = read
        ident = read(0, 16)
        if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise UnusualError("an ELF file of no known class")
        self.is64, self.order = ident[4] == 2, "<>"[ident[5] - 1]
        fields = self._unpack("HHIQQQIHHHHHH" if self.is64 else "HHIIIIIHHHHHH", 16)
        self.type, machine, _, _, self.programs, self.sections_at = fields[:6]
        self.program_size, self.program_count, self.section_size, self.section_count = fields[8:12]
        self.marker = b"(64bit)" if self.is64 and machine not in _UNMARKED else b""
        self.budget = _MAX_ENTRIES

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        structure = struct.Struct(self.order + form)
        return structure.unpack(self.read(offset, structure.size))

    def dependencies(self, name: bytes, executable: bool) -> tuple[list[bytes], list[bytes]]:
        if self.type not in (_EXEC, _DYN):
            return [], []
        provides: list[bytes] = []
        requires: list[bytes] = []
        wants = executable or not self._has_interpreter()
        dynamic = _Dynamic()
        for section, names in self._linking():
            if section.kind == _DYNAMIC:
                dynamic = self._dynamic(section, names, dynamic)
                for library in dynamic.needed if wants else ():
                    self._add(requires, library)
            elif section.kind == _VERDEF:
                for library, version in self._defined(section, names):
                    self._add(provides, library, version)
            else:
                for library, version in self._wanted(section, names):
                    if wants:
                        self._add(requires, library, version)
        if wants and dynamic.has_gnu_hash and not dynamic.has_hash:
            requires.append(b"rtld(GNU_HASH)")
        if self.type == _DYN and not dynamic.has_debug:
            self._add(provides, name if dynamic.soname is None else dynamic.soname)
        return provides, requires

    def _linking(self) -> Iterator[tuple[_Section, bytes]]:
        """The sections that say what is linked, each with its table of names."""
        sections = self._sections()
        for section in sections:
            if section.kind in (_DYNAMIC, _VERDEF, _VERNEED):
                if section.link >= len(sections) or sections[section.link].kind != _STRTAB:
                    raise UnusualError("an ELF file without a table of names")
                yield section, self._body(sections[section.link])

    def _add(self, found: list[bytes], library: bytes, version: bytes | None = None) -> None:
        if not _is_skipped(library):
            plain = version is None and not self.marker
            found.append(library if plain else library + b"(" + (version or b"") + b")" + self.marker)

    def _has_interpreter(self) -> bool:
        if self.program_count == 0xFFFF or (
            self.program_count and self.program_size != (56 if self.is64 else 32)
        ):
            raise UnusualError("an ELF file with odd program headers")
        table = self.read(self.programs, self.program_count * self.program_size)
        if len(table) < self.program_count * self.program_size:
            raise UnusualError("a truncated ELF file")
        kinds = (
            struct.unpack_from(self.order + "I", table, at)[0]
            for at in range(0, len(table), self.program_size)
        )
        return _PT_INTERP in kinds if table else False

    def _sections(self) -> list[_Section]:
        if not self.sections_at or not self.section_count:
            if self.sections_at:
                raise UnusualError("an ELF file with very many sections")
            return []
        form = struct.Struct(self.order + ("IIQQQQIIQQ" if self.is64 else "IIIIIIIIII"))
        if self.section_size != form.size:
            raise UnusualError("an ELF file with odd section headers")
        table = self.read(self.sections_at, self.section_count * form.size)
        if len(table) < self.section_count * form.size:
            raise UnusualError("a truncated ELF file")
        # The first section is none; its number stands for "no section".
        return [
            _Section(kind if number else 0, offset, size, link, info, entry)
            for number, (_, kind, _, _, offset, size, link, info, _, entry) in enumerate(
                form.iter_unpack(table)
            )
        ]

    def _body(self, section: _Section) -> bytes:
        if section.kind == _NOBITS:
            return b""
        if section.size > _MAX_SECTION:
            raise UnusualError("an ELF file with very large tables")
        body = self.read(section.offset, section.size)
        if len(body) < section.size:
            raise UnusualError("an ELF file with a section beyond its end")
        return body

    def _dynamic(self, section: _Section, names: bytes, before: _Dynamic) -> _Dynamic:
        form = struct.Struct(self.order + ("qQ" if self.is64 else "iI"))
        if section.entry != form.size:
            raise UnusualError("an ELF file with odd dynamic entries")
        body = self._body(section)
        entries = list(form.iter_unpack(body[: len(body) // form.size * form.size]))
        tags = {tag for tag, _ in entries}
        sonames = [_string(names, value) for tag, value in entries if tag == _SONAME]
        return _Dynamic(
            needed=tuple(_string(names, value) for tag, value in entries if tag == _NEEDED),
            soname=sonames[-1] if sonames else before.soname,
            has_hash=_HASH in tags or before.has_hash,
            has_gnu_hash=_GNU_HASH in tags or before.has_gnu_hash,
            has_debug=_DEBUG in tags or before.has_debug,
        )

    def _defined(self, section: _Section, names: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The library's own name and each version it defines."""
        body, at, base = self._body(section), 0, None
        for _ in range(section.info):
            _, flags, _, count, _, first, following = struct.unpack_from(self.order + "HHHHIII", body, at)
            entry = at + first
            at += following
            for _ in range(count):
                self._spend()
                name_at, after = struct.unpack_from(self.order + "II", body, entry)
                name = _string(names, name_at)
                if flags & 1:
                    base = name
                    entry += after
                elif base is not None:  # elfdeps does not move on here: the same name again
                    yield base, name
            self._spend()

    def _wanted(self, section: _Section, names: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each version of another library that it needs."""
        body, at = self._body(section), 0
        for _ in range(section.info):
            _, count, file, first, following = struct.unpack_from(self.order + "HHIII", body, at)
            library, entry = _string(names, file), at + first
            for _ in range(count):
                self._spend()
                _, _, _, name_at, after = struct.unpack_from(self.order + "IHHII", body, entry)
                yield library, _string(names, name_at)
                entry += after
            at += following
            self._spend()

    def _spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise StepError("an ELF file with more versions of symbols than any library has; is it damaged?")


def _string(table: bytes, at: int) -> bytes:
    end = table.find(b"\0", at) if at < len(table) else -1
    if end < 0:
        raise UnusualError("an ELF file with a name beyond its table")
    return table[at:end]
