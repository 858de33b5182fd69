"""``xspack sbom``: the bill of materials of a pack, whoever made it."""

from __future__ import annotations

import argparse
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.evidence.cyclonedx import cyclonedx
from xspack_tool.evidence.inventory import inventory_of
from xspack_tool.evidence.spdx import spdx
from xspack_tool.evidence.text import own_version
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.releases import load_profile

_FORMATS = {"cyclonedx": cyclonedx, "spdx": spdx}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument(
        "--format",
        choices=sorted(_FORMATS),
        default="cyclonedx",
        help="CycloneDX 1.6 or SPDX 2.3, as JSON (cyclonedx)",
    )
    parser.add_argument(
        "--target", default="xenserver-8", metavar="T", help="release that the pack is for (xenserver-8)"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    profile = load_profile(args.target)
    inventory = inventory_of(hash_rpms(open_pack(args.iso)), profile.name)
    out.text(_FORMATS[args.format](inventory, own_version()))
    return 0


COMMAND = Command(
    "sbom",
    "the bill of materials of a pack",
    _arguments,
    _run,
    reports=False,
    examples=("xspack sbom acme-1.0.iso --target xcp-ng-8.3 > acme-1.0.cdx.json",),
)
