"""Reading an RPM's header into an :class:`RpmInfo`, from files that nobody vouches for."""

from __future__ import annotations

import bisect
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.rpm.header import Headers, read_headers, read_outline
from xspack_tool.rpm.info import PayloadFile, Relation, RpmInfo, Scriptlet
from xspack_tool.rpm.openpgp import key_ids

#: PATH_MAX of Linux, and what all paths of one RPM may take together.
MAX_PATH, MAX_PATHS = 4096, 64 * 1024 * 1024
#: More than any dom0 has room for: what claims to unpack to more is a trick.
MAX_INSTALLED = 64 * 1024**3

_PHASES = {"prein": "pre", "postin": "post", "verifyscript": "verify"}
#: The tags of scriptlets, in the order of a transaction.
_SCRIPTS = (
    "pretrans",
    "prein",
    "postin",
    "preun",
    "postun",
    "posttrans",
    "preuntrans",
    "postuntrans",
    "verifyscript",
)
#: RPMSENSE_TRIGGER* of rpm's rpmds.h.
_TRIGGERS = (
    (1 << 25, "triggerprein"),
    (1 << 16, "triggerin"),
    (1 << 17, "triggerun"),
    (1 << 18, "triggerpostun"),
)
_IDENTITY = re.compile(r"[^\s/\x00-\x1f\x7f]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_rpm(path: str | Path) -> RpmInfo:
    """What the RPM's header says.

    Raises BadInput, one line that names the file, for anything but a sound RPM: a truncated or damaged
    header, sizes that cannot be, text that is not UTF-8, paths that lead elsewhere.
    """
    with open_rpm(path) as file:
        return read_info(file, str(path))[0]


def read_build_time(path: str | Path) -> int:
    """When an RPM was built, in seconds since 1970; raises BadInput as :func:`read_rpm` does for its outline."""
    with open_rpm(path) as file:
        return read_outline(file, str(path)).build_time


def open_rpm(path: str | Path) -> BinaryIO:
    """The file, opened; BadInput if it cannot be."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise BadInput(path, "not a regular file")
        return open(path, "rb")
    except OSError as why:
        raise BadInput(path, why.strerror or str(why)) from None


def read_info(file: BinaryIO, name: str) -> tuple[RpmInfo, int]:
    """The header of an open RPM, and where its payload begins; ``name`` is for messages."""
    headers = read_headers(file, name)
    return _Reader(headers, name).info(), headers.payload_offset


class _Reader:
    """Turns the values of a header into typed ones."""

    def __init__(self, headers: Headers, name: str) -> None:
        self.values, self.name, self.source_lead = headers.values, name, headers.is_source_lead

    def info(self) -> RpmInfo:
        is_source = self.source_lead or "sourcepackage" in self.values
        signatures = (self.values.get(tag, b"") for tag in ("rsaheader", "signature", "pgp", "gpg"))
        return RpmInfo(
            **{tag: self.identity(tag) for tag in ("name", "version", "release", "arch")},
            epoch=self.number("serial"),
            summary=self.text("summary"),
            description=self.text("description"),
            license=self.text("copyright"),
            vendor=self.text("vendor"),
            packager=self.text("packager"),
            url=self.text("url"),
            build_time=self.number("buildtime"),
            build_host=self.text("buildhost"),
            source_rpm=self.text("sourcerpm"),
            installed_size=self.number("longsize") or self.number("size"),
            payload_format=self.text("archive_format") or "cpio",
            payload_compressor=self.text("archive_compression") or "gzip",
            files=self.files(is_source),
            requires=self.relations("requirename", "requireflags", "requireversion"),
            provides=self.relations("provides", "provideflags", "provideversion"),
            conflicts=self.relations("conflictname", "conflictflags", "conflictversion"),
            obsoletes=self.relations("obsoletes", "obsoleteflags", "obsoleteversion"),
            scripts=tuple(self.scripts()),
            changelog=tuple(
                self.together(
                    "changelog", self.numbers("changelogtime"), *map(self.texts, ("authors", "comments"))
                )
            ),
            is_source=is_source,
            has_md5="sigmd5" in self.values,
            has_sha256_header="sha256" in self.values,
            writer=self.writer(),
            payload_digest=next(iter(self.texts("payloaddigest")), ""),
            signed_by=tuple(sorted({key for data in signatures for key in key_ids(data)})),
        )

    def writer(self) -> str:
        """Who wrote it: xspack says so in the platform, rpm's version is that of the rpm whose ways it follows."""
        version = self.text("rpmversion")
        return "xspack" if "-xspack-" in self.text("target") else f"rpm {version}" if version else ""

    def decode(self, tag: str, value: bytes) -> str:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput(self.name, f"its header's {tag} is not UTF-8: {value[:40]!r}") from None

    def text(self, tag: str) -> str:
        return self.decode(tag, self.values.get(tag, b""))

    def identity(self, tag: str) -> str:
        if not _IDENTITY.fullmatch(value := self.text(tag)):
            raise BadInput(self.name, f"its header's {tag} is {value[:40]!r}")
        return value

    def texts(self, tag: str) -> list[str]:
        value = self.values.get(tag, [])
        return [self.decode(tag, item) for item in (value if isinstance(value, list) else [value])]

    def numbers(self, tag: str) -> tuple[int, ...]:
        value = self.values.get(tag, ())
        return value if isinstance(value, tuple) else (value,)

    def number(self, tag: str) -> int:
        return next(iter(self.numbers(tag)), 0)

    def together(self, what: str, *columns: Any) -> Iterator[Any]:
        """Columns of one table, row by row."""
        if len({len(column) for column in columns}) > 1:
            raise BadInput(self.name, f"damaged: its header's lists of {what} differ in length")
        return zip(*columns, strict=True)

    def relations(self, name: str, flags: str, version: str) -> tuple[Relation, ...]:
        rows = self.together(name, self.texts(name), self.numbers(flags), self.texts(version))
        return tuple(Relation(*row) for row in rows)

    def scripts(self) -> Iterator[Scriptlet]:
        for tag in _SCRIPTS:
            if tag in self.values or f"{tag}prog" in self.values:
                program = " ".join(self.texts(f"{tag}prog")) or "/bin/sh"
                yield Scriptlet(_PHASES.get(tag, tag), program, self.text(tag))
        for kind in ("", "file", "transfile"):
            yield from self.triggers(kind)

    def triggers(self, kind: str) -> Iterator[Scriptlet]:
        texts = self.texts(f"{kind}triggerscripts")
        programs = self.texts(f"{kind}triggerscriptprog") or ["/bin/sh"] * len(texts)
        conditions = list(
            self.together(
                "triggers", *(self.numbers(f"{kind}trigger{column}") for column in ("index", "flags"))
            )
        )
        for number, (text, program) in enumerate(self.together("triggers", texts, programs)):
            flags = next((flags for index, flags in conditions if index == number), 0)
            phase = next((name for bit, name in _TRIGGERS if flags & bit), "trigger")
            yield Scriptlet(f"{kind}{phase}", program, text)

    def files(self, is_source: bool) -> tuple[PayloadFile, ...]:
        paths = list(self.paths(is_source))
        rows = self.together(
            "files",
            paths,
            self.numbers("filemodes"),
            self.numbers("longfilesizes") or self.numbers("filesizes"),
            *map(self.texts, ("fileusername", "filegroupname")),
            self.numbers("fileflags"),
            *map(self.texts, ("filemd5s", "filelinktos")),
            self.numbers("filemtimes"),
        )
        files = tuple(PayloadFile(*row) for row in rows)
        _check_tree(files, self.name)
        return files

    def paths(self, is_source: bool) -> Iterator[str]:
        folders, names, indexes = self.texts("dirnames"), self.texts("basenames"), self.numbers("dirindexes")
        total = 0
        for name, index in self.together("files", names, indexes):
            if index >= len(folders):
                raise BadInput(self.name, "damaged: a file's folder is not in its header")
            folder = folders[index]
            total += len(folder) + len(name)
            if len(folder) + len(name) > MAX_PATH or total > MAX_PATHS:
                raise BadInput(self.name, "its paths are longer than any host takes")
            path = folder + name
            if _CONTROL.search(path) or not _is_plain(folder, name, is_source):
                raise HostileInput(self.name, f"its path {path[:80]!r} is not a plain one")
            yield path


def _is_plain(folder: str, name: str, is_source: bool) -> bool:
    """Absolute, without empty, ``.`` or ``..`` components; in a source RPM a name alone."""
    if is_source:
        return folder == "" and bool(name) and "/" not in name and name not in (".", "..")
    if not folder.startswith("/") or not folder.endswith("/") or "/" in name:
        return False
    parts = (folder + name)[1:].split("/")
    return parts == [""] or not any(part in ("", ".", "..") for part in parts)


def _check_tree(files: tuple[PayloadFile, ...], name: str) -> None:
    """No path twice or below a link of the same RPM, no link above the root, no absurd sizes."""
    links = {file.path for file in files if file.is_link}
    if len({file.path for file in files}) < len(files):
        raise BadInput(name, "damaged: it has a path twice")
    if sum(file.size for file in files if file.is_file) > MAX_INSTALLED:
        raise HostileInput(name, f"claims to unpack to more than {MAX_INSTALLED >> 30} GiB")
    paths = sorted(file.path for file in files)
    for link in sorted(links):
        after = bisect.bisect_left(paths, f"{link}/")
        if after < len(paths) and paths[after].startswith(f"{link}/"):
            raise HostileInput(
                name, f"its path {paths[after][:80]!r} leads through its own link {link[:80]!r}"
            )
    for file in files:
        if file.is_link and _climbs(file):
            raise HostileInput(name, f"its link {file.path[:80]!r} leads above the root: {file.link[:80]!r}")


def _climbs(file: PayloadFile) -> bool:
    depth = 0 if file.link.startswith("/") else max(0, file.path.count("/") - 1)
    for part in file.link.split("/"):
        depth += -1 if part == ".." else 1 if part not in ("", ".") else 0
        if depth < 0:
            return True
    return False
