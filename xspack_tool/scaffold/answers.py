"""What is asked before a tree with a pack is begun."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable

from msgspec import Struct

from xspack_tool.errors import Problem
from xspack_tool.model import syntax

KINDS = ("userspace", "driver", "driver-disk", "from-build-update")
CI = ("none", "github", "gitlab")


class Answers(Struct, frozen=True):
    """``name`` is the package's and the pack's, ``key`` a public key file or empty for a throwaway test key, ``ddk`` a
    kernel build tree or empty for this machine's headers, ``xspack`` what the pip of a CI system installs, ``today``
    and ``uuid`` what is new each time."""

    kind: str
    name: str
    vendor: str
    licence: str
    packager: str
    target: str
    today: str
    uuid: str
    version: str = "1.0"
    key: str = ""
    ddk: str = ""
    ci: str = "none"
    xspack: str = ""

    def problems(self) -> list[Problem]:
        """What is wrong with them, all of it."""
        given = (
            ("name", self.name),
            ("vendor", self.vendor),
            ("license", self.licence),
            ("packager", self.packager),
        )
        problems = [problem for option, value in given for problem in problems_of(option, value)]
        return problems + syntax.check_version("--version", self.version)

    @property
    def built_for(self) -> str:
        """The release that is built for: this machine, where a driver has only its kernel's headers."""
        return "local" if self.kind == "driver" and not self.ddk else self.target

    @property
    def key_name(self) -> str:
        """The base name of the public key file, by which hosts know it."""
        return in_ascii(self.vendor) or "Test"


def problems_of(option: str, value: str) -> list[Problem]:
    """What is wrong with the value of one option."""
    field = f"--{option}"
    if option == "name":
        return syntax.check_label(field, value)
    problems = []
    if not value.isprintable() or not value.strip():
        problems.append(
            Problem(field, value, "must be one line of text", f"give {field} words that can be printed")
        )
    if option == "packager" and not re.fullmatch(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>", value):
        problems.append(Problem(field, value, "must be a name and a mail address", "write 'Name <mail>'"))
    return problems


def in_ascii(text: str) -> str:
    """A text as a part of a file's or a host's name, accents left out: ``Acme & Söhne`` becomes ``Acme-Sohne``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")


def literal(text: str) -> str:
    """A text as a Python literal in double quotes, as formatters write it."""
    printable = text.replace("\n", "").isprintable()
    return json.dumps(text, ensure_ascii=not printable)


def unexpanded(text: str) -> str:
    """A text of which SCons expands nothing."""
    return text.replace("$", "$$")


def quoted(value: object) -> str:
    """A text that is meant as it is, as a literal; a list of texts as a list of such."""
    if isinstance(value, str):
        return literal(unexpanded(value))
    assert isinstance(value, Iterable)  # nothing else is written
    return f"[{', '.join(map(quoted, value))}]"
