"""The syntax of single fields: each check returns the problems it finds, and none when all is well.

Sources: rpm's own spec parser (names, versions), xapi's `xapi_pool_update` (labels, uuids, guidance).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from xspack_tool.errors import Problem

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
VERSION = re.compile(r"[A-Za-z0-9_.+~]+")
#: As useradd takes them.
ACCOUNT = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
LABEL = re.compile(r"[A-Za-z0-9_-]+")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VOLUME_ID = re.compile(r"[A-Za-z0-9_]{1,32}")
#: What Linux takes (NAME_MAX, and PATH_MAX less its NUL).
LONGEST_NAME, LONGEST_PATH = 255, 4095
ARCHES = ("x86_64", "noarch", "i686", "aarch64")
GUIDANCE = ("restartXAPI", "restartHost", "restartPV", "restartHVM")


def check_name(field: str, value: object) -> list[Problem]:
    """An RPM's name."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return []
    return [Problem(field, value, "an RPM's name must be letters, digits and . _ + -", "choose such a name")]


def check_version(field: str, value: object, *, rest: str = "") -> list[Problem]:
    """A version or a release, as rpm 4.11 takes them (no ^). ``rest`` names the field for what follows a '-'."""
    if isinstance(value, str) and VERSION.fullmatch(value):
        return []
    remedy = f'give a string such as {field}="1.0"'
    if isinstance(value, str) and "-" in value:
        dotted = value.replace("-", ".")
        remedy = f'write "{dotted}"' if VERSION.fullmatch(dotted) and dotted[0].isalnum() else remedy
        remedy = f"put what follows it into {rest}" if rest else remedy
        return [Problem(field, value, f"a {field} must not contain '-'", remedy)]
    return [Problem(field, value, f"a {field} must be letters, digits and . _ + ~", remedy)]


#: What no RPM's index can hold: XML knows neither control characters nor what Unicode keeps for itself. The lone
#: surrogates are what Python makes of bytes that are not UTF-8.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def no_text(text: str) -> str:
    """The first sign of a text that no index can hold and where it is; empty where all is well."""
    found = _NO_TEXT.search(text)
    if not found:
        return ""
    before, code = text[: found.start()], ord(found[0])
    what = f"the byte 0x{code - 0xDC00:02X}, no UTF-8" if 0xDC80 <= code <= 0xDCFF else f"U+{code:04X}"
    line = before.count("\n")
    return f"{what} at character {len(before) + 1}" + (f", in line {line + 1}" if line else "")


def check_text(field: str, value: str) -> list[Problem]:
    """A text that lands in an RPM's header, and so in XML: lines of Unicode without control characters."""
    found = _NO_TEXT.search(value)
    if not found:
        return []
    shown = value if len(value) < 80 else value[max(0, found.start() - 24) : found.end() + 24]
    rule = f"a text must be Unicode without control characters; there is {no_text(value)}"
    return [Problem(field, shown, rule, "take it out, or write it as UTF-8")]


def check_one_line(field: str, value: object) -> list[Problem]:
    """A text that lands in one line of a header."""
    if isinstance(value, str) and value.strip() and not re.search(r"[\x00-\x1f\x7f]", value):
        return []
    return [Problem(field, value, f"{field} must be one line of text", "give a text without line breaks")]


def check_label(field: str, value: object) -> list[Problem]:
    """A pack's name-label: xapi makes a section of a yum.conf of it, beside [main]."""
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        rule = "a label must be letters, digits, _ and - (xapi refuses others)"
        return [Problem(field, value, rule, "choose such a label")]
    if value == "main":
        return [Problem(field, value, "'main' is yum's own section", "choose another label")]
    return []


def check_uuid(field: str, value: object) -> list[Problem]:
    """A uuid in lower case, as xapi compares it."""
    if isinstance(value, str) and UUID.fullmatch(value):
        return []
    if isinstance(value, str) and UUID.fullmatch(value.lower()):
        return [Problem(field, value, "hosts want the uuid in lower case", f'write "{value.lower()}"')]
    return [
        Problem(field, value, "not a uuid", "make one with: python3 -c 'import uuid; print(uuid.uuid4())'")
    ]


def check_volume_id(field: str, value: object) -> list[Problem]:
    """An ISO 9660 volume id."""
    if isinstance(value, str) and VOLUME_ID.fullmatch(value):
        return []
    rule = "a volume id must be 1 to 32 letters, digits and _"
    return [Problem(field, value, rule, "shorten it, or give volume_id= of its own")]


def check_guidance(field: str, tokens: Iterable[object]) -> list[Problem]:
    """After-apply guidance: one token unknown to xapi makes it drop the whole list silently."""
    return [
        Problem(
            field,
            token,
            "xapi knows no such guidance and would drop the whole list",
            nearest(str(token), GUIDANCE) or f"use one of {', '.join(GUIDANCE)}",
        )
        for token in tokens
        if token not in GUIDANCE
    ]


def check_destination(field: str, value: object) -> list[Problem]:
    """A path on the host: absolute, and not above the root."""
    if not isinstance(value, str) or not value.startswith("/"):
        return [Problem(field, value, "a destination must be an absolute path", "begin it with /")]
    if ".." in value.split("/"):
        return [Problem(field, value, "a destination must not hold '..'", "write the path it means")]
    if re.search(r"[\t\n]", value) or no_text(value):
        return [Problem(field, value, "a path must be UTF-8 without control characters", "rename it")]
    if (
        len(value.encode()) > LONGEST_PATH
        or max(len(name.encode()) for name in value.split("/")) > LONGEST_NAME
    ):
        rule = f"a name must have at most {LONGEST_NAME} bytes and a path {LONGEST_PATH}, no host has longer ones"
        return [Problem(field, f"{value[:80]}..", rule, "shorten it")]
    if normal_path(value) == "/":
        return [Problem(field, value, "the root itself cannot be packaged", "name a path below /")]
    return []


def normal_path(path: str) -> str:
    """The one spelling of an absolute path: no doubled, trailing or dot components."""
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean ..?`` with the nearest known word, or an empty text."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else ""
