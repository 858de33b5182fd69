"""``xspack sbom``: the bill of materials of any pack or RPM."""

from __future__ import annotations

import argparse
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.modules import is_rpm
from xspack_tool.cli.output import Output
from xspack_tool.evidence.cyclonedx import cyclonedx
from xspack_tool.evidence.inventory import inventory_of, inventory_of_rpm
from xspack_tool.evidence.spdx import spdx
from xspack_tool.evidence.text import own_version
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.releases import load_profile

_FORMATS = {"cyclonedx": cyclonedx, "spdx": spdx}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="ISO|RPM")
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
    if is_rpm(args.file):
        inventory = inventory_of_rpm(args.file, profile.name)
    else:
        inventory = inventory_of(hash_rpms(open_pack(args.file)), profile.name)
    out.text(_FORMATS[args.format](inventory, own_version()))
    return 0


COMMAND = Command(
    "sbom",
    "the bill of materials of a pack or an RPM",
    _arguments,
    _run,
    reports=False,
    examples=(
        "xspack sbom acme-1.0.iso --target xcp-ng-8.3 > acme-1.0.cdx.json",
        "xspack sbom build/rpms/acme-agent-5.2-1.x86_64.rpm --format spdx",
    ),
)
