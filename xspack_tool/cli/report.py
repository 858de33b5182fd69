"""``xspack report``: one page that shows a pack."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.context import pack_context
from xspack_tool.cli.output import Output
from xspack_tool.cli.release import add_release_arguments, host_of
from xspack_tool.cli.verify import read_all
from xspack_tool.ddk.devices import device_table, read_names
from xspack_tool.ddk.inbox import named_inbox
from xspack_tool.evidence.changes import pack_changes
from xspack_tool.evidence.inventory import inventory_of
from xspack_tool.evidence.modules import modules_of_pack
from xspack_tool.evidence.page import Page, render_page
from xspack_tool.evidence.timeline import read_timeline, timeline_place
from xspack_tool.evidence.verdicts import judge_hosts
from xspack_tool.files import file_digest, write_whole
from xspack_tool.hosts.reading import open_pack
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.report import judge


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument("--against", type=Path, metavar="OLD", help="the last release: shows what changed")
    parser.add_argument("--key", type=Path, metavar="F", help="the public key file that the host has")
    add_release_arguments(parser)
    parser.add_argument(
        "--inbox", type=Path, metavar="I", help="the release's modules.alias, modules.pcimap or modules"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page (<ISO without .iso>-report.html)"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    place = args.output or args.iso.with_name(f"{args.iso.stem}-report.html")
    page = read_page(args)
    write_whole(place, render_page(page))
    out.line(str(place))
    return 0


COMMAND = Command(
    "report",
    "one page: verdicts, findings, changes, devices, sizes",
    _arguments,
    _run,
    reports=False,
    examples=("xspack report acme-1.1.iso --against acme-1.0.iso",),
)


def read_page(args: argparse.Namespace) -> Page:
    """What the page of a pack tells."""
    inbox = named_inbox(args.inbox) if args.inbox else None
    opened = open_pack(args.iso, args.key)
    profile, host = host_of(args, opened)
    pack, findings = read_all(opened, profile, DriverData(None, inbox))
    names = read_names()
    devices = device_table(modules_of_pack(pack), inbox, names)
    changes, sha256 = None, file_digest(args.iso)
    if args.against:
        old = open_pack(args.against)
        changes = pack_changes(old, pack, device_table(modules_of_pack(old), names=names), devices)
    return Page(
        inventory=inventory_of(pack, profile.name),
        title=profile.title,
        sha256=sha256,
        size=args.iso.stat().st_size,
        verdicts=judge_hosts(pack, host),
        report=judge(pack_context(pack, profile, args.base, args.against, int(time.time())), findings),
        devices=devices,
        changes=changes,
        timeline=read_timeline(timeline_place(args.iso.parent, pack.document.label), sha256)
        if pack.document
        else None,
    )
