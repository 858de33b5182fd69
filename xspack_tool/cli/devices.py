"""``xspack devices``: the devices that drivers claim, and which are supported already."""

from __future__ import annotations

import argparse
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.modules import modules_of_file
from xspack_tool.cli.output import Output
from xspack_tool.ddk.devices import device_cells, device_table, read_names
from xspack_tool.ddk.inbox import named_inbox
from xspack_tool.errors import counted


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="ISO|RPM|KO")
    parser.add_argument(
        "--inbox",
        type=Path,
        metavar="DIR|LIST",
        help="the release's modules: a folder, its modules.alias or its modules.pcimap",
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    inbox = named_inbox(args.inbox) if args.inbox else None
    modules = [module for file in args.files for module in modules_of_file(file)]
    rows = device_table(modules, inbox, read_names())
    if args.json:
        out.json([row.as_json() for row in rows])
        return 0
    if rows:
        out.table(*device_cells(rows))
        out.line()
    supported = sum(1 for row in rows if row.inbox)
    already = f", {supported} of them supported by the release already" if inbox else ""
    devices, by = counted(len(rows), "device"), counted(len(modules), "module")
    out.line(f"{devices} claimed by {by}{already}")
    return 0


COMMAND = Command(
    "devices",
    "the PCI and USB devices claimed, and which are supported already",
    _arguments,
    _run,
    examples=("xspack devices acme-1.0.iso --inbox modules.alias",),
)
