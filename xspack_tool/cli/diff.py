"""``xspack diff``: what changed between two packs."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from msgspec.structs import asdict

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.ddk.devices import DeviceRow, device_table, read_names
from xspack_tool.evidence.changes import Change, PackChanges, pack_changes
from xspack_tool.evidence.markdown import Texts, as_markdown
from xspack_tool.evidence.modules import modules_of_pack
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import open_pack, payloads
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info

#: The largest configuration file that is compared, in bytes.
_LARGEST = 256 * 1024
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--summary", action="store_true", help="the line for release notes alone")
    parser.add_argument(
        "--markdown", action="store_true", help="Markdown, with the changes of scriptlets and configuration"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 where the packs differ")


def _run(args: argparse.Namespace, out: Output) -> int:
    old, new = open_pack(args.old), open_pack(args.new)
    changes = pack_changes(old, new, _devices(old), _devices(new))
    if args.json:
        out.json(describe(changes))
    elif args.markdown:
        out.text(as_markdown(changes, read_texts(old), read_texts(new)))
    else:
        if not args.summary:
            _show(changes, out)
        out.line(changes.summary, "bold")
    return 1 if args.exit_code and changes.any else 0


COMMAND = Command(
    "diff",
    "what changed between two packs",
    _arguments,
    _run,
    examples=("xspack diff acme-1.0.iso acme-1.1.iso",),
)


def read_texts(pack: ParsedPack) -> Texts:
    """The scriptlets of a pack's RPMs, and their configuration files as far as those are texts of ordinary size."""
    texts: dict[str, str] = {}
    for rpm, file in payloads(pack, lambda info: not info.is_source):
        assert rpm.info is not None  # payloads() yields no others
        which = f"{rpm.info.name}.{rpm.info.arch}"
        texts.update((f"{which}: %{script.phase}", script.text) for script in rpm.info.scripts)
        wanted = {
            entry.path
            for entry in rpm.info.files
            if entry.is_config and entry.is_file and entry.size <= _LARGEST
        }
        if not wanted:
            continue
        info, offset = read_info(file, rpm.path)
        for names, content in payload_of(file, info, offset, rpm.path):
            for path in [entry.path for entry in names if entry.path in wanted]:
                with suppress(UnicodeDecodeError):
                    texts[f"{which}: {path}"] = content.read(_LARGEST).decode()
    return Texts(texts)


def _devices(pack: ParsedPack) -> tuple[DeviceRow, ...]:
    return device_table(modules_of_pack(pack), names=read_names())


def describe(changes: PackChanges) -> dict[str, object]:
    """The changes as JSON's types."""
    return {
        "summary": changes.summary,
        "differ": changes.any,
        "document": [asdict(change) for change in changes.document],
        "rpms_added": list(changes.added),
        "rpms_removed": list(changes.removed),
        "rpms_changed": {name: [asdict(one) for one in found] for name, found in changes.changed.items()},
        "devices": [asdict(change) for change in changes.devices],
        "variants": [asdict(change) for change in changes.variants],
    }


def _show(changes: PackChanges, out: Output) -> None:
    _section("pack", changes.document, out)
    for nevra in changes.removed:
        out.line(f"- {nevra}", _STYLES["-"])
    for nevra in changes.added:
        out.line(f"+ {nevra}", _STYLES["+"])
    for name, found in changes.changed.items():
        _section(name, found, out)
    _section("variants", changes.variants, out)
    _section("devices", changes.devices, out)


def _section(title: str, found: tuple[Change, ...], out: Output) -> None:
    if found:
        out.line(title, "bold")
        for change in found:
            out.line(f"  {change}", _STYLES[change.kind])
