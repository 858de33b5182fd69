"""What a vendor hands in for inclusion into the product: its table of contents, and the one archive."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from xspack_tool.model.submission import Fix


class Part(Struct, frozen=True):
    """A package of a submission, as its table of contents tells it. ``paths`` are files of the archive."""

    name: str
    evr: str
    arch: str
    licence: str
    packs: tuple[str, ...]
    kernels: tuple[str, ...] = ()
    source: str = ""
    licence_texts: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    modules: tuple[Mapping[str, Any], ...] = ()


def is_patch(text: str) -> bool:
    """Whether a text is a unified diff."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("--- ")]
    return any(
        lines[number + 1].startswith("+++ ") and lines[number + 2].startswith("@@ ")
        for number in heads
        if number + 2 < len(lines)
    )


def contents_text(title: str, parts: Sequence[Part], packs: Sequence[str], fixes: Sequence[Fix]) -> str:
    """The table of contents, for the person who receives the archive."""
    lines = [title, "=" * len(title), "", "Packs"]
    lines += [f"  packs/{name}" for name in packs]
    for part in parts:
        lines += ["", f"{part.name} {part.evr} ({part.arch})", f"  licence: {part.licence}"]
        lines += [f"  for kernel: {kernel}" for kernel in part.kernels]
        lines += [f"  source: {part.source}"] if part.source else []
        lines += [f"  licence text: {path}" for path in part.licence_texts]
        lines += [f"  firmware: {path}" for path in part.firmware]
        for module in part.modules:
            version = f" {module['version']}" if module["version"] else ""
            lines.append(f"  module: {module['name']}{version}, MODULE_LICENSE {module['license']!r}")
    if any(part.firmware for part in parts):
        lines += ["", "Right to redistribute the firmware: firmware/STATEMENT"]
    if fixes:
        lines += ["", "Fixes"]
        lines += [f"  patches/{fix.patch}: {fix.flaw.strip().splitlines()[0]}" for fix in fixes]
    return "\n".join([*lines, ""])


def contents_json(parts: Sequence[Part]) -> str:
    """The same of the packages, for programs: names, versions, SPDX ids, modules."""
    rows = [{name: _plain(getattr(part, name)) for name in Part.__struct_fields__} for part in parts]
    return json.dumps(rows, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    return (
        [dict(one) if isinstance(one, Mapping) else one for one in value]
        if isinstance(value, tuple)
        else value
    )
