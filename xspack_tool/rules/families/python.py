"""B6: scripts whose interpreter the release does not have, and Python that its interpreters cannot parse."""

from __future__ import annotations

import re

from xspack_tool.model.profile import Profile
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.python_library import library_problem
from xspack_tool.rules.python_syntax import syntax_problem
from xspack_tool.rules.registry import Hits, member_rule

#: Larger sources are data; they are not parsed.
_MAX_SOURCE = 512 * 1024
_EXAMPLES = re.compile(r"^/usr/share/doc/|^(?:/usr)?/lib/firmware/")
_LIBRARY = re.compile(r"/(?:lib|lib64)/python(\d\.\d+)/")
_PYTHON = re.compile(r"/python(?:\d(?:\.\d+)?)?$")
#: A module or package that an RPM brings.
_MODULE = re.compile(r"/(\w+)(?:\.pyc?|/__init__\.pyc?|\.[\w-]+\.so)$")
_ENV = re.compile(r"(?:/usr)?/bin/env")


def _wants(context: RpmContext, file: PayloadFile) -> bool:
    script = bool(file.mode & 0o111) and file.size > 2
    return (script or file.path.endswith(".py")) and not _EXAMPLES.match(file.path)


@member_rule(
    "B6",
    "W",
    _wants,
    meaning="a script whose interpreter the release does not have, or Python that is too new for it",
    remedy="write it for an interpreter of the release, or ship that interpreter in the pack",
    bad="#!/usr/bin/python3 and (n := 1) on XenServer 8 (Python 3.6); #!/usr/bin/python3.11 there",
    good="#!/usr/bin/python3 and f'{n}' on XenServer 8",
)
def scripts_run(context: RpmContext, member: Member) -> Hits:
    interpreter = _interpreter(member) if member.file.mode & 0o111 else ""
    if interpreter and not _has(context, interpreter):
        found = f"#!{interpreter}: {context.profile.title} has no such interpreter"
        yield Hit(member.file.path, found, line=1, unless_shipped=interpreter)
        return
    if member.file.path.endswith(".py") or _PYTHON.search(interpreter):
        yield from _syntax(context, member, interpreter)


def _interpreter(member: Member) -> str:
    """The program of the first line, looked up as ``env`` would; empty for what is no script."""
    line = member.head.split(b"\n", 1)[0]
    words = line[2:].decode("utf-8", "replace").split() if line.startswith(b"#!") else []
    if not words or not _ENV.fullmatch(words[0]):
        return words[0] if words else ""
    named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return (named[0] if named[0].startswith("/") else f"/usr/bin/{named[0]}") if named else ""


def _has(context: RpmContext, interpreter: str) -> bool:
    """Whether the release or the RPM itself has it; /bin and /usr/bin are one folder on every release."""
    known = {*context.profile.interpreters, *context.profile.pythons}
    if not known or any(file.path == interpreter for file in context.info.files):
        return True
    return _merged(interpreter) in {_merged(path) for path in known}


def _merged(path: str) -> str:
    return re.sub(r"^/(bin|sbin)/", r"/usr/\1/", path)


def _syntax(context: RpmContext, member: Member, interpreter: str) -> Hits:
    versions = _versions(context, member.file.path, interpreter)
    source = member.content(_MAX_SOURCE) if versions else None
    if source is None:
        return
    shown = " and ".join(f"{major}.{minor}" for major, minor in versions)
    unparsed = [syntax_problem(source, version) for version in versions]
    if all(unparsed):
        yield Hit(member.file.path, f"Python {shown} cannot parse it: {unparsed[-1]}")
        return
    own = {match[1] for file in context.info.files if (match := _MODULE.search(file.path))}
    lacking = [
        problem or library_problem(source, version, own)
        for problem, version in zip(unparsed, versions, strict=True)
    ]
    if all(lacking):
        yield Hit(member.file.path, f"Python {shown} has not all that it uses: {lacking[-1]}")


def _versions(context: RpmContext, path: str, interpreter: str) -> list[tuple[int, int]]:
    """The versions of Python that may be asked to run the file: one of them has to be able to."""
    profile = context.profile
    if interpreter:
        said = next(
            (profile.pythons[one] for one in profile.pythons if _merged(one) == _merged(interpreter)), ""
        )
        return [_numbers(said)] if said else []
    if any(file.mode & 0o111 and _PYTHON.search(file.path) for file in context.info.files if file.is_file):
        return []  # it brings a Python of its own
    library = _LIBRARY.search(path)
    known = _known(profile)
    if library:
        return [version for version in known if version == _numbers(library[1])]
    return known


def _known(profile: Profile) -> list[tuple[int, int]]:
    return sorted({_numbers(version) for version in profile.pythons.values()})


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
