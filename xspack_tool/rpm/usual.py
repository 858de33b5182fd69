"""Which packages are written in process, and which are left to rpmbuild."""

from __future__ import annotations

import re

from xspack_tool.model.package import PHASES, Package
from xspack_tool.rpm.compressors import read_payload
from xspack_tool.rpm.relations import UnusualError, read_relations

#: Raised when the writer's bytes, or the rules of what it writes, change: all RPMs are made anew. It is part of each
#: RPM's signature.
WRITER = "xspack 2"
#: Nothing comes from documentation (rpm's __global_requires_exclude_from), and so from what begins alike.
DOCUMENTATION = "/usr/share/doc"
_PKGCONFIG = re.compile(rb"((/usr/lib64|/usr/share)/pkgconfig/.*.pc|/usr/bin/pkg-config)", re.S)
_PERL_SCRIPT = re.compile(rb"#!.*\bperl")
_INTERPRETER = re.compile(r"/\S+")


def left_to_rpmbuild(package: Package, payload: str) -> str:
    """Why a package is left to rpmbuild as far as its declaration tells, empty where it is written in process.

    Left to it are: what asks for one of rpm's generators that are programs (modules of Perl, files for pkg-config,
    executable scripts in Perl), a choice among what rpm finds by itself, triggers, a scriptlet whose interpreter is
    no plain path, relations that rpm itself refuses, and payloads of other kinds than xz, gzip, zstd and none. Files
    made in the build show only then that they are scripts in Perl or with a first line of more than 64 KiB, or ELF
    files of a form that libelf may read otherwise.
    """
    try:
        read_payload(payload)
        for relations in (
            *(package.requires, package.requires_post, package.requires_postun),
            *(package.provides, package.conflicts, package.obsoletes),
        ):
            read_relations(relations)
    except UnusualError as why:
        return str(why)
    reasons = [unusual_interpreter(script.phase, script.interpreter) for script in package.scripts]
    reasons += [
        f"a feature of rpm itself ({relation})"
        for relation in package.provides
        if relation.name.startswith("rpmlib(")
    ]
    reasons += [f"a trigger ({script.phase})" for script in package.scripts if script.phase not in PHASES]
    if package.automatic_dependencies:
        if package.not_automatic or package.hidden_provides or package.hidden_requires:
            reasons.append("a choice among what rpm finds by itself")
        for entry in package.entries:
            reasons.append(unusual_path(entry.path))
            if entry.text is not None and (entry.mode or 0) & 0o111 and is_perl_script(entry.text.encode()):
                reasons.append(f"{entry.path} is a script in Perl")
    return next(filter(None, reasons), "")


def unusual_path(path: str) -> str:
    """Why the dependencies of a path's file are left to rpmbuild, empty where they are not."""
    if DOCUMENTATION in path:
        return ""
    if _PKGCONFIG.fullmatch(path.encode()):
        return f"{path} is for pkg-config"
    return f"{path} is a module of Perl" if path.endswith(".pm") else ""


def is_perl_script(text: bytes) -> bool:
    """Whether a script's first line names Perl."""
    return bool(_PERL_SCRIPT.match(text))


def unusual_interpreter(phase: str, interpreter: str) -> str:
    """Why a scriptlet is left to rpmbuild, empty where it is not."""
    return "" if _INTERPRETER.fullmatch(interpreter) else f"the interpreter {interpreter!r} of script {phase}"
