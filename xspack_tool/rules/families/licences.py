"""L: licences of drivers and firmware, as SPDX expressions."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rules.context import PackContext, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, pack_rule, rpm_rule
from xspack_tool.rules.spdx import parse_licence

#: Compatible with the GPL as the kernel has it (gnu.org/licenses/license-list.html, SPDX ids, lower case).
_GPL_COMPATIBLE = re.compile(
    r"0bsd|bsd-[123]-clause|bsd-2-clause-patent|bsl-1\.0|cc0-1\.0|isc|mit|mit-0|mpl-2\.0|ncsa|unlicense|wtfpl|x11|zlib"
    r"|l?gpl-[123](?:\.[0-9])?(?:-only|-or-later|\+)?"
)
#: Words for licences from before SPDX, as RPMs and MODULE_LICENSE have them.
_OLD_WORDS = (
    (re.compile(r"^(?:Dual )?(BSD|MIT|MPL)/GPL$", re.I), "GPL-2.0-only"),
    (re.compile(r"\bL?GPL ?v?([23])(?:\.0)?\+(?![\w.-])", re.I), r"GPL-\1.0-or-later"),
    (re.compile(r"\bGPL ?v([23])(?![\w.-])", re.I), r"GPL-\1.0-only"),
    (re.compile(r"(?<![\w-])GPL\+?(?![\w.-])"), "GPL-2.0-or-later"),
    (re.compile(r"(?<![\w-])BSD(?![\w-])"), "BSD-3-Clause"),
)
#: Ways to say that a binary may be passed on, in SPDX references or in words (Fedora's licensing pages).
_REDISTRIBUTABLE = re.compile(r"\b(?:freely )?re-?distribut(?:able|ion permitted)\b", re.I)
_NO = re.compile(r"\b(?:no[nt]|without)[ -]re-?distribut|\bno redistribution", re.I)
#: What shipped drivers say besides, of the firmware that goes with them.
_AND_FIRMWARE = re.compile(
    r"\s+and\s+\(?(?:freely )?redistributable(?:,? no modifications? permitted)?\)?(?=$|\s+and\b)", re.I
)
_FIRMWARE = re.compile(r"^(?:/usr)?/lib/firmware/")


@pack_rule(
    "L1",
    "W",
    meaning="a driver whose licence is not compatible with the GPL, or (in a submission) without its source",
    remedy="license it under the GPL or a licence compatible with it, and give its source",
    bad="License: Proprietary",
    good="License: GPL-2.0-only, or BSD-3-Clause OR GPL-2.0-only",
)
def gpl_compatible(context: PackContext) -> Hits:
    severity = "E" if context.submission else "W"
    for info in context.drivers:
        why = gpl_problem(info.license)
        if why:
            yield Hit("License", f"{info.license!r}: {why}", severity, rpm=info.file_name)  # type: ignore[arg-type]
        if context.submission and info.name not in context.with_source:
            yield Hit("Source RPM", "a driver in a submission without its source", "E", rpm=info.file_name)


@rpm_rule(
    "L2",
    "W",
    meaning="firmware without a licence that allows redistribution",
    remedy='state the licence it may be passed on by, such as "LicenseRef-Redistributable"',
    bad="License: Proprietary",
    good="License: Redistributable, no modification permitted",
)
def redistributable(context: RpmContext) -> Hits:
    if not _holds_firmware(context.info):
        return
    why = redistribution_problem(context.info.license)
    if why:
        yield Hit("License", f"{context.info.license!r}: {why}")


def _holds_firmware(info: RpmInfo) -> bool:
    return any(file.is_file and _FIRMWARE.match(file.path) for file in info.files)


def gpl_problem(licence: str) -> str:
    """Why a driver under it does not fit the GPL; empty if it does. Of alternatives one is enough."""
    parsed = _parse(_AND_FIRMWARE.sub("", licence))
    if parsed is None:
        return "no SPDX expression"
    return "" if _holds(parsed, _is_compatible) else "not compatible with the GPL"


def redistribution_problem(licence: str) -> str:
    """Why firmware under it may not be passed on; empty if it may."""
    if _REDISTRIBUTABLE.search(licence) and not _NO.search(licence):
        return ""
    parsed = _parse(licence)
    if parsed is None:
        return "does not say that it may be redistributed"
    return "" if _holds(parsed, _is_open) else "does not say that it may be redistributed"


def _is_compatible(key: str) -> bool:
    return bool(_GPL_COMPATIBLE.fullmatch(key.lower()))


def _is_open(key: str) -> bool:
    """A licence of SPDX's list: all of those allow passing on; references to your own texts need not."""
    return not key.lower().startswith("licenseref-") or bool(_REDISTRIBUTABLE.search(key.replace("-", " ")))


def _holds(expression: Any, good: Any) -> bool:
    """Whether a licence (``good`` of its id), one of an OR, or all of an AND will do; exceptions only add."""
    kind = type(expression).__name__
    if kind == "OR":
        return any(_holds(part, good) for part in expression.args)
    if kind == "AND":
        return all(_holds(part, good) for part in expression.args)
    return bool(good(getattr(getattr(expression, "license_symbol", expression), "key", "")))


@cache
def _parse(licence: str) -> Any:
    """The expression; None if it is none or names a licence that SPDX does not know."""
    text = licence.strip()
    for words, spdx in _OLD_WORDS:
        text = words.sub(spdx, text)
    found = parse_licence(text)
    if found is None:
        return None
    parsed, unknown = found
    return None if [key for key in unknown if not key.lower().startswith("licenseref-")] else parsed
