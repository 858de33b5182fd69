"""The spec text of a declared package: a pure function, shown by golden files in the tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from xspack_tool.errors import Problem, StepError
from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import OPERATORS, Dependency
from xspack_tool.model.package import FileEntry, Package

#: The macros beside rpm's own: nothing of the host's taste, and nothing that costs a program.
#: `__spec_install_pre` would empty the buildroot, which is filled before rpmbuild starts; `__check_files`
#: would look for unpackaged files, of which there are none; Debian's `_dbpath` starts two shells. A kernel's
#: version has as many dashes as its vendor likes, and `kernel-uname-r` must say it as it is.
MACROS = """\
%__os_install_post %{{nil}}
%__spec_install_pre %{{nil}}
%__check_files %{{nil}}
%debug_package %{{nil}}
%_build_id_links none
%_binary_payload {payload}
%_source_payload {payload}
%_binary_filedigest_algorithm 8
%_source_filedigest_algorithm 8
%_buildhost xspack
%_rpmformat 4
%_dbpath /nonexistent
%_smp_build_ncpus 1
%_wrong_version_format_terminate_build 0
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%_build_name_fmt %%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm
%xspack_percent %%
"""

_ROLE = {
    "config-replace": "%config ",
    "config-missingok": "%config(missingok noreplace) ",
    "config-replace-missingok": "%config(missingok) ",
    "config": "%config(noreplace) ",
    "doc": "%doc ",
    "license": "%license ",
    "ghost": "%ghost ",
    "": "",
}


def render_macros(payload: str) -> str:
    """Our macro file; ``payload`` is rpm's `_binary_payload`, such as ``w2.xzdio``."""
    return MACROS.format(payload=payload)


def escape(text: str) -> str:
    """A text that rpm's macro expansion leaves as it is. Behind a backslash its reader of lines overlooks a percent
    sign, and would count the brace that follows the second one."""
    return re.sub(r"(?<!\\)((?:\\\\)*\\)%%", r"\1%{xspack_percent}", text.replace("%", "%%"))


def one_line(what: str, text: str) -> str:
    """The escaped value of a tag or an option. Raises StepError for a text that would begin lines of its own."""
    if "\n" in text:
        raise StepError(f"{what}: {text!r} has a line break; write it in one line")
    return escape(text)


#: rpm's parser of %attr ends a name at these, and %files is expanded twice.
_NO_OWNER = re.compile(r"[\s%(),]")


def _owner(path: str, name: str) -> str:
    """An owner or a group. Raises StepError for what is no name of one."""
    if not name or _NO_OWNER.search(name):
        raise StepError(f"{path}: {name!r} is no name of an owner or a group")
    return name


#: What rpm's parser takes for its own at the beginning of a line, after expansion, so that no escape helps.
_KEYWORD = re.compile(
    r"\s*%(if\w*|elif\w*|else|endif|include)\b|%(package|description|prep|generate_buildrequires|conf|build|install"
    r"|check|clean|pre|post|preun|postun|pretrans|posttrans|preuntrans|postuntrans|trigger\w*|filetrigger\w*"
    r"|transfiletrigger\w*|verifyscript|sepolicy|files|changelog|sourcelist|patchlist)\b"
)


def prose(what: str, text: str) -> str:
    """The escaped lines of %description or %changelog. Raises StepError for one that rpmbuild would leave out."""
    for number, line in _comments(text):
        rule = f"rpmbuild takes {line!r} for a comment and leaves it out"
        raise StepError(f"{what}, line {number}: {rule}; {_NO_COMMENT}")
    return body(what, text)


_NO_COMMENT = "put a word before the #"


def _comments(text: str) -> list[tuple[int, str]]:
    """The lines of a prose that rpmbuild would leave out, with their numbers."""
    lines = enumerate(map(str.strip, text.split("\n")), 1)
    return [(number, line) for number, line in lines if line.startswith("#")]


def prose_problems(package: Package) -> list[Problem]:
    """What of a package's prose rpmbuild would leave out, by the fields of its declaration."""
    texts = [("description", package.description), *(("changelog", one.text) for one in package.changelog)]
    return [
        Problem(field, line, f"rpmbuild takes line {number} for a comment and leaves it out", _NO_COMMENT)
        for field, text in texts
        for number, line in _comments(text)
    ]


def body(what: str, text: str) -> str:
    """The escaped body of a section. Raises StepError for a line that would begin another section."""
    for number, line in enumerate(text.splitlines(), 1):
        if _KEYWORD.match(line):
            raise StepError(
                f"{what}, line {number}: rpmbuild would take {line.strip()!r} for its own; reword it"
            )
    return escape(text)


def _without_spelling(path: str) -> re.Pattern[str]:
    """The signs of a path that no pattern of rpm 4.18's can name: both braces together are its own, and a pattern is
    cut at its blanks, and loses its apostrophes, in spite of the quotes."""
    signs = r'"\\' + ("}" if "{" in path else "") + (" '" if re.search(r'[%*?\[\]{}"\\]', path) else "")
    return re.compile(f"[{signs}]")


def file_pattern(path: str) -> str:
    """A path as a quoted pattern of %files. A sign that is special there stands as a class of its own; one that
    has no spelling as ``?``, which fits any sign. A percent sign is expanded twice."""
    pattern = _without_spelling(path).sub("\0", path)
    pattern = re.sub(r"[%*?\[\]{}]", lambda sign: f"[{escape(sign[0])}]", pattern)
    folder, slash, name = pattern.rpartition("/")
    if re.search(r"[\0\[]", folder) and not re.search(r"[\0\[]", name):
        # Behind a pattern, rpm follows what is named plainly, and does not find a link that leads nowhere.
        name = re.sub(r"([A-Za-z0-9])([^A-Za-z0-9]*)$", r"[\1]\2", name)
    pattern = folder + slash + name
    return '"' + pattern.replace("\0", "?") + '"'


def render_files(entries: Iterable[FileEntry]) -> list[str]:
    """The lines of %files: each path with its mode and owner, nothing left to the buildroot."""
    said: dict[str, str] = {}
    for entry in entries:
        mode = "-" if entry.kind == "link" else f"{entry.mode:04o}"
        kind = "%dir " if entry.kind == "dir" else ""
        owner, group = _owner(entry.path, entry.owner), _owner(entry.path, entry.group)
        attributes = f"%attr({mode},{owner},{group}) "
        said[entry.path] = f"{attributes}{_ROLE[entry.role]}{kind}"
    _tell_apart(said)
    return [
        one_line("files", path) and f"{attributes}{file_pattern(path)}" for path, attributes in said.items()
    ]


def _tell_apart(said: dict[str, str]) -> None:
    """Raise StepError where the pattern of one path fits another that has other attributes."""
    for path in said:
        unnamed = _without_spelling(path)
        if unnamed.search(path):
            fits = re.compile(".".join(map(re.escape, unnamed.split(path))))
            for other, attributes in said.items():
                if attributes != said[path] and fits.fullmatch(other):
                    raise StepError(f"{path}: rpmbuild cannot tell it from {other}; rename one of them")


def render_relations(tag: str, relations: Iterable[Dependency]) -> list[str]:
    """``Requires: python3 >= 3.6`` and the like, a line each."""
    lines = []
    for relation in map(str, relations):
        # A blank or a comma in a foreign RPM's name of one would begin the next.
        words = re.split(r"[\s,]+", relation)
        if (
            "," in relation
            or not words[0]
            or (len(words) > 1 and (len(words) != 3 or words[1] not in OPERATORS))
        ):
            raise StepError(f"{tag}: {relation!r} is not one relation")
        lines.append(f"{tag}: {one_line(tag, relation)}")
    return lines


def render_preamble(package: Package) -> list[str]:
    """The tags before %description."""
    tags = [
        ("Name", package.name),
        ("Epoch", str(package.epoch) if package.epoch else ""),
        ("Version", package.version),
        ("Release", package.release),
        ("Summary", package.summary),
        ("License", package.license),
        ("Group", package.group),
        ("Vendor", package.vendor),
        ("Packager", package.packager),
        ("URL", package.url),
        ("BuildArch", "noarch" if package.arch == "noarch" else ""),
        ("AutoReqProv", "" if package.automatic_dependencies else "no"),
        ("AutoProv", "no" if "provides" in package.not_automatic else ""),
        ("AutoReq", "no" if "requires" in package.not_automatic else ""),
    ]
    return [f"{tag}: {one_line(tag, value)}" for tag, value in tags if value]


def render_filters(package: Package) -> list[str]:
    """The macros by which rpm leaves out what its generators find. Each sign stands in a class of its own, since rpm
    takes backslashes away."""
    signs = {"*": ".*", "?": "."}
    lines = []
    for name in ("provides", "requires"):
        patterns = [
            "".join(signs.get(c, f"[{c}]") for c in hidden) for hidden in getattr(package, f"hidden_{name}")
        ]
        if patterns:
            lines.append(f"%global __{name}_exclude ^({'|'.join(patterns)})$")
    return lines


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def render_changelog(entries: Sequence[ChangelogEntry]) -> list[str]:
    """%changelog, newest first as rpm demands. The weekday is rpm's, in English whatever the locale."""
    lines = []
    for entry in sorted(entries, key=lambda entry: entry.date, reverse=True):
        day, month = _DAYS[entry.date.weekday()], _MONTHS[entry.date.month - 1]
        lines.append(
            f"* {day} {month} {entry.date.day:02d} {entry.date.year} {one_line('changelog', entry.author)}"
        )
        lines += [prose("changelog", line) for line in changelog_lines(entry)]
        lines.append("")
    return lines


def changelog_lines(entry: ChangelogEntry) -> list[str]:
    """The lines of an entry; one that begins with * would begin another entry."""
    return [f" {line}" if line.startswith("*") else line for line in entry.text.splitlines()]


def script_text(parts: Iterable[str]) -> str:
    """The parts of a scriptlet as one text, each on lines of its own."""
    return "\n".join(part.strip("\n") for part in parts)


class Making(Struct, frozen=True):
    """What the spec of a source RPM has besides: macros before the tags, the file names of its sources, the
    bodies of %prep, %build and %install, and a file that lists more of the payload."""

    head: str
    sources: tuple[str, ...]
    prep: str
    build: str
    install: str
    file_list: str = ""

    def sections(self) -> list[str]:
        """The three sections, each with a blank line behind it."""
        pairs = (("prep", self.prep), ("build", self.build), ("install", self.install))
        return [line for name, text in pairs for line in (f"%{name}", text.rstrip("\n"), "")]


def render_spec(
    package: Package, entries: Iterable[FileEntry], scripts: dict[str, str], making: Making | None = None
) -> str:
    """The spec that packs a filled buildroot, or (``making``) fills it first: ``entries`` with their final
    modes, scriptlet texts by phase."""
    interpreters = {script.phase: script.interpreter for script in package.scripts}
    lines = [
        *([making.head.rstrip("\n"), ""] if making else []),
        *render_filters(package),
        *render_preamble(package),
        *(
            f"Source{number}: {one_line('Source', name)}"
            for number, name in enumerate(making.sources if making else ())
        ),
        *render_relations("Requires", package.requires),
        *render_relations("Requires(post)", package.requires_post),
        *render_relations("Requires(postun)", package.requires_postun),
        *render_relations("Provides", package.provides),
        *render_relations("Conflicts", package.conflicts),
        *render_relations("Obsoletes", package.obsoletes),
        "",
        "%description",
        prose("description", package.description or package.summary),
        "",
        *(making.sections() if making else []),
    ]
    for phase in sorted(scripts):
        interpreter = interpreters.get(phase, "/bin/sh")
        option = "" if interpreter == "/bin/sh" else f" -p {one_line(f'script {phase}', interpreter)}"
        name, _, others = phase.partition(" -- ")
        on = f" -- {one_line(f'script {name}', others)}" if others else ""
        lines += [f"%{name}{option}{on}", body(f"script {phase}", scripts[phase]), ""]
    option = f" -f {making.file_list}" if making and making.file_list else ""
    lines += [f"%files{option}", *render_files(entries), ""]
    if package.changelog:
        lines += ["%changelog", *render_changelog(package.changelog)]
    return "\n".join(lines).rstrip("\n") + "\n"
