"""What rpm finds in a package's files by itself: their classes, and what they require and provide.

As rpmbuild 4.18 does with rpm's own generators for ELF files, scripts and Python (build/rpmfc.c). Scripts in Perl and
pkg-config files have generators that are programs: these are left to rpmbuild.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.rpm import elf
from xspack_tool.rpm.contents import File
from xspack_tool.rpm.relations import (
    FOUND_PROVIDES,
    FOUND_REQUIRES,
    SENSE,
    Item,
    Relations,
    UnusualError,
    parse,
)
from xspack_tool.rpm.usual import DOCUMENTATION, is_perl_script, unusual_path

#: What a script's first line may be long; its interpreter is no longer.
_FIRST_LINE = 1 << 16
#: Words of a class that rpm keeps in the header (rpmfcTokens of build/rpmfc.c).
_WORDS = (
    *("directory", "ELF 32-bit", "ELF 64-bit", "troff or preprocessor input", "GNU Info", "perl "),
    *(
        "Perl5 module source text",
        "python ",
        "libtool library ",
        "pkgconfig ",
        "Objective caml ",
        "Mono/.Net assembly",
    ),
    *(
        "current ar archive",
        "Zip archive data",
        "tar archive",
        "cpio archive",
        "RPM v3",
        "RPM v4",
        " image",
        " font",
    ),
    *(
        " Font",
        " commands",
        " script",
        "empty",
        "HTML",
        "SGML",
        "XML",
        " source",
        "GLS_BINARY_LSB_FIRST",
        " DB ",
        " text",
    ),
)
_KEPT = re.compile("|".join(map(re.escape, _WORDS)).encode())
#: Classes that rpm reads from a name.
_BY_NAME = {
    b".pm": b"Perl5 module source text",
    b".c": b"C Code",
    b".h": b"C Header",
    b".la": b"libtool library file",
    b".pc": b"pkgconfig file",
}
_ELF = re.compile(rb"(setuid,? )?(setgid,? )?(sticky )?ELF (32|64)-bit")
_SCRIPT = re.compile(rb" script[, ]")
_PERL = re.compile(rb"[Pp]erl ")
_PYTHON = re.compile(
    rb"((/usr/lib(64)?/python[0-9]+\.[0-9]+/.*\.(py[oc]?|so))|(/usr/bin/python[0-9]+\.[0-9]+))", re.S
)
_PYTHON_PROGRAM = re.compile(rb"/usr/bin/python([0-9]+\.[0-9]+)\Z")
_PYTHON_FOLDER = re.compile(rb".*/usr/lib[0-9]*/python([0-9]+\.[0-9]+)/.*", re.S)
_BLANK = rb"[ \t\n\r\f\v]"
_SHEBANG = re.compile(rb"#!" + _BLANK + rb"*(/[^ \t\n\r\f\v]+)")
_ENV = re.compile(rb"#!" + _BLANK + rb"*[^ \t\n\r\f\v]*/bin/env" + _BLANK + rb"+(/[^ \t\n\r\f\v]+)")

#: What a generator prints: provides and requires.
Lines = tuple[list[bytes], list[bytes]]
Classify = Callable[[File, Sequence[File]], bytes]


def class_of(file: File, files: Sequence[File] = ()) -> bytes:
    """The class of a file by a plain rule, the same on every machine: libmagic's words change with its version."""
    if stat.S_ISDIR(file.mode):
        return b"directory"
    if said := class_by_name(file):
        return said
    if not file.is_file:
        return b""
    if not file.size:
        return b"empty"
    head = file.read(0, 5)
    if head[:4] == elf.MAGIC:
        return {1: b"ELF 32-bit", 2: b"ELF 64-bit"}.get(head[4] if len(head) > 4 else 0, b"")
    if head[:2] != b"#!":
        return b""
    return b"a perl script, text" if is_perl_script(_first_line(file)) else b"a script, text"


def class_by_name(file: File) -> bytes:
    """The class that rpm reads from a name, empty where it looks into the file."""
    return next((kind for end, kind in _BY_NAME.items() if file.path.endswith(end)), b"")


def kept(kind: bytes) -> bytes:
    """A class as the header has it: only those with a word that rpm knows."""
    return kind if _KEPT.search(kind) else b""


class FoundIn(Struct, frozen=True):
    """The relations that come from files: places in the header's sets, and for each file the first and the number of
    its own."""

    dictionary: list[int]
    firsts: list[int]
    counts: list[int]


def classify(files: Sequence[File], class_of_file: Classify) -> None:
    """Give each file its class and colour: 1 and 2 are programs of 32 and 64 bits."""
    for file in files:
        file.kind = class_of_file(file, files)
        if file.is_executable and (head := file.read(0, 5))[:4] == elf.MAGIC and len(head) == 5:
            file.color = {1: 1, 2: 2}.get(head[4], 0)


def find_dependencies(files: Sequence[File], provides: Relations, requires: Relations) -> FoundIn | None:
    """Put what the files provide and require into the sets."""
    items = list(_all_found(files))
    items.sort(
        key=lambda item: not item[2][2] & SENSE
    )  # with a version first, else in the order of rpm's generators
    versioned: set[tuple[int, bytes]] = set()
    taken: list[tuple[int, bytes, Item]] = []
    for number, letter, item in items:
        key = (files[number].color, item[0])
        if letter == b"R" and item[2] & SENSE:
            versioned.add(key)
        elif letter == b"R" and key in versioned:
            continue
        taken.append((number, letter, item))
    sets = {b"P": provides, b"R": requires}
    for _, letter, item in taken:
        sets[letter].merge(item)
    taken.sort(key=lambda item: item[0])
    return _dictionary(taken, sets, len(files)) if taken else None


def _dictionary(
    taken: Iterable[tuple[int, bytes, Item]], sets: dict[bytes, Relations], count: int
) -> FoundIn:
    made = FoundIn([], [0] * count, [0] * count)
    for number, letter, item in taken:
        if not made.counts[number]:
            made.firsts[number] = len(made.dictionary)
        made.dictionary.append(letter[0] << 24 | sets[letter].index(item) & 0xFFFFFF)
        made.counts[number] += 1
    return made


def _all_found(files: Sequence[File]) -> Iterator[tuple[int, bytes, Item]]:
    """Number of the file, P or R, and the relation: provides before requires, generator by generator."""
    answers = [
        (number, _asked(file)) for number, file in enumerate(files) if DOCUMENTATION.encode() not in file.path
    ]
    for letter, which, flag in ((b"P", 0, FOUND_PROVIDES), (b"R", 1, FOUND_REQUIRES)):
        for generator in range(3):
            for number, answer in answers:
                for line in answer[generator][which]:
                    for name, version, flags in parse(line):
                        yield number, letter, (name, version, flags | flag)


def _asked(file: File) -> tuple[Lines, Lines, Lines]:
    """What each generator finds in a file. Raises UnusualError for one whose generator is a program."""
    if why := unusual_path(file.path.decode()):
        raise UnusualError(why)
    if file.is_executable and _PERL.search(file.kind):
        raise UnusualError(f"{file.path.decode()} is a script in Perl")
    return _elf(file), _python(file), _script(file)


def _elf(file: File) -> Lines:
    if not file.is_file or not _ELF.match(file.kind):
        return [], []
    path = file.path.decode()
    try:
        return elf.dependencies(file.read, file.path.rpartition(b"/")[2], file.is_executable)
    except UnusualError as why:
        raise UnusualError(f"{path} is {why}") from None
    except StepError as why:
        raise StepError(f"{path} is {why}") from None


def _python(file: File) -> Lines:
    if not _PYTHON.fullmatch(file.path):
        return [], []
    program, folder = _PYTHON_PROGRAM.search(file.path), _PYTHON_FOLDER.search(file.path)
    return (
        [b"python(abi) = " + program[1]] if program else [],
        [b"python(abi) = " + folder[1]] if folder else [],
    )


def _script(file: File) -> Lines:
    if not file.is_executable or not _SCRIPT.search(file.kind):
        return [], []
    line = _first_line(file)
    found = [plain[1]] if (plain := _SHEBANG.match(line)) else []
    if named := _ENV.match(line):
        found.append(named[1] + line[named.end() :])
    return [], found


def _first_line(file: File) -> bytes:
    """As C reads it: no further than a NUL. Raises UnusualError for one that no kernel reads to its end."""
    line, end, _ = file.read(0, _FIRST_LINE).partition(b"\n")
    if not end and file.size > _FIRST_LINE and b"\0" not in line:
        raise UnusualError(f"{file.path.decode()} has a first line of more than {_FIRST_LINE} bytes")
    return line.partition(b"\0")[0]
