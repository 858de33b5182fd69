"""A package's header: its metadata, files and dependencies, as rpm 4.18's build/files.c and build/pack.c fill it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from xspack_tool.errors import StepError
from xspack_tool.model.package import Package
from xspack_tool.rpm import relations as rel
from xspack_tool.rpm import texts
from xspack_tool.rpm.automatic import Classify, class_of, find_dependencies, kept
from xspack_tool.rpm.compressors import NAMES, read_payload
from xspack_tool.rpm.contents import File
from xspack_tool.rpm.header import I18N, INT16, INT32, INT64, STRING, STRINGS
from xspack_tool.rpm.header_write import IMMUTABLE, HeaderWriter
from xspack_tool.rpm.info import CONFIG
from xspack_tool.rpm.relations import Relations, UnusualError, read_relations
from xspack_tool.rpm.usual import unusual_interpreter

#: The largest number of 32 bits that rpm takes for a size.
LARGE = 0xFFFFFFFF
_DIGESTS = 1035
#: What rpm verifies: all; of a file that a package only owns, neither digest nor size nor link nor time.
_VERIFY, _VERIFY_GHOST = 0xFFFFFFFF, 0xFFFFFFFF & ~(1 | 2 | 4 | 32)
#: The tags of a scriptlet and of its interpreter, and the flag of what it requires.
_PHASES = {
    "pre": (1023, 1085, rel.PRE),
    "post": (1024, 1086, rel.POST),
    "preun": (1025, 1087, rel.PREUN),
    "postun": (1026, 1088, rel.POSTUN),
    "pretrans": (1151, 1153, rel.PRETRANS),
    "posttrans": (1152, 1154, rel.POSTTRANS),
}
_ISA = {"x86_64": b"(x86-64)", "i686": b"(x86-32)", "aarch64": b"(aarch-64)"}


class Writer(Struct, frozen=True):
    """What an RPM says of the program and the machine that wrote it, and how it classes files."""

    rpm_version: str = "4.18.0"
    platform: str = "{arch}-xspack-linux"
    compiler_options: Mapping[str, str] = field(default_factory=dict)
    class_of: Classify = class_of


#: Constants, so that every machine writes the same: the rpm whose ways we follow, and ourselves as the platform.
OURS = Writer()


class PackageHeader:
    """The header of a package, whole but for the digests of what is written after it."""

    def __init__(
        self,
        package: Package,
        files: Sequence[File],
        scripts: Mapping[str, str],
        payload: str,
        time: int,
        writer: Writer,
    ) -> None:
        self.package, self.files, self.payload, self.time = package, files, payload, time
        self.header = HeaderWriter()
        self.provides, self.requires = Relations(), Relations()
        self.conflicts, self.obsoletes = Relations(), Relations()
        self.is_large = any(file.is_file and file.size >= LARGE for file in files)
        self._declared()
        self._tags(writer)
        self._scriptlets(scripts)
        self._changelog()
        self._own_names()
        self._files()
        self._found_in_files()
        self._payload()
        self._relations()
        self._put_digests("0" * 64, "0" * 64)
        #: How many bytes it has; their number does not change any more.
        self.size = len(self.header.pack(IMMUTABLE))

    def finish(self, payload: str, archive: str) -> bytes:
        """The header with the digests of the payload, of the archive in it, and of each file."""
        self._put_digests(payload, archive)
        return self.header.pack(IMMUTABLE)

    def _put_digests(self, payload: str, archive: str) -> None:
        digests = [
            file.digest or (b"0" * 64 if file.is_file and not file.is_ghost else b"") for file in self.files
        ]
        if digests:
            self.header.put(_DIGESTS, STRINGS, *digests)
        self.header.put(5092, STRINGS, payload.encode())
        self.header.put(5097, STRINGS, archive.encode())

    def _declared(self) -> None:
        package = self.package
        for declared, into, flag in (
            (package.requires, self.requires, 0),
            (package.requires_post, self.requires, rel.POST),
            (package.requires_postun, self.requires, rel.POSTUN),
            (package.provides, self.provides, 0),
            (package.conflicts, self.conflicts, 0),
            (package.obsoletes, self.obsoletes, 0),
        ):
            for name, version, flags in read_relations(declared):
                into.add(name, version, flags | flag)

    def _tags(self, writer: Writer) -> None:
        package, put = self.package, self.header.put
        put(100, STRINGS, b"C")
        put(1000, STRING, package.name.encode())
        put(1001, STRING, package.version.encode())
        put(1002, STRING, package.release.encode())
        if package.epoch:
            put(1003, INT32, package.epoch)
        put(1004, I18N, texts.one_line(package.summary))
        put(1005, I18N, texts.description(package.description or package.summary))
        put(1006, INT32, self.time)
        put(1007, STRING, b"xspack")
        for tag, text in (
            (1011, package.vendor),
            (1014, package.license),
            (1015, package.packager),
            (1020, package.url),
        ):
            if text:
                put(tag, STRING, texts.one_line(text))
        put(1016, I18N, texts.one_line(package.group) or b"Unspecified")
        put(1021, STRING, b"linux")
        put(1022, STRING, package.arch.encode())
        put(1044, STRING, f"{package.name}-{package.version}-{package.release}.src.rpm".encode())
        put(1064, STRING, writer.rpm_version.encode())
        put(1122, STRING, writer.compiler_options.get(package.arch, "-O2 -g").encode())
        put(1132, STRING, writer.platform.format(arch=package.arch).encode())
        put(5062, STRING, b"utf-8")

    def _scriptlets(self, scripts: Mapping[str, str]) -> None:
        interpreters = {script.phase: script.interpreter for script in self.package.scripts}
        for phase, text in scripts.items():
            tag, program_tag, flag = _PHASES[phase]
            interpreter = interpreters.get(phase, "/bin/sh")
            if why := unusual_interpreter(phase, interpreter):
                raise UnusualError(why)
            self.requires.add(interpreter.encode(), b"", flag | rel.INTERPRETER)
            self.header.put(program_tag, STRING, interpreter.encode())
            if body := texts.scriptlet(text):
                self.header.put(tag, STRING, body)

    def _changelog(self) -> None:
        if entries := texts.changelog(self.package.changelog):
            self.header.put(1080, INT32, *(time for time, _, _ in entries))
            self.header.put(1081, STRINGS, *(author for _, author, _ in entries))
            self.header.put(1082, STRINGS, *(text for _, _, text in entries))

    def _own_names(self) -> None:
        package = self.package
        version = package.identity.evr.encode()
        self.provides.add(package.name.encode(), version, rel.EQUAL)
        if package.arch != "noarch":
            self.provides.add(package.name.encode() + _ISA[package.arch], version, rel.EQUAL)

    def _files(self) -> None:
        files, put, count = self.files, self.header.put, len(self.files)
        if files:
            if self.is_large:
                put(5008, INT64, *(file.size for file in files))
                self._feature(b"LargeFiles", b"4.12.0-1")
            else:
                put(1028, INT32, *(file.size for file in files))
            put(1030, INT16, *(file.mode for file in files))
            put(1033, INT16, *[0] * count)
            put(1034, INT32, *[self.time] * count)
            put(1036, STRINGS, *(file.link for file in files))
            put(1037, INT32, *(file.flags for file in files))
            put(1039, STRINGS, *(file.owner for file in files))
            put(1040, STRINGS, *(file.group for file in files))
            put(1045, INT32, *(_VERIFY_GHOST if file.is_ghost else _VERIFY for file in files))
            put(1095, INT32, *[1] * count)
            put(1096, INT32, *range(1, count + 1))
            put(1097, STRINGS, *[b""] * count)
            bases, folders, indexes = split_paths([file.path for file in files])
            put(1116, INT32, *indexes)
            put(1117, STRINGS, *bases)
            put(1118, STRINGS, *folders)
        total = sum(file.size for file in files)
        put(*((1009, INT32) if total < LARGE else (5009, INT64)), total)
        put(5011, INT32, 8)  # SHA-256
        self._feature(b"FileDigests", b"4.6.0-1")
        self._feature(b"PayloadFilesHavePrefix", b"4.0-1")
        self._feature(b"CompressedFileNames", b"3.0.4-1")

    def _found_in_files(self) -> None:
        files, package, put = self.files, self.package, self.header.put
        if not files:
            return
        _check_architecture(package, files)
        if package.automatic_dependencies and any(file.flags & CONFIG for file in files):
            item = (f"config({package.name})".encode(), package.identity.evr.encode(), rel.EQUAL | rel.CONFIG)
            self.provides.merge(item)
            self.requires.merge(item)
        put(1140, INT32, *(file.color for file in files))
        classes: dict[bytes, int] = {}
        for file in files:
            classes.setdefault(kept(file.kind), len(classes))
        put(1141, INT32, *(classes[kept(file.kind)] for file in files))
        put(1142, STRINGS, *classes)
        dependencies = (
            find_dependencies(files, self.provides, self.requires) if package.automatic_dependencies else None
        )
        if dependencies:
            put(1143, INT32, *dependencies.firsts)
            put(1144, INT32, *dependencies.counts)
            put(1145, INT32, *dependencies.dictionary)

    def _payload(self) -> None:
        flags = self.payload.partition(".")[0]
        name, feature = NAMES[read_payload(self.payload).way]
        self.header.put(1124, STRING, b"cpio")
        if name:
            self.header.put(1125, STRING, name)
        self.header.put(1126, STRING, flags[1:].encode())
        if feature:
            self._feature(*feature)
        self.header.put(5093, INT32, 8)  # SHA-256, of the payload's digests

    def _relations(self) -> None:
        """The four sets, and the features that their versions need."""
        sets = (self.provides, self.requires, self.conflicts, self.obsoletes)
        versions = [version for relations in sets for _, version, _ in relations]
        if any(b"~" in version for version in versions):
            self._feature(b"TildeInVersions", b"4.10.0-1")
        if any(b"^" in version for version in versions):
            self._feature(b"CaretInVersions", b"4.15.0-1")
        tags = ((1047, 1113, 1112), (1049, 1050, 1048), (1054, 1055, 1053), (1090, 1115, 1114))
        for relations, (names, versions_tag, flags) in zip(sets, tags, strict=True):
            if len(relations):
                self.header.put(names, STRINGS, *(name for name, _, _ in relations))
                self.header.put(versions_tag, STRINGS, *(version for _, version, _ in relations))
                self.header.put(flags, INT32, *(flag for _, _, flag in relations))

    def _feature(self, name: bytes, version: bytes) -> None:
        """Require a feature of rpm itself."""
        self.requires.add(b"rpmlib(%s)" % name, version, rel.LESS | rel.EQUAL)


def split_paths(paths: Iterable[bytes]) -> tuple[list[bytes], list[bytes], list[int]]:
    """Base names, folders, and for each path the number of its folder (lib/headerutil.c: compressFilelist).

    rpm bisects its list of folders though it is not sorted, and so finds one again or enters it twice.
    """
    bases: list[bytes] = []
    folders: list[bytes] = []
    indexes: list[int] = []
    for path in paths:
        cut = path.rfind(b"/") + 1
        place = _bisect(folders, path[:cut])
        if place == len(folders):
            folders.append(path[:cut])
        bases.append(path[cut:])
        indexes.append(place)
    return bases, folders, indexes


def _bisect(folders: Sequence[bytes], folder: bytes) -> int:
    low, high = 0, len(folders)
    while low < high:
        at = (low + high) // 2
        if folder == folders[at]:
            return at
        if folder < folders[at]:
            high = at
        else:
            low = at + 1
    return len(folders)


def _check_architecture(package: Package, files: Iterable[File]) -> None:
    """A package for every architecture holds no program of one."""
    if package.arch == "noarch":
        for file in files:
            if file.color:
                raise StepError(
                    f"{file.path.decode()} is a program of one architecture, but {package.name} is noarch; "
                    "declare it with the program's arch, or leave the file out"
                )
