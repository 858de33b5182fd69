"""The metadata of an RPM, as every reader of RPMs in xspack sees it."""

from __future__ import annotations

import stat

from msgspec import Struct

from xspack_tool.model.dependency import evr_text

#: Bits of RPMTAG_FILEFLAGS (rpm's rpmfiles.h).
CONFIG, DOC, MISSINGOK, NOREPLACE, GHOST, LICENSE = 1, 2, 8, 16, 64, 128
#: Bits of RPMTAG_*FLAGS of dependencies (rpm's rpmds.h).
LESS, GREATER, EQUAL, PREREQ = 2, 4, 8, 64
SCRIPT_POST, SCRIPT_POSTUN, RPMLIB = 1 << 10, 1 << 12, 1 << 24


#: What rpm must have to unpack a payload; every rpm reads gzip.
PAYLOAD_FEATURES = {
    "xz": "rpmlib(PayloadIsXz)",
    "lzma": "rpmlib(PayloadIsLzma)",
    "bzip2": "rpmlib(PayloadIsBzip2)",
    "zstd": "rpmlib(PayloadIsZstd)",
}


class PayloadFile(Struct, frozen=True):
    """One path of an RPM as its header tells it."""

    path: str
    mode: int
    size: int
    owner: str
    group: str
    flags: int
    digest: str
    link: str
    mtime: int

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_config(self) -> bool:
        return bool(self.flags & CONFIG)

    @property
    def is_noreplace(self) -> bool:
        return bool(self.flags & NOREPLACE)

    @property
    def is_ghost(self) -> bool:
        return bool(self.flags & GHOST)


class Relation(Struct, frozen=True):
    """A dependency as a header holds it; ``flags`` are rpm's, ``operator`` is read from them."""

    name: str
    flags: int
    evr: str

    @property
    def is_rpmlib(self) -> bool:
        """Whether it is met by rpm itself, not by a package."""
        return self.name.startswith("rpmlib(")

    @property
    def operator(self) -> str:
        signs = ((LESS, "<"), (GREATER, ">"), (EQUAL, "="))
        return "".join(sign for bit, sign in signs if self.flags & bit)

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.evr}" if self.operator else self.name


class Scriptlet(Struct, frozen=True):
    """A scriptlet or trigger: ``phase`` is pre, post, preun, postun, pretrans, posttrans, triggerin, .."""

    phase: str
    interpreter: str
    text: str


class RpmInfo(Struct, frozen=True):
    """An RPM's header. ``source_rpm`` is empty for a source RPM itself."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    summary: str = ""
    description: str = ""
    license: str = ""
    vendor: str = ""
    packager: str = ""
    url: str = ""
    build_time: int = 0
    build_host: str = ""
    source_rpm: str = ""
    installed_size: int = 0
    payload_format: str = "cpio"
    payload_compressor: str = "gzip"
    files: tuple[PayloadFile, ...] = ()
    requires: tuple[Relation, ...] = ()
    provides: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    obsoletes: tuple[Relation, ...] = ()
    scripts: tuple[Scriptlet, ...] = ()
    changelog: tuple[tuple[int, str, str], ...] = ()
    is_source: bool = False
    has_md5: bool = False
    has_sha256_header: bool = False
    payload_digest: str = ""
    #: ``xspack``, or rpm with its version.
    writer: str = ""
    #: Key ids (16 hexadecimal digits, upper case) of the signatures in the signature header.
    signed_by: tuple[str, ...] = ()

    @property
    def evr(self) -> str:
        """``[epoch:]version-release``."""
        return evr_text(self.epoch, self.version, self.release)

    @property
    def nevra(self) -> str:
        """``name-[epoch:]version-release.arch``."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file_name(self) -> str:
        """The name that rpmbuild gives it."""
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"
